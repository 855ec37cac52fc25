"""A rendered mouth is looked at anew; a bad one keeps the original pixels and says why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest

from polydub.engines.lips.exemplar import ExemplarLips
from polydub.engines.lips.geometry import OUTER_LIPS
from polydub.engines.protocols import LipOutcome, LipSpan, Patch
from polydub.errors import EngineError
from polydub.model import FaceTrack, Image, Span
from polydub.pipeline.lip_check import FELL_BACK, LipChecker
from polydub.stages.lip_check import LipLimits, Measured, fault, figures, joints
from tests.lip_models import Head, frame_time, phones, voice

SPOKEN = phones("b a m a p a u", 0.4)
FRAMES = 60


class Eyes:
    """Measures the drawn mouth: its dark rows are the gap. The mesh itself is known."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.blind = False

    def detect(self, image: Image, *, thorough: bool = False) -> list[object]:
        raise AssertionError("nobody looks for faces here")

    def landmarks(self, image: Image, box: tuple[float, float, float, float]) -> np.ndarray | None:
        if self.blind:
            return None
        middle = round((box[0] + box[2]) / 2)
        rows = slice(round(0.5 * (box[1] + box[3])), round(box[3]) - 8)
        dark = (image[rows, middle - 2 : middle + 3].max(axis=2) < 90).sum(axis=0)
        points = np.zeros((478, 3), np.float32)
        points[14, 1] = float(np.median(dark))
        return points


class Prints:
    """Skin colour is the identity."""

    def embed(self, image: Image, landmarks: np.ndarray) -> np.ndarray:
        x, y = landmarks[[61, 291, 0, 17], :2].mean(axis=0).astype(int)
        part = image[y + 20 : y + 30, x - 20 : x + 20].reshape(-1, 3).mean(axis=0)
        return np.pad(part / 255, (0, 125)).astype(np.float32)


def setting() -> tuple[Head, FaceTrack, Eyes, LipChecker]:
    head = Head(FRAMES)
    track = head.track()
    landmarks = track.landmarks[0]
    track = replace(track, print=Prints().embed(head.image(0), landmarks))
    eyes = Eyes(head)
    checker = LipChecker(eyes, Prints(), {track.id: track}, head.read, frame_time)  # type: ignore[arg-type]
    return head, track, eyes, checker


def rendered(
    head: Head, track: FaceTrack, borders: tuple[int, ...] = (0, FRAMES)
) -> list[LipOutcome]:
    spans = [
        LipSpan(track.id, f"L{n}", (a, b), Span(frame_time(a), frame_time(b)), SPOKEN)
        for n, (a, b) in enumerate(pairwise(borders))
    ]
    return list(
        ExemplarLips().render(
            spans, [track], [head.shot()], head.read, frame_time, audio=voice(SPOKEN, 4.0)
        )
    )


def test_a_good_span_is_kept_pixel_for_pixel_with_what_was_seen() -> None:
    head, track, _, checker = setting()
    (made,) = rendered(head, track)
    (kept,) = checker.checked(iter([made]))
    assert kept.skipped == made.skipped
    assert [p.pixels.tobytes() for p in kept.patches] == [p.pixels.tobytes() for p in made.patches]
    assert kept.scores["seen_follows"] > 0.9
    assert kept.scores["seen_flicker"] < 1.5
    assert kept.scores["seen_farther"] < 0.05
    assert kept.scores["seen_lost"] == 0


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("still", "does not move as meant"),
        ("other", "another person"),
        ("flicker", "flickers"),
        ("edge", "border shows"),
        ("blind", "not recognised"),
    ],
)
def test_a_bad_span_falls_back_and_says_why(spoil: str, words: str) -> None:
    head, track, eyes, checker = setting()
    (made,) = rendered(head, track)
    eyes.blind = spoil == "blind"
    patches = tuple(_spoiled(patch, head, spoil) for patch in made.patches)
    (fell,) = checker.checked(iter([replace(made, patches=patches)]))
    assert fell.patches == ()
    (reason,) = [name for name in fell.skipped if name.startswith(FELL_BACK)]
    assert words in reason
    assert sum(fell.skipped.values()) == FRAMES


def _spoiled(patch: Patch, head: Head, how: str) -> Patch:
    height, width = patch.pixels.shape[:2]
    rows, columns = slice(patch.top, patch.top + height), slice(patch.left, patch.left + width)
    if how == "still":  # the mouth of one frame, whatever is said
        still = Head(1, gap=lambda f: 0.1, place=lambda f: head.place(patch.frame))
        return replace(patch, pixels=still.image(0)[rows, columns].copy())
    pixels = patch.pixels.astype(int)
    if how == "other":
        pixels = pixels * np.array([0.35, 0.5, 1.4])
    if how == "flicker":
        pixels = pixels + (25 if patch.frame % 2 else -25)
    if how == "blur":
        outline = head.points(patch.frame)[list(OUTER_LIPS), :2].round().astype(np.int32)
        mouth = np.zeros((height, width), np.uint8)
        cv2.fillPoly(mouth, [outline - (patch.left, patch.top)], 255)
        soft = cv2.GaussianBlur(patch.pixels, (0, 0), 9)
        share = cv2.GaussianBlur(cv2.dilate(mouth, np.ones((9, 9))), (0, 0), 4)[..., None] / 255
        pixels = np.rint(pixels + share * (soft - pixels)).astype(int)
    if how == "edge":
        inner = pixels[height // 4 : -height // 4, width // 4 : -width // 4]
        inner += np.array([24, -10, -16])
    return replace(patch, pixels=np.clip(pixels, 0, 255).astype(np.uint8))


def test_a_span_beside_one_that_fell_back_dissolves_into_the_original() -> None:
    head, track, _, checker = setting()
    first, second, third = rendered(head, track, (0, 20, 40, 60))
    wrong = replace(second, patches=tuple(_spoiled(p, head, "edge") for p in second.patches))
    before, fallen, after = checker.checked(iter([first, wrong, third]))
    assert fallen.patches == ()
    for made, kept, frames in ((first, before, (19, 18, 17, 16)), (third, after, (40, 41, 42, 43))):
        own = {p.frame: p for p in made.patches}
        new = {p.frame: p for p in kept.patches}
        assert own.keys() == new.keys()
        shares = [_share(own[f], new[f], head) for f in frames]
        assert shares == pytest.approx([0.2, 0.4, 0.6, 0.8], abs=0.06)
        rest = [f for f in own if f not in frames]
        assert all((own[f].pixels == new[f].pixels).all() for f in rest)


def _share(full: Patch, part: Patch, head: Head) -> float:
    height, width = full.pixels.shape[:2]
    own = head.image(full.frame)[
        full.top : full.top + height, full.left : full.left + width
    ].astype(float)
    whole, some = full.pixels - own, part.pixels - own
    return float((whole * some).sum() / (whole * whole).sum())


def test_an_engine_that_fails_costs_nothing_that_it_made_before() -> None:
    head, track, _, checker = setting()
    first, _ = rendered(head, track, (0, 30, 60))

    def outcomes() -> Iterator[LipOutcome]:
        yield first
        raise EngineError("out of memory")

    found: list[LipOutcome] = []
    with pytest.raises(EngineError):
        found.extend(checker.checked(outcomes()))
    (kept,) = found
    assert kept.patches


def test_an_engine_that_does_not_say_what_it_wants_is_judged_by_the_sounds() -> None:
    head, track, _, checker = setting()
    spoken = phones("b a m a p a m a b a", 0.4)
    (made,) = ExemplarLips().render(
        [LipSpan(track.id, "L1", (0, 60), Span(frame_time(0), frame_time(60)), spoken)],
        [track], [head.shot()], head.read, frame_time, audio=voice(spoken, 4.0),
    )  # fmt: skip
    silent = replace(made, wanted={})
    (kept,) = checker.checked(iter([silent]))
    assert kept.patches and kept.scores["seen_order"] > 0.8
    swapped = phones("a b a m a p a m a b", 0.4)  # opens where lips must close
    wrong = replace(silent, span=replace(made.span, phones=swapped))
    (fell,) = checker.checked(iter([wrong]))
    assert fell.patches == () and any("do not close" in reason for reason in fell.skipped)


def test_a_mouth_that_has_lost_its_fine_detail_is_not_shown() -> None:
    head, track, _, checker = setting()
    (made,) = rendered(head, track)
    sharp, blurred = (
        next(checker.checked(iter([replace(made, patches=patches)]))).scores["seen_detail"]
        for patches in (made.patches, tuple(_spoiled(p, head, "blur") for p in made.patches))
    )
    assert blurred < LipLimits().detail < 0.8 < sharp
    found = figures(Measured(frames=20, details=[(100.0, 30.0)] * 20))
    assert "blurred (0.31 of the original's fine detail)" in fault(found)
    assert fault(figures(Measured(frames=20, details=[(0.1, 0.0)] * 20))) == ""


def test_little_is_no_ground_for_a_verdict() -> None:
    few = Measured(frames=4, gaps=[(0.1, 0.0), (0.0, 0.2)], changes=[(1.0, 9.0)], seams=[9.0])
    few.details.append((100.0, 1.0))
    assert fault(figures(few)) == ""
    assert fault({}) == ""


def test_a_mouth_that_should_keep_still_is_judged_by_its_size() -> None:
    still = Measured(frames=20, gaps=[(0.01, 0.012)] * 20)
    assert fault(figures(still)) == ""
    ajar = Measured(frames=20, gaps=[(0.01, 0.15)] * 20)
    assert "0.14 eye distances off" in fault(figures(ajar))


def test_every_limit_can_be_moved() -> None:
    found = {"follows": 0.5, "farther": 0.2, "print": 0.5, "flicker": 3.0, "seam": 5.0, "lost": 0.4}
    found["detail"] = 0.3
    lax = LipLimits(follows=0.4, lost=0.5, farther=0.3, flicker=4.0, seam=6.0, detail=0.2)
    assert fault(found, lax) == ""
    assert fault(found) != ""


def test_only_ends_beside_an_original_mouth_fade() -> None:
    drawn = [True, False, True, True, False]
    assert joints(drawn, [True, True, True, False]) == [
        (False, True), (False, False), (True, False), (False, False), (False, False),
    ]  # fmt: skip
