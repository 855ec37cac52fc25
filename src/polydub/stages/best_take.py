"""Which of several takes of a line is kept, and when another one is worth its time. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

Scores = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class TakeOptions:
    """``count`` takes are made of every line, and up to ``most`` while one is not understood.

    ``understood``: round-trip error up to which a take needs no other, within what the recogniser
    itself gets wrong (WER 5.7 % on film, 11 % on short Spanish lines of a native voice).
    A short line often needs the fifth or sixth take (eight lines of the example: 16.5 % misheard
    with up to four, 11.5 % with up to six). Two takes that were heard in the same words, with an
    error of up to ``alike``, are the recogniser's way to hear this text: of six such lines of the
    example, said up to six times each, five were never heard better.

    A take that sounds less natural than ``rough`` (predicted MOS) is said again too, up to
    ``most_rough`` takes: a line said with less melody or at another rate by a few hundredths can
    sound better or worse by a point (a film line in Spanish, said in ever less of the original's
    melody: 3.3, 3.0, 3.2, 4.1).

    The rest are costs in units of round-trip error: ``unlike`` for a voice with no likeness to the
    speaker, ``missed`` for a line that the take does not cover at all, ``haste`` per 0.1 of speed
    above ``max_speed``, ``dull`` per point of predicted MOS below ``natural``, beyond which
    predictors only scatter, ``flat`` for a melody that has nothing to do with the original's.
    ``gain`` is what a later take must be better by, since the first is made at the wanted rate.

    ``accepts`` says whether a take is what the user demands: while none is, further ones are made,
    up to ``most_demanded``, and one that is wins over any that is not.
    """

    count: int = 1
    most: int = 6
    understood: float = 0.05
    alike: float = 0.2
    unlike: float = 0.3
    missed: float = 0.2
    haste: float = 0.1
    dull: float = 0.09
    natural: float = 4.1
    rough: float = 3.9
    most_rough: int = 6
    flat: float = 0.08
    max_speed: float = 1.2
    gain: float = 0.01
    accepts: Callable[[Scores], bool] | None = None
    most_demanded: int = 8


@dataclass(frozen=True, slots=True)
class Attempt:
    """A way to say a line.

    ``manner`` times as much of the original's melody as usual, a rate that is ``faster`` by so
    much, the voice shaped by ``shape`` times what its speaker's is, ``converted`` after synthesis.
    """

    manner: float = 1.0
    faster: float = 0.0
    shape: float = 1.0
    converted: bool = True


AS_USUAL = Attempt()

SHAPES = (0.85, 0.7, 0.55)
"""Shares of a shaped voice's shape with which a line is said again.

27 film lines in four languages with 1, 0.85, 0.7, 0.55 and none of it: DistillMOS 4.07, 4.15, 4.18,
4.21, 4.26 (of the six below 3.9: 3.41, 3.61, 3.71, 3.82, 4.13), likeness by CAM++ with ReLU 0.65,
0.63, 0.60, 0.56, 0.40, words misheard 8, 8, 8, 7, 7 %. All of the melody given up instead: 4.13 (of
those six 3.63), and its correlation with the original's falls from 0.55 to 0.11.
"""


MANNERS, TONAL_MANNERS = (0.6, 0.3, 0.0), (0.5, 0.0)
"""Shares of the usual melody with which a line is said again that was not understood; in a tone
language what is left of it is slower as well. A Mandarin film line was misheard by 18 % with all of
what is slower than 0.4 s, and of 0.5 s; by 6 % with half of what is slower than 0.8 s; by 0 %
without."""


def attempts(
    *, manners: Sequence[float], shaped: bool, converted: bool, tonal: bool = False
) -> Iterator[Attempt]:
    """The ways to say a line, one after the other.

    Said like the original in the speaker's voice; then with less of what was put on the plain
    voice, its shape and the melody (``manners`` are shares of it); then a touch faster or slower,
    and as it comes from the synthesiser. The 8-bit model answers small changes with quite different
    takes, so a take that came out garbled is often clear the next time. In a ``tonal`` language the
    melody may have covered a tone, and is given up before any of the shape.
    """
    yield AS_USUAL
    if tonal:
        yield from (Attempt(manner=manner) for manner in manners)
        if shaped:
            most = max(manners, default=1.0)
            yield from (Attempt(manner=most, shape=shape) for shape in SHAPES)
    elif shaped:
        yield from (Attempt(shape=shape) for shape in SHAPES)
        for shape, manner in zip(cycle(SHAPES), manners, strict=False):
            yield Attempt(manner=manner, shape=shape)
    else:
        yield from (Attempt(manner=manner) for manner in manners)
    yield from (Attempt(faster=faster) for faster in (0.03, 0.06))
    if converted:
        yield Attempt(converted=False)
    yield from (Attempt(faster=faster) for faster in (-0.03, 0.09, -0.06, 0.12, -0.09))


def take_cost(scores: Scores, options: TakeOptions | None = None) -> float:
    """How bad a take is; what was not measured costs nothing.

    ``scores`` as in :class:`~polydub.model.report.LineReport`: ``wer`` or ``cer``, ``similarity``,
    ``overlap``, ``speed``, ``contour``, and ``mos``; and ``misheard``, the round-trip error by
    sound, where that is known: half of what counts is the sound then, half the writing.
    """
    options = options or TakeOptions()
    cost = (_error(scores) + _written(scores)) / 2
    cost += options.unlike * (1 - scores.get("similarity", 1.0))
    cost += options.missed * (1 - scores.get("overlap", 1.0))
    cost += options.haste * max(0.0, scores.get("speed", 1.0) - options.max_speed) / 0.1
    cost += options.dull * max(0.0, options.natural - scores.get("mos", options.natural))
    cost += options.flat * (1 - scores.get("contour", 1.0))
    return cost


def best_take(takes: Sequence[Scores], options: TakeOptions | None = None) -> int:
    """Index of the take to keep: the first, unless another is better by ``options.gain``."""
    options = options or TakeOptions()
    costs = [take_cost(scores, options) for scores in takes]
    usable = list(range(len(costs)))
    if options.accepts is not None:
        usable = [n for n in usable if options.accepts(takes[n])] or usable
    best = min(usable, key=costs.__getitem__)
    return best if usable[0] != 0 or costs[best] < costs[0] - options.gain else 0


def wants_another(
    takes: Sequence[Scores], options: TakeOptions | None = None, heard: Sequence[str] = ()
) -> bool:
    """Whether a further take is worth its time, after ``takes`` were heard as ``heard``.

    Texts are compared as they are: give them normalised.
    """
    options = options or TakeOptions()
    if len(takes) < options.count:
        return True
    if options.accepts is not None and not any(options.accepts(scores) for scores in takes):
        return len(takes) < max(options.most_demanded, options.count)
    if len(takes) >= max(options.most, options.count):
        return False
    least = min((_error(scores) for scores in takes), default=1.0)
    if least > options.understood and not _heard_alike(takes, heard, options):
        return True
    return len(takes) < options.most_rough and all(_is_rough(scores, options) for scores in takes)


def _is_rough(scores: Scores, options: TakeOptions) -> bool:
    """Whether a take sounds rough, or is no choice since it is misheard."""
    misheard = _error(scores) > options.alike
    return misheard or scores.get("mos", options.rough) < options.rough


def _heard_alike(takes: Sequence[Scores], heard: Sequence[str], options: TakeOptions) -> bool:
    """Whether two takes that are nearly understood were heard in the same words."""
    near = [
        text for scores, text in zip(takes, heard, strict=False) if _error(scores) <= options.alike
    ]
    return len(set(near)) < len(near)


def _error(scores: Scores) -> float:
    """How much is misheard: another character of the same sound is not."""
    return scores.get("misheard", _written(scores))


def _written(scores: Scores) -> float:
    return max(scores.get("wer", 0.0), scores.get("cer", 0.0))
