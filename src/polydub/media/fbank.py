"""Log-mel filterbank features as Kaldi computes them, in NumPy: the front end of CAM++."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from polydub.model import Samples

RATE = 16000
FRAME = 400  # 25 ms
STEP = 160  # 10 ms
N_FFT = 512
N_MELS = 80
LOWEST_HZ = 20.0
HIGHEST_HZ = 8000.0
PRE_EMPHASIS = 0.97
FLOOR = 1.1920929e-07  # float32 epsilon: what Kaldi keeps the logarithm finite with
FRAMES_AT_ONCE = 2000  # bounds the spectrogram in memory to about 8 MB


def _mel(hertz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(1127.0 * np.log1p(hertz / 700.0))


def _mel_bank() -> npt.NDArray[np.float64]:
    """Triangles that are straight on the mel scale, ``[N_FFT / 2, N_MELS]``."""
    lowest, highest = _mel(np.array([LOWEST_HZ, HIGHEST_HZ])).tolist()
    edges = np.linspace(lowest, highest, N_MELS + 2)
    bins = _mel(np.arange(N_FFT // 2) * (RATE / N_FFT))[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)))


def _povey_window() -> npt.NDArray[np.float64]:
    return np.asarray(np.hanning(FRAME) ** 0.85)


_BANK = _mel_bank()
_WINDOW = _povey_window()


def shapes() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The window ``[FRAME]`` and the mel triangles ``[N_FFT / 2, N_MELS]``."""
    return _WINDOW, _BANK


def n_frames(n_samples: int) -> int:
    """How many feature frames ``n_samples`` give: whole frames only."""
    return 0 if n_samples < FRAME else 1 + (n_samples - FRAME) // STEP


def _block(frames: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    shaped = (frames - PRE_EMPHASIS * before) * _WINDOW
    power = np.abs(np.fft.rfft(shaped, N_FFT)[:, : N_FFT // 2]) ** 2
    return np.asarray(np.log(np.maximum(power @ _BANK, FLOOR)), dtype=np.float32)


def log_mel(samples: Samples) -> npt.NDArray[np.float32]:
    """Features ``[frames, 80]`` of mono 16 kHz ``samples`` ``[n]``, before mean normalisation.

    25 ms frames every 10 ms, mean removed per frame, pre-emphasis 0.97, Povey window, 512-point
    power spectrum, 80 triangles between 20 Hz and 8 kHz, natural logarithm. Samples in [-1, 1]:
    a gain only shifts the logarithm and falls to :func:`fbank`'s normalisation.
    """
    count = n_frames(len(samples))
    if count == 0:
        return np.zeros((0, N_MELS), dtype=np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::STEP]
    blocks = range(math.ceil(count / FRAMES_AT_ONCE))
    parts = (frames[i * FRAMES_AT_ONCE : (i + 1) * FRAMES_AT_ONCE] for i in blocks)
    return np.concatenate([_block(part.astype(np.float64)) for part in parts])


def fbank(samples: Samples) -> npt.NDArray[np.float32]:
    """:func:`log_mel` with the mean of every band over time removed, ``[frames, 80]``."""
    features = log_mel(samples)
    if len(features) == 0:
        return features
    return np.asarray(features - features.mean(axis=0, keepdims=True))
