"""Thin-plate spline warps of a picture region, computed on a coarse grid."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from polydub.engines.lips.geometry import Floats
from polydub.model import Image

FloatImage = npt.NDArray[np.float32]

_STIFFNESS = 2e-4  # keeps landmark noise from folding the map


@dataclass(frozen=True, slots=True)
class Region:
    """Rectangle of pixels: ``[top, bottom)`` by ``[left, right)``."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.bottom - self.top

    @property
    def corner(self) -> Floats:
        """Left, top."""
        return np.array([self.left, self.top], np.float64)

    def within(self, other: Region) -> tuple[slice, slice]:
        """Index of this region in an array that holds ``other``."""
        return (
            slice(self.top - other.top, self.bottom - other.top),
            slice(self.left - other.left, self.right - other.left),
        )


def region_around(centre: Floats, reach: Floats, size: tuple[int, int]) -> Region:
    """``centre`` minus and plus ``reach`` ``(left, up, right, down)``, clipped to the picture."""
    return Region(
        max(0, int(centre[0] - reach[0])),
        max(0, int(centre[1] - reach[1])),
        min(size[1], int(np.ceil(centre[0] + reach[2]))),
        min(size[0], int(np.ceil(centre[1] + reach[3]))),
    )


class ThinPlate:
    """Smooth map that takes each ``target`` point to its ``source`` point (pixels).

    Raises ``numpy.linalg.LinAlgError`` when the points are degenerate.
    """

    def __init__(self, target: Floats, source: Floats) -> None:
        count = len(target)
        self._span = float(np.ptp(target, axis=0).max())
        if not self._span > 0 or not np.isfinite(source).all():
            raise np.linalg.LinAlgError("control points coincide or are not finite")
        self._knots = target / self._span
        system = np.zeros((count + 3, count + 3))
        system[:count, :count] = _kernel(self._knots, self._knots)
        system[np.arange(count), np.arange(count)] += _STIFFNESS
        system[:count, count] = 1
        system[:count, count + 1 :] = self._knots
        system[count:, :count] = system[:count, count:].T
        wanted = np.zeros((count + 3, 2))
        wanted[:count] = (source - target) / self._span
        self._weights = np.linalg.solve(system, wanted)

    def __call__(self, points: Floats) -> Floats:
        """Source position ``[n, 2]`` of target ``points`` ``[n, 2]``."""
        at = points / self._span
        bend = _kernel(at, self._knots) @ self._weights[:-3]
        moved: Floats = points + self._span * (bend + self._weights[-3] + at @ self._weights[-2:])
        return moved


def _kernel(a: Floats, b: Floats) -> Floats:
    square = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2 * a @ b.T
    square = np.maximum(square, 0)
    kernel: Floats = square * np.log(square + 1e-9)
    return kernel


def warp(image: Image, plate: ThinPlate, region: Region, step: int) -> Image:
    """The pixels of ``region`` fetched from ``image`` through ``plate``, on a grid."""
    columns = np.arange(0, region.width + step, step)
    rows = np.arange(0, region.height + step, step)
    grid = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2) + region.corner
    coarse = plate(grid).reshape(len(rows), len(columns), 2).astype(np.float32)
    # The map is bilinear between knots: sample it where the pixels lie.
    x = np.arange(region.width, dtype=np.float32) / step
    y = np.arange(region.height, dtype=np.float32) / step
    fine = cv2.remap(
        coarse,
        np.ascontiguousarray(np.broadcast_to(x, (region.height, region.width))),
        np.ascontiguousarray(np.broadcast_to(y[:, None], (region.height, region.width))),
        cv2.INTER_LINEAR,
    )
    warped: Image = cv2.remap(image, fine, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return warped
