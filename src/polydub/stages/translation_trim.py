"""A translation without the words that a hurried speaker drops first. Pure.

Openers (*well,*), tags (*, right?*), words of degree (*really*) and of address (*, sir*) go without
a model and without another meaning, and long forms give way to short ones; what carries a meaning
(negations, names, numbers, greetings) is never touched. The words of each language are in
:mod:`polydub.stages.loose_words`.
"""

from __future__ import annotations

import re
from functools import lru_cache

from polydub.model.language import is_spaced, primary
from polydub.stages.loose_words import LOOSE, Loose


def trimmed(text: str, language: str) -> tuple[str, ...]:
    """Ever shorter forms of ``text``, the least changed first; empty when nothing may go."""
    loose = LOOSE.get(primary(language))
    if loose is None:
        return ()
    tag, (opener, degree) = _tag(loose), _words(primary(language))
    steps: list[str] = []
    now = text.strip()
    for made in (
        now := _replaced(now, loose.links),
        now := opener.sub(r"\1", now),
        now := _untagged(tag, now),
        now := degree.sub("", now),
        now := _unaddressed(now, loose),
        _replaced(now, loose.lean),
    ):
        tidy = _tidy(made, text)
        if tidy and tidy not in (text.strip(), *steps):
            steps.append(tidy)
    return tuple(steps)


def _replaced(text: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in rules:
        text = re.sub(pattern, replacement, text)
    return text


def _unaddressed(text: str, loose: Loose) -> str:
    """Without a word of address between commas, or between a comma and the end."""
    if not loose.address:
        return text
    said = rf"(?:{loose.address})"
    text = re.sub(rf"[,，]\s?{said}(?=\s?[,，.。!！?？…])", "", text, flags=re.IGNORECASE)
    return re.sub(rf"^([¡¿]?){said}[,，]\s?", r"\1", text, flags=re.IGNORECASE)


def is_opener(word: str, language: str) -> bool:
    """Whether ``word`` only opens a sentence (*well*, *um*), so that it is nobody's name."""
    loose = LOOSE.get(primary(language))
    return loose is not None and re.fullmatch(loose.openers, word, re.IGNORECASE) is not None


def without_tag(text: str, language: str) -> str:
    """``text`` without a question at its end that asks for agreement only."""
    loose = LOOSE.get(primary(language))
    return text if loose is None else _untagged(_tag(loose), text.strip())


@lru_cache(maxsize=16)
def _words(language: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Patterns of the openers and of the words of degree."""
    loose, spaced = LOOSE[language], is_spaced(language)
    end = r"(?!\w)" if spaced else ""
    opener = rf"(^|(?<=[.!?…。！？])\s*)[¡¿]?(?:{loose.openers}){end}\s?[,，!！.…、]+\s*"
    kept = "".join(
        rf"(?<!{re.escape(word)}{' ' if spaced else ''})" for word in loose.negations.split("|")
    )
    edge, before = (r"(?<!\w)", r"(?:,? )?") if spaced else ("", "")
    degree = rf"{before}{edge}{kept}(?:{loose.degrees}){end}(?:,(?= ))?"
    return re.compile(opener, re.IGNORECASE), re.compile(degree, re.IGNORECASE)


def _tag(loose: Loose) -> re.Pattern[str]:
    return re.compile(rf"(\w)\s?[,，]\s*¿?(?:{loose.tags})\s?[?？]$", re.IGNORECASE)


def _untagged(tag: re.Pattern[str], text: str) -> str:
    made = tag.sub(lambda match: match[1] + ("。" if text[-1] == "？" else "."), text)
    if made.count("¿") > made.count("?"):  # the tag closed the question itself
        return tag.sub(r"\1?", text)
    return made


def _tidy(text: str, original: str) -> str:
    """One space between words, no mark in front, a capital where a sentence begins."""
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"^[,，.。\s]+", "", text)
    if original[:2].lstrip("¡¿")[:1].isupper():
        text = re.sub(r"(^[¡¿]?|[.!?…] [¡¿]?)(\w)", lambda m: m[1] + m[2].upper(), text)
    return text if any(char.isalnum() for char in text) else ""
