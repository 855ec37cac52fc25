"""Whether one run is better than another, or whether it is noise: bootstrap over lines. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from polydub.evaluate.metrics import METRICS, Metric

Verdict = Literal["better", "worse", "noise", "same", "too few"]

RESAMPLES = 4000
LEVEL = 0.95
LEAST = 5
"""Of fewer pairs that differ nothing is said: a bootstrap over two or three changed lines is too
sure of itself."""
SAME_LINE = 0.5

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Difference:
    """One metric in two runs: means, ``change`` (second minus first) and its interval.

    ``count``: pairs of lines, or of films when ``of`` is ``"films"``. ``least``: half of the
    interval's width, about the smallest change that so many could show.
    """

    metric: Metric
    of: Literal["lines", "films"]
    first: float
    second: float
    change: float
    low: float
    high: float
    count: int
    verdict: Verdict

    @property
    def least(self) -> float:
        """About the smallest change that would have shown."""
        return (self.high - self.low) / 2


def compare(
    first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]
) -> list[Difference]:
    """The differences of every metric that both runs have, in the order of the metrics.

    ``first`` and ``second`` are films as in the benchmark's history. Films with the same name and
    languages are compared; in them, lines that share half of their time are pairs (line numbers may
    differ when attribution does). A metric that lines have is compared on the pairs that both have
    it; one of the film alone on films.

    Protocol: 4000 bootstrap resamples of the pairs with a fixed seed, percentile interval of 95 %
    of the mean difference; ``noise`` when it holds zero. Figures that are good near a value (onset
    errors near 0) are compared by their distance from it. Of thirty metrics one or two lie outside
    their interval by chance: read the verdicts together. Lines of one film resemble each other, so
    with few films the intervals are too narrow. Below five pairs that differ nothing is said.
    """
    pairs = _pairs(first, second)
    found = []
    for name, metric in METRICS.items():
        lines = [
            (a["values"][name], b["values"][name])
            for _, _, own in pairs
            for a, b in own
            if name in a["values"] and name in b["values"]
        ]
        films = [
            (a["values"][name], b["values"][name])
            for a, b, _ in pairs
            if name in a["values"] and name in b["values"]
        ]
        if lines:
            found.append(difference(metric, lines, "lines"))
        elif films:
            found.append(difference(metric, films, "films"))
    return found


def difference(
    metric: Metric, pairs: Sequence[tuple[float, float]], of: Literal["lines", "films"]
) -> Difference:
    """The :class:`Difference` of paired values, at least one pair."""
    values = np.array(pairs, np.float64)
    if metric.better in ("zero", "one"):
        values = np.array([[metric.distance(x) for x in row] for row in values])
    changes = values[:, 1] - values[:, 0]
    low, high = interval(changes)
    change = float(changes.mean())
    return Difference(
        metric,
        of,
        float(values[:, 0].mean()),
        float(values[:, 1].mean()),
        change,
        low,
        high,
        len(values),
        _verdict(metric, changes, low, high),
    )


def interval(values: Floats) -> tuple[float, float]:
    """Percentile bootstrap interval (95 %) of the mean of ``values``; seeded."""
    rng = np.random.default_rng(20_261)
    drawn = rng.integers(0, len(values), (RESAMPLES, len(values)))
    means = values[drawn].mean(axis=1)
    edge = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(means, [edge, 100 - edge])
    return float(low), float(high)


def _verdict(metric: Metric, changes: Floats, low: float, high: float) -> Verdict:
    if not np.any(np.abs(changes) > 1e-9):
        return "same"
    if int((np.abs(changes) > 1e-9).sum()) < LEAST:
        return "too few"
    if low <= 0 <= high:
        return "noise"
    rises = low > 0
    return "better" if rises == (metric.better == "high") else "worse"


def _pairs(
    first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]
) -> list[tuple[Mapping[str, Any], Mapping[str, Any], list[tuple[Any, Any]]]]:
    known = {(film["film"], film["pair"]): film for film in second}
    found = []
    for film in first:
        other = known.get((film["film"], film["pair"]))
        if other is not None:
            found.append((film, other, _line_pairs(film["lines"], other["lines"])))
    return found


def _line_pairs(first: Sequence[Any], second: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Lines that share at least half of the longer one's time; each is used once."""
    free = list(second)
    found = []
    for line in first:
        best = max(free, key=lambda other: _shared(line, other), default=None)
        if best is not None and _shared(line, best) >= SAME_LINE:
            found.append((line, best))
            free.remove(best)
    return found


def _shared(one: Mapping[str, Any], two: Mapping[str, Any]) -> float:
    common = min(one["end"], two["end"]) - max(one["start"], two["start"])
    longer = max(one["end"] - one["start"], two["end"] - two["start"])
    return float(common / longer) if longer > 0 else 0.0
