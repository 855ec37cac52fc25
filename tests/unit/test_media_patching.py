"""Painting touches its rectangle only; colours follow the matrix of the stream."""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
import pytest

from polydub.media.colour import Colour, ColourConverter
from polydub.media.patching import Painter

KR_KB = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 9: (0.2627, 0.0593)}
"""swscale's table number -> luma weights of red and blue (BT.709, BT.601, BT.2020)."""


@dataclass(frozen=True)
class Area:
    left: int
    top: int
    pixels: np.ndarray


def formula(rgb: tuple[int, int, int], colour: Colour) -> tuple[float, float, float]:
    """Y, Cb, Cr of 8 bits by the definition of the standards."""
    red, green, blue = (value / 255 for value in rgb)
    weight_red, weight_blue = KR_KB[colour.matrix]
    y = weight_red * red + (1 - weight_red - weight_blue) * green + weight_blue * blue
    cb, cr = (blue - y) / (2 - 2 * weight_blue), (red - y) / (2 - 2 * weight_red)
    if colour.range == 2:
        return 255 * y, 128 + 255 * cb, 128 + 255 * cr
    return 16 + 219 * y, 128 + 224 * cb, 128 + 224 * cr


@pytest.mark.parametrize("matrix", KR_KB)
@pytest.mark.parametrize("full", [1, 2])
@pytest.mark.parametrize("rgb", [(255, 0, 0), (30, 200, 90), (10, 20, 250), (128, 128, 128)])
def test_conversion_follows_the_standard(matrix: int, full: int, rgb: tuple[int, int, int]) -> None:
    colour = Colour(matrix, full)
    converter = ColourConverter(colour)
    frame = converter.frame(np.full((16, 16, 3), rgb, np.uint8), "yuv420p")
    got = [np.frombuffer(plane, np.uint8)[0] for plane in frame.planes]
    assert np.allclose(got, formula(rgb, colour), atol=1.5)
    assert np.abs(converter.rgb(frame)[8, 8].astype(int) - rgb).max() <= 4


def planes(frame: av.VideoFrame) -> list[np.ndarray]:
    dtype = np.uint16 if "10" in frame.format.name else np.uint8
    return [
        np.frombuffer(plane, dtype).reshape(plane.height, -1)[:, : plane.width].copy()
        for plane in frame.planes
    ]


FORMATS = ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuvj420p"]


@pytest.mark.parametrize("pixel_format", FORMATS)
@pytest.mark.parametrize("corner", [(20, 12), (21, 13), (0, 0), (50, 30), (-4, -6)])
def test_outside_stays_bit_for_bit(pixel_format: str, corner: tuple[int, int]) -> None:
    random = np.random.default_rng(3)
    rgb = random.integers(0, 255, (48, 64, 3), np.uint8)
    colour = Colour(1, 2 if "j" in pixel_format else 1)
    frame = ColourConverter(colour).frame(rgb, pixel_format)
    before = planes(frame)
    left, top = corner
    area = Area(left, top, np.full((11, 9, 3), (200, 30, 30), np.uint8))
    after = planes(Painter(colour).paint(frame, [area]))
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        step_x, step_y = 64 // new.shape[1], 48 // new.shape[0]
        inside = np.zeros(new.shape, bool)
        rows = slice(max(0, top) // step_y, -(-(top + 11) // step_y))
        columns = slice(max(0, left) // step_x, -(-(left + 9) // step_x))
        inside[rows, columns] = True
        assert np.array_equal(old[~inside], new[~inside]), number
        assert not np.array_equal(old[inside], new[inside])


@pytest.mark.parametrize("pixel_format", FORMATS)
def test_the_patch_shows(pixel_format: str) -> None:
    colour = Colour(5, 2 if "j" in pixel_format else 1)
    converter = ColourConverter(colour)
    frame = converter.frame(np.full((48, 64, 3), 90, np.uint8), pixel_format)
    pixels = np.full((12, 14, 3), (40, 180, 70), np.uint8)
    image = converter.rgb(Painter(colour).paint(frame, [Area(21, 13, pixels)]))
    assert np.abs(image[15:23, 23:33].astype(int) - (40, 180, 70)).max() <= 4
    assert np.abs(image[:10].astype(int) - 90).max() <= 2


def test_painting_what_is_there_changes_nearly_nothing() -> None:
    x, y = np.meshgrid(np.arange(64), np.arange(48))
    smooth = np.stack([x * 3, y * 4, 255 - x * 2 - y], axis=2).astype(np.uint8)
    colour = Colour(1, 1)
    converter = ColourConverter(colour)
    frame = converter.frame(smooth, "yuv420p")
    before = planes(frame)
    image = converter.rgb(frame)
    after = planes(Painter(colour).paint(frame, [Area(11, 9, image[9:31, 11:40])]))
    for old, new in zip(before, after, strict=True):
        assert np.abs(old.astype(int) - new).max() <= 2


def test_a_patch_outside_the_picture_does_nothing() -> None:
    colour = Colour(1, 1)
    frame = ColourConverter(colour).frame(np.full((16, 16, 3), 90, np.uint8), "yuv420p")
    before = planes(frame)
    Painter(colour).paint(frame, [Area(30, 2, np.zeros((4, 4, 3), np.uint8))])
    assert all(np.array_equal(a, b) for a, b in zip(before, planes(frame), strict=True))
