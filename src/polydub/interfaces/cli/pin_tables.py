"""What ``polydub pin`` prints: what is pinned, the cast, the lines that changed. Rendering only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from shlex import quote
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from polydub.interfaces.cli.tables import MANY, near

if TYPE_CHECKING:
    from polydub.api import PinResult
    from polydub.model import Script, Span


def show_pins(console: Console, result: PinResult, *, listed: bool = False) -> None:
    """The effects of a request and the cast that came of it; with ``listed`` all pins."""
    for effect in result.effects:
        console.print(f"[green]✓[/] {escape(effect)}")
    for warning in result.warnings:
        console.print(f"[yellow]![/] {escape(warning)}")
    if listed:
        texts = pin_texts(result)
        console.print("Nothing is pinned." if not texts else "Pinned:")
        for text in texts:
            console.print(f"  {escape(text)}", soft_wrap=True)
    if result.script is not None:
        console.print(cast_table(result.script))
        for text in (*changed_lines(result), *_renumbered(result)):
            console.print(escape(text), soft_wrap=True)
    project = escape(quote(near(result.project.root)))
    if result.script is None and result.effects:
        console.print(f"It counts at the next run: [bold]polydub render {project}[/]")


def cast_table(script: Script) -> Table:
    """Who speaks how much, and which face that is."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("speaker", "name", "face"):
        table.add_column(heading)
    for heading in ("lines", "seconds", "sure"):
        table.add_column(heading, justify="right")
    for speaker in script.cast:
        lines = script.lines_of(speaker.id)
        seconds = sum(float(line.span.duration) for line in lines)
        sure = sum(line.confidence for line in lines) / max(1, len(lines))
        table.add_row(
            speaker.id,
            escape(speaker.name),
            speaker.person or "not seen",
            str(len(lines)),
            f"{seconds:.1f}",
            f"{sure:.0%}",
        )
    return table


def changed_lines(result: PinResult) -> list[str]:
    """Lines whose speaker changed, in words."""
    found = [
        f"{line.id} ({_at(line.span)}): was {was}, now {line.speaker}"
        for line, was in result.moved()
    ]
    more = len(found) - 2 * MANY
    return found if more <= 0 else [*found[: 2 * MANY], f"… and {more} more lines"]


def _renumbered(result: PinResult) -> list[str]:
    """What a person has to know who looks for a line by its former id."""
    now = result.script.lines if result.script is not None else result.before.lines
    former = {line.id: line.span for line in result.before.lines}
    if all(former.get(line.id) == line.span for line in now) and len(now) == len(former):
        return []
    return [f"The lines are {len(now)} now, {len(former)} before: look for them by their time."]


def pin_texts(result: PinResult) -> list[str]:
    """Every pin in words."""
    return list(_texts(result))


def _texts(result: PinResult) -> Iterator[str]:
    pins = result.pins
    if pins.speakers:
        yield f"speakers: {pins.speakers}"
    for line in pins.lines:
        yield f"line {_line_at(result, line.span)}: {line.speaker}"
    for merge in pins.merges:
        yield f"same speaker: {_first(merge.one)} = {_first(merge.other)}"
    for split in pins.splits:
        yield f"somebody of his own: {_line_at(result, split.span)}"
    for face in pins.people:
        yield f"face: {_first(face.spans)} is {face.person or 'not seen'}"


def _line_at(result: PinResult, span: Span) -> str:
    """A span and the id of the line that is said there, if one is."""
    script = result.script or result.before
    line = max(script.lines, key=lambda line: line.span.overlap(span), default=None)
    known = line is not None and line.span.overlap(span) > 0
    return f"{line.id} ({_at(span)})" if line is not None and known else _at(span)


def _first(spans: tuple[Span, ...]) -> str:
    shown = ", ".join(_at(span) for span in spans[:2])
    return f"{shown} …" if len(spans) > 2 else shown


def _at(span: Span) -> str:
    return f"{_clock(float(span.start))}-{_clock(float(span.end))}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(10 * seconds), 600)
    return f"{minutes}:{rest / 10:04.1f}"


def pins_json(result: PinResult) -> str:
    """The result as one line of JSON: ``{"result": {...}}``."""
    script = result.script or result.before
    cast = [
        {
            "id": speaker.id,
            "name": speaker.name,
            "person": speaker.person,
            "lines": [line.id for line in script.lines_of(speaker.id)],
        }
        for speaker in script.cast
    ]
    values = {
        "project": str(result.project.root),
        "effects": result.effects,
        "warnings": result.warnings,
        "moved": [
            {"line": line.id, "was": was, "now": line.speaker} for line, was in result.moved()
        ],
        "pins": pin_texts(result),
        "cast": cast,
    }
    return json.dumps({"result": values}, ensure_ascii=False)
