"""Search for the best assignment of a film's atoms to voices: exact steps, moves, several starts.

From each start the exact steps alternate (best sequence for the voices, voices and links for the
sequence) while the objective rises. Then voices are favoured, joined, dropped, split and born, and
single runs change hands; a move stays only if the objective is higher after the exact steps have
settled again. The best result of all starts wins. Nothing is random.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from polydub.stages.joint_clusters import ClusterOptions, cluster_runs, runs_of
from polydub.stages.joint_model import (
    NEVER,
    Floats,
    Labels,
    ModelOptions,
    Scene,
    Voices,
    decode,
    emissions,
    face_totals,
    gather,
    link_people,
    objective,
    voice_evidence,
)

GAIN = 1e-6
"""Least rise of the objective that counts as one."""


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How long to search.

    The ``starts`` that settle highest are improved, twice as many with up to ``short`` atoms (some
    five minutes of speech), in ``rounds`` of moves at most. In each kind of move the ``tries`` most
    promising are tried; one that lowers the objective by more than ``hope`` nats before the exact
    steps is dropped. ``wide``: with more voices than that, only alike ones are tried as pairs.
    ``favour``: nats per count that a small voice is given more. ``likely``: price of a change of
    voice up to which a run is cut for new voices. ``clusters``: how runs of speech are grouped.

    On 160 drawn scenes of three to five alike voices in nine turns (``tests/unit/test_search.py``)
    6 have a better solution than the one found, 0.3 nats on the mean; 53 and 2.6 nats with three
    starts, ``hope`` of 15 and without favoured voices.
    """

    starts: int = 3
    short: int = 1000
    hope: float = 30.0
    rounds: int = 30
    tries: int = 3
    settle_rounds: int = 12
    wide: int = 24
    favour: tuple[float, ...] = (2.0, 5.0, 10.0, 20.0)
    likely: float = 4.5
    clusters: ClusterOptions = field(default_factory=ClusterOptions)


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """The voice of every atom, how many voices there are, and the objective's value."""

    labels: Labels
    n_voices: int
    value: float


def solve(
    scene: Scene, starts: Sequence[Labels], model: ModelOptions, search: SearchOptions
) -> Solution:
    """The best solution that any start leads to; earlier starts win a tie."""
    settled: dict[bytes, Solution] = {}
    for start in starts:
        found = settle(scene, start, model, search)
        settled.setdefault(found.labels.tobytes(), found)
    tried = search.starts * (2 if scene.n_atoms <= search.short else 1)
    order = sorted(settled.values(), key=lambda found: -found.value)[:tried]
    best: Solution | None = None
    for found in order:
        better = improve(scene, found, model, search)
        if best is None or better.value > best.value + GAIN:
            best = better
    return best or Solution(np.zeros(0, dtype=np.int64), scene.pinned, 0.0)


def compact(labels: Labels, pinned: int) -> tuple[Labels, int]:
    """Voices renumbered by first appearance behind the pinned ones, and their number."""
    names = {voice: voice for voice in range(pinned)}
    for voice in labels.tolist():
        names.setdefault(voice, len(names))
    return np.array([names[voice] for voice in labels.tolist()], dtype=np.int64), len(names)


def forced(scene: Scene, labels: Labels) -> Labels:
    """``labels`` with the pins imposed."""
    return np.where(scene.forced >= 0, scene.forced, labels)


def settle(scene: Scene, labels: Labels, model: ModelOptions, search: SearchOptions) -> Solution:
    """Alternate the exact steps from ``labels`` until the objective no longer rises."""
    labels, n_voices = compact(forced(scene, labels), scene.pinned)
    best = Solution(labels, n_voices, objective(scene, labels, n_voices, model))
    for _ in range(search.settle_rounds):
        voices = gather(scene, best.labels, best.n_voices, model)
        labels = decode(scene, emissions(scene, voices, model))
        labels, n_voices = compact(forced(scene, labels), scene.pinned)
        value = objective(scene, labels, n_voices, model)
        if value <= best.value + GAIN:
            break
        best = Solution(labels, n_voices, value)
    return best


def improve(
    scene: Scene, solution: Solution, model: ModelOptions, search: SearchOptions
) -> Solution:
    """``solution`` after all moves that raise the objective."""
    kinds = (_favours, _joins, _drops, _hand_overs, _splits, _births, _offshoots)
    for _ in range(search.rounds):
        before = solution.value
        for kind in kinds:
            for labels in kind(scene, solution, model, search):
                if not _promising(scene, labels, solution, model, search):
                    continue
                found = settle(scene, labels, model, search)
                if found.value > solution.value + GAIN:
                    solution = found
                    break
        if solution.value <= before + GAIN:
            break
    return solution


def _promising(
    scene: Scene, labels: Labels, solution: Solution, model: ModelOptions, search: SearchOptions
) -> bool:
    """Whether a move is near enough to a rise to be worth the exact steps."""
    labels, n_voices = compact(forced(scene, labels), scene.pinned)
    return objective(scene, labels, n_voices, model) > solution.value - search.hope


def _joins(
    scene: Scene, solution: Solution, model: ModelOptions, search: SearchOptions
) -> Iterator[Labels]:
    """Two voices become one: the pairs that gain most by sound, faces and fewer changes."""
    n = solution.n_voices
    voices = gather(scene, solution.labels, n, model)
    totals = face_totals(scene, solution.labels, n)
    linked = link_people(scene, totals, model)[1]
    saved = _saved_by_joining(scene, solution.labels, n)
    own = voice_evidence(voices.sums, voices.counts, model)
    gains: list[tuple[float, int, int]] = []
    for one, two in _pairs(voices, scene.pinned, search):
        sums = (voices.sums[one] + voices.sums[two])[None]
        counts = voices.counts[[one]] + voices.counts[[two]]
        joined = float(voice_evidence(sums, counts, model)[0])
        gain = joined - float(own[one] + own[two]) + float(saved[one, two])
        if voices.twin[one] == two:  # they sound the same already
            gain = float(saved[one, two]) + model.twin
        if gain < -60:  # no face is worth that much
            continue
        merged = totals.copy()
        merged[one] += merged[two]
        merged[two] = 0.0
        gains.append((gain + link_people(scene, merged, model)[1] - linked, one, two))
    for _, one, two in sorted(gains, key=lambda item: (-item[0], item[1:]))[: search.tries]:
        yield np.where(solution.labels == two, one, solution.labels)


def _pairs(voices: Voices, pinned: int, search: SearchOptions) -> list[tuple[int, int]]:
    """Pairs that may be joined; pinned voices are different people."""
    n = len(voices.counts)
    pairs = [(one, two) for two in range(max(1, pinned), n) for one in range(two)]
    if n <= search.wide:
        return pairs
    units = voices.sums / np.maximum(np.linalg.norm(voices.sums, axis=1, keepdims=True), 1e-9)
    alike = units @ units.T
    return sorted(pairs, key=lambda pair: (-alike[pair], pair))[: 4 * n]


def _saved_by_joining(scene: Scene, labels: Labels, n_voices: int) -> Floats:
    """Price ``[voices, voices]`` of the changes between two voices, less that of staying."""
    saved = np.zeros((n_voices, n_voices))
    at = np.flatnonzero(labels[1:] != labels[:-1]) + 1
    prices = scene.change[at] - scene.stay[at]
    np.add.at(saved, (labels[at - 1], labels[at]), prices)
    return saved + saved.T


def _drops(
    scene: Scene, solution: Solution, model: ModelOptions, search: SearchOptions
) -> Iterator[Labels]:
    """A small voice is given up and its atoms go where they fit best."""
    scores, order = _smallest_first(scene, solution, model)
    for voice in [voice for voice in order if voice >= scene.pinned][: search.tries]:
        yield _decode_with(scene, scores, voice, -NEVER)


def _favours(
    scene: Scene, solution: Solution, model: ModelOptions, search: SearchOptions
) -> Iterator[Labels]:
    """A small voice takes what fits it a little worse as well: of few words little is known yet."""
    scores, order = _smallest_first(scene, solution, model)
    for voice in order[: search.tries]:
        for nats in search.favour:
            yield _decode_with(scene, scores, voice, nats * scene.counts)


def _smallest_first(
    scene: Scene, solution: Solution, model: ModelOptions
) -> tuple[Floats, list[int]]:
    """How well each atom fits each voice, and the voices by what is heard of them; one = none."""
    if solution.n_voices < 2:
        return np.zeros((scene.n_atoms, solution.n_voices)), []
    voices = gather(scene, solution.labels, solution.n_voices, model)
    order: list[int] = np.argsort(voices.counts, kind="stable").tolist()
    return emissions(scene, voices, model), order


def _decode_with(scene: Scene, scores: Floats, voice: int, more: Floats | float) -> Labels:
    """The best sequence of voices when one is given ``more`` nats, in all or in each atom."""
    changed = scores.copy()
    changed[:, voice] += more
    return decode(scene, changed)


def _hand_overs(
    scene: Scene, solution: Solution, model: ModelOptions, search: SearchOptions
) -> Iterator[Labels]:
    """A run goes to another voice, judged without what it told about its own voice itself."""
    n, labels = solution.n_voices, solution.labels
    if n < 2:
        return
    voices = gather(scene, labels, n, model)
    runs = runs_of(scene, labels)
    own = np.array([labels[first] for first, _ in runs])
    sums, counts, talks = _of_runs(scene, runs)
    faces = np.zeros((len(runs), n))
    linked = voices.people >= 0
    faces[:, linked] = talks[:, voices.people[linked]]
    base = voice_evidence(voices.sums, voices.counts, model)
    gain = np.full((len(runs), n), -np.inf)
    for voice in range(n):
        more = voice_evidence(voices.sums[voice] + sums, voices.counts[voice] + counts, model)
        gain[:, voice] = more - base[voice] + faces[:, voice]
    less = voice_evidence(voices.sums[own] - sums, voices.counts[own] - counts, model)
    at = np.arange(len(runs))
    stays = base[own] - less + faces[at, own]
    gain -= stays[:, None]
    gain[at, own] = -np.inf
    for index in np.argsort(-gain, axis=None, kind="stable")[: 2 * search.tries].tolist():
        run, voice = divmod(index, n)
        if gain[run, voice] < -8:
            return
        moved = labels.copy()
        moved[slice(*runs[run])] = voice
        yield moved


def _births(
    scene: Scene, solution: Solution, model: ModelOptions, search: SearchOptions
) -> Iterator[Labels]:
    """A run that its voice explains badly becomes a voice of its own."""
    yield from _born(scene, solution, runs_of(scene, solution.labels), model, search)


def _offshoots(
    scene: Scene, solution: Solution, model: ModelOptions, search: SearchOptions
) -> Iterator[Labels]:
    """A piece of a run, cut where the voice may well change, becomes one and is then favoured."""
    labels, n = solution.labels, solution.n_voices
    cuts = (scene.change - scene.stay < search.likely) | np.diff(labels, prepend=-1).astype(bool)
    for born in _born(scene, solution, runs_of(scene, np.cumsum(cuts)), model, search):
        scores = emissions(scene, gather(scene, born, n + 1, model), model)
        yield _decode_with(scene, scores, n, search.favour[-1] * scene.counts)


def _born(
    scene: Scene,
    solution: Solution,
    runs: Sequence[tuple[int, int]],
    model: ModelOptions,
    search: SearchOptions,
) -> Iterator[Labels]:
    """The runs, each of one voice, that it and its face explain worst, each as a new voice."""
    labels, n = solution.labels, solution.n_voices
    runs = [run for run in runs if scene.counts[slice(*run)].sum() > 0]
    if not runs:
        return
    voices = gather(scene, labels, n, model)
    own = np.array([labels[first] for first, _ in runs])
    sums, counts, talks = _of_runs(scene, runs)
    gains = voice_evidence(voices.sums[own] - sums, voices.counts[own] - counts, model)
    gains += voice_evidence(sums, counts, model)
    gains -= voice_evidence(voices.sums, voices.counts, model)[own]
    gains += talks.max(axis=1, initial=0.0)
    linked = np.flatnonzero(voices.people[own] >= 0)
    gains[linked] -= talks[linked, voices.people[own][linked]]
    for index in np.argsort(-gains, kind="stable")[: search.tries].tolist():
        born = labels.copy()
        born[slice(*runs[index])] = n
        yield born


def _of_runs(scene: Scene, runs: Sequence[tuple[int, int]]) -> tuple[Floats, Floats, Floats]:
    """Voiceprints ``[runs, d]``, counts ``[runs]`` and mouths ``[runs, people]``, summed up."""
    sums = np.stack([scene.sums[first:last].sum(axis=0) for first, last in runs])
    counts = np.array([scene.counts[first:last].sum() for first, last in runs])
    talks = np.stack([scene.talks[first:last].sum(axis=0) for first, last in runs])
    return sums, counts, talks


def _splits(
    scene: Scene, solution: Solution, model: ModelOptions, search: SearchOptions
) -> Iterator[Labels]:
    """A voice falls apart in two: by sound, and by the two faces that speak most of it."""
    labels, n = solution.labels, solution.n_voices
    order = np.argsort(-np.bincount(labels, scene.counts, minlength=n), kind="stable")
    for voice in order[: 2 * search.tries].tolist():
        for part in (_by_sound(scene, labels, voice, search), _by_face(scene, labels, voice)):
            if part is not None and part.any():
                split = labels.copy()
                split[part] = n
                yield split


def _by_sound(
    scene: Scene, labels: Labels, voice: int, search: SearchOptions
) -> npt.NDArray[np.bool_] | None:
    """The atoms of the smaller of two clusters of a voice's runs."""
    runs = [
        run
        for run in runs_of(scene, labels, search.clusters.run_counts)
        if labels[run[0]] == voice and scene.counts[slice(*run)].sum() > 0
    ]
    if len(runs) < 2:
        return None
    groups = cluster_runs(scene, runs, None, search.clusters)
    small = int(np.argmin(np.bincount(groups)[1:])) + 1
    part = np.zeros(len(labels), dtype=bool)
    for run, group in zip(runs, groups.tolist(), strict=True):
        part[slice(*run)] = group == small
    return part


def _by_face(scene: Scene, labels: Labels, voice: int) -> npt.NDArray[np.bool_] | None:
    """The atoms of a voice in which another mouth moves than the one that speaks most of it."""
    own = labels == voice
    if scene.talks.shape[1] < 2:
        return None
    most = int(np.argmax(scene.talks[own].sum(axis=0)))
    others = np.delete(scene.talks, most, axis=1).max(axis=1)
    return np.asarray(own & (others > 0.1) & (others > scene.talks[:, most]))
