"""Geometry of the timing chart: who speaks when, in the source and in the dub. Pure numbers.

Across, everything is in percent of the film, so that the page may give the chart any width; down,
in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from polydub.model import LineReport, Speaker

ROW = 46.0
"""Height of one speaker's row in pixels: source lane above, dub lane below."""
LANE = 15.0
AXIS = 24.0
WIDTH = 640.0
PIXELS_PER_SECOND = 6.0
"""A long film gets a wide chart that scrolls, so that a 1 s line stays visible."""
TICKS = 12
"""Labels on a chart of at most ``4 * WIDTH``; wider ones get proportionally more."""

_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900)


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle; ``kind`` is ``"source"`` or ``"take"``; ``x`` and ``width`` in percent."""

    line: str
    kind: str
    x: float
    y: float
    width: float
    title: str
    colour: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical line at ``x`` percent, with a label (empty for a cut)."""

    x: float
    label: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that the drawing needs; ``min_width`` and ``height`` in pixels."""

    min_width: float
    height: float
    rows: tuple[Speaker, ...]
    bars: tuple[Bar, ...]
    cuts: tuple[Mark, ...]
    ticks: tuple[Mark, ...]


def clock(seconds: float) -> str:
    """``"1:04"``, ``"1:02:03"``: a place on the film, whole seconds."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{secs:02d}" if hours else f"{minutes}:{secs:02d}"


def tick_seconds(duration: float, wanted: int) -> float:
    """Distance of the ticks in seconds: the first round step that needs at most ``wanted``."""
    return next((float(s) for s in _STEPS if duration / s <= wanted), float(_STEPS[-1]))


def timing_chart(
    lines: Sequence[LineReport],
    cast: Sequence[Speaker],
    duration: float,
    cuts: Sequence[float] = (),
) -> Chart:
    """The chart of ``lines`` over ``duration`` seconds; speakers without lines get no row."""
    speaking = {entry.line.speaker for entry in lines}
    rows = tuple(speaker for speaker in cast if speaker.id in speaking)
    width = max(WIDTH, duration * PIXELS_PER_SECOND)
    scale = 100 / max(duration, 0.001)
    step = tick_seconds(duration, max(TICKS, round(TICKS * width / (4 * WIDTH))))
    marks = range(int(duration / step) + 1) if duration > 0 else range(0)
    return Chart(
        min_width=round(width),
        height=AXIS + max(1, len(rows)) * ROW + 4,
        rows=rows,
        bars=_bars(lines, rows, cast, scale, 200 / width),
        cuts=tuple(Mark(round(cut * scale, 3)) for cut in cuts if 0 < cut < duration),
        ticks=tuple(Mark(round(n * step * scale, 3), clock(n * step)) for n in marks),
    )


def _bars(
    lines: Sequence[LineReport],
    rows: Sequence[Speaker],
    cast: Sequence[Speaker],
    scale: float,
    thinnest: float,
) -> tuple[Bar, ...]:
    place = {speaker.id: index for index, speaker in enumerate(rows)}
    colour = {speaker.id: index for index, speaker in enumerate(cast)}
    bars: list[Bar] = []
    for entry in lines:
        row = place.get(entry.line.speaker)
        if row is None:
            continue
        spans = [("source", entry.line.span, entry.line.text)]
        if entry.placement is not None:
            said = entry.line.translations.get(entry.language)
            spans.append(("take", entry.placement.span, said.text if said else ""))
        for lane, (kind, span, text) in enumerate(spans):
            bars.append(
                Bar(
                    line=entry.line.id,
                    kind=kind,
                    x=round(float(span.start) * scale, 3),
                    y=AXIS + row * ROW + 6 + lane * (LANE + 3),
                    width=max(thinnest, round(float(span.duration) * scale, 3)),
                    title=f"{entry.line.id} {kind} {clock(float(span.start))}  {text}".strip(),
                    colour=colour[entry.line.speaker],
                )
            )
    return tuple(bars)
