"""The public Python API: ``dub``, ``analyze``, ``render``, ``plan``, ``plan_render``, ``demo``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import filelock

from polydub.errors import InputError, Interrupted, PolydubError, ProjectError
from polydub.pipeline.events import EventSink
from polydub.pipeline.memory import Stopwatch
from polydub.pipeline.options import DubOptions, changed_options, store_options
from polydub.pipeline.outputs import output_paths
from polydub.pipeline.plan import PlannedStep, planned_steps
from polydub.pipeline.run import Engines, Run
from polydub.project.cache import disk_error
from polydub.project.folder import Project, require_writable

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
    "plan_render",
    "render",
]

DEMO_LANGUAGE = "es"


@dataclass(frozen=True, slots=True)
class Output:
    """What one target language produced: every file, and what the report says in short.

    ``subtitles`` are .srt and .vtt files of both languages; ``report_json`` is ``report`` for
    programs; ``warnings`` counts what the report points at.
    """

    language: str
    video: Path
    subtitles: tuple[Path, ...]
    report: Path
    report_json: Path
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

    ``output`` is a file (one target only) or a folder; a folder that does not exist is made when
    the name ends with a slash. The default is ``<video>.<language>.mp4`` beside the video.
    ``project`` is the working folder, by default ``<video>.polydub``. Running again resumes and
    redoes only what changed. Raises :class:`polydub.errors.PolydubError`.
    """
    options = options.normalised()
    options.require_targets(options.translations)
    opened = Project.for_source(Path(video), Path(project) if project else None)
    with _discarding(opened):
        outputs = output_paths(opened, options, output)
        return _produce_all(opened, options, outputs, overwrite=overwrite, on_event=on_event)


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
    from polydub.pipeline import checks, graph
    from polydub.pipeline.analysis import probe_source

    options = (options or DubOptions()).normalised()
    if options.targets or options.translations:
        options.require_targets(options.translations)
    opened = Project.for_source(Path(video), project)
    with _run(opened, options, on_event) as run:
        checks.check_other_language(run, options.targets)
        source = probe_source(run)
        checks.check_means(run, options.targets)
        _remember(run, {})
        analysis = graph.analyse(run, source)
        for language in options.targets:
            analysis = graph.translate_only(run, analysis, language)
    return opened


def render(
    project: str | Path,
    changes: Mapping[str, Any] | None = None,
    *,
    output: str | Path | None = None,
    overwrite: bool = False,
    on_event: EventSink | None = None,
) -> DubResult:
    """Make the dub from a project's script; only what changed since the last time is made again.

    ``changes`` are fields of :class:`DubOptions` by name, used instead of what the project was made
    with; ``engines`` and ``translations`` are added to the known ones. Without ``output`` every
    language goes where it went the last time.
    """
    opened, options, outputs = _to_render(project, changes or {}, output)
    return _produce_all(opened, options, outputs, overwrite=overwrite, on_event=on_event)


def plan(
    video: str | Path,
    options: DubOptions,
    *,
    output: str | Path | None = None,
    project: str | Path | None = None,
    overwrite: bool = False,
) -> tuple[PlannedStep, ...]:
    """What :func:`dub` would run, with which engines, and about how long; nothing is written.

    Raises what :func:`dub` would raise before its first work.
    """
    options = options.normalised()
    options.require_targets(options.translations)
    found = Project.find(Path(video), Path(project) if project else None)
    return _planned(found, options, output_paths(found, options, output), overwrite=overwrite)


def plan_render(
    project: str | Path,
    changes: Mapping[str, Any] | None = None,
    *,
    output: str | Path | None = None,
    overwrite: bool = False,
) -> tuple[PlannedStep, ...]:
    """As :func:`plan`, for :func:`render`."""
    opened, options, outputs = _to_render(project, changes or {}, output)
    return _planned(opened, options, outputs, overwrite=overwrite)


def demo(
    folder: Path | None = None,
    *,
    on_event: EventSink | None = None,
    overwrite: bool = False,
) -> DubResult:
    """Dub the example conversation into Spanish, with the translation that comes with it."""
    target = folder or Path("polydub-demo")
    require_writable(target, hint="Give another folder: polydub demo FOLDER")
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


def _to_render(
    project: str | Path, changes: Mapping[str, Any], output: str | Path | None
) -> tuple[Project, DubOptions, dict[str, Path]]:
    opened = Project.open(Path(project))
    options = changed_options(opened, changes)
    options.require_targets(changes.get("translations", ()))
    opened.refresh_digest()
    return opened, options, output_paths(opened, options, output, as_before=True)


def _planned(
    project: Project, options: DubOptions, outputs: Mapping[str, Path], *, overwrite: bool
) -> tuple[PlannedStep, ...]:
    run = Run(project, options, Engines(options))
    return planned_steps(run, outputs, overwrite=overwrite)


def _produce_all(
    project: Project,
    options: DubOptions,
    targets: Mapping[str, Path],
    *,
    overwrite: bool,
    on_event: EventSink | None,
) -> DubResult:
    from polydub.pipeline import checks, graph
    from polydub.pipeline.analysis import probe_source

    outputs = []
    with _run(project, options, on_event) as run:
        checks.check_request(run, targets, overwrite=overwrite)
        source = probe_source(run)  # a bad film is told before a missing translator
        checks.check_means(run, targets)
        _remember(run, targets)
        watch = Stopwatch()
        analysis = graph.analyse(run, source)
        for language, path in targets.items():
            finished = graph.produce(run, analysis, language, path, overwrite=overwrite)
            analysis = replace(analysis, script=finished.script)
            outputs.append(_summary(finished, language, watch.seconds))
            watch = Stopwatch()
    return DubResult(project.root, tuple(outputs))


def _remember(run: Run, targets: Mapping[str, Path]) -> None:
    """All checks are passed: the project keeps what it was asked for, and output folders appear."""
    project = run.project
    for path in targets.values():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(error, path.parent) from error
    store_options(project, run.options)
    project.state.outputs |= {tag: project.remember(path) for tag, path in targets.items()}
    project.save()


def _summary(finished: Any, language: str, seconds: float) -> Output:
    report = finished.report
    warnings = sum(1 for decision in report.decisions if decision.kind != "draft")
    return Output(
        language=language,
        video=finished.video,
        subtitles=finished.subtitles,
        report=finished.report_page,
        report_json=finished.report_page.with_suffix(".json"),
        lines=sum(1 for line in report.lines if line.placement is not None),
        warnings=warnings,
        seconds=seconds,
    )


@contextmanager
def _run(project: Project, options: DubOptions, on_event: EventSink | None) -> Iterator[Run]:
    """One run at a time per project."""
    try:
        with _discarding(project), project.lock():
            project.refresh_digest()
            project.cache.sweep()
            project.save()
            yield Run(project, options, Engines(options), on_event)
    except filelock.Timeout as error:
        raise ProjectError(
            f"Another polydub run is working on {project.root}.",
            hint="Wait for it to end, or give another folder with --project.",
        ) from error
    except KeyboardInterrupt as error:
        raise Interrupted("Stopped.", hint="Run the same command again to resume.") from error


@contextmanager
def _discarding(project: Project) -> Iterator[None]:
    """An error before the first work leaves no new project behind."""
    try:
        yield
    except PolydubError:
        project.discard_if_empty()
        raise
