import numpy as np
import pytest
from scipy.signal import lfilter

from polydub.model import Span, Turn, Waveform, Word, total
from polydub.stages.references import (
    ReferenceOptions,
    choose_references,
    formant_spacing,
    pitches,
    speaker_hints,
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


def words(*spans: tuple[str, str], probability: float = 0.9) -> list[Word]:
    return [Word("word", Span.of(*span), probability) for span in spans]


AUDIO = Waveform(noise(60), RATE)


def test_the_longest_piece_comes_first_and_the_sum_is_limited() -> None:
    turns = [Turn(Span.of(0, 3), "V1"), Turn(Span.of(5, 11), "V1"), Turn(Span.of(20, 28), "V1")]
    found = choose_references(turns, (), AUDIO, "V1")

    assert found == (Span.of(20, 28), Span.of(5, 9))
    assert total(found) == 12


def test_what_another_voice_covers_is_left_out() -> None:
    turns = [Turn(Span.of(0, 6), "V1"), Turn(Span.of(4, 5), "V2")]
    found = choose_references(turns, (), AUDIO, "V1")

    assert found == (Span.of(0, "3.9"), Span.of("5.1", 6))
    assert choose_references(turns, (), AUDIO, "V3") == ()


def test_pauses_between_words_are_left_out() -> None:
    turns = [Turn(Span.of(0, 10), "V1")]
    spoken = words(("0.5", "1"), ("1.1", "2"), ("5", "7"), ("7.2", "8.5"))
    found = choose_references(turns, spoken, AUDIO, "V1")
    assert found == (Span.of(5, "8.5"), Span.of("0.5", 2))


def test_loud_and_clear_pieces_win_over_faint_or_unclear_ones() -> None:
    turns = [Turn(Span.of(0, 4), "V1"), Turn(Span.of(10, "13.5"), "V1")]
    samples = AUDIO.samples.copy()
    samples[: 4 * RATE] *= 0.1
    assert choose_references(turns, (), Waveform(samples, RATE), "V1")[0] == Span.of(10, "13.5")

    unclear = [*words((0, 4), probability=0.3), *words((10, "13.5"))]
    assert choose_references(turns, unclear, AUDIO, "V1")[0] == Span.of(10, "13.5")


def test_when_all_is_short_the_longest_is_given() -> None:
    turns = [Turn(Span.of(0, "0.3"), "V1"), Turn(Span.of(2, "2.5"), "V1")]
    assert choose_references(turns, (), AUDIO, "V1") == (Span.of(2, "2.5"),)
    always_overlapped = [Turn(Span.of(0, 1), "V1"), Turn(Span.of(0, 1), "V2")]
    assert choose_references(always_overlapped, (), AUDIO, "V1") == (Span.of(0, 1),)


def test_the_wanted_length_is_an_option() -> None:
    options = ReferenceOptions(wanted_s=2.0)
    turns = [Turn(Span.of(0, 3), "V1")]
    assert choose_references(turns, (), AUDIO, "V1", options=options) == (Span.of(0, 2),)


@pytest.mark.parametrize("hertz", [75.0, 110.0, 147.3, 220.0, 330.0])
@pytest.mark.parametrize("rate", [16000, 24000])
def test_pitch_of_a_voice_like_sound(hertz: float, rate: int) -> None:
    found = pitches(glottis(hertz, 0.6, rate), rate)
    assert len(found) > 15
    assert np.abs(found / hertz - 1).max() < 0.01


def test_noise_and_silence_have_no_pitch() -> None:
    assert len(pitches(noise(1.0), RATE)) == 0
    assert len(pitches(np.zeros(RATE, dtype=np.float32), RATE)) == 0
    assert len(pitches(np.zeros(10, dtype=np.float32), RATE)) == 0


def test_pitch_survives_noise_at_15_db() -> None:
    voice = glottis(180.0, 1.0)
    level = float(np.sqrt(np.mean(voice**2))) * 10 ** (-15 / 20)
    found = pitches(voice + noise(1.0, level), RATE)
    assert abs(float(np.median(found)) / 180.0 - 1) < 0.01


def vowel(hertz: float, spacing: float, seconds: float = 1.0) -> np.ndarray:
    """Pulses through the resonances of a tube, with a little breath."""
    sound = noise(seconds, 0.002).astype(np.float64)
    sound[:: round(RATE / hertz)] += 1.0
    for number in range(4):
        angle = 2 * np.pi * (number + 0.5) * spacing / RATE
        radius = np.exp(-np.pi * 80.0 / RATE)
        sound = lfilter([1.0], [1.0, -2 * radius * np.cos(angle), radius**2], sound)
    return (0.1 * sound / np.abs(sound).max()).astype(np.float32)


@pytest.mark.parametrize("spacing", [950.0, 1050.0, 1180.0])
def test_formant_spacing_of_a_tube(spacing: float) -> None:
    assert formant_spacing(vowel(110.0, spacing), RATE) == pytest.approx(spacing, rel=0.04)
    assert formant_spacing(vowel(110.0, spacing)[:300], RATE) is None
    assert formant_spacing(np.zeros(RATE, dtype=np.float32), RATE) is None


@pytest.mark.parametrize(
    ("hertz", "spacing", "gender"),
    [(105.0, 990.0, "male"), (225.0, 1200.0, "female"), (210.0, 950.0, "male")],
)
def test_hints_follow_the_vocal_tract(hertz: float, spacing: float, gender: str) -> None:
    samples = np.concatenate([vowel(hertz, spacing), vowel(90.0, 1400.0)])
    hints = speaker_hints(Waveform(samples, RATE), [Span.of(0, 1)])

    assert hints.pitch_hz == pytest.approx(hertz, rel=0.02)
    assert hints.gender == gender
    assert 0.3 < hints.confidence <= 1.0


def test_hints_in_between_are_unsure_and_without_voice_absent() -> None:
    between = speaker_hints(Waveform(vowel(165.0, 1100.0), RATE), [Span.of(0, 1)])
    assert between.confidence < 0.35
    nothing = speaker_hints(AUDIO, [Span.of(0, 1)])
    assert (nothing.pitch_hz, nothing.gender, nothing.confidence) == (None, None, 0.0)
    assert speaker_hints(AUDIO, []).pitch_hz is None
