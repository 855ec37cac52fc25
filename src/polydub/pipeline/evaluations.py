"""From a request to a written evaluation: finds both films, scores the dub, writes the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote

from polydub.errors import InputError, ProjectError
from polydub.evaluate.evaluation import Evaluation, evaluation_json
from polydub.evaluate.evaluation_html import render_evaluation
from polydub.media.probe import probe
from polydub.model import Script
from polydub.model.language import parse_language
from polydub.model.terms import spoken_text
from polydub.pipeline import graph
from polydub.pipeline.analysis import Analysis, probe_source
from polydub.pipeline.evaluating import Evaluated, Known, evaluate_dub
from polydub.pipeline.evaluating_facts import read_report
from polydub.pipeline.options import DubOptions
from polydub.pipeline.run import Engines, Run
from polydub.pipeline.scripting import make_thumbnails
from polydub.project.cache import digest, disk_error
from polydub.project.folder import Project

FOLDER = "evaluations"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be scored: the original's project, the dubbed video and its language if known.

    ``own``: polydub made this dub in this project, so its intended texts and its report are known.
    ``scripted``: the project's script holds the intended texts, whoever made the video.
    """

    project: Project
    dub: Path
    language: str | None
    own: bool
    scripted: bool


def subject_of_project(project: Project, language: str | None) -> Subject:
    """The dub that a project made. Raises ``InputError`` when it is not clear which one."""
    known = project.state.outputs
    if not known:
        raise ProjectError(
            f"{project.root} holds no dub yet.",
            hint=f"Make one first: polydub render {quote(str(project.root))} --to LANG",
        )
    if language is None and len(known) > 1:
        raise InputError(
            f"There are dubs into {', '.join(sorted(known))}.",
            hint="Say which one with --to.",
            code="DUB-E108",
        )
    chosen = parse_language(language) if language else next(iter(known))
    if chosen not in known:
        raise InputError(
            f"There is no dub into '{chosen}': known are {', '.join(sorted(known))}.",
            code="DUB-E108",
        )
    dub = project.recall(known[chosen])
    if not dub.is_file():
        raise InputError(f"The dub is gone: {dub}.", hint="Render it again.", code="DUB-E101")
    return Subject(project, dub, chosen, own=True, scripted=True)


def subject_of_video(
    dub: Path, reference: Path, language: str | None, root: Path | None
) -> Subject:
    """Another tool's dub beside its original, which is a video or a project folder.

    With a project folder the intended texts are those of its script, as far as it has any in the
    dub's language; with a video they are unknown.
    """
    if not dub.is_file():
        raise InputError(f"There is no file {dub}.", hint="Check the path.", code="DUB-E101")
    scripted = reference.is_dir()
    project = Project.open(reference) if scripted else Project.for_source(reference, root)
    chosen = parse_language(language) if language else None
    if chosen is None and scripted and len(project.state.outputs) == 1:
        chosen = next(iter(project.state.outputs))
    return Subject(project, dub, chosen, own=False, scripted=scripted)


def evaluation_folder(subject: Subject) -> Path:
    """Where an evaluation of that dub is kept: under the project, one folder per video."""
    name = f"{subject.dub.stem}-{digest(str(subject.dub.resolve()))[:6]}"
    return subject.project.root / FOLDER / name


@dataclass(frozen=True, slots=True)
class EvaluationFiles:
    """One evaluation and where it was written."""

    evaluation: Evaluation
    page: Path
    values: Path


def evaluate_subject(
    run: Run,
    subject: Subject,
    *,
    reference: Path | None = None,
    background: Path | None = None,
    output: Path | None = None,
) -> EvaluationFiles:
    """Analyses the original if that was not done, scores the dub and writes the result.

    ``run`` is the original's; ``reference`` is a file with another translation, to compare with;
    ``background`` a sound file with all of the original but its voices; ``output`` a folder for
    ``evaluation.html`` and ``evaluation.json``.
    """
    probe(subject.dub)  # before minutes are spent on the original
    analysis = graph.analyse(run, probe_source(run))
    script = analysis.script
    if subject.language in run.options.translations:
        script = graph.translated(run, analysis, str(subject.language))[1]
    folder = evaluation_folder(subject)
    folder.mkdir(parents=True, exist_ok=True)
    opened = _project_of(subject.dub, folder / "work")
    options = DubOptions(source_language=subject.language, engines=run.options.engines)
    dub_run = Run(opened, options, run.engines, run.on_event, naming="dub-")
    source = probe_source(dub_run)
    opened.save()
    report = None
    if subject.own and subject.language:
        report = read_report(subject.project.folder(subject.language))
    references = _reference_texts(run, analysis, subject, reference) if reference else {}
    known = Known(_texts(script, subject), references, report, background)
    evaluated = evaluate_dub(run, analysis, (dub_run, source), known, subject.language)
    page, values = _write(evaluated, _faces(run, analysis), output or folder)
    return EvaluationFiles(evaluated.evaluation, page, values)


def _reference_texts(
    run: Run, analysis: Analysis, subject: Subject, reference: Path
) -> dict[str, str]:
    """The texts of a translation file, dealt to the lines as ``--translation`` deals them."""
    language = subject.language
    if language is None:
        raise InputError("Which language is the dub in?", hint="Add --to.", code="DUB-E108")
    options = replace(run.options, translations={language: reference})
    beside = Run(run.project, options, Engines(options))
    script = graph.translated(beside, _untranslated(analysis, language), language)[1]
    return {line.id: spoken_text(line, language) for line in script.lines}


def _untranslated(analysis: Analysis, language: str) -> Analysis:
    """Without translations into ``language``, so that none is kept instead of the reference's."""
    lines = tuple(
        replace(x, translations={k: v for k, v in x.translations.items() if k != language})
        for x in analysis.script.lines
    )
    return replace(analysis, script=analysis.script.with_lines(lines))


def _project_of(dub: Path, root: Path) -> Project:
    """The dubbed video as a film of its own; another video under the same name starts anew."""
    try:
        return Project.for_source(dub, root)
    except ProjectError:
        project = Project.open(root)
        project.state = replace(project.state, source=project.remember(dub), digest="")
        return project


def _texts(script: Script, subject: Subject) -> dict[str, str]:
    language = subject.language
    if language is None:
        return {}
    texts = {line.id: spoken_text(line, language) for line in script.lines}
    given = any(
        language in line.translations and line.translations[language].status == "given"
        for line in script.lines
    )
    return texts if subject.scripted or given else {}


def _faces(run: Run, analysis: Analysis) -> dict[str, bytes]:
    """A small picture of every speaker who is seen."""
    picture = analysis.picture
    made = make_thumbnails(
        run, analysis.source, analysis.script.people, picture.tracks(), picture.key
    )
    people = {speaker.id: speaker.person for speaker in analysis.script.cast}
    return {name: made[person] for name, person in people.items() if person in made}


def _write(evaluated: Evaluated, faces: Mapping[str, bytes], folder: Path) -> tuple[Path, Path]:
    page, values = folder / "evaluation.html", folder / "evaluation.json"
    text = render_evaluation(
        evaluated.evaluation, clips=evaluated.clips, strips=evaluated.strips, faces=faces
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        values.write_text(evaluation_json(evaluated.evaluation), encoding="utf-8")
        page.write_text(text, encoding="utf-8")
    except OSError as error:
        raise disk_error(error, folder) from error
    return page, values
