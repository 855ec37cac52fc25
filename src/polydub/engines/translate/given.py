"""A translation that the user brings, by line id or by time: nothing is invented, nothing lost."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Protocol

from polydub.engines.protocols import Capabilities, TranslationRequest
from polydub.model import Span
from polydub.model.language import is_spaced

_BREAKS = (
    re.compile(r"(?<=[.!?…])['\"”’»)]*\s+|(?<=[。！？…])['\"”’」』）]*"),
    re.compile(r"(?<=[,;:—–])\s+|(?<=[，、；：])"),
    re.compile(r"\s+"),
)
"""Where a text may be cut: after a sentence, after a clause, between words."""

_COSTS = (0.0, 0.2, 0.35)
_NEAR = Fraction(1)


class TimedText(Protocol):
    """A text shown during a span: any object with these two attributes, such as a subtitle cue."""

    @property
    def span(self) -> Span:
        """When it is shown."""
        ...

    @property
    def text(self) -> str:
        """What is shown."""
        ...


class TimedLine(Protocol):
    """A line to which a text may belong."""

    @property
    def id(self) -> str:
        """The line's id."""
        ...

    @property
    def span(self) -> Span:
        """When it is spoken."""
        ...


@dataclass(frozen=True, slots=True)
class CueMatch:
    """Text by line id, and the cues that lie too far from every line (signs, titles, songs)."""

    texts: dict[str, str]
    unmatched: tuple[TimedText, ...]


def match_cues(
    cues: Sequence[TimedText], lines: Sequence[TimedLine], *, spaced: bool = True
) -> CueMatch:
    """The text of every cue, given to the lines that it is shown with.

    A cue over one line belongs to it whole; one over several lines is cut at the sentence end (else
    clause, else word) that is nearest to their shares of its time; one over none goes to a line
    less than 1 s away. Several cues of a line are joined in order. ``spaced``: words have spaces
    between them. No text of a matched cue is lost or doubled.
    """
    ordered = sorted(lines, key=lambda line: (line.span, line.id))
    parts: dict[str, list[str]] = {line.id: [] for line in ordered}
    unmatched: list[TimedText] = []
    for cue in sorted(cues, key=lambda cue: cue.span):
        text = cue.text.strip()
        if not text:
            continue
        shares = _shares(cue.span, ordered)
        if not shares:
            unmatched.append(cue)
            continue
        pieces = split_text(text, [float(share) for _, share in shares])
        for (line_id, _), piece in zip(shares, pieces, strict=True):
            if piece:
                parts[line_id].append(piece)
    joint = " " if spaced else ""
    texts = {line_id: joint.join(pieces) for line_id, pieces in parts.items() if pieces}
    return CueMatch(texts, tuple(unmatched))


def _shares(span: Span, lines: Sequence[TimedLine]) -> list[tuple[str, Fraction]]:
    """The lines a cue belongs to, by time, with the share of each; shares add up to 1.

    Subtitles are shown a little longer than the speech: a line that has less than 15 % of the cue
    and less than half of its own time under it does not count.
    """
    over = [(line, span.overlap(line.span)) for line in lines]
    over = [(line, seconds) for line, seconds in over if seconds > 0]
    if not over:
        near = min(lines, key=lambda line: (line.span.gap(span), line.span), default=None)
        if near is None or near.span.gap(span) >= _NEAR:
            return []
        return [(near.id, Fraction(1))]
    covered = sum((seconds for _, seconds in over), Fraction(0))
    counted = [
        (line, seconds)
        for line, seconds in over
        if seconds >= covered * Fraction(15, 100) or seconds * 2 >= line.span.duration
    ] or [max(over, key=lambda item: item[1])]
    covered = sum((seconds for _, seconds in counted), Fraction(0))
    return [(line.id, seconds / covered) for line, seconds in counted]


def split_text(text: str, shares: Sequence[float]) -> list[str]:
    """``text`` cut into ``len(shares)`` parts of about these shares of its length.

    Cuts prefer sentence ends, then clauses, then spaces. Without enough places to cut, the parts of
    the smallest shares stay empty. Joined, the parts hold all of ``text``'s characters but spaces.
    """
    total = sum(shares) or 1.0
    parts = []
    rest = text.strip()
    left = total
    for index, share in enumerate(shares[:-1]):
        later = shares[index + 1 :]
        at = _cut(rest, share / left if left else 0.0, max(later) if later else 0.0, share)
        parts.append(rest[:at].strip())
        rest = rest[at:].strip()
        left -= share
    return [*parts, rest]


def _cut(text: str, share: float, later: float, own: float) -> int:
    """Where to cut ``text`` so that ``share`` of it comes before."""
    best: tuple[float, int] | None = None
    for pattern, cost in zip(_BREAKS, _COSTS, strict=True):
        for match in pattern.finditer(text):
            at = match.end()
            if 0 < at < len(text):
                found = (abs(at / len(text) - share) + cost, at)
                best = min(best or found, found)
    if best is not None:
        return best[1]
    return len(text) if own >= later else 0


class GivenTranslator:
    """Translations from a file that the caller has read: ``texts`` by line id, ``cues`` by time.

    An id wins over a cue. With ``lines`` (all lines of the script) the cues are matched once over
    the whole film, and ``unmatched`` holds those that belong to no line; without, they are matched
    to the lines of each request and their neighbours. Lines that nothing was given for are missing
    from the answer.
    """

    capabilities: ClassVar[Capabilities] = Capabilities(
        kind="translate",
        name="given",
        version="1",
        summary="A translation that you bring: subtitles, a table or a script",
        code_licence="Apache-2.0",
        weights_licence="none",
    )

    def __init__(
        self,
        *,
        texts: Mapping[str, str] | None = None,
        cues: Sequence[TimedText] = (),
        lines: Sequence[TimedLine] = (),
    ) -> None:
        self._texts = {key: text.strip() for key, text in (texts or {}).items() if text.strip()}
        self._cues = tuple(cues)
        self._lines = tuple(lines)
        self.unmatched: tuple[TimedText, ...] = ()
        if self._lines:
            self.unmatched = match_cues(self._cues, self._lines).unmatched

    def translate(self, request: TranslationRequest) -> dict[str, str]:
        """The given text of each line that has one."""
        lines = self._lines or (*request.before, *request.lines, *request.after)
        spaced = is_spaced(request.target)
        matched = match_cues(self._cues, lines, spaced=spaced).texts | self._texts
        return {line.id: matched[line.id] for line in request.lines if line.id in matched}
