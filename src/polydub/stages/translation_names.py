"""Names that a translator left in Chinese characters, written in pinyin. Pure."""

from __future__ import annotations

import re
from importlib.util import find_spec

from polydub.model.chinese import is_mandarin

_HAN = re.compile(r"[\u3400-\u9fff]+")
LONGEST = 4
"""Characters of a name at most: what is longer was not translated."""
SHARE = 0.25
"""... and of the original's characters, in all."""


def in_pinyin(text: str, original: str, source: str) -> tuple[str, tuple[str, ...]]:
    """``text`` with the names in pinyin, and which they were: ``("Xian's birthday", ("仙",))``.

    Only where ``source`` (BCP-47) is Chinese, what is left stands in ``original`` too, and is
    little of it; else, and without pypinyin, ``("", ())``.
    """
    left = _HAN.findall(text)
    if not is_mandarin(source) or not left or find_spec("pypinyin") is None:
        return "", ()
    written = sum(map(len, _HAN.findall(original)))
    if any(len(name) > LONGEST or name not in original for name in left):
        return "", ()
    if sum(map(len, left)) > SHARE * written:
        return "", ()
    from pypinyin import lazy_pinyin

    def spelt(found: re.Match[str]) -> str:
        before, after = text[: found.start()][-1:], text[found.end() :][:1]
        name = "".join(lazy_pinyin(found.group())).capitalize()
        return f"{' ' * before.isalnum()}{name}{' ' * after.isalnum()}"

    return _HAN.sub(spelt, text), tuple(dict.fromkeys(left))
