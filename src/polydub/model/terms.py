"""Terms: words that are translated in one certain way, or not at all. Pure text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from polydub.model.language import is_spaced
from polydub.model.speech import Line

_MARK = re.compile(r"\[\[\s*(.+?)\s*\]\]")
_INFLECTED = 5
"""Words from this length on may end otherwise: a plural, a case, a verb form."""


def without_marks(text: str) -> str:
    """``text`` without the brackets of ``[[term]]``: what is spoken and shown."""
    return _MARK.sub(r"\1", text)


def spoken_text(line: Line, language: str) -> str:
    """What is to be spoken for a line; empty when it has no usable translation."""
    translation = line.translations.get(language)
    spoken = translation is not None and translation.status != "untranslated"
    return without_marks(translation.text) if translation and spoken else ""


def marked_terms(text: str) -> tuple[str, ...]:
    """The terms in ``[[ ]]``, which no translation may change, in order of appearance."""
    return tuple(dict.fromkeys(_MARK.findall(text)))


def occurs(term: str, text: str, language: str) -> bool:
    """Whether ``term`` stands in ``text``, in any case and, from five letters on, inflected.

    In a language without spaces (BCP-47) any place counts, in others whole words only. A short term
    in capitals (``IT``) is found in capitals only.
    """
    pattern = _pattern(_plain(term), is_spaced(language))
    return pattern is not None and pattern.search(_plain(text)) is not None


def demanded(text: str, glossary: Mapping[str, str], language: str) -> dict[str, str]:
    """The entries of ``glossary`` whose source term stands in ``text``; long terms go first.

    A term that stands only inside a longer one (``York`` in ``New York``) is not among them.
    """
    rest, found = _plain(text), {}
    for term in sorted(glossary, key=lambda term: (-len(term), term)):
        pattern = _pattern(_plain(term), is_spaced(language))
        if pattern is not None and pattern.search(rest):
            rest = pattern.sub("\n", rest)
            found[term] = glossary[term]
    return found


def replaced(text: str, glossary: Mapping[str, str], language: str) -> str:
    """``text`` with every source term replaced by what must stand for it."""
    text = _plain(text)
    for term, wanted in demanded(text, glossary, language).items():
        pattern = _pattern(_plain(term), is_spaced(language))
        if pattern is not None:
            text = pattern.sub(lambda match, wanted=wanted: wanted, text)  # type: ignore[misc]
    return text


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).replace("’", "'")


@lru_cache(maxsize=1024)
def _pattern(term: str, spaced: bool) -> re.Pattern[str] | None:
    words = term.split()
    if not words:
        return None
    capitals = term.isupper() and term.isascii() and len(term) <= 4
    flags = re.RegexFlag(0) if capitals else re.IGNORECASE
    if not spaced:  # Latin letters among Chinese ones still are words
        body = r"\s*".join(map(re.escape, words))
        return re.compile(rf"{_edge(term[0], '<!')}{body}{_edge(term[-1], '!')}", flags)
    body = r"\s+".join(_inflected(word) for word in words)
    return re.compile(rf"(?<![^\W_]){body}(?![^\W_])", flags)


def _edge(char: str, kind: str) -> str:
    return f"(?{kind}[A-Za-z0-9])" if char.isascii() and char.isalnum() else ""


def _inflected(word: str) -> str:
    if not word.isalpha() or len(word) < 3 or word.isupper():
        return re.escape(word)
    if len(word) < _INFLECTED:
        return re.escape(word) + "(?:'?s)?"
    stem = word if len(word) == _INFLECTED else word[:-1]
    return re.escape(stem) + r"[^\W\d_]{0,3}(?:'s)?"
