"""Dubs films for the performance benchmark, and reads back what was made, whatever version made it.

Everything lies under ``WORK/dubs/FILM``: one project, ``FILM.TARGET.mp4``, and ``TARGET.json`` with
the report and how long each stage took when it last had something to do.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from polydub.evaluate.truth import FilmTruth
from polydub.media.audio import extract_audio, open_waveform, resample
from polydub.media.probe import probe
from polydub.model import Span, Waveform

RATE = 48_000


@dataclass(frozen=True)
class DubbedLine:
    """One line as it was dubbed; ``speed`` against natural speech, ``speaker`` as the tool says."""

    id: str
    speaker: str
    span: Span
    placed: Span
    text: str
    speed: float


@dataclass(frozen=True, eq=False)
class Dub:
    """One film in one language by one system, with all that measuring needs.

    Sound at 48 kHz: ``mix`` and ``voices`` (mono) of the dub, ``dialogue`` and ``background`` as
    separated from the film, ``film`` as it was. ``lines`` were dubbed, ``spans`` are all lines of
    the script by id. ``alone`` holds the takes that others talk over, without the others, by line.
    ``timings`` are seconds by stage.
    """

    system: str
    truth: FilmTruth
    target: str
    mix: Waveform
    voices: Waveform
    dialogue: Waveform
    background: Waveform
    film: Waveform
    lines: tuple[DubbedLine, ...]
    spans: Mapping[str, Span]
    alone: Mapping[str, Waveform] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)


class DubbingFailed(Exception):
    """A run of ``polydub dub`` that did not make its video; the text says why."""


def source_digest(source: Path) -> str:
    """A fingerprint of all Python files under ``source``."""
    state = hashlib.sha256()
    for path in sorted(source.rglob("*.py")):
        state.update(path.relative_to(source).as_posix().encode() + path.read_bytes())
    return state.hexdigest()[:16]


def make_dub(
    truth: FilmTruth,
    target: str,
    work: Path,
    *,
    source: Path | None,
    extra: Sequence[str],
    translation: Path | None = None,
) -> None:
    """Dub one film into ``work/dubs/FILM`` unless the same version has done so.

    ``source`` is the ``src`` folder of another version of polydub to dub with; ``translation`` is
    said instead of the translator's.
    """
    import polydub

    package = source / "polydub" if source else Path(polydub.__file__).parent
    folder = work / "dubs" / truth.name
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / f"{target}.json"
    key = [source_digest(package), *extra]
    if translation is not None:
        key.append(hashlib.sha256(translation.read_bytes()).hexdigest()[:16])
    before: dict[str, Any] = json.loads(record.read_text()) if record.exists() else {}
    if before.get("key") == key and video(folder, target).exists():
        return
    arguments = ["dub", str(truth.film), "--to", target, "-o", str(video(folder, target))]
    arguments += ["--project", str(folder / "project"), "--overwrite", "--quiet", *extra]
    if translation is not None:
        arguments += ["--translation", f"{target}={translation}"]
    environment = dict(os.environ)
    if source:
        environment["PYTHONPATH"] = str(source.resolve())
    done = subprocess.run(
        [sys.executable, "-m", "polydub", *arguments],
        capture_output=True,
        text=True,
        env=environment,
    )
    if done.returncode != 0:
        raise DubbingFailed(done.stderr.strip()[-300:] or f"exit code {done.returncode}")
    keep_record(folder, target, key)


def keep_record(folder: Path, target: str, key: Sequence[str]) -> None:
    """Write ``TARGET.json`` from the project's report; cached stages keep their last real time."""
    record = folder / f"{target}.json"
    before: dict[str, Any] = json.loads(record.read_text()) if record.exists() else {}
    report = json.loads((folder / "project" / target / "report.json").read_text())
    timings = dict(before.get("timings", {}))
    for stage in report["timings"]:
        if stage["cached"] < stage["units"] or not stage["units"]:
            timings[stage["stage"]] = stage["seconds"]
    content = {"key": list(key), "timings": timings, "report": report}
    record.write_text(json.dumps(content, ensure_ascii=False, indent=1))


def video(folder: Path, target: str) -> Path:
    return folder / f"{folder.name}.{target}.mp4"


def read_dub(truth: FilmTruth, target: str, folder: Path) -> Dub:
    """What was made of one film. Raises ``DubbingFailed`` when the project is not complete."""
    record = json.loads((folder / f"{target}.json").read_text())
    report = record["report"]
    cache = folder / "project" / "cache"
    stems = _only(cache / "separate")
    clean = json.loads((stems / "judgement.json").read_text())["clean"]
    film = sound_of(truth.film)
    mixed = _mix_of(cache / "mix", sound_of(video(folder, target)))
    voices = open_waveform(mixed / "voices.wav")
    lines = tuple(_line(x, target) for x in report["lines"] if x["placement"])
    return Dub(
        system="polydub",
        truth=truth,
        target=target,
        mix=open_waveform(mixed / "dub.wav"),
        voices=voices,
        dialogue=film if clean else open_waveform(stems / "dialogue.wav"),
        background=open_waveform(stems / "background.wav"),
        film=film,
        lines=lines,
        spans={x["line"]["id"]: _span(x["line"]["span"]) for x in report["lines"]},
        alone=_alone(lines, voices, cache / "take"),
        timings=record["timings"],
    )


def sound_of(film: Path) -> Waveform:
    """The first sound of a film at 48 kHz."""
    source = probe(film)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "sound.wav"
        extract_audio(source, source.audio[0].index, out, rate=RATE)
        sound = open_waveform(out)
        return Waveform(np.array(sound.samples), sound.rate)


def original_voice(truth: FilmTruth, dialogue: Waveform) -> Waveform:
    """The film's voices alone, mono: ``FILM.wav`` beside the film, else the ``dialogue`` stem."""
    beside = truth.film.with_suffix(".wav")
    return resample(open_waveform(beside).mono(), RATE) if beside.is_file() else dialogue.mono()


def _line(entry: Mapping[str, Any], target: str) -> DubbedLine:
    line, placement = entry["line"], entry["placement"]
    return DubbedLine(
        line["id"],
        line["speaker"],
        _span(line["span"]),
        _span(placement["span"]),
        line["translations"][target]["text"],
        placement["speed"],
    )


def _span(entry: Mapping[str, float]) -> Span:
    return Span.of(float(entry["start"]), float(entry["end"]))


def _alone(lines: Sequence[DubbedLine], voices: Waveform, folder: Path) -> dict[str, Waveform]:
    """The takes that are talked over, found among all takes: as long, and most like the voices.

    Each has the level that it has in the voices (least squares).
    """
    found: dict[str, Waveform] = {}
    for line in lines:
        if not any(line.placed & other.placed for other in lines if other is not line):
            continue
        heard = voices.cut(line.placed)
        best = 0.3  # less alike is another take
        for path in sorted(folder.glob("*/take.wav")):
            take = resample(open_waveform(path).mono(), RATE)
            size = min(len(take.samples), len(heard.samples))
            if abs(len(take.samples) - len(heard.samples)) > 0.005 * RATE or not size:
                continue
            alike = float(np.corrcoef(take.samples[:size], heard.samples[:size])[0, 1])
            if alike > best:
                part = take.samples[:size]
                gain = float(part @ heard.samples[:size]) / float(part @ part)
                best, found[line.id] = alike, Waveform(take.samples * np.float32(gain), RATE)
    return found


def _only(folder: Path) -> Path:
    """The newest artifact of a stage that a film has once."""
    found = [path for path in folder.glob("*") if path.is_dir() and path.name[0] != "."]
    if not found:
        raise DubbingFailed(f"nothing in {folder}")
    return max(found, key=lambda path: path.stat().st_mtime)


def _mix_of(folder: Path, dubbed: Waveform) -> Path:
    """The mix that the video carries: the one whose sound is most like the video's."""
    heard = dubbed.mono().samples

    def alike(path: Path) -> float:
        made = open_waveform(path / "dub.wav").mono().samples
        size = min(len(made), len(heard))
        return float(np.corrcoef(made[:size], heard[:size])[0, 1]) if size else -1.0

    found = [path for path in folder.glob("*") if (path / "dub.wav").is_file()]
    if not found:
        raise DubbingFailed(f"no mix in {folder}")
    return max(found, key=alike)
