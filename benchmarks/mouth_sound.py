"""How well mouths tell their own sound from another's, on annotated films, by two measures.

    python benchmarks/mouth_sound.py CLIPS --work WORK

CLIPS holds films with annotations (:mod:`polydub.evaluate.truth`). Every face that talks in a turn
is held against the dialogue of its own film and against that of every other film: the share of
pairs in which its own fits better, the delay that is found for its own sound, and what the best
delay of all faces together reaches with sounds that are not theirs (chance). ``opening`` is the
correlation of the lip gap with the levels of two bands, ``in common`` the fit that polydub
evaluates with (:mod:`polydub.evaluate.mouth_sound`), which has seen none of these films.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from polydub import api
from polydub.engines.active_speaker.mouth_curves import (
    mouth_curves,
    speed,
    usable_frames,
    weighted_mean,
)
from polydub.engines.active_speaker.speech_drive import speech_drive
from polydub.evaluate.mouth_sound import CLOCK, mouth_lengths, quick, sound_windows
from polydub.evaluate.mouths import (
    LEAST_FIT,
    PROMINENT,
    REACH,
    Mouth,
    _correlations,
    line_mouth,
)
from polydub.evaluate.truth import FilmTruth, read_truths
from polydub.media.audio import open_waveform
from polydub.model import Waveform
from polydub.pipeline.analysis import probe_source, see, separate_sound
from polydub.pipeline.options import DubOptions
from polydub.project.folder import Project

TALKS = 0.12
"""Eye distances per second from which a mouth in a turn is taken for the one that talks."""
LEAST = 20


@dataclass
class Face:
    """One face that talks: mouth lengths, lip gap, which ticks count, and the film's dialogue."""

    film: str
    times: Any
    lengths: Any
    gap: Any
    use: Any
    sound: Waveform


def faces_of(truth: FilmTruth, work: Path) -> list[Face]:
    """The talking faces of one film."""
    project = Project.for_source(truth.film, work / f"{truth.name}.polydub")
    with api._run(project, DubOptions().normalised(), None) as run:
        source = probe_source(run)
        assert source.video is not None
        tracks = see(run, source, source.video).tracks()
        sound = open_waveform(separate_sound(run, source).speech)
    found = []
    for track in tracks:
        frames = np.array([float(source.video.frame_time(index)) for index in track.frames])
        curves, usable = mouth_curves(track, frames), usable_frames(track)
        if curves is None:
            continue
        points = track.landmarks[usable].astype(float)
        rows = mouth_lengths(points, track.iod[usable].astype(float))
        lengths = np.stack([np.interp(curves.times, frames[usable], row) for row in rows])
        said = np.zeros(len(curves.times), bool)
        for turn in truth.turns:
            said |= (curves.times >= float(turn.span.start)) & (curves.times < float(turn.span.end))
        use = curves.usable & said
        moving, _ = weighted_mean(*speed(curves.outer, curves.usable), 3)
        if use.sum() >= LEAST and moving[use].mean() > TALKS:
            gap = np.sqrt(np.maximum(curves.inner, 0)) + np.sqrt(np.maximum(curves.outer, 0))
            found.append(Face(truth.name, curves.times, lengths, gap, use, sound))
    return found


def opening(face: Face, sound: Waveform) -> Mouth:
    """The lip gap beside the levels of two bands."""
    heard = speech_drive(sound, _around(face))
    return Mouth(face.film, quick(face.gap)[None], face.use, heard[None], np.ones(1))


def in_common(face: Face, sound: Waveform) -> Mouth:
    """What polydub evaluates with."""
    return line_mouth(face.film, face.lengths, face.use, sound_windows(sound, _around(face)))


def _around(face: Face) -> Any:
    return face.times[0] + np.arange(-REACH, len(face.times) + REACH) / CLOCK


def report(title: str, faces: Sequence[Face], measure: Callable[[Face, Waveform], Mouth]) -> None:
    """Print what one measure tells."""
    sounds = {face.film: face.sound for face in faces}
    rows = {
        (number, film): _correlations(measure(face, sound))
        for number, face in enumerate(faces)
        for film, sound in sounds.items()
    }
    near = slice(REACH - 1, REACH + 2)
    own = [rows[number, face.film] for number, face in enumerate(faces)]
    others = [
        [rows[number, film][near].max() for film in sounds if film != face.film]
        for number, face in enumerate(faces)
    ]
    wins = [a[near].max() > b for a, found in zip(own, others, strict=True) for b in found]
    delays = np.array([int(np.argmax(row)) - REACH for row in own])
    weights = np.array([face.use.sum() for face in faces], float)
    rng = np.random.default_rng(1)
    chance = []
    for _ in range(300):
        picked = [
            rows[number, rng.choice([film for film in sounds if film != face.film])]
            for number, face in enumerate(faces)
        ]
        mean = weights @ np.array(picked) / weights.sum()
        chance.append((mean.max(), mean.max() - np.median(mean)))
    top, stands_out = np.array(chance).T
    _delays(rows, faces, weights, rng)
    together = weights @ np.array(own) / weights.sum()
    print(
        f"{title}: own {np.mean([a[near].max() for a in own]):.2f}, "
        f"others {np.mean(np.concatenate(others)):.2f}, own better {np.mean(wins):.3f} of "
        f"{len(wins)} pairs; delay within 40 ms {np.mean(abs(delays) <= 1):.2f}, 120 ms "
        f"{np.mean(abs(delays) <= 3):.2f}; together {together.max():.2f} at "
        f"{40 * (int(np.argmax(together)) - REACH)} ms; by chance {np.quantile(top, 0.95):.2f} "
        f"(95 %, standing out {np.quantile(stands_out, 0.95):.2f}, limit {PROMINENT})"
    )
    print("  " + ", ".join(f"{f.film} {a[REACH]:.2f}" for f, a in zip(faces, own, strict=True)))


def _delays(rows: Any, faces: Sequence[Face], weights: Any, rng: Any) -> None:
    """How often 10 to 16 s of speech, drawn from all faces, tell a delay, and the right one."""
    films = {face.film for face in faces}
    found: dict[bool, list[tuple[float, float, int]]] = {True: [], False: []}
    for _ in range(4000):
        chosen = rng.choice(len(faces), min(len(faces), rng.integers(2, 7)), replace=False)
        if not 10 * CLOCK <= weights[chosen].sum() <= 16 * CLOCK:
            continue
        for own, draws in found.items():
            films_of = [
                faces[n].film if own else rng.choice(sorted(films - {faces[n].film}))
                for n in chosen
            ]
            picked = np.array([rows[n, film] for n, film in zip(chosen, films_of, strict=True)])
            mean = weights[chosen] @ picked / weights[chosen].sum()
            best = int(np.argmax(mean))
            draws.append((mean[best], mean[best] - float(np.median(mean)), abs(best - REACH)))
    told = {
        own: [x for x in draws if x[0] >= LEAST_FIT and x[1] >= PROMINENT]
        for own, draws in found.items()
    }
    if told[True]:
        print(
            f"delays of {len(found[True])} draws of 10 to 16 s: told by own sounds "
            f"{len(told[True]) / len(found[True]):.2f}, of these within 80 ms "
            f"{np.mean([x[2] <= 2 for x in told[True]]):.2f}; told by other sounds "
            f"{len(told[False]) / len(found[False]):.3f}"
        )


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    given = parser.parse_args(arguments)
    given.work.mkdir(parents=True, exist_ok=True)
    faces = [face for truth in read_truths(given.clips) for face in faces_of(truth, given.work)]
    print(f"{len(faces)} talking faces, {sum(f.use.sum() for f in faces) / CLOCK:.0f} s")
    report("opening", faces, opening)
    report("in common", faces, in_common)
    return 0


if __name__ == "__main__":
    sys.exit(main())
