"""The model's mel spectrogram: of training, prompts and tests; dubbing itself needs none."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from polydub.engines.dubbing.funcineforge.config import MelConfig
from polydub.media import mel

FLOOR = 1e-5
"""Least magnitude before the logarithm."""


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


def mel_bank(config: MelConfig) -> npt.NDArray[np.float32]:
    """Triangles of equal area ``[bands, n_fft / 2 + 1]`` on Slaney's mel scale."""
    return mel.mel_bank(
        rate=config.rate,
        n_fft=config.n_fft,
        bands=config.bands,
        lowest=config.lowest,
        highest=config.highest,
    )
