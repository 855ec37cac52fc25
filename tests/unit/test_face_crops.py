"""Face squares: where they lie, and that nothing outside the picture breaks them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from polydub.model import Image
from polydub.stages.face_crops import OUTSIDE, FaceCrops, cut, face_squares
from tests.face_models import make_track


def mesh(n: int, left: float, top: float, right: float, bottom: float) -> np.ndarray:
    points = np.zeros((n, 478, 3), np.float32)
    points[:, :, 0], points[:, :, 1] = (left + right) / 2, (top + bottom) / 2
    points[:, 0, :2] = left, top
    points[:, 1, :2] = right, bottom
    return points


def test_the_square_is_the_published_one_around_the_mesh() -> None:
    track = make_track("F000.1", 0, 20, landmarks=mesh(20, 100, 200, 160, 280))
    # box 60 x 80 around (130, 240): half side 40
    assert face_squares(track)[7] == pytest.approx([130 - 56, 240 - 40, 112])


def test_without_a_mesh_the_box_stands_in_at_the_same_offset() -> None:
    landmarks = mesh(30, 12, 20, 52, 60)
    accepted = np.ones(30, bool)
    accepted[14:] = False
    landmarks[14:] = np.nan
    track = make_track("F000.1", 0, 30, landmarks=landmarks, accepted=accepted)
    squares = face_squares(track)
    assert squares[29] == pytest.approx(squares[0])


def test_a_single_jump_of_the_box_is_filtered() -> None:
    boxes = np.tile(np.array([10, 10, 60, 60], np.float32), (30, 1))
    boxes[15] += 40
    track = make_track("F000.1", 0, 30, boxes=boxes, accepted=np.zeros(30, bool))
    assert np.ptp(face_squares(track), axis=0) == pytest.approx([0, 0, 0])


def test_cut_keeps_places_and_fills_with_grey() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    image[:, 50:] = 200
    inside = cut(image, np.array([40.0, 40.0, 20.0]), 20)
    assert (inside[:, :9] == 0).all() and (inside[:, 11:] == 200).all()
    over = cut(image, np.array([90.0, -10.0, 20.0]), 20)
    assert (over[11:, :9] == 200).all()
    assert (over[:9] == OUTSIDE).all() and (over[:, 11:] == OUTSIDE).all()
    assert (cut(image, np.array([500.0, 500.0, 30.0]), 8) == OUTSIDE).all()
    assert cut(image, np.array([-3.7, 2.2, 0.0]), 8).shape == (8, 8, 3)
    assert cut(image, np.array([-50.0, -50.0, 250.0]), 8).shape == (8, 8, 3)


def test_a_smaller_cut_averages_and_does_not_sample() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[::2] = 200
    small = cut(image, np.array([0.0, 0.0, 64.0]), 8)
    assert np.abs(small[1:-1].astype(int) - 100).max() < 20


def test_crops_are_handed_out_once_and_made_again_when_asked_again() -> None:
    reads = []

    def read(first: int, last: int) -> Iterator[tuple[int, Image]]:
        reads.append((first, last))
        for index in range(first, last):
            yield index, np.full((80, 80, 3), index, np.uint8)

    hidden = np.zeros(4, bool)
    boxes = np.tile(np.array([30, 30, 40, 40], np.float32), (4, 1))
    tracks = [make_track(f"F000.{n}", n, 4, accepted=hidden, boxes=boxes) for n in (1, 2)]
    crops = FaceCrops(tracks, read)
    assert crops.of(0)(6)[:, 3, 3, 0].tolist() == [1, 2, 3, 4]
    assert crops.of(1)(6)[:, 3, 3, 0].tolist() == [2, 3, 4, 5]
    assert reads == [(1, 6)]
    assert crops.of(1)(6).shape == (4, 6, 6, 3)
    assert len(reads) == 2
