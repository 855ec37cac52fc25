"""What a mouth looks like in one frame: small upright patch, light around it, blur, cavity."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from polydub.engines.lips.geometry import INNER_LIPS, OUTER_LIPS, Floats
from polydub.model import Image

PATCH_WIDTH, PATCH_HEIGHT = 64, 48
_HALF_WIDTH = 0.62  # of the patch, in IOD
_GAPING = 20.0  # levels of L (0..255) by which a gap is darker than lips
_REAL_CAVITY = 7.0  # Lab distance; real cavities and teeth measured 10 to 28, pressed lips 2 to 3


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Appearance of one frame's mouth.

    ``patch`` ``[16 * 12]`` lightness; ``light`` ``[6]`` mean Lab above and below the mouth;
    ``sharpness`` log variance of the Laplacian; ``cavity`` Lab distance between the
    inside of the lips and the lips, NaN when too small to measure; ``gape`` the share of the mouth
    that is much darker than the lips, 0 where they meet.
    """

    patch: npt.NDArray[np.float32]
    light: Floats
    sharpness: float
    cavity: float
    gape: float


def look(image: Image, points: Floats, iod: float, roll: float) -> Look:
    """Measure the mouth at ``points`` ``[478, 2]`` (pixels) of ``image``."""
    centre = points[list(OUTER_LIPS)].mean(axis=0)
    scale = PATCH_WIDTH / 2 / (iod * _HALF_WIDTH)
    turn = cv2.getRotationMatrix2D((0.0, 0.0), float(np.degrees(roll)), scale)
    turn[:, 2] = np.array([PATCH_WIDTH / 2, PATCH_HEIGHT / 2]) - turn[:, :2] @ centre
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    patch = cv2.warpAffine(
        image, turn, (PATCH_WIDTH, PATCH_HEIGHT), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    lab = cv2.cvtColor(patch, cv2.COLOR_RGB2LAB).astype(np.float32)
    rows = PATCH_HEIGHT // 8
    light = np.concatenate([lab[:rows].mean(axis=(0, 1)), lab[-rows:].mean(axis=(0, 1))])
    grey = cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY)
    sharpness = float(np.log(cv2.Laplacian(grey, cv2.CV_32F).var() + 1))
    small = cv2.resize(lab[..., 0], (PATCH_WIDTH // 2, PATCH_HEIGHT // 2), interpolation=3)
    return Look(
        small.ravel(), light.astype(np.float64), sharpness, *_inside_of_lips(image, points, iod)
    )


def _inside_of_lips(image: Image, points: Floats, iod: float) -> tuple[float, float]:
    """``cavity`` and ``gape`` of :class:`Look`."""
    centre = points[list(OUTER_LIPS)].mean(axis=0)
    x0, y0 = np.maximum(0, np.floor(centre - 0.5 * iod)).astype(int)
    x1, y1 = np.ceil(centre + 0.5 * iod).astype(int)
    crop = image[y0:y1, x0:x1]
    if crop.shape[0] < 8 or crop.shape[1] < 8:
        return float("nan"), 0.0
    lab = cv2.cvtColor(np.ascontiguousarray(crop), cv2.COLOR_RGB2LAB).astype(np.float32)
    corner = np.array([x0, y0])

    def polygon(indices: tuple[int, ...], grow: float) -> npt.NDArray[np.bool_]:
        outline = points[list(indices)] - corner
        middle = outline.mean(axis=0)
        filled = np.zeros(lab.shape[:2], np.uint8)
        cv2.fillPoly(filled, [np.round(middle + (outline - middle) * grow).astype(np.int32)], 1)
        return filled.astype(bool)

    inside = polygon(INNER_LIPS, 0.75)
    lips = polygon(OUTER_LIPS, 0.97) & ~polygon(INNER_LIPS, 1.1)
    if lips.sum() < 20:
        return float("nan"), 0.0
    whole = polygon(OUTER_LIPS, 0.9)
    dark = lab[..., 0] < np.median(lab[lips, 0]) - _GAPING
    gape = float((dark & whole).sum() / max(int(whole.sum()), 1))
    if inside.sum() < 6:
        return float("nan"), gape
    gap = (lab[inside].mean(axis=0) - lab[lips].mean(axis=0)) * np.array([100 / 255, 1, 1])
    return float(np.linalg.norm(gap)), gape


def cavity_penalty(cavity: Floats, aperture: Floats, high: float) -> Floats:
    """0 for honest mouths, 1 for lips that the mesh takes for an open mouth (pink blob)."""
    penalty = np.clip((_REAL_CAVITY - np.nan_to_num(cavity, nan=20.0)) / 4, 0, 1)
    doubtful: Floats = np.where(aperture > 0.25 * high, penalty, 0.0)
    return doubtful
