"""The vocoder's excitation: a pitch from the mel, nine harmonics of it, and noise.

Parameter names are those of the public checkpoint.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from polydub.engines.dubbing.funcineforge.config import RATE, SAMPLES_PER_TOKEN, VocoderConfig
from polydub.engines.dubbing.funcineforge.sampling import generator_of

HOP = SAMPLES_PER_TOKEN // 2
"""Samples of a mel frame."""
LOOKAHEAD = 3
"""Mel frames ahead that the pitch of a frame depends on."""


class F0Predictor(nn.Module):
    """Pitch of every frame. Causal but for the first layer, which sees three frames ahead."""

    def __init__(self, mel: int, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv1d(mel, channels, LOOKAHEAD + 1), nn.ELU()]
        for _ in range(4):
            layers += [nn.Conv1d(channels, channels, 3), nn.ELU()]
        self.condnet = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, 1)

    def forward(self, mel: Tensor, *, final: bool = True) -> Tensor:
        """F0 in Hz ``[batch, frames]`` of ``mel`` ``[batch, 80, frames]``.

        Without ``final`` the last three frames are context only.
        """
        x = functional.pad(mel, (0, LOOKAHEAD)) if final else mel
        for place, layer in enumerate(self.condnet):
            if place and isinstance(layer, nn.Conv1d):
                x = functional.pad(x, (2, 0))
            x = layer(x)
        return self.classifier(x.transpose(1, 2))[..., 0].abs()


class HarmonicSource(nn.Module):
    """Sines at the pitch and its multiples, joined by a trained layer."""

    def __init__(self, config: VocoderConfig) -> None:
        super().__init__()
        self.config = config
        self.l_linear = nn.Linear(config.harmonics + 1, 1)

    def forward(self, f0: Tensor, noise: Tensor) -> Tensor:
        """Source ``[batch, samples]`` of ``f0`` ``[batch, frames]``; ``noise`` ``[samples, 9]``."""
        waves = self.waves(f0, noise.to(f0))
        return torch.tanh(self.l_linear(waves.to(self.l_linear.weight.dtype)))[..., 0]

    def waves(self, f0: Tensor, noise: Tensor) -> Tensor:
        """``[batch, samples, 9]``: sines where voiced, noise everywhere, more of it elsewhere.

        The phase is held within a frame and summed in single precision in this order, as the
        released program does: after 30 s at 220 Hz the ninth sine is off by up to 0.04.
        """
        config = self.config
        multiples = torch.arange(1, config.harmonics + 2, device=f0.device)
        turns = (f0[..., None] * multiples / RATE) % 1
        phase = turns.cumsum(1) * 2 * math.pi * HOP
        voiced = (f0 > config.voiced_hz).to(f0)[..., None]
        sines = config.sine_gain * phase.sin() * voiced
        loud = voiced * config.noise_gain + (1 - voiced) * config.sine_gain / 3
        held = [part.repeat_interleave(HOP, dim=1) for part in (sines, loud)]
        return held[0] + held[1] * noise


def source_noise(samples: int, width: int, seed: int) -> Tensor:
    """The noise ``[samples, width]`` between 0 and 1 (one-sided indeed) that every clip shares.

    The released program draws a row of phases, which has no effect, then 300 s of noise; fewer
    samples with the same seed are the same numbers.
    """
    generator = generator_of(seed)
    torch.rand((1, width), generator=generator)
    return torch.rand((samples, width), generator=generator)
