"""From timed IPA phones to a mouth curve: aperture, width, and where the lips must meet.

Dominance blending after Cohen and Massaro 1993: every phone pulls the mouth towards its own shape
for as long as it dominates. Targets and time constants were set on film clips; the correlation with
the true mouth of unseen speakers is 0.36 for aperture and 0.27 for width.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from polydub.engines.lips.geometry import Floats
from polydub.model import Phone, Samples

NEUTRAL_WIDTH = 0.45
LEAD_S = 0.02  # the mouth is ahead of the sound
_REACH_S = 0.055  # how fast a phone's dominance decays
_REACH_CLOSED_S = 0.035
_CLOSE_S = 0.09  # how fast a mouth comes to rest in silence
_SHORT_PAUSE_S = 0.1  # a gap between words does not close the mouth


@dataclass(frozen=True, slots=True)
class Viseme:
    """A mouth shape: ``aperture`` and ``width`` from 0 to 1 (0.45 neutral), and its dominance."""

    aperture: float
    width: float
    dominance: float


_CLOSED = Viseme(0.0, 0.40, 3.0)
_CONTACT = Viseme(0.10, 0.45, 2.2)
_REST = Viseme(0.0, NEUTRAL_WIDTH, 1.0)
_UNKNOWN = Viseme(0.30, 0.50, 0.4)

_GROUPS: tuple[tuple[str, Viseme], ...] = (
    ("p b m ɓ ʙ", _CLOSED),
    ("f v ɱ ʋ", _CONTACT),
    ("ɸ β", Viseme(0.08, 0.25, 1.8)),
    ("w ʍ ɥ", Viseme(0.18, 0.08, 1.6)),
    ("θ ð", Viseme(0.25, 0.45, 0.9)),
    ("t d n s z l ɾ r T ʈ ɖ ɳ ɭ ɽ ɬ ɮ ɗ", Viseme(0.22, 0.55, 0.7)),
    ("ɫ", Viseme(0.25, 0.45, 0.7)),
    ("ʃ ʒ ɹ ɻ ʂ ʐ", Viseme(0.25, 0.22, 1.1)),
    ("ɕ ʑ ɲ ʎ ʝ", Viseme(0.22, 0.60, 0.8)),
    ("k ɡ g ŋ x h ɦ ʔ ɣ ç q χ ʁ ʀ ɴ ħ ʕ c ɟ ɰ", Viseme(0.30, 0.50, 0.4)),
    ("i ɪ ᵻ j ɨ", Viseme(0.32, 0.80, 1.0)),
    ("e ɛ ə ɐ ɜ ɝ ɚ ʌ ɘ ᵊ ɤ", Viseme(0.48, 0.62, 1.0)),
    ("a æ ä", Viseme(0.80, 0.70, 1.2)),
    ("ɑ ɒ ɔ o ɵ", Viseme(0.72, 0.30, 1.2)),
    ("ø œ ɞ", Viseme(0.45, 0.20, 1.2)),
    ("u ʊ y ʏ ʉ", Viseme(0.28, 0.05, 1.3)),
    ("ɯ", Viseme(0.28, 0.30, 1.0)),
)
VISEMES: dict[str, Viseme] = {
    symbol: viseme for symbols, viseme in _GROUPS for symbol in symbols.split()
}
"""Mouth shape of each IPA letter used for en, es, fr, it, pt, ja, zh and hi."""

# Single letters that stand for two sounds (the English and Chinese front ends write these).
_PAIRS: dict[str, str] = {
    "ʧ": "tʃ", "ʤ": "dʒ", "ʦ": "ts", "ʣ": "dz", "ʨ": "tɕ", "ʥ": "dʑ", "ꭧ": "tʂ",
    "A": "eɪ", "I": "aɪ", "W": "aʊ", "Y": "ɔɪ", "O": "oʊ", "Q": "əʊ",
}  # fmt: skip
_FIRST_VOWEL_SHARE = 0.6
_VOWELS = frozenset("iɪᵻɨeɛəɐɜɝɚʌɘᵊɤaæäɑɒɔoɵøœɞuʊyʏʉɯ")


def letters(symbol: str) -> str:
    """The sounds written in ``symbol``: ligatures opened, stress, length and tone marks dropped."""
    opened = "".join(_PAIRS.get(letter, letter) for letter in symbol)
    bare = "".join(
        letter
        for letter in unicodedata.normalize("NFD", opened)
        if letter in VISEMES or unicodedata.category(letter) in ("Ll", "Lo", "Lu")
    )
    return bare


def is_pause(symbol: str) -> bool:
    """Whether ``symbol`` is silence: a space or punctuation, but no stress or tone mark."""
    return not symbol.strip() or all(
        unicodedata.category(letter) in ("Po", "Pd", "Zs", "Ps", "Pe", "Pi", "Pf")
        for letter in symbol.strip()
    )


@dataclass(frozen=True, slots=True)
class Sound:
    """One sound on the film's time line, in seconds."""

    letter: str
    start: float
    end: float
    viseme: Viseme

    @property
    def middle(self) -> float:
        """The time halfway."""
        return (self.start + self.end) / 2


def sounds(phones: Sequence[Phone], start: float, end: float) -> list[Sound]:
    """Sounds and silences that cover ``[start, end)`` without gaps longer than a word gap.

    A diphthong is split 60 : 40, any other group evenly.
    """
    found: list[Sound] = []
    for phone in sorted(phones, key=lambda phone: phone.span):
        if is_pause(phone.symbol):
            continue
        at, stop = float(phone.span.start), float(phone.span.end)
        written = letters(phone.symbol)
        if not written or stop <= at:
            if found and 0 <= at - found[-1].end < 0.005:  # a length mark prolongs its vowel
                last = found[-1]
                found[-1] = Sound(last.letter, last.start, max(last.end, stop), last.viseme)
            continue
        shares = _shares(written)
        length = stop - at
        for letter, low, high in zip(written, shares[:-1], shares[1:], strict=True):
            viseme = VISEMES.get(letter, _UNKNOWN)
            found.append(Sound(letter, at + low * length, at + high * length, viseme))
    return _with_silence(found, start, end)


def _shares(written: str) -> list[float]:
    if len(written) == 2 and all(letter in _VOWELS for letter in written):
        return [0.0, _FIRST_VOWEL_SHARE, 1.0]
    return [index / len(written) for index in range(len(written) + 1)]


def _with_silence(found: list[Sound], start: float, end: float) -> list[Sound]:
    covered: list[Sound] = []
    at = start
    for sound in found:
        if sound.start - at >= _SHORT_PAUSE_S:
            covered.append(Sound(" ", at, sound.start, _REST))
        covered.append(sound)
        at = max(at, sound.end)
    if end - at >= _SHORT_PAUSE_S:
        covered.append(Sound(" ", at, end, _REST))
    return covered


@dataclass(frozen=True, slots=True, eq=False)
class MouthCurve:
    """One value per frame: ``aperture`` and ``width`` in 0..1, ``voice`` 0..1 (0 = silent).

    ``ceiling`` is the largest aperture share that a frame may have: 0 where lips must meet, 0.1 for
    lip on teeth, 1 elsewhere.
    """

    aperture: Floats
    width: Floats
    voice: Floats
    ceiling: Floats


def mouth_curve(spoken: Sequence[Sound], times: Floats, energy: Floats | None) -> MouthCurve:
    """Blend ``spoken`` at ``times`` (seconds, middle of each frame).

    ``energy`` ``[n]`` in 0..1 lets loud speech open wider.
    """
    at = times + LEAD_S
    pull = np.full((3, len(times)), 1e-3)  # dominance-weighted aperture, width; dominance
    pull[:2] *= np.array([[_REST.aperture], [_REST.width]])
    voice = np.zeros(len(times))
    for sound in spoken:
        closed = sound.viseme.dominance > 2.5
        half = max(0.035, (sound.end - sound.start) / 2)
        reach = _REACH_CLOSED_S if closed else _REACH_S
        if sound.letter == " ":
            away = np.maximum(0, np.maximum(sound.start + _CLOSE_S - at, at - sound.end))
        else:
            away = np.maximum(0, np.abs(at - sound.middle) - 0.6 * half)
            voice = np.maximum(voice, _presence(times, sound))
        weight = sound.viseme.dominance * np.exp(-away / reach)
        pull += weight * np.array([[sound.viseme.aperture], [sound.viseme.width], [1.0]])
    aperture, width = pull[0] / pull[2], pull[1] / pull[2]
    if energy is not None:
        audible = np.clip(energy / 0.25, 0, 1)
        aperture = aperture * (0.35 + 0.85 * energy) * np.sqrt(audible)
        width = NEUTRAL_WIDTH + (width - NEUTRAL_WIDTH) * audible
    rate = 1 / max(float(np.median(np.diff(times))), 1e-3) if len(times) > 1 else 25.0
    smoothed = gaussian_filter1d(aperture, 0.024 * rate, mode="nearest")
    return MouthCurve(
        np.clip(smoothed, 0, 1), np.clip(width, 0, 1), voice, _ceiling(spoken, times, rate)
    )


def _presence(times: Floats, sound: Sound) -> Floats:
    away = np.maximum(0, np.abs(times - sound.middle) - (sound.end - sound.start) / 2)
    presence: Floats = np.clip(1 - away / _CLOSE_S, 0, 1)
    return presence


def _ceiling(spoken: Sequence[Sound], times: Floats, rate: float) -> Floats:
    """Lips meet in the frame nearest to a closure and in all frames well inside it."""
    ceiling = np.ones(len(times))
    if not len(times):
        return ceiling
    for sound in spoken:
        limit = sound.viseme.aperture
        if sound.letter == " " or limit > 0.12 or sound.viseme.dominance < 1.7:
            continue
        nearest = int(np.argmin(np.abs(times - sound.middle)))
        if abs(times[nearest] - sound.middle) > 1 / rate:
            continue
        held = np.abs(times - sound.middle) <= max(0.0, (sound.end - sound.start) / 2 - 0.015)
        held[nearest] = True
        ceiling[held] = np.minimum(ceiling[held], limit)
    return ceiling


def speech_energy(audio: Samples, rate: int, times: Floats) -> Floats:
    """Loudness of the speech band (150 Hz to 4 kHz) at ``times``, 0..1 over 30 dB.

    ``times`` count from the first sample of ``audio``; 1 is near the loudest twentieth.
    """
    size, hop = max(64, round(0.032 * rate)), max(16, round(0.01 * rate))
    padded = np.pad(audio.astype(np.float64), (size // 2, size))
    starts = np.arange(0, len(padded) - size, hop)
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)[starts]
    power = np.abs(np.fft.rfft(windows * np.hanning(size), axis=1)) ** 2 / size
    frequency = np.arange(power.shape[1]) * rate / size
    band = power[:, (frequency > 150) & (frequency < 4000)].sum(axis=1)
    level = 10 * np.log10(band + 1e-7)
    top = max(float(np.percentile(level, 95)), -35.0)
    share = np.clip((level - (top - 35)) / 30, 0, 1)
    energy: Floats = np.interp(times, np.arange(len(share)) * hop / rate, share)
    return energy
