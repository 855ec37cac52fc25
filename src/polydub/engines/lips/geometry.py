"""Head pose, expression and mouth numbers from face landmarks. NumPy and SciPy only.

All lengths called *normalised* are in units of the inter-ocular distance (outer eye corners), in an
upright head frame: x along the eyes, y from nose bridge to chin, z out of the picture plane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from polydub.model import FaceTrack, umeyama

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Vertex numbers of the 478-point face mesh.
OUTER_LIPS: tuple[int, ...] = (
    61,
    146,
    91,
    181,
    84,
    17,
    314,
    405,
    321,
    375,
    291,
    409,
    270,
    269,
    267,
    0,
    37,
    39,
    40,
)
OUTER_LIPS += (185,)
INNER_LIPS: tuple[int, ...] = (
    78,
    95,
    88,
    178,
    87,
    14,
    317,
    402,
    318,
    324,
    308,
    415,
    310,
    311,
    312,
    13,
    82,
    81,
    80,
)
INNER_LIPS += (191,)
OVAL: tuple[int, ...] = (
    10,
    338,
    297,
    332,
    284,
    251,
    389,
    356,
    454,
    323,
    361,
    288,
    397,
    365,
    379,
    378,
    400,
    377,
)
OVAL += (152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)
UPPER_LIP, LOWER_LIP = 13, 14
LEFT_CORNER, RIGHT_CORNER = 61, 291
LEFT_EYE, RIGHT_EYE = 33, 263
LEFT_CHEEK, RIGHT_CHEEK = 234, 454
NOSE_BRIDGE, NOSE_TIP, NOSE_BASE, CHIN = 168, 1, 2, 152
TOP_LIP = 0

# Vertices that speech does not move: eyes, nose, brows, temples, cheek edge.
STABLE: tuple[int, ...] = (
    33,
    133,
    130,
    362,
    263,
    359,
    168,
    6,
    197,
    195,
    5,
    4,
    1,
    2,
    98,
    327,
    48,
    278,
)
STABLE += (8, 9, 107, 336, 46, 276, 10, 67, 297, 109, 338, 151, 127, 356, 234, 454)

_MAX_GAP = 3  # frames without landmarks that interpolation may bridge
_BLOCK, _MARGIN = 1500, 24  # frames measured at once, and how far beyond filters look
_STILL = 0.06  # head speed in IOD per frame at which smoothing is off


@dataclass(frozen=True, slots=True, eq=False)
class Similarities:
    """One 3-D similarity per frame: ``x -> scale * rotation @ x + translation``.

    ``scale`` ``[n]``, ``rotation`` ``[n, 3, 3]``, ``translation`` ``[n, 3]``.
    """

    scale: Floats
    rotation: Floats
    translation: Floats

    def apply(self, points: Floats, frame: int) -> Floats:
        """Normalised ``points`` ``[m, 3]`` to pixels of ``frame``."""
        turned = points @ (self.scale[frame] * self.rotation[frame]).T
        moved: Floats = turned + self.translation[frame]
        return moved

    def invert(self, points: Floats, frames: Ints | slice) -> Floats:
        """Pixels ``[k, m, 3]`` of ``frames`` to normalised coordinates."""
        centred = points - self.translation[frames, None]
        shapes: Floats = centred @ self.rotation[frames] / self.scale[frames, None, None]
        return shapes


def fit_similarities(source: Floats, targets: Floats) -> Similarities:
    """The similarities from ``source`` ``[m, 3]`` to each of ``targets`` ``[n, m, 3]``."""
    return Similarities(*umeyama.fit_similarities(source, targets))


def fill_gaps(landmarks: npt.NDArray[np.float32]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Landmarks ``[n, 478, 3]`` without NaN, and which frames may be used ``[n]``.

    Gaps of at most three frames are interpolated and usable; longer ones are filled only so that
    filters can run.
    """
    points = landmarks.astype(np.float64)
    seen = _is_face(landmarks)
    usable = seen.copy()
    known = np.flatnonzero(seen)
    if not len(known):
        return np.zeros_like(points), usable
    for before, after in pairwise(known):
        if 1 < after - before <= _MAX_GAP + 1:
            usable[before:after] = True
    missing = np.flatnonzero(~seen)
    if len(missing):
        right = np.clip(np.searchsorted(known, missing), 0, len(known) - 1)
        left = np.clip(right - 1, 0, None)
        left = np.where(missing > known[-1], right, left)
        right = np.where(missing < known[0], left, right)
        start, stop = known[left], known[right]
        part = np.clip((missing - start) / np.maximum(stop - start, 1), 0, 1)[:, None, None]
        points[missing] = points[start] * (1 - part) + points[stop] * part
    return points, usable


def _is_face(landmarks: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Frames ``[n]`` with a whole mesh whose eyes are at least a pixel apart."""
    apart = np.abs(landmarks[:, LEFT_EYE] - landmarks[:, RIGHT_EYE]).max(axis=1, initial=0)
    face: npt.NDArray[np.bool_] = np.isfinite(landmarks).all(axis=(1, 2)) & (apart > 1)
    return face


def smooth(points: Floats) -> Floats:
    """Landmarks with less jitter: strongly where the head rests, hardly where it moves.

    Lips are filtered on their own, and lightly: sigma 0.5 frame keeps closures of two frames.
    """
    if len(points) < 3:
        return points
    centre = points[:, STABLE].mean(axis=1, keepdims=True)
    iod = np.linalg.norm(points[:, LEFT_EYE] - points[:, RIGHT_EYE], axis=1).mean()
    step = np.linalg.norm(np.diff(centre[:, 0, :2], axis=0), axis=1) / max(iod, 1e-6)
    rest = np.clip(1 - np.append(0.0, step) / _STILL, 0, 1)[:, None, None]
    calm = gaussian_filter1d(points, 1.2, axis=0, mode="nearest")
    smoothed: Floats = rest * calm + (1 - rest) * points
    lips = list(OUTER_LIPS + INNER_LIPS)
    offset = gaussian_filter1d(points[:, lips] - centre, 0.5, axis=0, mode="nearest")
    smoothed[:, lips] = smoothed[:, STABLE].mean(axis=1, keepdims=True) + offset
    return smoothed


def canonical_face(points: Floats) -> Floats:
    """Mean head ``[478, 3]`` of ``points`` ``[n, 478, 3]``: upright, IOD 1, origin between eyes."""
    stable = list(STABLE)

    def centred(face: Floats) -> Floats:
        face = face - face[stable].mean(axis=0)
        scaled: Floats = face / np.linalg.norm(face[LEFT_EYE] - face[RIGHT_EYE])
        return scaled

    face = centred(points[len(points) // 2])
    for _ in range(3):  # settles to 1e-3 IOD on the measured clips
        fitted = fit_similarities(face[stable], points[:, stable])
        face = centred(np.median(fitted.invert(points, slice(None)), axis=0))
    across = face[RIGHT_EYE] - face[LEFT_EYE]
    across /= np.linalg.norm(across)
    down = face[CHIN] - face[NOSE_BRIDGE]
    down -= (down @ across) * across
    down /= np.linalg.norm(down)
    upright: Floats = face @ np.stack([across, down, np.cross(across, down)]).T
    return upright


@dataclass(frozen=True, slots=True, eq=False)
class TrackGeometry:
    """One face track measured against the canonical head of its person, one row per frame.

    ``points`` ``[n, 478, 3]`` smoothed pixels; ``usable`` ``[n]``; ``pose`` ``[n, 3]`` pitch, yaw,
    roll in radians, absolute; ``aperture`` and ``width`` ``[n]`` normalised; ``speed`` ``[n]`` of
    the head in IOD per frame.
    """

    track: str
    first: int
    points: npt.NDArray[np.float32]
    usable: npt.NDArray[np.bool_]
    place: Similarities
    pose: Floats
    aperture: Floats
    width: Floats
    speed: Floats

    @property
    def n_frames(self) -> int:
        """Length in frames."""
        return len(self.points)

    @property
    def iod(self) -> Floats:
        """Pose-corrected inter-ocular distance in pixels ``[n]``."""
        return self.place.scale

    def shapes(self, rows: Ints) -> Floats:
        """Normalised landmarks ``[k, 478, 3]`` of some frames: the expression without the head."""
        return self.place.invert(self.points[rows].astype(np.float64), rows)


def person_canonical(tracks: Sequence[FaceTrack], limit: int = 300) -> Floats | None:
    """Canonical head from at most ``limit`` frames spread over all tracks; ``None`` if no face."""
    wanted = max(1, sum(int(track.accepted.sum()) for track in tracks) // limit)
    chosen: list[Floats] = []
    for track in tracks:
        seen = np.flatnonzero(_is_face(track.landmarks))[::wanted]
        chosen.append(track.landmarks[seen].astype(np.float64))
    points = np.concatenate(chosen) if chosen else np.zeros((0, 478, 3))
    return canonical_face(points) if len(points) else None


def measure_track(track: FaceTrack, canonical: Floats) -> TrackGeometry:
    """Pose, expression and mouth numbers of every frame of ``track``.

    Raises ``numpy.linalg.LinAlgError`` when the track has no face at all.
    """
    points, usable, place = _measured(track.landmarks, canonical)
    if not usable.any():
        raise np.linalg.LinAlgError(f"track {track.id} has no face")
    stable = list(STABLE)
    usable &= place.scale > 1
    scale = np.maximum(place.scale, 1e-3)
    r = place.rotation
    pose = np.stack(
        [
            np.arctan2(r[:, 2, 1], r[:, 2, 2]),
            np.arctan2(-r[:, 2, 0], np.hypot(r[:, 2, 1], r[:, 2, 2])),
            np.arctan2(r[:, 1, 0], r[:, 0, 0]),
        ],
        axis=1,
    )
    centre = points[:, stable, :2].mean(axis=1, dtype=np.float64)
    step = np.linalg.norm(np.diff(centre, axis=0, prepend=centre[:1]), axis=1)
    return TrackGeometry(
        track=track.id,
        first=track.first,
        points=points,
        usable=usable,
        place=Similarities(scale, place.rotation, place.translation),
        pose=pose,
        aperture=np.linalg.norm(points[:, UPPER_LIP] - points[:, LOWER_LIP], axis=1) / scale,
        width=np.linalg.norm(points[:, LEFT_CORNER] - points[:, RIGHT_CORNER], axis=1) / scale,
        speed=step / scale,
    )


def _measured(
    landmarks: npt.NDArray[np.float32], canonical: Floats
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_], Similarities]:
    """Smoothed points, usable frames and places, block by block: a shot may last an hour."""
    count = len(landmarks)
    points = np.zeros((count, 478, 3), np.float32)
    usable = np.zeros(count, np.bool_)
    scale, rotation, shift = np.zeros(count), np.zeros((count, 3, 3)), np.zeros((count, 3))
    stable = list(STABLE)
    for start in range(0, count, _BLOCK):
        low, stop = max(0, start - _MARGIN), min(count, start + _BLOCK)
        filled, seen = fill_gaps(landmarks[low : stop + _MARGIN])
        own = slice(start - low, stop - low)
        smoothed = smooth(filled)[own]
        place = fit_similarities(canonical[stable], smoothed[:, stable])
        points[start:stop], usable[start:stop] = smoothed, seen[own]
        scale[start:stop], rotation[start:stop] = place.scale, place.rotation
        shift[start:stop] = place.translation
    return points, usable, Similarities(scale, rotation, shift)


def smoothstep(value: Floats) -> Floats:
    """Cubic ramp: 0 below 0, 1 above 1."""
    x = np.clip(value, 0, 1)
    ramp: Floats = x * x * (3 - 2 * x)
    return ramp


def mouth_weights(canonical: Floats) -> Floats:
    """How far speech moves each vertex ``[478]``: 0 at nose base and cheek edge, 1 at lips."""
    x, y = canonical[:, 0], canonical[:, 1]
    top = y[NOSE_BASE] + 0.01
    weights = smoothstep((y - top) / max(y[TOP_LIP] - top, 1e-3))
    half = abs(x[RIGHT_CHEEK] - x[LEFT_CHEEK]) / 2
    weights = weights * smoothstep((0.98 * half - np.abs(x - x[NOSE_BASE])) / (0.45 * half))
    weights[list(OUTER_LIPS + INNER_LIPS)] = 1
    weights[CHIN] = 1
    return weights
