"""Numbers as words, so that "10" and "ten" are the same word when texts are compared."""

from __future__ import annotations

import re
from functools import lru_cache

from polydub.model.language import primary

_NUMBER = re.compile(r"(?<![\w.,:/-])\d{1,9}(?![\w:/-]|[.,]\d)")
"""Plain whole numbers. Times, dates, decimals and grouped digits are read in too many ways."""


def spell_numbers(text: str, language: str) -> str:
    """``text`` with its whole numbers written out in ``language`` (BCP-47), where that is known.

    Recognisers write "10" for a spoken "diez"; counted as a wrong word, that would blame the voice.
    Uses num2words; a language that it lacks (Chinese, Hindi) keeps its digits.
    """
    base = primary(language)
    return _NUMBER.sub(lambda match: _words(int(match.group()), base) or match.group(), text)


@lru_cache(maxsize=4096)
def _words(number: int, language: str) -> str:
    from num2words import num2words

    try:
        return str(num2words(number, lang=language))
    except (NotImplementedError, OverflowError):
        return ""
