"""Metrics as pure functions: what was measured, on which scale, by which protocol.

==================  =====================================================  ==========  ======
score               protocol                                               scale       better
==================  =====================================================  ==========  ======
``wer``             a recogniser hears the take; word errors against the   0 .. any    low
                    translation (spaced languages)
``cer``             the same in characters (Chinese, Japanese, Thai …)     0 .. any    low
``similarity``      cosine of the voiceprints of take and own speaker      -1 .. 1     high
``margin``          similarity to the own speaker minus the best other     -2 .. 2     high
``overlap``         share of the source line's time that the take covers   0 .. 1      high
``speed``           natural length of the take / length as placed          > 0         near 1
==================  =====================================================  ==========  ======

The round trip (``wer``, ``cer``) contains the recogniser's own errors, so it is an upper bound; it
finds broken takes and ranks engines, and it is not a measure of the translation.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from fractions import Fraction
from importlib.util import find_spec
from statistics import median

import numpy as np

from polydub.evaluate.contractions import expand_contractions
from polydub.evaluate.numbers import spell_numbers
from polydub.model import LineReport, Span, Voiceprint
from polydub.model.chinese import is_mandarin, simplified
from polydub.model.language import is_spaced

_PHONES = frozenset({"Ll", "Lu", "Lo", "Mn"})
_APOSTROPHES = frozenset("'’‘ʼ＇`")


def edit_distance(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Levenshtein distance: fewest insertions, deletions and substitutions, each counting 1."""
    if not reference or not hypothesis:
        return max(len(reference), len(hypothesis))
    ids: dict[str, int] = {}
    coded = np.array([ids.setdefault(item, len(ids)) for item in hypothesis])
    columns = np.arange(len(coded) + 1)
    row = columns.copy()
    for item in reference:
        best = row + 1  # deletion
        np.minimum(best[1:], row[:-1] + (coded != ids.get(item, -1)), out=best[1:])
        row = np.minimum.accumulate(best - columns) + columns  # insertions, left to right
    return int(row[-1])


def normalise(text: str) -> str:
    """``text`` as it is compared: NFKC, lower case, punctuation and symbols gone, single spaces.

    Apostrophes vanish without a gap (``don't`` -> ``dont``), other marks become a space. Numbers
    stay as written here.
    """
    kept: list[str] = []
    for char in unicodedata.normalize("NFKC", text).casefold():
        category = unicodedata.category(char)
        if char in _APOSTROPHES or category == "Cf":  # Cf: joiners and marks without width
            continue
        kept.append(" " if category[0] in "PSZC" else char)
    return " ".join("".join(kept).split())


def word_error_rate(reference: str, hypothesis: str, language: str = "en") -> float:
    """Word errors / words of ``reference``, after :func:`normalise`.

    Whole numbers are compared as words of ``language`` (:func:`spell_numbers`), English
    contractions written out (:func:`expand_contractions`). May exceed 1 when much is inserted. An
    empty reference counts as one word.
    """
    words, heard = (_compared_words(text, language) for text in (reference, hypothesis))
    return edit_distance(words, heard) / max(1, len(words))


def _compared_words(text: str, language: str) -> list[str]:
    return normalise(expand_contractions(spell_numbers(text, language), language)).split()


def character_error_rate(reference: str, hypothesis: str, language: str = "zh") -> float:
    """Character errors / characters of ``reference``, after :func:`normalise`, spaces removed.

    Mandarin is compared in Simplified characters, whichever it was written in; kana against kanji
    are different characters, which makes the rate of Japanese an overestimate. Whole numbers are
    compared as they are read.
    """
    characters, heard = (_compared_characters(text, language) for text in (reference, hypothesis))
    return edit_distance(list(characters), list(heard)) / max(1, len(characters))


def _compared_characters(text: str, language: str) -> str:
    plain = normalise(spell_numbers(text, language)).replace(" ", "")
    return simplified(plain) if is_mandarin(language) else plain


def syllable_error_rate(reference: str, hypothesis: str, language: str) -> float | None:
    """Errors / syllables of Mandarin, each with its tone (``pypinyin``).

    A recogniser that writes another character of the same sound has heard the voice right.
    ``None`` for other languages, and where pypinyin is not installed.
    """
    if not is_mandarin(language) or find_spec("pypinyin") is None:
        return None
    from pypinyin import Style, lazy_pinyin

    said, heard = (
        lazy_pinyin(_compared_characters(text, language), style=Style.TONE3)
        for text in (reference, hypothesis)
    )
    return edit_distance(said, heard) / max(1, len(said))


def phone_error_rate(reference: str, hypothesis: str) -> float:
    """Errors / phones of two texts in IPA, a nasal tilde being one.

    Stress, length, tones, pauses and spaces do not count.
    """
    said, heard = (
        [mark for mark in text if unicodedata.category(mark) in _PHONES]
        for text in (reference, hypothesis)
    )
    return edit_distance(said, heard) / max(1, len(said))


def round_trip_metric(language: str) -> str:
    """``"cer"`` for languages written without spaces, ``"wer"`` for all others."""
    return "wer" if is_spaced(language) else "cer"


def error_rate(reference: str, hypothesis: str, language: str) -> float:
    """The round-trip error by the metric that fits the language (:func:`round_trip_metric`)."""
    rate = word_error_rate if is_spaced(language) else character_error_rate
    return rate(reference, hypothesis, language)


def cosine(a: Voiceprint, b: Voiceprint) -> float:
    """Cosine similarity in -1..1; 0 when either vector is zero. Lengths need not be 1."""
    left, right = np.asarray(a, np.float64), np.asarray(b, np.float64)
    norm = float(np.linalg.norm(left) * np.linalg.norm(right))
    return float(np.clip(left @ right / norm, -1.0, 1.0)) if norm > 0 else 0.0


def own_margin(take: Voiceprint, prints: Mapping[str, Voiceprint], own: str) -> float | None:
    """Similarity of ``take`` to its ``own`` speaker minus that to the nearest other one.

    ``prints`` maps speaker ids to voiceprints. Negative: the take sounds more like another member
    of the cast. ``None`` when the own print or every other one is missing.
    """
    others = [cosine(take, voice) for speaker, voice in prints.items() if speaker != own]
    if own not in prints or not others:
        return None
    return cosine(take, prints[own]) - max(others)


def overlap_share(take: Span, source: Span) -> float:
    """Share of the ``source`` line's time that the placed ``take`` covers, 0..1 (0 when empty)."""
    length = source.duration
    return float(take.overlap(source) / length) if length else 0.0


def speed(natural: Fraction, placed: Fraction) -> float:
    """Rate against natural speech: seconds at the engine's normal pace / seconds as placed.

    1.2 = 20 % faster than natural. Raises ``ValueError`` when ``placed`` is not positive.
    """
    if placed <= 0:
        raise ValueError("a placed take has a positive length")
    return float(natural / placed)


def summarise(lines: Sequence[LineReport]) -> dict[str, float]:
    """Film-level figures for ``Report.summary``: counts, and the median of every score.

    ``lines``, ``dubbed`` (has a placement), then ``median_<score>`` over the lines that have that
    score, ``late_s`` (worst absolute shift of a take's start against its line) and ``coverage``
    (dubbed seconds inside source spans / seconds of all source spans).
    """
    placed = [(entry.line, entry.placement) for entry in lines if entry.placement is not None]
    result = {"lines": float(len(lines)), "dubbed": float(len(placed))}
    for name in sorted({name for entry in lines for name in entry.scores}):
        result[f"median_{name}"] = median(e.scores[name] for e in lines if name in e.scores)
    spoken = sum((entry.line.span.duration for entry in lines), Fraction(0))
    if placed:
        result["late_s"] = max(float(abs(p.start - line.span.start)) for line, p in placed)
    if spoken:
        covered = sum((p.span.overlap(line.span) for line, p in placed), Fraction(0))
        result["coverage"] = float(covered / spoken)
    return result
