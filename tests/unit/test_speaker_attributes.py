import sys
from fractions import Fraction

import numpy as np
import pytest
from scipy.signal import lfilter

from polydub.errors import EngineError
from polydub.model import Span, Waveform, Word
from polydub.stages.speaker_attributes import (
    Guess,
    count_syllables,
    first_seconds,
    formant_spacing,
    gender_of,
    pitch_track,
    speaker_attributes,
    syllable_rate,
)

RATE = 16000


def glottis(hertz: float, seconds: float, rate: int = RATE) -> np.ndarray:
    """A voice-like sound: harmonics falling by 12 dB per octave, formants left out."""
    t = np.arange(round(seconds * rate)) / rate
    count = int(3500 / hertz)
    sound = sum(np.sin(2 * np.pi * hertz * k * t) / k**2 for k in range(1, count + 1))
    return (0.1 * sound).astype(np.float32)


def noise(seconds: float, level: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(9)
    return rng.normal(0, level, round(seconds * RATE)).astype(np.float32)


def vowel(hertz: float, spacing: float, seconds: float = 1.0) -> np.ndarray:
    """Pulses through the resonances of a tube, with a little breath."""
    sound = noise(seconds, 0.002).astype(np.float64)
    sound[:: round(RATE / hertz)] += 1.0
    for number in range(4):
        angle = 2 * np.pi * (number + 0.5) * spacing / RATE
        radius = np.exp(-np.pi * 80.0 / RATE)
        sound = lfilter([1.0], [1.0, -2 * radius * np.cos(angle), radius**2], sound)
    return (0.1 * sound / np.abs(sound).max()).astype(np.float32)


@pytest.mark.parametrize("hertz", [75.0, 110.0, 147.3, 220.0, 330.0])
@pytest.mark.parametrize("thorough", [False, True])
def test_pitch_of_a_voice_like_sound(hertz: float, thorough: bool) -> None:
    found = pitch_track(glottis(hertz, 0.6), RATE, thorough=thorough)
    assert len(found) > 40
    assert abs(float(np.median(found)) / hertz - 1) < 0.01


def test_silence_has_no_pitch() -> None:
    assert len(pitch_track(np.zeros(RATE, dtype=np.float32), RATE)) == 0
    assert len(pitch_track(np.zeros(10, dtype=np.float32), RATE)) == 0


def test_what_is_far_under_the_voice_has_no_pitch_of_its_own() -> None:
    echo = np.concatenate([glottis(120.0, 1.0), 0.01 * glottis(300.0, 1.0)])
    found = pitch_track(echo, RATE, thorough=True)
    assert float(np.quantile(found, 0.95)) < 130.0


def test_median_pitch_survives_noise_at_10_db() -> None:
    voice = glottis(180.0, 1.0)
    level = float(np.sqrt(np.mean(voice**2))) * 10 ** (-10 / 20)
    found = pitch_track(voice + noise(1.0, level), RATE, thorough=True)
    assert abs(float(np.median(found)) / 180.0 - 1) < 0.02


def test_without_the_library_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyworld", None)
    with pytest.raises(EngineError, match="pyworld"):
        pitch_track(glottis(110.0, 0.5), RATE)


@pytest.mark.parametrize("spacing", [950.0, 1050.0, 1180.0])
def test_formant_spacing_of_a_tube(spacing: float) -> None:
    assert formant_spacing(vowel(110.0, spacing), RATE) == pytest.approx(spacing, rel=0.04)
    assert formant_spacing(vowel(110.0, spacing)[:300], RATE) is None
    assert formant_spacing(np.zeros(RATE, dtype=np.float32), RATE) is None


@pytest.mark.parametrize(
    ("hertz", "spacing", "gender"),
    [(105.0, 990.0, "male"), (225.0, 1200.0, "female"), (210.0, 950.0, "male")],
)
def test_gender_follows_the_vocal_tract(hertz: float, spacing: float, gender: str) -> None:
    samples = np.concatenate([vowel(hertz, spacing), vowel(90.0, 1400.0)])
    found = speaker_attributes(Waveform(samples, RATE), [Span.of(0, 1)])

    assert found.pitch_hz == pytest.approx(hertz, rel=0.02)
    assert found.gender.value == gender
    assert 0.3 < found.gender.confidence <= 1.0


def test_disagreeing_signs_are_unsure() -> None:
    assert gender_of(165.0, 1100.0).confidence == 0.0
    assert gender_of(250.0, 1010.0).confidence < gender_of(250.0, 1190.0).confidence
    assert gender_of(120.0, None).value == "male"


def test_age_is_never_claimed_and_nothing_heard_is_nothing_known() -> None:
    heard = speaker_attributes(Waveform(vowel(110.0, 1000.0), RATE), [Span.of(0, 1)])
    assert heard.age == Guess("unknown", 0.0)
    silent = Waveform(np.zeros(RATE, dtype=np.float32), RATE)
    for spans in ([Span.of(0, 1)], []):
        nothing = speaker_attributes(silent, spans)
        assert (nothing.pitch_hz, nothing.pitch_range_st) == (None, None)
        assert nothing.gender == Guess("unknown", 0.0)


def test_range_is_five_to_ninety_five_percent() -> None:
    steps = [glottis(hertz, 1.0) for hertz in (100.0, 150.0, 200.0)]
    found = speaker_attributes(Waveform(np.concatenate(steps), RATE), [Span.of(0, 3)])
    assert found.pitch_hz == pytest.approx(150.0, rel=0.02)
    assert found.pitch_range_st == pytest.approx(12.0, abs=0.5)


@pytest.mark.parametrize(
    ("text", "language", "count"),
    [
        ("The house, walked loaded table people!", "en", 9),
        ("Nadie está aquí", "es", 6),
        ("schöne Häuser", "de", 4),
        ("молоко", "ru", 3),
        ("大王若是圣明", "zh", 6),
        ("きょうは", "ja", 3),
        ("안녕하세요", "ko", 5),
        ("3 — …", "en", 1),
        ("", "und", 0),
        ("سلام", "ar", None),
    ],
)
def test_syllables_by_letters(text: str, language: str, count: int | None) -> None:
    assert count_syllables(text, language) == count


def test_rate_leaves_pauses_out() -> None:
    words = [Word("banana", Span.of(n, n + 0.5)) for n in (0, 0.5, 10, 10.6)]
    assert syllable_rate(words, "es") == pytest.approx(12 / 2.1)
    assert syllable_rate(words[:1], "es") is None
    assert syllable_rate([], "es") is None
    assert syllable_rate([*words, Word("سلام", Span.of(20, 21))], "ar") is None


def test_no_more_than_enough_speech_is_listened_to() -> None:
    spans = [Span.of(10, 13), Span.of(0, 4), Span.of(20, 30)]
    assert first_seconds(spans, Fraction(5)) == [Span.of(10, 13), Span.of(0, 2)]
    assert first_seconds(spans, Fraction(7)) == spans[:2]
    assert first_seconds(spans[:1], Fraction(8)) == spans[:1]
    assert first_seconds([], Fraction(8)) == []
