"""What names in the text say about who speaks: part of the objective, weighed modestly.

A name is one voice's, or nobody's who is heard. Nobody calls himself; who is called mostly speaks
right before or after; who says that a name is his bears it. One mention alone says nothing, for
then the name is simply whose it fits best; the second one that agrees, or does not, counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from polydub.model import to_seconds
from polydub.stages.joint_evidence import Atom
from polydub.stages.spoken_names import Mention

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class NameOptions:
    """Log-odds in nats; set by hand and low, for no film with names and truth was there to measure.

    With names put into the text of six simulated films, 15 % of them wrong, and noise put on the
    voiceprints, they decided neither better nor worse (confusion 3.0 % with and without, one film
    of twelve runs better, one worse); 8 of 9 proposed names were right.

    ``calls``: that the bearer does not say the sentence in which he is called; ``answers``: that he
    is the other voice within ``reach_s`` before or after it; ``own``: that who says that a name is
    his bears it. ``tell``: what a voice needs for a name to be proposed for it, and ``lead`` before
    every other voice.
    """

    calls: float = 2.0
    answers: float = 0.7
    own: float = 2.5
    reach_s: float = 3.0
    tell: float = 1.4
    lead: float = 1.4


@dataclass(frozen=True, slots=True, eq=False)
class Calls:
    """The mentions of a film over its atoms.

    Each row: name, first and last atom of its sentence, and up to which atoms an answer may begin,
    or what was said before may end, ``(before, after)``. ``names`` are those of the columns.
    """

    names: tuple[str, ...] = ()
    called: tuple[tuple[int, int, int, int, int], ...] = ()
    own: tuple[tuple[int, int], ...] = ()
    options: NameOptions = field(default_factory=NameOptions)

    def totals(self, labels: Labels, n_voices: int) -> Floats:
        """Evidence ``[voices, names]`` that a name is a voice's, in nats."""
        found = np.zeros((n_voices, len(self.names)))
        for name, first, last, before, after in self.called:
            speaker = int(labels[first])
            found[speaker, name] -= self.options.calls
            near = [labels[before:first][::-1], labels[last + 1 : after]]
            others = {_first_other(part, speaker) for part in near} - {-1}
            for other in others:
                found[other, name] += self.options.answers
        for name, at in self.own:
            found[labels[at], name] += self.options.own
        return found

    def bearers(self, labels: Labels, n_voices: int) -> Labels:
        """The voice of each name ``[names]`` that suits ``labels`` best, -1 = nobody's."""
        if not self.names:
            return np.zeros(0, dtype=np.int64)
        return bearers_of(self.totals(labels, n_voices))

    def worth(self, labels: Labels, n_voices: int, bearers: Labels) -> float:
        """What that assignment of names to voices is worth, at least 0."""
        known = np.flatnonzero(bearers >= 0)
        if not len(known):
            return 0.0
        return float(self.totals(labels, n_voices)[bearers[known], known].sum())

    def add_to(self, scores: Floats, bearers: Labels) -> None:
        """Add it to ``scores [atoms, voices]``, as far as it is one atom's alone."""
        for name, first, last, before, after in self.called:
            voice = int(bearers[name])
            if voice < 0:
                continue
            scores[first, voice] -= self.options.calls
            if before < first:
                scores[first - 1, voice] += self.options.answers / 2
            if after > last + 1:
                scores[last + 1, voice] += self.options.answers / 2
        for name, at in self.own:
            if bearers[name] >= 0:
                scores[at, bearers[name]] += self.options.own

    def proposals(self, labels: Labels, n_voices: int) -> dict[int, tuple[str, float]]:
        """Names that the text gives to voices, with the probability that they are right."""
        totals = self.totals(labels, n_voices)
        found: dict[int, tuple[str, float]] = {}
        for name, voice in enumerate(bearers_of(totals).tolist()):
            if voice < 0:
                continue
            rest = float(np.delete(totals[:, name], voice).max(initial=0.0))
            lead = float(totals[voice, name]) - max(0.0, rest)
            if totals[voice, name] >= self.options.tell and lead >= self.options.lead:
                found[voice] = self.names[name], float(1 / (1 + np.exp(-lead)))
        return found


def bearers_of(totals: Floats) -> Labels:
    """The voice of each name ``[names]``, -1 = nobody's; one voice has one name (exact)."""
    n_voices, n_names = totals.shape
    gain = np.concatenate([totals, np.zeros((n_names, n_names))], axis=0)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    bearers = np.full(n_names, -1, dtype=np.int64)
    good = (rows < n_voices) & (gain[rows, columns] > 0)
    bearers[columns[good]] = rows[good]
    return bearers


def calls_of(atoms: Sequence[Atom], mentions: Sequence[Mention], options: NameOptions) -> Calls:
    """``mentions`` (of words) over the atoms of those words, without names called only once.

    Those say nothing of who speaks, and would pay for a voice to bear them.
    """
    often = Counter(mention.name for mention in mentions)
    own_names = {mention.name for mention in mentions if mention.manner == "own"}
    mentions = [x for x in mentions if often[x.name] > 1 or x.name in own_names]
    place = {atom.word: at for at, atom in enumerate(atoms) if atom.word is not None}
    names = tuple(dict.fromkeys(mention.name for mention in mentions))
    reach = to_seconds(options.reach_s)
    called: list[tuple[int, int, int, int, int]] = []
    own: list[tuple[int, int]] = []
    for mention in mentions:
        first, last = place[mention.first], place[mention.last - 1]
        name = names.index(mention.name)
        if mention.manner == "own":
            own.append((name, first))
            continue
        before = first
        while before > 0 and _gap(atoms[before - 1], atoms[first]) <= reach:
            before -= 1
        after = last + 1
        while after < len(atoms) and _gap(atoms[last], atoms[after]) <= reach:
            after += 1
        called.append((name, first, last, before, after))
    return Calls(names, tuple(called), tuple(own), options)


def _gap(one: Atom, two: Atom) -> Fraction:
    return two.span.start - one.span.end


def _first_other(labels: Labels, speaker: int) -> int:
    """The first voice that is not ``speaker``, -1 = none."""
    others = labels[labels != speaker]
    return int(others[0]) if len(others) else -1
