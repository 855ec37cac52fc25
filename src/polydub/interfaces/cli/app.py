"""The commands. Each one reads its options, calls the public API and shows what came back."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from polydub.errors import EngineError, InputError, Interrupted
from polydub.interfaces.cli import evaluation_commands as e
from polydub.interfaces.cli import lips_options as m
from polydub.interfaces.cli import options as o
from polydub.interfaces.cli import pin_options as p
from polydub.interfaces.cli import tables, texts
from polydub.interfaces.cli.bench_commands import bench_app
from polydub.interfaces.cli.dataset import dataset_app
from polydub.interfaces.cli.progress import progress
from polydub.interfaces.cli.train import train_app


class EdgeGroup(TyperGroup):
    """Turns Ctrl-C into our own error, before the library makes something else of it."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Interrupted("Stopped.", hint="Run the same command again to resume.") from error


app = typer.Typer(
    name="polydub",
    cls=EdgeGroup,
    help=texts.APP,
    epilog=texts.EPILOG,
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
engines_app = typer.Typer(invoke_without_command=True, rich_markup_mode="markdown")
app.add_typer(engines_app, name="engines", help=texts.ENGINES)
app.add_typer(train_app, name="train", help=texts.TRAIN)
app.add_typer(dataset_app, name="dataset", help=texts.DATASET)
app.add_typer(bench_app, name="bench", help=texts.BENCH)


@app.command(help=texts.DUB, epilog=texts.EPILOG)
def dub(
    video: o.Video,
    to: o.To,
    source: o.From = None,
    translation: o.TranslationFiles = None,
    output: o.OutputPath = None,
    project: o.ProjectFolder = None,
    subtitles: o.Subtitles = True,
    overwrite: o.Overwrite = False,
    engine: o.Engines = None,
    llm_model: o.LlmModel = None,
    glossary: o.GlossaryFile = None,
    formality: o.FormalityChoice = None,
    profanity: o.ProfanityChoice = None,
    context: o.FilmContext = None,
    lips: o.Lips = True,
    speakers: o.Speakers = None,
    turns: o.Turns = None,
    script_from: o.ScriptFrom = None,
    max_speed: o.MaxSpeed = 1.2,
    takes: o.Takes = 1,
    cast: o.Cast = None,
    gate: e.LineGate = None,
    dry_run: o.DryRun = False,
    json_lines: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = 0,
) -> None:
    """Dub a video."""
    from polydub import api

    _log(verbose)
    wanted = o.build_options(
        to,
        engines=engine,
        translations=translation,
        source_language=source,
        llm_model=llm_model,
        lips=lips,
        speakers=speakers,
        turns=turns,
        script_from=script_from,
        subtitles=subtitles,
        max_speed=max_speed,
        takes=takes,
        cast=cast,
        gate=gate or "",
        **o.wording(glossary, formality, profanity, context),
    )
    if dry_run:
        steps = api.plan(video, wanted, output=output, project=project, overwrite=overwrite)
        _show_plan(steps, json_lines)
        return
    with progress(json_lines=json_lines, quiet=quiet) as sink:
        result = api.dub(
            video, wanted, output=output, project=project, overwrite=overwrite, on_event=sink
        )
    _show_result(result, json_lines, quiet)


@app.command(help=texts.ANALYZE, epilog=texts.EPILOG)
def analyze(
    video: o.Video,
    to: o.MaybeTo = None,
    source: o.From = None,
    translation: o.TranslationFiles = None,
    project: o.ProjectFolder = None,
    engine: o.Engines = None,
    llm_model: o.LlmModel = None,
    glossary: o.GlossaryFile = None,
    formality: o.FormalityChoice = None,
    profanity: o.ProfanityChoice = None,
    context: o.FilmContext = None,
    speakers: o.Speakers = None,
    turns: o.Turns = None,
    script_from: o.ScriptFrom = None,
    json_lines: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = 0,
) -> None:
    """Analyze a video and write the script."""
    from polydub import api

    _log(verbose)
    wanted = o.build_options(
        to,
        engines=engine,
        translations=translation,
        source_language=source,
        llm_model=llm_model,
        speakers=speakers,
        turns=turns,
        script_from=script_from,
        **o.wording(glossary, formality, profanity, context),
    )
    with progress(json_lines=json_lines, quiet=quiet) as sink:
        made = api.analyze(video, wanted, project=project, on_event=sink)
    if json_lines:
        print(tables.project_json(made))
    elif not quiet:
        tables.show_project(Console(highlight=False), made)


@app.command(help=texts.PIN, epilog=texts.EPILOG)
def pin(
    target: p.ProjectOrVideo,
    same: p.Same = None,
    line: p.LineSpeakers = None,
    split: p.Split = None,
    face: p.SpeakerFaces = None,
    speakers: o.Speakers = None,
    from_edits: p.FromEdits = False,
    clear: p.Clear = False,
    list_pins: p.ListPins = False,
    run: p.RunNow = True,
    json_lines: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = 0,
) -> None:
    """Say who speaks, and keep it."""
    from polydub import api
    from polydub.interfaces.cli import pin_tables

    _log(verbose)
    request = p.build_request(
        same, line, split, face, speakers=speakers, from_edits=from_edits, clear=clear
    )
    if not request and not list_pins:
        raise InputError(
            "Nothing to pin was given.",
            hint="For example --same S1=S3, --line L004=S2 or --list; see polydub pin --help",
            code="DUB-E108",
        )
    with progress(json_lines=json_lines, quiet=quiet or not (run and request)) as sink:
        result = api.pin(target, request, run=run, on_event=sink)
    if json_lines:
        print(pin_tables.pins_json(result))
    elif not quiet or list_pins:
        pin_tables.show_pins(Console(highlight=False), result, listed=list_pins)


@app.command(help=texts.EXPORT, epilog=texts.EPILOG)
def export(
    target: p.ProjectOrVideo,
    format: p.ExportFormat,
    language: p.ExportLanguage = None,
    output: p.ExportPath = None,
    overwrite: o.Overwrite = False,
    json_lines: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Write the script in another format."""
    from polydub import api

    path = api.export(target, format, language=language, output=output, overwrite=overwrite)
    if json_lines:
        print(json.dumps({"result": {"file": str(path)}}, ensure_ascii=False))
    elif not quiet:
        print(tables.near(path))


@app.command(help=texts.RENDER, epilog=texts.EPILOG)
def render(
    project: o.ProjectArgument,
    to: o.MaybeTo = None,
    translation: o.TranslationFiles = None,
    output: o.RenderOutputPath = None,
    subtitles: o.MaybeSubtitles = None,
    overwrite: o.Overwrite = False,
    engine: o.Engines = None,
    llm_model: o.LlmModel = None,
    glossary: o.GlossaryFile = None,
    formality: o.FormalityChoice = None,
    profanity: o.ProfanityChoice = None,
    context: o.FilmContext = None,
    lips: o.MaybeLips = None,
    max_speed: o.MaybeMaxSpeed = None,
    takes: o.MaybeTakes = None,
    cast: o.Cast = None,
    gate: e.LineGate = None,
    dry_run: o.DryRun = False,
    json_lines: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = 0,
) -> None:
    """Make the dub from a project."""
    from polydub import api

    _log(verbose)
    changes = o.given(
        llm_model=llm_model,
        lips=lips,
        subtitles=subtitles,
        max_speed=max_speed,
        takes=takes,
        cast=cast,
        gate=gate,
    )
    changes |= o.wording(glossary, formality, profanity, context)
    wanted = o.build_options(to, engines=engine, translations=translation)
    for name in ("targets", "engines", "translations"):
        if getattr(wanted, name):
            changes[name] = getattr(wanted, name)
    if dry_run:
        steps = api.plan_render(project, changes, output=output, overwrite=overwrite)
        _show_plan(steps, json_lines)
        return
    with progress(json_lines=json_lines, quiet=quiet) as sink:
        result = api.render(project, changes, output=output, overwrite=overwrite, on_event=sink)
    _show_result(result, json_lines, quiet)


@app.command(help=texts.LIPS, epilog=texts.EPILOG)
def lips(
    video: o.Video,
    audio: m.NewSound,
    language: m.SoundLanguage = None,
    source: o.From = None,
    script: m.LipsScript = None,
    output: m.LipsOutput = None,
    project: o.ProjectFolder = None,
    overwrite: o.Overwrite = False,
    engine: o.Engines = None,
    speakers: o.Speakers = None,
    json_lines: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = 0,
) -> None:
    """Move the lips to a given sound."""
    from polydub import api

    _log(verbose)
    wanted = o.build_options(
        None, engines=engine, source_language=source, speakers=speakers, script_from=script
    )
    with progress(json_lines=json_lines, quiet=quiet) as sink:
        result = api.lips(
            video,
            audio,
            wanted,
            language=language,
            output=output,
            project=project,
            overwrite=overwrite,
            on_event=sink,
        )
    if json_lines:
        print(m.lips_json(result))
    elif not quiet:
        m.show_lips(Console(highlight=False), result)


@app.command(help=texts.EVALUATE, epilog=texts.EPILOG)
def evaluate(
    dub: e.Dub,
    reference: e.Reference = None,
    to: e.Language = None,
    translation: e.Intended = None,
    reference_translation: e.ReferenceTranslation = None,
    gate: e.Gate = None,
    output: e.OutputFolder = None,
    project: o.ProjectFolder = None,
    json_lines: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = 0,
) -> None:
    """Score a dub."""
    from polydub import api
    from polydub.evaluate.gate import parse_gate

    _log(verbose)
    conditions = parse_gate(gate) if gate else ()
    with progress(json_lines=json_lines, quiet=quiet) as sink:
        result = api.evaluate_dub(
            dub,
            reference=reference,
            language=to,
            translation=translation,
            reference_translation=reference_translation,
            output=output,
            project=project,
            on_event=sink,
        )
    e.finish(result, conditions, json_lines=json_lines, quiet=quiet)


@app.command(help=texts.DEMO, epilog=texts.EPILOG)
def demo(
    folder: o.DemoFolder = None,
    overwrite: o.Overwrite = False,
    json_lines: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = 0,
) -> None:
    """Dub a made-up conversation."""
    from polydub import api

    _log(verbose)
    with progress(json_lines=json_lines, quiet=quiet) as sink:
        result = api.demo(folder, on_event=sink, overwrite=overwrite)
    _show_result(result, json_lines, quiet)


@engines_app.callback()
def engines(ctx: typer.Context, json_table: o.JsonTable = False) -> None:
    """List the engines."""
    if ctx.invoked_subcommand is not None:
        return
    from polydub.engines import registry, weights

    origins = {status.weight.name: status.origin for status in weights.status()}
    rows = tables.engine_rows(registry.all_engines(), origins)
    if json_table:
        print(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        tables.show_engines(Console(highlight=False), rows)


@engines_app.command(help=texts.PULL)
def pull(name: o.EngineName) -> None:
    """Download weights."""
    from polydub.engines import weights

    console = Console(highlight=False)
    for weight in _weights_of(name):
        known = weights.WEIGHTS[weight]
        console.print(f"{weight} from {known.upstream}: [bold]{known.licence}[/] {known.note}")
        with console.status(f"downloading {weight}"):
            file = weights.pull(weight)
        console.print(f"[green]✓[/] {weight}: {file.path} ({known.licence})")


def _weights_of(name: str) -> tuple[str, ...]:
    """Names of the weights of an engine (``kind.name`` or ``name``) or of the one weight."""
    from polydub.engines import registry, weights

    if name in weights.WEIGHTS:
        return (name,)
    found: list[str] = []
    known = False
    for info in registry.all_engines():
        if name in (info.name, f"{info.kind}.{info.name}"):
            known = True
            found.extend(info.capabilities.weights if info.capabilities else ())
    if not found:
        reason = "needs no weights" if known else "is no engine and no weight"
        raise EngineError(f"'{name}' {reason}.", hint="See `polydub engines`.", code="DUB-E201")
    return tuple(dict.fromkeys(found))


@app.command(help=texts.DOCTOR)
def doctor(json_table: o.JsonTable = False) -> None:
    """Check this machine."""
    from polydub.interfaces.cli import doctor as checkup

    checks = checkup.examine()
    if json_table:
        print(json.dumps(checkup.as_values(checks), ensure_ascii=False, indent=2))
    else:
        checkup.show(Console(highlight=False), checks)
    raise typer.Exit(0 if checkup.healthy(checks) else 1)


@app.command(help=texts.VERSION)
def version() -> None:
    """Show the version."""
    from importlib.metadata import version as installed

    print(f"polydub {installed('polydub')}")


@app.callback()
def root(show_version: o.Version = False) -> None:
    """Handle what stands before any command."""
    if show_version:
        version()
        raise typer.Exit


def _show_result(result: Any, json_lines: bool, quiet: bool) -> None:
    if json_lines:
        print(tables.result_json(result))
    elif not quiet:
        tables.show_result(Console(highlight=False), result)
    e.leave_by_gate(result)


def _show_plan(steps: Any, json_lines: bool) -> None:
    if json_lines:
        print(tables.plan_json(steps))
    else:
        tables.show_plan(Console(highlight=False), steps)


def _log(verbose: int) -> None:
    """Send log messages to stderr: warnings, with ``-v`` information, with ``-vv`` everything."""
    level = {0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG)
    logging.basicConfig(stream=sys.stderr, format="%(name)s: %(message)s")
    logging.getLogger("polydub").setLevel(level)
