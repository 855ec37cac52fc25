"""Whether the sound that is not speech survived the dubbing. Pure.

Only moments are compared in which neither the original nor the dub speaks, so nothing needs to be
separated and every tool is judged alike. It hides what happens under the voices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from polydub.evaluate.mixture import si_sdr
from polydub.model import Samples, Span, merge, total, without

FloatArray = npt.NDArray[np.float64]

FLOOR_DB = -60.0
"""No level difference is given below this: nothing is left."""
SILENT_DB = -65.0
"""dBFS; an original whose pauses are softer has no background to lose."""
GUARD = Fraction(1, 10)
"""Seconds around speech that are left out: breaths, tails, what the detector missed."""
SHORTEST = Fraction(1, 10)
LEAST = Fraction(1, 2)
ALIKE = 0.3
SHIFT_S = 0.05
"""The dub may lie this much earlier or later (encoders' delays) and still be compared."""


@dataclass(frozen=True, slots=True)
class Bed:
    """``level_db``: dub minus original; ``sdr_db``: SI-SDR of the dub's against the original's."""

    level_db: float
    sdr_db: float


def pauses(duration: Fraction, *speech: Sequence[Span]) -> tuple[Span, ...]:
    """Where nobody speaks in any of the ``speech`` lists, at least 0.1 s, away from speech."""
    spoken = merge(
        Span(max(Fraction(0), span.start - GUARD), span.end + GUARD)
        for spans in speech
        for span in spans
    )
    free = without([Span(Fraction(0), duration)], spoken) if duration > 0 else []
    return tuple(span for span in free if span.duration >= SHORTEST)


def bed(mix: Samples, film: Samples, rate: int, free: Sequence[Span]) -> Bed | None:
    """The background of the dub's ``mix`` against the ``film``'s, both mono, in ``free`` moments.

    The delay of the mix (within 50 ms) that correlates best is taken out first. ``None`` when there
    is less than half a second of pauses, or when the film is silent in them (:data:`SILENT_DB`).
    """
    if total(free) < LEAST:
        return None
    size = min(len(mix), len(film))
    parts = [span.samples(rate) for span in free]
    shift = _best_shift(mix[:size], film[:size], rate, parts)
    ours: list[FloatArray] = []
    theirs: list[FloatArray] = []
    for part in parts:
        first, last = max(0, part.start, -shift), min(size, part.stop, size - shift)
        ours.append(np.asarray(mix[first + shift : last + shift], np.float64))
        theirs.append(np.asarray(film[first:last], np.float64))
    dub, original = np.concatenate(ours), np.concatenate(theirs)
    power, had = float((dub**2).mean()), float((original**2).mean())
    if had <= 0 or 10 * math.log10(had) < SILENT_DB:
        return None
    level = 10 * math.log10(power / had) if power > 0 else FLOOR_DB
    fidelity = (
        si_sdr(dub.astype(np.float32), original.astype(np.float32)) if power > 0 else FLOOR_DB
    )
    return Bed(max(FLOOR_DB, level), float(np.clip(fidelity, FLOOR_DB, -FLOOR_DB)))


def _best_shift(mix: Samples, film: Samples, rate: int, parts: Sequence[slice]) -> int:
    """Samples by which the mix is late, within 50 ms, by the longest pause.

    0 when nothing is alike there: else what is left of the speech around it would be found.
    """
    reach = round(SHIFT_S * rate)
    part = max(parts, key=lambda one: one.stop - one.start)
    start, stop = max(reach, part.start), min(len(film) - reach, part.stop)
    stop = min(stop, start + 4 * rate)
    if stop - start < rate // 10:
        return 0
    own = np.asarray(film[start:stop], np.float64)
    other = np.asarray(mix[start - reach : stop + reach], np.float64)
    length = 1 << (len(other) + len(own)).bit_length()
    found = np.fft.irfft(np.fft.rfft(other, length) * np.conj(np.fft.rfft(own, length)), length)
    best = int(np.argmax(found[: 2 * reach + 1]))
    part_of = other[best : best + len(own)]
    power = float(own @ own) * float(part_of @ part_of)
    return best - reach if found[best] > ALIKE * math.sqrt(power) > 0 else 0
