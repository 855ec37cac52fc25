"""How long a translation takes to say, and whether a shorter one still says the same. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from polydub.model import Line
from polydub.model.language import is_spaced, primary
from polydub.stages.fit import FitOptions, find_slots
from polydub.stages.speak import plan_phrases


@dataclass(frozen=True, slots=True)
class Pace:
    """Speech at rate 1: ``lead`` seconds for a phrase, however short, plus ``rate`` letters/s."""

    lead: float
    rate: float

    def seconds(self, letters: float) -> float:
        """How long a phrase of so many letters takes."""
        return self.lead + letters / self.rate

    def letters(self, seconds: float) -> int:
        """How many letters a phrase of this length has."""
        return max(0, int((seconds - self.lead) * self.rate))


PACES: dict[str, Pace] = {
    "en": Pace(0.0, 15.6),
    "es": Pace(0.49, 16.8),
    "fr": Pace(0.17, 17.0),
    "hi": Pace(0.0, 10.3),
    "it": Pace(0.53, 17.1),
    "ja": Pace(0.0, 6.1),
    "pt": Pace(0.62, 18.2),
    "zh": Pace(0.07, 4.8),
}
"""Measured on Kokoro-82M int8: 3 to 6 sentences of 7 to 65 letters, in the best female and male
voice of the language and in one of another language. Against these sentences an estimate is off by
2 % (Hindi) to 10 % (English) rms. Other languages have no entry: their length is not judged."""

_DIGIT_LETTERS = 4  # "7" is read "siete", "2023" as four to six words
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"[^\W\d_]+")


def letter_count(text: str, language: str) -> int:
    """Letters, vowel signs and digits as they are spoken: a digit counts like a short word."""
    digit = _DIGIT_LETTERS if is_spaced(language) else 1
    kinds = [unicodedata.category(char)[0] for char in text]
    return sum(kind in "LM" for kind in kinds) + digit * kinds.count("N")


def spoken_seconds(line: Line, text: str, language: str) -> float:
    """Estimated seconds of ``text`` at rate 1, with the line's pauses; 0 for an unknown pace."""
    pace = PACES.get(primary(language))
    if pace is None:
        return 0.0
    phrases = plan_phrases(line, text)
    return sum(
        float(phrase.pause) + pace.seconds(letter_count(phrase.text, language))
        for phrase in phrases
        if phrase.text
    )


def most_letters(seconds: float, language: str) -> int:
    """The letters that can be said in this time at rate 1, at least 4; 0 for an unknown pace."""
    pace = PACES.get(primary(language))
    return 0 if pace is None else max(4, pace.letters(seconds))


def fitting_letters(line: Line, text: str, language: str, seconds: float) -> int:
    """The letters that ``text`` should have so that it takes ``seconds`` at rate 1, at least 4.

    The line's pauses that ``text`` keeps are part of the time. 0 for an unknown pace.
    """
    pace = PACES.get(primary(language))
    if pace is None:
        return 0
    over = spoken_seconds(line, text, language) - seconds
    return max(4, int(letter_count(text, language) - over * pace.rate))


def times_to_speak(lines: Sequence[Line], duration: Fraction) -> dict[str, float]:
    """Seconds that a translation of each line has: its span and the silence after it.

    Of the silence 0.6 s at most, and only up to anybody's next line (see :func:`find_slots`).
    """
    times = {line.id: float(line.span.duration) for line in lines}
    slots = find_slots(lines, duration, FitOptions())
    times |= {slot.line: float(slot.soft_end - slot.span.start) for slot in slots}
    return times


def keeps_facts(short: str, long: str, original: str, glossary: Sequence[str] = ()) -> bool:
    """Whether ``short`` has what must not get lost from the translation ``long``.

    That is: its numbers, the names that it took over from the ``original`` letter for letter, terms
    of the ``glossary`` (in the target language), and being a question.
    """
    names = _names(original) & set(_WORD.findall(long))
    kept = {*_NUMBER.findall(long), *names}
    there = {*_NUMBER.findall(short), *_WORD.findall(short)}
    terms = [term for term in glossary if term.casefold() in long.casefold()]
    return (
        kept <= there
        and all(term.casefold() in short.casefold() for term in terms)
        and (_asks(short) or not _asks(long))
    )


def _asks(text: str) -> bool:
    return "?" in text or "？" in text


def _names(text: str) -> set[str]:
    """Capitalised words; those that only begin a sentence are not in its translation as well."""
    return {word for word in _WORD.findall(text) if word[0].isupper() and len(word) > 1}
