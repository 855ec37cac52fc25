"""How long ``polydub analyze`` takes for one minute of 1080p with two people.

    python benchmarks/analysis_minute.py [--runs 3] [--against CHECKOUT] [--film FILM]

Makes the film once (``polydub.simulate``, sixty seconds, two people, then H.264 at 2.3 Mbit/s, as
films on the web are) and analyses it ``--runs`` times, each time in a new process and a new project
with nothing kept: the start of Python and the loading of models count. Printed per run: seconds,
processor seconds, seconds per minute of film, people found, DER. Machines differ by a factor
of two and more: first comes how long Kokoro needs for a second of speech here (models loaded, one
core), and ``--against`` takes turns with another version of polydub.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import av

from polydub.engines.protocols import SpeechRequest
from polydub.engines.registry import load
from polydub.evaluate.truth import FilmTruth, read_truths
from polydub.evaluate.who import comparable_turns, diarization_errors
from polydub.media.probe import probe
from polydub.project.script_file import read_script

ROOT = Path(__file__).resolve().parents[1]
BIT_RATE = 2_150_000
TEXT = "Nobody told me that the last train leaves before the end of the second act."


def minute(work: Path) -> Path:
    """The film, with its truth beside it."""
    made = work / "made"
    film = work / "minute" / "own-1-000.mp4"
    if not film.exists():
        options = "--own --count 1 --seconds 60 --speakers 2 --size 1920x1080"
        command = [sys.executable, "-m", "polydub.simulate", str(made), *options.split()]
        subprocess.run(command, check=True)
        film.parent.mkdir(parents=True, exist_ok=True)
        encode(made / film.name, film.with_suffix(".part.mp4"))
        truth = film.with_suffix(".json")
        truth.write_bytes((made / truth.name).read_bytes())
        os.replace(film.with_suffix(".part.mp4"), film)
    return film


def encode(source: Path, target: Path) -> None:
    """The film at :data:`BIT_RATE`, its sound as AAC."""
    with av.open(str(source)) as film, av.open(str(target), "w") as coded:
        pictures, sound = film.streams.video[0], film.streams.audio[0]
        video = coded.add_stream("libx264", rate=pictures.average_rate)
        video.width, video.height, video.pix_fmt = pictures.width, pictures.height, "yuv420p"
        video.bit_rate = BIT_RATE
        audio = coded.add_stream("aac", rate=sound.rate)
        audio.bit_rate = 128_000
        for frame in film.decode(pictures, sound):
            if isinstance(frame, av.VideoFrame):
                frame.pict_type = av.video.frame.PictureType.NONE
                coded.mux(video.encode(frame))
            elif isinstance(frame, av.AudioFrame):
                coded.mux(audio.encode(frame))
        for stream in (video, audio):
            coded.mux(stream.encode(None))


def analyse(film: Path, checkout: Path) -> tuple[float, float, Path, TemporaryDirectory[str]]:
    """Seconds, processor seconds, and the script, in a folder that goes with its owner."""
    folder = TemporaryDirectory()
    project = Path(folder.name) / "project"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "polydub", "analyze", film, "--project", project, "--quiet"],
        check=True,
        env=os.environ | {"PYTHONPATH": str(checkout / "src")},
    )
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, spent, project / "script.json", folder


def yardstick() -> float:
    """Seconds that Kokoro needs for a second of speech on one core of this machine."""
    engine = load("speak", "kokoro", threads=1)
    request = SpeechRequest(TEXT, "en", engine.styles("en")[0].name)
    engine.speak(request)
    began = time.perf_counter()
    speech = engine.speak(request)
    return (time.perf_counter() - began) / float(speech.audio.duration)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--film", type=Path, help="another film instead of the simulated one")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--against", type=Path, help="checkout of another version of polydub")
    parser.add_argument("--work", type=Path, default=Path("results/minute"))
    options = parser.parse_args()
    film = options.film or minute(options.work)
    length = float(probe(film).duration)
    truths: list[FilmTruth] = [t for t in read_truths(film.parent) if t.film == film]
    print(f"{os.cpu_count()} cores; Kokoro speaks at {yardstick():.2f} of real time on one")
    print(f"{'version':10}{'s':>7}{'cpu s':>8}{'s/min':>8}{'people':>8}{'DER %':>7}")
    versions = {"this": ROOT} | ({"other": options.against} if options.against else {})
    walls: dict[str, list[float]] = {name: [] for name in versions}
    for _ in range(options.runs):
        for name, checkout in versions.items():
            wall, spent, path, folder = analyse(film, checkout)
            with folder:
                script = read_script(path)
            walls[name].append(wall)
            der = "–"
            if truths:
                turns = comparable_turns(script, pauses=truths[0].pauses)
                der = f"{100 * diarization_errors(truths[0].turns, turns).rate:.1f}"
            print(
                f"{name:10}{wall:7.1f}{spent:8.1f}{60 * wall / length:8.1f}"
                f"{len(script.people):8}{der:>7}",
                flush=True,
            )
    for name, seconds in walls.items():
        print(f"{name}: median {60 * median(seconds) / length:.1f} s for a minute of film")


if __name__ == "__main__":
    main()
