"""Text files from anywhere: bytes to text, whatever encoding a subtitle program has chosen."""

from __future__ import annotations

import codecs
from pathlib import Path

from polydub.errors import InputError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def unreadable(path: str | Path, what: str, line: int | None = None) -> InputError:
    """A DUB-E107 error that names the file and, when known, the line."""
    place = f"{path}, line {line}" if line else str(path)
    return InputError(f"{place}: {what}.", hint="Correct the file and run again.", code="DUB-E107")


def read_text(path: str | Path, encoding: str | None = None) -> str:
    """The text of a file with ``\\n`` line ends.

    Tried in order: byte order mark, UTF-8, UTF-16 without a mark, GB 18030 when the bytes look like
    Chinese, Windows-1252. Raises ``InputError`` DUB-E101 (unreadable) or DUB-E107 (not text).
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror or error}.",
            hint="Check the path.",
            code="DUB-E101",
        ) from error
    try:
        text = data.decode(encoding or guess_encoding(data))
    except (UnicodeDecodeError, LookupError) as error:
        raise unreadable(path, f"the text encoding is not understood ({error})") from error
    if "\0" in text:
        raise unreadable(path, "this is not a text file")
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def guess_encoding(data: bytes) -> str:
    """Name of the encoding that ``data`` is most likely written in; always decodable by it."""
    for mark, name in _MARKS:
        if data.startswith(mark) and _decodes(data, name):
            return name
    wide = _wide(data)
    if wide and _decodes(data, wide):
        return wide
    if _decodes(data, "utf-8"):
        return "utf-8"
    if _looks_chinese(data) and _decodes(data, "gb18030"):
        return "gb18030"
    return "cp1252" if _decodes(data, "cp1252") else "latin-1"


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _wide(data: bytes) -> str:
    """UTF-16 without a mark: times and line ends leave a zero in every second byte there."""
    if len(data) < 4 or len(data) % 2 or b"\0" not in data:
        return ""
    even, odd = data[0::2].count(0), data[1::2].count(0)
    least = len(data) // 2 * 0.2
    if odd > least and odd > 4 * even:
        return "utf-16-le"
    return "utf-16-be" if even > least and even > 4 * odd else ""


def _looks_chinese(data: bytes) -> bool:
    """Whether the bytes above 127 come in GB 2312 pairs of punctuation or common characters.

    In Western text such a byte mostly stands alone; Cyrillic pairs fall outside the first level of
    GB 2312 (lead bytes B0 to D7).
    """
    common = other = position = 0
    while position < len(data):
        lead = data[position]
        if lead < 0x80:
            position += 1
            continue
        trail = data[position + 1] if position + 1 < len(data) else 0
        if trail >= 0xA1 and (0xA1 <= lead <= 0xA3 or 0xB0 <= lead <= 0xD7):
            common += 1
        else:
            other += 1
        position += 2 if trail >= 0x40 else 1
    return common > 3 * other
