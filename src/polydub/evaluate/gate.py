"""A quality gate: figures that every line, or the film, must reach."""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from polydub.errors import InputError
from polydub.evaluate.evaluation import Evaluation
from polydub.evaluate.metrics import METRICS

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_CONDITION = re.compile(r"^\s*(\w+)\s*(<=|>=|<|>)\s*(-?\d+(?:\.\d+)?)\s*$")


@dataclass(frozen=True, slots=True)
class Condition:
    """One figure and its limit, as ``wer<=0.1``; figures as in the JSON (shares, not per cent)."""

    metric: str
    relation: str
    limit: float

    def holds(self, value: float) -> bool:
        """Whether ``value`` is good enough."""
        return _OPERATORS[self.relation](value, self.limit)

    def __str__(self) -> str:
        return f"{self.metric}{self.relation}{self.limit:g}"


@dataclass(frozen=True, slots=True)
class Failure:
    """A condition that ``unit`` (a line's id, or ``"film"``) does not meet, with its value."""

    unit: str
    condition: Condition
    value: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate found; ``unmeasured``: conditions that there is no figure for."""

    failures: tuple[Failure, ...]
    unmeasured: tuple[Condition, ...]

    @property
    def passed(self) -> bool:
        """Whether everything holds. What was not measured does not pass."""
        return not self.failures and not self.unmeasured


def parse_gate(text: str) -> tuple[Condition, ...]:
    """The conditions of ``"wer<=0.1,overlap>=0.6"``. Raises ``InputError`` DUB-E108."""
    found = []
    for part in text.split(","):
        match = _CONDITION.match(part)
        if match is None:
            raise InputError(
                f"Cannot use --gate {part.strip() or text}.",
                hint='Write figure, relation, limit, as in --gate "wer<=0.1,overlap>=0.6".',
                code="DUB-E108",
            )
        name = match[1]
        if name not in METRICS:
            near = difflib.get_close_matches(name, METRICS, 1)
            raise InputError(
                f"There is no figure '{name}' to set a gate for.",
                hint=f"Did you mean {near[0]}?" if near else f"Known: {', '.join(METRICS)}.",
                code="DUB-E108",
            )
        found.append(Condition(name, match[2], float(match[3])))
    return tuple(found)


def judge(evaluation: Evaluation, gate: Sequence[Condition]) -> Verdict:
    """Every condition, line by line where lines have the figure, else on the film's.

    ``wer`` stands for ``cer`` too in languages without spaces, and the other way round. A condition
    fails when it cannot be judged: what is not measured is no success.
    """
    lines = {line.id: line.values for line in evaluation.lines}
    return judge_values(lines, evaluation.film, gate)


def judge_values(
    lines: Mapping[str, Mapping[str, float]],
    film: Mapping[str, float],
    gate: Iterable[Condition],
) -> Verdict:
    """As :func:`judge`, on figures by line id and of the film."""
    failures: list[Failure] = []
    unmeasured: list[Condition] = []
    twins = {"wer": "cer", "cer": "wer"}
    for condition in gate:
        name = condition.metric
        if not any(name in values for values in lines.values()) and name not in film:
            name = twins.get(name, name)
        values = {unit: own[name] for unit, own in lines.items() if name in own}
        if not values and name in film:
            values = {"film": film[name]}
        if not values:
            unmeasured.append(condition)
        failures += [
            Failure(unit, condition, value)
            for unit, value in values.items()
            if not condition.holds(value)
        ]
    return Verdict(tuple(failures), tuple(unmeasured))
