"""Who speaks, and whose face is it: polydub against audio-only diarization, on films with truth.

    python benchmarks/attribution.py FOLDER... [--only NAME ...] [--out table.json]

``FOLDER`` holds films and what is known of them (see ``polydub.evaluate.truth``). Every film gets a
project under ``--work``; a second run takes from it what has not changed. Systems:

- ``polydub``: ``polydub.analyze``, everything it has (voices, words, faces);
- ``audio``: Silero VAD, CAM++ windows, average-linkage clustering, frame vote;
- ``audio-v2``: the same with a Viterbi path (``baselines/audio_only.py``);
- ``senko``: senko 0.2.2's pipeline (``baselines/senko_pipeline.py``).

The other systems hear the dialogue stem that polydub separated, and their cpWER is computed with
the words that polydub recognised: what differs is who is said to speak.

Where the truth tells whole turns, pauses of up to 0.5 s in the turns of any system are closed
before scoring; where it tells audible speech, polydub's lines are split at silences between words.

Columns (protocols: ``polydub.evaluate.who``, ``.visible``, ``.calibration``): ``DER`` and its
parts, ``JER`` in percent of the true speech (no collar, overlap scored); ``spk`` voices found/true;
``cpWER`` (characters in languages without spaces); ``face``: seconds of visible speech under a line
that are linked to the right face; ``offF1``: off-screen speech found as such; ``edge``: median and
90th percentile of turn boundary errors in ms, ``lost`` those further than 1 s; ``ECE`` of the
confidence of lines; ``RTF``: seconds of analysis per second of film (models loaded included, other
systems without separation).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np
from attribution_table import Row, show
from baselines.audio_only import AudioOnly
from baselines.senko_pipeline import SenkoPipeline

import polydub
from polydub.errors import PolydubError
from polydub.evaluate.calibration import judged_lines
from polydub.evaluate.truth import FilmTruth, read_truths
from polydub.evaluate.visible import FacesAt, face_links, off_screen_detection
from polydub.evaluate.who import (
    boundary_errors,
    comparable_turns,
    cp_word_errors,
    diarization_errors,
    jaccard_error_rate,
    join_pauses,
    speaker_count_error,
    tokens_by_speaker,
    tokens_of,
    words_by_turn,
)
from polydub.media.audio import extract_audio, open_waveform
from polydub.media.probe import probe
from polydub.model import Box, Script, Span, Turn, VideoStream, Waveform
from polydub.pipeline.events import Event
from polydub.project.script_file import read_script
from polydub.project.track_store import load_tracks

OURS = "polydub"
CACHED = 0.2
"""A stage that took less than this share of its known time came from the cache."""


def analyse(truth: FilmTruth, work: Path) -> tuple[polydub.Project, float]:
    """The project with its script, and the seconds that each stage took when it really ran."""
    stages: dict[str, float] = {}
    last = time.perf_counter()

    def note(event: Event) -> None:
        nonlocal last
        now = time.perf_counter()
        stages[event.stage] = stages.get(event.stage, 0.0) + now - last
        last = now

    project = polydub.analyze(truth.film, project=work / "project", on_event=note)
    book = work / "seconds.json"
    known = json.loads(book.read_text()) if book.exists() else {}
    for stage, seconds in stages.items():
        if seconds > CACHED * known.get(stage, 0.0):
            known[stage] = seconds
    book.write_text(json.dumps(known, indent=2))
    return project, sum(known.values())


def tracked_faces(project: polydub.Project, script: Script, video: VideoStream) -> FacesAt:
    """The found faces by time, by person of the script."""
    owner = {track: person.id for person in script.people for track in person.tracks}
    files = sorted(project.root.glob("cache/faces/*/tracks.npz"), key=lambda p: p.stat().st_mtime)
    tracks = {track.id: track for path in files for track in load_tracks(path)}
    boxes: dict[int, dict[str, Box]] = {}
    for name, track in sorted(tracks.items()):
        if name in owner:
            for index, box in zip(track.frames, track.boxes.tolist(), strict=True):
                boxes.setdefault(index, {})[owner[name]] = (box[0], box[1], box[2], box[3])
    return lambda at: boxes.get(video.frame_at(at), {})


def sound_of(project: polydub.Project, film: Path, work: Path) -> Waveform:
    """16 kHz mono: the dialogue that polydub separated, else the film's own sound."""
    stems = sorted(project.root.glob("cache/*/*/speech16k.wav"), key=lambda p: p.stat().st_mtime)
    if stems:
        return open_waveform(stems[-1])
    source, path = probe(film), work / "sound.wav"
    if not path.exists():
        extract_audio(source, source.audio[0].index, path, rate=16000)
    return open_waveform(path).mono()


def score_turns(row: Row, truth: FilmTruth, turns: Sequence[Turn]) -> None:
    if truth.pauses:
        turns = join_pauses(turns)
    errors = diarization_errors(truth.turns, turns)
    edges = boundary_errors(truth.turns, turns)
    true = len({turn.voice for turn in truth.turns})
    row.speakers = (true + speaker_count_error(truth.turns, turns), true)
    row.values |= {
        "der": 100 * errors.rate,
        "miss": 100 * errors.share(errors.miss_s),
        "fa": 100 * errors.share(errors.false_alarm_s),
        "conf": 100 * errors.share(errors.confusion_s),
        "jer": 100 * jaccard_error_rate(truth.turns, turns),
        "lost": 100 * edges.lost,
    }
    if edges.errors_s:
        row.values |= {"edge": edges.quantile_ms(0.5), "edge90": edges.quantile_ms(0.9)}


def score_ours(row: Row, truth: FilmTruth, project: polydub.Project, script: Script) -> None:
    score_turns(row, truth, comparable_turns(script, pauses=truth.pauses))
    if truth.said is not None:
        said = tokens_by_speaker(script, truth.language)
        row.values["cpwer"] = 100 * cp_word_errors(truth.said, said).rate
    if truth.faces is not None:
        video = probe(truth.film).video
        assert video is not None
        links = face_links(truth.turns, script, truth.faces, tracked_faces(project, script, video))
        if not math.isnan(links.accuracy):
            row.values["face"] = 100 * links.accuracy
        off = off_screen_detection(truth.turns, script, truth.faces)
        row.values["off_f1"] = 100 * off.f1
    row.lines = [(line.confidence, right) for line, right in judged_lines(truth.turns, script)]


def score_baseline(row: Row, truth: FilmTruth, turns: Sequence[Turn], script: Script) -> None:
    score_turns(row, truth, turns)
    if truth.said is None:
        return
    words = [word for line in script.lines for word in line.words]
    said = {
        voice: tokens_of(" ".join(word.text for word in own), truth.language)
        for voice, own in words_by_turn(words, turns).items()
    }
    row.values["cpwer"] = 100 * cp_word_errors(truth.said, said).rate


class Baselines:
    """The other systems, loaded when first used; their turns are kept beside the project."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self._loaded: dict[str, Callable[[Waveform], list[Turn]]] = {}

    def turns(self, name: str, sound: Waveform, work: Path) -> tuple[list[Turn], float]:
        """Turns and the seconds it took to find them."""
        path = work / f"{name}.json"
        heard = hashlib.sha256(np.ascontiguousarray(sound.samples).data).hexdigest()
        known = json.loads(path.read_text()) if path.exists() else {}
        if known.get("sound") == heard:
            return [Turn(Span.of(*t["span"]), t["voice"]) for t in known["turns"]], known["seconds"]
        system = self._system(name)
        began = time.perf_counter()
        turns = system(sound)
        seconds = time.perf_counter() - began
        plain = [
            {"voice": t.voice, "span": [float(t.span.start), float(t.span.end)]} for t in turns
        ]
        path.write_text(json.dumps({"sound": heard, "seconds": seconds, "turns": plain}))
        return turns, seconds

    def _system(self, name: str) -> Callable[[Waveform], list[Turn]]:
        if name not in self._loaded:
            if name == "senko":
                self._loaded[name] = SenkoPipeline().turns
            else:
                audio = AudioOnly()
                self._loaded |= {"audio": audio.clustered, "audio-v2": audio.resegmented}
        return self._loaded[name]


def measure(truth: FilmTruth, work: Path, baselines: Baselines) -> list[Row]:
    """One row per system; a film that cannot be analysed gets a row that says why."""
    work.mkdir(parents=True, exist_ok=True)
    ours = Row(truth.name, truth.group, OURS)
    try:
        project, seconds = analyse(truth, work)
    except PolydubError as error:
        ours.problem = str(error)
        return [ours]
    script = read_script(project.script_path)
    length = float(script.duration)
    score_ours(ours, truth, project, script)
    ours.values["rtf"] = seconds / length
    rows = [ours]
    sound = sound_of(project, truth.film, work)
    for name in baselines.names:
        row = Row(truth.name, truth.group, name)
        turns, seconds = baselines.turns(name, sound, work)
        score_baseline(row, truth, turns, script)
        row.values["rtf"] = seconds / length
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--only", nargs="*", help="names of films, or the beginnings of names")
    parser.add_argument("--truth", type=Path, help="folder with further NAME.json truths")
    parser.add_argument("--against", nargs="*", default=["audio", "audio-v2", "senko"])
    parser.add_argument("--work", type=Path, default=Path("results/attribution"))
    parser.add_argument("--out", type=Path, help="write all rows to this JSON file")
    options = parser.parse_args()
    truths = [t for folder in options.folders for t in read_truths(folder, options.truth)]
    if options.only:
        truths = [t for t in truths if t.name.startswith(tuple(options.only))]
    if not truths:
        parser.error("no films with a truth were found")
    baselines = Baselines(options.against)
    rows: list[Row] = []
    for truth in truths:
        rows += measure(truth, options.work / truth.name, baselines)
        print(f"{truth.name}: done", file=sys.stderr, flush=True)
        if options.out:
            table = {
                "polydub": version("polydub"),
                "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, Python "
                f"{platform.python_version()}",
                "rows": [asdict(row) for row in rows],
            }
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(table, indent=1), encoding="utf-8")
    show(rows)
    if any(row.problem for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
