"""The background of a dub against the one that is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from polydub.media.audio import write_waveform
from polydub.model import Transcript, Waveform
from polydub.pipeline.analysis import Sound
from polydub.pipeline.evaluating_sound import Track, true_background

RATE = 16_000


def track(folder: Path, background: np.ndarray) -> Track:
    path = folder / "found.wav"
    write_waveform(path, Waveform(background.astype(np.float32), RATE))
    sound = Sound(path, path, path, path, path, clean=False)
    return Track(sound, (), Transcript("en", 1.0, ()), "k")


def test_a_known_error_has_its_known_ratio(tmp_path: Path) -> None:
    """An error with a hundredth of the power, at right angles to the music: 20 dB at any gain."""
    times = np.arange(RATE) / RATE
    music, error = np.sin(2 * np.pi * 200 * times), 0.1 * np.sin(2 * np.pi * 300 * times)
    write_waveform(tmp_path / "known.wav", Waveform((0.2 * music).astype(np.float32), RATE))
    found = true_background(tmp_path / "known.wav", track(tmp_path, 0.3 * (music + error)))
    assert found["bed_true_sdr"] == pytest.approx(20, abs=0.01)
    lost = true_background(tmp_path / "known.wav", track(tmp_path, np.zeros(RATE)))
    assert lost["bed_true_sdr"] == -60


@pytest.mark.parametrize("level", [0.0, 1e-4])
def test_what_nobody_hears_has_no_ratio(tmp_path: Path, level: float) -> None:
    noise = level * np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    write_waveform(tmp_path / "known.wav", Waveform(noise, RATE))
    assert true_background(tmp_path / "known.wav", track(tmp_path, np.ones(RATE))) == {}
