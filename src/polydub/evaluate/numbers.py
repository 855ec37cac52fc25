"""Numbers as words, so that "10" and "ten" are the same word when texts are compared."""

from __future__ import annotations

import re
from functools import lru_cache

from polydub.model.language import primary

_NUMBER = re.compile(r"(?<![\w.,:/-])\d{1,9}(?![\w:/-]|[.,]\d)")
"""Plain whole numbers. Times, dates, decimals and grouped digits are read in too many ways."""
_UNSPACED = re.compile(r"(?<![A-Za-z\d.,:/-])\d{1,9}(?![A-Za-z\d:/-]|[.,]\d)")
"""The same in a language whose words stand side by side."""
_DIGITS = "零一二三四五六七八九"
_PLACES = ("", "十", "百", "千")


def spell_numbers(text: str, language: str) -> str:
    """``text`` with its whole numbers written out in ``language`` (BCP-47), where that is known.

    Recognisers write "10" for a spoken "diez"; counted as a wrong word, that would blame the voice.
    Uses num2words, and :func:`chinese` for Chinese; a language without either (Hindi) keeps its
    digits.
    """
    base = primary(language)
    if base in ("zh", "yue"):
        return _UNSPACED.sub(lambda match: chinese(int(match.group())), text)
    return _NUMBER.sub(lambda match: _words(int(match.group()), base) or match.group(), text)


@lru_cache(maxsize=4096)
def _words(number: int, language: str) -> str:
    from num2words import num2words

    try:
        return str(num2words(number, lang=language))
    except (NotImplementedError, OverflowError):
        return ""


def chinese(number: int) -> str:
    """``number``, 0 to 999 999 999, as it is read: 21 is 二十一, 205 is 二百零五."""
    if number == 0:
        return _DIGITS[0]
    made = ""
    for unit, name in ((10**8, "亿"), (10**4, "万"), (1, "")):
        part, number = divmod(number, unit)
        if part:
            gap = _DIGITS[0] if made and part < 1000 else ""
            made += gap + _below_ten_thousand(part) + name
    return made[1:] if made.startswith("一十") else made


def _below_ten_thousand(number: int) -> str:
    made, gap = "", False
    for place in (3, 2, 1, 0):
        digit = number // 10**place % 10
        if digit:
            made += (_DIGITS[0] if gap else "") + _DIGITS[digit] + _PLACES[place]
        gap = digit == 0 and bool(made)
    return made
