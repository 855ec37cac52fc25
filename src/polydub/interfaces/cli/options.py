"""The options of the commands, declared once, and their way into ``DubOptions``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polydub.errors import InputError

if TYPE_CHECKING:
    from polydub.pipeline.options import DubOptions

LANGUAGES = "Languages"
OUTPUT = "Output"
MAKING = "How it is made"
WHO = "Who speaks"
WORDING = "How it is translated"
SHOWING = "What is shown"

Video = Annotated[Path, typer.Argument(metavar="VIDEO", help="The video file.", show_default=False)]
ProjectArgument = Annotated[
    Path, typer.Argument(metavar="PROJECT", help="The project folder.", show_default=False)
]
DemoFolder = Annotated[
    Path | None,
    typer.Argument(metavar="[FOLDER]", help="Where to put it (polydub-demo).", show_default=False),
]
EngineName = Annotated[
    str, typer.Argument(metavar="NAME", help="Engine or weight.", show_default=False)
]
To = Annotated[
    list[str],
    typer.Option(
        "--to",
        metavar="LANG",
        help="Target language (BCP-47, as 'es'); repeat it or separate by commas.",
        rich_help_panel=LANGUAGES,
        show_default=False,
    ),
]
MaybeTo = Annotated[
    list[str] | None,
    typer.Option(
        "--to",
        metavar="LANG",
        help="Target language (BCP-47, as 'es'); repeat it or separate by commas.",
        rich_help_panel=LANGUAGES,
        show_default=False,
    ),
]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="LANG",
        help="Spoken language; detected when not given.",
        rich_help_panel=LANGUAGES,
        show_default=False,
    ),
]
TranslationFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--translation",
        metavar="FILE|LANG=FILE",
        help="Use this translation (subtitles, table or script) instead of an engine's; repeat it.",
        rich_help_panel=LANGUAGES,
        show_default=False,
    ),
]
GlossaryFile = Annotated[
    Path | None,
    typer.Option(
        "--glossary",
        metavar="FILE",
        help="Terms and names with their translation: CSV with the columns source, target (empty: "
        "keep the term) and, if wanted, language; or JSON.",
        rich_help_panel=WORDING,
        show_default=False,
    ),
]
FormalityChoice = Annotated[
    str | None,
    typer.Option(
        "--formality",
        metavar="WAY",
        help="How people are addressed: formal (usted, vous, Sie), informal (tú, tu, du) or auto "
        "(as the translator does it).",
        rich_help_panel=WORDING,
        show_default=False,
    ),
]
ProfanityChoice = Annotated[
    str | None,
    typer.Option(
        "--profanity",
        metavar="WAY",
        help="Strong language: keep it (as when not given) or soften it.",
        rich_help_panel=WORDING,
        show_default=False,
    ),
]
FilmContext = Annotated[
    str | None,
    typer.Option(
        "--context",
        metavar="TEXT",
        help="A sentence about the film, for translators that can use it.",
        rich_help_panel=WORDING,
        show_default=False,
    ),
]
OutputPath = Annotated[
    str | None,  # a path would lose the slash that makes it a folder
    typer.Option(
        "--output",
        "-o",
        metavar="FILE|FOLDER/",
        help="Video to write, or a folder; beside the source when not given.",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
ProjectFolder = Annotated[
    Path | None,
    typer.Option(
        "--project",
        metavar="FOLDER",
        help="Project folder; VIDEO with the ending .polydub when not given.",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
Subtitles = Annotated[
    bool,
    typer.Option("--subtitles/--no-subtitles", help="Write them.", rich_help_panel=OUTPUT),
]
RenderOutputPath = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE|FOLDER/",
        help="Video to write, or a folder; where it was written before when not given.",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace existing outputs.", rich_help_panel=OUTPUT),
]
Engines = Annotated[
    list[str] | None,
    typer.Option(
        "--engine",
        metavar="STAGE=NAME",
        help="Use this engine for a stage (see `polydub engines`); repeat it.",
        rich_help_panel=MAKING,
        show_default=False,
    ),
]
LlmModel = Annotated[
    str | None,
    typer.Option(
        "--llm-model",
        metavar="PATH",
        help="GGUF file (or model name of the service) that translates.",
        rich_help_panel=MAKING,
        show_default=False,
    ),
]
Lips = Annotated[
    bool,
    typer.Option("--lips/--no-lips", help="Make the lips follow.", rich_help_panel=MAKING),
]
Speakers = Annotated[
    int | None,
    typer.Option(
        "--speakers",
        metavar="N",
        min=1,
        help="How many people speak; found out when not given.",
        rich_help_panel=WHO,
        show_default=False,
    ),
]
Turns = Annotated[
    Path | None,
    typer.Option(
        "--turns",
        metavar="FILE",
        help="Who speaks when, instead of our diarization: RTTM, or any file for --script-from.",
        rich_help_panel=WHO,
        show_default=False,
    ),
]
ScriptFrom = Annotated[
    str | None,
    typer.Option(
        "--script-from",
        metavar="FILE|LANG=FILE",
        help="Who says what when, instead of our lines: SRT with names, dubbing CSV, Fun-CineForge "
        "JSONL or a script; LANG is the language of its translations.",
        rich_help_panel=WHO,
        show_default=False,
    ),
]
_MAX_SPEED: dict[str, Any] = {
    "metavar": "X",
    "min": 1.0,
    "max": 1.8,
    "help": "Fastest comfortable speech; beyond it only when a line fits no other way (reported).",
    "rich_help_panel": MAKING,
}
MaxSpeed = Annotated[float, typer.Option("--max-speed", **_MAX_SPEED)]
MaybeMaxSpeed = Annotated[
    float | None, typer.Option("--max-speed", show_default=False, **_MAX_SPEED)
]
Cast = Annotated[
    Path | None,
    typer.Option(
        "--cast",
        metavar="FILE",
        help="Voices of a series: speakers who are in it get theirs, new ones are added to it.",
        rich_help_panel=MAKING,
        show_default=False,
    ),
]
_TAKES: dict[str, Any] = {
    "metavar": "N",
    "min": 1,
    "max": 8,
    "help": "Takes of every line, of which the best is kept (understood, own voice, in time).",
    "rich_help_panel": MAKING,
}
Takes = Annotated[int, typer.Option("--takes", **_TAKES)]
MaybeTakes = Annotated[int | None, typer.Option("--takes", show_default=False, **_TAKES)]
MaybeSubtitles = Annotated[
    bool | None,
    typer.Option("--subtitles/--no-subtitles", help="Write them.", rich_help_panel=OUTPUT),
]
MaybeLips = Annotated[
    bool | None,
    typer.Option("--lips/--no-lips", help="Make the lips follow.", rich_help_panel=MAKING),
]
Version = Annotated[bool, typer.Option("--version", help="Show the version.", is_eager=True)]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Only show what would be done.", rich_help_panel=SHOWING),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Progress and result as JSON lines on stdout, and nothing else there.",
        rich_help_panel=SHOWING,
    ),
]
JsonTable = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="No progress, no summary.", rich_help_panel=SHOWING),
]
Verbose = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        help="Show log messages; -vv shows all of them.",
        rich_help_panel=SHOWING,
        show_default=False,
    ),
]


def build_options(
    to: Sequence[str] | None,
    *,
    engines: Sequence[str] | None = None,
    translations: Sequence[str] | None = None,
    script_from: str | None = None,
    **others: Any,
) -> DubOptions:
    """``DubOptions`` from raw option values; ``others`` are passed on as they are.

    Raises ``InputError`` for a value that has the wrong form.
    """
    from polydub.pipeline.options import DubOptions

    targets = split_targets(to or ())
    if others.get("turns") is not None:
        _require_file(others["turns"], "--turns")
    if script_from:
        others |= parse_script_from(script_from)
    return DubOptions(
        targets=targets,
        engines=parse_engines(engines or ()),
        translations=parse_translations(translations or (), targets),
        **others,
    )


def given(**values: Any) -> dict[str, Any]:
    """Only the options that the user gave."""
    return {name: value for name, value in values.items() if value is not None}


def wording(
    glossary: Path | None, formality: str | None, profanity: str | None, context: str | None
) -> dict[str, Any]:
    """The ``DubOptions`` fields for how the translation is worded, as far as they were given.

    Raises ``InputError`` DUB-E101 or DUB-E107 for a glossary that cannot be read.
    """
    from polydub.project.glossary_file import read_glossary

    terms = read_glossary(glossary) if glossary is not None else None
    return given(glossary=terms, formality=formality, profanity=profanity, context=context)


def split_targets(values: Sequence[str]) -> tuple[str, ...]:
    """Language codes of ``["es,ja", "fr"]`` in order, without repeats or blanks."""
    codes = (code.strip() for value in values for code in value.split(","))
    return tuple(dict.fromkeys(code for code in codes if code))


def parse_engines(values: Sequence[str]) -> dict[str, str]:
    """``{"speak": "kokoro"}`` from ``["speak=kokoro"]``. Raises ``InputError`` DUB-E108."""
    from polydub.engines.protocols import KINDS

    chosen: dict[str, str] = {}
    for value in values:
        kind, equals, name = (part.strip() for part in value.partition("="))
        if not (kind and equals and name) or kind not in KINDS:
            raise InputError(
                f"Cannot use --engine {value}.",
                hint=f"Write stage=name, for example speak=kokoro. Stages: {', '.join(KINDS)}.",
                code="DUB-E108",
            )
        chosen[kind] = name
    return chosen


def parse_translations(values: Sequence[str], targets: Sequence[str]) -> dict[str, Path]:
    """``{"es": Path("film.srt")}`` from ``["es=film.srt"]``, or ``["film.srt"]`` with one target.

    Raises ``InputError`` DUB-E108 when it is unclear which language a file is in, DUB-E105 when
    there is no such language, DUB-E101 when there is no such file.
    """
    from polydub.model.language import parse_language

    files: dict[str, Path] = {}
    for value in values:
        code, equals, path = value.partition("=")
        if not equals or Path(value).is_file():  # a file name may contain "="
            if len(targets) != 1:
                raise InputError(
                    f"Which language is --translation {value} in?",
                    hint=f"Write it as LANG={value}.",
                    code="DUB-E108",
                )
            code, path = targets[0], value
        code = code.strip()
        if not code or not path:
            raise InputError(
                f"Cannot use --translation {value}.",
                hint="Write FILE, or LANG=FILE.",
                code="DUB-E108",
            )
        code = parse_language(code)
        if code in files:
            raise InputError(f"There are two translations for '{code}'.", code="DUB-E108")
        files[code] = _require_file(Path(path), "--translation")
    return files


def parse_script_from(value: str) -> dict[str, Any]:
    """``script_from`` and, when told, ``script_target`` from ``"film.csv"`` or ``"es=film.csv"``.

    Raises ``InputError`` DUB-E105 when there is no such language, DUB-E101 when there is no such
    file.
    """
    from polydub.model.language import parse_language

    code, equals, path = value.partition("=")
    if not equals or Path(value).is_file():  # a file name may contain "="
        return {"script_from": _require_file(Path(value), "--script-from")}
    language = parse_language(code.strip())
    return {
        "script_from": _require_file(Path(path), "--script-from"),
        "script_target": language,
    }


def _require_file(path: Path, option: str) -> Path:
    """``path``, which must be a file: told now, not after an hour of analysis."""
    if not path.is_file():
        raise InputError(f"There is no file {path}.", hint=f"Check {option}.", code="DUB-E101")
    return path
