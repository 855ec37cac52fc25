"""English contractions written out, so that "I'm" and "I am" are the same words.

A recogniser picks either spelling freely. The rules are those of Whisper's English text normaliser
(Radford et al. 2022, appendix C); they are applied to both texts, so a wrong reading of ``'s``
("Anna is" for "Anna's") costs nothing.
"""

from __future__ import annotations

import re

_RULES = (
    (r"\bwon't\b", "will not"),
    (r"\bcan't\b", "can not"),
    (r"\bcannot\b", "can not"),
    (r"\blet's\b", "let us"),
    (r"\bain't\b", "is not"),
    (r"\by'all\b", "you all"),
    (r"\bgonna\b", "going to"),
    (r"\bgotta\b", "got to"),
    (r"\bwanna\b", "want to"),
    (r"n't\b", " not"),
    (r"'re\b", " are"),
    (r"'s\b", " is"),
    (r"'d\b", " would"),
    (r"'ll\b", " will"),
    (r"'ve\b", " have"),
    (r"'m\b", " am"),
)
_COMPILED = tuple((re.compile(pattern, re.IGNORECASE), full) for pattern, full in _RULES)
_APOSTROPHES = re.compile("[’‘ʼ＇`]")


def expand_contractions(text: str, language: str) -> str:
    """English ``text`` with its contractions written out; other languages stay as they are."""
    if language.split("-")[0].lower() != "en":
        return text
    text = _APOSTROPHES.sub("'", text)
    for pattern, full in _COMPILED:
        text = pattern.sub(full, text)
    return text
