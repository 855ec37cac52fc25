"""Each voice's part of overlapping speech, as far as a mask can take it out. Pure.

Every speaker's spectra are learnt where he is heard alone, and the background's where nobody
speaks (non-negative matrix factorisation with the Kullback-Leibler divergence, Lee and Seung 2001).
Where several speak, the sum of all patterns explains the mixture, and each voice gets the share of
every point of the spectrogram that its own patterns explain (a Wiener filter).

That is enough to measure how a line is said, and not to be listened to.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from scipy.signal import istft, stft

from polydub.model import Span, Turn, Waveform, merge, to_seconds, total, without

Floats = npt.NDArray[np.float64]
_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class PartOptions:
    """Settings; seconds.

    ``frame_s`` long windows every ``frame_s / 4``; ``patterns`` per voice and ``rest`` for the
    background, learnt in ``rounds`` steps from ``least_s`` of sound at least and ``most_s`` at
    most; ``guard_s`` beside another voice is not learnt from. ``around_s`` of sound on either side
    of an overlap is explained with it; one of more than ``longest_s`` is left mixed, for memory.
    """

    frame_s: float = 0.064
    patterns: int = 40
    rest: int = 8
    rounds: int = 70
    least_s: float = 1.0
    most_s: float = 12.0
    guard_s: float = 0.05
    around_s: float = 0.25
    longest_s: float = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class VoiceParts:
    """Patterns ``[bins, patterns]`` of the speakers that are known, and of the background.

    ``turns`` are the spans of every speaker, ``others`` those of everybody else.
    """

    audio: Waveform
    turns: Mapping[str, tuple[Span, ...]]
    others: Mapping[str, tuple[Span, ...]]
    patterns: Mapping[str, Floats]
    background: Floats
    options: PartOptions = field(default_factory=PartOptions)

    def overlaps(self, speaker: str, span: Span) -> tuple[Span, ...]:
        """Where others are heard inside ``span`` of ``speaker``."""
        near = _near(self.others.get(speaker, ()), span)
        return tuple(common for other in near if (common := other & span) is not None)

    def part(
        self, speaker: str, span: Span, dialogue: Waveform
    ) -> tuple[Waveform, tuple[Span, ...]]:
        """``dialogue`` of ``span`` with only ``speaker`` in it, and where that could not be done.

        ``dialogue`` is mono, at the rate of ``audio``; it stays where nobody else is heard.
        """
        rate = self.audio.rate
        samples = np.array(dialogue.cut(span).samples, dtype=np.float32)
        failed: list[Span] = []
        for common in self.overlaps(speaker, span):
            alone = self._alone(speaker, common)
            if alone is None:
                failed.append(common)
                continue
            begin = max(0, common.samples(rate).start - span.samples(rate).start)
            end = min(len(samples), begin + len(alone))
            samples[begin:end] = alone[: end - begin]
        return Waveform(samples, rate), tuple(failed)

    def _alone(self, speaker: str, span: Span) -> npt.NDArray[np.float32] | None:
        """The part of ``speaker`` in ``span``; ``None`` when it cannot be taken out."""
        around = to_seconds(self.options.around_s)
        wide = Span(max(Fraction(0), span.start - around), span.end + around)
        others = [who for who, own in self.turns.items() if who != speaker and _near(own, wide)]
        voices = [speaker, *others]
        too_long = span.duration > to_seconds(self.options.longest_s)
        if too_long or any(who not in self.patterns for who in voices):
            return None
        mixture = np.asarray(self.audio.cut(wide).samples, dtype=np.float64)
        spectrum = _spectrum(mixture, self.audio.rate, self.options)
        bases = np.concatenate([*(self.patterns[who] for who in voices), self.background], axis=1)
        heights = _explained(np.abs(spectrum), bases, self.options.rounds)
        count = self.patterns[speaker].shape[1]
        own = bases[:, :count] @ heights[:count]
        found = _sound(spectrum * own / (bases @ heights + _TINY), len(mixture))
        inside, whole = span.samples(self.audio.rate), wide.samples(self.audio.rate)
        return found[inside.start - whole.start : inside.stop - whole.start].astype(np.float32)


def learn_voices(
    audio: Waveform, turns: Sequence[Turn], options: PartOptions | None = None
) -> VoiceParts:
    """Patterns of everybody who overlaps with another in mono ``audio``.

    Who is heard alone for less than ``least_s`` stays unknown.
    """
    options = options or PartOptions()
    names = sorted({turn.voice for turn in turns})
    spans = {who: merge(turn.span for turn in turns if turn.voice == who) for who in names}
    others = {who: merge(turn.span for turn in turns if turn.voice != who) for who in names}
    guard = to_seconds(options.guard_s)
    patterns: dict[str, Floats] = {}
    for who in names:
        alone = without(spans[who], others[who])
        if total(alone) == total(spans[who]):
            continue
        alone = without(alone, merge(other.pad(guard) for other in others[who]))
        if total(alone) >= to_seconds(options.least_s):
            patterns[who] = _learn(audio, alone, options.patterns, options)
    film = [Span(Fraction(0), audio.duration)] if patterns else []
    silent = without(film, merge(turn.span for turn in turns))
    rest = options.rest if total(silent) >= Fraction(1, 2) else 0
    return VoiceParts(audio, spans, others, patterns, _learn(audio, silent, rest, options), options)


def _near(spans: Sequence[Span], span: Span) -> Sequence[Span]:
    """Those of ``spans`` (sorted, disjoint) that share time with ``span``."""
    first = bisect_right(spans, span.start, key=lambda one: one.end)
    return spans[first : bisect_left(spans, span.end, key=lambda one: one.start)]


def _learn(audio: Waveform, spans: Sequence[Span], count: int, options: PartOptions) -> Floats:
    """``count`` patterns ``[bins, count]`` of the longest ``spans``, each of sum 1."""
    size = _size(audio.rate, options)
    if not count:
        return np.zeros((size // 2 + 1, 0))
    chosen: list[Floats] = []
    left = round(options.most_s * audio.rate)
    for span in sorted(spans, key=lambda span: (-span.duration, span.start)):
        samples = np.asarray(audio.cut(span).samples, dtype=np.float64)[:left]
        if len(samples) >= size:
            chosen.append(np.abs(_spectrum(samples, audio.rate, options)))
        left -= len(samples)
        if left <= 0:
            break
    if not chosen:
        return np.zeros((size // 2 + 1, 0))
    heard = np.concatenate(chosen, axis=1) + _TINY
    rng = np.random.default_rng(0)  # where it begins: the same for the same sound
    bases = rng.random((len(heard), count)) + 0.1
    heights = rng.random((count, heard.shape[1])) + 0.1
    for _ in range(options.rounds):
        heights *= (bases.T @ (heard / (bases @ heights + _TINY))) / bases.sum(axis=0)[:, None]
        bases *= ((heard / (bases @ heights + _TINY)) @ heights.T) / heights.sum(axis=1)[None]
    return np.asarray(bases / np.maximum(bases.sum(axis=0, keepdims=True), _TINY))


def _explained(heard: Floats, bases: Floats, rounds: int) -> Floats:
    """Heights ``[patterns, frames]`` with which ``bases`` explain ``heard`` ``[bins, frames]``."""
    heights = np.full((bases.shape[1], heard.shape[1]), heard.mean() / bases.shape[1] + _TINY)
    weight = np.maximum(bases.sum(axis=0), _TINY)[:, None]
    for _ in range(rounds):
        heights *= (bases.T @ (heard / (bases @ heights + _TINY))) / weight
    return heights


def _size(rate: int, options: PartOptions) -> int:
    return 4 * round(options.frame_s * rate / 4)


def _spectrum(samples: Floats, rate: int, options: PartOptions) -> npt.NDArray[np.complex128]:
    size = _size(rate, options)
    padded = np.pad(samples, (0, max(0, size - len(samples))))
    return np.asarray(stft(padded, nperseg=size, noverlap=size - size // 4)[2])


def _sound(spectrum: npt.NDArray[np.complex128], length: int) -> Floats:
    size = 2 * (len(spectrum) - 1)
    found = np.asarray(istft(spectrum, nperseg=size, noverlap=size - size // 4)[1])
    return np.pad(found, (0, max(0, length - len(found))))[:length]
