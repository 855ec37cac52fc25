"""Blends a warped exemplar mouth into the frame: soft mask and low-frequency colour match."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from polydub.engines.lips.geometry import NOSE_BASE, OUTER_LIPS, OVAL, Floats, smoothstep
from polydub.engines.lips.warp import FloatImage, Region
from polydub.engines.protocols import Patch
from polydub.model import Image

_GROW, _FEATHER = 0.05, 0.13  # IOD: full strength up to 0.05 from the lips, none from 0.18
_CREASE = 0.6  # of the change
_COLOUR_SIGMA = 0.14  # IOD
_COLOUR_LIMIT = 45.0  # levels: more is a mistake, not light
_COLOUR_MEMORY = 0.4  # of the previous frame, against flicker
_SHARPER = 1.6  # a patch may have so much more fine detail than the skin around it
_SHARPER_MOUTH = 2.0, 1.1  # and than the own lips in a sharp frame, and in a blurred one: undimmed
# mouths had 0.3 to 1.6 times as much on sharp faces, 2.5 to 7 times on one out of focus
_EDGE = 0.012  # IOD: the width of what counts as an edge of the mouth, not as grain
_COLOUR_WIDTH = 48  # pixels of the colour field


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """``alpha`` and ``ring`` ``[h, w]`` in 0..1: where the mouth goes, and the skin around it."""

    alpha: FloatImage
    ring: FloatImage


def mouth_masks(
    points: Floats, region: Region, iod: float, down: Floats, *, change: float = 0.0
) -> Masks:
    """Masks for target landmarks ``points`` ``[478, 2]``; ``down`` is the face's own down.

    ``change`` (IOD) is how far the mouth moves from where it was: the creases that the old mouth
    left in the cheeks lie farther out the farther it goes, and are covered too.
    """
    grow, feather = _GROW + _CREASE * change, _FEATHER + _CREASE * change
    local = points - region.corner
    lips = _fill(local[list(OUTER_LIPS)], region)
    away = cv2.distanceTransform(255 - lips, cv2.DIST_L2, 5) / iod
    x = np.arange(region.width, dtype=np.float32) - local[NOSE_BASE, 0]
    y = np.arange(region.height, dtype=np.float32) - local[NOSE_BASE, 1]
    below = (x[None] * down[0] + y[:, None] * down[1]) / iod
    face = _fill(local[list(OVAL)], region)
    soft = max(1, round(iod * 0.02))
    face = cv2.erode(face, np.ones((3, 3), np.uint8), iterations=soft, borderValue=255)
    face = cv2.GaussianBlur(face, (0, 0), soft).astype(np.float32) / 255
    alpha = smoothstep(1 - (away - grow) / feather) * np.clip((below - 0.02) / 0.06, 0, 1) * face
    ring = (away > _GROW * 0.3) & (away < grow + feather * 1.6) & (face > 0.6) & (below > 0.03)
    return Masks(alpha.astype(np.float32), ring.astype(np.float32))


def _fill(outline: Floats, region: Region) -> npt.NDArray[np.uint8]:
    mask = np.zeros((region.height, region.width), np.uint8)
    cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return mask


class ColourMatch:
    """Moves a patch to the light of its surroundings; remembers the previous frame.

    The difference on the skin ring is spread inwards by normalised convolution: cheaper than a
    Poisson blend and, unlike it, free of flicker.
    """

    def __init__(self) -> None:
        self._previous: FloatImage | None = None
        self.residual = 0.0

    def reset(self) -> None:
        """Forget the previous frame: the next one is not its neighbour."""
        self._previous = None

    def __call__(
        self, base: FloatImage, patch: FloatImage, ring: FloatImage, iod: float
    ) -> FloatImage:
        """The field to add to ``patch``, same shape; sets ``residual`` (levels left)."""
        height, width = ring.shape
        scale = min(1.0, _COLOUR_WIDTH / width)
        size = (max(8, round(width * scale)), max(8, round(height * scale)))
        if width >= 4 * _COLOUR_WIDTH:  # halves tell the same, at a quarter of the work
            half = (width // 2, height // 2)
            base, patch, ring = (
                cv2.resize(part, half, interpolation=cv2.INTER_AREA) for part in (base, patch, ring)
            )
        stacked = np.dstack([(base - patch) * ring[..., None], ring])
        small = cv2.resize(stacked, size, interpolation=cv2.INTER_AREA)
        spread = cv2.GaussianBlur(small, (0, 0), max(0.8, _COLOUR_SIGMA * iod * scale))
        field = np.clip(spread[..., :3] / (spread[..., 3:] + 1e-3), -_COLOUR_LIMIT, _COLOUR_LIMIT)
        weight = small[..., 3:]
        left = np.abs(small[..., :3] - field * weight).sum() / max(3 * float(weight.sum()), 1e-6)
        self.residual = float(left)
        if self._previous is not None:
            before = cv2.resize(self._previous, size, interpolation=cv2.INTER_LINEAR)
            field = (1 - _COLOUR_MEMORY) * field + _COLOUR_MEMORY * before
        self._previous = field
        full: FloatImage = cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR)
        return full


@dataclass(frozen=True, slots=True, eq=False)
class Lips:
    """Where a mouth goes (``alpha`` ``[h, w]``), the eye distance in pixels, and how ``blurred``
    the frame is for this person, 0..1.
    """

    alpha: FloatImage
    iod: float
    blurred: float = 0.0

    def edges(self, plane: FloatImage) -> float:
        """Detail of the mouth without its grain."""
        smooth = cv2.GaussianBlur(plane, (0, 0), max(0.4, _EDGE * self.iod))
        return _detail(smooth, self.alpha)

    @property
    def sharper(self) -> float:
        """How much more of it a patch may have than the frame's own lips."""
        sharp, blurred = _SHARPER_MOUTH
        return sharp + self.blurred * (blurred - sharp)


class SharpnessMatch:
    """Brings a patch to the fine detail of the frame it goes into; remembers the previous frame.

    Both are compared on the skin ring, where they show the same thing, and, less strictly, on the
    mouth, for smooth skin hardly tells whether a face is out of focus. A patch that is clearly
    sharper is softened; one that lost detail, for it was warped, gets it back within limits.
    """

    _SIGMAS = (0.0, 0.6, 0.9, 1.3, 1.8, 2.5, 3.5, 5.0)
    _GAINS = (0.0, 0.1, 0.2, 0.3, 0.4)

    def __init__(self) -> None:
        self._previous: tuple[float, float] | None = None

    def reset(self) -> None:
        """Forget the previous frame: the next one is not its neighbour."""
        self._previous = None

    def __call__(
        self,
        base: FloatImage,
        patch: FloatImage,
        ring: FloatImage,
        lips: Lips | None = None,
    ) -> FloatImage:
        """``patch``, softened or sharpened where that brings it nearer to ``base``.

        ``lips`` only if ``base`` has the frame's own lips moved to where those of the patch go.
        """
        own, theirs = _plane(patch), _plane(base)
        wanted = _detail(theirs, ring)
        sharpest = lips.edges(theirs) * lips.sharper if lips else 0.0
        sigma, gain = self._SIGMAS[0], self._GAINS[0]
        for sigma in self._SIGMAS:
            soft = _softened(own, sigma)
            if _detail(soft, ring) > wanted * _SHARPER:
                continue
            if lips is None or lips.edges(soft) <= sharpest:
                break
        if sigma == 0.0:
            for gain in self._GAINS:
                if _detail(_sharpened(own, gain), ring) >= wanted:
                    break
        if self._previous is not None:
            sigma, gain = (sigma + self._previous[0]) / 2, (gain + self._previous[1]) / 2
        self._previous = sigma, gain
        return _sharpened(_softened(patch, sigma), gain)


def _softened(patch: FloatImage, sigma: float) -> FloatImage:
    if sigma < 0.4:
        return patch
    soft: FloatImage = cv2.GaussianBlur(patch, (0, 0), sigma)
    return soft


def _sharpened(patch: FloatImage, gain: float) -> FloatImage:
    """``patch`` with ``gain`` times the detail that a blur of one pixel takes away added."""
    if gain < 0.05:
        return patch
    sharp: FloatImage = cv2.addWeighted(
        patch, 1 + gain, cv2.GaussianBlur(patch, (0, 0), 1.0), -gain, 0
    )
    return sharp


def _plane(image: FloatImage) -> FloatImage:
    """The green channel ``[h, w]``, on which detail is judged."""
    return np.ascontiguousarray(image[..., 1])


def _detail(plane: FloatImage, where: FloatImage) -> float:
    """Mean squared Laplacian of ``plane``, weighted by ``where``."""
    fine = cv2.Laplacian(plane, cv2.CV_32F)
    return float((fine**2 * where).sum() / max(float(where.sum()), 1.0)) + 0.05


def changed_part(pixels: Image, own: Image, region: Region, frame: int) -> Patch:
    """Only the rectangle of ``region`` in which ``pixels`` differ from the picture's ``own``."""
    changed = cv2.absdiff(pixels, own).reshape(region.height, -1)
    rows = np.flatnonzero(changed.any(axis=1))
    columns = np.flatnonzero(cv2.reduce(changed, 0, cv2.REDUCE_MAX).reshape(-1, 3).any(axis=1))
    if not len(rows):
        return Patch(frame, region.left, region.top, pixels[:0, :0].copy())
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    left, right = int(columns[0]), int(columns[-1]) + 1
    return Patch(frame, region.left + left, region.top + top, pixels[top:bottom, left:right].copy())
