"""Japanese in kana, by Open JTalk, for models that cannot read kanji."""

from __future__ import annotations

import unicodedata
from typing import Any

from polydub.errors import EngineError

_KATAKANA_TO_HIRAGANA = {code: code - 0x60 for code in range(0x30A1, 0x30F7)}


def katakana(text: str) -> str:
    """Words in katakana as they sound, with spaces between: as CosyVoice 3 reads Japanese.

    It takes kanji for Chinese (the authors' own advice). Raises ``EngineError`` DUB-E202 without
    Open JTalk.
    """
    found = ""
    for word in _words(text):
        mark = word["pos"] == "記号"
        said = word["string"] if mark else str(word["pron"]).replace("’", "")
        found += said if mark or not found or found[-1] in "、。！？" else f" {said}"
    return found


def hiragana(text: str) -> str:
    """Words with kanji in hiragana as they are spelled, the others as they are: for Chatterbox.

    Raises ``EngineError`` DUB-E202 without Open JTalk.
    """
    found = ""
    for word in _words(text):
        written = str(word["string"])
        if any(unicodedata.name(letter, "").startswith("CJK UNIFIED") for letter in written):
            read = str(word["read"]).translate(_KATAKANA_TO_HIRAGANA)
            # a space keeps these from being taken for the particles of the same signs
            written = f" {read}" if read[:1] in ("は", "へ") else read
        found += written
    return unicodedata.normalize("NFKC", found)


def _words(text: str) -> list[dict[str, Any]]:
    try:
        import pyopenjtalk
    except ImportError as error:
        raise EngineError(
            "Speaking Japanese needs pyopenjtalk-plus, which is not installed.",
            hint='Install it with: pip install -c constraints.txt -e ".[japanese]"',
            code="DUB-E202",
        ) from error
    words: list[dict[str, Any]] = pyopenjtalk.run_frontend(text)
    return words
