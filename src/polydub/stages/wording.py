"""Which wording of each line is spoken: meaning, pace and fit weighed over a speaker's lines. Pure.

A translator offers several wordings of a line (as it is said, shorter, longer); the synthesiser
tells how long its voice takes for each. Human dubbers give up exact length before they give up a
natural pace, and keep to the moment more strictly where the mouth is seen (Brannon et al., TACL
2023); the weights follow that order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from polydub.model import Line
from polydub.model.language import count_letters
from polydub.stages.fit import FitOptions, Slot, find_slots, fit_line


@dataclass(frozen=True, slots=True)
class Wording:
    """One way to say a line and the ``seconds`` that its voice takes for it at rate 1."""

    text: str
    seconds: Fraction


@dataclass(frozen=True, slots=True)
class WordingOptions:
    """Costs; 1 is that of a line spoken at the highest comfortable rate.

    ``later`` is what each step down the translator's order costs, ``lost`` what leaving out the
    whole text would cost (in proportion: a wording of 70 % of the letters costs 0.3 of it).
    ``beyond`` is per 0.1 of speed over the comfortable rate, ``unfit`` for a wording that cannot be
    spoken at all, ``clash`` per second of talking over somebody who was not talked over before (a
    tenth of a second costs as much as a sixth of the words). ``uncovered`` and ``overrun`` are per
    share of the line during which the mouth moves without a voice, or the voice goes on; they count
    ``unseen`` times when no mouth is seen. ``uneven`` is for a rate 1.2 times that of the same
    speaker's line before, if less than ``memory`` seconds lie between them.
    """

    later: float = 0.1
    lost: float = 2.0
    beyond: float = 1.5
    unfit: float = 20.0
    clash: float = 3.0
    uncovered: float = 1.5
    overrun: float = 1.0
    unseen: float = 0.5
    uneven: float = 0.3
    memory: float = 3.0


@dataclass(frozen=True, slots=True)
class _Option:
    """One wording of one line as it would be heard."""

    cost: float
    speed: float


def choose_wordings(
    lines: Sequence[Line],
    wordings: Mapping[str, Sequence[Wording]],
    duration: Fraction,
    *,
    options: WordingOptions | None = None,
    fit: FitOptions | None = None,
) -> dict[str, int]:
    """Index of the wording to be spoken, by line id, for the lines that have ``wordings``.

    The wordings of a line are given with the most faithful first. Each speaker's lines are chosen
    together (dynamic programming over their order); ``duration`` is the film's, in seconds.
    """
    options, fit = options or WordingOptions(), fit or FitOptions()
    by_id = {line.id: line for line in lines}
    chains: dict[str, list[Slot]] = {}
    for slot in find_slots(lines, duration, fit):
        if wordings.get(slot.line):
            chains.setdefault(slot.speaker, []).append(slot)
    chosen = {line: 0 for line in wordings if wordings[line]}
    for chain in chains.values():
        steps = [
            [
                _option(slot, by_id[slot.line], wordings[slot.line], number, options, fit)
                for number in range(len(wordings[slot.line]))
            ]
            for slot in chain
        ]
        chosen.update(zip((slot.line for slot in chain), _best(chain, steps, options), strict=True))
    return chosen


def _option(
    slot: Slot,
    line: Line,
    wordings: Sequence[Wording],
    number: int,
    options: WordingOptions,
    fit: FitOptions,
) -> _Option:
    seconds = wordings[number].seconds
    most = max(count_letters(wordings[0].text), 1)
    lost = max(0.0, 1 - count_letters(wordings[number].text) / most)
    cost = options.later * number + options.lost * lost
    if seconds <= 0:
        return _Option(cost + options.unfit, 1.0)
    found = fit_line(slot, seconds, fit)
    speed = found.speed
    band = fit.max_speed - 1
    if speed > 1 and band > 0:
        cost += min(1.0, (speed - 1) / band) ** 2
    cost += options.beyond * max(0.0, speed - fit.max_speed) / 0.1
    cost += 0.0 if found.fits else options.unfit
    cost += options.clash * float(found.over)
    own = float(slot.span.duration)
    said = float(seconds) / speed
    miss = options.uncovered * max(0.0, own - said) + options.overrun * max(0.0, said - own)
    seen = 1.0 if line.visibility == "on-screen" else options.unseen
    return _Option(cost + seen * miss / own, speed)


def _best(
    chain: Sequence[Slot], steps: Sequence[Sequence[_Option]], options: WordingOptions
) -> list[int]:
    """The cheapest sequence of options, one per slot of the chain."""
    near = [
        float(later.span.start - earlier.span.end) < options.memory
        for earlier, later in pairwise(chain)
    ]

    def change(step: int, one: int, other: int) -> float:
        rates = steps[step][one], steps[step + 1][other]
        return options.uneven * _unevenness(*rates) if near[step] else 0.0

    return cheapest_path([[option.cost for option in step] for step in steps], change)


def cheapest_path(
    costs: Sequence[Sequence[float]], change: Callable[[int, int, int], float]
) -> list[int]:
    """One index into each of ``costs``, with the least sum of costs and changes (Viterbi).

    ``change(step, i, j)`` is the cost of ``i`` in ``costs[step]`` followed by ``j`` in the next.
    The first of equals wins.
    """
    if not costs:
        return []
    sums = list(costs[0])
    back: list[list[int]] = []
    for step, following in enumerate(costs[1:]):
        links, reached = [], []
        for index, cost in enumerate(following):
            ways = [total + change(step, at, index) for at, total in enumerate(sums)]
            links.append(min(range(len(ways)), key=ways.__getitem__))
            reached.append(ways[links[-1]] + cost)
        back.append(links)
        sums = reached
    path = [min(range(len(sums)), key=sums.__getitem__)]
    for links in reversed(back):
        path.append(links[path[-1]])
    return path[::-1]


def _unevenness(one: _Option, other: _Option) -> float:
    """How much two rates differ, 1 for a ratio of 1.2."""
    return abs(math.log(one.speed / other.speed)) / math.log(1.2)
