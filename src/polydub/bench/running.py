"""Dubs and scores the films of a suite, one after the other; a film that fails does not end it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from polydub import api
from polydub.bench.cases import Case
from polydub.bench.telling import references_file, told_file
from polydub.errors import Interrupted, PolydubError
from polydub.evaluate.evaluation import Evaluation
from polydub.evaluate.truth import FilmTruth
from polydub.evaluate.who import comparable_turns, diarization_errors, jaccard_error_rate
from polydub.model import Script
from polydub.pipeline.events import EventSink
from polydub.project.script_file import read_script

SCHEMA = "polydub.bench/1"


@dataclass(frozen=True)
class BenchOptions:
    """How the films are dubbed: ``lips`` as well (slower), with which ``engines`` and ``gate``."""

    lips: bool = False
    engines: Mapping[str, str] = field(default_factory=dict)
    takes: int = 1
    llm_model: str | None = None


@dataclass
class BenchRun:
    """Everything that one run of a suite found, ready for the history."""

    suite: str
    name: str
    created: str
    films: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    environment: dict[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """The run as plain values."""
        return {
            "schema": SCHEMA,
            "suite": self.suite,
            "name": self.name,
            "created": self.created,
            "environment": self.environment,
            "problems": self.problems,
            "films": self.films,
        }


def run_suite(
    suite: str,
    cases: Sequence[Case],
    work: Path,
    *,
    name: str | None = None,
    options: BenchOptions | None = None,
    on_event: EventSink | None = None,
    note: Callable[[str], None] | None = None,
) -> BenchRun:
    """Dub and evaluate every case in ``work``; what was done before with the same code is kept.

    ``note`` is told of every film begun. A film whose dub fails is a problem of the run.
    """
    options = options or BenchOptions()
    now = datetime.now(timezone.utc)
    code = source_digest()
    run = BenchRun(suite, name or f"{suite}-{now:%Y%m%d-%H%M%S}", now.isoformat(timespec="seconds"))
    for number, case in enumerate(cases, start=1):
        if note:
            note(f"{number}/{len(cases)} {case.name}")
        try:
            evaluated, script = _case(case, work / code, options, on_event)
        except Interrupted:
            raise
        except PolydubError as error:
            run.problems.append(f"{case.name}: {error.code} {error.message}")
            continue
        run.environment = {**evaluated.environment, "code": code}
        run.films.append(_film(case, evaluated, script))
    return run


def _case(
    case: Case, work: Path, options: BenchOptions, on_event: EventSink | None
) -> tuple[Evaluation, Script]:
    folder = work / case.truth.name
    folder.mkdir(parents=True, exist_ok=True)
    video = folder / f"{case.truth.name}.{case.target}.mp4"
    project = folder / f"{case.truth.name}.polydub"
    told = told_file(case, folder, project, options.engines, on_event)
    wanted = api.DubOptions(
        targets=(case.target,),
        source_language=case.truth.language if case.told else None,
        script_from=told,
        script_target=case.target if told is not None and case.redub else None,
        redub=case.redub,
        lips=options.lips,
        engines=dict(options.engines),
        takes=options.takes,
        llm_model=options.llm_model,
        subtitles=False,
    )
    made = api.dub(
        case.truth.film, wanted, output=video, project=project, overwrite=True, on_event=on_event
    )
    result = api.evaluate_dub(
        made.project,
        language=case.target,
        reference_translation=references_file(case, folder, read_script(_script_of(made.project))),
        background=case.truth.background,
        on_event=on_event,
    )
    return result.evaluation, read_script(_script_of(made.project))


def _script_of(project: Path) -> Path:
    return project / "script.json"


def _film(case: Case, evaluated: Evaluation, script: Script) -> dict[str, Any]:
    return {
        "film": case.truth.name,
        "pair": case.name.partition(":")[2],
        "seconds": evaluated.duration_s,
        "values": {**evaluated.film, **truth_values(case.truth, script)},
        "lines": [
            {
                "id": line.id,
                "start": line.start,
                "end": line.end,
                "speaker": line.speaker,
                "values": line.values,
            }
            for line in evaluated.lines
        ],
        "not_measured": [item.metric for item in evaluated.not_measured],
    }


def truth_values(truth: FilmTruth, script: Script) -> dict[str, float]:
    """``der`` and ``jer`` of a script's lines against the true turns; nothing without these."""
    if not truth.turns:
        return {}
    found = comparable_turns(script, pauses=truth.pauses)
    return {
        "der": diarization_errors(truth.turns, found).rate,
        "jer": jaccard_error_rate(truth.turns, found),
    }


def source_digest() -> str:
    """A fingerprint of polydub's own code: figures of another code are made anew."""
    state = hashlib.sha256()
    folder = Path(api.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        state.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return state.hexdigest()[:12]
