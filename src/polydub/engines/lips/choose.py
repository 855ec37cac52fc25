"""Which exemplar frame to show when: shortest path over all exemplars (Viterbi)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polydub.engines.lips.geometry import Floats, Ints
from polydub.engines.lips.mapping import MouthRange

_MEETING = 0.02  # IOD: lips that touch
_SHADOW = 0.02  # share of the mouth: the line between lips that meet
_SLIT = 0.15  # share of the mouth that a clearly open one has dark
_ALIKE = 0.3  # log variance: sharpness differs so much from frame to frame anyway
_BLURRED = 1.0  # log variance by which a softer mouth is seen to be so


@dataclass(frozen=True, slots=True, eq=False)
class MouthStates:
    """Mouths to match, one row each: exemplars, or the frames to render.

    ``aperture`` and ``width`` in IOD, ``pose`` ``[n, 3]`` radians, ``light`` ``[n, 6]`` Lab above
    and below the mouth; ``sharpness`` ``[n]`` log variance; ``gape`` ``[n]`` the dark share of the
    mouth, asked of exemplars only.
    """

    aperture: Floats
    width: Floats
    pose: Floats
    light: Floats
    sharpness: Floats
    gape: Floats | None = None


def unary_costs(
    wanted: MouthStates, have: MouthStates, mouth: MouthRange, penalty: Floats
) -> Floats:
    """Cost ``[frames, exemplars]`` of showing an exemplar in a frame.

    Stretching a closed mouth open is the worst, then closing an open one; the weights were set by
    eye. ``penalty`` ``[exemplars]`` is added as it is.
    """
    da = (have.aperture[None] - wanted.aperture[:, None]) / mouth.opening
    dw = np.abs(have.width[None] - wanted.width[:, None]) / mouth.stretch
    turned = np.abs(have.pose[None] - wanted.pose[:, None]).sum(axis=2) / 0.15
    light = light_distance(wanted.light, have.light) / 8
    shape = 6 * np.abs(da) + 30 * np.maximum(0, -da - 0.10) + 12 * np.maximum(0, da - 0.18)
    meeting = (wanted.aperture < _MEETING)[:, None]  # a teeth line would stay between pressed lips
    shape = (
        shape + meeting * 20 * np.maximum(0, have.aperture[None] - 1.5 * _MEETING) / mouth.opening
    )
    if have.gape is not None:  # the mesh takes a slit for lips that meet
        ajar = np.maximum(0, have.gape - np.percentile(have.gape, 5) - _SHADOW)
        shape = shape + meeting * 12 * ajar[None] / _SLIT
    softer = wanted.sharpness[:, None] - have.sharpness[None]
    looks = 0.25 * light + np.maximum(0, np.abs(softer) - _ALIKE)
    looks = looks + 4 * np.maximum(0, softer - _BLURRED)
    costs: Floats = shape + 1.5 * dw + 0.5 * turned + looks + penalty[None]
    return costs


def light_distance(wanted: Floats, have: Floats) -> Floats:
    """Mean Lab difference ``[frames, exemplars]`` around the mouth."""
    distance: Floats = np.abs(have[None] - wanted[:, None]).mean(axis=2)
    return distance


def transition_costs(patches: npt.NDArray[np.float32], follows: Ints, weight: float) -> Floats:
    """Cost ``[from, to]`` of a jump: how far ``to`` looks from what would have come next.

    ``patches`` ``[k, d]`` lightness; ``follows`` ``[k]`` is the exemplar of the next source frame
    or -1. Staying and going on are nearly free.
    """
    square = (patches**2).sum(axis=1)
    gap = square[:, None] + square[None] - 2 * patches @ patches.T
    apart = np.sqrt(np.maximum(gap, 0) / max(patches.shape[1], 1)) / 6
    expected = np.where(follows >= 0, follows, np.arange(len(patches)))
    cost = np.minimum(apart[expected], apart + 0.12)
    onward = np.flatnonzero(follows >= 0)
    cost[onward, follows[onward]] = 0
    scaled: Floats = weight * cost.astype(np.float64)
    return scaled


def cheapest_path(unary: Floats, transition: Floats) -> Ints:
    """The exemplar of each frame ``[n]``: least total cost. ``unary`` has at least one row."""
    n_frames, n_states = unary.shape
    back = np.zeros((n_frames, n_states), np.int32)
    cost = unary[0].copy()
    for frame in range(1, n_frames):
        total = cost[:, None] + transition
        back[frame] = total.argmin(axis=0)
        cost = total[back[frame], np.arange(n_states)] + unary[frame]
    path = np.zeros(n_frames, np.int64)
    path[-1] = int(cost.argmin())
    for frame in range(n_frames - 1, 0, -1):
        path[frame - 1] = back[frame, path[frame]]
    return path
