"""Who speaks when: voiceprints of short windows, clustered, then a smooth path through the voices.

Windows of 1.2 s are clustered (average linkage, cosine); the cluster centres become the voices.
Shorter windows are then given to the voices by a Viterbi path that pays for every change of voice,
the centres are taken again from what they were given, and voices that turn out alike are joined.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import cut_tree, fcluster, linkage

from polydub.engines.protocols import VoiceEmbedder
from polydub.model import Span, Turn, Voiceprint, Waveform, merge, to_seconds, total

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


SURELY_ONE = 0.4
"""Cosine distance under which windows are one voice (those of different voices: mostly > 0.75)."""


@dataclass(frozen=True, slots=True)
class DiarizeOptions:
    """Settings of :func:`diarize`.

    Chosen on seven film clips and sixteen conversations cut together from 21 voices. ``speakers``
    fixes the number of voices. ``similarity`` is the least average cosine inside one cluster of
    windows; voices whose centres are as close as ``same_voice`` are joined in the end. A cluster
    with less than ``evidence_s`` of speech is no voice of its own if its nearest voice is as close
    as ``stray``; nor is a voice that keeps less than ``least_s`` and is as close as ``least_like``.
    ``change`` is the price, in cosine, of changing the voice within a stretch of speech; it is free
    across a pause. ``join_s``: a voice that goes on after such a pause stays in one turn.
    ``snap_s``: how far a change of voice may be moved to the quietest moment around it.
    """

    speakers: int | None = None
    window_s: float = 1.2
    hop_s: float = 0.4
    fine_window_s: float = 0.9
    fine_hop_s: float = 0.15
    seed_s: float = 0.8
    similarity: float = 0.3
    same_voice: float = 0.5
    evidence_s: float = 0.9
    stray: float = 0.35
    least_s: float = 0.6
    least_like: float = 0.3
    change: float = 0.35
    join_s: float = 0.5
    snap_s: float = 0.15
    most_windows: int = 3000


@dataclass(frozen=True, slots=True, eq=False)
class Diarization:
    """Turns in time order, and the voiceprint of every voice; voices are ``V1``, ``V2``, …"""

    turns: tuple[Turn, ...]
    voiceprints: dict[str, Voiceprint]

    def spans_of(self, voice: str) -> tuple[Span, ...]:
        """The spans in which ``voice`` speaks."""
        return tuple(turn.span for turn in self.turns if turn.voice == voice)


@runtime_checkable
class BatchEmbedder(Protocol):
    """An embedder that takes many pieces at once, which is several times faster."""

    def embed_many(self, pieces: Sequence[Waveform]) -> Floats:
        """Unit-length voiceprints ``[n, d]``."""
        ...


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of speech to embed; ``stretch`` is the index of the speech span it lies in."""

    span: Span
    stretch: int


@dataclass(frozen=True, slots=True, eq=False)
class _Prints:
    """Windows with their voiceprints ``[n, d]``."""

    windows: list[Window]
    prints: Floats


def voice_similarity(a: Voiceprint, b: Voiceprint) -> float:
    """Cosine of two voiceprints, -1 to 1."""
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.dot(a, b)) / norm if norm > 0.0 else 0.0


def diarize(
    audio: Waveform,
    speech: Sequence[Span],
    embedder: VoiceEmbedder,
    *,
    options: DiarizeOptions | None = None,
) -> Diarization:
    """Turns and voiceprints of mono 16 kHz ``audio`` inside ``speech``.

    Voices are numbered by first appearance. With ``options.speakers`` the count is exact unless
    there are fewer windows of speech than that. Without speech there are no turns.
    """
    chosen = options or DiarizeOptions()
    end = audio.duration
    stretches = [Span(span.start, min(span.end, end)) for span in merge(speech) if span.start < end]
    stretches = [span for span in stretches if span.duration > 0]
    if not stretches:
        return Diarization((), {})
    coarse = _embed(embedder, audio, windows(stretches, chosen.window_s, chosen.hop_s))
    fine = _embed(embedder, audio, windows(stretches, chosen.fine_window_s, chosen.fine_hop_s))
    labels, centres = settle(fine, find_voices(coarse, chosen), chosen)
    turns = _turns(
        stretches, fine.windows, labels, to_seconds(chosen.join_s), _snapper(audio, chosen)
    )
    return _named(turns, centres)


def windows(stretches: Sequence[Span], length_s: float, hop_s: float) -> list[Window]:
    """Windows of ``length_s`` every ``hop_s`` inside each stretch, a shorter one if it is short.

    The last window of a stretch ends with it, so that no speech is left out.
    """
    length, hop = to_seconds(length_s), to_seconds(hop_s)
    found: list[Window] = []
    for index, span in enumerate(stretches):
        start = span.start
        while start + length < span.end:
            found.append(Window(Span(start, start + length), index))
            start += hop
        found.append(Window(Span(max(span.start, span.end - length), span.end), index))
    return found


def _embed(embedder: VoiceEmbedder, audio: Waveform, found: list[Window]) -> _Prints:
    pieces = [audio.cut(window.span) for window in found]
    if isinstance(embedder, BatchEmbedder):
        return _Prints(found, np.asarray(embedder.embed_many(pieces), dtype=np.float32))
    return _Prints(found, np.stack([embedder.embed(piece) for piece in pieces]))


def find_voices(coarse: _Prints, options: DiarizeOptions) -> Floats:
    """Centres ``[voices, d]`` of the clusters that are voices, the longest voice first.

    Short windows are left out as seeds (the print of less than 0.8 s is mostly noise) unless there
    is nothing else.
    """
    lengths = [window.span.duration for window in coarse.windows]
    seeds = [i for i, length in enumerate(lengths) if length >= to_seconds(options.seed_s)]
    seeds = seeds or [int(np.argmax([float(length) for length in lengths]))]
    if options.speakers is not None and len(seeds) < options.speakers:
        seeds = list(range(len(lengths)))
    groups = _groups(coarse, seeds, options)
    centres: list[Floats] = []
    for group in groups:
        centre = _unit(coarse.prints[group].mean(axis=0))
        alone = not _is_voice(coarse, group, options)
        if options.speakers is not None and alone and len(centres) >= options.speakers:
            continue
        nearest = max((float(centre @ other) for other in centres), default=-1.0)
        if options.speakers is None and alone and nearest >= options.stray:
            continue
        centres.append(centre)
    return np.stack(centres)


def _groups(coarse: _Prints, seeds: list[int], options: DiarizeOptions) -> list[list[int]]:
    """Clusters of window indices: voices before strays, those with the most speech first."""
    prints = coarse.prints[seeds]
    tree = _tree(prints, options)
    if options.speakers is None:
        return _sorted_groups(coarse, seeds, tree(1.0 - options.similarity, None), options)
    wanted = min(options.speakers, len(seeds))
    for count in range(wanted, min(len(seeds), 4 * wanted) + 1):
        groups = _sorted_groups(coarse, seeds, tree(0.0, count), options)
        if sum(_is_voice(coarse, group, options) for group in groups) >= wanted:
            return groups
    return _sorted_groups(coarse, seeds, tree(0.0, wanted), options)


def _is_voice(coarse: _Prints, group: list[int], options: DiarizeOptions) -> bool:
    """Whether a cluster holds enough speech, seen in more than one window."""
    spoken = total(coarse.windows[index].span for index in group)
    return len(group) >= 2 and spoken >= to_seconds(options.evidence_s)


def _sorted_groups(
    coarse: _Prints, seeds: list[int], labels: Labels, options: DiarizeOptions
) -> list[list[int]]:
    found: dict[int, list[int]] = {}
    for seed, label in zip(seeds, labels.tolist(), strict=True):
        found.setdefault(label, []).append(seed)

    def order(group: list[int]) -> tuple[bool, Fraction, int]:
        spoken = total(coarse.windows[index].span for index in group)
        return (not _is_voice(coarse, group, options), -spoken, group[0])

    return sorted(found.values(), key=order)


def _tree(prints: Floats, options: DiarizeOptions) -> Callable[[float, int | None], Labels]:
    """``cut(distance, count)``: cluster labels of ``prints`` at a distance or for a count.

    Above ``most_windows`` (20 minutes of speech) neighbours in time are first grouped where they
    are surely one voice, because the distances of all pairs would not fit in memory.
    """
    group_of, leaves = _condensed(prints, options.most_windows)

    def cut(distance: float, count: int | None) -> Labels:
        if len(leaves) == 1:
            return np.ones(len(prints), dtype=np.int64)
        joined = linkage(leaves, "average", metric="cosine")
        if count is None:
            found = fcluster(joined, distance, "distance")
        else:
            found = cut_tree(joined, n_clusters=min(count, len(leaves)))[:, 0]
        return np.asarray(found, dtype=np.int64)[group_of]

    return cut


def _condensed(prints: Floats, most: int) -> tuple[Labels, Floats]:
    """For every print the index of its leaf, and the leaves ``[at most about most, d]``."""
    if len(prints) <= most:
        return np.arange(len(prints)), prints
    group_of = np.zeros(len(prints), dtype=np.int64)
    leaves: list[Floats] = []
    for start in range(0, len(prints), most):
        block = prints[start : start + most]
        labels = fcluster(linkage(block, "average", metric="cosine"), SURELY_ONE, "distance")
        for label in range(1, int(labels.max()) + 1):
            group_of[start + np.flatnonzero(labels == label)] = len(leaves)
            leaves.append(_unit(block[labels == label].mean(axis=0)))
    return group_of, np.stack(leaves)


def settle(fine: _Prints, centres: Floats, options: DiarizeOptions) -> tuple[Labels, Floats]:
    """Voice of every fine window, and the final centres ``[voices, d]``.

    Each round assigns the windows, takes the centres again from them, and then joins the two most
    alike voices or drops the least one, one at a time, until nothing changes.
    """
    for _ in range(2 * len(centres) + 2):
        labels = _path(fine, centres, options.change)
        if options.speakers is not None:
            labels = _keep_all(fine.prints, labels, centres)
        kept = sorted(set(labels.tolist()))
        before, centres = centres, _centres(fine.prints, labels, kept)
        reduced = _reduced(centres, [int((labels == k).sum()) for k in kept], options)
        if len(reduced) == len(centres) == len(before) and np.abs(centres - before).max() < 1e-4:
            break
        centres = reduced
    labels = _path(fine, centres, options.change)
    if options.speakers is not None:
        labels = _keep_all(fine.prints, labels, centres)
    return labels, centres


def _centres(prints: Floats, labels: Labels, kept: list[int]) -> Floats:
    return np.stack([_unit(prints[labels == label].mean(axis=0)) for label in kept])


def _keep_all(prints: Floats, labels: Labels, centres: Floats) -> Labels:
    """``labels`` in which no voice is empty: one that is gets its best window from a larger one."""
    labels = labels.copy()
    for voice in range(min(len(centres), len(labels))):
        if not (labels == voice).any():
            sizes = np.bincount(labels, minlength=len(centres))
            scores = np.where(sizes[labels] > 1, prints @ centres[voice], -np.inf)
            labels[int(np.argmax(scores))] = voice
    return labels


def _reduced(centres: Floats, sizes: list[int], options: DiarizeOptions) -> Floats:
    """``centres`` with two alike voices joined or the least voice dropped, or as they were."""
    if len(centres) < 2 or len(centres) == options.speakers:
        return centres
    alike = centres @ centres.T - 2.0 * np.eye(len(centres), dtype=np.float32)
    one, two = sorted(divmod(int(np.argmax(alike)), len(centres)))
    fixed = options.speakers is not None
    if fixed or alike[one, two] >= options.same_voice:
        joined = _unit(centres[one] * sizes[one] + centres[two] * sizes[two])
        rest = np.delete(centres, two, axis=0)
        rest[one] = joined
        return rest
    least = int(np.argmin(sizes))
    short = sizes[least] * options.fine_hop_s < options.least_s
    if short and alike[least].max() >= options.least_like:
        return np.delete(centres, least, axis=0)
    return centres


def _path(fine: _Prints, centres: Floats, change: float) -> Labels:
    """The best sequence of voices (Viterbi): sum of cosines less ``change`` per change of voice."""
    scores = fine.prints @ centres.T  # [windows, voices]
    n, voices = scores.shape
    came_from = np.zeros((n, voices), dtype=np.int64)
    best = scores[0].astype(np.float64)
    for at in range(1, n):
        same_stretch = fine.windows[at].stretch == fine.windows[at - 1].stretch
        leader = int(np.argmax(best))
        moved = best[leader] - (change if same_stretch else 0.0)
        stay = best >= moved
        came_from[at] = np.where(stay, np.arange(voices), leader)
        best = np.where(stay, best, moved) + scores[at]
    labels = np.zeros(n, dtype=np.int64)
    labels[-1] = int(np.argmax(best))
    for at in range(n - 1, 0, -1):
        labels[at - 1] = came_from[at][labels[at]]
    return labels


def _snapper(audio: Waveform, options: DiarizeOptions) -> Callable[[Fraction], Fraction]:
    """Moves a time to the quietest 20 ms within ``snap_s`` of it."""
    reach = to_seconds(options.snap_s)
    size = audio.rate // 50

    def snap(time: Fraction) -> Fraction:
        part = Span(max(Fraction(0), time - reach), time + reach)
        samples = np.asarray(audio.cut(part).samples, dtype=np.float64).reshape(-1)
        count = len(samples) // size
        if count < 3:
            return time
        power = (samples[: count * size] ** 2).reshape(count, size).mean(axis=1)
        offset = (int(np.argmin(power)) * size + size // 2) / Fraction(audio.rate)
        return round(part.start * audio.rate) / Fraction(audio.rate) + offset

    return snap


def _turns(
    stretches: Sequence[Span],
    fine: Sequence[Window],
    labels: Labels,
    join: Fraction,
    snap: Callable[[Fraction], Fraction],
) -> list[tuple[Span, int]]:
    """Spans with their voice: changes fall halfway between the middles of two windows, snapped."""
    found: list[tuple[Span, int]] = []
    start = stretches[0].start
    for at, window in enumerate(fine):
        following = fine[at + 1] if at + 1 < len(fine) else None
        stretch = stretches[window.stretch]
        start = max(start, stretch.start)
        end = stretch.end
        if following is not None and following.stretch == window.stretch:
            if labels[at + 1] == labels[at]:
                continue
            middle = (window.span.middle + following.span.middle) / 2
            end = min(max(snap(middle), start), stretch.end)
        if end > start:
            found.append((Span(start, end), int(labels[at])))
        start = end
    return _joined(found, join)


def _joined(found: Sequence[tuple[Span, int]], join: Fraction) -> list[tuple[Span, int]]:
    """Neighbours of one voice, at most ``join`` apart, become one."""
    joined: list[tuple[Span, int]] = []
    for span, voice in found:
        if joined and joined[-1][1] == voice and joined[-1][0].gap(span) <= join:
            joined[-1] = (joined[-1][0] | span, voice)
        else:
            joined.append((span, voice))
    return joined


def _named(turns: Sequence[tuple[Span, int]], centres: Floats) -> Diarization:
    """Voices named by first appearance."""
    names: dict[int, str] = {}
    for _, voice in turns:
        names.setdefault(voice, f"V{len(names) + 1}")
    prints = {name: np.asarray(centres[voice]) for voice, name in names.items()}
    return Diarization(tuple(Turn(span, names[voice]) for span, voice in turns), prints)


def _unit(vector: Floats) -> Floats:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9), dtype=np.float32)
