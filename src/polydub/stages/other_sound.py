"""The words of another sound of the film, given to the lines of its script.

Pure. The other sound is a dub that somebody brings along; the script tells who speaks when.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise

from polydub.model import Line, Phone, Span, Word
from polydub.stages.lines import ends_sentence
from polydub.stages.wording import cheapest_path

VOWELS = frozenset("aeiouy")


@dataclass(frozen=True, slots=True)
class FollowOptions:
    """How the words of a dub find their lines; seconds.

    ``reach``: by how much a word may lie outside the line that it belongs to, for dubs keep to the
    moments of their lines, but not to the frame: translated lines run over. ``broken``: what it
    costs to give the next word to another line in the middle of a sentence, less the pause there:
    a take that runs into the next line is still one person's sentence.
    """

    reach: Fraction = Fraction(1)
    broken: float = 0.5


def words_by_line(
    lines: Sequence[Line], words: Sequence[Word], options: FollowOptions | None = None
) -> dict[str, tuple[Word, ...]]:
    """The words of each line that has any, in time order.

    Words are given to lines so that they lie outside them as little as can be, and sentences stay
    with one line: the least sum of both over all words (Viterbi). Of lines that are as near the
    earlier one wins, since lines run over more often than they begin early. Words further than
    ``options.reach`` from every line (a commentator, a song) belong to none.
    """
    options = options or FollowOptions()
    ordered = sorted(lines, key=lambda line: (line.span.start, line.id))
    found: dict[str, list[Word]] = {}
    for part in _near_lines(ordered, sorted(words, key=lambda word: word.span), options):
        for word, line in zip((word for word, _ in part), _settled(part, options), strict=True):
            found.setdefault(line.id, []).append(word)
    return {line.id: tuple(found[line.id]) for line in ordered if line.id in found}


Near = list[tuple[Word, list[Line]]]
"""Words that follow each other, each with the lines that it may belong to."""


def _near_lines(
    lines: Sequence[Line], words: Sequence[Word], options: FollowOptions
) -> Iterator[Near]:
    """Runs of words with lines nearby; a word without one ends a run."""
    run: Near = []
    for word in words:
        near = [line for line in lines if line.span.gap(word.span) <= options.reach]
        if near:
            run.append((word, near))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _settled(run: Near, options: FollowOptions) -> list[Line]:
    """The line of each word of a run."""
    broken = [_broken(before, word, options) for (before, _), (word, _) in pairwise(run)]

    def change(step: int, one: int, other: int) -> float:
        same = run[step][1][one].id == run[step + 1][1][other].id
        return 0.0 if same else broken[step]

    path = cheapest_path([[_outside(word, x) for x in near] for word, near in run], change)
    return [near[at] for (_, near), at in zip(run, path, strict=True)]


def _outside(word: Word, line: Line) -> float:
    """Seconds of the word that lie outside the line, and those between them."""
    outside = word.span.duration - line.span.overlap(word.span)
    return round(float(outside + line.span.gap(word.span)), 6)


def _broken(before: Word, word: Word, options: FollowOptions) -> float:
    """What it costs that two words that follow each other belong to different lines."""
    if ends_sentence(before):
        return 0.0
    return max(0.0, options.broken - float(word.span.start - before.span.end))


def phones_on_words(words: Sequence[Word], foreseen: Sequence[Phone]) -> tuple[Phone, ...]:
    """``foreseen`` phones of the words' text moved to the times at which the words are said.

    Word by word where both have as many; else (languages without spaces, numbers that are read
    out) evenly over all the time in which the words are said.
    """
    groups = _groups(foreseen)
    spans = [word.span for word in words if word.span.duration > 0]
    if not groups or not spans:
        return ()
    if len(groups) == len(words) == len(spans):
        return tuple(
            phone
            for group, span in zip(groups, spans, strict=True)
            for phone in _moved(group, [span])
        )
    return tuple(_moved([phone for group in groups for phone in group], spans))


def spelled_phones(words: Sequence[Word]) -> tuple[Phone, ...]:
    """A guess at the phones of ``words`` from their letters, vowels twice as long as the others.

    For languages that no voice here speaks. Latin letters stand for their own sounds, which is
    right for lips that close (p, b, m) or touch the teeth (f, v); any other letter is a mouth half
    open.
    """
    phones: list[Phone] = []
    for word in words:
        letters = [_plain(letter) for letter in word.text if letter.isalpha()]
        weights = [2 if letter in VOWELS else 1 for letter in letters]
        edges = [0, *accumulate(weights)]
        if not letters or word.span.duration <= 0:
            continue
        step = word.span.duration / edges[-1]
        for letter, (start, end) in zip(letters, pairwise(edges), strict=True):
            at = Span(word.span.start + step * start, word.span.start + step * end)
            phones.append(Phone(letter, at))
    return tuple(phones)


def _plain(letter: str) -> str:
    bare = unicodedata.normalize("NFD", letter.casefold())[0]
    return bare if "a" <= bare <= "z" else "ə"


def _groups(phones: Sequence[Phone]) -> list[list[Phone]]:
    """Phones between pauses, each group a word."""
    groups: list[list[Phone]] = [[]]
    for phone in phones:
        if any(letter.isalpha() for letter in phone.symbol):
            groups[-1].append(phone)
        elif groups[-1]:
            groups.append([])
    return [group for group in groups if group]


def _moved(phones: Sequence[Phone], spans: Sequence[Span]) -> list[Phone]:
    """``phones`` laid end to end over ``spans``, their lengths in proportion."""
    lengths = [max(phone.span.duration, Fraction(1, 1000)) for phone in phones]
    ends = list(accumulate(lengths))
    room = list(accumulate((span.duration for span in spans), initial=Fraction(0)))
    scale = room[-1] / ends[-1]
    moved = []
    for phone, length, end in zip(phones, lengths, ends, strict=True):
        start, stop = (end - length) * scale, end * scale
        first = min(bisect_right(room, start) - 1, len(spans) - 1)
        last = min(max(bisect_left(room, stop) - 1, first), len(spans) - 1)
        begun = spans[first].start + start - room[first]
        ended = spans[last].start + stop - room[last]
        moved.append(Phone(phone.symbol, Span(begun, max(begun, ended))))
    return moved
