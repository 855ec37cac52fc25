"""The options of ``polydub lips``, and what it prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from polydub.interfaces.cli.options import LANGUAGES, MAKING, OUTPUT, WHO
from polydub.interfaces.cli.tables import language_title, near

if TYPE_CHECKING:
    from polydub.api import LipsResult

NewSound = Annotated[
    Path,
    typer.Option(
        "--audio",
        metavar="FILE",
        help="The finished sound of the dub: a sound file, or a video that has it.",
        rich_help_panel=MAKING,
        show_default=False,
    ),
]
SoundLanguage = Annotated[
    str | None,
    typer.Option(
        "--language",
        metavar="LANG",
        help="Language of the new sound; detected when not given.",
        rich_help_panel=LANGUAGES,
        show_default=False,
    ),
]
LipsScript = Annotated[
    str | None,
    typer.Option(
        "--script",
        metavar="FILE",
        help="Lines of the film and who says them (script.json, tagged subtitles, dubbing table, "
        "JSONL), instead of our own analysis.",
        rich_help_panel=WHO,
        show_default=False,
    ),
]
LipsOutput = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Video to write; VIDEO with the ending .lips.mp4 when not given.",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]


def show_lips(console: Console, result: LipsResult) -> None:
    """Line by line, whose mouth moves, and where the video is."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("line", "who", "from", "says", "mouth"):
        table.add_column(heading, overflow="fold")
    for line in result.lines:
        start = f"{float(line.span.start):.1f} s"
        table.add_row(line.line, line.speaker, start, escape(line.words), _mouth(line))
    console.print(table)
    for note in result.notes:
        if note.startswith("film:"):
            console.print(f"[yellow]{escape(note.removeprefix('film: '))}[/]")
    console.print(
        f"Video ({language_title(result.language)}): [bold]{escape(near(result.video))}[/]",
        soft_wrap=True,
    )


def _mouth(line: Any) -> str:
    if line.rendered:
        return f"{line.rendered:.0%} of its frames" if line.rendered < 1 else "moves"
    return f"[yellow]{escape(line.reason or 'stays as it was')}[/]"


def lips_json(result: LipsResult) -> str:
    """The result as one line of JSON: ``{"result": {...}}``."""
    lines = [
        {
            "line": line.line,
            "speaker": line.speaker,
            "start": float(line.span.start),
            "end": float(line.span.end),
            "words": line.words,
            "rendered": line.rendered,
            "reason": line.reason,
        }
        for line in result.lines
    ]
    values = {
        "video": str(result.video),
        "project": str(result.project),
        "language": result.language,
        "lines": lines,
        "notes": list(result.notes),
    }
    return json.dumps({"result": values}, ensure_ascii=False)
