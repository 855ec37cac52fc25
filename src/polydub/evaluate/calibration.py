"""Whether a confidence means what it says: of the lines given 0.8, are four in five right?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from polydub.evaluate.who import diarization_errors, turns_of
from polydub.model import Line, Script, Turn

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers whose confidence lies in ``[low, high)`` (the last bin includes 1)."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """``ece``: expected calibration error; ``brier``: mean squared error; bins that hold any."""

    count: int
    accuracy: float
    ece: float
    brier: float
    bins: tuple[Bin, ...]


def reliability(
    confidences: Sequence[float], right: Sequence[bool], *, bins: int = BINS
) -> Reliability:
    """How well ``confidences`` (0..1) predict which answers are ``right``.

    ``ece`` is the mean over all answers of the gap between the mean confidence and the share right
    of their bin, ``bins`` of equal width (Guo et al. 2017); ``brier`` is the mean squared gap
    between confidence and 0 or 1 (Brier 1950). Both are 0 without answers. Raises ``ValueError``
    for unequal lengths or a confidence outside 0..1.
    """
    if len(confidences) != len(right):
        raise ValueError(f"{len(confidences)} confidences for {len(right)} answers")
    if any(not 0.0 <= value <= 1.0 for value in confidences):
        raise ValueError("a confidence lies between 0 and 1")
    groups: dict[int, list[tuple[float, bool]]] = {}
    for value, good in zip(confidences, right, strict=True):
        groups.setdefault(min(bins - 1, int(value * bins)), []).append((value, good))
    made = tuple(
        Bin(
            low=index / bins,
            high=(index + 1) / bins,
            count=len(group),
            confidence=sum(value for value, _ in group) / len(group),
            accuracy=sum(good for _, good in group) / len(group),
        )
        for index, group in sorted(groups.items())
    )
    count = max(1, len(right))
    return Reliability(
        count=len(right),
        accuracy=sum(right) / count,
        ece=sum(one.count * abs(one.confidence - one.accuracy) for one in made) / count,
        brier=sum((v - g) ** 2 for v, g in zip(confidences, right, strict=True)) / count,
        bins=made,
    )


def judged_lines(truth: Sequence[Turn], script: Script) -> tuple[tuple[Line, bool], ...]:
    """Every line that shares time with true speech, and whether it has the right speaker.

    Right: the true speaker who talks most during the line (the first by name when two talk as
    much) is the one mapped to the line's speaker (:func:`diarization_errors`).
    """
    mapping = diarization_errors(truth, turns_of(script)).mapping
    judged = []
    for line in script.lines:
        shared: dict[str, Fraction] = {}
        for turn in truth:
            if common := turn.span.overlap(line.span):
                shared[turn.voice] = shared.get(turn.voice, Fraction(0)) + common
        if shared:
            speaker = min(shared, key=lambda voice: (-shared[voice], voice))
            judged.append((line, mapping.get(line.speaker) == speaker))
    return tuple(judged)
