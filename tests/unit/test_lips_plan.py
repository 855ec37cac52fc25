"""Which mouths must follow the dub."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polydub.model import FaceTrack, Line, Person, Phone, Placement, Shot, Span
from polydub.stages.lips import (
    NARRATION,
    NO_TAKE,
    NO_TRACK,
    OFF_SCREEN,
    SINGING,
    UNLINKED,
    LipPlanOptions,
    plan_lip_spans,
)
from tests.lip_models import video


def track(name: str, first: int, last: int, shot: int = 0) -> FaceTrack:
    n = last - first
    return FaceTrack(
        id=name,
        shot=shot,
        first=first,
        boxes=np.zeros((n, 4), np.float32),
        landmarks=np.broadcast_to(np.float32(0), (n, 478, 3)),
        accepted=np.ones(n, bool),
        pose=np.zeros((n, 3), np.float32),
        iod=np.full(n, 60, np.float32),
        aperture=np.zeros(n, np.float32),
        score=1.0,
    )


def line(name: str, start: float, end: float, speaker: str = "S1", **more) -> Line:
    return Line(name, speaker, Span.of(start, end), "text", **{"visibility": "on-screen", **more})


def shots(*bounds: int) -> list[Shot]:
    return [
        Shot(index, first, last, Span(Fraction(first, 25), Fraction(last, 25)))
        for index, (first, last) in enumerate(pairwise(bounds))
    ]


def plan(lines, placements, tracks, cuts=(0, 500), people=None, options=None, takes=None):
    placed = {name: Placement(name, Span.of(*when)) for name, when in placements.items()}
    people = people or [Person("P1", tuple(t.id for t in tracks))]
    return plan_lip_spans(
        lines,
        placed,
        takes or {},
        {"S1": "P1", "S2": "P2", "S3": None},
        tracks,
        people,
        shots(*cuts),
        video(cuts[-1]),
        options=options,
    )


def test_a_span_covers_the_old_and_the_new_speech() -> None:
    spans, decisions = plan([line("L1", 2, 4)], {"L1": (3, 5)}, [track("F1", 0, 500)])
    (only,) = spans["P1"]
    assert only.frames == (47, 132)  # 2 s - 0.15 s to 5 s + 0.25 s, frames that start inside
    assert only.span == Span(Fraction(47, 25), Fraction(132, 25))
    assert (only.track, only.line) == ("F1", "L1")
    assert decisions == ()


def test_phones_are_in_film_time_and_near_the_span() -> None:
    spoken = tuple(Phone("a", Span.of(at / 10, at / 10 + 0.1)) for at in range(20))
    spans, _ = plan(
        [line("L1", 2, 4)],
        {"L1": (2, 4)},
        [track("F1", 0, 75), track("F2", 75, 500, shot=1)],
        cuts=(0, 75, 500),
        takes={"L1": spoken},
    )
    first, second = spans["P1"]
    assert first.phones[0].span == Span.of(2, 2.1)
    assert first.frames[1] == second.frames[0] == 75
    assert max(phone.span.start for phone in first.phones) < Fraction(33, 10)
    assert min(phone.span.end for phone in second.phones) > Fraction(27, 10)


def test_neighbouring_lines_share_a_border_and_do_not_overlap() -> None:
    lines = [line("L1", 1, 2), line("L2", 2.3, 3), line("L3", 5, 6)]
    placements = {"L1": (1, 2.1), "L2": (2.3, 3.2), "L3": (5, 6)}
    spans, _ = plan(lines, placements, [track("F1", 0, 500)])
    one, two, three = spans["P1"]
    assert one.frames[1] == two.frames[0] == 55  # 2.2 s
    assert two.frames[1] < three.frames[0]


def test_a_take_far_from_its_line_gives_two_spans() -> None:
    spans, _ = plan([line("L1", 1, 2)], {"L1": (4, 5)}, [track("F1", 0, 500)])
    assert [span.frames for span in spans["P1"]] == [(22, 57), (97, 132)]


def test_long_lines_are_cut_without_a_gap() -> None:
    options = LipPlanOptions(longest=Fraction(2))
    spans, _ = plan([line("L1", 1, 9)], {"L1": (1, 9)}, [track("F1", 0, 500)], options=options)
    frames = [span.frames for span in spans["P1"]]
    assert len(frames) == 5
    assert all(a[1] == b[0] for a, b in pairwise(frames))
    assert max(last - first for first, last in frames) <= 50


def test_reasons_are_recorded() -> None:
    lines = [
        line("L1", 1, 2, visibility="off-screen"),
        line("L2", 3, 4, visibility="narration"),
        line("L3", 5, 6, speaker="S3"),
        line("L4", 7, 8),
        line("L5", 9, 10),
        line("L6", 15, 16),
    ]
    placements = {name: (int(name[1]) * 2 - 1, int(name[1]) * 2) for name in ("L1", "L2", "L3")}
    placements |= {"L5": (9, 10), "L6": (15, 16)}
    spans, decisions = plan(lines, placements, [track("F1", 0, 300)])
    assert {decision.unit: decision.reason for decision in decisions} == {
        "L1": OFF_SCREEN,
        "L2": NARRATION,
        "L3": UNLINKED,
        "L4": NO_TAKE,
        "L6": NO_TRACK,
    }
    assert all(d.kind == "pass-through" and d.stage == "lips" and d.span for d in decisions)
    assert [span.line for span in spans["P1"]] == ["L5"]


def test_two_people_speak_at_once() -> None:
    people = [Person("P1", ("F1",)), Person("P2", ("F2",))]
    lines = [line("L1", 1, 3), line("L2", 2, 4, speaker="S2")]
    tracks = [track("F1", 0, 200), track("F2", 0, 200)]
    spans, _ = plan(lines, {"L1": (1, 3), "L2": (2, 4)}, tracks, people=people)
    assert {span.track for span in spans["P1"]} == {"F1"}
    assert {span.track for span in spans["P2"]} == {"F2"}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 150), st.integers(1, 60), st.integers(-20, 20)),
        min_size=1,
        max_size=6,
    )
)
def test_spans_of_a_track_never_overlap_and_cover_every_line(
    cases: list[tuple[int, int, int]],
) -> None:
    lines, placements = [], {}
    at = Fraction(0)
    for number, (gap, length, late) in enumerate(cases):
        start = at + Fraction(gap, 10)
        span = Span(start, start + Fraction(length, 10))
        at = span.end
        name = f"L{number}"
        lines.append(Line(name, "S1", span, "text", visibility="on-screen"))
        moved = max(Fraction(0), span.start + Fraction(late, 10))
        placements[name] = (moved, moved + span.duration)
    n = int(at * 25) + 200
    tracks = [track("F1", 0, n // 2), track("F2", n // 2, n, shot=1)]
    spans, _ = plan(lines, placements, tracks, cuts=(0, n // 2, n))
    covered: set[int] = set()
    for span in spans.get("P1", ()):
        frames = set(range(*span.frames))
        assert frames and not frames & covered
        covered |= frames
        owner = next(t for t in tracks if t.id == span.track)
        assert frames <= set(owner.frames)
    film = video(n)
    for item in lines:
        assert set(film.frames_in(item.span)) <= covered
        assert set(film.frames_in(Span.of(*placements[item.id]))) <= covered


@pytest.mark.parametrize("visibility", ["off-screen", "narration"])
def test_nothing_to_do_is_an_empty_plan(visibility: str) -> None:
    spans, decisions = plan(
        [line("L1", 1, 2, visibility=visibility)], {"L1": (1, 2)}, [track("F1", 0, 100)]
    )
    assert spans == {}
    assert len(decisions) == 1


@pytest.mark.parametrize("text", ["♪ Oh my love ♪", "[singing softly] Oh my love", "(唱) 啊"])
def test_what_is_marked_as_sung_keeps_its_mouth(text: str) -> None:
    sung = replace(line("L1", 1, 3), text=text)
    spans, decisions = plan([sung, line("L2", 5, 7)], {"L1": (1, 3), "L2": (5, 7)},
                            [track("F000.1", 0, 250)])  # fmt: skip
    assert {span.line for own in spans.values() for span in own} == {"L2"}
    assert [(d.unit, d.reason) for d in decisions] == [("L1", SINGING)]
