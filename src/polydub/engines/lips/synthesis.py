"""Draws one frame: own skin moved with the new jaw, lips and cavity of an exemplar on top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from polydub.engines.lips.bank import Bank
from polydub.engines.lips.composite import (
    ColourMatch,
    Lips,
    Masks,
    SharpnessMatch,
    changed_part,
    mouth_masks,
)
from polydub.engines.lips.geometry import (
    INNER_LIPS,
    LEFT_CORNER,
    LOWER_LIP,
    OUTER_LIPS,
    OVAL,
    RIGHT_CORNER,
    UPPER_LIP,
    Floats,
    Ints,
    TrackGeometry,
)
from polydub.engines.lips.occlusion import paint_hands
from polydub.engines.lips.warp import (
    FloatImage,
    Region,
    ThinPlate,
    displacement,
    region_around,
    warp,
)
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

_REACH = np.array([1.15, 0.72, 1.15, 1.21])  # of the region that may change, IOD
_MOUTH_REACH = np.array([0.75, 0.62, 0.75, 0.78])  # of the pasted part, IOD
_GRID_STEP = 0.075  # IOD
_HAND_EDGE = 0.05  # IOD: how softly the movement ends at a hand
_FADE = 0.12  # IOD: the movement dies out towards the border of the region
_MOST_CHANGE = 0.25  # IOD: further out the exemplar is no longer kept
_PASTE_FROM = 0.35  # strength at which the exemplar covers the own lips fully


@dataclass(frozen=True, slots=True)
class Layer:
    """One exemplar and its weight in the cross-fade."""

    exemplar: int
    weight: float


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """One frame before its colours are matched: what can be made in any order.

    ``own`` and ``moved`` are the pixels of ``region`` before and after the own skin followed the
    new jaw. ``patch`` are the exemplars' pixels for the part ``mouth`` of the region, ``masks``
    where they go; ``cover`` how much of them, ``None`` for nothing. ``blurred`` 0..1 is how far the
    frame is out of focus.
    """

    frame: int
    region: Region
    own: Image
    moved: Image
    iod: float
    mouth: Region | None = None
    patch: FloatImage | None = None
    masks: Masks | None = None
    cover: float = 0.0
    blurred: float = 0.0


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
    """Renders frames of one track: drafts in any order and thread, then finished one by one."""

    def __init__(
        self, geometry: TrackGeometry, bank: Bank, weights: Floats, *, paste: bool = True
    ) -> None:
        self._geometry = geometry
        self._bank = bank
        self._weights = weights
        self._pastes = paste
        self._moving = _MOVING if paste else _MOUTH
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

    def draft(
        self,
        image: Image,
        row: int,
        shape: Floats,
        strength: float,
        shown: list[Layer],
        hands: Sequence[Floats] = (),
        blurred: float = 0.0,
    ) -> Draft:
        """The warps of one frame, the mouth in normalised ``shape`` ``[478, 3]``.

        ``hands`` (joints in pixels) lie in front of the face: they stay where they are. ``blurred``
        is how far the frame is out of focus, 0..1.
        Raises ``numpy.linalg.LinAlgError`` when the landmarks are degenerate.
        """
        geometry = self._geometry
        iod = float(geometry.iod[row])
        source = geometry.points[row, :, :2].astype(np.float64)
        target = self._target(row, shape, strength)
        centre = source[list(OUTER_LIPS)].mean(axis=0)
        region = region_around(centre, _REACH * iod, (image.shape[0], image.shape[1]))
        step = max(3, round(iod * _GRID_STEP))
        fixed = _fixed_points(source, region)
        plate = ThinPlate(
            np.concatenate([target[self._moving], fixed]),
            np.concatenate([source[self._moving], fixed]),
        )
        moves = displacement(plate, region, step, _FADE * iod)
        free = _free_of(hands, region, iod)
        if free is not None:
            moves = moves * free[..., None]
        moved = warp(image, moves, region)
        own = image[region.top : region.bottom, region.left : region.right].copy()
        draft = Draft(geometry.first + row, region, own, moved, iod)
        if not self._pastes:
            return draft
        middle = target[list(OUTER_LIPS)].mean(axis=0)
        around = region_around(middle, _MOUTH_REACH * iod, (region.bottom, region.right))
        mouth = Region(
            max(around.left, region.left), max(around.top, region.top), around.right, around.bottom
        )
        down = geometry.place.rotation[row, :2, 1]
        down = down / max(float(np.linalg.norm(down)), 1e-6)
        change = min(_MOST_CHANGE, strength * self._change(row, shape))
        masks = mouth_masks(target, mouth, iod, down, change=change)
        if free is not None:
            part = free[mouth.within(region)]
            masks = Masks(masks.alpha * part, masks.ring * part)
        return replace(
            draft,
            mouth=mouth,
            patch=self._fetch(target, mouth, step, shown),
            masks=masks,
            cover=min(1.0, strength / _PASTE_FROM),
            blurred=blurred,
        )

    def _change(self, row: int, shape: Floats) -> float:
        """How far the mouth is from where it was, in IOD: the more of gap and width."""
        gap = float(np.linalg.norm(shape[UPPER_LIP] - shape[LOWER_LIP]))
        width = float(np.linalg.norm(shape[LEFT_CORNER] - shape[RIGHT_CORNER]))
        apart = abs(gap - self._geometry.aperture[row]), abs(width - self._geometry.width[row])
        return float(max(apart))

    def _target(self, row: int, shape: Floats, strength: float) -> Floats:
        geometry = self._geometry
        own = geometry.shapes(np.array([row]))[0]
        weight = (self._weights * strength)[:, None]
        return geometry.place.apply(own * (1 - weight) + shape * weight, row)[:, :2]

    def _fetch(self, target: Floats, mouth: Region, step: int, shown: list[Layer]) -> FloatImage:
        """Exemplar pixels for the region ``mouth``, cross-faded."""
        patch = np.zeros((mouth.height, mouth.width, 3), np.float32)
        for layer in shown:
            exemplar = self._bank.exemplars[layer.exemplar]
            plate = ThinPlate(target[_MOUTH], exemplar.points[_MOUTH].astype(np.float64))
            fetched = warp(exemplar.crop, displacement(plate, mouth, step), mouth)
            patch += layer.weight * fetched.astype(np.float32)
        return patch

    def finish(self, draft: Draft) -> Patch:
        """The changed rectangle of a draft; drafts come in the order of their frames."""
        result = draft.moved
        if draft.mouth is not None and draft.patch is not None and draft.masks is not None:
            inner = draft.mouth.within(draft.region)
            skin = result[inner].astype(np.float32)
            ring, alpha = draft.masks.ring, draft.masks.alpha
            lips = Lips(alpha, draft.iod, draft.blurred)
            patch = self._sharpness(skin, draft.patch, ring, lips)
            patch = patch + self._colour(skin, patch, ring, draft.iod)
            patch -= skin
            patch *= (alpha * draft.cover)[..., None]
            patch += skin
            result[inner] = np.clip(np.rint(patch, out=patch), 0, 255, out=patch).astype(np.uint8)
        return changed_part(result, draft.own, draft.region, draft.frame)


def _free_of(hands: Sequence[Floats], region: Region, iod: float) -> FloatImage | None:
    """1 where no hand is, 0 on hands, soft between ``[h, w]``; ``None`` without hands."""
    if not hands:
        return None
    painted = paint_hands(hands, (region.height, region.width), region.corner, iod)
    soft = cv2.GaussianBlur(painted, (0, 0), max(1.0, _HAND_EDGE * iod))
    free: FloatImage = (1 - np.maximum(soft, painted).astype(np.float32) / 255).astype(np.float32)
    return free


def _fixed_points(source: Floats, region: Region) -> Floats:
    """Points that do not move: eyes, nose, two rings round the face, the region's border."""
    nose = source[_NOSE_BASE]
    rings = [nose + (source[list(OVAL[::nth])] - nose) * grow for nth, grow in _RINGS]
    xs = (region.left, (region.left + region.right) / 2, region.right)
    ys = (region.top, (region.top + region.bottom) / 2, region.bottom)
    border = np.array([(x, y) for y in ys for x in xs if (x, y) != (xs[1], ys[1])], np.float64)
    return np.concatenate([*rings, border, source[_ANCHORS]])
