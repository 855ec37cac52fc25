"""The mouth of one face as curves over time, on one clock whatever the film's frame rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polydub.model import FaceTrack

Curve = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

CLOCK = 25.0  # Hz; the speed of a noisy curve grows with the rate at which it is sampled
MAX_YAW = 35.0  # degrees: in a profile the lip points are noise
INNER_GAPS = ((13, 14), (82, 87), (312, 317))  # mesh points: middle, and a third to either side
OUTER_GAP = (0, 17)  # top of the upper lip, bottom of the lower one
NOSE = (1, 168)  # tip and root: rigid, so its changes are landmark noise


@dataclass(frozen=True, slots=True, eq=False)
class MouthCurves:
    """Mouth shape at 25 Hz, in inter-ocular distances; all arrays ``[n]``.

    ``times`` in seconds on the clock of the frames; ``inner`` and ``outer`` lip gaps; ``nose`` a
    length that does not change in truth; ``usable`` where the mesh fits and |yaw| <= 35 degrees.
    Elsewhere the curves are interpolated.
    """

    times: Curve
    inner: Curve
    outer: Curve
    nose: Curve
    usable: Flags


def usable_frames(track: FaceTrack) -> Flags:
    """Frames ``[n]`` whose mesh can be trusted around the mouth."""
    size = np.nan_to_num(track.iod, nan=0.0)
    yaw = np.abs(np.nan_to_num(track.pose[:, 0], nan=90.0))
    return np.asarray(track.accepted & (size > 0) & (yaw <= MAX_YAW))


def mouth_curves(track: FaceTrack, times: Curve) -> MouthCurves | None:
    """Curves of ``track`` whose frames lie at ``times`` ``[n]`` (s, rising); ``None`` without any.

    Faster films are averaged over each 40 ms, slower ones interpolated.
    """
    usable = usable_frames(track)
    if not usable.any():
        return None
    clock = np.arange(times[0], times[-1] + 0.5 / CLOCK, 1 / CLOCK)
    points = track.landmarks[usable].astype(np.float64)
    iod = track.iod[usable].astype(np.float64)
    shapes = np.stack(
        [
            np.mean([_distance(points, *pair) for pair in INNER_GAPS], axis=0) / iod,
            _distance(points, *OUTER_GAP) / iod,
            _distance(points, *NOSE) / iod,
        ]
    )
    if len(times) > 1 and float(np.median(np.diff(times))) < 0.9 / CLOCK:
        at, shapes = _averaged(clock, times[usable], shapes)
    else:
        at = times[usable]
    inner, outer, nose = (np.interp(clock, at, shape) for shape in shapes)
    near = np.interp(clock, times, usable.astype(np.float64)) > 0.5
    return MouthCurves(clock, inner, outer, nose, near)


def _averaged(clock: Curve, times: Curve, shapes: Curve) -> tuple[Curve, Curve]:
    """Mean of ``shapes`` ``[k, n]`` over the frames nearest to each tick that has one."""
    ticks = np.clip(np.round((times - clock[0]) * CLOCK).astype(int), 0, len(clock) - 1)
    counts = np.bincount(ticks, minlength=len(clock))
    kept = counts > 0
    sums = [np.bincount(ticks, weights=shape, minlength=len(clock)) for shape in shapes]
    return clock[kept], np.stack(sums)[:, kept] / counts[kept]


def _distance(points: Curve, a: int, b: int) -> Curve:
    distance: Curve = np.linalg.norm(points[:, a] - points[:, b], axis=1)
    return distance


def speed(curve: Curve, usable: Flags) -> tuple[Curve, Flags]:
    """|change| per second of ``curve`` ``[n]`` since the tick before, and where both are usable."""
    steps = np.abs(np.diff(curve, prepend=curve[:1])) * CLOCK
    both = usable & np.concatenate([[False], usable[:-1]])
    return steps, both


def weighted_mean(values: Curve, flags: Flags, half: int) -> tuple[Curve, Curve]:
    """Hann-weighted mean of ``values`` where ``flags`` within ``half`` ticks, and the weight there.

    The weight is the share (0..1) of the window that was usable; where it is 0 the mean is 0.
    """
    window = np.hanning(2 * half + 3)[1:-1]
    window /= window.sum()

    def spread(x: Curve) -> Curve:
        return np.asarray(np.convolve(np.pad(x, half), window, "valid"))

    share = spread(flags.astype(np.float64))
    mean = spread(np.where(flags, values, 0.0)) / np.maximum(share, 1e-9)
    return np.where(share > 0, mean, 0.0), share
