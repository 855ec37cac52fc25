"""Draws one frame: own skin moved with the new jaw, lips and cavity of an exemplar on top."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polydub.engines.lips.bank import Bank
from polydub.engines.lips.composite import ColourMatch, SharpnessMatch, border_feather, mouth_masks
from polydub.engines.lips.geometry import INNER_LIPS, OUTER_LIPS, OVAL, Floats, Ints, TrackGeometry
from polydub.engines.lips.warp import FloatImage, Region, ThinPlate, region_around, warp
from polydub.engines.protocols import Patch
from polydub.model import Image

# Control points that move with speech: lips, chin, jaw line, cheeks and the folds beside the mouth.
_SKIN: tuple[int, ...] = (
    2,
    98,
    327,
    97,
    326,
    164,
    18,
    200,
    199,
    175,
    152,
    148,
    377,
    176,
    400,
    149,
    378,
    150,
    379,
)
_SKIN += (136, 365, 172, 397, 58, 288, 132, 361, 135, 364, 169, 394, 210, 430, 202, 422, 204, 424)
_SKIN += (194, 418, 208, 428, 43, 273, 57, 287, 92, 322, 165, 391, 186, 410, 216, 436, 212, 432)
_SKIN += (214, 434, 192, 416, 187, 411, 207, 427, 206, 426, 205, 425, 50, 280, 36, 266, 123, 352)
_MOVING = list(OUTER_LIPS + _SKIN)
_MOUTH = list(OUTER_LIPS + _SKIN + INNER_LIPS)
_ANCHORS = [1, 4, 6, 33, 263, 133, 362, 48, 278, 234, 454, 93, 323]
_RINGS = ((2, 1.42), (3, 1.9))  # every nth oval point, pushed out: surroundings stay in place
_NOSE_BASE = 2

_REACH = np.array([1.15, 1.09, 1.15, 1.21])  # of the region that may change, IOD
_MOUTH_REACH = np.array([0.75, 0.62, 0.75, 0.78])  # of the pasted part, IOD
_GRID_STEP = 0.075  # IOD
_PASTE_FROM = 0.35  # strength at which the exemplar covers the own lips fully


@dataclass(frozen=True, slots=True)
class Layer:
    """One exemplar and its weight in the cross-fade."""

    exemplar: int
    weight: float


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    """Scale of one frame: IOD in pixels, grid step in pixels, the face's own down (projected)."""

    iod: float
    step: int
    down: Floats


def layers(path: Ints, follows: Ints, frame: int) -> list[Layer]:
    """Exemplars of a frame: one, or two cross-faded 60 : 40 on either side of a jump.

    ``path`` ``[n]`` is the exemplar of each frame; the second layer is how the neighbour goes on.
    """
    here = int(path[frame])
    if frame > 0:
        onward = int(follows[int(path[frame - 1])])
        if onward >= 0 and onward != here and path[frame - 1] != here:
            return [Layer(here, 0.6), Layer(onward, 0.4)]
    if frame + 1 < len(path):
        coming = int(path[frame + 1])
        before = np.flatnonzero(follows == coming)
        if coming != here and len(before) and int(before[0]) != here:
            return [Layer(here, 0.6), Layer(int(before[0]), 0.4)]
    return [Layer(here, 1.0)]


class FrameSynthesizer:
    """Renders frames of one track in order; keeps the last colour match."""

    def __init__(self, geometry: TrackGeometry, bank: Bank, weights: Floats) -> None:
        self._geometry = geometry
        self._bank = bank
        self._weights = weights
        self._colour = ColourMatch()
        self._sharpness = SharpnessMatch()

    @property
    def residual(self) -> float:
        """Colour difference left on the skin ring of the last frame, in levels."""
        return self._colour.residual

    def skip(self) -> None:
        """A frame is left out: the next one starts afresh."""
        self._colour.reset()
        self._sharpness.reset()

    def render(
        self, image: Image, row: int, shape: Floats, strength: float, shown: list[Layer]
    ) -> Patch:
        """The changed rectangle of ``image`` with the mouth in normalised ``shape`` ``[478, 3]``.

        Raises ``numpy.linalg.LinAlgError`` when the landmarks are degenerate.
        """
        geometry = self._geometry
        iod = float(geometry.iod[row])
        source = geometry.points[row, :, :2].astype(np.float64)
        target = self._target(row, shape, strength)
        size = (image.shape[0], image.shape[1])
        centre = source[list(OUTER_LIPS)].mean(axis=0)
        region = region_around(centre, _REACH * iod, size)
        step = max(3, round(iod * _GRID_STEP))
        fixed = _fixed_points(source, region)
        plate = ThinPlate(
            np.concatenate([target[_MOVING], fixed]), np.concatenate([source[_MOVING], fixed])
        )
        pixels = warp(image, plate, region, step)
        middle = target[list(OUTER_LIPS)].mean(axis=0)
        mouth = region_around(middle, _MOUTH_REACH * iod, size)
        mouth = Region(
            max(mouth.left, region.left),
            max(mouth.top, region.top),
            min(mouth.right, region.right),
            min(mouth.bottom, region.bottom),
        )
        inner = mouth.within(region)
        cover = min(1.0, strength / _PASTE_FROM)
        down = geometry.place.rotation[row, :2, 1]
        pasted = self._paste(pixels[inner], target, mouth, _Frame(iod, step, down), shown)
        result = pixels.astype(np.float32)
        alpha = pasted[1] * cover
        result[inner] += (pasted[0] - result[inner]) * alpha[..., None]
        own = image[region.top : region.bottom, region.left : region.right]
        feather = border_feather(region, iod)[..., None]
        blended = own + (result - own) * feather
        return _trim(np.clip(np.rint(blended), 0, 255).astype(np.uint8), own, region,
                     geometry.first + row)  # fmt: skip

    def _target(self, row: int, shape: Floats, strength: float) -> Floats:
        geometry = self._geometry
        own = geometry.shapes(np.array([row]))[0]
        weight = (self._weights * strength)[:, None]
        return geometry.place.apply(own * (1 - weight) + shape * weight, row)[:, :2]

    def _paste(
        self,
        base: Image,
        target: Floats,
        mouth: Region,
        frame: _Frame,
        shown: list[Layer],
    ) -> tuple[FloatImage, FloatImage]:
        """Colour-matched exemplar pixels and their mask for the region ``mouth``."""
        patch = np.zeros((mouth.height, mouth.width, 3), np.float32)
        for layer in shown:
            exemplar = self._bank.exemplars[layer.exemplar]
            plate = ThinPlate(target[_MOUTH], exemplar.points[_MOUTH].astype(np.float64))
            patch += layer.weight * warp(exemplar.crop, plate, mouth, frame.step)
        down = frame.down / max(float(np.linalg.norm(frame.down)), 1e-6)
        masks = mouth_masks(target, mouth, frame.iod, down)
        skin = base.astype(np.float32)
        patch = self._sharpness(skin, patch, masks.ring)
        patch += self._colour(skin, patch, masks.ring, frame.iod)
        return patch, masks.alpha


def _fixed_points(source: Floats, region: Region) -> Floats:
    """Points that do not move: eyes, nose, two rings round the face, the region's border."""
    nose = source[_NOSE_BASE]
    rings = [nose + (source[list(OVAL[::nth])] - nose) * grow for nth, grow in _RINGS]
    xs = (region.left, (region.left + region.right) / 2, region.right)
    ys = (region.top, (region.top + region.bottom) / 2, region.bottom)
    border = np.array([(x, y) for y in ys for x in xs if (x, y) != (xs[1], ys[1])], np.float64)
    return np.concatenate([*rings, border, source[_ANCHORS]])


def _trim(pixels: Image, own: Image, region: Region, frame: int) -> Patch:
    """Only the rectangle in which something changed."""
    changed = (pixels != own).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    if not len(rows):
        return Patch(frame, region.left, region.top, pixels[:0, :0].copy())
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    left, right = int(columns[0]), int(columns[-1]) + 1
    return Patch(frame, region.left + left, region.top + top, pixels[top:bottom, left:right].copy())
