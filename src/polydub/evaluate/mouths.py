"""Whether mouths move with a sound: from lip landmarks alone. Pure: arrays in.

Mouth and sound are each reduced to the numbers that they had most in common in real talkers
(:mod:`polydub.evaluate.mouth_sound`); the fit is the correlation of these numbers over a line.
SyncNet's LSE-C asks the same question of pixels. Like it, a fit at the best delay is blind to a
constant delay, and a mouth that exaggerates fits as well as a real one. It tells a talker's own
voice from another only in most film lines: judge films by it, not lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polydub.evaluate.mouth_sound import (
    CLOCK,
    GAP,
    MouthSound,
    load_mouth_sound,
    mouth_windows,
    quick,
)

REACH = 15
"""Ticks of delay tried either way: 0.6 s, as SyncNet does."""
LEAST_TICKS = 20
"""A line with less visible speech (0.8 s) is not judged."""
LEAST_FIT = 0.25
"""A best fit below this may be chance: then there is no delay to speak of. Of draws of 10 to 16 s
of film speech 0.5 % reach it beside sounds of other films, 52 % beside their own, and those all
tell the delay within 80 ms (``benchmarks/mouth_sound.py``, nine faces)."""
LEAST_DELAY_TICKS = 250
PROMINENT = 0.15
"""The best fit stands out by so much from that of the middling delay; at the ends of the delays
tried nothing stands out: the curve may rise beyond."""
MOVING = 0.25
"""Eye distances per second from which a mouth is said to move: about where
:class:`polydub.engines.active_speaker.mouth_motion.MotionModel` gives even odds (exp(-1.42))."""

Curve = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Mouth:
    """One line's visible speech, ``n`` ticks: ``k`` numbers seen, where they count, and heard.

    ``heard`` ``[k, n + 2 * REACH]`` begins ``REACH`` ticks earlier, so that every delay can be
    tried; ``weights`` ``[k]`` weigh the numbers.
    """

    line: str
    seen: Curve
    usable: Flags
    heard: Curve
    weights: Curve


@dataclass(frozen=True, slots=True)
class Fit:
    """``of_line``: correlation at the film's best delay; ``delay_ms``: sound after mouth."""

    of_line: dict[str, float]
    delay_ms: float | None
    fit: float | None


STILL = 5e-3
"""Eye distances of lip movement below which a mouth is still: landmark noise of 0.003 would be
brought to the size of speech and correlate with anything."""


def line_mouth(
    line: str, lengths: Curve, usable: Flags, sound: Curve, fitted: MouthSound | None = None
) -> Mouth:
    """What is compared of one line.

    ``lengths`` ``[9, n]`` of :func:`~polydub.evaluate.mouth_sound.mouth_lengths` at 25 Hz,
    ``sound`` ``[n + 2 * REACH, 120]`` of :func:`~polydub.evaluate.mouth_sound.sound_windows`.
    """
    fitted = fitted or load_mouth_sound()
    moves = usable.any() and float(quick(lengths[GAP])[usable].std()) > STILL
    seen = np.zeros((len(fitted.strength), lengths.shape[1]))
    if moves:
        seen = (mouth_windows(lengths, usable) @ fitted.mouth).T
    return Mouth(line, seen, usable, (sound @ fitted.sound).T, fitted.strength)


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
    """Weighted mean correlation of one line's numbers at every delay; 0 where nothing moves."""
    use = mouth.usable
    first = mouth.seen[:, use]
    first = first - first.mean(axis=1, keepdims=True)
    found = np.zeros(2 * REACH + 1)
    for number in range(2 * REACH + 1):
        second = mouth.heard[:, number : number + mouth.seen.shape[1]][:, use]
        second = second - second.mean(axis=1, keepdims=True)
        power = (first**2).sum(axis=1) * (second**2).sum(axis=1)
        moving = power > 1e-12
        each = (first * second).sum(axis=1)[moving] / np.sqrt(power[moving])
        found[number] = float(each @ mouth.weights[moving]) / float(mouth.weights.sum())
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
