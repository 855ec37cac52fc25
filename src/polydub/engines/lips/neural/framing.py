"""The crops that each network was trained on, found again from our face mesh.

All three were trained behind another face finder than ours. Their rules are kept; the points that
the rules name are taken from the mesh at the same places of the face. Every crop hangs on the
person's mean head as it lies in the picture (:func:`mean_head`), so it follows the head, trembles
as little as the head's fit does, and does not follow the jaw.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from polydub.engines.lips.geometry import CHIN, OVAL, Floats, TrackGeometry
from polydub.engines.lips.neural.network import Affines
from polydub.model import Image

_NOSE_MIDDLE = 195  # two thirds down the nose's bridge: point 29 of the 68-point face
_LEFT_BROW, _RIGHT_BROW = (70, 63, 105, 66, 107), (300, 293, 334, 296, 336)
_NOSE = (5, 4, 48, 278)  # bridge, tip and both wings


def mean_head(geometry: TrackGeometry, canonical: Floats) -> Floats:
    """The mean head ``canonical`` ``[478, 3]`` in pixels of every frame ``[n, 478, 2]``."""
    place = geometry.place
    turned = np.einsum("nij,mj->nmi", place.rotation[:, :2], canonical)
    pixels: Floats = place.scale[:, None, None] * turned + place.translation[:, None, :2]
    return pixels


@dataclass(frozen=True, slots=True)
class FaceBox:
    """The whole face, forehead to chin and ear to ear, and a little below: Wav2Lip's.

    Wav2Lip cuts the box of a face finder and adds 10 pixels under it, so that the chin is in:
    ``below`` is that in shares of the box's height. The box is squeezed into a square.
    """

    size: int
    below: float = 0.04

    def affines(self, geometry: TrackGeometry, canonical: Floats) -> Affines:
        """From picture to crop, for every frame of a track."""
        oval = mean_head(geometry, canonical)[:, list(OVAL)]
        low, high = oval.min(axis=1), oval.max(axis=1)
        high[:, 1] += self.below * (high - low)[:, 1]
        return _squeezed(low, high, self.size)


@dataclass(frozen=True, slots=True)
class NoseCentredBox:
    """As far above the middle of the nose as the chin lies below it: MuseTalk's.

    ``below`` is the margin under the chin that version 1.5 adds (10 pixels there, here in shares of
    the box's height).
    """

    size: int
    below: float = 0.04

    def affines(self, geometry: TrackGeometry, canonical: Floats) -> Affines:
        """From picture to crop, for every frame of a track."""
        head = mean_head(geometry, canonical)
        oval = head[:, list(OVAL)]
        low, high = oval.min(axis=1), oval.max(axis=1)
        high[:, 1] = np.maximum(high[:, 1], head[:, CHIN, 1])
        low[:, 1] = 2 * head[:, _NOSE_MIDDLE, 1] - high[:, 1]
        high[:, 1] += self.below * (high - low)[:, 1]
        return _squeezed(low, high, self.size)


@dataclass(frozen=True, slots=True)
class BrowsAndNose:
    """Upright by both brows and the nose, three quarters as wide as high: LatentSync's.

    The brows' middles come to (17, 20) and (58, 20), the nose's to (37.5, 40) of a canvas of
    75 x 100 by a similarity; the canvas is squeezed into a square.
    """

    size: int

    def affines(self, geometry: TrackGeometry, canonical: Floats) -> Affines:
        """From picture to crop, for every frame of a track."""
        head = mean_head(geometry, canonical)
        named = (_LEFT_BROW, _RIGHT_BROW, _NOSE)
        seen = np.stack([head[:, list(points)].mean(axis=1) for points in named], axis=1)
        wanted = np.array([[17.0, 20.0], [58.0, 20.0], [37.5, 40.0]])
        squeeze = np.array([self.size / 75.0, self.size / 100.0])
        found = _similarities(seen, wanted) * squeeze[None, :, None]
        found[:, :, 2] += 0.5 * squeeze - 0.5  # centres of pixels stay centres
        return np.asarray(found)


def _squeezed(low: Floats, high: Floats, size: int) -> Affines:
    """Boxes from ``low`` to ``high`` ``[n, 2]`` onto a square of ``size``, by pixel centres."""
    zoom = size / np.maximum(high - low, 1.0)
    found = np.zeros((len(low), 2, 3))
    found[:, [0, 1], [0, 1]] = zoom
    found[:, :, 2] = (0.5 - low) * zoom - 0.5
    return found


def _similarities(seen: Floats, wanted: Floats) -> Affines:
    """Turn, zoom and shift that bring points ``[n, m, 2]`` nearest to ``wanted`` ``[m, 2]``."""
    middle, target = seen.mean(axis=1), wanted.mean(axis=0)
    a, b = seen - middle[:, None], wanted - target
    spread = np.maximum((a**2).sum(axis=(1, 2)), 1e-9)
    along = (a * b).sum(axis=(1, 2)) / spread
    across = (a[:, :, 0] * b[:, 1] - a[:, :, 1] * b[:, 0]).sum(axis=1) / spread
    found = np.zeros((len(seen), 2, 3))
    found[:, 0, 0] = found[:, 1, 1] = along
    found[:, 0, 1], found[:, 1, 0] = -across, across
    found[:, :, 2] = target - np.einsum("nij,nj->ni", found[:, :, :2], middle)
    return found


def cut(image: Image, affine: npt.NDArray[np.float64], size: int) -> Image:
    """The crop ``[size, size, 3]``; what lies outside the picture repeats its edge.

    Larger faces are first averaged down: fetching single pixels of them would alias.
    """
    corners = np.array([[-0.5, -0.5], [size - 0.5, -0.5], [-0.5, size - 0.5], [size - 0.5] * 2])
    back = cv2.invertAffineTransform(affine)
    inside = corners @ back[:, :2].T + back[:, 2]
    height, width = image.shape[:2]
    left, top = np.clip(np.floor(inside.min(axis=0)).astype(int) - 2, 0, (width - 2, height - 2))
    right, bottom = np.clip(
        np.ceil(inside.max(axis=0)).astype(int) + 3, (left + 2, top + 2), (width, height)
    )
    part = np.ascontiguousarray(image[top:bottom, left:right])
    zoom = np.minimum(1.0, np.linalg.norm(affine[:, :2], axis=0))
    target = np.maximum(2, np.rint(zoom * (part.shape[1], part.shape[0]))).astype(int)
    zoom = target / (part.shape[1], part.shape[0])
    if (zoom < 1).any():
        part = cv2.resize(part, (int(target[0]), int(target[1])), interpolation=cv2.INTER_AREA)
    # small = zoom * (pixel - corner + 1/2) - 1/2, so pixel = (small + 1/2) / zoom - 1/2 + corner
    from_small = np.array(
        [
            [1 / zoom[0], 0, 0.5 / zoom[0] - 0.5 + left],
            [0, 1 / zoom[1], 0.5 / zoom[1] - 0.5 + top],
            [0, 0, 1],
        ]
    )
    crop: Image = cv2.warpAffine(
        part,
        affine @ from_small,
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return crop
