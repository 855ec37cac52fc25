"""Training data out of films: analysis, clips, faces, turns, clues; one film after the other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pictures

from polydub.errors import InputError, ProjectError
from polydub.media.audio import open_waveform, resample, write_waveform
from polydub.model import Source, Span, Speaker
from polydub.model.cues import LineCues
from polydub.model.scene import SceneFace, SceneLine
from polydub.pipeline import graph
from polydub.pipeline.analysis import Analysis
from polydub.pipeline.cueing import cues_of_lines
from polydub.pipeline.run import Run
from polydub.pipeline.scenes import SceneFaces
from polydub.project.cache import digest
from polydub.stages import clues, dataset
from polydub.stages.clues import write_clue
from polydub.stages.dataset import (
    FRAMES_PER_SECOND,
    ClipPlan,
    DatasetOptions,
    FilmSheet,
    clip_row,
    datasheet,
    film_sheet,
    plan_clips,
)

__all__ = ["DatasetOptions", "DatasetRequest", "FilmSheet", "add_film", "finish"]

RATE = 24_000
FACE_SIZE = 112
KINDS = ("separate", "recognize", "voiceprint", "segment", "faces", "active-speaker")
WITHOUT_SPACES = ("zh", "ja", "th", "lo", "my", "km", "yue")


@dataclass(frozen=True, slots=True)
class DatasetRequest:
    """Where a dataset goes and what it is to hold.

    ``licences`` are by film name; ``licence`` is that of all others. ``checkpoint`` is a folder of
    Fun-CineForge with ``face_recog_ir101.onnx``; without it faces are kept as pictures only.
    """

    out: Path
    licence: str = "unknown"
    licences: Mapping[str, str] | None = None
    checkpoint: Path | None = None
    options: DatasetOptions = field(default_factory=DatasetOptions)


def add_film(run: Run, source: Source, request: DatasetRequest) -> FilmSheet:
    """Write the clips of one film, unless an earlier run has done just that.

    Raises ``InputError`` DUB-E108 when another film of the same name is in the dataset already.
    """
    film = Path(source.path).stem
    analysis = graph.analyse(run, source)
    identities = {kind: run.engines.identity(kind) for kind in KINDS}
    licence = (request.licences or {}).get(film, request.licence)
    key = digest(
        (dataset.VERSION, clues.VERSION, source.digest, analysis.key, identities),
        (request.options, licence, request.checkpoint is not None, analysis.script.lines),
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
    writer = _ClipWriter(run, analysis, request)
    rows: list[dict[str, Any]] = []
    counts: dict[str, int] = {}
    kept = [plan for plan in plans if not plan.reason]
    with run.stage("report", total=len(kept)) as progress:
        for plan in kept:
            counts[plan.name] = writer.write(plan)
            clue = _clue(plan, cues, cast, script.language)
            spaced = script.language.split("-")[0] not in WITHOUT_SPACES
            rows.append(clip_row(plan, cast, clue, spaced=spaced))
            progress.step(plan.name)
    about = (film, analysis.source.digest, script.language, licence)
    sheet = film_sheet(about, plans, counts)
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


class _ClipWriter:
    """Writes voices and faces of clips."""

    def __init__(self, run: Run, analysis: Analysis, request: DatasetRequest) -> None:
        self._out = request.out
        self._dialogue = open_waveform(analysis.sound.dialogue)
        self._faces = SceneFaces(run, analysis, analysis.script)
        self._embed = _embedder(request.checkpoint)
        for name in ("vocal", "face"):
            (self._out / name).mkdir(parents=True, exist_ok=True)

    def write(self, plan: ClipPlan) -> int:
        """Write the files of a clip; returns how many faces it has."""
        voice = resample(self._dialogue.cut(plan.span).mono(), RATE)
        write_waveform(self._out / "vocal" / f"{plan.name}.wav", voice)
        lines = [SceneLine(x.id, x.speaker, x.text, x.span) for x in plan.lines]
        seen = list(self._faces.of(lines))
        arrays = {"crops": _crops(seen), "faceI": _frames(seen, plan.span)}
        if self._embed is not None:
            rows = [self._embed.of(face.pixels) for face in seen]
            arrays["embeddings"] = np.array(rows, np.float32).reshape(-1, 512)
        np.savez_compressed(self._out / "face" / f"{plan.name}.npz", **arrays)
        return len(seen)


def _crops(seen: Sequence[SceneFace]) -> Any:
    size = (FACE_SIZE, FACE_SIZE)
    pictures = [
        np.asarray(Pictures.fromarray(face.pixels).resize(size, Pictures.Resampling.BILINEAR))
        for face in seen
    ]
    return np.array(pictures, np.uint8).reshape(-1, FACE_SIZE, FACE_SIZE, 3)


def _frames(seen: Sequence[SceneFace], span: Span) -> Any:
    return np.array([int((x.time - span.start) * FRAMES_PER_SECOND) for x in seen], np.int64)


def _embedder(checkpoint: Path | None) -> Any:
    """What embeds faces, or ``None``. Raises ``EngineError`` DUB-E204 when the file is absent."""
    if checkpoint is None:
        return None
    from polydub.engines.dubbing.funcineforge.checkpoint import find_checkpoint, missing
    from polydub.engines.dubbing.funcineforge.engine import FACES
    from polydub.engines.dubbing.funcineforge.inputs import FaceEmbedder

    path = find_checkpoint(checkpoint).file(FACES)
    if path is None:
        raise missing(f"{checkpoint} holds no {FACES}.")
    return FaceEmbedder(path)


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
