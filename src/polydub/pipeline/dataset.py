"""Training data out of films: analysis, clips, faces, turns, clues; one film after the other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from polydub.errors import InputError, ProjectError
from polydub.model import Source, Speaker
from polydub.model.cues import LineCues
from polydub.model.language import is_spaced
from polydub.model.scene import SceneLine
from polydub.pipeline import graph
from polydub.pipeline.analysis import Analysis
from polydub.pipeline.cueing import cues_of_lines
from polydub.pipeline.dataset_clips import ClipWriter, Journal, face_network, speech_tokenizer
from polydub.pipeline.run import Run
from polydub.pipeline.scenes import FACES
from polydub.project.cache import digest
from polydub.stages import clues, dataset
from polydub.stages.clues import write_clue
from polydub.stages.dataset import (
    ClipPlan,
    DatasetOptions,
    DatasetParts,
    FilmSheet,
    clip_row,
    datasheet,
    film_sheet,
    plan_clips,
)

__all__ = [
    "DatasetOptions",
    "DatasetParts",
    "DatasetRequest",
    "FilmSheet",
    "add_film",
    "finish",
    "require",
]

KINDS = ("separate", "recognize", "voiceprint", "segment", "faces", "active-speaker")


@dataclass(frozen=True, slots=True)
class DatasetRequest:
    """Where a dataset goes and what it is to hold.

    ``licences`` are by film name; ``licence`` is that of all others. ``checkpoint`` is a folder of
    Fun-CineForge with ``face_recog_ir101.onnx``; without it faces are kept as pictures only. Its
    ``speech_tokenizer_v3.onnx`` is used when ``parts`` ask for tokens.
    """

    out: Path
    licence: str = "unknown"
    licences: Mapping[str, str] | None = None
    checkpoint: Path | None = None
    parts: DatasetParts = field(default_factory=DatasetParts)
    options: DatasetOptions = field(default_factory=DatasetOptions)


def require(request: DatasetRequest) -> None:
    """Raise ``EngineError`` DUB-E204 when a network that ``request`` needs is absent.

    Said before hours of analysis, not after.
    """
    face_network(request.checkpoint)
    if request.parts.tokens:
        speech_tokenizer(request.checkpoint)


def add_film(run: Run, source: Source, request: DatasetRequest) -> FilmSheet:
    """Write the clips of one film, unless an earlier run has done just that.

    Raises ``InputError`` DUB-E108 when another film of the same name is in the dataset already.
    """
    film = Path(source.path).stem
    analysis = graph.analyse(run, source)
    identities = {kind: run.engines.identity(kind) for kind in KINDS}
    licence = (request.licences or {}).get(film, request.licence)
    key = digest(
        (dataset.VERSION, clues.VERSION, FACES, source.digest, analysis.key, identities),
        (request.options, request.parts, request.checkpoint is not None),
        (licence, analysis.script.lines),
    )
    done = request.out / "films" / f"{film}.json"
    if done.is_file():
        known = json.loads(done.read_text(encoding="utf-8"))
        if known["sheet"]["digest"] != source.digest:
            raise InputError(
                f"The dataset holds another film named '{film}'.",
                hint="Give one of the files another name.",
                code="DUB-E108",
            )
        if known["key"] == key:
            return FilmSheet(**known["sheet"])
    return _built(run, analysis, request, (film, licence, key))


def _built(
    run: Run, analysis: Analysis, request: DatasetRequest, told: tuple[str, str, str]
) -> FilmSheet:
    film, licence, key = told
    script = analysis.script
    plans = plan_clips(film, script.lines, script.duration, request.options)
    cues = cues_of_lines(run, analysis, script)
    cast = {speaker.id: speaker for speaker in script.cast}
    writer = ClipWriter(run, analysis, request.out, request.checkpoint, request.parts)
    journal = Journal(request.out / "films" / f"{film}.part", key)
    rows: list[dict[str, Any]] = []
    kept = [plan for plan in plans if not plan.reason]
    with run.stage("report", total=len(kept)) as progress:
        for plan in kept:
            known = plan.name in journal.faces
            if not known:
                journal.add(plan.name, writer.write(plan))
            clue = _clue(plan, cues, cast, script.language)
            spaced = is_spaced(script.language)
            rows.append(clip_row(plan, cast, clue, spaced=spaced, parts=request.parts))
            progress.step(plan.name, cached=known)
    about = (film, analysis.source.digest, script.language, licence)
    sheet = film_sheet(about, plans, journal.faces, request.parts)
    left = [{"utt": p.name, "reason": p.reason} for p in plans if p.reason]
    engines = {kind: run.engines.identity(kind) for kind in KINDS}
    stored = {
        "key": key,
        "sheet": asdict(sheet),
        "rows": rows,
        "left_out": left,
        "engines": engines,
    }
    _write(request.out / "films" / f"{film}.json", json.dumps(stored, ensure_ascii=False))
    journal.close()
    return sheet


def _clue(
    plan: ClipPlan, cues: Mapping[str, LineCues], cast: Mapping[str, Speaker], language: str
) -> str:
    genders = {name: speaker.gender for name, speaker in cast.items()}
    lines = [
        SceneLine(
            line.id,
            line.speaker,
            line.text,
            line.span,
            gender if (gender := genders.get(line.speaker)) in ("female", "male") else None,
        )
        for line in plan.lines
    ]
    return write_clue(lines, cues, language=language)


def finish(request: DatasetRequest) -> list[FilmSheet]:
    """Write ``train.jsonl`` and the datasheet of all films in the dataset, by name."""
    films: list[FilmSheet] = []
    rows: list[str] = []
    engines: dict[str, str] = {}
    for path in sorted((request.out / "films").glob("*.json")):
        stored = json.loads(path.read_text(encoding="utf-8"))
        films.append(FilmSheet(**stored["sheet"]))
        rows += [json.dumps(row, ensure_ascii=False) for row in stored["rows"]]
        engines |= stored["engines"]
    _write(request.out / "train.jsonl", "".join(f"{row}\n" for row in rows))
    _write(request.out / "DATASHEET.md", datasheet(films, request.options, engines))
    sheets = [asdict(film) for film in films]
    _write(request.out / "datasheet.json", json.dumps(sheets, ensure_ascii=False, indent=1))
    return films


def _write(path: Path, text: str) -> None:
    """Whole or not at all. Raises ``ProjectError`` DUB-E304."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.new")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        raise ProjectError(f"Cannot write {path}: {error}.", code="DUB-E304") from error
