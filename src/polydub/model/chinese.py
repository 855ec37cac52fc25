"""The two scripts of Chinese: which one a language tag asks for, and text written in it (OpenCC).

Recognisers and language models answer in either, whatever they were asked: Whisper base wrote seven
of 24 Mandarin auditions and takes in Traditional characters under a Simplified prompt.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from langcodes import Language

from polydub.model.language import parse_language, primary

_TRADITIONAL = {"TW": "s2tw", "HK": "s2hk", "MO": "s2hk"}
"""OpenCC's conversion by region; elsewhere its own standard."""


def is_mandarin(tag: str) -> bool:
    """Whether text in a language may come in either script and means the same in both."""
    return primary(tag) == "zh"


def in_script_of(text: str, tag: str) -> str:
    """Mandarin ``text`` in the script of its tag (``zh`` Simplified, ``zh-TW`` Traditional).

    Text in other languages, Cantonese too, stays as it is.
    """
    if not is_mandarin(tag):
        return text
    plain, conversion = simplified(text), _conversion(tag)
    return str(_converter(conversion).convert(plain)) if conversion else plain


def simplified(text: str) -> str:
    """Chinese ``text`` in Simplified characters, to compare it whatever it was written in."""
    return str(_converter("t2s").convert(text))


@lru_cache(maxsize=64)
def _conversion(tag: str) -> str | None:
    known = Language.get(parse_language(tag)).maximize()
    return _TRADITIONAL.get(known.territory or "", "s2t") if known.script == "Hant" else None


@lru_cache(maxsize=4)
def _converter(conversion: str) -> Any:
    from opencc import OpenCC

    return OpenCC(conversion)
