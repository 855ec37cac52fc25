"""Spectrograms that the lip networks hear: Wav2Lip's and Whisper's. NumPy only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from polydub.engines.lips.neural.network import RATE
from polydub.media.mel import mel_bank

BANDS = 80
WAV2LIP_HOP = 200
"""Samples: 80 frames a second."""

WHISPER_HOP = 160
"""Samples: 100 frames a second."""

_PRE_EMPHASIS = 0.97
_DB_RANGE, _REFERENCE_DB, _HEIGHT = 100.0, 20.0, 4.0  # Wav2Lip: -100..0 dB becomes -4..4
_WHISPER_DEPTH = 8.0  # powers of ten below the loudest that Whisper still hears

Spectrum = npt.NDArray[np.float32]
"""``[BANDS, frames]``."""

Samples64 = npt.NDArray[np.float64]


def wav2lip_mel(samples: npt.NDArray[np.float32]) -> Spectrum:
    """Mel spectrum in dB, squeezed into -4..4: the front end that Wav2Lip was trained with.

    Windows of 800 samples every 200, 55 to 7600 Hz, pre-emphasis 0.97.
    """
    filled = np.pad(samples.astype(np.float64), (0, max(0, 800 - len(samples))))
    emphasised = lfilter([1.0, -_PRE_EMPHASIS], [1.0], filled)
    magnitude = np.sqrt(_power(np.asarray(emphasised), 800, WAV2LIP_HOP))
    bank = mel_bank(rate=RATE, n_fft=800, bands=BANDS, lowest=55.0, highest=7600.0)
    floor = 10.0 ** (-_DB_RANGE / 20)
    level = 20 * np.log10(np.maximum(bank @ magnitude, floor)) - _REFERENCE_DB
    height = 2 * _HEIGHT * (level + _DB_RANGE) / _DB_RANGE - _HEIGHT
    return np.asarray(np.clip(height, -_HEIGHT, _HEIGHT), np.float32)


def whisper_mel(samples: npt.NDArray[np.float32], seconds: int = 30) -> Spectrum:
    """Whisper's log-mel spectrum of ``samples``, which are filled up with silence to ``seconds``.

    Radford et al. 2022: windows of 25 ms every 10 ms, 80 bands, base 10, 8 below the loudest.
    """
    filled = np.zeros(seconds * RATE, np.float64)
    filled[: len(samples)] = samples[: len(filled)]
    power = _power(filled, 400, WHISPER_HOP)[:, :-1]  # the last window starts at the end
    level = np.log10(np.maximum(mel_bank(rate=RATE, n_fft=400, bands=BANDS) @ power, 1e-10))
    level = np.maximum(level, level.max() - _WHISPER_DEPTH)
    return np.asarray((level + 4.0) / 4.0, np.float32)


def _power(samples: Samples64, window: int, hop: int) -> Samples64:
    """Power ``[window / 2 + 1, 1 + n // hop]`` of centred Hann windows, mirrored at the ends."""
    edge = window // 2
    padded = np.pad(samples, edge, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    shape = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    return np.asarray(np.abs(np.fft.rfft(frames * shape, axis=1)).T ** 2, np.float64)
