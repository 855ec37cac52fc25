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


def displacement(plate: ThinPlate, region: Region, step: int, fade: float = 0.0) -> FloatImage:
    """How far from its place each pixel ``[h, w, 2]`` of ``region`` is fetched, x and y in pixels.

    Computed every ``step`` pixels and interpolated. With ``fade`` it falls to exactly 0 over so
    many pixels towards the border of the region.
    """
    # knots where a linear enlargement by ``step`` puts its samples, one beyond each border
    columns = (np.arange(-1, region.width // step + 2) + 0.5) * step - 0.5
    rows = (np.arange(-1, region.height // step + 2) + 0.5) * step - 0.5
    grid = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2) + region.corner
    coarse = (plate(grid) - grid).reshape(len(rows), len(columns), 2)
    if fade > 0:
        x = np.minimum(columns, region.width - 1 - columns)
        y = np.minimum(rows, region.height - 1 - rows)
        near = np.minimum(x[None], y[:, None])
        coarse *= np.clip((near - step) / fade, 0, 1)[..., None]
    size = (len(columns) * step, len(rows) * step)
    fine = cv2.resize(coarse.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    inside: FloatImage = fine[step : step + region.height, step : step + region.width]
    return inside


def warp(image: Image, moved: FloatImage, region: Region) -> Image:
    """The pixels of ``region`` fetched from ``image`` by the ``displacement`` of each."""
    where = moved.copy()
    where[..., 0] += np.arange(region.left, region.right, dtype=np.float32)
    where[..., 1] += np.arange(region.top, region.bottom, dtype=np.float32)[:, None]
    warped: Image = cv2.remap(image, where, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return warped
