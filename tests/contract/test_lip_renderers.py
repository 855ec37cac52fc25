"""What every lip renderer must do, whatever it is made of. New engines are covered by the list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from polydub.engines import registry
from polydub.engines.protocols import LipOutcome, LipRenderer, LipSpan
from polydub.errors import InputError
from polydub.model import FaceTrack, Image, Phone, Span, Waveform
from tests.lip_models import HEIGHT, WIDTH, Head, frame_time, phones, rendered, voice

FRAMES = 60
SPOKEN = phones("b a m a p a u", 0.4)


def usable(name: str) -> bool:
    info = registry.describe("lips", name)
    return info.capabilities is not None and not info.missing and not info.capabilities.weights


@pytest.fixture(params=[name for name in registry.names("lips") if usable(name)])
def renderer(request: pytest.FixtureRequest) -> LipRenderer:
    engine = registry.load("lips", request.param)
    assert isinstance(engine, LipRenderer)
    assert engine.capabilities.kind == "lips"
    return engine


def span(
    first: int = 0,
    last: int = FRAMES,
    track: str = "F000.1",
    spoken: tuple[Phone, ...] = SPOKEN,
    line: str = "L1",
) -> LipSpan:
    return LipSpan(track, line, (first, last), Span(frame_time(first), frame_time(last)), spoken)


def render(
    engine: LipRenderer,
    head: Head,
    spans: list[LipSpan],
    tracks: list[FaceTrack] | None = None,
    audio: Waveform | None = None,
) -> list[LipOutcome]:
    return list(
        engine.render(
            spans,
            [head.track()] if tracks is None else tracks,
            [head.shot()],
            head.read,
            frame_time,
            audio=audio or voice(SPOKEN, 4.0),
        )
    )


def cavity(picture: Image) -> int:
    """Dark pixels: the inside of the drawn mouth."""
    return int((picture.max(axis=2) < 45).sum())


def test_one_outcome_per_span_in_order_and_every_frame_is_accounted_for(
    renderer: LipRenderer,
) -> None:
    head = Head(FRAMES)
    spans = [span(10, 30), span(30, 45, line="L2"), span(50, 60, line="L3")]
    outcomes = render(renderer, head, spans)
    assert [outcome.span for outcome in outcomes] == spans
    for outcome in outcomes:
        first, last = outcome.span.frames
        frames = [patch.frame for patch in outcome.patches]
        assert frames == sorted(set(frames))
        assert all(first <= frame < last for frame in frames)
        assert len(frames) + sum(outcome.skipped.values()) == last - first
        assert all(np.isfinite(value) for value in outcome.scores.values())


def test_patches_lie_in_the_picture_and_near_the_mouth(renderer: LipRenderer) -> None:
    head = Head(FRAMES)
    (outcome,) = render(renderer, head, [span()])
    assert len(outcome.patches) > 50
    for patch in outcome.patches:
        height, width = patch.pixels.shape[:2]
        assert patch.pixels.dtype == np.uint8
        assert patch.left >= 0 and patch.left + width <= WIDTH
        assert patch.top >= 0 and patch.top + height <= HEIGHT
        assert height * width < 0.5 * HEIGHT * WIDTH
        eyes = head.points(patch.frame)[[33, 263], 1].min()
        assert patch.top > eyes - 0.5 * head.iod


def test_the_mouth_closes_in_silence_and_at_lip_closures_and_opens_for_vowels(
    renderer: LipRenderer,
) -> None:
    head = Head(FRAMES)
    pictures = rendered(head, render(renderer, head, [span()]))
    silent = [cavity(pictures[frame]) for frame in range(2, 7) if frame in pictures]
    closed = [cavity(pictures[frame]) for frame in (12, 22, 32)]  # b, m, p at 0.5, 0.9, 1.3 s
    opened = [cavity(pictures[frame]) for frame in (17, 27, 37)]  # a at 0.7, 1.1, 1.5 s
    original = [cavity(head.image(frame)) for frame in range(FRAMES)]
    assert max(silent + closed) < 0.35 * min(opened)
    assert min(opened) > 0.6 * max(original)


def test_the_same_input_gives_the_same_pixels(renderer: LipRenderer) -> None:
    head = Head(60)
    first, second = (render(renderer, head, [span(5, 50)])[0] for _ in range(2))
    assert first.scores == second.scores
    for one, other in zip(first.patches, second.patches, strict=True):
        assert (one.pixels == other.pixels).all()


def test_touching_spans_have_no_seam(renderer: LipRenderer) -> None:
    head = Head(FRAMES)
    whole = rendered(head, render(renderer, head, [span()]))
    split = rendered(head, render(renderer, head, [span(0, 36), span(36, FRAMES, line="L2")]))
    for frame in range(32, 40):
        assert np.abs(whole[frame].astype(int) - split[frame].astype(int)).mean() < 0.5


def test_a_profile_keeps_its_mouth(renderer: LipRenderer) -> None:
    head = Head(90, yaw=lambda frame: 0.0 if frame < 50 else 55.0)
    (outcome,) = render(renderer, head, [span(0, 90)])
    frames = {patch.frame for patch in outcome.patches}
    assert 30 in frames
    assert not frames & set(range(54, 90))
    assert sum(outcome.skipped.values()) >= 36


@pytest.mark.parametrize(
    "head",
    [
        Head(20),  # too short to learn from
        Head(60, gap=lambda frame: 0.01),  # never opens
        Head(60, iod=15.0, place=lambda frame: (240.0, 150.0)),  # nobody would see it
    ],
)
def test_hopeless_faces_are_left_alone_with_a_reason(renderer: LipRenderer, head: Head) -> None:
    (outcome,) = render(renderer, head, [span(0, head.n)])
    assert outcome.patches == ()
    assert sum(outcome.skipped.values()) == head.n
    assert all(outcome.skipped)


def test_bad_spans_do_not_raise_and_do_not_spoil_others(renderer: LipRenderer) -> None:
    head = Head(60)
    spans = [span(0, 20, track="F999.1"), span(30, 60), span(60, 80)]
    outcomes = render(renderer, head, spans)
    assert outcomes[0].patches == () and sum(outcomes[0].skipped.values()) == 20
    assert len(outcomes[1].patches) > 20
    assert outcomes[2].patches == () and sum(outcomes[2].skipped.values()) == 20


def test_no_tracks_no_landmarks_no_spans(renderer: LipRenderer) -> None:
    head = Head(50)
    blind = replace(
        head.track(),
        landmarks=np.full((50, 478, 3), np.nan, np.float32),
        accepted=np.zeros(50, bool),
    )
    flat = replace(head.track(), landmarks=np.zeros((50, 478, 3), np.float32))
    for tracks in ([], [blind], [flat]):
        (outcome,) = render(renderer, head, [span(0, 50)], tracks)
        assert outcome.patches == () and sum(outcome.skipped.values()) == 50
    assert render(renderer, head, []) == []


def test_a_damaged_film_costs_its_spans_only(renderer: LipRenderer) -> None:
    head = Head(60)
    good = head.read

    def broken(first: int, last: int) -> Iterator[tuple[int, Image]]:
        for index, picture in good(first, last):
            if index >= 40:
                raise InputError("the file ends here")
            yield index, picture

    head.read = broken  # type: ignore[method-assign]
    (outcome,) = render(renderer, head, [span(0, 60)])
    assert len(outcome.patches) + sum(outcome.skipped.values()) == 60
    assert any("the file ends here" in reason for reason in outcome.skipped)


def test_silence_and_no_phones_close_the_mouth(renderer: LipRenderer) -> None:
    head = Head(60)
    quiet = Waveform(np.zeros(16000, np.float32), 16000)
    pictures = rendered(head, render(renderer, head, [span(0, 60, spoken=())], audio=quiet))
    assert len(pictures) > 50
    assert max(cavity(pictures[frame]) for frame in range(8, 50)) < 60


def test_variable_frame_times_are_followed(renderer: LipRenderer) -> None:
    head = Head(FRAMES)

    def slow(frame: int) -> Fraction:
        return Fraction(frame, 25) * 2

    audio = voice(phones("a a a", 2.0, 0.4), 7.0)
    spoken = phones("a a a", 2.0, 0.4)
    (outcome,) = renderer.render(
        [span(spoken=spoken)], [head.track()], [head.shot()], head.read, slow, audio=audio
    )
    pictures = rendered(head, [outcome])
    assert cavity(pictures[32]) > 4 * cavity(pictures[15])  # 2.6 s and 1.2 s
