"""``polydub dataset``: training data out of films."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from polydub.errors import InputError
from polydub.interfaces.cli import options as o
from polydub.interfaces.cli import texts
from polydub.interfaces.cli.progress import progress

dataset_app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")

Films = Annotated[
    list[Path], typer.Argument(metavar="FILM...", help="The video files.", show_default=False)
]
Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="The dataset's folder.", show_default=False)
]
Licence = Annotated[
    list[str] | None,
    typer.Option(
        "--licence",
        metavar="TEXT|FILM=TEXT",
        help="Licence of all films, or of one (file name without ending); repeatable.",
    ),
]
Checkpoint = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        metavar="DIR",
        help="Fun-CineForge's folder: its face network turns pictures of faces into vectors.",
    ),
]
Tokens = Annotated[
    bool, typer.Option("--tokens", help="Write speech tokens, which training needs.")
]
Cut = Annotated[
    bool, typer.Option("--cut", help="Write the film of each clip at 25 fps, and its other sound.")
]
Shortest = Annotated[float, typer.Option("--shortest", help="Seconds of the shortest clip.")]
Longest = Annotated[float, typer.Option("--longest", help="Seconds of the longest clip.")]
Confidence = Annotated[
    float, typer.Option("--confidence", help="How sure it must be who speaks (0 to 1).")
]


@dataset_app.callback()
def group() -> None:
    """Keep ``dataset`` a group while it has one command."""


@dataset_app.command(help=texts.DATASET_BUILD)
def build(
    films: Films,
    out: Out,
    licence: Licence = None,
    checkpoint: Checkpoint = None,
    tokens: Tokens = False,
    cut: Cut = False,
    shortest: Shortest = 2.0,
    longest: Longest = 30.0,
    confidence: Confidence = 0.6,
    engine: o.Engines = None,
    source: o.From = None,
    json_lines: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Build a dataset."""
    from polydub import api
    from polydub.pipeline.dataset import DatasetOptions, DatasetParts, DatasetRequest

    if not 0 < shortest < longest <= 60:
        text = "--shortest must be less than --longest, and that at most 60 s."
        raise InputError(text, code="DUB-E108")
    every, single = licences(licence or [])
    request = DatasetRequest(
        out,
        every,
        single,
        checkpoint,
        DatasetParts(tokens, cut),
        DatasetOptions(shortest=shortest, longest=longest, confidence=confidence),
    )
    options = o.build_options(None, engines=engine, source_language=source)
    with progress(json_lines=json_lines, quiet=quiet) as sink:
        sheets = api.build_dataset(films, request, options, on_event=sink)
    if json_lines:
        print(json.dumps({"result": [asdict(sheet) for sheet in sheets]}, ensure_ascii=False))
    elif not quiet:
        console = Console(highlight=False)
        clips, seconds = sum(x.clips for x in sheets), sum(x.seconds for x in sheets)
        console.print(f"[green]✓[/] {out}: {clips} clips, {seconds / 60:.1f} minutes")
        for sheet in sheets:
            if sheet.licence == "unknown":
                console.print(f"[yellow]![/] {sheet.film}: no licence was given (--licence)")


def licences(values: list[str]) -> tuple[str, dict[str, str]]:
    """The licence of all films and those of single ones, from ``TEXT`` and ``FILM=TEXT``."""
    every, single = "unknown", {}
    for value in values:
        film, given, text = value.partition("=")
        if given:
            single[film.strip()] = text.strip()
        else:
            every = value.strip()
    return every, single
