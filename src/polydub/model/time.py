"""Exact time: seconds as :class:`fractions.Fraction`, half-open spans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

MILLISECOND = Fraction(1, 1000)


def to_seconds(value: Fraction | int | str | float) -> Fraction:
    """Exact seconds from ``value``.

    A float is rounded to the nearest microsecond first: a float carries no exact decimal, and
    engines report times with far less precision than that.
    """
    if isinstance(value, float):
        return Fraction(round(value * 1_000_000), 1_000_000)
    return Fraction(value)


def to_milliseconds(value: Fraction | int | str | float) -> Fraction:
    """``value`` rounded to the nearest whole millisecond (as exact seconds)."""
    return Fraction(round(to_seconds(value) * 1000), 1000)


def timecode(value: Fraction, *, separator: str = ".") -> str:
    """``HH:MM:SS.mmm`` (``separator=","`` for SRT). Negative times are shown as zero."""
    total = max(0, round(value * 1000))
    hours, rest = divmod(total, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    whole, millis = divmod(rest, 1000)
    return f"{hours:02d}:{minutes:02d}:{whole:02d}{separator}{millis:03d}"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Half-open interval ``[start, end)`` in exact seconds. ``end >= start`` always holds."""

    start: Fraction
    end: Fraction

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError(f"span ends before it starts: {self.start} .. {self.end}")

    @classmethod
    def of(cls, start: Fraction | int | str | float, end: Fraction | int | str | float) -> Span:
        """Span from any time value (see :func:`to_seconds`)."""
        return cls(to_seconds(start), to_seconds(end))

    @property
    def duration(self) -> Fraction:
        """Length in seconds, never negative."""
        return self.end - self.start

    @property
    def middle(self) -> Fraction:
        """The time halfway."""
        return (self.start + self.end) / 2

    def __and__(self, other: Span) -> Span | None:
        """The common part, or ``None``: touching is not overlapping."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Span(start, end) if start < end else None

    def __or__(self, other: Span) -> Span:
        """The smallest span that covers both."""
        return Span(min(self.start, other.start), max(self.end, other.end))

    def __contains__(self, time: Fraction) -> bool:
        return self.start <= time < self.end

    def overlap(self, other: Span) -> Fraction:
        """Seconds in common, 0 when apart."""
        common = self & other
        return common.duration if common else Fraction(0)

    def gap(self, other: Span) -> Fraction:
        """Seconds of silence between the spans, 0 when they touch or overlap."""
        return max(Fraction(0), max(self.start, other.start) - min(self.end, other.end))

    def shift(self, by: Fraction) -> Span:
        """The same length, ``by`` seconds later."""
        return Span(self.start + by, self.end + by)

    def pad(self, by: Fraction) -> Span:
        """``by`` seconds longer on both sides; the start is kept at or above zero."""
        return Span(max(Fraction(0), self.start - by), self.end + by)

    def whole_milliseconds(self) -> Span:
        """Both ends rounded: finer times are noise, and hard to edit."""
        return Span(to_milliseconds(self.start), to_milliseconds(self.end))

    def samples(self, rate: int) -> slice:
        """Sample indices of the span at ``rate`` Hz, both ends rounded to the nearest sample."""
        return slice(round(self.start * rate), round(self.end * rate))


def merge(spans: Iterable[Span], *, gap: Fraction = Fraction(0)) -> tuple[Span, ...]:
    """Sorted union of ``spans``; neighbours at most ``gap`` seconds apart become one."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start <= merged[-1].end + gap:
            merged[-1] = merged[-1] | span
        else:
            merged.append(span)
    return tuple(merged)


def without(spans: Sequence[Span], taken: Sequence[Span]) -> list[Span]:
    """The parts of ``spans`` outside the ``taken`` ones, both by time and each apart."""
    left: list[Span] = []
    first = 0
    for span in spans:
        start = span.start
        while first < len(taken) and taken[first].end <= start:
            first += 1
        at = first
        while at < len(taken) and taken[at].start < span.end:
            if taken[at].start > start:
                left.append(Span(start, taken[at].start))
            start = max(start, taken[at].end)
            at += 1
        if start < span.end:
            left.append(Span(start, span.end))
    return left


def total(spans: Iterable[Span]) -> Fraction:
    """Seconds covered by ``spans``, overlaps counted once."""
    return sum((span.duration for span in merge(spans)), Fraction(0))
