"""What a translator answered: cleaned of wrapping, and refused when it cannot be a translation."""

from __future__ import annotations

import re
import unicodedata

from polydub.model.language import foreign_letters, is_spaced, same_language

_FENCE = re.compile(r"^```[\w-]*\n?|\n?```$")
_THINKING = re.compile(r"<think>.*?(?:</think>|$)", re.DOTALL | re.IGNORECASE)
_MARKUP = re.compile(r"</?(?:i|b|u|em|strong|font|span|p|br|s)\b[^<>]{0,80}/?>|\{\\[^{}]{0,80}\}")
_PREAMBLE = re.compile(
    r"^(?:(?:sure|of course|certainly)\b[^:\n]{0,20}?[,.!]\s*)?"
    r"(?:here(?:'s|’s| is| are)\b[^:\n]{0,30}\btranslat\w*|(?:the )?translat(?:ion|ed text)\b"
    r"|traducci[oó]n|traduction|übersetzung|traduzione|tradução|翻译|譯文|译文|翻訳|번역)"
    r"[^:：\n]{0,40}[:：]\s*",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"^(?:\d{1,3}[.)]\s+|[-*•]\s+)")
_NOTE = re.compile(
    r"\s*[(（\[](?:note|nota|remarque|anmerkung|注|translat)[^()（）\[\]]*[)）\]]\s*$", re.I
)
_QUOTES = (('"', '"'), ("“", "”"), ("«", "»"), ("「", "」"), ("『", "』"), ("„", "“"), ("'", "'"))

_LONGEST = 3.0
_SHORTEST = 0.2


def cleaned(text: str, source: str) -> str:
    """``text`` without what wraps a translation: fences, thoughts, preambles, quotes, markup.

    Whatever the source line has itself (quotes, a number in front, brackets) is left alone.
    """
    text = _FENCE.sub("", _THINKING.sub("", text).strip()).strip()
    if not _PREAMBLE.match(source):
        text = _PREAMBLE.sub("", text, count=1)
    if not _MARKUP.search(source):
        text = _MARKUP.sub("", text)
    if not _NUMBER.match(source):
        text = _NUMBER.sub("", text, count=1)
    if not re.search(r"[(（\[]", source):
        text = _NOTE.sub("", text)
    text = " ".join(text.split())
    return _unquoted(text, source)


def _unquoted(text: str, source: str) -> str:
    for opening, closing in _QUOTES:
        inner = text[1:-1]
        wrapped = len(text) > 2 and text.startswith(opening) and text.endswith(closing)
        if (
            wrapped
            and not (opening in inner or closing in inner)
            and source[:1] not in "\"“«「『„'"
        ):
            return inner.strip()
    return text


def problem(text: str, original: str, source: str, target: str) -> str:
    """Why ``text`` cannot be the translation of ``original``, ``""`` when nothing is wrong.

    Languages are BCP-47. Finds empty text, text left in the source language or in another script,
    lengths that no translation has, and loops.
    """
    if not any(char.isalnum() for char in text):
        return "" if not any(char.isalnum() for char in original) else "the translation is empty"
    if not same_language(source, target) and _same(text, original, source):
        return "the translation equals the original"
    if foreign := foreign_letters(text, target):
        return f"'{foreign}' is not written in the target language"
    long, short = _weight(text), _weight(original)
    if long > _LONGEST * short + 40:
        return "the translation is far too long"
    if short > 20 and long < _SHORTEST * short:
        return "the translation is far too short"
    if _loops(text) and not _loops(original):
        return "the translation repeats itself"
    return ""


def _same(text: str, original: str, source: str) -> bool:
    """Equal and long enough that it is not just a name or an exclamation."""
    one, two = (_letters(part.casefold()) for part in (text, original))
    if one != two:
        return False
    if is_spaced(source):
        return len(original.split()) >= 3 and len(two) >= 10
    return len(two) >= 5


def _letters(text: str) -> str:
    return "".join(char for char in text if char.isalpha())


def _weight(text: str) -> int:
    """Length comparable between scripts: a Chinese character counts like three letters."""
    return sum(
        3 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text if char.isalnum()
    )


def _loops(text: str) -> bool:
    """Whether one to four words come five times in a row."""
    return bool(re.search(r"(?:^|\W)((?:[^\W_]+\W+){1,4}?)(?:\1){4}", text.casefold() + " "))
