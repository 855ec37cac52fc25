"""The commands. Each one reads its options, calls the public API and shows what came back."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from polydub.errors import EngineError, Interrupted
from polydub.interfaces.cli import options as o
from polydub.interfaces.cli import tables, texts
from polydub.interfaces.cli.progress import progress


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
    lips: o.Lips = True,
    speakers: o.Speakers = None,
    max_speed: o.MaxSpeed = 1.2,
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
        subtitles=subtitles,
        max_speed=max_speed,
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
    speakers: o.Speakers = None,
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
    )
    with progress(json_lines=json_lines, quiet=quiet) as sink:
        made = api.analyze(video, wanted, project=project, on_event=sink)
    if json_lines:
        print(tables.project_json(made))
    elif not quiet:
        tables.show_project(Console(highlight=False), made)


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
    lips: o.MaybeLips = None,
    max_speed: o.MaybeMaxSpeed = None,
    dry_run: o.DryRun = False,
    json_lines: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = 0,
) -> None:
    """Make the dub from a project."""
    from polydub import api

    _log(verbose)
    changes = o.given(llm_model=llm_model, lips=lips, subtitles=subtitles, max_speed=max_speed)
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
        with console.status(f"downloading {weight}"):
            file = weights.pull(weight)
        console.print(f"[green]✓[/] {weight}: {file.path} ({weights.WEIGHTS[weight].licence})")


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
