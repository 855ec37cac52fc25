"""Mel to sound: a causal HiFi-GAN with a harmonic source and an inverse STFT at its end (HiFT).

Parameter names are those of the public checkpoint.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from polydub.engines.dubbing.funcineforge.config import VocoderConfig
from polydub.engines.dubbing.funcineforge.source import (
    HOP,
    F0Predictor,
    HarmonicSource,
    source_noise,
)
from polydub.engines.dubbing.funcineforge.source import LOOKAHEAD as F0_LOOKAHEAD

LOOKAHEAD = 4
"""Mel frames ahead that the first layer sees, behind those that the pitch sees."""
LOUDEST = 100.0
"""Greatest magnitude of a spectral bin (code)."""
LAST_SLOPE = 0.01
ALPHA_FLOOR = 1e-9


class Vocoder(nn.Module):
    """Sound of a log-mel."""

    def __init__(self, config: VocoderConfig) -> None:
        super().__init__()
        self.config = config
        self.generator = _Generator(config)

    def keep_phase_on_cpu(self) -> None:
        """Pitch and source are computed on the CPU from now on, wherever the rest is.

        The released program does so with the pitch. Phase adds up over the whole clip, and a GPU
        multiplies convolutions with 10 bits (TF32) and sums in another order; it is 2 % of the
        work, and the noise table need not be carried over.
        """
        self.generator.f0_predictor.cpu()
        self.generator.m_source.cpu()

    @torch.no_grad()
    def sound(self, mel: Tensor, *, noise: Tensor | None = None, final: bool = True) -> Tensor:
        """Samples ``[480 * frames]`` of a log-mel ``[frames, 80]``.

        ``noise`` ``[samples, 9]`` replaces the table of ``config.noise_seed``. Without ``final``
        the last seven mel frames are context only, and the last frame's sound is left out.
        """
        x = mel.T[None].to(self.generator.conv_pre.weight)
        f0 = self.pitch(x, final=final)
        if noise is None:
            width = self.config.harmonics + 1
            noise = source_noise(f0.shape[1] * HOP, width, self.config.noise_seed)
        source = self.generator.m_source(f0, noise)
        if not final:
            x = x[:, :, :-F0_LOOKAHEAD]
        return self.generator(x, source.to(x.device), final=final)[0]

    @torch.no_grad()
    def pitch(self, mel: Tensor, *, final: bool = True) -> Tensor:
        """F0 in Hz ``[batch, frames]`` of ``mel`` ``[batch, 80, frames]``, in single precision."""
        predictor = self.generator.f0_predictor
        return predictor(mel.to(predictor.classifier.weight), final=final).float()


class _Generator(nn.Module):
    def __init__(self, config: VocoderConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.channels >> level for level in range(len(config.upsample_rates) + 1)]
        spectrum = config.n_fft + 2
        self.f0_predictor = F0Predictor(config.mel, config.f0_channels)
        self.m_source = HarmonicSource(config)
        self.conv_pre = nn.Conv1d(config.mel, config.channels, LOOKAHEAD + 1)
        self.ups = nn.ModuleList(
            nn.Conv1d(wide, narrow, kernel)
            for wide, narrow, kernel in zip(
                widths, widths[1:], config.upsample_kernels, strict=False
            )
        )
        self.source_downs, self.source_resblocks = nn.ModuleList(), nn.ModuleList()
        self.resblocks = nn.ModuleList()
        for width, stride, kernel in zip(
            widths[1:], self.source_strides(), config.source_kernels, strict=True
        ):
            size = 1 if stride == 1 else 2 * stride
            self.source_downs.append(nn.Conv1d(spectrum, width, size, stride=stride))
            self.source_resblocks.append(_ResBlock(width, kernel, config.dilations))
            for own in config.kernels:
                self.resblocks.append(_ResBlock(width, own, config.dilations))
        self.conv_post = nn.Conv1d(widths[-1], spectrum, 7)

    def source_strides(self) -> list[int]:
        """By which the source spectrum is thinned at each level: what is upsampled after it."""
        strides = [1]
        for rate in reversed(self.config.upsample_rates[1:]):
            strides.insert(0, strides[0] * rate)
        return strides

    def forward(self, mel: Tensor, source: Tensor, *, final: bool = True) -> Tensor:
        """Sound ``[batch, samples]`` of ``mel`` ``[batch, 80, frames]`` and its ``source``."""
        spectrum = self.spectrum(source)
        if final:
            mel = functional.pad(mel, (0, LOOKAHEAD))
        else:
            upsampled = HOP // self.config.hop
            spectrum = spectrum[..., : -LOOKAHEAD * upsampled]
        x = self.conv_pre(mel)
        for level in range(len(self.ups)):
            x = self._level(level, x, spectrum)
        x = functional.leaky_relu(x, LAST_SLOPE)
        sound = self._sound(self.conv_post(functional.pad(x, (6, 0))))
        return sound if final else sound[:, :-HOP]

    def spectrum(self, source: Tensor) -> Tensor:
        """Real and imaginary parts ``[batch, 18, n]`` of the source, a column every 4 samples."""
        columns = torch.stft(
            source.float(),
            self.config.n_fft,
            hop_length=self.config.hop,
            window=self._window(source.device),
            return_complex=True,
        )
        return torch.cat([columns.real, columns.imag], dim=1).to(self.conv_pre.weight.dtype)

    def _level(self, level: int, x: Tensor, spectrum: Tensor) -> Tensor:
        """Upsample, add the source, average the residual blocks of all kernels."""
        config = self.config
        rate, kernel = config.upsample_rates[level], config.upsample_kernels[level]
        x = functional.leaky_relu(x, config.slope).repeat_interleave(rate, dim=2)
        x = self.ups[level](functional.pad(x, (kernel - 1, 0)))
        if level == len(self.ups) - 1:
            x = functional.pad(x, (1, 0), mode="reflect")
        down = self.source_downs[level]
        thinned = down(functional.pad(spectrum, (down.stride[0] - 1, 0)))
        x = x + self.source_resblocks[level](thinned)
        count = len(config.kernels)
        blocks = self.resblocks[level * count : (level + 1) * count]
        return sum(block(x) for block in blocks) / count

    def _sound(self, x: Tensor) -> Tensor:
        bins = self.config.n_fft // 2 + 1
        x = x.float()
        size = x[:, :bins].exp().clamp(max=LOUDEST)
        angle = x[:, bins:].sin()  # the sine of the output is the angle: so it was trained
        columns = torch.complex(size * angle.cos(), size * angle.sin())
        sound = torch.istft(
            columns,
            self.config.n_fft,
            hop_length=self.config.hop,
            window=self._window(x.device),
        )
        return sound.clamp(-self.config.limit, self.config.limit)

    def _window(self, device: torch.device) -> Tensor:
        return torch.hann_window(self.config.n_fft, device=device)


class _Snake(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        alpha = self.alpha[:, None]
        return x + (alpha * x).sin() ** 2 / (alpha + ALPHA_FLOOR)


class _ResBlock(nn.Module):
    """Three rounds of two causal convolutions, the first of each dilated."""

    def __init__(self, width: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.reach = kernel - 1
        self.convs1 = nn.ModuleList(nn.Conv1d(width, width, kernel, dilation=d) for d in dilations)
        self.convs2 = nn.ModuleList(nn.Conv1d(width, width, kernel) for _ in dilations)
        self.activations1 = nn.ModuleList(_Snake(width) for _ in dilations)
        self.activations2 = nn.ModuleList(_Snake(width) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        """``x`` ``[batch, width, n]`` changed, as long as before; nothing later is looked at."""
        rounds = zip(self.activations1, self.convs1, self.activations2, self.convs2, strict=True)
        for first, dilated, second, plain in rounds:
            y = dilated(functional.pad(first(x), (self.reach * dilated.dilation[0], 0)))
            x = x + plain(functional.pad(second(y), (self.reach, 0)))
        return x
