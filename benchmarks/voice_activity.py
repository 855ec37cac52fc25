"""Measures voice activity and diarization on conversations whose truth is known exactly.

    python benchmarks/voice_activity.py FOLDER [FOLDER ...] [--words] [--separate] [--hop 2.5]

A folder holds for every conversation ``NAME.wav`` and ``NAME.json`` with ``turns``: a list of
``start``, ``end`` (seconds) and ``speaker``; turns may overlap. With ``annotations.jsonl`` instead
(``clip`` and ``turns`` per line) the sound is ``NAME.wav`` too; annotated turns that include pauses
make part of the miss right. ``--words`` also asks the recogniser; ``--separate`` listens to the
separated dialogue instead of the mix.

Rows: the detector with its model's own settings and with ours, the segmentation alone, and the
fusion. Columns: miss and false alarm in percent of the speech; ``lost``: turns of which less than
half was found; ``far``: found pieces of at least 0.3 s where nobody speaks. Then the diarization of
the detector's speech without the segmentation, and of the fused speech with it: DER (no collar,
overlap scored), miss, false alarm, confusion, in percent of the speech, and found/true voices.
Figures per group of files, named by the part before the first underscore.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from polydub.engines.diarize.campplus import CamPlusPlus
from polydub.engines.diarize.pyannote import PyannoteSegmenter, SegmentOptions
from polydub.engines.diarize.silero import SileroVad, VadOptions
from polydub.engines.recognize.whisper import FasterWhisper
from polydub.engines.separate.deepfilternet import DeepFilterNet
from polydub.media.audio import open_waveform, resample
from polydub.model import Span, Turn, Waveform, Word
from polydub.stages.diarize import diarize
from polydub.stages.overlap import hysteresis, mask_of, n_frames, spans_where, speech_frames
from polydub.stages.voice_activity import fuse

Mask = npt.NDArray[np.bool_]

MODEL_DEFAULTS = VadOptions(onset=0.5, offset=0.35, shortest_s=0.25, pause_s=0.1, pad_s=0.03)


@dataclass
class Scores:
    """Values by name; a mean of them is printed, of ``found/true`` the share that is equal."""

    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, **found: float) -> None:
        for name, value in found.items():
            self.values.setdefault(name, []).append(value)

    def line(self) -> str:
        return "  ".join(f"{name} {np.mean(v):6.2f}" for name, v in self.values.items())


def conversations(folder: Path) -> Iterator[tuple[str, Waveform, list[Turn]]]:
    """Name, 16 kHz mono sound and true turns of everything in ``folder``."""
    notes = folder / "annotations.jsonl"
    if notes.is_file():
        rows = [json.loads(line) for line in notes.read_text("utf-8").splitlines() if line.strip()]
        found = [(row["clip"], row["turns"]) for row in rows]
    else:
        files = sorted(folder.glob("*.json"))
        found = [(path.stem, json.loads(path.read_text("utf-8"))["turns"]) for path in files]
    for name, turns in found:
        path = folder / f"{name}.wav"
        if path.is_file():
            sound = open_waveform(path)
            truth = [Turn(Span.of(t["start"], t["end"]), str(t["speaker"])) for t in turns]
            yield name, Waveform(np.asarray(sound.mono().samples), sound.rate), truth


def activity_scores(truth: Sequence[Turn], found: Mask) -> dict[str, float]:
    said = mask_of([turn.span for turn in truth], len(found))
    lost = sum(found[turn.span.samples(100)].mean() < 0.5 for turn in truth if turn.span.duration)
    far = sum(span.duration >= 0.3 for span in spans_where(found & ~said))
    size = max(1, int(said.sum()))
    return {
        "miss": 100.0 * float((said & ~found).sum()) / size,
        "fa": 100.0 * float((found & ~said).sum()) / size,
        "lost": float(lost),
        "far": float(far),
    }


def by_voice(turns: Sequence[Turn], count: int) -> Mask:
    """``[voices, frames]`` of 10 ms."""
    names = sorted({turn.voice for turn in turns})
    rows = [mask_of([t.span for t in turns if t.voice == name], count) for name in names]
    return np.stack(rows) if rows else np.zeros((0, count), dtype=bool)


def diarization_scores(
    truth: Sequence[Turn], turns: Sequence[Turn], count: int
) -> dict[str, float]:
    theirs, ours = by_voice(truth, count), by_voice(turns, count)
    shared = theirs.astype(np.int64) @ ours.T.astype(np.int64)
    rows, columns = linear_sum_assignment(-shared)
    mapped = np.zeros_like(theirs)
    mapped[rows] = ours[columns]
    wanted, given = theirs.sum(axis=0), ours.sum(axis=0)
    size = max(1, int(wanted.sum())) / 100.0
    miss = np.maximum(wanted - given, 0).sum() / size
    alarm = np.maximum(given - wanted, 0).sum() / size
    wrong = (np.minimum(wanted, given) - (theirs & mapped).sum(axis=0)).sum() / size
    return {
        "DER": miss + alarm + wrong,
        "miss": miss,
        "fa": alarm,
        "conf": wrong,
        "right count": 100.0 * float(len(ours) == len(theirs)),
    }


@dataclass(frozen=True)
class Engines:
    vad: SileroVad
    plain: SileroVad
    segmenter: PyannoteSegmenter
    embedder: CamPlusPlus
    recognizer: FasterWhisper | None
    separator: DeepFilterNet | None


def measure(
    engines: Engines, audio: Waveform, truth: Sequence[Turn], table: dict[str, Scores]
) -> None:
    if engines.separator is not None:
        sound = resample(audio, 48000)
        pairs = engines.separator.separate(iter([np.asarray(sound.samples)]), 48000)
        audio = Waveform(np.concatenate([dialogue for dialogue, _ in pairs]), 48000)
    audio = resample(audio, 16000)
    count, seconds = n_frames(audio.duration), float(audio.duration)
    words: Sequence[Word] = ()
    if engines.recognizer is not None:
        words = engines.recognizer.recognize(audio).words
    start = time.perf_counter()
    windows = list(engines.segmenter.segment(audio))
    cost = time.perf_counter() - start
    detected = engines.vad.detect(audio)
    fused = fuse(detected, windows, words, audio)
    alone = hysteresis(speech_frames(windows, audio.duration).speech, 0.5, 0.3)
    for name, mask in (
        ("detector, model's own", mask_of(engines.plain.detect(audio), count)),
        ("detector", mask_of(detected, count)),
        ("segmentation", alone),
        ("fusion", mask_of(fused, count)),
    ):
        table.setdefault(name, Scores()).add(**activity_scores(truth, mask))
    before = diarize(audio, detected, engines.embedder).turns
    table.setdefault("voices of detector", Scores()).add(**diarization_scores(truth, before, count))
    start = time.perf_counter()
    after = diarize(audio, fused, engines.embedder, activity=windows).turns
    spent = time.perf_counter() - start
    table.setdefault("voices of fusion", Scores()).add(**diarization_scores(truth, after, count))
    table.setdefault("rtf", Scores()).add(segment=cost / seconds, diarize=spent / seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--words", action="store_true", help="ask the recogniser too")
    parser.add_argument("--separate", action="store_true", help="listen to the dialogue alone")
    parser.add_argument("--hop", type=float, default=2.5, help="seconds between two windows")
    parser.add_argument("--only", nargs="*", default=None, help="names of conversations")
    given = parser.parse_args()
    engines = Engines(
        SileroVad(),
        SileroVad(options=MODEL_DEFAULTS),
        PyannoteSegmenter(options=SegmentOptions(hop_s=given.hop)),
        CamPlusPlus(),
        FasterWhisper(threads=1) if given.words else None,
        DeepFilterNet() if given.separate else None,
    )
    groups: dict[str, dict[str, Scores]] = {}
    for folder in given.folders:
        for name, audio, truth in conversations(folder):
            if given.only is None or name in given.only:
                group = f"{folder.name}/{name.partition('_')[0]}"
                measure(engines, audio, truth, groups.setdefault(group, {}))
    for group, table in groups.items():
        print(group)
        for name, scores in table.items():
            print(f"  {name.ljust(24)}{scores.line()}")


if __name__ == "__main__":
    main()
