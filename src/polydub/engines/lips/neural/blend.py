"""Lays a network's mouth into the picture: mask from landmarks, light of the surroundings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from polydub.engines.lips.composite import ColourMatch, SharpnessMatch, changed_part
from polydub.engines.lips.geometry import (
    CHIN,
    NOSE_BASE,
    OUTER_LIPS,
    OVAL,
    Floats,
    TrackGeometry,
    smoothstep,
)
from polydub.engines.lips.warp import FloatImage, Region, region_around
from polydub.engines.protocols import Patch
from polydub.model import Image

_REACH = np.array([1.0, 0.75, 1.0, 1.1])  # of the rectangle that may change, IOD
_DROP = 0.12  # IOD below the chin that are replaced too: a jaw that falls has room
_EDGE = 0.12  # IOD from the mask's border to its full strength
_TOP = 0.10  # IOD from the nose's base to full strength
_LIPS = 0.06  # IOD around the old lips that show nothing of the light around the mouth
_CROP_EDGE = 0.04  # of the crop's side, in which it fades: its border is never seen


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """The rectangle of one picture that a mouth may change, and its own pixels."""

    region: Region
    own: Image


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """``alpha`` ``[h, w]``: how much of the network's picture shows. ``ring`` ``[h, w]``: the skin
    on which both are compared."""

    alpha: FloatImage
    ring: FloatImage


def place_of(image: Image, geometry: TrackGeometry, row: int) -> Place:
    """Mouth, jaw and cheeks of frame ``row``."""
    iod = float(geometry.iod[row])
    centre = geometry.points[row, list(OUTER_LIPS), :2].astype(np.float64).mean(axis=0)
    region = region_around(centre, _REACH * iod, (image.shape[0], image.shape[1]))
    own = image[region.top : region.bottom, region.left : region.right].copy()
    return Place(region, own)


def masks_of(
    region: Region,
    geometry: TrackGeometry,
    row: int,
    affine: npt.NDArray[np.float64],
    size: int,
) -> Masks:
    """The lower face of frame ``row``, as far as a crop of ``size`` by ``affine`` covers it."""
    iod = float(geometry.iod[row])
    local = geometry.points[row, :, :2].astype(np.float64) - region.corner
    down = geometry.place.rotation[row, :2, 1]
    down = down / max(float(np.linalg.norm(down)), 1e-6)
    face = _filled(_with_drop(local, iod, down), region)
    x = np.arange(region.width, dtype=np.float32) - local[NOSE_BASE, 0]
    y = np.arange(region.height, dtype=np.float32) - local[NOSE_BASE, 1]
    below = (x[None] * down[0] + y[:, None] * down[1]) / iod
    inwards = cv2.distanceTransform(face, cv2.DIST_L2, 5) / iod
    alpha = smoothstep(inwards / _EDGE) * smoothstep(below / _TOP)
    alpha = alpha * _crop_fade(region, affine, size)
    lips = cv2.distanceTransform(255 - _filled(local[list(OUTER_LIPS)], region), cv2.DIST_L2, 5)
    above_chin = below < float((local[CHIN] - local[NOSE_BASE]) @ down) / iod - 0.05
    ring = (alpha > 0.03) & (alpha < 0.9) & (lips / iod > _LIPS) & above_chin
    return Masks(alpha.astype(np.float32), ring.astype(np.float32))


def _with_drop(local: Floats, iod: float, down: Floats) -> npt.NDArray[np.float32]:
    """Outline of the face together with the same face a little lower."""
    oval = local[list(OVAL)]
    both = np.concatenate([oval, oval + _DROP * iod * down]).astype(np.float32)
    hull: npt.NDArray[np.float32] = cv2.convexHull(both)[:, 0]
    return hull


def _filled(outline: npt.NDArray[Any], region: Region) -> npt.NDArray[np.uint8]:
    mask = np.zeros((region.height, region.width), np.uint8)
    cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], 255, cv2.LINE_8, 4)
    return mask


def _crop_fade(region: Region, affine: npt.NDArray[np.float64], size: int) -> FloatImage:
    """1 where the crop shows the picture, falling to 0 at its border."""
    x, y = np.meshgrid(
        np.arange(region.left, region.right, dtype=np.float64),
        np.arange(region.top, region.bottom, dtype=np.float64),
    )
    at_x = affine[0, 0] * x + affine[0, 1] * y + affine[0, 2]
    at_y = affine[1, 0] * x + affine[1, 1] * y + affine[1, 2]
    edge = np.minimum.reduce([at_x, at_y, size - 1 - at_x, size - 1 - at_y])
    fade: FloatImage = np.clip(edge / (_CROP_EDGE * size), 0, 1).astype(np.float32)
    return fade


class Blender:
    """Blends the frames of one run in order; remembers the light of the last one."""

    def __init__(self) -> None:
        self._colour = ColourMatch()
        self._sharpness = SharpnessMatch()

    @property
    def residual(self) -> float:
        """Difference left on the ring of the last frame, in levels."""
        return self._colour.residual

    def reset(self) -> None:
        """The next frame is not the neighbour of the last."""
        self._colour.reset()
        self._sharpness.reset()

    def __call__(
        self,
        place: Place,
        masks: Masks,
        crop: Image,
        affine: npt.NDArray[np.float64],
        *,
        iod: float,
        strength: float,
        frame: int,
    ) -> Patch:
        """The changed rectangle of a picture; every pixel outside the mask is the picture's own."""
        region = place.region
        there = affine.copy()  # from the region's pixels to the crop's
        there[:, 2] += affine[:, :2] @ region.corner
        drawn = cv2.warpAffine(
            crop,
            there,
            (region.width, region.height),
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        ).astype(np.float32)
        own = place.own.astype(np.float32)
        drawn = self._sharpness(own, drawn, masks.ring)
        drawn += self._colour(own, drawn, masks.ring, iod)
        mixed = own + (drawn - own) * (masks.alpha * strength)[..., None]
        pixels = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
        return changed_part(pixels, place.own, region, frame)
