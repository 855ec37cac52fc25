"""The lower-face shape that goes with a mouth aperture and width, learnt from the exemplars."""

from __future__ import annotations

import numpy as np

from polydub.engines.lips.choose import MouthStates
from polydub.engines.lips.geometry import INNER_LIPS, LOWER_LIP, UPPER_LIP, Floats
from polydub.engines.lips.mapping import MouthRange

_NEIGHBOURS = 12  # exemplars that set the bandwidth
_WIDEST = 0.015  # of it (squared share of the range): a rare wide mouth is no mean of common ones
# Vertices that open the last bit of the gap: lower lip and chin, and the upper lip.
_LOWER: tuple[int, ...] = (
    14,
    17,
    87,
    317,
    178,
    402,
    88,
    318,
    95,
    324,
    84,
    314,
    181,
    405,
    91,
    321,
    146,
    375,
)
_LOWER += (18, 83, 313, 182, 406, 152, 148, 377, 176, 400, 200, 199, 175, 171, 396, 201, 421)
_LOWER += (208, 428)
_UPPER = (13, 82, 312, 81, 311, 80, 310, 0, 37, 267)
_LOWER_SHARE = 0.8


class ShapeModel:
    """Kernel regression over exemplar ``shapes`` ``[k, 478, 3]`` (normalised)."""

    def __init__(self, states: MouthStates, shapes: Floats, mouth: MouthRange) -> None:
        self._states = states
        self._shapes = shapes.reshape(len(shapes), -1)
        self._mouth = mouth
        self._bias = np.zeros((shapes.shape[1], 3))
        middle = shapes.mean(axis=0)
        self._pull = np.zeros(shapes.shape[1])
        for group, share, reach, power in (
            (_LOWER, _LOWER_SHARE, 0.62, 0.7),
            (_UPPER, _LOWER_SHARE - 1, 0.40, 1.0),
        ):
            rows = list(group)
            away = np.abs(middle[rows, 0] - middle[UPPER_LIP, 0]) / reach
            self._pull[rows] = share * np.clip(1 - away, 0, 1) ** power

    def adapt(self, shapes: Floats, aperture: Floats, width: Floats) -> None:
        """Learn what the target track's ``shapes`` have on top: another view, another mood."""
        if len(shapes):
            self._bias = (shapes - self._regress(aperture, width)).mean(axis=0)

    def __call__(self, aperture: Floats, width: Floats) -> Floats:
        """Shapes ``[n, 478, 3]`` whose inner lip gap is exactly ``aperture``."""
        shapes = self._regress(aperture, width) + self._bias
        for _ in range(2):  # the gap is not quite vertical: twice is exact to 1e-3
            gap = np.linalg.norm(shapes[:, UPPER_LIP] - shapes[:, LOWER_LIP], axis=1)
            shapes[:, :, 1] += (aperture - gap)[:, None] * self._pull[None]
        self._uncross(shapes)
        return shapes

    def reachable(self, aperture: Floats, width: Floats) -> Floats:
        """``width`` limited to what this mouth does at that ``aperture``: no pursed shouts."""
        have = self._states
        away = np.abs(have.aperture[None] - aperture[:, None])
        count = min(_NEIGHBOURS, away.shape[1])
        near = have.width[np.argpartition(away, count - 1, axis=1)[:, :count]]
        limited: Floats = np.clip(width, near.min(axis=1), near.max(axis=1))
        return limited

    def _regress(self, aperture: Floats, width: Floats) -> Floats:
        have, mouth = self._states, self._mouth
        away = ((have.aperture[None] - aperture[:, None]) / mouth.opening) ** 2
        away += 0.35 * ((have.width[None] - width[:, None]) / mouth.stretch) ** 2
        nth = min(_NEIGHBOURS, away.shape[1] - 1)
        bandwidth = np.minimum(np.partition(away, nth, axis=1)[:, nth], _WIDEST) + 1e-4
        weight = np.exp((away.min(axis=1, keepdims=True) - away) / bandwidth[:, None])
        weight /= weight.sum(axis=1, keepdims=True)
        shapes: Floats = (weight @ self._shapes).reshape(len(aperture), -1, 3)
        return shapes

    @staticmethod
    def _uncross(shapes: Floats) -> None:
        """Lips never pass through each other beside the middle."""
        lower, upper = np.array(INNER_LIPS[1:10]), np.array(INNER_LIPS[:10:-1])
        crossed = np.minimum(0, shapes[:, lower, 1] - shapes[:, upper, 1]) / 2
        shapes[:, lower, 1] -= crossed
        shapes[:, upper, 1] += crossed
