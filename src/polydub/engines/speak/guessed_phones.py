"""Phone times for engines that give none: the text's sounds, spread over where speech is loud.

Lips need to know which sound is when. A vowel takes longer than a consonant and a pause is silent;
beyond that nothing is known, so a time may be off by a syllable in a long phrase.
"""

from __future__ import annotations

import logging
import unicodedata
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from polydub.engines.speak import g2p
from polydub.engines.speak.espeak import EspeakProcess
from polydub.engines.speak.kokoro_phones import PAUSE, RATE, loudness, merged_phones, quiet_steps
from polydub.errors import EngineError
from polydub.model import Phone, Samples, Span

_log = logging.getLogger(__name__)
_HOP = 120  # the step of `loudness`, 5 ms
_VOWELS = frozenset("iɪɨeɛəɐɜɝɚʌɘɤaæäɑɒɔoɵøœɞuʊyʏʉɯ")
_VOWEL_WEIGHT = 1.6
_LONG_WEIGHT = 1.5
"""Vowels last 1.3 to 1.9 times as long as consonants in read speech of many languages (textbook
phonetics); a length mark is half as much again."""


class Pronouncer:
    """Text to IPA in any language that espeak-ng, misaki or Open JTalk here can read."""

    def __init__(self) -> None:
        self._phonemizer = g2p.Phonemizer()
        self._espeak = EspeakProcess()
        self._told: set[str] = set()

    def symbols(self, text: str, language: str) -> str:
        """IPA with the text's punctuation; its letters where nothing here can read the language."""
        text = g2p.clean(text)
        known = g2p.spoken_language(language)
        try:
            if known is not None:
                return self._phonemizer.phonemes(text, known)
            return g2p.spell(self._espeak.phonemes(language.split("-")[0].lower(), text), language)
        except EngineError as error:
            if language not in self._told:
                self._told.add(language)
                _log.warning("mouths follow the letters of '%s': %s", language, error.message)
            return unicodedata.normalize("NFC", text).lower()

    def close(self) -> None:
        """End the espeak-ng processes, if any run."""
        self._phonemizer.close()
        self._espeak.close()


def guessed_phones(symbols: str, samples: Samples) -> tuple[Phone, ...]:
    """The phones of ``symbols`` over mono 24 kHz ``samples``, without gaps, from start to end."""
    length = len(samples)
    phones = [name for name, *_ in merged_phones(symbols, np.arange(len(symbols) + 1))]
    phones = [name for name in phones if name != PAUSE] or [PAUSE]
    if length == 0:
        return ()
    if not np.any(samples):
        return (Phone(PAUSE, _span(0, length)),)
    silent = quiet_steps(loudness(samples))
    speaking = np.flatnonzero(~silent)
    weights = np.cumsum([0.0, *(_weight(name) for name in phones)])
    edges = [
        int(speaking[min(len(speaking) - 1, int(share * len(speaking)))]) * _HOP
        for share in weights[:-1] / weights[-1]
    ]
    found: list[Phone] = []
    for name, start, end in zip(phones, edges, [*edges[1:], length], strict=True):
        found += _without_pauses(name, start, end, silent)
    return _covering(found, length)


def _weight(name: str) -> float:
    weight = _VOWEL_WEIGHT if any(letter in _VOWELS for letter in name) else 1.0
    return weight * (_LONG_WEIGHT if "ː" in name else 1.0)


def _without_pauses(name: str, start: int, end: int, silent: npt.NDArray[np.bool_]) -> list[Phone]:
    """A phone from sample ``start`` to ``end``, ended by the silence that it runs into."""
    if end <= start:
        return []
    steps = np.flatnonzero(silent[start // _HOP : max(start // _HOP + 1, end // _HOP)])
    if name == PAUSE or not len(steps):
        return [Phone(name, _span(start, end))]
    pause = start // _HOP * _HOP + int(steps[0]) * _HOP
    if pause <= start:
        return [Phone(PAUSE, _span(start, end))]
    return [Phone(name, _span(start, pause)), Phone(PAUSE, _span(pause, end))]


def _covering(found: list[Phone], length: int) -> tuple[Phone, ...]:
    """``found`` from the very start on."""
    if not found:
        return (Phone(PAUSE, _span(0, length)),)
    first = found[0]
    return (Phone(first.symbol, Span(Fraction(0), first.span.end)), *found[1:])


def _span(first: int, last: int) -> Span:
    return Span(Fraction(first, RATE), Fraction(last, RATE))
