"""What a corpus tells beforehand, as the files that polydub takes it from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from polydub import api
from polydub.bench.cases import Case
from polydub.model import Script, Span
from polydub.pipeline.events import EventSink
from polydub.project.converters import GivenLine, dubbing_csv
from polydub.project.script_file import read_script, write_text


def told_file(
    case: Case,
    folder: Path,
    project: Path,
    engines: Mapping[str, str],
    on_event: EventSink | None,
) -> Path | None:
    """The lines of ``case`` as a dubbing table in ``folder``; ``None`` when it tells none.

    A line without times gets those of what is heard in the film: ``project`` is analysed for it,
    and keeps what it found for the dub. Spoken anew in its own language, a line is its own
    translation.
    """
    if not case.told:
        return None
    path = folder / "told.csv"
    if path.is_file():  # of an earlier run of the same code: the project knows it already
        return path
    heard = None
    if any(line.span is None for line in case.told):
        options = api.DubOptions(source_language=case.truth.language, engines=dict(engines))
        heard = _heard(api.analyze(case.truth.film, options, project=project, on_event=on_event))
    lines = [
        GivenLine(line.speaker, span, line.text, line.text if case.redub else "")
        for line in case.told
        if (span := line.span or heard) is not None
    ]
    if not lines:
        return None
    write_text(path, dubbing_csv(lines))
    return path


def references_file(case: Case, folder: Path, script: Script) -> Path | None:
    """The reference translations of ``case`` as a table over all of ``script``; ``None`` without.

    With one line the whole film is compared with it, however many lines polydub made of it.
    """
    known = [line for line in case.told if line.reference]
    if not known or not script.lines:
        return None
    path = folder / "references.csv"
    everything = _extent(script)
    rows = [
        GivenLine(line.speaker, line.span or everything, line.text, line.reference)
        for line in known
    ]
    write_text(path, dubbing_csv(rows))
    return path


def _heard(project: api.Project) -> Span | None:
    """From the first to the last sound of what was found to be said."""
    script = read_script(project.script_path)
    return _extent(script) if script.lines else None


def _extent(script: Script) -> Span:
    lines = script.lines
    return Span(min(x.span.start for x in lines), max(x.span.end for x in lines))
