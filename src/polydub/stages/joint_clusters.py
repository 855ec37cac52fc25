"""Runs of speech grouped by sound and by face: where the search for the voices begins."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

from polydub.model import Turn
from polydub.stages.joint_evidence import Atom, Prints
from polydub.stages.joint_model import Floats, Labels, Scene
from polydub.stages.voices import condensed


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """How runs of speech, up to ``run_counts`` long, are grouped.

    ``distances``: cosine distances at which average linkage is cut. ``voices``: numbers of groups
    that spectral clustering looks for; it tells alike voices apart that average linkage chains
    together. ``near``: how many of its nearest runs a run is compared with there, as a share of all
    but ``nearest`` at least. More than ``most_runs`` are grouped block by block first, or for
    spectral clustering, whose time grows with their cube, ``most_spectral``.
    """

    run_counts: float = 2.5
    distances: tuple[float, ...] = (0.55, 0.7, 0.8)
    voices: tuple[int, ...] = (2, 3, 4, 5, 6, 8)
    near: float = 0.2
    nearest: int = 6
    most_runs: int = 2500
    most_spectral: int = 800


def starting_points(
    scene: Scene,
    breaks: npt.NDArray[np.bool_],
    atoms: Sequence[Atom],
    turns: Sequence[Turn],
    options: ClusterOptions,
) -> list[Labels]:
    """Where the search begins: the audio-only ``turns``, faces, several clusterings, one voice.

    ``breaks [atoms]``: true where a run of speech begins, from pauses, text and segmenter.
    """
    starts = [_from_turns(atoms, turns)] if turns else []
    pieces = np.cumsum(breaks, dtype=np.int64)
    runs = runs_of(scene, pieces, options.run_counts)
    if runs:
        groups = [*_by_face(scene, runs, options), *_by_distance(scene, runs, options)]
        groups += _by_spectrum(_prints(scene, runs), options)
        starts += [_spread(found, runs, scene.n_atoms) for found in groups]
    starts.append(np.zeros(scene.n_atoms, dtype=np.int64))
    return [start + scene.pinned for start in starts]  # none of the pinned voices


def runs_of(scene: Scene, labels: Labels, most: float = np.inf) -> list[tuple[int, int]]:
    """``[first, last)`` of the runs of atoms of one voice, at most ``most`` counts long."""
    runs: list[tuple[int, int]] = []
    first, counts = 0, 0.0
    for at in range(len(labels)):
        new = at > first and (labels[at] != labels[at - 1] or counts >= most)
        if new:
            runs.append((first, at))
            first, counts = at, 0.0
        counts += float(scene.counts[at])
    if len(labels):
        runs.append((first, len(labels)))
    return runs


def cluster_runs(
    scene: Scene, runs: Sequence[tuple[int, int]], distance: float | None, options: ClusterOptions
) -> Labels:
    """Cluster number (from 1) of each run by average linkage of cosines; ``None`` = two clusters.

    Many runs are first grouped in blocks where they are surely one voice, for memory.
    """
    leaf_of, prints = condensed(_prints(scene, runs), options.most_runs)
    if len(prints) == 1:
        return np.ones(len(runs), dtype=np.int64)
    tree = linkage(pdist(prints, "cosine"), "average")
    if distance is None:
        found = fcluster(tree, 2, "maxclust")
    else:
        found = fcluster(tree, distance, "distance")
    return np.asarray(np.asarray(found, dtype=np.int64)[leaf_of])


def _prints(scene: Scene, runs: Sequence[tuple[int, int]]) -> Prints:
    """Unit-length voiceprints ``[runs, d]``."""
    prints = np.stack([scene.sums[slice(*run)].sum(axis=0) for run in runs])
    prints /= np.maximum(np.linalg.norm(prints, axis=1, keepdims=True), 1e-9)
    prints[np.linalg.norm(prints, axis=1) == 0, 0] = 1.0  # nothing was heard: anywhere
    return np.asarray(prints, dtype=np.float32)


def _by_distance(
    scene: Scene, runs: Sequence[tuple[int, int]], options: ClusterOptions
) -> Iterator[Labels]:
    for distance in options.distances:
        yield cluster_runs(scene, runs, distance, options)


def _by_face(
    scene: Scene, runs: Sequence[tuple[int, int]], options: ClusterOptions
) -> Iterator[Labels]:
    """Runs in which one mouth clearly moves are that person's voice, the others as they sound."""
    if not scene.talks.shape[1]:
        return
    talks = np.stack([scene.talks[slice(*run)].sum(axis=0) for run in runs])
    who = np.where(talks.max(axis=1) > 1.0, talks.argmax(axis=1), -1)
    groups = cluster_runs(scene, runs, options.distances[-1], options) + talks.shape[1]
    yield np.where(who >= 0, who, groups)


def _by_spectrum(prints: Prints, options: ClusterOptions) -> Iterator[Labels]:
    """Spectral clustering (Ng, Jordan and Weiss 2001) of unit-length ``prints [runs, d]``."""
    leaf_of, leaves = condensed(prints, options.most_spectral)
    counts = [count for count in options.voices if count < len(leaves)]
    if not counts or len(leaves) > options.most_runs:
        return
    alike = np.maximum(leaves.astype(np.float64) @ leaves.T, 0.0)
    np.fill_diagonal(alike, 0.0)
    keep = min(len(leaves) - 1, max(options.nearest, round(options.near * len(leaves))))
    least = np.partition(alike, -keep, axis=1)[:, [-keep]]
    alike = np.where(alike >= least, alike, 0.0)
    alike = (alike + alike.T) / 2
    degree = np.maximum(alike.sum(axis=1), 1e-9)
    joined = alike / np.sqrt(np.outer(degree, degree))
    try:  # all vectors: asked for a few only, LAPACK gives up on runs that are nothing alike
        _, vectors = np.linalg.eigh(joined)
    except np.linalg.LinAlgError:
        return  # one place less where the search begins
    for count in counts:
        points = vectors[:, -count:]
        points = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)
        yield _nearest_centre(points, count)[leaf_of]


def _nearest_centre(points: Floats, count: int) -> Labels:
    """k-means of unit-length ``points [n, d]`` by cosine; each next centre begins furthest away."""
    centres = [points[0]]
    for _ in range(count - 1):
        near = np.max(points @ np.stack(centres).T, axis=1)
        centres.append(points[int(np.argmin(near))])
    middles = np.stack(centres)
    labels = np.zeros(len(points), dtype=np.int64)
    for _ in range(50):
        before, labels = labels, np.asarray((points @ middles.T).argmax(axis=1), dtype=np.int64)
        if (before == labels).all():
            break
        for group in np.unique(labels):
            mean = points[labels == group].mean(axis=0)
            middles[group] = mean / max(float(np.linalg.norm(mean)), 1e-9)
    return labels


def _spread(groups: Labels, runs: Sequence[tuple[int, int]], n_atoms: int) -> Labels:
    labels = np.zeros(n_atoms, dtype=np.int64)
    for run, group in zip(runs, groups.tolist(), strict=True):
        labels[slice(*run)] = group
    return labels


def _from_turns(atoms: Sequence[Atom], turns: Sequence[Turn]) -> Labels:
    """The voice of each atom by the turn it shares most time with, else the nearest."""
    names = sorted({turn.voice for turn in turns})
    ordered = sorted(turns, key=lambda turn: (turn.span, turn.voice))
    starts = [turn.span.start for turn in ordered]
    longest = max(turn.span.duration for turn in ordered)
    labels = np.zeros(len(atoms), dtype=np.int64)
    for index, atom in enumerate(atoms):
        first = bisect_left(starts, atom.span.start - longest)
        last = bisect_left(starts, atom.span.end)
        near = ordered[max(0, first - 1) : last + 1]
        best = max(near, key=lambda turn: (turn.span.overlap(atom.span), -turn.span.gap(atom.span)))
        labels[index] = names.index(best.voice)
    return labels
