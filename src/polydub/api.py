"""The public Python API: ``dub``, ``analyze``, ``pin``, ``render``, ``lips``, ``export``, …"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import filelock
from threadpoolctl import threadpool_limits

from polydub.errors import InputError, Interrupted, PolydubError, ProjectError
from polydub.model.language import parse_language
from polydub.pipeline.events import EventSink
from polydub.pipeline.memory import Stopwatch
from polydub.pipeline.options import (
    DubOptions,
    changed_options,
    store_options,
    stored_options,
)
from polydub.pipeline.outputs import output_paths
from polydub.pipeline.pin_requests import PinRequest, PinResult
from polydub.pipeline.plan import PlannedStep, planned_steps
from polydub.pipeline.run import Engines, Run
from polydub.project.cache import disk_error
from polydub.project.folder import Project, require_writable

if TYPE_CHECKING:
    from polydub.evaluate.evaluation import Evaluation
    from polydub.model import Script
    from polydub.pipeline.dataset import DatasetRequest, FilmSheet
    from polydub.pipeline.evaluations import Subject
    from polydub.pipeline.other_sound import MovedLine

__all__ = [
    "DubOptions",
    "DubResult",
    "EvaluationResult",
    "LipsResult",
    "Output",
    "PinRequest",
    "PinResult",
    "PlannedStep",
    "Project",
    "analyze",
    "demo",
    "dub",
    "evaluate_dub",
    "export",
    "lips",
    "pin",
    "plan",
    "plan_render",
    "render",
]

DEMO_LANGUAGE = "es"


@dataclass(frozen=True, slots=True)
class Output:
    """What one target language produced: every file, and what the report says in short.

    ``subtitles`` are .srt and .vtt files of both languages; ``report_json`` is ``report`` for
    programs; ``warnings`` counts what the report points at; ``gate`` names the lines that the gate
    of :class:`DubOptions` did not let pass, and why.
    """

    language: str
    video: Path
    subtitles: tuple[Path, ...]
    report: Path
    report_json: Path
    lines: int
    warnings: int
    seconds: float
    gate: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DubResult:
    """Where everything is: the project folder and one output per language."""

    project: Path
    outputs: tuple[Output, ...]


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """What was measured (``evaluation``), and the files that hold it."""

    evaluation: Evaluation
    page: Path
    values: Path


@dataclass(frozen=True, slots=True)
class LipsResult:
    """A film whose mouths follow another sound; ``notes`` are sentences about what to look at."""

    project: Path
    video: Path
    language: str
    lines: tuple[MovedLine, ...]
    notes: tuple[str, ...]


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
    project: str | Path | None = None,
    turns: str | Path | None = None,
    script_from: str | Path | None = None,
    on_event: EventSink | None = None,
) -> Project:
    """Make the script of ``video`` (cast, lines, translations when targets are given) and stop.

    ``turns`` and ``script_from`` are those of :class:`DubOptions`. Returns the project; edit its
    ``script.json``, then call :func:`render`.
    """
    files = {"turns": turns, "script_from": script_from}
    told: dict[str, Any] = {name: Path(path) for name, path in files.items() if path is not None}
    options = replace(options or DubOptions(), **told).normalised()
    if options.targets or options.translations:
        options.require_targets(options.translations)
    opened = Project.for_source(Path(video), Path(project) if project else None)
    with _run(opened, options, on_event) as run:
        _analyse(run, options.targets)
    return opened


def _analyse(run: Run, targets: tuple[str, ...] = ()) -> Script:
    """Make the script and its translations into ``targets``; returns it."""
    from polydub.pipeline import checks, graph
    from polydub.pipeline.analysis import probe_source
    from polydub.pipeline.given import read_given

    checks.check_other_language(run, run.options.targets)
    source = probe_source(run)
    checks.check_means(run, read_given(run.options, source).to_translate(targets))
    _remember(run, {})
    analysis = graph.analyse(run, source)
    for language in targets:
        analysis = graph.translate_only(run, analysis, language)
    return analysis.script


def pin(
    target: str | Path | Project,
    request: PinRequest | None = None,
    *,
    run: bool = True,
    on_event: EventSink | None = None,
) -> PinResult:
    """Say who speaks, so that it holds through every new analysis; kept in ``pins.json``.

    ``target`` is a project, its folder or its video, analysed before. With ``run`` the film is
    attributed again at once: all else is reused. Without a request the pins in force are returned.
    Raises ``InputError`` DUB-E108 for an id that the script does not have.
    """
    from polydub.pipeline import pinning, settling
    from polydub.project.script_file import read_script

    opened = _opened(target)
    before = read_script(opened.script_path)
    if not request:
        return PinResult(opened, pinning.read_pins(opened), (), before)
    options = stored_options(opened)
    if request.speakers:  # told by the pins from now on
        options = replace(options, speakers=None)
    with _run(opened, options, on_event) as work:
        if run and settling.machine_script(opened) is None and settling.is_edited(opened):
            _analyse(work)  # makes what tells a person's changes from the machine's work
            before = read_script(opened.script_path)
        effects = settling.apply_request(work, before, request)
        script = _analyse(work) if run else None
        warnings = tuple(x.reason for x in work.decisions if settling.concerns_pins(x))
    pins = pinning.read_pins(opened)
    return PinResult(opened, pins, effects, before, script, warnings)


def build_dataset(
    films: Iterable[str | Path],
    request: DatasetRequest,
    options: DubOptions | None = None,
    *,
    on_event: EventSink | None = None,
) -> list[FilmSheet]:
    """Write training data in Fun-CineForge's format from ``films``; what is there already stays.

    Every film is analysed in its project beside it. Returns what the datasheet says of all films of
    the dataset. Raises :class:`polydub.errors.PolydubError`.
    """
    from polydub.pipeline import checks
    from polydub.pipeline.analysis import probe_source
    from polydub.pipeline.dataset import add_film, finish, require

    require_writable(request.out, hint="Give another folder with --out.")
    require(request)
    for film in films:
        opened = Project.for_source(Path(film), None)
        chosen = (options or stored_options(opened)).normalised()
        with _run(opened, chosen, on_event) as run:
            source = probe_source(run)
            checks.check_means(run, ())
            _remember(run, {})
            add_film(run, source, request)
    return finish(request)


def export(
    target: str | Path | Project,
    format: str,
    *,
    language: str | None = None,
    output: str | Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a project's script in another format: who speaks when, and what.

    ``format`` is ``"rttm"``, ``"srt"`` (with the speakers' names), ``"csv"`` or ``"funcineforge"``;
    ``language`` that of the translation to write. Returns the file, by default beside the video.
    Raises ``ProjectError`` DUB-E301 when it exists, unless ``overwrite``.
    """
    from polydub.pipeline.exporting import export_script

    return export_script(
        _opened(target), format, language=language, output=output, overwrite=overwrite
    )


def _opened(target: str | Path | Project) -> Project:
    """The analysed project of a folder or video. Raises ``ProjectError`` when there is none."""
    if isinstance(target, Project):
        opened = target
    else:
        path = Path(target)
        opened = Project.find(path) if path.is_file() else Project.open(path)
    if not opened.script_path.exists():
        raise ProjectError(
            f"{opened.source} was not analysed yet: there is no {opened.script_path}.",
            hint=f"Do it first: polydub analyze {quote(str(opened.source))}",
        )
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


def lips(
    video: str | Path,
    audio: str | Path,
    options: DubOptions | None = None,
    *,
    language: str | None = None,
    output: str | Path | None = None,
    project: str | Path | None = None,
    overwrite: bool = False,
    on_event: EventSink | None = None,
) -> LipsResult:
    """Give ``video`` the sound of ``audio`` (a sound file or a video), and mouths that say it.

    For a dub that was made elsewhere. The sound must keep the film's time: each line is said about
    when the original was. ``language`` is that of the new sound, found out when not given;
    ``options`` say how the film is analysed (``script_from`` brings own lines and speakers).
    ``output`` is by default ``<video>.lips.mp4`` beside the video. Raises ``PolydubError``.
    """
    from polydub.pipeline import checks, graph
    from polydub.pipeline.analysis import probe_source
    from polydub.pipeline.other_sound import follow_sound, read_sound

    options = replace(options or DubOptions(), targets=()).normalised()
    spoken = parse_language(language) if language else None
    opened = Project.for_source(Path(video), Path(project) if project else None)
    with _run(opened, options, on_event) as run:
        out = Path(output) if output else opened.source.with_suffix(".lips.mp4")
        checks.check_lips(run, out, overwrite=overwrite)
        other = read_sound(Path(audio))
        source = probe_source(run)
        analysis = graph.analyse(run, source)
        made = follow_sound(run, analysis, other, out, language=spoken)
    notes = tuple(f"{d.unit}: {d.reason}" for d in made.decisions if d.kind != "draft")
    return LipsResult(opened.root, made.video, made.language, made.lines, notes)


def evaluate_dub(
    target: str | Path | Project,
    *,
    reference: str | Path | None = None,
    language: str | None = None,
    translation: str | Path | None = None,
    reference_translation: str | Path | None = None,
    background: str | Path | None = None,
    output: str | Path | None = None,
    project: str | Path | None = None,
    on_event: EventSink | None = None,
) -> EvaluationResult:
    """Score a dub, polydub's or another tool's: who, what, when, voice, lips, picture, mix.

    ``target`` is a project (or its folder) with a finished dub into ``language``; or a dubbed
    video, and then ``reference`` is its original: a video, or a project folder whose script holds
    the intended texts. ``translation`` is a file with them instead, ``reference_translation`` one
    with another translation to compare what is heard with (chrF, BLEU), ``background`` a sound
    file with the original's music and noise alone, where these are known. A video without
    ``reference`` stands for its project. ``output`` is the folder of the page, by default one in
    the project; ``project`` the working folder of the original. Nothing is judged twice: what was
    measured before is reused. Raises :class:`polydub.errors.PolydubError`.
    """
    from polydub.pipeline import evaluations as work

    subject = _subject(target, reference, language, project)
    with _discarding(subject.project):
        options = replace(stored_options(subject.project), targets=())
        if translation is not None:
            if subject.language is None:
                raise InputError(
                    "Which language is the translation in?", hint="Add --to.", code="DUB-E108"
                )
            options = replace(options, translations={subject.language: Path(translation)})
        with _run(subject.project, options, on_event) as run:
            files = work.evaluate_subject(
                run,
                subject,
                reference=Path(reference_translation) if reference_translation else None,
                background=Path(background) if background else None,
                output=Path(output) if output is not None else None,
            )
    return EvaluationResult(files.evaluation, files.page, files.values)


def _subject(
    target: str | Path | Project,
    reference: str | Path | None,
    language: str | None,
    project: str | Path | None,
) -> Subject:
    from polydub.pipeline import evaluations as work

    if isinstance(target, Project) or Path(target).is_dir():
        if reference is not None:
            raise InputError(
                "A project knows its original: --reference is for a dubbed video.", code="DUB-E108"
            )
        return work.subject_of_project(_opened(target), language)
    if reference is not None:
        root = Path(project) if project is not None else None
        return work.subject_of_video(Path(target), Path(reference), language, root)
    found = Project.find(Path(target), Path(project) if project else None)
    if not found.state.outputs:
        raise InputError(
            f"What is {target} a dub of?",
            hint="Name the original: polydub evaluate DUB --reference ORIGINAL",
            code="DUB-E108",
        )
    return work.subject_of_project(found, language)


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
    from polydub.pipeline.given import read_given

    outputs = []
    with _run(project, options, on_event) as run:
        checks.check_request(run, targets, overwrite=overwrite)
        source = probe_source(run)  # a bad film is told before a missing translator
        checks.check_means(run, read_given(run.options, source).to_translate(targets))
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
        gate=tuple(f"{x.unit}: {x.reason}" for x in report.decisions if x.stage == "gate"),
    )


@contextmanager
def _run(project: Project, options: DubOptions, on_event: EventSink | None) -> Iterator[Run]:
    """One run at a time per project.

    BLAS gets one thread: our matrices are small (a warp solves 165 unknowns), and a second thread
    that waits for a busy core made each of them twelve times slower (15 ms against 1.2 ms).
    """
    try:
        with _discarding(project), project.lock(), threadpool_limits(1, user_api="blas"):
            project.refresh_digest()
            project.cache.sweep()
            project.save()
            run = Run(project, options, Engines(options), on_event)
            try:
                yield run
            finally:
                run.engines.close()
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
