"""Measures separation, voice activity, diarization and recognition on annotated clips.

    python benchmarks/speech_analysis.py CLIPS [--only NAME ...]

``CLIPS`` holds ``annotations.jsonl`` (one JSON object per line: ``clip``, ``text``, ``turns`` with
``start``, ``end``, ``speaker`` in seconds) and for every clip ``NAME.mp4`` (the film's sound) and,
if there is one, ``NAME.wav`` (the separated voice). Three rows per clip: ``film`` (the sound as it
is), ``stem`` (after the separator) and ``voice`` (the given separated voice).

Columns:

- ``err``, ``err?``: word error rate (character error rate for Chinese) in percent, with the
  language given and detected;
- ``lang``: detected language and its probability;
- ``miss``, ``fa``: speech that the detector missed, and what it found outside the annotated turns,
  in percent of the annotated speech. Annotated turns include pauses: part of the miss is right;
- ``conf``: speech given to the wrong voice, in percent of the annotated speech, best mapping;
- ``voices``: found/annotated; ``edge``: worst distance of an annotated change of voice to the
  nearest found one in seconds;
- ``miss+``, ``fa+``: the same after words outside the detected speech were added;
- ``clean``: whether separation would be skipped; ``resid``, ``betw``: level of the residual
  under speech and in pauses, in dB below the speech;
- ``rtf``: seconds of work per second of sound: separate, voice activity, diarize, recognise.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from polydub.engines.diarize.campplus import CamPlusPlus
from polydub.engines.diarize.silero import SileroVad
from polydub.engines.recognize.whisper import FasterWhisper
from polydub.engines.separate.deepfilternet import DeepFilterNet
from polydub.evaluate.scores import error_rate
from polydub.media.audio import extract_audio, open_waveform, resample
from polydub.media.probe import probe
from polydub.model import Span, Turn, Waveform, text_of
from polydub.stages.diarize import diarize
from polydub.stages.separate import LevelMeter, StemJudgement, judge
from polydub.stages.transcribe import transcribe
from polydub.stages.voice_activity import find_speech

STEP = 0.01


@dataclass(frozen=True)
class Engines:
    separator: DeepFilterNet
    vad: SileroVad
    embedder: CamPlusPlus
    recognizer: FasterWhisper


@dataclass
class Row:
    clip: str
    kind: str
    values: dict[str, float | str] = field(default_factory=dict)


def timed(values: dict[str, float | str], name: str, seconds: float, call: Any) -> Any:
    start = time.perf_counter()
    result = call()
    values[name] = (time.perf_counter() - start) / seconds
    return result


def read_sound(path: Path, folder: Path) -> Waveform:
    """The first audio stream at 48 kHz; a .wav is read as it is."""
    if path.suffix == ".wav":
        return resample(open_waveform(path), 48000)
    source = probe(path)
    out = folder / f"{path.stem}.wav"
    extract_audio(source, source.audio[0].index, out, rate=48000)
    return open_waveform(out)


def separated(
    engine: DeepFilterNet, sound: Waveform, values: dict[str, float | str]
) -> tuple[Waveform, StemJudgement]:
    blocks = np.array_split(sound.samples, max(1, len(sound.samples) // 48000))
    pairs = timed(
        values,
        "rtf separate",
        float(sound.duration),
        lambda: list(engine.separate(iter(blocks), sound.rate)),
    )
    dialogue = np.concatenate([pair[0] for pair in pairs])
    meter = LevelMeter(sound.rate)
    for pair in pairs:
        meter.add(*pair)
    return Waveform(dialogue, sound.rate), judge(meter.dialogue, meter.background)


def grid(spans: Sequence[tuple[Span, str]], count: int) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Label index per 10 ms, -1 where nobody is; and the labels."""
    names = sorted({name for _, name in spans})
    track = np.full(count, -1)
    for span, name in spans:
        track[round(float(span.start) / STEP) : round(float(span.end) / STEP)] = names.index(name)
    return track, names


def diarization_scores(truth: Sequence[Turn], found: Sequence[Turn], seconds: float) -> Any:
    count = int(seconds / STEP) + 1
    ours, voices = grid([(turn.span, turn.voice) for turn in found], count)
    theirs, speakers = grid([(turn.span, turn.voice) for turn in truth], count)
    shared = np.array(
        [
            [np.sum((theirs == i) & (ours == j)) for j in range(max(1, len(voices)))]
            for i in range(len(speakers))
        ]
    )
    rows, columns = linear_sum_assignment(-shared)
    both = np.sum((theirs >= 0) & (ours >= 0))
    confusion = (both - shared[rows, columns].sum()) / max(1, np.sum(theirs >= 0))
    return 100.0 * confusion, f"{len(voices)}/{len(speakers)}"


def worst_edge(truth: Sequence[Turn], found: Sequence[Turn]) -> float | str:
    """A found change is the whole gap between two turns: 0 when the annotated one lies in it."""

    def changes(turns: Sequence[Turn]) -> list[Span]:
        pairs = itertools.pairwise(turns)
        return [
            Span(min(a.span.end, b.span.start), max(a.span.end, b.span.start))
            for a, b in pairs
            if a.voice != b.voice
        ]

    wanted, ours = changes(truth), changes(found)
    if not wanted:
        return "-"
    if not ours:
        return "none"
    return float(max(min(one.gap(other) for other in ours) for one in wanted))


def activity(truth: Sequence[Turn], speech: Sequence[Span], seconds: float) -> tuple[float, float]:
    count = int(seconds / STEP) + 1
    theirs = grid([(turn.span, "x") for turn in truth], count)[0] >= 0
    ours = grid([(span, "x") for span in speech], count)[0] >= 0
    total = max(1, int(theirs.sum()))
    missed, extra = int(np.sum(theirs & ~ours)), int(np.sum(ours & ~theirs))
    return 100.0 * missed / total, 100.0 * extra / total


def measure(engines: Engines, row: Row, sound: Waveform, note: dict[str, Any]) -> None:
    values, seconds = row.values, float(sound.duration)
    audio = resample(sound.mono(), 16000)
    truth = [Turn(Span.of(t["start"], t["end"]), t["speaker"]) for t in note["turns"]]
    language = note["clip"][:2]
    speech = timed(
        values, "rtf vad", seconds, lambda: find_speech(engines.vad.detect(audio), audio)
    )
    values["miss"], values["fa"] = activity(truth, speech, seconds)
    given = timed(
        values,
        "rtf recognise",
        seconds,
        lambda: transcribe(engines.recognizer, audio, speech, language=language),
    )
    values["err"] = 100.0 * error_rate(note["text"], text_of(given.transcript.words), language)
    free = transcribe(engines.recognizer, audio, speech).transcript
    values["err?"] = 100.0 * error_rate(note["text"], text_of(free.words), language)
    values["lang"] = f"{free.language} {free.language_probability:.2f}"
    speech = find_speech(engines.vad.detect(audio), audio, words=given.transcript.words)
    values["miss+"], values["fa+"] = activity(truth, speech, seconds)
    turns = timed(
        values, "rtf diarize", seconds, lambda: diarize(audio, speech, engines.embedder)
    ).turns
    values["conf"], values["voices"] = diarization_scores(truth, turns, seconds)
    values["edge"] = worst_edge(truth, turns)


def rows_of(engines: Engines, clips: Path, note: dict[str, Any], folder: Path) -> list[Row]:
    rows = []
    for suffix, kind in ((".mp4", "film"), (".wav", "voice")):
        path = clips / f"{note['clip']}{suffix}"
        if not path.exists():
            continue
        row = Row(note["clip"], kind)
        sound = read_sound(path, folder)
        stem, judged = separated(engines.separator, sound, row.values)
        row.values["resid"] = judged.residual_db
        row.values["betw"] = "-" if judged.between_db is None else judged.between_db
        row.values["clean"] = "yes" if judged.clean else "no"
        measure(engines, row, sound, note)
        rows.append(row)
        if kind == "film":
            rows.append(Row(note["clip"], "stem"))
            measure(engines, rows[-1], stem, note)
    return rows


COLUMNS = {
    **{"err": "{:.1f}", "err?": "{:.1f}", "lang": "{}", "miss": "{:.1f}", "fa": "{:.1f}"},
    **{"miss+": "{:.1f}", "fa+": "{:.1f}", "conf": "{:.1f}", "voices": "{}", "edge": "{}"},
    **{"resid": "{:.0f}", "betw": "{}", "clean": "{}"},
    **dict.fromkeys(("rtf separate", "rtf vad", "rtf diarize", "rtf recognise"), "{:.2f}"),
}


def cell(row: Row, name: str) -> str:
    value = row.values.get(name, "")
    if isinstance(value, str):
        return value
    return (COLUMNS[name] if ":" in COLUMNS[name] else "{:.2f}").format(value)


def print_table(rows: Sequence[Row]) -> None:
    print("clip".ljust(16), "kind ", *(name.rjust(7) for name in COLUMNS))
    for row in rows:
        cells = (cell(row, name).rjust(max(7, len(name))) for name in COLUMNS)
        print(row.clip.ljust(16), row.kind.ljust(5), *cells)
    for kind in ("film", "stem", "voice"):
        own = [row for row in rows if row.kind == kind]
        if not own:
            continue
        right = sum(len(set(str(row.values["voices"]).split("/"))) == 1 for row in own)
        parts = [f"{kind}: {right}/{len(own)} voice counts right"]
        for name in ("err", "err?", "miss", "fa", "conf"):
            parts.append(f"{name} {np.mean([float(row.values[name]) for row in own]):.1f}")
        print(", ".join(parts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--only", nargs="*", default=None, help="names of clips")
    given = parser.parse_args()
    engines = Engines(DeepFilterNet(), SileroVad(), CamPlusPlus(), FasterWhisper(threads=1))
    lines = (given.clips / "annotations.jsonl").read_text(encoding="utf-8").splitlines()
    notes = [json.loads(line) for line in lines if line.strip()]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for note in notes:
            if given.only is None or note["clip"] in given.only:
                rows.extend(rows_of(engines, given.clips, note, Path(folder)))
    print_table(rows)


if __name__ == "__main__":
    main()
