"""Chinese names inside English text: the phonemes that English speakers use for them.

espeak-ng reads "Qin" as "kin" and "Zhou" as "zhoo". Only names that cannot be English are touched:
capitalised words that split into pinyin syllables of which one begins with q, x or zh.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_WORD = re.compile(r"\b([A-Z][a-z]+(?:['-][A-Za-z][a-z]+)*)\b('s\b)?")
_INITIALS = {
    **{letter: letter for letter in "bpmfdtnlkhs"},
    "g": "ɡ",
    "j": "ʤ",
    "q": "ʧ",
    "x": "ʃ",
    "zh": "ʤ",
    "ch": "ʧ",
    "sh": "ʃ",
    "r": "ɹ",
    "z": "dz",
    "c": "ts",
    "y": "j",
    "w": "w",
}
_FINALS = {
    "a": "ɑ",
    "ai": "I",
    "an": "ɑn",
    "ang": "ɑŋ",
    "ao": "W",
    "e": "ʌ",
    "ei": "A",
    "en": "ʌn",
    "eng": "ʌŋ",
    "i": "i",
    "ia": "jɑ",
    "ian": "jɛn",
    "iang": "jɑŋ",
    "iao": "jW",
    "ie": "jɛ",
    "in": "ɪn",
    "ing": "ɪŋ",
    "iong": "jʊŋ",
    "iu": "jO",
    "o": "ɔ",
    "ong": "ʊŋ",
    "ou": "O",
    "u": "u",
    "ua": "wɑ",
    "uai": "wI",
    "uan": "wɑn",
    "uang": "wɑŋ",
    "ue": "wɛ",
    "ui": "wA",
    "un": "ʊn",
    "uo": "wɔ",
}
_AFTER_QX = frozenset(
    ["i", "ia", "ian", "iang", "iao", "ie", "in", "ing", "iong", "iu", "u", "uan", "ue", "un"]
)
_HISSED = frozenset({"z", "c", "s", "zh", "ch", "sh", "r"})
"""After these, pinyin ``i`` is no vowel of its own: English comes nearest with ``ɜɹ``."""


def names(text: str) -> Iterator[tuple[int, int, str]]:
    """``(start, end, phonemes)`` of the unmistakable pinyin names in ``text``, by place."""
    for match in _WORD.finditer(text):
        found = phonemes(match[1])
        if found:
            yield match.start(), match.end(), found + ("z" if match[2] else "")


def phonemes(name: str) -> str:
    """Kokoro's phoneme characters for ``name``, empty when it may be an English word."""
    syllables: list[tuple[str, str]] = []
    for part in re.split("['-]", name.lower()):
        split = _split(part)
        if split is None:
            return ""
        syllables += split
    if not any(initial in ("q", "x", "zh") for initial, _ in syllables):
        return ""
    return "".join(_say(*syllable) for syllable in syllables)


def _split(word: str, *, first: bool = True) -> list[tuple[str, str]] | None:
    """Syllables of ``word`` as ``(initial, final)``, or ``None``.

    Only a first syllable may begin with a vowel: pinyin writes an apostrophe before others.
    """
    if not word:
        return []
    for initial in (word[:2], word[:1], ""):
        if (initial and initial not in _INITIALS) or (not initial and not first):
            continue
        rest = word[len(initial) :]
        for size in range(min(4, len(rest)), 0, -1):
            final = rest[:size]
            if final not in _FINALS or (initial in ("q", "x") and final not in _AFTER_QX):
                continue
            following = _split(rest[size:], first=False)
            if following is not None:
                return [(initial, final), *following]
    return None


def _say(initial: str, final: str) -> str:
    sound = _INITIALS.get(initial, "")
    if final == "i" and initial in _HISSED:
        return f"{sound}ˈɜɹ"
    said = _FINALS[final]
    if initial == "y" and said[0] in "ijɪ":
        sound = "" if said[0] != "j" else sound
        said = said.lstrip("j")
    glide = said[0] if said[0] in "jw" else ""
    return f"{sound}{glide}ˈ{said[len(glide) :]}"
