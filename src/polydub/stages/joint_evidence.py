"""What is heard, seen and said, cut into atoms of speech: the numbers that the joint model weighs.

An atom is a word with the half pauses around it, or a piece of speech without words; a speaker
never changes inside one. Pure.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from polydub.engines.protocols import LocalActivity
from polydub.model import FaceTrack, Span, Turn, Voiceprint, Word, merge, to_seconds, without
from polydub.stages.active_speaker import LogOdds
from polydub.stages.face_evidence import Faces

Floats = npt.NDArray[np.float64]
Prints = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class AtomOptions:
    """How speech is cut and how evidence is gathered; seconds.

    Pauses up to ``join_s`` between words belong to the words. A word counts with its last
    ``word_s``: recognisers stretch words over what they did not understand (seven seconds of two
    speakers in one case). Speech without words is cut into pieces of ``piece_s``; pieces under
    ``least_s`` are left out. ``window_s`` is the length of window that one independent voiceprint
    stands for, ``core`` the middle part of a window that it tells about, ``mixed`` how much of it
    is lost where two speak at once.

    A mouth that keeps moving, or still, for ``s`` seconds is worth ``looks`` independent looks at
    half a second and ``looks_per_s`` more for each further one (1.4, 1.4 and 1.8 at 0.5, 1 and 2 s
    predict spans of seven film clips best); it says ``face_cap`` nats at most, for who laughs for
    five seconds does not speak with certainty. One look says ``face_clip`` at most.
    """

    join_s: float = 0.3
    piece_s: float = 0.4
    word_s: float = 1.0
    least_s: float = 0.12
    window_s: float = 0.9
    core: float = 0.4
    mixed: float = 0.7
    looks: float = 1.2
    looks_per_s: float = 0.35
    face_clip: float = 3.0
    face_cap: float = 8.0


@dataclass(frozen=True, slots=True, eq=False)
class VoiceEvidence:
    """What a film's voices sound like, window by window.

    ``windows``: overlapping spans inside speech, by start; ``prints`` ``[windows, d]``: their
    unit-length voiceprints; ``clean`` ``[windows]``: 0..1, how far one voice alone is heard,
    ``None`` = as the overlap says. ``activity``: a segmenter's windows. ``overlap``: disjoint spans
    in which two voices speak, each with its probability; ``None`` = as the segmenter's windows say.
    ``speech``: where somebody speaks (empty = where the turns are).
    """

    windows: tuple[Span, ...]
    prints: Prints
    clean: npt.NDArray[np.float32] | None = None
    activity: tuple[LocalActivity, ...] = ()
    overlap: tuple[tuple[Span, float], ...] | None = None
    speech: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Atom:
    """A piece of speech by one speaker; ``word`` is the index of its word, if it has one."""

    span: Span
    word: int | None = None


NOISE = 64
"""Extra dimensions that make up for what windows of one turn do not have in common."""
COMMON = 0.45
"""Mean cosine of two 0.9 s windows of one voice, measured on seven film clips."""


def evidence_from_turns(
    turns: Sequence[Turn], voiceprints: Mapping[str, Voiceprint], *, window_s: float = 0.9
) -> VoiceEvidence:
    """Evidence when only turns are known: every piece of a turn sounds like its voice.

    As far as two windows of one voice do, that is: the pieces are no more alike than measured.
    """
    length = to_seconds(window_s)
    found: list[tuple[Span, str]] = []
    for turn in turns:
        start = turn.span.start
        while start < turn.span.end:
            found.append((Span(start, min(start + length, turn.span.end)), turn.voice))
            start += length
    found.sort()
    width = max((len(voiceprints[voice]) for voice in sorted(voiceprints)), default=1)
    prints = np.zeros((len(found), width + NOISE), np.float32)
    for index, (_, voice) in enumerate(found):
        if voice in voiceprints:
            prints[index, :width] = np.sqrt(COMMON) * voiceprints[voice]
        prints[index, width + index % NOISE] = np.sqrt(1 - COMMON)
    speech = merge(turn.span for turn in turns)
    overlap = tuple((span, 1.0) for span in shared_spans(turns))
    return VoiceEvidence(tuple(span for span, _ in found), prints, overlap=overlap, speech=speech)


def shared_spans(turns: Sequence[Turn]) -> tuple[Span, ...]:
    """Where two of the turns lie at once."""
    ordered = sorted(turn.span for turn in turns)
    found: list[Span] = []
    reach = Span(Fraction(0), Fraction(0))
    for span in ordered:
        common = span & reach
        if common is not None:
            found.append(common)
        reach = span if span.end > reach.end else reach
    return merge(found)


def make_atoms(
    words: Sequence[Word],
    speech: Sequence[Span],
    edges: Sequence[Fraction],
    options: AtomOptions,
) -> list[Atom]:
    """One atom per word (``words`` are by time) and the pieces of ``speech`` between them.

    Speech without words is also cut at ``edges``: where a voice, a face or a shot begins or ends.
    """
    said = [Atom(span, index) for index, span in enumerate(_word_spans(words, options))]
    taken = merge(atom.span for atom in said if atom.span.duration > 0)
    cuts = sorted(set(edges))
    pieces = [
        Atom(piece)
        for span in without(merge(speech), taken)
        for piece in _pieces(span, cuts, options)
    ]
    return sorted([*said, *pieces], key=lambda atom: (atom.span.start, atom.span.end))


def _word_spans(words: Sequence[Word], options: AtomOptions) -> list[Span]:
    """The span of each word, up to its neighbours where these are near, never overlapping."""
    join = to_seconds(options.join_s)
    longest = to_seconds(options.word_s)
    ends = [word.span.end for word in words]
    starts = [max(word.span.start, word.span.end - longest) for word in words]
    for at in range(len(words) - 1):
        gap = starts[at + 1] - ends[at]
        if gap <= join:
            middle = max(starts[at], (starts[at + 1] + ends[at]) / 2) if gap > 0 else starts[at + 1]
            ends[at] = starts[at + 1] = max(starts[at], middle)
    return [Span(start, max(start, end)) for start, end in zip(starts, ends, strict=True)]


def _pieces(span: Span, cuts: Sequence[Fraction], options: AtomOptions) -> list[Span]:
    least, longest = to_seconds(options.least_s), to_seconds(options.piece_s)
    if span.duration < least:
        return []
    inner = cuts[bisect_right(cuts, span.start + least) : bisect_left(cuts, span.end - least)]
    edges = [span.start]
    for cut in (*inner, span.end):
        if cut - edges[-1] < least:
            continue
        begin = edges[-1]
        count = -((begin - cut) // longest)  # rounded up
        edges += [begin + (cut - begin) * step / count for step in range(1, int(count) + 1)]
    edges[-1] = span.end
    return [Span(one, two) for one, two in pairwise(edges)]


def voice_sums(
    atoms: Sequence[Atom], voices: VoiceEvidence, options: AtomOptions
) -> tuple[Floats, Floats]:
    """``(sums [atoms, d], counts [atoms])``: voiceprints of each atom, times how much they count.

    One count is ``window_s`` of clean speech. A window tells about its middle; an atom without any
    such window takes what windows it lies in.
    """
    width = voices.prints.shape[1] if voices.prints.ndim == 2 else 1
    sums, counts = np.zeros((len(atoms), width)), np.zeros(len(atoms))
    if not len(voices.windows):
        return sums, counts
    start = np.array([float(span.start) for span in voices.windows])
    end = np.array([float(span.end) for span in voices.windows])
    clean = np.ones(len(start)) if voices.clean is None else voices.clean.astype(np.float64)
    quality = clean * np.minimum(1.0, (end - start) / options.window_s)
    middle, half = (start + end) / 2, options.core * (end - start) / 2
    longest = float((end - start).max())
    for index, atom in enumerate(atoms):
        one, two = float(atom.span.start), float(atom.span.end)
        near = slice(*np.searchsorted(start, [one - longest, two]).tolist())
        for low, high in ((middle - half, middle + half), (start, end)):
            shared = np.minimum(high[near], two) - np.maximum(low[near], one)
            weight = np.maximum(shared, 0.0) * np.maximum(quality[near], 1e-3)
            if weight.sum() > 0:
                weight /= weight.sum()
                counts[index] = (two - one) / options.window_s * float(weight @ quality[near])
                sums[index] = counts[index] * (weight @ voices.prints[near])
                break
    return sums, counts


def face_sums(
    atoms: Sequence[Atom],
    faces: Faces,
    talking: Mapping[str, LogOdds],
    people: Sequence[str],
    options: AtomOptions,
) -> tuple[Floats, Floats]:
    """``(talks, seen)``, both ``[atoms, people]``, for every person and atom.

    ``talks``: log-odds in nats that the person utters the atom by what the mouth does, 0 where
    nothing can be told; ``seen``: share of the atom in which the person is in the picture.
    """
    talks, seen = np.zeros((len(atoms), len(people))), np.zeros((len(atoms), len(people)))
    column = {person: at for at, person in enumerate(people)}
    starts = [atom.span.start for atom in atoms]
    for track in faces.tracks:
        person = faces.person_of(track)
        if person not in column:
            continue
        span = faces.span_of(track)
        first = max(0, bisect_left(starts, span.start) - 1)
        last = bisect_left(starts, span.end)
        own = _track_sums(atoms[first:last], track, faces, talking.get(track.id), options)
        talks[first:last, column[person]] += own[0]
        seen[first:last, column[person]] = np.minimum(
            1.0, seen[first:last, column[person]] + own[1]
        )
    return talks, seen


def _track_sums(
    atoms: Sequence[Atom],
    track: FaceTrack,
    faces: Faces,
    log_odds: LogOdds | None,
    options: AtomOptions,
) -> tuple[Floats, Floats]:
    talks, seconds, seen = (np.zeros(len(atoms)) for _ in range(3))
    span = faces.span_of(track)
    totals, known = np.zeros(track.n_frames + 1), np.zeros(track.n_frames + 1)
    if log_odds is not None:
        clipped = np.clip(np.nan_to_num(log_odds), -options.face_clip, options.face_clip)
        totals[1:], known[1:] = np.cumsum(clipped), np.cumsum(np.isfinite(log_odds))
    for index, atom in enumerate(atoms):
        shared = atom.span & span
        if shared is None:
            continue
        seen[index] = float(shared.duration / atom.span.duration)
        frames = faces.frames(track, shared)
        one = min(frames.start - track.first, track.n_frames - 1)
        two = max(frames.stop - track.first, one + 1)  # between two frames: the next one
        length = float(shared.duration) / (two - one)
        talks[index] = (totals[two] - totals[one]) * length
        seconds[index] = (known[two] - known[one]) * length
    return _as_evidence(talks, seconds, options), seen


def _as_evidence(talks: Floats, seconds: Floats, options: AtomOptions) -> Floats:
    """``talks`` (log-odds times seconds) in nats: each run of one sign counts as its looks."""
    found = np.zeros_like(talks)
    signs = np.sign(talks)
    edges = [0, *(np.flatnonzero(np.diff(signs)) + 1).tolist(), len(talks)]
    for one, two in pairwise(edges):
        said, usable = float(talks[one:two].sum()), float(seconds[one:two].sum())
        if said == 0 or usable <= 0:
            continue
        looks = options.looks * min(1.0, 2 * usable) + options.looks_per_s * max(0.0, usable - 0.5)
        nats = options.face_cap * np.tanh(said / usable * looks / options.face_cap)
        found[one:two] = talks[one:two] * (nats / said)
    return found


def activity_in(window: LocalActivity, span: Span) -> Floats:
    """Mean activity ``[local speakers]`` of a window inside ``span``."""
    one = max(0, int((span.start - window.span.start) / window.step))
    two = max(one + 1, int((span.end - window.span.start) / window.step))
    part = window.activity[one:two]
    width = window.activity.shape[1]
    return part.mean(axis=0).astype(np.float64) if len(part) else np.zeros(width)


def change_odds(atoms: Sequence[Atom], activity: Sequence[LocalActivity]) -> Floats:
    """Log-odds ``[atoms]`` that another speaker begins before the atom, from a segmenter; 0 = none.

    Compares who is active, among the local speakers of a window, in the two atoms around each
    boundary; the mean over the windows that see both.
    """
    sums, counts = np.zeros(len(atoms)), np.zeros(len(atoms))
    starts = [atom.span.start for atom in atoms]
    for window in activity:
        first = bisect_left(starts, window.span.start)
        last = bisect_left(starts, window.span.end)
        means = [activity_in(window, atom.span) for atom in atoms[first:last]]
        for at in range(first + 1, last):
            if atoms[at].span.end > window.span.end:
                continue
            one, two = means[at - 1 - first], means[at - first]
            heard = float(np.linalg.norm(one) * np.linalg.norm(two))
            if min(one.max(initial=0.0), two.max(initial=0.0)) < 0.3:
                continue
            alike = float(one @ two) / heard
            sums[at] += np.log((1 - alike + 0.05) / (alike + 0.05))
            counts[at] += 1
    return np.asarray(sums / np.maximum(counts, 1))


def overlap_probability(atoms: Sequence[Atom], overlap: Sequence[tuple[Span, float]]) -> Floats:
    """Probability ``[atoms]`` that two voices speak in most of the atom."""
    found = np.zeros(len(atoms))
    starts = [atom.span.start for atom in atoms]
    for span, probability in overlap:
        for at in range(max(0, bisect_left(starts, span.start) - 1), bisect_left(starts, span.end)):
            duration = atoms[at].span.duration
            if duration > 0:
                share = float(atoms[at].span.overlap(span) / duration)
                found[at] = min(1.0, found[at] + share * probability)
    return found
