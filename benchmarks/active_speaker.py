"""How well active speaker scorers tell talkers from listeners, and how honest their log-odds are.

    python benchmarks/active_speaker.py LABELS.json FOLDER [FOLDER ...] --cache results/faces
    python benchmarks/active_speaker.py LABELS.json FOLDER --engine light-asd --weights FILE
    python benchmarks/active_speaker.py LABELS.json FOLDER --fit

``LABELS.json`` maps a film's name (``NAME.mp4``, ``.mpg`` ... in one of the folders) to rows
``[start, end, x, talks]``: seconds, the face's centre as a share of the picture's width, and 1 when
that face utters the speech that is heard or 0 when another one does. A ``NAME.wav`` beside the film
is its separated voice and is used instead of its own sound. Films are grouped by the part of their
name before the last ``_`` for leave-one-group-out fits (``en_dialogue_1`` with ``en_dialogue_3``).

Printed per engine: frame and span AUC, Brier score, log loss (classes weighted alike: 0.25 and
0.693 are those of a coin), a reliability table, what one look per second is worth, and the time.
``--fit`` makes the numbers of ``MotionModel`` again, with held-out figures for them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from polydub.engines import registry
from polydub.engines.active_speaker.light_asd import LightAsd
from polydub.engines.active_speaker.mouth_curves import mouth_curves
from polydub.engines.active_speaker.mouth_motion import (
    MotionModel,
    MouthMotion,
    motion,
    synchrony,
)
from polydub.engines.active_speaker.speech_drive import speech_drive
from polydub.engines.protocols import ActiveSpeakerScorer
from polydub.media.audio import extract_audio, open_waveform, resample_file
from polydub.media.frames import FrameSource
from polydub.media.probe import probe
from polydub.model import FaceTrack, Source, Span, Waveform
from polydub.project.track_store import load_tracks, save_tracks
from polydub.stages.active_speaker import LogOdds, score_faces
from polydub.stages.faces import track_faces
from polydub.stages.shots import find_shots

RATE = 16_000
BINS = (-9.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 9.0)
SPAN_S = (0.5, 1.0, 2.0, 4.0)

Floats = npt.NDArray[np.float64]
Truth = npt.NDArray[np.float64 | np.int64]
"""1 for talks and 0 for listens, one per score."""
Scores = dict[tuple[str, str], LogOdds]
"""What a scorer says of every frame of a track, by film and track."""


@dataclass
class Film:
    name: str
    source: Source
    audio: Waveform
    tracks: tuple[FaceTrack, ...]
    labels: list[tuple[float, float, float, int]]

    @property
    def group(self) -> str:
        return self.name.rpartition("_")[0] or self.name

    def time(self, frame: int) -> Fraction:
        assert self.source.video is not None
        return self.source.video.frame_time(frame)


@dataclass
class Piece:
    """One labelled stretch of one track: which rows, and the truth."""

    film: Film
    track: FaceTrack
    rows: slice
    talks: int


def load_film(path: Path, rows: Sequence[Sequence[float]], cache: Path) -> Film:
    folder = cache / path.stem
    folder.mkdir(parents=True, exist_ok=True)
    source = probe(path)
    assert source.video is not None
    if not (folder / "tracks.npz").exists():
        finder = registry.load("faces", "mediapipe")
        identifier = registry.load("identify-face", "dlib")
        with FrameSource(path, source.video, source.start) as frames:
            detector = registry.load("shots", "pyscenedetect")
            tracks: list[FaceTrack] = []
            for shot in find_shots(detector, frames.small(180), source.video):
                tracks += track_faces(finder, identifier, shot, frames.read)
        save_tracks(folder / "tracks.npz", tracks)
    if not (folder / "speech.wav").exists():
        voice = path.with_suffix(".wav")
        if not voice.exists():
            voice = folder / "audio.wav"
            extract_audio(source, source.audio[0].index, voice, rate=48_000)
        resample_file(voice, folder / "speech.wav", RATE, mono=True)
    labels = [(float(a), float(b), float(x), int(talks)) for a, b, x, talks in rows]
    audio = open_waveform(folder / "speech.wav")
    return Film(path.stem, source, audio, load_tracks(folder / "tracks.npz"), labels)


def pieces_of(film: Film) -> Iterator[Piece]:
    """Labelled stretches; each goes to the nearest track that covers most of it."""
    assert film.source.video is not None
    width = film.source.video.width
    for start, end, x, talks in film.labels:
        best: tuple[float, Piece] | None = None
        for track in film.tracks:
            times = np.array([float(film.time(frame)) for frame in track.frames])
            inside = np.flatnonzero((times >= start) & (times < end))
            if len(inside) < 2:
                continue
            rows = slice(int(inside[0]), int(inside[-1]) + 1)
            centre = float(track.boxes[rows][:, [0, 2]].mean()) / width
            if abs(centre - x) < 0.15 and (best is None or len(inside) > best[0]):
                best = (len(inside), Piece(film, track, rows, talks))
        if best is None:
            print(f"{film.name} {start:.2f}-{end:.2f}: no face at {x:.2f}", file=sys.stderr)
        else:
            yield best[1]


def auc(scores: Floats, truth: Truth, weights: Floats | None = None) -> float:
    """Probability that a talker scores above a listener; ties count half."""
    weights = np.ones(len(scores)) if weights is None else weights
    values, index = np.unique(scores, return_inverse=True)
    talk = np.bincount(index, weights * truth, len(values))
    listen = np.bincount(index, weights * (1 - truth), len(values))
    below = np.cumsum(listen) - listen / 2
    return float((talk * below).sum() / (talk.sum() * listen.sum()))


def balanced(truth: Truth) -> Floats:
    """Weights that sum to 1/2 for each class."""
    return np.where(truth == 1, 0.5 / max(1, truth.sum()), 0.5 / max(1, (1 - truth).sum()))


def brier(odds: Floats, truth: Truth, weights: Floats) -> float:
    return float((weights * (1 / (1 + np.exp(-odds)) - truth) ** 2).sum())


def log_loss(odds: Floats, truth: Truth, weights: Floats) -> float:
    return float((weights * np.logaddexp(0, np.where(truth == 1, -odds, odds))).sum())


def run(scorer: ActiveSpeakerScorer, films: Sequence[Film]) -> Scores:
    scores = {}
    for film in films:
        assert film.source.video is not None
        with FrameSource(Path(film.source.path), film.source.video, film.source.start) as frames:
            found = score_faces(scorer, film.tracks, film.audio, film.time, frames.read)
        scores.update({(film.name, track): value for track, value in found.items()})
    return scores


def report(name: str, pieces: Sequence[Piece], scores: Scores, seconds: float) -> None:
    odds, truth = [], []
    print(f"\n## {name}\n\n| film | track | truth | mean log-odds | seconds told |")
    print("|---|---|---|---|---|")
    for piece in pieces:
        values = scores[piece.film.name, piece.track.id][piece.rows]
        known = values[np.isfinite(values)]
        odds.append(known)
        truth.append(np.full(len(known), piece.talks))
        mean = f"{known.mean():+.2f}" if len(known) else "-"
        step = float(piece.film.time(piece.track.first + 1) - piece.film.time(piece.track.first))
        print(
            f"| {piece.film.name} | {piece.track.id} | {'talks' if piece.talks else 'listens'} "
            f"| {mean} | {len(known) * step:.1f} of {len(values) * step:.1f} |"
        )
    x, y = np.concatenate(odds).astype(float), np.concatenate(truth)
    w = balanced(y)
    right = float((w * ((x > 0) == (y == 1))).sum())
    print(
        f"\nframes {len(x)}: AUC {auc(x, y):.3f}, balanced accuracy {right:.3f}, "
        f"Brier {brier(x, y, w):.3f}, log loss {log_loss(x, y, w):.3f}; {seconds:.1f} s"
    )
    print("\n| log-odds | frames | says | talks |\n|---|---|---|---|")
    for low, high in pairwise(BINS):
        chosen = (x >= low) & (x < high)
        if chosen.any():
            says = float(np.average(1 / (1 + np.exp(-x[chosen])), weights=w[chosen]))
            is_so = float(np.average(y[chosen], weights=w[chosen]))
            print(f"| {low:+.0f} .. {high:+.0f} | {chosen.sum()} | {says:.2f} | {is_so:.2f} |")
    print("\n| span | spans | AUC | best factor on the mean log-odds | log loss |")
    print("|---|---|---|---|---|")
    for length in SPAN_S:
        spans(pieces, scores, length)


def spans(pieces: Sequence[Piece], scores: Scores, length: float) -> None:
    """How many independent looks the frames of a span are worth: the factor that fits best."""
    means, truth = [], []
    for piece in pieces:
        values = scores[piece.film.name, piece.track.id][piece.rows]
        step = float(piece.film.time(piece.track.first + 1) - piece.film.time(piece.track.first))
        count = round(length / step)
        for at in range(0, len(values) - count + 1, max(1, count // 2)):
            part = values[at : at + count]
            if np.isfinite(part).mean() > 0.5:
                means.append(float(np.nanmean(part)))
                truth.append(piece.talks)
    if len(set(truth)) < 2:
        return
    x, y = np.array(means), np.array(truth)
    w = balanced(y)
    factors = np.arange(0.2, 6.01, 0.1)
    losses = [log_loss(factor * x, y, w) for factor in factors]
    best = int(np.argmin(losses))
    print(f"| {length} s | {len(x)} | {auc(x, y):.3f} | {factors[best]:.1f} | {losses[best]:.3f} |")


# Fitting the default engine


@dataclass
class Sample:
    group: str
    weight: float
    truth: Floats
    moving: Floats


def samples(pieces: Sequence[Piece], model: MotionModel) -> list[Sample]:
    found = []
    for piece in pieces:
        times = np.array([float(piece.film.time(frame)) for frame in piece.track.frames])
        curves = mouth_curves(piece.track, times - times[0])
        if curves is None:
            continue
        moving, share = motion(curves, model)
        low, high = times[piece.rows.start] - times[0], times[piece.rows.stop - 1] - times[0]
        chosen = (curves.times >= low) & (curves.times <= high) & curves.usable
        chosen &= share >= model.least_share
        if chosen.any():
            truth = np.full(int(chosen.sum()), float(piece.talks))
            found.append(Sample(piece.film.group, 1.0, truth, moving[chosen]))
    return found


def stacked(parts: Sequence[Sample]) -> tuple[Floats, Floats, Floats]:
    """Speeds, truth and weights: at most two seconds of a piece count, classes count alike."""
    speeds = np.concatenate([part.moving for part in parts])
    truth = np.concatenate([part.truth for part in parts])
    each = [np.full(len(part.truth), min(1.0, 50 / len(part.truth))) for part in parts]
    weights = np.concatenate(each)
    for value in (0, 1):
        weights[truth == value] /= weights[truth == value].sum() * 2
    return speeds, truth, weights


def logistic(x: Floats, y: Floats, weights: Floats, ridge: float) -> Floats:
    """Slope and offset of a weighted logistic regression, by Newton's method."""
    design = np.stack([x, np.ones(len(x))], axis=1)
    penalty = np.diag([ridge, 0.0])
    found = np.zeros(2)
    for _ in range(50):
        p = 1 / (1 + np.exp(-design @ found))
        hessian = (design * (weights * p * (1 - p))[:, None]).T @ design + penalty
        found -= np.linalg.solve(hessian, design.T @ (weights * (p - y)) + penalty @ found)
    return found


def fit_motion(parts: Sequence[Sample], model: MotionModel, ridge: float) -> MotionModel:
    speeds, truth, weights = stacked(parts)
    slope, offset = logistic(np.log(speeds + model.floor), truth, weights, ridge)
    return replace(model, slope=float(slope), middle=float(-offset / slope))


def fit_sync(films: Sequence[Film], pieces: Sequence[Piece], model: MotionModel) -> None:
    """Correlation with the own voice against other films' voices, for pieces that talk."""
    talking = [p for p in pieces if p.talks and p.rows.stop - p.rows.start >= 40]
    x, y, groups = [], [], []
    for piece in talking:
        times = np.array([float(piece.film.time(frame)) for frame in piece.track.frames])
        part = times[piece.rows]
        curves = mouth_curves(piece.track, times - times[0])
        assert curves is not None
        middle = (part - times[0]).mean()
        at = int(np.argmin(np.abs(curves.times - middle)))
        for other in talking:
            if other is not piece and other.film is piece.film:
                continue
            start = float(other.film.time(other.track.first + other.rows.start))
            shift = start - (part[0] - times[0])
            heard = other.film.audio.cut(Span.of(max(0.0, shift), shift + times[-1] - times[0]))
            own = speech_drive(heard, curves.times + min(0.0, shift))
            fit, _ = synchrony(curves, own, model.sync_half)
            x.append(float(fit[at]))
            y.append(float(other is piece))
            groups.append(piece.film.group)
    fits, truth = np.array(x), np.array(y)
    w = balanced(truth)
    slope, offset = logistic(fits, truth, w, 1e-3)
    print(
        f"\nsync: own voice {fits[truth == 1].mean():.2f}, other {fits[truth == 0].mean():.2f}, "
        f"AUC {auc(fits, truth):.3f} ({int(truth.sum())} pieces), "
        f"slope {slope:.2f}, middle {-offset / slope:.2f}"
    )
    for group in sorted(set(groups)):
        inside = np.array([g == group for g in groups])
        if truth[inside].any() and not truth[inside].all():
            print(f"  {group}: AUC {auc(fits[inside], truth[inside]):.3f}")


def fit(films: Sequence[Film], pieces: Sequence[Piece], ridge: float) -> None:
    model = MotionModel()
    parts = samples(pieces, model)
    odds, truth = [], []
    for group in sorted({part.group for part in parts}):
        trained = fit_motion([p for p in parts if p.group != group], model, ridge)
        for part in parts:
            if part.group == group:
                raw = trained.slope * (np.log(part.moving + trained.floor) - trained.middle)
                odds.append(np.clip(raw, -trained.limit, trained.limit))
                truth.append(part.truth)
    x, y = np.concatenate(odds), np.concatenate(truth)
    w = balanced(y)
    whole = fit_motion(parts, model, ridge)
    print(f"slope {whole.slope:.2f}, middle {whole.middle:.2f}")
    print(
        f"held out by group: AUC {auc(x, y):.3f}, Brier {brier(x, y, w):.3f}, "
        f"log loss {log_loss(x, y, w):.3f}"
    )
    fit_sync(films, pieces, model)


def scorer_of(options: argparse.Namespace) -> Callable[[], ActiveSpeakerScorer]:
    if options.engine == "mouth-motion":
        return MouthMotion
    return lambda: LightAsd(weights=options.weights)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labels", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--cache", type=Path, default=Path("results/active-speaker"))
    parser.add_argument("--engine", choices=("mouth-motion", "light-asd"), default="mouth-motion")
    parser.add_argument("--weights", type=Path, help="weights of light-asd")
    parser.add_argument("--only", nargs="*", help="names of films")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--ridge", type=float, default=0.01)
    options = parser.parse_args()
    labels = json.loads(options.labels.read_text(encoding="utf-8"))
    films = []
    for name in sorted(labels):
        found = [p for f in options.folders for p in sorted(f.glob(f"{name}.m*")) if p.is_file()]
        if found and (not options.only or name in options.only):
            films.append(load_film(found[0], labels[name], options.cache))
    pieces = [piece for film in films for piece in pieces_of(film)]
    if options.fit:
        fit(films, pieces, options.ridge)
        return
    scorer = scorer_of(options)()
    began = time.perf_counter()
    scores = run(scorer, films)
    report(options.engine, pieces, scores, time.perf_counter() - began)


if __name__ == "__main__":
    main()
