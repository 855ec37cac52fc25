"""What a dub did to the picture, frame against frame of the original. Pure: RGB uint8 in.

All of it needs the same frame before and after. What it hides: whether the mouth says the right
thing, and faults that come with a change of the whole picture (another grade, another size).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.ndimage import (
    binary_dilation,
    binary_erosion,
    binary_opening,
    gaussian_filter,
    laplace,
    map_coordinates,
)

from polydub.model import Image

SAME_DB = 80.0
"""PSNR given for identical pictures, and the most that is given."""
CHANGED = 8.0
"""Levels of mean RGB difference from which a pixel was changed: codec noise stays below."""
LEAST_CHANGED = 0.02

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_LUMA = np.array([0.2126, 0.7152, 0.0722])
_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = np.array([0.9505, 1.0, 1.089])


def luma(image: Image) -> Floats:
    """BT.709 luma ``[h, w]`` of gamma-coded RGB, 0..255."""
    return np.asarray(image.astype(np.float64) @ _LUMA)


def outside_boxes(
    shape: tuple[int, ...], boxes: Iterable[Sequence[float] | Floats], *, pad: float = 0.3
) -> Mask:
    """Which pixels of a picture lie outside all face ``boxes``, each wider by ``pad`` of itself.

    Chins move beyond detectors' boxes; the hair stays.
    """
    outside = np.ones(shape[:2], np.bool_)
    for box in boxes:
        left, top, right, bottom = (float(value) for value in box)
        x, y = pad * (right - left), pad * (bottom - top)
        rows = slice(max(0, round(top - y)), max(0, round(bottom + y)))
        columns = slice(max(0, round(left - x)), max(0, round(right + x)))
        outside[rows, columns] = False
    return outside


def squared_error(before: Image, after: Image, mask: Mask) -> float | None:
    """Mean squared error of luma where ``mask``; ``None`` when that is under 1 % of the picture.

    Mean these over frames, then take :func:`psnr`: a mean of decibels would forgive bad frames.
    """
    if mask.mean() < 0.01:
        return None
    step = luma(after)[mask] - luma(before)[mask]
    return float((step**2).mean())


def psnr(error: float) -> float:
    """Peak signal-to-noise ratio of 8-bit pictures in dB; at most :data:`SAME_DB`."""
    return SAME_DB if error <= 0 else min(SAME_DB, 10 * math.log10(255**2 / error))


def crop(image: Image, centre: tuple[float, float], half: float, size: int) -> Floats:
    """A square ``[size, size, 3]`` around ``centre`` (x, y), ``half`` pixels each way, 0..255.

    Bilinear; edges are repeated. Larger squares are averaged before they are reduced.
    """
    scale = 2 * half / size
    left, top = math.floor(centre[0] - half) - 2, math.floor(centre[1] - half) - 2
    side = math.ceil(2 * half) + 5
    rows = np.clip(np.arange(top, top + side), 0, image.shape[0] - 1)
    columns = np.clip(np.arange(left, left + side), 0, image.shape[1] - 1)
    part = image[rows][:, columns].astype(np.float64)
    if scale > 1:
        part = gaussian_filter(part, (scale / 2.5, scale / 2.5, 0))
    steps = (np.arange(size) + 0.5) * scale - 0.5
    ys = (centre[1] - half + steps - top)[:, None].repeat(size, 1)
    xs = (centre[0] - half + steps - left)[None].repeat(size, 0)
    return np.stack(
        [map_coordinates(part[..., c], (ys, xs), order=1, mode="nearest") for c in range(3)], -1
    )


def sharpness(square: Floats) -> float:
    """Variance of the Laplacian of luma: how much fine structure there is. Grain counts as well."""
    return float(laplace(square @ _LUMA).var())


def detail(square: Floats, mask: Mask) -> float:
    """Mean squared Laplacian of luma where ``mask``. Grain counts as well."""
    return float((laplace(square @ _LUMA)[mask] ** 2).mean())


def ring(size: int, *, inner: float = 0.45, outer: float = 0.95) -> Mask:
    """Pixels of a square between two ellipses around its middle: the skin around a mouth."""
    at = (np.arange(size) + 0.5) / size * 2 - 1
    radius = np.hypot(at[None, :], at[:, None])
    return np.asarray((radius >= inner) & (radius <= outer))


def change(first: Floats, second: Floats, mask: Mask) -> float:
    """Mean absolute change of luma from one frame's square to the next one's, where ``mask``."""
    return float(np.abs((second - first) @ _LUMA)[mask].mean())


def changed_mask(before: Floats, after: Floats) -> Mask:
    """Which pixels of a square were changed on purpose; specks are dropped."""
    mask = gaussian_filter(np.abs(after - before).mean(axis=-1), 1.0) > CHANGED
    return np.asarray(binary_opening(mask, iterations=1))


def seam(before: Floats, after: Floats) -> float | None:
    """Step of colour across the border of what was changed, beyond the original's step there.

    CIE76 ``ΔE`` between just inside and just outside, mean along the border; 2.3 is just
    noticeable. ``None`` when less than 2 % of the square was changed, or all of it.
    """
    mask = changed_mask(before, after)
    if not LEAST_CHANGED <= mask.mean() <= 0.98:
        return None
    inner = mask & ~binary_erosion(mask, iterations=2)
    outer = binary_dilation(mask, iterations=2) & ~mask
    steps = [_step(lab(square), inner, outer) for square in (after, before)]
    return max(0.0, steps[0] - steps[1])


def _step(colours: Floats, inner: Mask, outer: Mask) -> float:
    """Mean colour difference of border pixels and the mean of their neighbours outside."""
    weight = gaussian_filter(outer.astype(np.float64), 2.0)
    near = (
        np.stack([gaussian_filter(colours[..., c] * outer, 2.0) for c in range(3)], -1)
        / np.maximum(weight, 1e-6)[..., None]
    )
    used = inner & (weight > 1e-3)
    if not used.any():
        return 0.0
    return float(np.linalg.norm(colours - near, axis=-1)[used].mean())


def lab(square: Floats) -> Floats:
    """CIE L*a*b* (D65) of sRGB values 0..255."""
    values = np.clip(square / 255, 0, 1)
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _TO_XYZ.T / _WHITE
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.stack(
        [116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1
    )
