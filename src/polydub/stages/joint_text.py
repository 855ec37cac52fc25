"""What the words say about who speaks: where a speaker may change. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from polydub.model import Span, Word
from polydub.stages.joint_evidence import Atom, overlap_probability
from polydub.stages.lines import begins_anew, ends_clause, ends_sentence

Floats = npt.NDArray[np.float64]
_QUESTION = re.compile(r"[?？؟]['\"”’»」』)\]]*$")


@dataclass(frozen=True, slots=True)
class TextOptions:
    """Log-odds of a change of speaker between two atoms; parts add up.

    ``inside``: between words of a phrase, or anywhere in speech without words; ``clause``,
    ``sentence``, ``question``: after such an end instead; ``anew``: the next word is written like
    the first of a sentence. ``pause``: per second of silence up to ``longest_s``. ``cut``: a cut of
    the picture lies at the boundary.

    What a segmentation model hears counts ``segmenter`` times its distance from ``even``, at least
    ``same`` and at most ``other``: of 2700 boundaries in 32 simulated conversations 2 % were
    changes below -3, 7 to 23 % up to -2, 20 to 100 % up to -1, 97 % above 0.

    Who is heard more changes where two speak at once, and no ear for changes hears that: ``beside``
    per probability of an overlap within 0.15 s of the boundary, ``amid`` of one around it,
    ``shared`` per part of the atom before that is overlap. Fitted by logistic regression on half
    of 6900 boundaries of 94 simulated films (either half gives nearly the same); on the other half
    the mean log-loss is 0.29 and 0.31 nats in films with 20 % overlap (0.43 and 0.42 without), 0.14
    and 0.12 in plain ones (0.17 and 0.16).
    """

    inside: float = -4.0
    clause: float = -2.7
    sentence: float = -1.0
    question: float = 0.0
    anew: float = 0.5
    pause: float = 1.2
    longest_s: float = 1.2
    segmenter: float = 1.5
    even: float = -2.0
    same: float = -1.5
    other: float = 4.0
    cut: float = 0.5
    beside: float = 1.4
    amid: float = 1.4
    shared: float = 0.85


def change_prices(
    atoms: Sequence[Atom],
    words: Sequence[Word],
    heard: Floats,
    cuts: Sequence[Fraction],
    options: TextOptions,
    *,
    overlap: Sequence[tuple[Span, float]] = (),
) -> tuple[Floats, Floats]:
    """Prices ``(change, stay)`` in nats, ``[atoms]`` each, before every atom.

    ``heard [atoms]``: log-odds of a change by ear (0 = nothing heard); ``cuts``: times of cuts;
    ``overlap``: spans in which two speak, with their probability.
    """
    odds = np.zeros(len(atoms))
    before: Word | None = None
    for at, atom in enumerate(atoms):
        after = words[atom.word] if atom.word is not None else None
        if at:
            odds[at] = _text_odds(before, after, options)
            gap = float(max(Fraction(0), atom.span.start - atoms[at - 1].span.end))
            odds[at] += options.pause * min(gap, options.longest_s)
            if atom.word is not None:
                before = after
        elif after is not None:
            before = after
    by_ear = np.clip(options.segmenter * (heard - options.even), options.same, options.other)
    odds += np.where(heard != 0.0, by_ear, 0.0)
    odds += options.cut * _at_cuts(atoms, cuts)
    odds += options.beside * _near_overlap(atoms, overlap, 0.15)
    odds += options.amid * _near_overlap(atoms, overlap, 0.02)
    odds[1:] += options.shared * overlap_probability(atoms, overlap)[:-1]
    return np.logaddexp(0.0, -odds), np.logaddexp(0.0, odds)


def _text_odds(before: Word | None, after: Word | None, options: TextOptions) -> float:
    if before is None or after is None:
        return (options.inside + options.clause) / 2
    text = before.text.strip()
    odds = options.inside
    if ends_sentence(before):
        odds = options.question if _QUESTION.search(text) else options.sentence
    elif ends_clause(before):
        odds = options.clause
    return odds + (options.anew if begins_anew(after) else 0.0)


def _at_cuts(atoms: Sequence[Atom], cuts: Sequence[Fraction]) -> Floats:
    """1 where a cut lies within 0.15 s of the boundary before an atom."""
    if not cuts or not atoms:
        return np.zeros(len(atoms))
    times = np.array(sorted(float(cut) for cut in cuts))
    starts = np.array([float(atom.span.start) for atom in atoms])
    place = np.searchsorted(times, starts)
    after = times[np.minimum(place, len(times) - 1)]
    before = times[np.maximum(place - 1, 0)]
    near = np.minimum(np.abs(after - starts), np.abs(starts - before))
    return np.asarray(near <= 0.15, dtype=np.float64)


def _near_overlap(
    atoms: Sequence[Atom], overlap: Sequence[tuple[Span, float]], reach_s: float
) -> Floats:
    """Highest probability ``[atoms]`` of an overlap within ``reach_s`` of an atom's beginning."""
    found = np.zeros(len(atoms))
    starts = np.array([float(atom.span.start) for atom in atoms])
    for span, probability in overlap:
        ends = (float(span.start) - reach_s, float(span.end) + reach_s)
        near = slice(np.searchsorted(starts, ends[0]), np.searchsorted(starts, ends[1], "right"))
        found[near] = np.maximum(found[near], probability)
    return found
