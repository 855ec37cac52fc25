"""The model's mel spectrogram: of training, prompts and tests; dubbing itself needs none."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from polydub.engines.dubbing.funcineforge.config import MelConfig

FLOOR = 1e-5
"""Least magnitude before the logarithm."""
_LINEAR_STEP = 200.0 / 3  # Hz of one mel below 1 kHz (Slaney)
_LOG_FROM_HZ, _LOG_FROM_MEL = 1000.0, 15.0
_LOG_STEP = np.log(6.4) / 27.0  # above: 27 mels from 1 to 6.4 kHz


def log_mel(audio: Tensor, config: MelConfig | None = None) -> Tensor:
    """Log-mel ``[bands, frames]`` of mono ``audio`` ``[n]`` at ``config.rate``, 50 frames a second.

    Frames are not centred: the ends are mirrored by (window - hop) / 2, so ``n`` samples give
    ``n // hop`` frames. Natural logarithm (``power_log``) or base 10 (``mag_log10``).
    """
    config = config or MelConfig()
    edge = (config.n_fft - config.hop) // 2
    padded = torch.nn.functional.pad(audio[None, None], (edge, edge), mode="reflect")[0, 0]
    window = torch.hann_window(config.n_fft, device=audio.device)
    spectrum = torch.stft(
        padded,
        config.n_fft,
        hop_length=config.hop,
        window=window,
        center=False,
        return_complex=True,
    )
    bank = torch.from_numpy(mel_bank(config)).to(audio.device)
    power = spectrum.real**2 + spectrum.imag**2
    if config.kind == "power_log":
        return (bank @ (power + 1e-9).sqrt()).clamp(min=FLOOR).log()
    return (bank @ power.sqrt()).clamp(min=FLOOR).log10()


@lru_cache(maxsize=4)
def mel_bank(config: MelConfig) -> npt.NDArray[np.float32]:
    """Triangles of equal area ``[bands, n_fft / 2 + 1]`` on Slaney's mel scale."""
    highest = config.highest or config.rate / 2
    edges = _hertz(
        np.linspace(_mel(np.array(config.lowest)), _mel(np.array(highest)), config.bands + 2)
    )
    bins = np.linspace(0, config.rate / 2, config.n_fft // 2 + 1)
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
