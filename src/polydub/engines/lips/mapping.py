"""Fits a mouth curve to one person: the range, the rest and the closure of that person's mouth.

Without it the mouth moves at half the natural range (measured standard-deviation ratio 0.51 to
0.56; with it 0.95 to 1.08).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d

from polydub.engines.lips.geometry import Floats, TrackGeometry
from polydub.engines.lips.visemes import MouthCurve

_CLOSED = 0.012  # IOD; the mesh reads pressed lips as 0.00 to 0.02
_MIN_SPEECH_FRAMES = 40
_LEAST_PACE = 0.03  # IOD per frame: slow talkers too must reach their closures

# Quantiles 0, 0.05 .. 1 of the blended curves in audible frames, measured on 45 s of Kokoro
# speech in en, es, fr, zh, ja, hi, it and pt at 24 frames per second.
SPEECH_APERTURE: tuple[float, ...] = (
    0.008, 0.153, 0.196, 0.220, 0.249, 0.268, 0.283, 0.307, 0.326, 0.342, 0.360,
    0.377, 0.400, 0.428, 0.456, 0.479, 0.520, 0.557, 0.614, 0.686, 0.849,
)  # fmt: skip
SPEECH_WIDTH: tuple[float, ...] = (
    0.077, 0.246, 0.317, 0.352, 0.376, 0.402, 0.426, 0.453, 0.474, 0.494, 0.514,
    0.528, 0.543, 0.565, 0.585, 0.600, 0.618, 0.637, 0.659, 0.686, 0.765,
)  # fmt: skip
_WIDE_OPEN = SPEECH_APERTURE[19]
_BUSY = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class MouthRange:
    """How one person's mouth moves in speech, in IOD.

    ``apertures`` and ``widths`` are sorted samples; ``low`` / ``high`` their 4th / 96th, ``narrow``
    / ``middle`` / ``wide`` their 5th / 50th / 95th percentiles. ``pace`` and ``width_pace`` are the
    97th percentiles of their change, in IOD per frame of the film.
    """

    apertures: Floats
    widths: Floats
    low: float
    high: float
    narrow: float
    middle: float
    wide: float
    pace: float = _LEAST_PACE
    width_pace: float = _LEAST_PACE

    @property
    def opening(self) -> float:
        """Aperture range, at least 0.05 for use as a divisor."""
        return max(self.high - self.low, 0.05)

    @property
    def stretch(self) -> float:
        """Width range, at least 0.03 for use as a divisor."""
        return max(self.wide - self.narrow, 0.03)


@dataclass(frozen=True, slots=True, eq=False)
class MouthMoves:
    """What one track tells of a mouth: ``aperture``, ``width`` and ``usable``, each ``[n]``."""

    aperture: Floats
    width: Floats
    usable: npt.NDArray[np.bool_]


def mouth_range(tracks: Sequence[MouthMoves | TrackGeometry]) -> MouthRange | None:
    """Range over the frames in which the mouth is busy; over all frames when those are under 40.

    Busy: the aperture varies within +-0.25 s nearly as much as it does in the person's liveliest
    fifth. Speech looks like that; it makes the range independent of which lines are rendered.
    ``None`` when nothing is usable.
    """
    pairs = [np.stack([t.aperture, t.width])[:, t.usable] for t in tracks]
    values = np.concatenate(pairs, axis=1) if pairs else np.zeros((2, 0))
    if not values.shape[1]:
        return None
    spread = np.concatenate([_local_spread(pair[0]) for pair in pairs])
    steps = np.concatenate([_steps(track) for track in tracks], axis=1)
    busy = spread > _BUSY * np.percentile(spread, 80)
    if busy.sum() >= _MIN_SPEECH_FRAMES:
        values, steps = values[:, busy], steps[:, busy]
    low, high = np.percentile(values[0], [4, 96])
    narrow, middle, wide = np.percentile(values[1], [5, 50, 95])
    return MouthRange(
        np.sort(np.clip(values[0], low, high)),
        np.sort(np.clip(values[1], narrow, wide)),
        float(low), float(high), float(narrow), float(middle), float(wide),
        *(max(_LEAST_PACE, float(np.percentile(step, 97))) for step in steps),
    )  # fmt: skip


def _steps(track: MouthMoves | TrackGeometry) -> Floats:
    """Change of aperture and width from the frame before, in usable frames ``[2, k]``."""
    pair = np.stack([track.aperture, track.width])
    steps: Floats = np.abs(np.diff(pair, axis=1, prepend=pair[:, :1]))[:, track.usable]
    return steps


@dataclass(frozen=True, slots=True, eq=False)
class MouthTargets:
    """What the mouth should do, in IOD, one value per frame."""

    aperture: Floats
    width: Floats


class QuantileMap:
    """Maps blended curves onto a person's own distribution, by their rank in ordinary speech.

    The ranks are fixed, so that a line comes out the same whichever others are rendered with it.
    """

    def __init__(self, mouth: MouthRange) -> None:
        self.mouth = mouth

    def targets(self, curve: MouthCurve) -> MouthTargets:
        """Aperture and width of the person for ``curve``; closed where nothing is said."""
        mouth = self.mouth
        rest = min(mouth.low, _CLOSED * 1.5)
        rank = _rank(SPEECH_APERTURE, curve.aperture)
        share = np.clip(curve.aperture / _WIDE_OPEN, 0, 1)
        # by rank alone, mouths that are mostly closed stay shut on most consonants: over five film
        # faces the mean gap in speech was 61 % of the true one so, 76 % with the mean of both
        open_ = (np.quantile(mouth.apertures, rank) + mouth.low) / 2
        open_ = open_ + share * (mouth.high - mouth.low) / 2
        open_ = np.minimum(open_, rest + curve.ceiling * (mouth.high - rest))
        shut = np.minimum(open_, min(mouth.low, _CLOSED))
        meets = curve.ceiling <= 0.02
        open_ = np.where(meets, shut, open_)
        width = np.quantile(mouth.widths, _rank(SPEECH_WIDTH, curve.width))
        aperture = rest + curve.voice * (open_ - rest)
        width = mouth.middle + curve.voice * (width - mouth.middle)
        return MouthTargets(
            aperture=below(aperture, mouth.pace),
            width=(below(width, mouth.width_pace) - below(-width, mouth.width_pace)) / 2,
        )


def below(curve: Floats, pace: float) -> Floats:
    """The highest curve under ``curve`` ``[n]`` that changes by at most ``pace`` per frame.

    Minima stay: a mouth in a hurry opens less, and its lips still meet.
    """
    limited = curve.copy()
    for at in range(1, len(limited)):
        limited[at] = min(limited[at], limited[at - 1] + pace)
    for at in range(len(limited) - 2, -1, -1):
        limited[at] = min(limited[at], limited[at + 1] + pace)
    return limited


def _rank(quantiles: Sequence[float], values: Floats) -> Floats:
    rank: Floats = np.interp(values, quantiles, np.linspace(0, 1, len(quantiles)))
    return rank


def _local_spread(values: Floats, reach: int = 6) -> Floats:
    """Standard deviation within ``reach`` frames on either side."""
    if not len(values):
        return values
    window = 2 * reach + 1
    mean = uniform_filter1d(values, window, mode="nearest")
    square = uniform_filter1d(values**2, window, mode="nearest")
    spread: Floats = np.sqrt(np.maximum(square - mean**2, 0))
    return spread
