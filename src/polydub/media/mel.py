"""Mel filters as librosa makes them by default, which many networks were trained on."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

_LINEAR_STEP = 200.0 / 3  # Hz of one mel below 1 kHz (Slaney's Auditory Toolbox)
_LOG_FROM_HZ, _LOG_FROM_MEL = 1000.0, 15.0
_LOG_STEP = np.log(6.4) / 27.0  # above: 27 mels from 1 to 6.4 kHz


@lru_cache(maxsize=8)
def mel_bank(
    *, rate: int, n_fft: int, bands: int, lowest: float = 0.0, highest: float | None = None
) -> npt.NDArray[np.float32]:
    """Triangles of equal area ``[bands, n_fft / 2 + 1]`` from ``lowest`` to ``highest`` Hz.

    Slaney's mel scale and normalisation; ``None`` is half the rate.
    """
    top = highest or rate / 2
    edges = _hertz(np.linspace(_mel(np.array(lowest)), _mel(np.array(top)), bands + 2))
    bins = np.linspace(0, rate / 2, n_fft // 2 + 1)
    widths = np.diff(edges)
    slopes = edges[:, None] - bins
    rising = -slopes[:-2] / widths[:-1, None]
    falling = slopes[2:] / widths[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)
    areas = (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return np.asarray(triangles * areas, np.float32)


def _mel(hertz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    above = np.log(np.maximum(hertz, 1e-9) / _LOG_FROM_HZ) / _LOG_STEP
    return np.where(hertz >= _LOG_FROM_HZ, _LOG_FROM_MEL + above, hertz / _LINEAR_STEP)


def _hertz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    above = _LOG_FROM_HZ * np.exp(_LOG_STEP * (mel - _LOG_FROM_MEL))
    return np.where(mel >= _LOG_FROM_MEL, above, mel * _LINEAR_STEP)
