"""What a voice tells about its speaker: pitch, speaking rate, and guesses with a confidence.

All of it are hints that a user can change; nothing needs them.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_toeplitz
from scipy.signal import resample_poly

from polydub.errors import EngineError
from polydub.model import Samples, Span, Waveform, Word, merge, to_seconds, total
from polydub.model.language import primary
from polydub.stages.clean_speech import frame_levels

Floats = npt.NDArray[np.float64]

LOWEST_HZ = 60.0
HIGHEST_HZ = 500.0
HOP_MS = 10.0
AUDIBLE_DB = 25.0  # frames further under the loud ones are pauses and echoes: no pitch is theirs
LEAST_FRAMES = 10
ENOUGH_S = Fraction(8)
"""Seconds of speech after which nothing more is listened to: Harvest takes half as long as they
last, and on 22 voices the median of 4 s stood noise within 0.7 semitones."""

BETWEEN_HZ = 165.0  # halfway, in tones, between the usual medians of men (120) and women (210)

FORMANT_RATE = 10000  # holds four formants of any adult
FORMANT_FRAME = 300  # 30 ms
LPC_ORDER = 10  # two per formant and two for the slope of the glottis
WIDEST_HZ = 500.0  # a resonance broader than this is none
BETWEEN_SPACING_HZ = 1100.0
"""Between the formant spacing of men and women: on seven film clips the six men and one teenager
lie at 908-1040 Hz, the three women at 1169-1277 Hz, one boy at 1232 Hz. By pitch alone three of
these eleven voices are taken wrong: men who shout or plead speak above 170 Hz."""

PAUSE_S = 0.25  # a longer gap between words is not counted as speaking
LEAST_SYLLABLES = 5


@dataclass(frozen=True, slots=True)
class Guess:
    """A hint: ``value`` is ``"unknown"`` when there is nothing to say; ``confidence`` 0 to 1."""

    value: str = "unknown"
    confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class SpeakerAttributes:
    """What is heard of one speaker; ``None`` where too little was heard.

    ``pitch_hz`` is the median, ``pitch_low_hz`` and ``pitch_high_hz`` the range of 5 to 95 % of the
    voiced time. ``syllables_per_s`` leaves pauses of more than 0.25 s out. ``gender`` is
    ``"female"``, ``"male"`` or ``"unknown"``; ``age`` is always ``"unknown"`` (see :func:`age_of`).
    """

    pitch_hz: float | None = None
    pitch_low_hz: float | None = None
    pitch_high_hz: float | None = None
    syllables_per_s: float | None = None
    gender: Guess = Guess()
    age: Guess = Guess()

    @property
    def pitch_range_st(self) -> float | None:
        """Semitones from ``pitch_low_hz`` to ``pitch_high_hz``."""
        if not self.pitch_low_hz or not self.pitch_high_hz:
            return None
        return 12.0 * math.log2(self.pitch_high_hz / self.pitch_low_hz)


def speaker_attributes(
    audio: Waveform, spans: Sequence[Span], *, words: Sequence[Word] = (), language: str = "und"
) -> SpeakerAttributes:
    """What ``spans`` of ``audio`` (clean speech of one voice) tell about the speaker.

    The first :data:`ENOUGH_S` of them are listened to, so the best comes first. ``words`` are all
    words of the speaker, for the speaking rate. Raises ``EngineError`` DUB-E202 without pyworld.
    """
    mono = audio.mono()
    parts = [mono.cut(span).samples for span in first_seconds(spans, ENOUGH_S)]
    tracks = [pitch_track(part, mono.rate, thorough=True) for part in parts]
    voiced = np.concatenate([np.zeros(0), *tracks])
    rate = syllable_rate(words, language)
    if len(voiced) < LEAST_FRAMES:
        return SpeakerAttributes(syllables_per_s=rate)
    low, median, high = (float(value) for value in np.quantile(voiced, (0.05, 0.5, 0.95)))
    spacing = formant_spacing(np.concatenate(parts), mono.rate)
    return SpeakerAttributes(
        median, low, high, rate, gender_of(median, spacing), age_of(median, spacing)
    )


def first_seconds(spans: Sequence[Span], most: Fraction) -> list[Span]:
    """``spans`` in their order until they last ``most`` seconds, the last one cut."""
    chosen: list[Span] = []
    left = most
    for span in spans:
        if left <= 0:
            break
        chosen.append(Span(span.start, min(span.end, span.start + left)))
        left -= chosen[-1].duration
    return chosen


def gender_of(pitch_hz: float, spacing_hz: float | None) -> Guess:
    """The gender that median pitch and formant spacing suggest.

    The spacing of the formants (the length of the vocal tract) tells more than pitch, which rises
    with excitement; both are counted. Confidence 0 is a coin toss: under 0.3 half of the guesses
    are right (5 of 9), from 0.3 on 65 of 67. Right for 10 of 11 film voices (which the numbers were
    chosen on), 11 of 11 studio talkers and 49 of 54 synthetic voices (pitch alone: 9, 11, 48). The
    two sure mistakes are boys: children sound like women to it, whatever the confidence.
    """
    leaning = 3.0 * math.log2(pitch_hz / BETWEEN_HZ)  # 1 = four semitones
    if spacing_hz is not None:
        leaning += (spacing_hz - BETWEEN_SPACING_HZ) / 50.0
    return Guess("female" if leaning > 0 else "male", abs(math.tanh(leaning / 3.0)))


def age_of(pitch_hz: float, spacing_hz: float | None) -> Guess:
    """Always ``"unknown"``: nothing measured here tells ages apart.

    Of 11 film voices with a known age (4 teenagers or young, 7 adults) the nearest mean of the
    other voices gets 1 right by pitch, 7 by formant spacing, 4 by both, 4 with the pitch range;
    always saying "adult" gets 7. There was no child or elderly voice to measure on.
    """
    del pitch_hz, spacing_hz
    return Guess()


def pitch_track(samples: Samples, rate: int, *, thorough: bool = False) -> Floats:
    """Pitch in Hz of the voiced frames (one per 10 ms) of mono ``samples``, in time order.

    WORLD's DIO with StoneMask; ``thorough`` takes Harvest, which costs thirty times as much (RTF
    0.5 against 0.015 on one busy core) and stands noise: on 22 voices, 4 s each, the median moves
    by 0.4 semitones under pink noise or music at 10 dB and 0.7 at 3 dB (DIO: 1.5, 0.7, 0.9; YIN,
    used here before: 1.9, 1.8, 1.7, and up to 11 for one voice), the 5 % point by 1.3 to 2.9.
    Raises ``EngineError`` DUB-E202 without pyworld.
    """
    if len(samples) < rate // 20 or not np.any(samples):
        return np.zeros(0)
    world = _import_world()
    signal = np.ascontiguousarray(samples, dtype=np.float64)
    track = world.harvest if thorough else world.dio
    found, times = track(signal, rate, f0_floor=LOWEST_HZ, f0_ceil=HIGHEST_HZ, frame_period=HOP_MS)
    hertz = np.asarray(world.stonemask(signal, found, times, rate), dtype=np.float64)
    levels = frame_levels(samples, rate)
    count = min(len(hertz), len(levels))
    if count == 0:
        return np.zeros(0)
    hertz, levels = hertz[:count], levels[:count]
    audible = levels > max(-70.0, float(np.quantile(levels, 0.95)) - AUDIBLE_DB)
    return np.asarray(hertz[audible & (hertz >= LOWEST_HZ) & (hertz <= HIGHEST_HZ)])


def _import_world() -> Any:
    try:
        import pyworld
    except ImportError as error:
        raise EngineError(
            "Measuring pitch needs pyworld, which is not installed.",
            hint='Install it with: pip install -c constraints.txt -e ".[voice]"',
            code="DUB-E202",
        ) from error
    return pyworld


def syllable_rate(words: Sequence[Word], language: str) -> float | None:
    """Syllables per second of ``words``, pauses over 0.25 s left out.

    ``None`` with fewer than five syllables or a script whose vowels are not written
    (:func:`count_syllables`).
    """
    counts = [count_syllables(word.text, language) for word in words]
    if any(count is None for count in counts):
        return None
    syllables = sum(count or 0 for count in counts)
    seconds = float(total(merge((word.span for word in words), gap=to_seconds(PAUSE_S))))
    return syllables / seconds if syllables >= LEAST_SYLLABLES and seconds > 0.0 else None


_VOWELS = frozenset("aeiouyæœøıαειηουωаеёиоуыэюяіїє")
_SINGLE = frozenset("аеёиоуыэюяіїє")  # Cyrillic vowel letters never share a syllable
_SMALL_KANA = frozenset("ぁぃぅぇぉゃゅょゎァィゥェォャュョヮ")


def count_syllables(text: str, language: str) -> int | None:
    """Syllables of ``text`` by its letters: a proxy, no dictionary.

    Groups of vowel letters in Latin and Greek script (English: no silent final e, no ``-ed``
    except after t and d), single vowel letters in Cyrillic, characters in Chinese and Korean, morae
    in Japanese (a kanji counts two). ``None`` when letters of another script are in it: Arabic,
    Hebrew, Thai and Indic scripts do not write all vowels. Digits count one each.
    """
    base = primary(language) if language != "und" else language
    count = 0
    for word in unicodedata.normalize("NFC", text).casefold().split():
        own = _word_syllables(word, base)
        if own is None:
            return None
        count += own
    return count


def _word_syllables(word: str, language: str) -> int | None:
    count, before = 0, ""
    for char in word:
        name = unicodedata.name(char, "").split(" ", 1)[0]
        letter = unicodedata.normalize("NFD", char)[0] if name in ("LATIN", "GREEK") else char
        if name == "CJK":
            count += 2 if language == "ja" else 1
        elif name in ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"):
            count += char not in _SMALL_KANA
        elif name == "HANGUL" or char.isdigit():
            count += 1
        elif name in ("LATIN", "GREEK", "CYRILLIC"):
            count += letter in _VOWELS and (before not in _VOWELS or letter in _SINGLE)
        elif char.isalpha():
            return None
        before = letter
    if language == "en":
        count -= _silent_ending(word.rstrip(".,;:!?\"'…)"))
    return max(count, 1) if any(char.isalnum() for char in word) else 0


def _silent_ending(word: str) -> int:
    """1 when the last written vowel of an English word is not spoken."""
    consonant = len(word) > 2 and word[-2] not in _VOWELS
    if word.endswith("e") and consonant:
        return int(not (word.endswith("le") and word[-3] not in _VOWELS))
    return int(len(word) > 3 and word.endswith("ed") and word[-3] not in {*_VOWELS, "t", "d"})


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
