"""Several people in one picture: speakers move, listeners stay, ends fade, cuts do not jump."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from polydub.engines.lips.exemplar import ExemplarLips
from polydub.engines.lips.stretch import group_spans
from polydub.engines.protocols import LipSpan
from polydub.model import FaceTrack, Image, Line, Person, Placement, Shot, Span
from polydub.stages.lips import plan_lip_spans
from tests.lip_models import WIDTH, Head, frame_time, phones, video, voice

FRAMES = 80
PLACES = (95.0, 240.0, 385.0)
OPENING = 0.55
"""Part of the largest cavity from which a drawn mouth is open."""


class Crowd:
    """Three heads beside one another; the third one listens."""

    def __init__(self) -> None:
        self.heads = [
            Head(
                FRAMES,
                gap=lambda frame, at=at: 0.12 + 0.11 * np.sin(frame * 0.9 + at),
                place=lambda frame, x=x: (x + 2 * np.sin(frame / 9), 120.0),
            )
            for at, x in enumerate(PLACES)
        ]
        self.tracks = [head.track(f"F000.{at + 1}") for at, head in enumerate(self.heads)]

    def image(self, frame: int) -> Image:
        picture = self.heads[0].image(frame)
        for at, head in enumerate(self.heads):
            picture[:, columns(at)] = head.image(frame)[:, columns(at)]
        return picture

    def read(self, first: int, last: int) -> Iterator[tuple[int, Image]]:
        for frame in range(first, min(last, FRAMES)):
            yield frame, self.image(frame)


def columns(at: int) -> slice:
    """The part of the picture that belongs to a head."""
    return slice(WIDTH * at // 3, WIDTH * (at + 1) // 3)


FIRST = phones("b a m a p a m a", 0.5)  # 0.5 .. 2.1 s
SECOND = phones("a m a b a p a m", 1.0)  # 1.0 .. 2.6 s


@pytest.fixture(scope="module")
def film() -> tuple[Crowd, dict[int, Image], dict[str, tuple[LipSpan, ...]]]:
    crowd = Crowd()
    lines = [
        Line("L1", "S1", Span.of(0.5, 2.1), "one", visibility="on-screen"),
        Line("L2", "S2", Span.of(1.0, 2.6), "two", visibility="on-screen"),
    ]
    people = [Person(f"P{at + 1}", (track.id,)) for at, track in enumerate(crowd.tracks)]
    plan, decisions = plan_lip_spans(
        lines,
        {"L1": Placement("L1", Span.of(0.5, 2.1)), "L2": Placement("L2", Span.of(1.0, 2.6))},
        {
            "L1": tuple(phone.shift(-FIRST[0].span.start) for phone in FIRST),
            "L2": tuple(phone.shift(-SECOND[0].span.start) for phone in SECOND),
        },
        {"S1": "P1", "S2": "P2"},
        crowd.tracks,
        people,
        [crowd.heads[0].shot()],
        video(FRAMES),
    )
    assert not decisions
    pictures = {frame: crowd.image(frame) for frame in range(FRAMES)}
    for person, spans in plan.items():
        own: list[FaceTrack] = [crowd.tracks[int(person[1:]) - 1]]
        outcomes = ExemplarLips().render(
            spans, own, [crowd.heads[0].shot()], crowd.read, frame_time,
            audio=voice(FIRST + SECOND, 4.0),
        )  # fmt: skip
        for outcome in outcomes:
            for patch in outcome.patches:
                height, width = patch.pixels.shape[:2]
                rows = slice(patch.top, patch.top + height)
                pictures[patch.frame][rows, patch.left : patch.left + width] = patch.pixels
    return crowd, pictures, plan


def cavity(picture: Image, at: int) -> int:
    return int((picture[:, columns(at)].max(axis=2) < 45).sum())


def test_two_who_talk_at_once_both_say_their_own_line(film) -> None:
    crowd, pictures, plan = film
    assert set(plan) == {"P1", "P2"}
    for at, spoken in ((0, FIRST), (1, SECOND)):
        largest = max(cavity(crowd.image(frame), at) for frame in range(FRAMES))
        both = [p for p in spoken if p.span.start >= 1 and p.span.end <= Span.of(0, 2.1).end]
        assert len(both) >= 4
        for phone in both:
            middle = round(float(phone.span.start + phone.span.end) / 2 * 25 - 0.5)
            seen = cavity(pictures[middle], at) / largest
            assert seen > OPENING if phone.symbol == "a" else seen < 0.3, (at, phone)


def test_who_listens_stays_bit_for_bit(film) -> None:
    crowd, pictures, _ = film
    for frame in range(FRAMES):
        assert (pictures[frame][:, columns(2)] == crowd.image(frame)[:, columns(2)]).all()


def test_frames_outside_all_spans_stay_bit_for_bit(film) -> None:
    crowd, pictures, plan = film
    touched = {frame for spans in plan.values() for span in spans for frame in range(*span.frames)}
    rest = set(range(FRAMES)) - touched
    assert len(rest) >= 12
    assert all((pictures[frame] == crowd.image(frame)).all() for frame in rest)


def test_a_span_fades_in_over_four_frames_and_out_again(film) -> None:
    crowd, pictures, plan = film
    (span,) = plan["P1"]

    def moved(frame: int) -> float:
        """How far the lips are from where they were, against how far they could be."""
        own, new = cavity(crowd.image(frame), 0), cavity(pictures[frame], 0)
        return abs(new - own) / 250

    first, last = span.frames
    assert first > 4 and last < FRAMES - 4
    inside = max(moved(frame) for frame in range(first + 4, last - 4))
    assert moved(first) < 0.45 * inside and moved(last - 1) < 0.45 * inside


def test_ends_fade_only_where_the_same_mouth_goes_on() -> None:
    def at(first: int, last: int, track: str = "F000.1") -> LipSpan:
        return LipSpan(track, "L1", (first, last), Span(frame_time(first), frame_time(last)), ())

    shots = [
        Shot(n, a, b, Span(frame_time(a), frame_time(b)))
        for n, (a, b) in enumerate([(0, 40), (40, 90)])
    ]
    inner, until_cut, from_cut = group_spans([at(5, 20), at(30, 40), at(40, 60, "F001.1")], shots)
    assert (inner.fade_in, inner.fade_out) == (True, True)
    assert (until_cut.fade_in, until_cut.fade_out) == (True, False)
    assert (from_cut.fade_in, from_cut.fade_out) == (False, True)


def test_at_a_cut_the_first_frame_has_the_new_mouth_in_full() -> None:
    head = Head(FRAMES, gap=lambda frame: 0.12 + 0.11 * np.sin(frame * 0.9))
    cut = 40
    shots = [
        Shot(0, 0, cut, Span(frame_time(0), frame_time(cut))),
        Shot(1, cut, FRAMES, Span(frame_time(cut), frame_time(FRAMES))),
    ]
    whole = head.track()
    track = replace(
        whole, id="F001.1", shot=1, first=cut, boxes=whole.boxes[cut:],
        landmarks=whole.landmarks[cut:], accepted=whole.accepted[cut:], pose=whole.pose[cut:],
        iod=whole.iod[cut:], aperture=whole.aperture[cut:],
    )  # fmt: skip
    spoken = phones("a a a", 1.4, 0.4)
    span = LipSpan("F001.1", "L1", (cut, 66), Span(frame_time(cut), frame_time(66)), spoken)
    (outcome,) = ExemplarLips(min_exemplars=20).render(
        [span], [track], shots, head.read, frame_time, audio=voice(spoken, 4.0)
    )
    assert outcome.patches[0].frame == cut
    assert outcome.wanted[cut] == pytest.approx(outcome.wanted[cut + 1], abs=0.05)
    assert outcome.wanted[cut] > 0.1  # mid-vowel at the cut, not a mouth that still fades in
