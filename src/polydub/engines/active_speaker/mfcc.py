"""13 mel cepstra at 100 Hz as ``python_speech_features`` computes them with its default settings.

25 ms frames every 10 ms without a window function, pre-emphasis 0.97, 512-point power spectrum,
26 triangles from 0 to 8 kHz whose corners lie on whole bins, natural logarithm, orthonormal DCT-II,
lifter 22; the first coefficient is the log of the frame's energy. Samples count as 16-bit numbers.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.fft import dct

RATE = 16_000
FRAME = 400
STEP = 160
N_FFT = 512
N_FILTERS = 26
N_CEPSTRA = 13
LIFTER = 22
PRE_EMPHASIS = 0.97
FULL_SCALE = 32_768.0
EPSILON = float(np.finfo(np.float64).eps)


def mfcc(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Cepstra ``[frames, 13]`` of mono 16 kHz ``samples`` ``[n]`` in [-1, 1]; the end is padded."""
    signal = np.asarray(samples, np.float64) * FULL_SCALE
    if len(signal) == 0:
        return np.zeros((0, N_CEPSTRA), np.float32)
    signal = np.concatenate([signal[:1], signal[1:] - PRE_EMPHASIS * signal[:-1]])
    count = 1 + max(0, math.ceil((len(signal) - FRAME) / STEP))
    signal = np.pad(signal, (0, (count - 1) * STEP + FRAME - len(signal)))
    frames = np.lib.stride_tricks.sliding_window_view(signal, FRAME)[::STEP]
    power = np.abs(np.fft.rfft(frames, N_FFT)) ** 2 / N_FFT
    energy = power.sum(axis=1)
    bands = power @ _filters().T
    cepstra = dct(np.log(np.where(bands == 0, EPSILON, bands)), type=2, axis=1, norm="ortho")
    cepstra = cepstra[:, :N_CEPSTRA] * (
        1 + LIFTER / 2 * np.sin(np.pi * np.arange(N_CEPSTRA) / LIFTER)
    )
    cepstra[:, 0] = np.log(np.where(energy == 0, EPSILON, energy))
    return np.asarray(cepstra, np.float32)


def _filters() -> npt.NDArray[np.float64]:
    """Triangles ``[26, 257]``, evenly spaced in mel, with corners rounded down to whole bins."""
    top = 2595 * math.log10(1 + RATE / 2 / 700)
    hertz = 700 * (10 ** (np.linspace(0, top, N_FILTERS + 2) / 2595) - 1)
    corners = np.floor((N_FFT + 1) * hertz / RATE)
    low, middle, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    bins = np.arange(N_FFT // 2 + 1)[None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        rising = np.where((bins >= low) & (bins < middle), (bins - low) / (middle - low), 0.0)
        falling = np.where((bins >= middle) & (bins < high), (high - bins) / (high - middle), 0.0)
    return np.asarray(rising + falling)
