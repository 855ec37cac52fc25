"""Loudness against the standard's own numbers and pyloudnorm."""

from __future__ import annotations

import math

import numpy as np
import pyloudnorm
import pytest

from polydub.media.loudness import (
    gain_to,
    integrated_loudness,
    loudness_of_blocks,
    true_peak_db,
)
from polydub.model import Waveform


def noise(seconds: float, rate: int, channels: int) -> np.ndarray:
    random = np.random.default_rng(5)
    n = round(seconds * rate)
    level = np.repeat(random.uniform(0.001, 0.3, math.ceil(seconds)), rate)[:n]
    samples = (random.standard_normal((n, channels)) * level[:, None]).astype(np.float32)
    return samples[:, 0] if channels == 1 else samples


def test_full_scale_sine_of_bs1770() -> None:
    """A 997 Hz sine of 0 dBFS in one channel reads -3.01 LKFS."""
    t = np.arange(5 * 48000) / 48000
    sine = Waveform(np.sin(2 * np.pi * 997 * t).astype(np.float32), 48000)
    assert integrated_loudness(sine) == pytest.approx(-3.01, abs=0.05)


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_agrees_with_pyloudnorm(rate: int, channels: int) -> None:
    samples = noise(6.32, rate, channels)  # pyloudnorm rounds a last part of a block up
    expected = pyloudnorm.Meter(rate).integrated_loudness(samples.astype(np.float64))
    assert integrated_loudness(Waveform(samples, rate)) == pytest.approx(expected, abs=1e-6)


def test_blocks_of_any_size_give_the_same() -> None:
    samples = noise(3, 16000, 2)
    whole = integrated_loudness(Waveform(samples, 16000))
    pieces = (samples[at : at + 777] for at in range(0, len(samples), 777))
    assert loudness_of_blocks(pieces, 16000) == pytest.approx(whole, abs=1e-9)


def test_lfe_does_not_count() -> None:
    six = np.zeros((48000, 6), np.float32)
    six[:, 3] = noise(1, 48000, 1)
    assert integrated_loudness(Waveform(six, 48000)) is None


def test_silence_and_short_sounds() -> None:
    assert integrated_loudness(Waveform(np.zeros(48000, np.float32), 48000)) is None
    assert integrated_loudness(Waveform(np.zeros(0, np.float32), 48000)) is None
    short = noise(0.15, 48000, 1)
    padded = np.pad(short, (0, 19200 - len(short)))
    assert integrated_loudness(Waveform(short, 48000)) == pytest.approx(
        integrated_loudness(Waveform(padded, 48000)), abs=0.1
    )


def test_true_peak_lies_between_samples() -> None:
    """A sine at a quarter of the rate, sampled 45 degrees off its peaks, hides 3 dB."""
    n = np.arange(48000)
    fade = np.hanning(48000)
    sine = (fade * np.sin(np.pi / 2 * n + np.pi / 4)).astype(np.float32)
    assert 20 * math.log10(np.abs(sine).max()) == pytest.approx(-3.01, abs=0.01)
    assert true_peak_db(Waveform(sine, 48000)) == pytest.approx(0.0, abs=0.05)
    assert true_peak_db(Waveform(np.zeros(100, np.float32), 48000)) == -math.inf


def test_gain_reaches_the_target() -> None:
    waveform = Waveform(noise(2, 48000, 2), 48000)
    gain = gain_to(waveform, -23.0)
    louder = Waveform((waveform.samples * gain).astype(np.float32), 48000)
    assert integrated_loudness(louder) == pytest.approx(-23.0, abs=0.01)
    assert gain_to(Waveform(np.zeros(48000, np.float32), 48000), -23.0) == 1.0
