"""Where a face may be re-rendered: strength 0..1 per frame, and the reason where it is 0.

Thresholds come from looking at rendered film clips: good to 30 degrees of yaw, faults still to be
seen at 36, broken over 40.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d, minimum_filter1d

from polydub.engines.lips.geometry import (
    LEFT_CHEEK,
    LEFT_CORNER,
    OUTER_LIPS,
    RIGHT_CHEEK,
    RIGHT_CORNER,
    Floats,
    TrackGeometry,
)

NO_LANDMARKS = "no landmarks"
PROFILE = "profile"
SMALL = "face too small"
SILHOUETTE = "mouth at the silhouette"
MOTION = "fast motion"
EDGE = "mouth leaves the picture"
FOCUS = "out of focus"
LIGHT = "light differs from every example"
OCCLUDED = "something is in front of the mouth"
FEW_EXAMPLES = "too few usable frames of this person"
STILL_MOUTH = "mouth hardly moves in the source"
FAILED = "geometry failed"
UNREADABLE = "frame cannot be read"
POOR = "no mouth of this person fits well enough"

MIN_STRENGTH = 0.03


@dataclass(frozen=True, slots=True)
class GateOptions:
    """Limits of the renderer; see the module for where they come from."""

    yaw_zero: float = 34.0
    yaw_ramp: float = 6.0
    min_iod: float = 26.0
    max_speed: float = 0.15
    mouth_margin: float = 0.30


def frame_gates(
    geometry: TrackGeometry, size: tuple[int, int], options: GateOptions
) -> dict[str, Floats]:
    """Strength ``[n]`` that each gate allows, by reason; ``size`` is picture height and width."""
    points = geometry.points
    iod = geometry.iod
    yaw = np.degrees(np.abs(geometry.pose[:, 1]))
    left = np.linalg.norm(points[:, LEFT_CORNER, :2] - points[:, LEFT_CHEEK, :2], axis=1)
    right = np.linalg.norm(points[:, RIGHT_CORNER, :2] - points[:, RIGHT_CHEEK, :2], axis=1)
    lips = points[:, list(OUTER_LIPS), :2]
    low, high = lips.min(axis=1), lips.max(axis=1)
    inside = np.minimum(low, np.array([size[1], size[0]]) - high).min(axis=1) / iod
    return {
        NO_LANDMARKS: geometry.usable.astype(np.float64),
        PROFILE: np.clip((options.yaw_zero - yaw) / options.yaw_ramp, 0, 1),
        SMALL: np.clip((iod - options.min_iod) / 10, 0, 1),
        SILHOUETTE: np.clip((np.minimum(left, right) / iod - 0.10) / 0.12, 0, 1),
        MOTION: np.clip((options.max_speed + 0.03 - geometry.speed) / 0.06, 0, 1),
        EDGE: np.clip((inside - options.mouth_margin) / 0.1, 0, 1),
    }


def focus_gate(sharpness: Floats, usual: Floats) -> Floats:
    """Strength ``[n]`` by ``sharpness`` (log variance) against that of the person's exemplars.

    Closed only for frames that are both soft (film faces in focus measured 4 to 7, one out of focus
    1.8 to 2.8, where the mesh no longer follows the lips) and far softer than this face can be.
    """
    best = float(np.percentile(usual, 90))
    limit = np.minimum(2.4, best - 2.0)
    gate: Floats = np.clip((sharpness - limit) / 0.6, 0, 1)
    return gate


def blur(sharpness: Floats, usual: Floats) -> Floats:
    """How far frames ``[n]`` are out of focus, 0..1, by ``sharpness`` as in :func:`focus_gate`.

    Frames of one face in focus differ by half a log variance, for an open mouth has more edges.
    """
    lacking = float(np.median(usual)) - sharpness
    soft: Floats = np.clip((lacking - 0.5) / 0.7, 0, 1)
    return soft


def cover_gate(hidden: Floats) -> Floats:
    """Strength ``[n]`` by the share of the mouth that something hides: none from 8 % on."""
    gate: Floats = np.clip((0.08 - hidden) / 0.05, 0, 1)
    return gate


def fade(length: int, start: bool, end: bool, frames: int = 4) -> Floats:
    """Ramp in and out over ``frames`` frames, each only where the mouth goes on outside."""
    at = np.arange(length, dtype=np.float64)
    strength = np.ones(length)
    if start:
        strength = np.minimum(strength, (at + 1) / (frames + 1))
    if end:
        strength = np.minimum(strength, (length - at) / (frames + 1))
    return strength


def soften(strength: Floats) -> Floats:
    """The least strength within two frames, smoothed: faults fade out before they show."""
    low = minimum_filter1d(strength, 5, mode="nearest")
    soft: Floats = np.minimum(gaussian_filter1d(low, 1.2, mode="nearest"), strength)
    return soft


def combine(gates: dict[str, Floats]) -> tuple[Floats, list[str]]:
    """Product of all gates, softened, and per frame the reason that weighs most."""
    reasons = list(gates)
    stacked = np.stack([gates[reason] for reason in reasons])
    strength: Floats = soften(stacked.prod(axis=0))
    nearby = minimum_filter1d(stacked, 9, axis=1, mode="nearest")
    worst = [reasons[index] for index in nearby.argmin(axis=0)]
    return strength, worst
