"""The public Python API: ``dub``, ``analyze``, ``render``, ``plan``, ``demo``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import filelock

from polydub.errors import InputError, Interrupted, PolydubError, ProjectError
from polydub.pipeline.events import EventSink
from polydub.pipeline.memory import Stopwatch
from polydub.pipeline.options import DubOptions
from polydub.pipeline.plan import PlannedStep, planned_steps
from polydub.pipeline.run import Engines, Run
from polydub.project.folder import Project

__all__ = [
    "DubOptions",
    "DubResult",
    "Output",
    "PlannedStep",
    "Project",
    "analyze",
    "demo",
    "dub",
    "plan",
    "render",
]

DEMO_LANGUAGE = "es"


@dataclass(frozen=True, slots=True)
class Output:
    """What one target language produced; ``warnings`` counts what the report points at."""

    language: str
    video: Path
    subtitles: tuple[Path, ...]
    report: Path
    lines: int
    warnings: int
    seconds: float


@dataclass(frozen=True, slots=True)
class DubResult:
    """Where everything is: the project folder and one output per language."""

    project: Path
    outputs: tuple[Output, ...]


def dub(
    video: str | Path,
    options: DubOptions,
    *,
    output: str | Path | None = None,
    project: str | Path | None = None,
    overwrite: bool = False,
    on_event: EventSink | None = None,
) -> DubResult:
    """Dub ``video`` into every language of ``options.targets``.

    ``output`` is a file (one target only) or an existing folder; the default is
    ``<video>.<language>.mp4`` beside the video. ``project`` is the working folder, by default
    ``<video>.polydub``. Running again resumes and redoes only what changed. Raises
    :class:`polydub.errors.PolydubError`.
    """
    options = options.normalised()
    if not options.targets:
        raise InputError("No target language was given.", hint="Add --to es.", code="DUB-E105")
    opened = Project.for_source(Path(video), Path(project) if project else None)
    output = Path(output) if output else None
    return _produce_all(opened, options, output, overwrite=overwrite, on_event=on_event)


def analyze(
    video: str | Path,
    options: DubOptions | None = None,
    *,
    project: Path | None = None,
    on_event: EventSink | None = None,
) -> Project:
    """Make the script of ``video`` (cast, lines, translations when targets are given) and stop.

    Returns the project; edit its ``script.json``, then call :func:`render`.
    """
    from polydub.pipeline import graph

    options = (options or DubOptions()).normalised()
    opened = Project.for_source(Path(video), project)
    with _run(opened, options, on_event) as run:
        analysis = graph.analyse(run)
        for language in options.targets:
            graph.check_engines(run, ("translate",), language)
            analysis = graph.translate_only(run, analysis, language)
    return opened


def render(
    project: str | Path,
    changes: Mapping[str, Any] | None = None,
    *,
    output: Path | None = None,
    overwrite: bool = False,
    on_event: EventSink | None = None,
) -> DubResult:
    """Make the dub from a project's script; only what changed since the last time is made again.

    ``changes`` are fields of :class:`DubOptions` by name, used instead of what the project was made
    with; ``engines`` and ``translations`` are added to the known ones.
    """
    opened = Project.open(Path(project))
    merged = _merged(_stored_options(opened), changes or {})
    if not merged.targets:
        raise InputError(
            "The project has no target language yet.", hint="Add --to es.", code="DUB-E105"
        )
    return _produce_all(opened, merged, output, overwrite=overwrite, on_event=on_event)


def plan(
    video: str | Path, options: DubOptions, *, project: Path | None = None
) -> tuple[PlannedStep, ...]:
    """What :func:`dub` would run, with which engines, and about how long; nothing is written."""
    return planned_steps(Path(video), options.normalised(), project)


def demo(
    folder: Path | None = None,
    *,
    on_event: EventSink | None = None,
    overwrite: bool = False,
) -> DubResult:
    """Dub the example conversation into Spanish, with the translation that comes with it."""
    target = folder or Path("polydub-demo")
    target.mkdir(parents=True, exist_ok=True)
    names = ("conversation.mp4", f"conversation.{DEMO_LANGUAGE}.srt")
    for name in names:
        if not (target / name).exists():
            _copy_example(name, target / name)
    options = DubOptions(
        targets=(DEMO_LANGUAGE,),
        translations={DEMO_LANGUAGE: target / names[1]},
    )
    video = target / names[0]
    return dub(video, options, overwrite=overwrite, on_event=on_event)


def _copy_example(name: str, to: Path) -> None:
    """From the installed package, or from ``examples/`` of a checkout."""
    packaged = files("polydub").joinpath("examples", name)
    if packaged.is_file():
        with as_file(packaged) as path:
            shutil.copyfile(path, to)
        return
    checkout = Path(__file__).resolve().parents[2] / "examples" / name
    if not checkout.is_file():
        raise InputError(f"The example {name} is not installed.", code="DUB-E101")
    shutil.copyfile(checkout, to)


def _produce_all(
    project: Project,
    options: DubOptions,
    output: Path | None,
    *,
    overwrite: bool,
    on_event: EventSink | None,
) -> DubResult:
    from polydub.pipeline import graph
    from polydub.pipeline.analysis import probe_source

    targets = {tag: _output_path(project, options, output, tag) for tag in options.targets}
    outputs = []
    with _run(project, options, on_event) as run:
        for language, path in targets.items():
            graph.require_free_output(run, path, overwrite=overwrite)
            graph.check_engines(run, ("speak", "convert"), language)
            graph.check_language(run, language)
        probe_source(run)  # a bad film is told before a missing translator
        for language in targets:
            graph.check_engines(run, ("translate",), language)
            if options.engine("translate", language) == "given":
                graph.given_translation(run, language)  # an unreadable file fails now, not later
        watch = Stopwatch()
        analysis = graph.analyse(run)
        for language, path in targets.items():
            finished = graph.produce(run, analysis, language, path, overwrite=overwrite)
            analysis = replace(analysis, script=finished.script)
            outputs.append(_summary(finished, language, watch.seconds))
            watch = Stopwatch()
    return DubResult(project.root, tuple(outputs))


def _summary(finished: Any, language: str, seconds: float) -> Output:
    report = finished.report
    warnings = sum(1 for decision in report.decisions if decision.kind != "draft")
    return Output(
        language=language,
        video=finished.video,
        subtitles=finished.subtitles,
        report=finished.report_page,
        lines=sum(1 for line in report.lines if line.placement is not None),
        warnings=warnings,
        seconds=seconds,
    )


@contextmanager
def _run(project: Project, options: DubOptions, on_event: EventSink | None) -> Iterator[Run]:
    """One run at a time per project; what it was asked for is remembered in the project."""
    try:
        with project.lock():
            project.refresh_digest()
            project.cache.sweep()
            project.state.options = _plain(options)
            project.save()
            yield Run(project, options, Engines(options), on_event)
    except PolydubError:
        project.discard_if_empty()
        raise
    except filelock.Timeout as error:
        raise ProjectError(
            f"Another polydub run is working on {project.root}.",
            hint="Wait for it to end, or give another folder with --project.",
        ) from error
    except KeyboardInterrupt as error:
        raise Interrupted("Stopped.", hint="Run the same command again to resume.") from error


def _output_path(project: Project, options: DubOptions, output: Path | None, language: str) -> Path:
    suffix = f".{options.container or 'mp4'}"
    name = f"{project.source.stem}.{language}{suffix}"
    if output is None:
        return project.source.with_name(name)
    if output.is_dir():
        return output / name
    if len(options.targets) > 1:
        raise InputError(
            "With several languages, -o must be an existing folder.",
            hint="Make the folder first, or dub one language at a time.",
            code="DUB-E108",
        )
    return output if output.suffix else output.with_suffix(suffix)


def _plain(options: DubOptions) -> dict[str, Any]:
    values = asdict(options)
    values["translations"] = {
        tag: str(path.resolve()) for tag, path in options.translations.items()
    }
    return values


def _stored_options(project: Project) -> DubOptions:
    known = {field.name for field in fields(DubOptions)}
    values = {name: value for name, value in project.state.options.items() if name in known}
    values["targets"] = tuple(values.get("targets", ()))
    values["translations"] = {
        tag: Path(path) for tag, path in values.get("translations", {}).items()
    }
    return DubOptions(**values).normalised()


def _merged(known: DubOptions, changes: Mapping[str, Any]) -> DubOptions:
    values = dict(changes)
    for name in ("engines", "translations"):
        if name in values:
            values[name] = {**getattr(known, name), **values[name]}
    return replace(known, **values).normalised()
