"""Deals the words that were heard in a whole dub out to its lines, with the fewest errors.

As mwerSegmenter does for speech translation (Matusov et al., IWSLT 2005): the words are aligned
with all intended texts laid end to end by least edit distance; each word goes to the line of the
word that it was aligned with. So a line may be late and its neighbours are not blamed for it. Among
alignments with equally few errors the one is taken whose words lie nearest to their lines in time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from polydub.evaluate.scores import normalise
from polydub.model import Span, Word
from polydub.model.language import is_spaced

NEAR_S = 1.0
"""A word this near to its line costs nothing."""
FAR_COST = 0.08
"""Edits per second of distance beyond that; a word is not moved by a minute to spare one error."""
MOST = 0.9
"""The most that distance may cost: a little less than an error, but more than a lucky match."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def deal_words(
    words: Sequence[Word], texts: Sequence[str], spans: Sequence[Span], language: str
) -> list[list[int]]:
    """Indices into ``words`` of every line, in time order.

    ``texts`` are the intended words of the lines whose ``spans`` say where they are expected, both
    in film order. Words without letters go nowhere. Time and memory grow with words x words: an
    hour of talk (1,000 lines, 9,000 words) takes 3 s and 250 MB.
    """
    dealt: list[list[int]] = [[] for _ in texts]
    tokens, owners = _tokens_of_lines(texts, language)
    heard, at, own = _tokens_of_words(words, language)
    if not heard:
        return dealt
    if not tokens:
        return _by_time(words, own, spans, dealt)
    starts = np.array([float(span.start) for span in spans])
    ends = np.array([float(span.end) for span in spans])
    lines = _aligned(tokens, owners, heard, at, (starts, ends))
    for token, line in enumerate(lines):
        mine = dealt[line]
        if not mine or mine[-1] != own[token]:
            mine.append(own[token])
    return [sorted(set(found)) for found in dealt]


def _tokens_of_lines(texts: Sequence[str], language: str) -> tuple[list[str], Ints]:
    tokens: list[str] = []
    owners: list[int] = []
    for line, text in enumerate(texts):
        own = _tokens(text, language)
        tokens += own
        owners += [line] * len(own)
    return tokens, np.array(owners, np.int64)


def _tokens_of_words(words: Sequence[Word], language: str) -> tuple[list[str], Floats, list[int]]:
    tokens: list[str] = []
    at: list[float] = []
    own: list[int] = []
    for index, word in enumerate(words):
        for token in _tokens(word.text, language):
            tokens.append(token)
            at.append(float(word.span.middle))
            own.append(index)
    return tokens, np.array(at), own


def _tokens(text: str, language: str) -> list[str]:
    plain = normalise(text)
    return plain.split() if is_spaced(language) else list(plain.replace(" ", ""))


def _aligned(
    tokens: Sequence[str],
    owners: Ints,
    heard: Sequence[str],
    at: Floats,
    times: tuple[Floats, Floats],
) -> list[int]:
    """The line of every heard token.

    Row by row over the intended tokens; insertions run along a row, their cost (1 each) makes that
    a running minimum.
    """
    ids: dict[str, int] = {}
    coded = np.array([ids.setdefault(token, len(ids)) for token in heard])
    size = len(coded)
    columns = np.arange(size + 1, dtype=np.float64)
    row = columns.copy()
    moves = np.zeros((len(tokens) + 1, size + 1), np.uint8)  # 0 insertion, 1 deletion, 2 pair
    far = _distance_costs(at, *times)
    for number, token in enumerate(tokens, 1):
        pair = row[:-1] + (coded != ids.get(token, -1)) + far[owners[number - 1]]
        down = row + 1
        best = down.copy()
        np.minimum(best[1:], pair, out=best[1:])
        move = np.ones(size + 1, np.uint8)
        move[1:][pair <= down[1:]] = 2
        reached = np.minimum.accumulate(best - columns) + columns
        move[reached < best - 1e-12] = 0
        moves[number] = move
        row = reached
    return _walk(moves, owners, at, times)


def _distance_costs(at: Floats, starts: Floats, ends: Floats) -> Floats:
    """``[lines, heard]``: what it costs to give a token to a line that lies elsewhere."""
    early = np.maximum(starts[:, None] - at[None], at[None] - ends[:, None])
    far = np.maximum(0.0, early - NEAR_S)
    return np.asarray(np.minimum(MOST, FAR_COST * far))


def _walk(
    moves: npt.NDArray[np.uint8], owners: Ints, at: Floats, times: tuple[Floats, Floats]
) -> list[int]:
    """Back along the best path; inserted tokens go to the nearer of the lines around them."""
    rows, columns = moves.shape[0] - 1, moves.shape[1] - 1
    lines = [-1] * columns
    while columns > 0:
        move = moves[rows, columns] if rows else 0
        if move == 2:
            lines[columns - 1] = int(owners[rows - 1])
            rows, columns = rows - 1, columns - 1
        elif move == 1:
            rows -= 1
        else:
            columns -= 1
            around = {int(owners[n]) for n in (rows - 1, rows) if 0 <= n < len(owners)}
            lines[columns] = min(around, key=lambda line: _gap(at[columns], times, line))
    return lines


def _gap(moment: float, times: tuple[Floats, Floats], line: int) -> float:
    return float(max(0.0, times[0][line] - moment, moment - times[1][line]))


def _by_time(
    words: Sequence[Word], own: Sequence[int], spans: Sequence[Span], dealt: list[list[int]]
) -> list[list[int]]:
    """Without any text: every word to the nearest line, by its middle."""
    starts = np.array([float(span.start) for span in spans])
    ends = np.array([float(span.end) for span in spans])
    for index in sorted(set(own)):
        moment = float(words[index].span.middle)
        gaps = np.maximum(0.0, np.maximum(starts - moment, moment - ends))
        middle = np.abs((starts + ends) / 2 - moment)
        if len(gaps):
            dealt[int(np.lexsort((middle, gaps))[0])].append(index)
    return dealt


def windows(ranges: Sequence[Span | None], *, reach_s: float = 0.5) -> list[Span | None]:
    """Where the speech of each line may lie: its ``range`` and a little to either side.

    Half of the gap to the neighbour on that side, at most ``reach_s``; nothing where they overlap.
    ``None`` for a line without a range.
    """
    known = [span for span in ranges if span is not None]
    starts = np.array([float(span.start) for span in known])
    ends = np.array([float(span.end) for span in known])
    found: list[Span | None] = []
    for span in ranges:
        if span is None:
            found.append(None)
            continue
        start, end = float(span.start), float(span.end)
        before = (start - ends[starts < start]) / 2
        after = (starts[ends > end] - end) / 2
        left = max(0.0, float(before.min(initial=reach_s)))
        right = max(0.0, float(after.min(initial=reach_s)))
        found.append(Span.of(max(0.0, start - left), end + right))
    return found
