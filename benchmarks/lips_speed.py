"""How fast the lip renderer alone is, by face size, and how much memory it takes by length.

    python benchmarks/lips_speed.py CLIP.mp4 [--width 300 ...] [--cache FOLDER]
    python benchmarks/lips_speed.py CLIP.mp4 --seconds 10 --seconds 600

The first renders the clip's largest talking face from pictures in memory, reduced or enlarged until
the face is so many pixels wide; it prints frames per second of wall time and processor milliseconds
per frame, with everything that the renderer does (exemplars, hands, drawing) and no decoding or
encoding. The second repeats the clip until the film is so long, every repetition a shot of its own
(--every 10 lets one in ten speak), and prints the peak of resident memory with decoding, landmarks
and all.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from lips import TEXT
from lips_films import Film, Tools, Voice, decode, open_film, spans_for, spoken

from polydub.engines.lips.exemplar import ExemplarLips
from polydub.engines.protocols import LipSpan
from polydub.media.frames import FrameSource
from polydub.model import FaceTrack, Image, Shot, Span, Waveform


def talker(film: Film) -> FaceTrack:
    """The longest track whose mouth moves most."""
    return max(
        film.tracks, key=lambda t: t.n_frames * float(np.nanmean(np.abs(np.diff(t.aperture))))
    )


def scaled(film: Film, track: FaceTrack, width: float) -> tuple[Film, FaceTrack]:
    """The film in the size at which the face is ``width`` pixels wide."""
    factor = width / float(np.median(track.boxes[:, 2] - track.boxes[:, 0]))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    frames = [
        cv2.resize(image, None, fx=factor, fy=factor, interpolation=how) for image in film.frames
    ]
    moved = replace(
        track,
        boxes=track.boxes * factor,
        landmarks=track.landmarks * factor,
        iod=track.iod * factor,
    )
    return replace(film, frames=frames, tracks=(moved,)), moved


def speed(film: Film, track: FaceTrack, voice: Voice) -> None:
    """One row of the first table."""
    begin = film.video.frame_time(track.first)
    said = voice.shifted(begin).until(film.video.frame_time(track.frames.stop))
    spans = spans_for(film, track, said, begin)
    engine = ExemplarLips()
    wall, processor = time.perf_counter(), time.process_time()
    outcomes = list(
        engine.render(
            spans, [track], film.shots, film.read, film.video.frame_time, audio=said.audio
        )
    )
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    frames = sum(len(outcome.patches) for outcome in outcomes)
    side = float(np.median(track.boxes[:, 2] - track.boxes[:, 0]))
    print(
        f"face {side:4.0f} px: {frames} frames, {frames / wall:5.1f} frames/s, "
        f"{1000 * processor / max(frames, 1):4.0f} processor ms/frame "
        f"(load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)",
        flush=True,
    )


def memory(
    film: Film, path: Path, track: FaceTrack, voice: Voice, seconds: int, every: int
) -> None:
    """Peak memory of a film of ``seconds`` that repeats the clip; printed in MiB."""
    count, rate = film.video.n_frames, film.video.average_rate
    length = round(seconds * rate)

    def time_of(frame: int) -> Fraction:
        return frame / rate

    tracks, shots, spans = [], [], []
    for number, start in enumerate(range(0, length, count)):
        last = min(start + count, length)
        shots.append(Shot(number, start, last, Span(time_of(start), time_of(last))))
        keep = min(track.n_frames, last - start - track.first)
        if keep < 8:
            continue
        copy = replace(
            track, id=f"F{number:03}.1", shot=number, first=start + track.first,
            boxes=track.boxes[:keep].copy(), landmarks=track.landmarks[:keep].copy(),
            accepted=track.accepted[:keep].copy(), pose=track.pose[:keep].copy(),
            iod=track.iod[:keep].copy(), aperture=track.aperture[:keep].copy(),
        )  # fmt: skip
        tracks.append(copy)
        if number % every:
            continue
        span = Span(time_of(copy.first), time_of(copy.frames.stop))
        phones = tuple(
            p.shift(span.start) for p in voice.phones if span.start + p.span.end < span.end
        )
        spans.append(LipSpan(copy.id, "L1", (copy.first, copy.frames.stop), span, phones))
    sound = Waveform(
        np.tile(
            voice.audio.samples.reshape(-1)[: round(count / rate * voice.audio.rate)], len(shots)
        ),
        voice.audio.rate,
    )
    with FrameSource(path, film.video, film.source.start) as source:

        def read(first: int, last: int) -> Iterator[tuple[int, Image]]:
            for index in range(first, last):
                for _, image in source.read(index % count, index % count + 1):
                    yield index, image

        done, minute = 0, 0
        print(f"{seconds} s: {peak_mib():.0f} MiB with the analysis of the clip", flush=True)
        for outcome in ExemplarLips().render(spans, tracks, shots, read, time_of, audio=sound):
            done += len(outcome.patches)
            if outcome.span.span.start >= 60 * (minute + 1):
                minute = int(outcome.span.span.start / 60)
                print(f"  {minute} min: {done} frames, peak {peak_mib():.0f} MiB", flush=True)
    print(f"{seconds} s: {done} frames rendered, peak {peak_mib():.0f} MiB", flush=True)


def peak_mib() -> float:
    """The most memory that the process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--width", type=int, action="append", help="of the face, pixels")
    parser.add_argument("--seconds", type=int, action="append", help="measure memory instead")
    parser.add_argument("--every", type=int, default=1, help="of so many repetitions one speaks")
    parser.add_argument("--cache", type=Path, help="folder that keeps the analysis")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.seconds and not options.child:  # a peak is of a whole process: one for each
        for seconds in options.seconds:
            command = [sys.executable, *sys.argv[:1], str(options.clip), "--child"]
            command += ["--cache", str(options.cache)] if options.cache else []
            command += ["--every", str(options.every), "--seconds", str(seconds)]
            subprocess.run(command, check=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        cache = options.cache or Path(folder)
        cache.mkdir(parents=True, exist_ok=True)
        tools = Tools()
        film = open_film(tools, options.clip, cache)
        voice = spoken(tools, TEXT, "en")
    track = talker(film)
    if options.seconds:
        memory(film, options.clip, track, voice, options.seconds[0], options.every)
        return
    decode(film, options.clip)
    for width in options.width or (150, 300, 450):
        speed(*scaled(film, track, width), voice)


if __name__ == "__main__":
    main()
