from __future__ import annotations

import numpy as np
import pytest

from polydub.engines.convert.world import (
    WorldConverter,
    envelope_gain,
    median_pitch,
    warped,
)
from polydub.model import VoiceChoice, Waveform

pytest.importorskip("pyworld")

RATE = 16_000


def vowel(
    f0: float, formants: tuple[float, ...] = (700, 1200, 2600), seconds: float = 0.8
) -> Waveform:
    """A pulse train through resonances: about an [a]."""
    n = int(seconds * RATE)
    phase = np.cumsum(np.full(n, f0 / RATE))
    pulses = np.diff(np.floor(phase), prepend=0.0)
    samples = pulses
    for formant in formants:
        radius = np.exp(-np.pi * 90 / RATE)
        a1, a2 = -2 * radius * np.cos(2 * np.pi * formant / RATE), radius**2
        out = np.zeros(n)
        for i in range(n):
            out[i] = samples[i] - a1 * out[i - 1] - a2 * out[i - 2]
        samples = out
    return Waveform((0.3 * samples / np.abs(samples).max()).astype(np.float32), RATE)


@pytest.fixture(scope="module")
def low() -> Waveform:
    return vowel(120.0)


@pytest.fixture(scope="module")
def converter() -> WorldConverter:
    return WorldConverter()


def choice(pitch: float = 1.0, warp: float = 1.0, envelope: float = 0.0) -> VoiceChoice:
    return VoiceChoice("kokoro", "af_heart", pitch=pitch, warp=warp, envelope=envelope)


def centroid(audio: Waveform) -> float:
    power = np.abs(np.fft.rfft(audio.samples.astype(np.float64))) ** 2
    hertz = np.fft.rfftfreq(len(audio.samples), 1 / audio.rate)
    return float((power * hertz).sum() / power.sum())


def rms(audio: Waveform) -> float:
    return float(np.sqrt(np.mean(audio.samples.astype(np.float64) ** 2)))


@pytest.mark.parametrize("f0", [90.0, 120.0, 210.0, 320.0])
def test_median_pitch_of_a_known_tone(f0: float) -> None:
    assert median_pitch(vowel(f0)) == pytest.approx(f0, rel=0.02)


def test_median_pitch_of_what_has_none() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, RATE).astype(np.float32)
    assert median_pitch(Waveform(np.zeros(RATE, np.float32), RATE)) is None
    assert median_pitch(Waveform(noise[:100], RATE)) is None
    assert median_pitch(Waveform(np.zeros(0, np.float32), RATE)) is None


def test_neutral_choice_returns_the_input(converter: WorldConverter, low: Waveform) -> None:
    assert converter.convert(low, vowel(200.0), choice()) is low


@pytest.mark.parametrize("ratio", [0.8, 1.25, 1.5])
def test_pitch_follows_the_ratio(converter: WorldConverter, low: Waveform, ratio: float) -> None:
    made = converter.convert(low, low, choice(pitch=ratio))
    assert median_pitch(made) == pytest.approx(120.0 * ratio, rel=0.03)


def test_length_rate_and_loudness_are_kept(converter: WorldConverter) -> None:
    audio = vowel(150.0, seconds=0.5003)
    made = converter.convert(audio, vowel(220.0), choice(1.2, 1.1, 0.5))
    assert (len(made.samples), made.rate) == (len(audio.samples), audio.rate)
    assert made.samples.dtype == np.float32
    assert rms(made) == pytest.approx(rms(audio), rel=0.02)
    assert np.abs(made.samples).max() <= 1.0


def test_warp_moves_the_formants(converter: WorldConverter, low: Waveform) -> None:
    shorter = centroid(converter.convert(low, low, choice(warp=1.15)))
    longer = centroid(converter.convert(low, low, choice(warp=0.87)))
    assert longer < centroid(low) < shorter


def test_envelope_moves_towards_the_reference(converter: WorldConverter, low: Waveform) -> None:
    bright = vowel(200.0, formants=(900, 2300, 3300))
    half = centroid(converter.convert(low, bright, choice(envelope=0.5)))
    full = centroid(converter.convert(low, bright, choice(envelope=1.0)))
    assert centroid(low) < half < full


def test_reference_may_be_silent_or_short(converter: WorldConverter, low: Waveform) -> None:
    for reference in (np.zeros(RATE, np.float32), np.zeros(10, np.float32)):
        made = converter.convert(low, Waveform(reference, RATE), choice(envelope=0.5))
        assert centroid(made) == pytest.approx(centroid(low), rel=0.1)


@pytest.mark.parametrize("n", [0, 40])
def test_next_to_nothing_passes_through(converter: WorldConverter, low: Waveform, n: int) -> None:
    audio = Waveform(np.zeros(n, np.float32), RATE)
    assert converter.convert(audio, low, choice(pitch=1.3)) is audio


def test_silence_stays_silent(converter: WorldConverter, low: Waveform) -> None:
    audio = Waveform(np.zeros(RATE, np.float32), RATE)
    assert not converter.convert(audio, low, choice(pitch=1.3)).samples.any()


def test_conversion_is_deterministic(converter: WorldConverter, low: Waveform) -> None:
    made = [converter.convert(low, low, choice(1.1, 1.05, 0.5)).samples for _ in range(2)]
    np.testing.assert_array_equal(made[0], made[1])


def test_warped_moves_a_peak() -> None:
    spectrum = np.zeros((1, 101))
    spectrum[0, 40] = 1.0
    assert int(warped(spectrum, 1.25).argmax()) == 50
    np.testing.assert_array_equal(warped(spectrum, 1.0), spectrum)


def test_envelope_gain_is_bounded_and_fades() -> None:
    hertz = np.linspace(0, 12_000, 513)
    own, wanted = np.zeros(513), np.where(hertz < 2000, 10.0, -10.0)
    gain = envelope_gain(own, wanted, hertz, 7500.0)
    bound = 12 * np.log(10) / 10
    assert gain[10] == pytest.approx(bound)
    assert gain[200] == pytest.approx(-bound)
    assert not gain[hertz >= 7500].any()
    assert not envelope_gain(own, own + 3.0, hertz, 7500.0).any()  # loudness is no colour
