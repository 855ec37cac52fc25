"""Mouths beside sounds by the fit that comes with polydub: made talkers whose truth is known."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from polydub.evaluate import mouths
from polydub.evaluate.mouth_sound import load_mouth_sound, mouth_lengths, sound_windows
from polydub.model import Waveform

TICKS = 120


def talk(seed: int, n: int = TICKS + 60) -> tuple[np.ndarray, Waveform]:
    """How far a mouth is open (25 Hz, ``n`` ticks), and noise that is as loud and as bright."""
    rng = np.random.default_rng(seed)
    curve = np.clip(gaussian_filter1d(rng.normal(size=n), 2.5) * 3, 0, None)
    fine = np.interp(np.arange(n * 640) / 640, np.arange(n), curve)
    hiss = rng.normal(size=len(fine))
    return curve, Waveform((0.05 * fine * hiss + 1e-4 * hiss).astype(np.float32), 16_000)


def mouth(seed: int, delay: int, *, voice: int | None = None, moves: float = 0.2) -> mouths.Mouth:
    """A mouth that opens with the sound of ``seed`` (or stands beside that of ``voice``)."""
    curve, own = talk(seed)
    sound = own if voice is None else talk(voice)[1]
    rng = np.random.default_rng(seed + 100)
    opening = moves * curve[30 + delay : 30 + delay + TICKS] + 1e-3 * rng.normal(size=TICKS)
    rest = np.array([0.02, 0.1, 0.25, 0.6, 0.5, 1.1, 0.1, 0.1, 0.7])
    gains = np.array([1, 1, 1, -0.2, -0.2, 0.5, 0, 0, 0.2])
    lengths = rest[:, None] + gains[:, None] * opening
    times = (30 + np.arange(-mouths.REACH, TICKS + mouths.REACH)) / mouths.CLOCK
    return mouths.line_mouth(f"L{seed}", lengths, np.ones(TICKS, bool), sound_windows(sound, times))


@pytest.mark.parametrize("delay", [-5, 0, 8])
def test_the_delay_of_the_sound_is_found_and_does_not_count(delay: int) -> None:
    fit = mouths.fit_mouths([mouth(seed, delay) for seed in range(3)])
    assert fit.delay_ms == pytest.approx(40 * delay, abs=25)
    assert min(fit.of_line.values()) > 0.5


def test_another_sound_fits_worse() -> None:
    own = mouths.fit_in_place([mouth(seed, 0) for seed in range(6)])
    other = mouths.fit_in_place([mouth(seed, 0, voice=seed + 20) for seed in range(6)])
    assert min(own.values()) > max(other.values())
    assert abs(np.mean(list(other.values()))) < 0.15


def test_a_gain_of_the_sound_changes_nothing() -> None:
    sound = talk(1)[1]
    times = np.arange(20, 60) / mouths.CLOCK
    louder = Waveform(8 * sound.samples, sound.rate)
    np.testing.assert_allclose(sound_windows(louder, times), sound_windows(sound, times), atol=2e-2)
    beyond = sound_windows(sound, times + 1000)
    assert beyond.shape == (40, 120) and np.ptp(beyond) == 0


def test_a_delay_beyond_reach_is_not_told() -> None:
    fit = mouths.fit_mouths([mouth(seed, mouths.REACH + 4) for seed in range(3)])
    assert fit.delay_ms is None


def test_a_still_mouth_follows_nothing() -> None:
    fit = mouths.fit_mouths([mouth(seed, 0, moves=0.0) for seed in range(3)])
    assert fit.delay_ms is None and max(fit.of_line.values()) == 0


def test_turning_the_head_changes_no_length() -> None:
    points = np.random.default_rng(2).normal(size=(3, 478, 3))
    angle = 0.6
    turn = np.array(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    )
    np.testing.assert_allclose(
        mouth_lengths(7 * points @ turn.T, np.full(3, 7.0)), mouth_lengths(points, np.ones(3))
    )


def test_the_shipped_fit_says_where_it_comes_from() -> None:
    text = (files("polydub.evaluate") / "mouth_sound.json").read_text()
    data = json.loads(text)
    assert "CC BY 4.0" in data["derived_from"] and len(data["sentences"]) == 11
    fitted = load_mouth_sound()
    assert fitted.mouth.shape == (45, 2) and fitted.sound.shape == (120, 2)
    assert all(0 < value < 1 for value in fitted.strength)
