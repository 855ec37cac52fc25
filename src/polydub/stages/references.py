"""The cleanest speech of every voice, and what its pitch tells about the speaker."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_toeplitz
from scipy.signal import resample_poly

from polydub.model import Samples, Span, Turn, Waveform, Word, merge, to_seconds

Floats = npt.NDArray[np.float64]

PITCH_FRAME_S = 0.064  # holds four periods of the lowest voice
PITCH_HOP_S = 0.02
LOWEST_HZ = 60.0
HIGHEST_HZ = 420.0
VOICED = 0.15  # YIN's threshold for a periodic frame (de Cheveigné & Kawahara 2002: 0.1 to 0.15)
BETWEEN_HZ = 165.0  # halfway, in tones, between the usual medians of men (120) and women (210)
FRAMES_AT_ONCE = 2000

FORMANT_RATE = 10000  # holds four formants of any adult
FORMANT_FRAME = 300  # 30 ms
LPC_ORDER = 10  # two per formant and two for the slope of the glottis
WIDEST_HZ = 500.0  # a resonance broader than this is none
BETWEEN_SPACING_HZ = 1100.0
"""Between the formant spacing of men and women: on seven film clips the six men and one teenager
lie at 908-1040 Hz, the three women at 1169-1277 Hz, one boy at 1232 Hz. By pitch alone three of
these eleven voices are taken wrong: men who shout or plead speak above 170 Hz."""


@dataclass(frozen=True, slots=True)
class ReferenceOptions:
    """How much speech makes a reference, and what is too short or too near another voice."""

    wanted_s: float = 12.0
    longest_s: float = 8.0
    shortest_s: float = 0.8
    guard_s: float = 0.1
    pause_s: float = 0.4


@dataclass(frozen=True, slots=True)
class SpeakerHints:
    """``pitch_hz``: median pitch; ``gender``: ``"female"``, ``"male"`` or ``None``; both guesses.

    ``confidence`` 0 to 1 is about the gender.
    """

    pitch_hz: float | None
    gender: str | None
    confidence: float


def choose_references(
    turns: Sequence[Turn],
    words: Sequence[Word],
    audio: Waveform,
    voice: str,
    *,
    options: ReferenceOptions | None = None,
) -> tuple[Span, ...]:
    """Up to 12 s of the cleanest speech in which ``voice`` speaks alone, best piece first.

    Pieces that touch another voice lose 0.1 s there; pauses split them. Long, loud and clearly
    recognised pieces win. When all are shorter than 0.8 s the longest one is given; no turn of the
    voice gives an empty tuple.
    """
    chosen = options or ReferenceOptions()
    alone = _alone(turns, voice, to_seconds(chosen.guard_s))
    found = [piece for span in alone for piece in _spoken(span, words, to_seconds(chosen.pause_s))]
    if not found:
        longest = max(
            (turn.span for turn in turns if turn.voice == voice),
            key=lambda span: (span.duration, -span.start),
            default=None,
        )
        return (longest,) if longest else ()
    enough = [span for span in found if span.duration >= to_seconds(chosen.shortest_s)]
    enough = enough or [max(found, key=lambda span: (span.duration, -span.start))]
    levels = {span: _level(audio.cut(span)) for span in enough}
    top = max(levels.values())

    def worth(span: Span) -> tuple[float, Fraction]:
        length = min(float(span.duration), chosen.longest_s)
        loudness = max(0.2, 1.0 + (levels[span] - top) / 20.0)
        return (-length * loudness * _clarity(span, words), span.start)

    return _fill(sorted(enough, key=worth), chosen)


def _fill(pieces: Sequence[Span], options: ReferenceOptions) -> tuple[Span, ...]:
    """The first pieces that together last as long as wanted, the last one cut to fit."""
    left = to_seconds(options.wanted_s)
    taken: list[Span] = []
    for piece in pieces:
        length = min(piece.duration, to_seconds(options.longest_s), left)
        if taken and length < to_seconds(options.shortest_s):
            continue
        taken.append(Span(piece.start, piece.start + length))
        left -= length
        if left <= 0:
            break
    return tuple(taken)


def _alone(turns: Sequence[Turn], voice: str, guard: Fraction) -> list[Span]:
    """The turns of ``voice`` without what other voices cover, ``guard`` around those included."""
    others = merge(
        Span(max(Fraction(0), turn.span.start - guard), turn.span.end + guard)
        for turn in turns
        if turn.voice != voice
    )
    free: list[Span] = []
    for span in merge(turn.span for turn in turns if turn.voice == voice):
        start = span.start
        for other in others:
            if other.end <= start or other.start >= span.end:
                continue
            if other.start > start:
                free.append(Span(start, other.start))
            start = other.end
        if start < span.end:
            free.append(Span(start, span.end))
    return free


def _spoken(span: Span, words: Sequence[Word], pause: Fraction) -> list[Span]:
    """The parts of ``span`` with words in them; ``span`` itself when no words are known at all."""
    if not words:
        return [span]
    inside = [common for word in words if (common := word.span & span) is not None]
    return list(merge(inside, gap=pause))


def _clarity(span: Span, words: Sequence[Word]) -> float:
    """Mean probability of the words in ``span``, 1 without words."""
    inside = [word.probability for word in words if word.span.middle in span]
    return float(np.mean(inside)) if inside else 1.0


def _level(audio: Waveform) -> float:
    """Level in dB."""
    samples = np.asarray(audio.samples, dtype=np.float64)
    return 10.0 * math.log10(float(np.mean(samples**2)) + 1e-12) if samples.size else -120.0


def speaker_hints(audio: Waveform, spans: Sequence[Span]) -> SpeakerHints:
    """Median pitch of ``audio`` inside ``spans``, and the gender that the voice suggests.

    The spacing of the formants (the length of the vocal tract) tells more than pitch, which rises
    with excitement; both are counted. Children sound like women to it. A hint that the user may
    change, with a confidence near 0 where the two disagree.
    """
    mono = audio.mono()
    parts = [mono.cut(span).samples for span in spans]
    voiced = np.concatenate([np.zeros(0), *(pitches(part, mono.rate) for part in parts)])
    if len(voiced) < 5:
        return SpeakerHints(None, None, 0.0)
    median = float(np.median(voiced))
    leaning = 3.0 * math.log2(median / BETWEEN_HZ)  # 1 = four semitones
    spacing = formant_spacing(np.concatenate(parts), mono.rate)
    if spacing is not None:
        leaning += (spacing - BETWEEN_SPACING_HZ) / 50.0
    gender = "female" if leaning > 0 else "male"
    return SpeakerHints(median, gender, abs(math.tanh(leaning / 3.0)))


def formant_spacing(samples: Samples, rate: int) -> float | None:
    """Spacing in Hz of the formants of mono ``samples``, from the third and the fourth.

    A tube closed at one end resonates at 0.5, 1.5, 2.5, 3.5 times the spacing; the first two move
    with the vowel. ``None`` when fewer than ten frames show four resonances.
    """
    ratio = Fraction(FORMANT_RATE, rate)
    if len(samples) * ratio < 2 * FORMANT_FRAME:
        return None
    signal = resample_poly(samples.astype(np.float64), ratio.numerator, ratio.denominator)
    frames = np.lib.stride_tricks.sliding_window_view(signal, FORMANT_FRAME)[:: FORMANT_RATE // 100]
    power = (frames**2).mean(axis=1)
    loud = frames[power > max(float(np.median(power)), 1e-7)]
    found = [formants for frame in loud if (formants := _formants(frame)) is not None]
    if len(found) < 10:
        return None
    third, fourth = np.median(np.array(found), axis=0)[2:]
    return float((third / 2.5 + fourth / 3.5) / 2.0)


def _formants(frame: Floats) -> Floats | None:
    """The four lowest resonances of one frame in Hz (linear prediction), ``None`` if fewer."""
    shaped = np.append(frame[0], frame[1:] - 0.97 * frame[:-1]) * np.hamming(len(frame))
    lags = np.correlate(shaped, shaped, "full")[len(frame) - 1 : len(frame) + LPC_ORDER]
    if lags[0] < 1e-9:
        return None
    lags[0] *= 1.0001  # keeps the equations solvable for a pure tone
    roots = np.roots(np.append(1.0, -solve_toeplitz(lags[:-1], lags[1:])))
    roots = roots[roots.imag > 0]
    hertz = np.angle(roots) * FORMANT_RATE / (2.0 * np.pi)
    width = -np.log(np.abs(roots)) * FORMANT_RATE / np.pi
    found = np.sort(hertz[(hertz > 200.0) & (hertz < 4900.0) & (width < WIDEST_HZ)])
    return np.asarray(found[:4]) if len(found) >= 4 else None


def pitches(samples: Samples, rate: int) -> Floats:
    """Pitch in Hz of the voiced frames of mono ``samples``, in time order (YIN)."""
    size, hop = round(PITCH_FRAME_S * rate), round(PITCH_HOP_S * rate)
    if len(samples) < size:
        return np.zeros(0)
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]
    blocks = range(0, len(frames), FRAMES_AT_ONCE)
    return np.concatenate([_yin(frames[at : at + FRAMES_AT_ONCE], rate) for at in blocks])


def _yin(frames: Samples, rate: int) -> Floats:
    """Pitch of the periodic ones among ``frames`` ``[n, size]``."""
    first, last = int(rate / HIGHEST_HZ), int(rate / LOWEST_HZ) + 1
    signal = frames.astype(np.float64) - frames.mean(axis=1, keepdims=True)
    loud = (signal**2).mean(axis=1) > 1e-7  # -70 dB: below is no voice
    difference = _difference(signal[loud], last)
    if len(difference) == 0:
        return np.zeros(0)
    mean = np.cumsum(difference[:, 1:], axis=1) / np.arange(1, last + 1)
    normal = np.ones_like(difference)
    normal[:, 1:] = difference[:, 1:] / np.maximum(mean, 1e-12)
    found = [_first_dip(row, first, last) for row in normal]
    return np.array([rate / lag for lag in found if lag is not None])


def _difference(signal: Floats, last: int) -> Floats:
    """Squared difference of every frame to itself ``0..last`` samples later, ``[n, last + 1]``."""
    size = signal.shape[1]
    window = size - last
    n_fft = 1 << (size + window - 1).bit_length()
    head = np.fft.rfft(signal[:, :window], n_fft)
    whole = np.fft.rfft(signal, n_fft)
    product = np.fft.irfft(np.conj(head) * whole, n_fft)[:, : last + 1]
    energy = np.cumsum(np.pad(signal**2, ((0, 0), (1, 0))), axis=1)
    later = energy[:, window : window + last + 1] - energy[:, : last + 1]
    return np.asarray(np.maximum(later[:, :1] + later - 2.0 * product, 0.0))


def _first_dip(normal: Floats, first: int, last: int) -> float | None:
    """Lag of the first minimum under the threshold, between samples; ``None`` if unvoiced."""
    below = np.flatnonzero(normal[first:last] < VOICED)
    if len(below) == 0:
        return None
    lag = first + int(below[0])
    while lag + 1 < last and normal[lag + 1] < normal[lag]:
        lag += 1
    before, here, after = normal[lag - 1], normal[lag], normal[lag + 1]
    bend = before - 2.0 * here + after
    return lag + (0.5 * (before - after) / bend if bend > 0 else 0.0)
