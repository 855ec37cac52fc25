"""Whether a measured mouth has the shapes of the sounds that are said: no weights. Pure.

Three contrasts that every language has and every viewer sees: open vowels are more open than lip
closures, vowels more open than closures and lip-teeth sounds, spread vowels wider than rounded
ones. Each is asked of all pairs of sounds: the share of pairs in the right order (the area under
the ROC curve), moved from 0.5..1 to 0..1. A still mouth and a mouth that moves with another voice
score 0, whatever their range; what a contrast hides is how far the mouth moves.

The classes are those of phonetics, not the table that a renderer draws by.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polydub.model import Phone

CLOSED = frozenset("pbmɓ")
TEETH = frozenset("fvɱ")
OPEN = frozenset("aæɑɐʌɒ")
SPREAD = frozenset("iɪeɛj")
ROUND = frozenset("uʊwoɔyʏøœ")
VOWELS = OPEN | SPREAD - {"j"} | ROUND - {"w"} | frozenset("əɜɚɝɘɨʉɯɤ")

DIPHTHONGS = {"A": "eɪ", "I": "aɪ", "W": "aʊ", "Y": "ɔɪ", "O": "oʊ", "Q": "əʊ"}
"""Single letters that front ends of synthesisers write for two sounds."""

LEAST = 3
"""Sounds that a class must have before a contrast is asked."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sounding:
    """One sound as it was seen: its letter, mouth opening and width (any unit, one face)."""

    letter: str
    opening: float
    width: float


def soundings(
    phones: Sequence[Phone], times: Floats, opening: Floats, width: Floats
) -> list[Sounding]:
    """What the mouth does in each phone: the mean over its frames, the nearest when it has none.

    ``times`` ``[n]`` are the middles of frames in seconds, ``opening`` and ``width`` ``[n]``, NaN
    where the mouth could not be measured; phones that were not seen are left out.
    """
    found = []
    for phone in phones:
        letters = "".join(DIPHTHONGS.get(letter, letter) for letter in phone.symbol)
        letters = "".join(x for x in letters if x.isalpha() and unicodedata.category(x) != "Lm")
        start, length = float(phone.span.start), float(phone.span.duration)
        for number, letter in enumerate(letters):
            low = start + length * number / len(letters)
            high = start + length * (number + 1) / len(letters)
            at = _frames(times, low, high)
            if len(at) and np.isfinite(opening[at]).any():
                means = float(np.nanmean(opening[at])), float(np.nanmean(width[at]))
                found.append(Sounding(letter, *means))
    return found


def _frames(times: Floats, low: float, high: float) -> npt.NDArray[np.int64]:
    inside = np.flatnonzero((times >= low) & (times < high))
    if len(inside) or not len(times):
        return inside
    nearest = int(np.abs(times - (low + high) / 2).argmin())
    near = abs(times[nearest] - (low + high) / 2) < 0.04
    return np.array([nearest] if near else [], np.int64)


def in_order(low: Floats, high: Floats) -> float | None:
    """-1..1: how surely ``high`` values exceed ``low`` ones; ``None`` with under 3 of either."""
    if min(len(low), len(high)) < LEAST:
        return None
    steps = np.sign(high[:, None] - low[None])
    return float(steps.mean())


def articulation(seen: Sequence[Sounding]) -> float | None:
    """-1..1, 0 = chance: mean of the contrasts that can be asked; ``None`` when none can."""

    def values(letters: frozenset[str], what: str) -> Floats:
        return np.array([getattr(s, what) for s in seen if s.letter in letters], np.float64)

    contrasts = (
        in_order(values(CLOSED, "opening"), values(OPEN, "opening")),
        in_order(values(CLOSED | TEETH, "opening"), values(VOWELS, "opening")),
        in_order(values(ROUND, "width"), values(SPREAD, "width")),
    )
    asked = [value for value in contrasts if value is not None]
    return float(np.mean(asked)) if asked else None
