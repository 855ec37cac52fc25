"""How much a face's mouth moves: the visual evidence of who speaks.

Measured on 30 tracks of film against an audio-visual reference model: mouth-opening speed separates
speaking from silent windows with AUC 0.973. Speakers 0.14 .. 1.44 IOD/s, listeners 0.02 .. 0.13;
``SPEAKING`` lies between. Laughing and chewing are the known false friends.
"""

from __future__ import annotations

import numpy as np

from polydub.model import FaceTrack

SPEAKING = 0.12  # IOD/s
MAX_YAW = 35.0  # degrees: in a profile the lip points are noise
LEAST_FRAMES = 5


def mouth_speed(track: FaceTrack, frames: range, rate: float) -> float | None:
    """Mean speed of the lip gap in IOD/s over the ``frames`` (film indices) that ``track`` covers.

    Only neighbouring frames with a fitting mesh and |yaw| <= 35 degrees count; ``rate`` is in
    frames per second. ``None`` with fewer than 5 usable frames.
    """
    start = max(frames.start, track.first) - track.first
    stop = min(frames.stop, track.first + track.n_frames) - track.first
    if stop <= start:
        return None
    yaw = np.abs(track.pose[start:stop, 0])
    with np.errstate(invalid="ignore"):
        usable = track.accepted[start:stop] & (yaw <= MAX_YAW)
    if int(usable.sum()) < LEAST_FRAMES:
        return None
    steps = np.abs(np.diff(track.aperture[start:stop].astype(np.float64)))
    steps = steps[usable[1:] & usable[:-1]]
    return float(steps.mean() * rate) if len(steps) else None
