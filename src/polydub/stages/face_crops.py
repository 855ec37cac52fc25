"""Square face pictures of several tracks, cut while the frames pass by once.

The cut is the one that TalkNet, Light-ASD and LR-ASD were trained with: around a face box of half
side ``s``, median-filtered over 13 frames, it reaches 1.4 ``s`` to either side, ``s`` up and 1.8
``s`` down; what lies outside the picture is grey. Its middle half holds nose, mouth and chin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image as Pictures
from scipy.ndimage import median_filter

from polydub.engines.protocols import FrameReader
from polydub.model import FaceTrack, Image

FACE_POINTS = 468  # of the mesh, without the irises
FILTER = 13  # frames
MARGIN = 0.4  # of the box side, as published
OUTSIDE = 110  # grey, as published

Squares = npt.NDArray[np.float64]


class FaceCrops:
    """Crops of ``tracks``, made for all of them at once when the first is asked for.

    Pictures are dropped once handed out, so that memory holds one set: frames x faces x size².
    """

    def __init__(self, tracks: Sequence[FaceTrack], read: FrameReader) -> None:
        self._tracks = list(tracks)
        self._read = read
        self._made: dict[tuple[int, int], npt.NDArray[np.uint8]] = {}

    def of(self, number: int) -> Callable[[int], npt.NDArray[np.uint8]]:
        """The function that gives crops ``[frames, size, size, 3]`` of track ``number``."""

        def crops(size: int) -> npt.NDArray[np.uint8]:
            if (number, size) not in self._made:
                self._make(size)
            return self._made.pop((number, size))

        return crops

    def _make(self, size: int) -> None:
        squares = [face_squares(track) for track in self._tracks]
        for number, track in enumerate(self._tracks):
            shape = (track.n_frames, size, size, 3)
            self._made[number, size] = np.full(shape, OUTSIDE, np.uint8)
        first = min(track.first for track in self._tracks)
        last = max(track.first + track.n_frames for track in self._tracks)
        for index, image in self._read(first, last):
            for number, track in enumerate(self._tracks):
                row = index - track.first
                if 0 <= row < track.n_frames:
                    self._made[number, size][row] = cut(image, squares[number][row], size)


def face_squares(track: FaceTrack) -> Squares:
    """Left, top and side ``[frames, 3]`` in pixels of the square to cut around the face.

    The face box is that of the mesh; the tracker's own box where there is none.
    """
    boxes = track.boxes.astype(np.float64)
    fits = track.accepted & np.isfinite(track.landmarks[:, 0, 0])
    if fits.any():
        mesh = track.landmarks[fits, :FACE_POINTS, :2].astype(np.float64)
        around = np.concatenate([mesh.min(axis=1), mesh.max(axis=1)], axis=1)
        boxes[fits] = around
        offset = np.median(around - track.boxes[fits], axis=0)
        boxes[~fits] += offset
    half = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) / 2
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    smooth = np.stack([middle[:, 0], middle[:, 1], half], axis=1)
    smooth = median_filter(smooth, size=(FILTER, 1), mode="nearest")
    x, y, half = smooth.T
    reach = half * (1 + MARGIN)
    return np.stack([x - reach, y - half, 2 * reach], axis=1)


def cut(image: Image, square: npt.NDArray[np.float64], size: int) -> Image:
    """The ``square`` (left, top, side) of ``image`` as ``[size, size, 3]``; grey outside of it."""
    left, top, side = (float(value) for value in square)
    side = max(side, 2.0)
    corner_x, corner_y, whole = int(np.floor(left)), int(np.floor(top)), int(np.ceil(side)) + 1
    height, width = image.shape[:2]
    x0, x1 = max(0, corner_x), min(width, corner_x + whole)
    y0, y1 = max(0, corner_y), min(height, corner_y + whole)
    canvas = np.full((whole, whole, 3), OUTSIDE, np.uint8)
    if x0 < x1 and y0 < y1:
        rows, columns = slice(y0 - corner_y, y1 - corner_y), slice(x0 - corner_x, x1 - corner_x)
        canvas[rows, columns] = image[y0:y1, x0:x1]
    shift_x, shift_y = left - corner_x, top - corner_y
    box = (shift_x, shift_y, min(shift_x + side, whole), min(shift_y + side, whole))
    picture = Pictures.fromarray(canvas).resize((size, size), Pictures.Resampling.BILINEAR, box)
    return np.asarray(picture)
