"""Things in front of a mouth: seen, left alone, and never learnt from."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from polydub.engines.lips.exemplar import ExemplarLips
from polydub.engines.lips.gates import OCCLUDED, cover_gate
from polydub.engines.lips.geometry import OUTER_LIPS, measure_track, person_canonical
from polydub.engines.lips.occlusion import HandFinder, hidden_share, lower_face, paint_hands
from polydub.engines.lips.watch import EVERY, Watch
from polydub.engines.protocols import LipOutcome, LipSpan
from polydub.model import Image, Span
from tests.lip_models import Head, frame_time, phones, voice

FRAMES = 90
COVERED = range(40, 56)
GREEN = (40, 200, 60)
SPOKEN = phones("b a m a p a u a b a m a", 0.4)


@dataclass
class CoveredHead(Head):
    """A head that holds something bright green before its mouth for a while."""

    covered: range = COVERED
    radius: int = 18

    def image(self, frame: int) -> Image:
        picture = super().image(frame)
        if frame in self.covered:
            x, y = self.points(frame)[list(OUTER_LIPS), :2].mean(axis=0)
            cv2.circle(picture, (round(float(x)), round(float(y)) + 4), self.radius, GREEN, -1)
        return picture


def render(head: Head) -> LipOutcome:
    span = LipSpan("F000.1", "L1", (0, FRAMES), Span(frame_time(0), frame_time(FRAMES)), SPOKEN)
    (outcome,) = ExemplarLips().render(
        [span], [head.track()], [head.shot()], head.read, frame_time, audio=voice(SPOKEN, 4.0)
    )
    return outcome


def green(picture: Image) -> int:
    """How much of the thing is seen."""
    return int((np.abs(picture.astype(int) - GREEN).max(axis=2) < 40).sum())


def test_a_thing_before_the_mouth_is_left_alone_and_the_rest_is_rendered() -> None:
    outcome = render(CoveredHead(FRAMES))
    frames = {patch.frame for patch in outcome.patches}
    assert not frames & set(COVERED)
    assert outcome.skipped[OCCLUDED] >= len(COVERED)
    assert {5, 20, 30, 65, 80} <= frames
    assert len(frames) >= FRAMES - len(COVERED) - 12


def test_nothing_is_learnt_from_covered_frames() -> None:
    outcome = render(CoveredHead(FRAMES))
    assert max(green(patch.pixels) for patch in outcome.patches) == 0


def test_a_free_mouth_raises_no_alarm() -> None:
    head = Head(
        FRAMES, yaw=lambda frame: 15 * np.sin(frame / 20), light=lambda f: 1 + 0.1 * np.sin(f / 15)
    )
    outcome = render(head)
    assert OCCLUDED not in outcome.skipped
    assert len(outcome.patches) == FRAMES


def hand(x: float, y: float, size: float) -> np.ndarray:
    """Joints of an upright hand whose palm lies around ``(x, y)``."""
    joints = np.zeros((21, 2))
    joints[0] = (0, 1)
    for finger, spread in enumerate((-0.9, -0.45, -0.15, 0.15, 0.45)):
        for joint in range(4):
            reach = 0.3 - 0.35 * joint if finger else 0.6 - 0.2 * joint
            joints[1 + 4 * finger + joint] = (spread * (1 + 0.15 * joint), reach)
    return joints * size + np.array([x, y])


class Finder:
    """Sees a hand where the test puts one."""

    def __init__(self, place: dict[int, tuple[float, float]], head: Head) -> None:
        self.place, self.head, self.asked = place, head, 0

    def find(self, image: Image, mouth: np.ndarray, iod: float) -> list[np.ndarray]:
        self.asked += 1
        known = self.place.get(int(image[0, 0, 0]))
        return (
            [hand(mouth[0] + known[0] * iod, mouth[1] + known[1] * iod, iod / 2)] if known else []
        )


def watched(place: dict[int, tuple[float, float]]) -> tuple[Watch, Finder]:
    head = Head(FRAMES)
    canonical = person_canonical([head.track()])
    assert canonical is not None
    finder = Finder(place, head)
    watch = Watch(measure_track(head.track(), canonical), finder)  # type: ignore[arg-type]
    for row in range(FRAMES):
        picture = head.image(row)
        picture[0, 0, 0] = row
        watch.see(row, picture)
    return watch, finder


def test_a_hand_over_the_mouth_hides_it_until_it_is_seen_gone() -> None:
    watch, finder = watched({row: (0.0, 0.0) for row in range(40, 57)})
    hidden = watch.hidden()
    assert (hidden[40:57] > 0.3).all()
    assert not hidden[: 40 - EVERY].any() and not hidden[57 + EVERY :].any()
    assert finder.asked == -(-FRAMES // EVERY)
    assert watch.near()[40:57].all() and not watch.near()[:30].any()


def test_a_hand_at_the_cheek_is_near_but_hides_nothing() -> None:
    watch, _ = watched({row: (1.3, 0.2) for row in range(40, 57)})
    assert watch.near()[44]
    assert watch.hidden()[40:57].max() < 0.02


def test_what_a_hand_covers_is_painted_and_counted() -> None:
    head = Head(1)
    points = head.points(0)[:, :2]
    x, y = points[list(OUTER_LIPS)].mean(axis=0)
    assert hidden_share([], points, head.iod) == 0
    assert hidden_share([hand(x, y, head.iod)], points, head.iod) > 0.7
    assert hidden_share([hand(x + 3 * head.iod, y, head.iod)], points, head.iod) == 0
    mask = paint_hands([hand(60.0, 50.0, 30.0)], (100, 120), np.zeros(2), 60.0)
    assert mask[50, 60] == 255 and mask[5, 5] == 0


def test_the_gate_closes_as_the_mouth_is_covered() -> None:
    assert cover_gate(np.array([0.0, 0.02, 0.055, 0.3])) == pytest.approx([1.0, 1.0, 0.5, 0.0])


def test_the_patch_under_the_nose_keeps_still_when_the_head_does_not() -> None:
    head = Head(2, gap=lambda f: 0.1, place=lambda f: (200.0 + 60 * f, 120.0))
    first, second = (
        lower_face(head.image(f), head.points(f)[:, :2], head.iod).astype(int) for f in (0, 1)
    )
    assert np.abs(first - second)[:24, 6:26].mean() < 3  # the face; the wall goes by beside it
    far = lower_face(head.image(0), head.points(0)[:, :2] + 5000, head.iod)
    assert far.shape == first.shape


def test_without_mediapipe_no_hand_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polydub.engines.lips.occlusion.find_spec", lambda name: None)
    finder = HandFinder()
    assert finder.find(Head(1).image(0), np.array([240.0, 170.0]), 60.0) == []


def test_mediapipe_sees_no_hand_in_a_bare_face() -> None:
    pytest.importorskip("mediapipe")
    head = Head(1)
    middle = head.points(0)[list(OUTER_LIPS), :2].mean(axis=0)
    assert HandFinder().find(head.image(0), middle, head.iod) == []
