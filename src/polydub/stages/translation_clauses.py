"""Clauses of a line, for translators that lose half of a long one."""

from __future__ import annotations

import re

_END = re.compile(r"(?<=[,;:!?，；：。！？、])\s*(?=\w)|(?<=[.…])\s+(?=\w)")


def clauses(text: str, *, least: int = 4) -> list[str]:
    """``text`` cut at its punctuation; pieces under ``least`` letters stay with the one before."""
    pieces: list[str] = []
    for piece in _END.split(text.strip()):
        if pieces and sum(map(str.isalnum, piece)) < least:
            pieces[-1] = f"{pieces[-1]} {piece}"
        elif piece:
            pieces.append(piece)
    return pieces


def as_sentence_part(text: str, source: str) -> str:
    """``text`` ending as the clause ``source`` ends: a comma stays a comma."""
    if source.rstrip()[-1:] in ",，、;；" and text.rstrip()[-1:] in ".。":
        return text.rstrip()[:-1] + ","
    return text.strip()
