import numpy as np
import pytest

from polydub.media import fbank as front
from polydub.media.fbank import N_MELS, RATE, fbank, log_mel, n_frames


def tone(hertz: float, seconds: float = 0.5) -> np.ndarray:
    return (0.1 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(
        np.float32
    )


def mel(hertz: float) -> float:
    return 1127.0 * np.log(1.0 + hertz / 700.0)


@pytest.mark.parametrize(
    ("samples", "frames"), [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (16000, 98)]
)
def test_only_whole_frames_count(samples: int, frames: int) -> None:
    assert n_frames(samples) == frames
    assert log_mel(np.zeros(samples, dtype=np.float32)).shape == (frames, N_MELS)


@pytest.mark.parametrize("hertz", [150.0, 440.0, 1000.0, 3500.0, 7000.0])
def test_a_tone_peaks_in_the_band_around_its_pitch(hertz: float) -> None:
    centres = np.linspace(mel(20.0), mel(8000.0), N_MELS + 2)[1:-1]
    nearest = int(np.argmin(np.abs(centres - mel(hertz))))

    peak = int(np.argmax(log_mel(tone(hertz)).mean(axis=0)))

    assert abs(peak - nearest) <= 1


def test_one_frame_agrees_with_the_definition_written_out() -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, 400).astype(np.float32)
    frame = samples.astype(np.float64) - samples.mean(dtype=np.float64)
    shaped = np.array([frame[i] - 0.97 * frame[max(0, i - 1)] for i in range(400)])
    shaped *= (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)) ** 0.85
    power = np.abs(np.fft.fft(shaped, 512)) ** 2
    low, centre, high = np.linspace(mel(20.0), mel(8000.0), N_MELS + 2)[30:33]
    energy = 0.0
    for index in range(256):
        at = mel(index * RATE / 512)
        weight = min((at - low) / (centre - low), (high - at) / (high - centre))
        energy += power[index] * max(0.0, weight)

    assert log_mel(samples)[0, 30] == pytest.approx(np.log(energy), abs=1e-5)


def test_gain_and_offset_fall_to_the_normalisation() -> None:
    samples = tone(300.0) + np.random.default_rng(0).normal(0, 0.02, 8000).astype(np.float32)

    assert np.median(np.abs(fbank(samples) - fbank(0.25 * samples))) < 1e-5
    assert np.median(np.abs(fbank(samples) - fbank(samples + 0.1))) < 1e-4
    assert np.abs(fbank(samples).mean(axis=0)).max() < 1e-4


def test_silence_stays_finite() -> None:
    assert np.isfinite(fbank(np.zeros(4000, dtype=np.float32))).all()


def test_long_audio_gives_the_same_as_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.random.default_rng(2).normal(0, 0.1, 16000).astype(np.float32)
    whole = log_mel(samples)
    monkeypatch.setattr(front, "FRAMES_AT_ONCE", 7)

    assert np.array_equal(log_mel(samples), whole)
