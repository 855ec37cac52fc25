"""Head pose and mouth opening from mesh points, independent of how the head is turned.

Camera axes: x to the right of the picture, y down, z away from the camera. A pose is the 3-D
similarity ``points = scale * rotation @ canonical + shift`` (Umeyama 1991) over points that
expression hardly moves. The canonical face is the median of the track's own faces, turned upright
(x along the eyes, y from nose root to chin), so the angles are absolute and need no foreign model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polydub.model.umeyama import fit_similarities

Points = npt.NDArray[np.float64]

EYES = (33, 263)  # outer corners: left and right in the picture
NOSE_ROOT, CHIN = 168, 152
INNER_LIPS = (13, 14)  # upper and lower, in the middle
INNER_EYES = (133, 362)
BROWS = (46, 276, 107, 336, 9, 8, 151)
NOSE = (168, 6, 197, 195, 5, 4, 1, 2, 98, 327, 48, 278)
TEMPLES = (10, 67, 297, 109, 338, 127, 356, 234, 454, 130, 359)
STEADY = (*EYES, *INNER_EYES, *BROWS, *NOSE, *TEMPLES)
CHIN_LEAN = math.radians(8.0)  # chin behind the nose root: 8 +- 3 degrees, 11 people facing us
ROUNDS = 3  # of canonical and poses in turn; they have settled by then (measured)


@dataclass(frozen=True, slots=True, eq=False)
class HeadPoses:
    """Poses of ``n`` faces. ``iod`` ``[n]`` is the scale: the canonical eyes are 1 apart.

    ``angles`` ``[n, 3]`` in degrees: yaw > 0 looks to the right of the picture, pitch > 0 looks up,
    roll > 0 leans clockwise as seen. ``rotation`` ``[n, 3, 3]``, ``shift`` ``[n, 3]`` pixels.
    """

    iod: Points
    rotation: Points
    shift: Points
    angles: Points
    canonical: Points


def upright(face: Points) -> Points:
    """``face`` ``[478, 3]`` turned and scaled: eyes level and 1 apart, chin straight below."""
    across = face[EYES[1]] - face[EYES[0]]
    distance = float(np.linalg.norm(across))
    x = across / max(distance, 1e-9)
    down = face[CHIN] - face[NOSE_ROOT]
    down = down - (down @ x) * x
    y = down / max(float(np.linalg.norm(down)), 1e-9)
    z = np.cross(x, y)
    y, z = (
        math.cos(CHIN_LEAN) * y - math.sin(CHIN_LEAN) * z,
        math.cos(CHIN_LEAN) * z + math.sin(CHIN_LEAN) * y,
    )
    axes = np.stack([x, y, z])
    level: Points = (face - face[list(STEADY)].mean(axis=0)) @ axes.T / max(distance, 1e-9)
    return level


def head_poses(faces: npt.NDArray[np.float32]) -> HeadPoses:
    """Poses of the ``faces`` ``[n, 478, 3]`` of one person (pixels, all finite, ``n >= 1``)."""
    points = np.asarray(faces, np.float64)
    steady = list(STEADY)
    canonical = upright(points[len(points) // 2])
    for _ in range(ROUNDS):
        scale, rotation, shift = _fit(canonical[steady], points[:, steady])
        shapes = (points - shift[:, None]) @ rotation / scale[:, None, None]
        canonical = upright(np.median(shapes, axis=0))
    scale, rotation, shift = _fit(canonical[steady], points[:, steady])
    return HeadPoses(scale, rotation, shift, angles(rotation), canonical)


def angles(rotation: Points) -> Points:
    """Yaw, pitch, roll ``[n, 3]`` in degrees of ``[n, 3, 3]``; signs as in :class:`HeadPoses`."""
    yaw = np.arctan2(-rotation[:, 0, 2], rotation[:, 2, 2])
    pitch = np.arcsin(np.clip(rotation[:, 1, 2], -1.0, 1.0))
    roll = np.arctan2(rotation[:, 1, 0], rotation[:, 1, 1])
    degrees: Points = np.degrees(np.stack([yaw, pitch, roll], axis=1))
    return degrees


def quick_yaw(face: npt.NDArray[np.float32]) -> float:
    """Yaw in degrees from one face alone, from the depth of the eye corners. Coarse."""
    across = face[EYES[1]] - face[EYES[0]]
    return float(np.degrees(np.arctan2(across[2], np.hypot(across[0], across[1]))))


def lip_gap(faces: npt.NDArray[np.float32], iod: Points) -> Points:
    """Inner-lip gap / IOD ``[n]``: a similarity keeps ratios, so this is the pose-free opening."""
    upper, lower = faces[:, INNER_LIPS[0]], faces[:, INNER_LIPS[1]]
    gap = np.linalg.norm((upper - lower).astype(np.float64), axis=1)
    opening: Points = gap / np.maximum(iod, 1e-9)
    return opening


def _fit(canonical: Points, targets: Points) -> tuple[Points, Points, Points]:
    scale, rotation, shift = fit_similarities(canonical, targets)
    return np.maximum(scale, 1e-9), rotation, shift
