"""Copies of a folder of films, each changed in ways that should change nothing about who speaks.

    python benchmarks/perturbed.py FOLDER OUT
    python benchmarks/attribution.py OUT

``FOLDER`` holds films with what is known of them (``polydub.evaluate.truth``); ``OUT`` gets four
copies of each with their truths: ``fast`` and ``slow`` (6 %, picture, pitch and time), ``noise``
(pink, 18 dB under the sound, and 64 kbit/s) and ``small`` (half the size, mirrored, 0.6 s missing
at the beginning). Seven films tell little; a decision that flips in a copy was a near one.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from polydub.evaluate.truth import FilmTruth, read_truths
from polydub.media.audio import film_blocks
from polydub.media.probe import probe
from polydub.model import Source

Sound = npt.NDArray[np.float32]
RATE, BLOCK = 48_000, 1024


@dataclass(frozen=True)
class Change:
    """``speed`` of everything, ``noise`` in dB under the sound, seconds ``cut`` off the start."""

    name: str
    speed: float = 1.0
    noise: float | None = None
    cut: float = 0.0
    small: bool = False
    bit_rate: int = 96_000


CHANGES = (
    Change("fast", speed=1.06),
    Change("slow", speed=0.94),
    Change("noise", noise=18.0, bit_rate=64_000),
    Change("small", cut=0.6, small=True),
)


def sound_of(source: Source) -> Sound:
    """Stereo sound ``[2, n]`` at 48 kHz."""
    blocks = film_blocks(source, source.audio[0].index, rate=RATE)
    sound = np.concatenate(list(blocks)).T
    return np.asarray(np.broadcast_to(sound, (2, sound.shape[1])), np.float32)


def changed_sound(sound: Sound, change: Change) -> Sound:
    """``sound`` faster, cut and in noise."""
    at = np.arange(int(sound.shape[1] / change.speed)) * change.speed
    known = np.arange(sound.shape[1])
    made = np.stack([np.interp(at, known, channel) for channel in sound])
    made = made[:, round(change.cut * RATE) :]
    if change.noise is not None:
        pink = np.fft.rfft(np.random.default_rng(0).normal(size=made.shape[1]))
        pink[1:] /= np.sqrt(np.arange(1, len(pink)))
        noise = np.fft.irfft(pink, made.shape[1])
        loud = np.sqrt((made**2).mean() / (noise**2).mean())
        made = made + noise * loud * 10 ** (-change.noise / 20)
    return np.ascontiguousarray(made, np.float32)


def pictures_of(film: Path, change: Change) -> Iterator[npt.NDArray[np.uint8]]:
    """RGB frames, cut, halved and mirrored."""
    with av.open(str(film)) as source:
        for frame in source.decode(video=0):
            if frame.time is not None and frame.time < change.cut - 1e-6:
                continue
            picture: Any = frame
            if change.small:
                width, height = (size // 4 * 2 for size in (frame.width, frame.height))
                picture = frame.reformat(width, height)
            image = picture.to_ndarray(format="rgb24")
            yield np.ascontiguousarray(image[:, ::-1]) if change.small else image


def write(film: Path, change: Change, to: Path) -> None:
    """The changed copy of ``film``."""
    source = probe(film)
    assert source.video is not None
    rate = source.video.average_rate * Fraction(change.speed).limit_denominator(100)
    sound = changed_sound(sound_of(source), change)
    with av.open(str(to), "w") as made:
        video: Any = made.add_stream("libx264", rate=rate)
        video.options, video.pix_fmt = {"crf": "20", "preset": "veryfast"}, "yuv420p"
        audio: Any = made.add_stream("aac", rate=RATE)
        audio.bit_rate = change.bit_rate
        for index, image in enumerate(pictures_of(film, change)):
            if index == 0:
                video.height, video.width = image.shape[:2]
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = index, 1 / rate
            made.mux(video.encode(frame))
        made.mux(video.encode(None))
        for start in range(0, sound.shape[1], BLOCK):
            block = np.ascontiguousarray(sound[:, start : start + BLOCK])
            part = av.AudioFrame.from_ndarray(block, "fltp", "stereo")
            part.sample_rate, part.pts = RATE, start
            made.mux(audio.encode(part))
        made.mux(audio.encode(None))


def changed_truth(truth: FilmTruth, change: Change) -> dict[str, Any]:
    """The turns of the copy, as ``read_truths`` reads them."""

    def moved(at: Fraction) -> float:
        return max(0.0, float(at) / change.speed - change.cut)

    turns = []
    for turn in truth.turns:
        start, end = moved(turn.span.start), moved(turn.span.end)
        if end > 0:
            speech = {} if truth.pauses else {"speech": [[start, end]]}
            turns.append({"start": start, "end": end, "speaker": turn.voice, **speech})
    return {"group": change.name, "language": truth.language, "turns": turns}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="films with their truth")
    parser.add_argument("out", type=Path, help="folder for the copies")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for truth in read_truths(options.folder):
        for change in CHANGES:
            name = options.out / f"{truth.name}-{change.name}"
            write(truth.film, change, name.with_suffix(".mp4"))
            told = json.dumps(changed_truth(truth, change), indent=2)
            name.with_suffix(".json").write_text(told, encoding="utf-8")
            print(name.name, flush=True)


if __name__ == "__main__":
    main()
