"""The text of subtitles: rows joined, wrapped, and split over time."""

from __future__ import annotations

import math
import re

from polydub.model import Span

ROW = 42
"""Characters in a row: the usual limit for Latin scripts."""
ROW_UNSPACED = 18
"""Characters in a row of Chinese, Japanese or Thai, which are twice as wide."""
ROWS = 2

_WIDE = "\u1100-\u11ff\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef"
_WIDE_BREAK = re.compile(f"(?<=[{_WIDE}])\\s+(?=[{_WIDE}])")
_SENTENCE_END = re.compile(r"[.!?…。！？]['\"”’」』)]*$")
_CLAUSE_END = re.compile(r"[,;:，、；：—–]['\"”’」』)]*$")


def join_rows(text: str) -> str:
    """One row: line breaks become spaces, except between Chinese or Japanese characters."""
    single = " ".join(text.split())
    return _WIDE_BREAK.sub("", single)


def split_in_time(text: str, span: Span, spaced: bool) -> list[tuple[Span, str]]:
    """``text`` as cues that fit on screen, with parts of ``span`` in proportion to their length."""
    pieces = _pieces(text, spaced)
    if not pieces:
        return []
    joint = " " if spaced else ""
    width = ROW if spaced else ROW_UNSPACED
    groups = _grouped(pieces, joint, width)
    shown = [_rows([piece for piece in group], joint, width) for group in groups]
    weights = [sum(len(piece) for piece in group) for group in groups]
    times = [span.start]
    for done in range(1, len(groups) + 1):
        share = span.duration * sum(weights[:done]) / sum(weights)
        times.append(span.start + share)
    return [(Span(times[i], times[i + 1]), text) for i, text in enumerate(shown)]


def _pieces(text: str, spaced: bool) -> list[str]:
    """The smallest parts that a row may break between."""
    joined = " ".join(text.split())
    if spaced:
        return [part for word in joined.split(" ") if word for part in _short(word, ROW)]
    # closing punctuation stays with the character before it, foreign words stay whole
    return re.findall(r"\s*(?:[A-Za-z0-9'’.-]+|[“「『（(]*.)[，。！？、；：…”」』）),.!?]*", joined)


def _short(word: str, limit: int) -> list[str]:
    return [word[i : i + limit] for i in range(0, len(word), limit)]


def _grouped(pieces: list[str], joint: str, width: int) -> list[list[str]]:
    """As few cues as possible, about equally full, each ending at a sentence or clause end."""
    length = len(joint.join(pieces))
    count = max(1, math.ceil(length / (width * ROWS)))
    groups: list[list[str]] = []
    left = pieces
    while left:
        remaining = max(1, count - len(groups))
        size = _cut(left, joint, width, len(joint.join(left)) / remaining)
        groups.append(left[:size])
        left = left[size:]
    return groups


def _cut(pieces: list[str], joint: str, width: int, wanted: float) -> int:
    """How many pieces the next cue takes."""
    fitting = 0
    for size in range(1, len(pieces) + 1):
        if size > 1 and len(_fill(pieces[:size], joint, width)) > ROWS:
            break
        fitting = size
    if fitting == len(pieces):
        return fitting

    def cost(size: int) -> float:
        miss = abs(len(joint.join(pieces[:size])) - wanted) / wanted
        last = pieces[size - 1]
        return miss - (
            0.5 if _SENTENCE_END.search(last) else 0.25 if _CLAUSE_END.search(last) else 0
        )

    return min(range(1, fitting + 1), key=cost)


def _fill(pieces: list[str], joint: str, width: int) -> list[str]:
    """Rows filled greedily."""
    rows: list[str] = []
    for piece in pieces:
        longer = rows[-1] + joint + piece if rows else piece
        if rows and len(longer.strip()) <= width:
            rows[-1] = longer
        else:
            rows.append(piece)
    return [row.strip() for row in rows]


def _rows(pieces: list[str], joint: str, width: int) -> str:
    """One row if it fits, else two of about the same length."""
    whole = joint.join(pieces).strip()
    if len(whole) <= width:
        return whole
    best = _fill(pieces, joint, width)
    if len(best) == ROWS:
        splits = [
            (joint.join(pieces[:i]).strip(), joint.join(pieces[i:]).strip())
            for i in range(1, len(pieces))
        ]
        fitting = [pair for pair in splits if max(map(len, pair)) <= width]
        best = list(min(fitting, key=lambda pair: max(map(len, pair)), default=tuple(best)))
    return "\n".join(best)
