"""Shots: exact spans over all frames, and the cut detector on drawn films."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from polydub.engines.protocols import Capabilities, ShotDetector
from polydub.model import Image, VideoStream
from polydub.stages.shots import find_shots, shots_between

pytest.importorskip("scenedetect")

from polydub.engines.faces.pyscenedetect import PySceneDetectShots


def video(pts: list[int], end: int, base: Fraction = Fraction(1, 25)) -> VideoStream:
    return VideoStream(
        index=0,
        codec="h264",
        width=64,
        height=36,
        pixel_format="yuv420p",
        pixel_aspect=Fraction(1),
        rotation=0,
        time_base=base,
        pts=np.array(pts, np.int64),
        end_pts=end,
        average_rate=Fraction(25),
    )


def scene(seed: int, n: int, *, pan: float = 1.0) -> list[Image]:
    """``n`` pictures of one smooth random scene; the camera pans ``pan`` pixels per frame."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (10, 40, 3)).astype(np.float32)
    wide = np.repeat(np.repeat(coarse, 18, axis=0), 20, axis=1)
    pictures = []
    for at in range(n):
        left = round(at * pan)
        noise = random.normal(0, 2, (180, 320, 3))
        pictures.append(np.clip(wide[:, left : left + 320] + noise, 0, 255).astype(np.uint8))
    return pictures


def cuts(*scenes: list[Image], rate: float = 25.0) -> list[int]:
    return PySceneDetectShots().cuts((frame for part in scenes for frame in part), rate)


def test_shots_cover_every_frame_with_exact_times() -> None:
    film = video([0, 1, 2, 5, 6, 7, 12], 14, Fraction(1001, 24000))
    shots = shots_between([3, 5], film)
    assert [(shot.first, shot.last) for shot in shots] == [(0, 3), (3, 5), (5, 7)]
    assert shots[1].span.start == Fraction(5 * 1001, 24000) == shots[0].span.end
    assert shots[2].span.end == Fraction(14 * 1001, 24000)
    assert [shot.index for shot in shots] == [0, 1, 2]


def test_impossible_and_repeated_cuts_are_ignored() -> None:
    shots = shots_between([0, -4, 2, 2, 5, 99], video([0, 1, 2, 3, 4], 5))
    assert [(shot.first, shot.last) for shot in shots] == [(0, 2), (2, 5)]


def test_a_film_without_frames_has_no_shots() -> None:
    assert shots_between([3], video([], 0)) == ()


def test_find_shots_hands_frames_and_rate_to_the_detector() -> None:
    seen: list[float] = []

    class Half:
        capabilities = Capabilities("shots", "half", "1", "", "", "")

        def cuts(self, frames: Iterator[Image], rate: float) -> list[int]:
            seen.extend([rate, float(len(list(frames)))])
            return [2]

    detector: ShotDetector = Half()
    pictures = iter([np.zeros((4, 4, 3), np.uint8)] * 4)
    shots = find_shots(detector, pictures, video([0, 1, 2, 3], 4))
    assert [(shot.first, shot.last) for shot in shots] == [(0, 2), (2, 4)]
    assert seen == [25.0, 4.0]


def test_hard_cuts_are_found_where_they_are() -> None:
    assert cuts(scene(1, 20), scene(2, 9), scene(3, 30)) == [20, 29]


@pytest.mark.parametrize("tail", [1, 2, 3])
def test_a_cut_just_before_the_end_is_found(tail: int) -> None:
    assert cuts(scene(1, 30), scene(2, tail)) == [30]


@pytest.mark.parametrize("head", [2, 3])
def test_a_cut_just_after_the_start_is_found(head: int) -> None:
    assert cuts(scene(4, head), scene(5, 30)) == [head]


def test_a_moving_camera_is_no_cut() -> None:
    assert cuts(scene(6, 60, pan=6.0)) == []


def test_a_flash_is_no_cut() -> None:
    pictures = scene(7, 40)
    pictures[15] = np.full_like(pictures[15], 250)
    pictures[28] = pictures[29] = np.full_like(pictures[28], 250)
    assert cuts(pictures) == []


def test_a_slow_fade_is_left_to_the_face_tracker() -> None:
    first, second = scene(8, 1)[0].astype(float), scene(9, 1)[0].astype(float)
    blend = [np.uint8(first * (1 - at / 40) + second * (at / 40)) for at in range(41)]
    assert cuts(blend) == []


def test_empty_and_single_frame_films_have_no_cuts() -> None:
    assert cuts([]) == []
    assert cuts(scene(1, 1), rate=0.0) == []


def test_small_frames_give_the_same_cuts() -> None:
    small = [frame[::2, ::2] for frame in scene(1, 20) + scene(2, 20)]
    assert cuts(small) == [20]
