"""Whether mouths move with a sound: from lip landmarks alone, no weights. Pure: curves in.

A curve is a mouth's opening at 25 Hz; the drive is how far a mouth should be open for the sound
(:mod:`polydub.engines.active_speaker.speech_drive`). SyncNet's LSE-C asks the same question of
pixels. Like it, a fit at the best delay is blind to a constant delay, and a mouth that exaggerates
fits as well as a real one. It tells a talker's own voice from another only weakly on single film
lines: judge films by it, not lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

CLOCK = 25.0
"""Hz of all curves here."""
REACH = 15
"""Ticks of delay tried either way: 0.6 s, as SyncNet does."""
LEAST_TICKS = 20
"""A line with less visible speech (0.8 s) is not judged."""
LEAST_FIT = 0.3
"""A best fit below this may be chance: then there is no delay to speak of. A simulated dub whose
mouths were not moved fits by 0.15 at +308 ms, a film clip of 6 s its own sound by 0.35 at +494 ms;
the example's dub with its mouths moved by 0.64 at +11 ms."""
LEAST_DELAY_TICKS = 250
PROMINENT = 0.1
"""The best fit stands out by so much from that of the middling delay; at the ends of the delays
tried nothing stands out: the curve may rise beyond."""
MOVING = 0.25
"""Eye distances per second from which a mouth is said to move: about where
:class:`polydub.engines.active_speaker.mouth_motion.MotionModel` gives even odds (exp(-1.42))."""

Curve = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Mouth:
    """One line's visible speech, ``n`` ticks: opening, where it can be trusted, the drive.

    ``drive`` ``[n + 2 * REACH]`` begins ``REACH`` ticks earlier, so that every delay can be tried.
    """

    line: str
    opening: Curve
    usable: Flags
    drive: Curve


@dataclass(frozen=True, slots=True)
class Fit:
    """``of_line``: correlation at the film's best delay; ``delay_ms``: sound after mouth."""

    of_line: dict[str, float]
    delay_ms: float | None
    fit: float | None


def shape(opening: Curve) -> Curve:
    """``opening`` as it is compared: slow changes (smiles, poses) and landmark noise taken out."""
    smooth = gaussian_filter1d(opening, 0.7)
    return np.asarray(smooth - gaussian_filter1d(smooth, 0.8 * CLOCK))


def fit_mouths(mouths: Sequence[Mouth]) -> Fit:
    """How well the mouths follow the sound at the one delay that is best for all of them.

    For every delay the lines' correlations are averaged, each weighted with its ticks; the delay is
    that of the highest average, refined by a parabola. It is not given for under 10 s of speech in
    all, or when the best fit is no better than chance (:data:`LEAST_FIT`, :data:`PROMINENT`): then
    lines are judged without a delay.
    """
    judged = [mouth for mouth in mouths if int(mouth.usable.sum()) >= LEAST_TICKS]
    if not judged:
        return Fit({}, None, None)
    table = np.stack([_correlations(mouth) for mouth in judged])  # [lines, delays]
    weights = np.array([mouth.usable.sum() for mouth in judged], np.float64)
    mean = weights @ table / weights.sum()
    best = int(np.argmax(mean))
    stands_out = 0 < best < 2 * REACH and mean[best] - float(np.median(mean)) >= PROMINENT
    sure = weights.sum() >= LEAST_DELAY_TICKS and mean[best] >= LEAST_FIT and stands_out
    if not sure:
        best = REACH
    delay = 1000 * (best + _vertex(mean, best) - REACH) / CLOCK if sure else None
    fits = {mouth.line: float(row[best]) for mouth, row in zip(judged, table, strict=True)}
    return Fit(fits, delay, float(mean[best]))


def fit_in_place(mouths: Sequence[Mouth]) -> dict[str, float]:
    """Correlation of every line without any delay: for the original, whose sound is its own."""
    judged = [mouth for mouth in mouths if int(mouth.usable.sum()) >= LEAST_TICKS]
    return {mouth.line: float(_correlations(mouth)[REACH]) for mouth in judged}


def _correlations(mouth: Mouth) -> Curve:
    """Correlation of one line at every delay; 0 where either does not move."""
    use = mouth.usable
    first = shape(mouth.opening)[use]
    first = first - first.mean()
    found = np.zeros(2 * REACH + 1)
    for number in range(2 * REACH + 1):
        second = mouth.drive[number : number + len(mouth.opening)][use]
        second = second - second.mean()
        power = float(first @ first) * float(second @ second)
        # a still mouth: landmark noise of 0.003 eye distances correlates with nothing
        if power > 1e-12 and float(np.sqrt((first**2).mean())) > 5e-3:
            found[number] = float(first @ second) / np.sqrt(power)
    return found


def _vertex(values: Curve, best: int) -> float:
    """Where between ticks the top of a parabola through ``best`` and its neighbours lies."""
    if not 0 < best < len(values) - 1:
        return 0.0
    left, top, right = values[best - 1 : best + 2]
    bend = left - 2 * top + right
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def motion_ratio(dub: Curve, source: Curve) -> float | None:
    """Mean mouth speed while the dub speaks / while the original spoke; curves in eye distances/s.

    ``None`` without ticks, or when the original's mouth did not move to speak of (0.05).
    """
    if not len(dub) or not len(source) or float(source.mean()) < 0.05:
        return None
    return float(dub.mean() / source.mean())


def moving_share(speed: Curve) -> float | None:
    """Share of the ticks of a silent person in which the mouth moves; ``None`` under a second."""
    return float((speed > MOVING).mean()) if len(speed) >= CLOCK else None
