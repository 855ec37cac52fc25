"""Times of written words inside spoken phones.

A synthesiser tells when each phone sounds, but not to which word it belongs. Letters and phones are
aligned by dynamic programming: a letter pairs well with a phone that it usually spells, vowels with
vowels, and a pause only falls between two words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from polydub.model import Phone, Span, Word

_VOWEL_LETTERS = frozenset("aeiouyáéíóúüàâèêëîïôûœ")
_VOWEL_PHONES = frozenset("aeiouyɑɐæɒɔəɚɛɜɪʊʌɨɯɤøœ")
_SPELLS = {
    "c": "ksʃʧt",
    "g": "ɡdʤʒxɣ",
    "h": "hʃθðʧ",
    "j": "dʤʒx",
    "k": "k",
    "n": "nŋɲ",
    "q": "k",
    "r": "ɹrɾɚʁ",
    "s": "szʃʒ",
    "t": "tɾθðʃʧd",
    "v": "vbβ",
    "w": "w",
    "x": "kɡs",
    "y": "jiɪa",
    "z": "zsθ",
    "d": "dɾðʤ",
    "b": "bβ",
    "ñ": "ɲ",
    "l": "lɫʝj",
}
_SKIP_LETTER = 0.7
_SKIP_PHONE = 0.8
_ACROSS_PAUSE = 6.0


def split_words(text: str) -> list[str]:
    """The words of ``text`` with their punctuation; characters of Chinese are words."""
    words: list[str] = []
    for piece in text.split():
        if any(_is_han(c) for c in piece):
            words += re.findall(r"[\u3400-\u9fff][^\u3400-\u9fff]*", piece)
        elif words and not any(c.isalnum() for c in piece):
            words[-1] += f" {piece}"  # French writes a space before ? and !
        else:
            words.append(piece)
    return words


def time_words(text: str, phones: Sequence[Phone]) -> tuple[Word, ...]:
    """The words of ``text`` with the times of their phones; each word has at least one phone.

    ``phones`` are in order. A word whose letters all went missing gets a share of its neighbour's
    time. Returns nothing without phones.
    """
    words = split_words(text)
    spoken = [phone for phone in phones if phone.symbol.strip()]
    if not words or not spoken:
        return ()
    letters = [(c, number) for number, word in enumerate(words) for c in _letters(word)]
    owner = _owners(letters, spoken, _pauses(phones))
    spans = _spans(owner, spoken, len(words))
    return tuple(
        Word(word, span, spaced=not _is_han(word[0]))
        for word, span in zip(words, spans, strict=True)
    )


def _is_han(character: str) -> bool:
    return "\u3400" <= character <= "\u9fff"


def _letters(word: str) -> str:
    """Letters that stand for sounds; a Chinese character counts as consonant and vowel."""
    kept = "".join(c for c in word.lower() if c.isalnum())
    return "".join("ta" if _is_han(c) else c for c in kept) or "a"


def _pauses(phones: Sequence[Phone]) -> set[int]:
    """Positions among the spoken phones before which there is a pause."""
    found, position = set(), 0
    for phone in phones:
        if phone.symbol.strip():
            position += 1
        else:
            found.add(position)
    return found


def _cost(letter: str, phone: str) -> float:
    head = unicodedata.normalize("NFD", phone)[0]
    if letter == head or any(c in _SPELLS.get(letter, "") for c in phone):
        return 0.0
    vowels = letter in _VOWEL_LETTERS, head in _VOWEL_PHONES
    if vowels[0] and vowels[1]:
        return 0.1
    return 0.9 if vowels[0] == vowels[1] else 1.6


def _owners(
    letters: Sequence[tuple[str, int]], phones: Sequence[Phone], pauses: set[int]
) -> list[int]:
    """The word number of every phone, never falling."""
    n, m = len(letters), len(phones)
    best = np.full((n + 1, m + 1), np.inf)
    back = np.zeros((n + 1, m + 1), np.int8)
    best[0, 0] = 0.0
    for i in range(n + 1):
        inside = 0 < i < n and letters[i - 1][1] == letters[i][1]
        for j in range(m + 1):
            options = []
            if i and j:
                cost = _cost(letters[i - 1][0], phones[j - 1].symbol)
                options.append((best[i - 1, j - 1] + cost, 0))
            if i:
                options.append((best[i - 1, j] + _SKIP_LETTER, 1))
            if j:
                # a word begins after a pause: its first phone has a letter
                after_pause = _ACROSS_PAUSE if j > 1 and j - 1 in pauses else 0.0
                options.append((best[i, j - 1] + _SKIP_PHONE + after_pause, 2))
            if options:
                value, way = min(options)
                # a pause inside a word is next to impossible
                best[i, j] = value + (_ACROSS_PAUSE if inside and j in pauses else 0.0)
                back[i, j] = way
    return _walk(back, letters)


def _walk(
    back: np.ndarray[tuple[int, int], np.dtype[np.int8]], letters: Sequence[tuple[str, int]]
) -> list[int]:
    i, j = back.shape[0] - 1, back.shape[1] - 1
    owner = [0] * j
    while j:
        way = int(back[i, j])
        if way == 1:
            i -= 1
            continue
        owner[j - 1] = letters[max(0, i - 1)][1]
        j -= 1
        i -= 1 if way == 0 else 0
    return owner


def _spans(owner: Sequence[int], phones: Sequence[Phone], count: int) -> list[Span]:
    spans: list[Span | None] = []
    for number in range(count):
        mine = [phones[k].span for k, word in enumerate(owner) if word == number]
        spans.append(Span(mine[0].start, mine[-1].end) if mine else None)
    return _shared(spans)


def _shared(spans: Sequence[Span | None]) -> list[Span]:
    """Fill words without a phone: they divide the time of the word before (or after) them."""
    groups: list[list[int]] = []
    for number, span in enumerate(spans):
        if groups and (span is None or all(spans[k] is None for k in groups[-1])):
            groups[-1].append(number)
        else:
            groups.append([number])
    filled: list[Span] = []
    for group in groups:
        whole = next(span for k in group if (span := spans[k]) is not None)
        step = whole.duration / len(group)
        filled += [
            Span(whole.start + k * step, whole.start + (k + 1) * step) for k in range(len(group))
        ]
    return filled


def shifted(words: Sequence[Word], by: Fraction) -> tuple[Word, ...]:
    """The same words ``by`` seconds later."""
    return tuple(Word(w.text, w.span.shift(by), w.probability, w.spaced) for w in words)
