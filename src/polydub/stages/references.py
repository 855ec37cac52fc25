"""The cleanest speech of every voice: pieces of its turns, what each one measures, the choice."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from polydub.engines.protocols import VoiceEmbedder
from polydub.model import Span, Turn, Waveform, Word, merge, to_seconds, without
from polydub.stages.clean_speech import (
    clipped_share,
    noise_db,
    ramp,
    reverberation_s,
    speech_level_db,
)
from polydub.stages.diarize import BatchEmbedder
from polydub.stages.speaker_attributes import pitch_track

Floats = npt.NDArray[np.float64]
Prints = npt.NDArray[np.float32]

AROUND = Fraction(3, 2)
"""Seconds on both sides of a piece in which its noise floor is looked for."""
VOICED_HOP_S = 0.01
LEAST_PIECES = 3
"""With fewer nothing can be said to be typical of the voice."""
LOST = 0.2
"""With less of the voiceprint part a piece probably belongs to somebody else."""


@dataclass(frozen=True, slots=True)
class ReferenceOptions:
    """How much speech makes a reference, and how it is cut.

    Pieces are added, best first, up to ``wanted_s``; once there are ``enough_s``, only those with
    at least ``keep`` of the best one's score. ``guard_s`` is kept off other voices, ``pause_s``
    without a word ends a piece, ``pad_s`` is left around its words. Of a voice with more than
    ``most`` pieces only the best ones by the cheap measures get pitch and voiceprint.
    """

    wanted_s: float = 15.0
    enough_s: float = 4.0
    longest_s: float = 8.0
    shortest_s: float = 0.8
    guard_s: float = 0.1
    pause_s: float = 0.4
    pad_s: float = 0.05
    keep: float = 0.5
    window_s: float = 2.0
    most: int = 40


@dataclass(frozen=True, slots=True)
class Reference:
    """A piece of one voice's clean speech and why it was chosen.

    ``parts`` are qualities from 0 (unusable) to 1 (nothing to wish for), ``score`` their product;
    ``measured`` are the values behind them. What could not be measured is in neither.
    ``voiceprint``, ``pitch`` and ``level`` need at least three pieces of the voice.

    ===============  ==============================================================================
    part             measured
    ===============  ==============================================================================
    ``alone``        ``gap_s``: seconds to the nearest other voice
    ``noise``        ``snr_db``: speech against background and noise floor, at that moment
    ``clipping``     ``clipped``: share of samples in flat tops
    ``reverberation``  ``decay_s``: seconds for 60 dB
    ``words``        ``probability``: mean over the words
    ``length``       ``seconds``
    ``voiceprint``   ``cosine`` of its least fitting window to the voice's robust centre, ``rival``
                     the same to the nearest other voice
    ``pitch``        ``pitch_st``: semitones, ``voiced``: share of frames, both from the median
    ``level``        ``level_db``: dB from the voice's median
    ===============  ==============================================================================
    """

    span: Span
    score: float
    parts: dict[str, float] = field(default_factory=dict)
    measured: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything about the film that references are chosen from; all in film time.

    ``dialogue`` is mono 16 kHz; ``background`` the rest of the film's sound at any rate, ``None``
    when the film has a voice alone.
    """

    turns: tuple[Turn, ...]
    words: tuple[Word, ...]
    dialogue: Waveform
    background: Waveform | None = None


@dataclass(slots=True)
class _Piece:
    """A candidate while it is measured."""

    span: Span
    level: float = 0.0
    pitch: float | None = None
    parts: dict[str, float] = field(default_factory=dict)
    measured: dict[str, float] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """Product of the qualities noted so far, 0..1; 1 without any."""
        return math.prod(self.parts.values())

    def note(self, part: str, quality: float, **measured: float) -> None:
        """Keep one ``quality`` (0..1) and the figures that it was judged by."""
        self.parts[part] = quality
        self.measured.update(measured)


def find_references(
    scene: Scene,
    *,
    embedder: VoiceEmbedder | None = None,
    options: ReferenceOptions | None = None,
) -> dict[str, tuple[Reference, ...]]:
    """The cleanest speech of every voice in ``scene.turns``, best piece first.

    Every voice with a turn gets at least one piece, however bad: its score tells. Without an
    ``embedder`` nothing notices a turn that was given to the wrong voice.
    """
    chosen = options or ReferenceOptions()
    voices = sorted({turn.voice for turn in scene.turns})
    found = {voice: _candidates(scene, voice, chosen) for voice in voices}
    for pieces in found.values():
        for piece in pieces:
            _measure_sound(piece, scene)
        _compare_levels(pieces)
        pieces.sort(key=_rank)
        del pieces[chosen.most :]
        _compare_pitch(pieces, scene.dialogue)
    if embedder is not None:
        _compare_voices(found, scene.dialogue, embedder, chosen)
    return {voice: _choose(pieces, scene.words, chosen) for voice, pieces in found.items()}


def _rank(piece: _Piece) -> tuple[float, Fraction]:
    return (-piece.score, piece.span.start)


def _choose(
    pieces: Sequence[_Piece], words: Sequence[Word], options: ReferenceOptions
) -> tuple[Reference, ...]:
    """The best pieces that together last as long as wanted, the last one cut behind a word."""
    taken: list[Reference] = []
    left = to_seconds(options.wanted_s)
    for piece in sorted(pieces, key=_rank):
        good = not taken or piece.score >= options.keep * taken[0].score
        short = to_seconds(options.wanted_s) - left < to_seconds(options.enough_s)
        needed = short and piece.parts.get("voiceprint", 1.0) > LOST
        span = _fitted(piece.span, left, words, to_seconds(options.shortest_s))
        if taken and (span.duration < to_seconds(options.shortest_s) or not (good or needed)):
            continue
        taken.append(_reference(piece, span))
        left -= span.duration
    return tuple(taken)


def _fitted(span: Span, left: Fraction, words: Sequence[Word], least: Fraction) -> Span:
    """The start of ``span``, at most ``left`` seconds long.

    It ends with a word, unless less than ``least`` remained: short references lose more by a
    missing second than by a cut word.
    """
    if span.duration <= left:
        return span
    limit = span.start + left
    ends = [word.span.end for word in words if span.start + least <= word.span.end <= limit]
    return Span(span.start, max(ends, default=limit))


def _reference(piece: _Piece, span: Span) -> Reference:
    parts = {name: round(value, 3) for name, value in piece.parts.items()}
    measured = {name: round(value, 3) for name, value in piece.measured.items()}
    return Reference(span, round(piece.score, 4), parts, measured)


def _candidates(scene: Scene, voice: str, options: ReferenceOptions) -> list[_Piece]:
    """Pieces of the turns of ``voice``, long enough; else its longest piece, else longest turn."""
    others = merge(turn.span for turn in scene.turns if turn.voice != voice)
    own = sorted({turn.span for turn in scene.turns if turn.voice == voice})
    guard = to_seconds(options.guard_s)
    spans = [
        piece
        for span in own
        for free in without([span], merge(other.pad(guard) for other in others))
        for piece in _spoken(free, scene.words, options)
    ]
    enough = [span for span in spans if span.duration >= to_seconds(options.shortest_s)]
    if not enough:
        enough = [max(spans or own, key=lambda span: (span.duration, -span.start))]
    pieces = [_Piece(span) for span in enough]
    for piece in pieces:
        overlap = sum((piece.span.overlap(other) for other in others), Fraction(0))
        gap = float(min((piece.span.gap(other) for other in others), default=Fraction(60)))
        clear = 0.8 + 0.2 * ramp(gap, 0.1, 0.5)
        share = float(overlap / piece.span.duration) if overlap else 0.0
        piece.note("alone", 0.5 * (1.0 - share) if overlap else clear, gap_s=min(gap, 60.0))
        _measure_words(piece, scene.words)
    return pieces


def _spoken(span: Span, words: Sequence[Word], options: ReferenceOptions) -> Iterator[Span]:
    """The parts of ``span`` with words in them, none longer than ``longest_s``."""
    longest = to_seconds(min(options.longest_s, options.wanted_s))
    if not words:  # nothing is known about pauses
        yield from _halves(span, longest)
        return
    inside = sorted(common for word in words if (common := word.span & span) is not None)
    for run in _runs(inside, to_seconds(options.pause_s)):
        for start, end in _split(run, longest):
            padded = Span(start, end).pad(to_seconds(options.pad_s)) & span
            edges = Span(start, end) if (start, end) != (run[0].start, run[-1].end) else padded
            yield from _halves(edges or Span(start, end), longest)


def _runs(words: Sequence[Span], pause: Fraction) -> list[list[Span]]:
    """Words in groups between pauses."""
    runs: list[list[Span]] = []
    for word in words:
        if runs and word.start - runs[-1][-1].end <= pause:
            runs[-1].append(word)
        else:
            runs.append([word])
    return runs


def _split(run: Sequence[Span], longest: Fraction) -> list[tuple[Fraction, Fraction]]:
    """Start and end of ``run``, cut at its widest gaps until no part is longer than ``longest``."""
    start, end = run[0].start, max(word.end for word in run)
    if end - start <= longest or len(run) < 2:
        return [(start, end)]

    def worth(at: int) -> tuple[Fraction, Fraction]:
        middle = (run[at - 1].end + run[at].start) / 2
        return (run[at].start - run[at - 1].end, -abs(middle - (start + end) / 2))

    inner = [i for i in range(1, len(run)) if min(run[i].start - start, end - run[i].start) >= 2]
    at = max(inner or range(1, len(run)), key=worth)
    return [*_split(run[:at], longest), *_split(run[at:], longest)]


def _halves(span: Span, longest: Fraction) -> Iterator[Span]:
    """Equal parts of ``span`` of at most ``longest`` seconds."""
    count = max(1, math.ceil(span.duration / longest))
    step = span.duration / count
    for number in range(count):
        yield Span(span.start + number * step, span.start + (number + 1) * step)


def _measure_words(piece: _Piece, words: Sequence[Word]) -> None:
    inside = [word.probability for word in words if word.span.middle in piece.span]
    if inside:
        mean = float(np.mean(inside))
        piece.note("words", mean, probability=mean)


def _measure_sound(piece: _Piece, scene: Scene) -> None:
    """Everything that the sound of a piece tells by itself."""
    audio = scene.dialogue.cut(piece.span)
    around = scene.dialogue.cut(piece.span.pad(AROUND))
    behind = scene.background.cut(piece.span).mono().samples if scene.background else None
    piece.level = speech_level_db(audio.samples, audio.rate)
    snr = piece.level - noise_db(around.samples, around.rate, behind)
    piece.note("noise", max(0.05, ramp(snr, 0.0, 20.0)), snr_db=snr)
    clipped = clipped_share(audio.samples)
    piece.note("clipping", max(0.1, ramp(clipped, 0.02, 0.001)), clipped=clipped)
    decay = reverberation_s(audio.samples, audio.rate)
    if decay is not None:
        piece.note("reverberation", max(0.3, ramp(decay, 0.9, 0.3)), decay_s=decay)
    seconds = float(piece.span.duration)
    piece.note("length", math.sqrt(ramp(seconds, 0.0, 4.0)), seconds=seconds)


def _compare_levels(pieces: Sequence[_Piece]) -> None:
    if len(pieces) < LEAST_PIECES:
        return
    off = _deviations([piece.level for piece in pieces], pieces)
    for piece, by in zip(pieces, off, strict=True):
        piece.note("level", _typical(by, 4.0), level_db=by)


def _compare_pitch(pieces: Sequence[_Piece], dialogue: Waveform) -> None:
    """How far the pitch of a piece is from the voice's own, and its share of voiced frames."""
    if len(pieces) < LEAST_PIECES:
        return
    voiced = []
    for piece in pieces:
        found = pitch_track(dialogue.cut(piece.span).samples, dialogue.rate)
        piece.pitch = 12.0 * math.log2(float(np.median(found))) if len(found) >= 10 else None
        voiced.append(len(found) * VOICED_HOP_S / max(0.1, float(piece.span.duration)))
    share = _deviations(voiced, pieces)
    known = [piece for piece in pieces if piece.pitch is not None]
    off = dict(
        zip(map(id, known), _deviations([p.pitch or 0.0 for p in known], known), strict=True)
    )
    for piece, less in zip(pieces, share, strict=True):
        breathy = _typical(min(0.0, less), 0.15)
        if id(piece) in off:
            by = off[id(piece)]
            piece.note("pitch", breathy * _typical(by, 2.5), pitch_st=by, voiced=less)
        else:  # whispered, or no voice at all
            piece.note("pitch", 0.3 * breathy, voiced=less)


def _deviations(values: Sequence[float], pieces: Sequence[_Piece]) -> Floats:
    """Distance of every value to the median over all seconds of speech."""
    if not values:
        return np.zeros(0)
    array = np.asarray(values, dtype=np.float64)
    seconds = np.array([float(piece.span.duration) for piece in pieces])
    order = np.argsort(array, kind="stable")
    half = np.searchsorted(np.cumsum(seconds[order]), seconds.sum() / 2)
    return np.asarray(array - array[order[min(int(half), len(array) - 1)]])


def _typical(by: float, usual: float) -> float:
    """1 within the ``usual`` deviation, 0.61 at twice and 0.14 at three times of it."""
    return math.exp(-0.5 * max(0.0, abs(by) / usual - 1.0) ** 2)


def _compare_voices(
    found: Mapping[str, Sequence[_Piece]],
    dialogue: Waveform,
    embedder: VoiceEmbedder,
    options: ReferenceOptions,
) -> None:
    """How near every piece is to its own voice, by the worst of its windows."""
    prints = {
        voice: _prints(pieces, dialogue, embedder, options) for voice, pieces in found.items()
    }
    centres = {voice: _centre(np.concatenate(own)) for voice, own in prints.items() if own}
    for voice, pieces in found.items():
        if len(pieces) < LEAST_PIECES:  # of two that differ either may be the wrong one
            continue
        others = [centre for name, centre in centres.items() if name != voice]
        near = [_nearness(prints[voice], index, others) for index in range(len(pieces))]
        usual = float(np.median([own for own, _ in near]))
        for piece, (own, rival) in zip(pieces, near, strict=True):
            nothing = max(rival, 0.15)  # voices that have nothing to do with each other: about 0
            quality = ramp(own, nothing, max(usual, nothing + 0.15))
            piece.note("voiceprint", max(0.01, quality), cosine=own, rival=rival)


def _prints(
    pieces: Sequence[_Piece],
    dialogue: Waveform,
    embedder: VoiceEmbedder,
    options: ReferenceOptions,
) -> list[Prints]:
    """Voiceprints ``[windows, d]`` of the windows of every piece."""
    counts = [max(1, int(float(piece.span.duration) / options.window_s)) for piece in pieces]
    cuts = [
        dialogue.cut(window)
        for piece, count in zip(pieces, counts, strict=True)
        for window in _halves(piece.span, piece.span.duration / count)
    ]
    if isinstance(embedder, BatchEmbedder):
        prints = embedder.embed_many(cuts)
    else:
        prints = np.array([embedder.embed(cut) for cut in cuts], dtype=np.float32)
    bounds = [0, *itertools.accumulate(counts)]
    return [prints[first:last] for first, last in itertools.pairwise(bounds)]


def _centre(prints: Prints) -> Prints:
    """Direction of the majority of ``prints`` ``[n, d]``: the three quarters around the medoid.

    The mean of all would lean towards turns that belong to somebody else.
    """
    centre = prints[int(np.median(prints @ prints.T, axis=1).argmax())]
    for _ in range(3):
        likeness = prints @ centre
        mean = prints[likeness >= np.quantile(likeness, 0.25)].mean(axis=0)
        centre = mean / max(float(np.linalg.norm(mean)), 1e-9)
    return np.asarray(centre, dtype=np.float32)


def _nearness(
    prints: Sequence[Prints], index: int, others: Sequence[Prints]
) -> tuple[float, float]:
    """Cosine of a piece's worst window to the voice's centre without that piece, and to a rival."""
    rest = _centre(np.concatenate([own for n, own in enumerate(prints) if n != index]))
    mine = prints[index]
    rival = float(max(((mine @ other).max() for other in others), default=0.0))
    return float((mine @ rest).min()), rival
