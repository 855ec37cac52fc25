"""What every lip engine made of a network must do, on tiny networks with random weights.

The shape of the suite is that of ``test_lip_renderers.py``; what a mouth looks like is left out,
for random weights know nothing of mouths.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from polydub.engines import registry
from polydub.engines.lips.gates import EDGE, NO_LANDMARKS, PROFILE, SMALL
from polydub.engines.lips.geometry import OVAL
from polydub.engines.lips.neural.renderer import UNFIT, NeuralOptions
from polydub.engines.protocols import LipOutcome, LipRenderer, LipSpan
from polydub.errors import InputError
from polydub.model import FaceTrack, Image, Phone, Span, Waveform
from tests.lip_models import HEIGHT, IOD, WIDTH, Head, frame_time, phones, rendered, voice
from tests.neural_lip_models import NETWORKS, build

FRAMES = 18
SPOKEN = phones("b a m a", 0.0, 0.18)
DRAWN = [name for name in NETWORKS if name != "latentsync-1.5"]  # the same network as latentsync
_BUILT: dict[str, LipRenderer] = {}


@pytest.fixture(
    params=[  # its U-Net sees sixteen frames at once: half of this module's time
        pytest.param(name, marks=pytest.mark.slow if name == "latentsync" else ()) for name in DRAWN
    ]
)
def renderer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> LipRenderer:
    name = request.param
    if name not in _BUILT:
        _BUILT[name] = build(name, tmp_path_factory.mktemp(name))
    return _BUILT[name]


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
            audio=audio or voice(SPOKEN, 2.0),
        )
    )


def lower_face(head: Head, frame: int) -> np.ndarray:
    """Pixels that an engine may change: the face and an eighth of an eye distance below it.

    Three pixels more, for landmarks are smoothed over time.
    """
    points = head.points(frame)[list(OVAL), :2]
    lower = points + np.array([0, 0.12 * head.iod])
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    hull = cv2.convexHull(np.concatenate([points, lower]).astype(np.float32))
    cv2.fillConvexPoly(mask, hull.astype(np.int32), 1)
    mask[: int(head.points(frame)[2, 1])] = 0
    return cv2.dilate(mask, np.ones((7, 7), np.uint8)).astype(bool)


@pytest.mark.parametrize("name", NETWORKS)
def test_it_declares_itself(name: str) -> None:
    known = registry.describe("lips", name).capabilities
    assert known is not None and known.kind == "lips" and known.rate == 16000 and known.gpu
    assert known.weights and known.weights_licence
    assert known.noncommercial == (name == "wav2lip")


def test_it_is_a_lip_renderer(renderer: LipRenderer) -> None:
    assert isinstance(renderer, LipRenderer)


def test_one_outcome_per_span_in_order_and_every_frame_is_accounted_for(
    renderer: LipRenderer,
) -> None:
    head = Head(FRAMES)
    spans = [span(1, 6), span(6, 11, line="L2"), span(14, 20, line="L3")]
    outcomes = render(renderer, head, spans)
    assert [outcome.span for outcome in outcomes] == spans
    for outcome in outcomes:
        first, last = outcome.span.frames
        frames = [patch.frame for patch in outcome.patches]
        assert frames == sorted(set(frames))
        assert all(first <= frame < last for frame in frames)
        assert len(frames) + sum(outcome.skipped.values()) == last - first
        assert all(np.isfinite(value) for value in outcome.scores.values())
    assert len(outcomes[0].patches) == 5 and len(outcomes[1].patches) == 5
    assert outcomes[2].skipped == {NO_LANDMARKS: 2}


def test_the_mouth_changes_and_nothing_but_the_lower_face(renderer: LipRenderer) -> None:
    head = Head(FRAMES)
    pictures = rendered(head, render(renderer, head, [span()]))
    assert len(pictures) == FRAMES
    for frame, picture in pictures.items():
        changed = (picture != head.image(frame)).any(axis=2)
        assert not (changed & ~lower_face(head, frame)).any()
        x, y = head.points(frame)[13, :2].astype(int)
        assert changed[y - 4 : y + 4, x - 8 : x + 8].mean() > 0.5


def test_the_same_input_gives_the_same_pixels(renderer: LipRenderer) -> None:
    head = Head(FRAMES)
    first, second = (render(renderer, head, [span(2, 12)])[0] for _ in range(2))
    assert first.scores == second.scores
    for one, other in zip(first.patches, second.patches, strict=True):
        assert (one.pixels == other.pixels).all()


def test_touching_spans_have_no_seam(renderer: LipRenderer) -> None:
    head = Head(FRAMES)
    whole = rendered(head, render(renderer, head, [span()]))
    split = rendered(head, render(renderer, head, [span(0, 9), span(9, FRAMES, line="L2")]))
    for frame in range(FRAMES):
        assert (whole[frame] == split[frame]).all()


def test_it_fades_in_and_out_where_the_mouth_goes_on(renderer: LipRenderer) -> None:
    head = Head(FRAMES, gap=lambda frame: 0.1, place=lambda frame: (240.0, 120.0))
    pictures = rendered(head, render(renderer, head, [span(3, 15)]))
    away = [
        np.abs(pictures[frame].astype(int) - head.image(frame)).sum() for frame in (3, 4, 8, 13, 14)
    ]
    assert away[0] < away[1] < away[2] and away[4] < away[3] < away[2]


def test_it_hears_the_voice_of_this_person_only(renderer: LipRenderer) -> None:
    head = Head(FRAMES)
    loud, nothing = voice(SPOKEN, 2.0), Waveform(np.zeros(32000, np.float32), 16000)
    heard, silent, others = (
        rendered(head, render(renderer, head, [span(spoken=spoken)], audio=audio))
        for spoken, audio in ((SPOKEN, loud), ((), nothing), ((), loud))
    )
    assert all((silent[frame] == others[frame]).all() for frame in range(FRAMES))
    assert any((silent[frame] != heard[frame]).any() for frame in range(FRAMES))


def test_a_profile_keeps_its_mouth(renderer: LipRenderer) -> None:
    head = Head(24, yaw=lambda frame: 0.0 if frame < 12 else 55.0)
    (outcome,) = render(renderer, head, [span(0, 24)])
    frames = {patch.frame for patch in outcome.patches}
    assert 5 in frames
    assert not frames & set(range(13, 24))
    assert PROFILE in outcome.skipped


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (Head(12, iod=15.0, place=lambda frame: (240.0, 150.0)), SMALL),
        (Head(12, place=lambda frame: (240.0, 262.0)), EDGE),
    ],
)
def test_hopeless_faces_are_left_alone_with_a_reason(
    renderer: LipRenderer, head: Head, reason: str
) -> None:
    (outcome,) = render(renderer, head, [span(0, head.n)])
    assert outcome.patches == () and outcome.skipped == {reason: head.n}


def test_a_short_still_face_is_drawn(renderer: LipRenderer) -> None:
    """A network needs no examples of the person: what the exemplars cannot do, it can."""
    head = Head(6, gap=lambda frame: 0.01)
    (outcome,) = render(renderer, head, [span(0, 6)])
    assert len(outcome.patches) == 6


def test_a_gap_in_the_face_splits_the_run_and_costs_its_frames_only(renderer: LipRenderer) -> None:
    head = Head(24)
    track = head.track()
    landmarks, accepted = track.landmarks.copy(), track.accepted.copy()
    landmarks[10:16], accepted[10:16] = np.nan, False
    broken = replace(track, landmarks=landmarks, accepted=accepted)
    (outcome,) = render(renderer, head, [span(0, 24)], [broken])
    frames = {patch.frame for patch in outcome.patches}
    assert frames and not frames & set(range(10, 16))
    assert {2, 21} <= frames and outcome.skipped[NO_LANDMARKS] >= 6
    assert len(frames) + sum(outcome.skipped.values()) == 24


def test_bad_spans_do_not_raise_and_do_not_spoil_others(renderer: LipRenderer) -> None:
    head = Head(FRAMES)
    outcomes = render(renderer, head, [span(0, 5, track="F999.1"), span(6, 12), span(18, 22)])
    assert outcomes[0].patches == () and outcomes[0].skipped == {NO_LANDMARKS: 5}
    assert len(outcomes[1].patches) == 6
    assert outcomes[2].patches == () and outcomes[2].skipped == {NO_LANDMARKS: 4}


def test_no_tracks_no_landmarks_no_spans(renderer: LipRenderer) -> None:
    head = Head(10)
    blind = replace(
        head.track(),
        landmarks=np.full((10, 478, 3), np.nan, np.float32),
        accepted=np.zeros(10, bool),
    )
    flat = replace(head.track(), landmarks=np.zeros((10, 478, 3), np.float32))
    for tracks in ([], [blind], [flat]):
        (outcome,) = render(renderer, head, [span(0, 10)], tracks)
        assert outcome.patches == () and sum(outcome.skipped.values()) == 10
    assert render(renderer, head, []) == []


def test_a_damaged_film_costs_its_frames_only(renderer: LipRenderer) -> None:
    head = Head(FRAMES)
    good = head.read

    def broken(first: int, last: int) -> Iterator[tuple[int, Image]]:
        for index, picture in good(first, last):
            if index >= 12:
                raise InputError("the file ends here")
            yield index, picture

    head.read = broken  # type: ignore[method-assign]
    (outcome,) = render(renderer, head, [span(0, FRAMES)])
    assert len(outcome.patches) >= 8
    assert len(outcome.patches) + sum(outcome.skipped.values()) == FRAMES
    assert any("the file ends here" in reason for reason in outcome.skipped)


@pytest.mark.parametrize(
    "times",
    [
        lambda frame: Fraction(frame * 1001, 24000),
        lambda frame: Fraction(frame, 30),
        lambda frame: Fraction(frame, 50),
        lambda frame: Fraction(frame, 25) + Fraction(frame**2, 1000),  # slower and slower
    ],
    ids=["23.976", "30", "50", "variable"],
)
def test_every_frame_rate_keeps_every_frame(renderer: LipRenderer, times: object) -> None:
    head = Head(FRAMES)
    assert callable(times)
    whole = LipSpan("F000.1", "L1", (0, FRAMES), Span(times(0), times(FRAMES)), SPOKEN)
    (outcome,) = renderer.render(
        [whole], [head.track()], [head.shot()], head.read, times, audio=voice(SPOKEN, 2.0)
    )
    assert [patch.frame for patch in outcome.patches] == list(range(FRAMES))


def test_two_faces_each_get_their_own_mouth(renderer: LipRenderer) -> None:
    left = Head(8, place=lambda frame: (120.0, 120.0))
    right = Head(8, place=lambda frame: (360.0, 120.0), gap=lambda frame: 0.05)
    both = Head(8)

    def read(first: int, last: int) -> Iterator[tuple[int, Image]]:
        for frame in range(first, min(last, 8)):
            picture = left.image(frame)
            picture[:, WIDTH // 2 :] = right.image(frame)[:, WIDTH // 2 :]
            yield frame, picture

    both.read = read  # type: ignore[method-assign]
    for head, name, middle in ((left, "F000.1", 120), (right, "F000.2", 360)):
        tracks = [head.track(name)]
        (outcome,) = render(renderer, both, [span(0, 8, track=name)], tracks)
        assert len(outcome.patches) == 8
        for patch in outcome.patches:
            assert patch.left > middle - 1.2 * IOD
            assert patch.left + patch.pixels.shape[1] < middle + 1.2 * IOD


@pytest.mark.parametrize("name", DRAWN)
def test_what_does_not_fit_its_surroundings_is_not_shown(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Random weights draw nonsense: the default options must not let it into the film."""
    engine = build(name, tmp_path_factory.mktemp(name), NeuralOptions(max_residual=5.0))
    (outcome,) = render(engine, Head(8), [span(0, 8)])
    assert outcome.patches == () and outcome.skipped == {UNFIT: 8}
    assert outcome.scores["ring"] > 5
