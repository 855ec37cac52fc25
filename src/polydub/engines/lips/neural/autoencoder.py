"""The picture autoencoder of Stable Diffusion 1 (``sd-vae-ft-mse``): 8 x 8 pixels to 4 numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from polydub.engines.lips.neural.checkpoint import width
from polydub.engines.lips.neural.unet_layers import GROUPS, Attention, Residual, Resize

SCALE = 0.18215
"""Latents times this have about unit variance: what the U-Nets were trained on."""

CHANNELS = 4
_EPSILON = 1e-6
_OLD_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Attention's tensors in files older than diffusers 0.14, the published one among them."""


class _Attention(Attention):
    """One head over all places, after a normalisation; the input stays."""

    def __init__(self, size: int) -> None:
        super().__init__(size, heads=1, bias=True)
        self.group_norm = nn.GroupNorm(GROUPS, size, eps=_EPSILON)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """``x`` ``[n, c, h, w]`` changed; ``context`` is not used."""
        height, across = x.shape[2:]
        tokens = super().forward(self.group_norm(x).flatten(2).transpose(1, 2))
        return x + tokens.transpose(1, 2).unflatten(2, (height, across))


class _Middle(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.resnets = nn.ModuleList([Residual(size, size, epsilon=_EPSILON) for _ in range(2)])
        self.attentions = nn.ModuleList([_Attention(size)])

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.resnets[1](self.attentions[0](self.resnets[0](x)))
        return out


class _Stage(nn.Module):
    def __init__(self, inside: int, outside: int, layers: int) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            [
                Residual(inside if number == 0 else outside, outside, epsilon=_EPSILON)
                for number in range(layers)
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        """``x`` ``[n, inside, h, w]`` with ``outside`` channels; resized where levels change."""
        for layer in self.resnets:
            x = layer(x)
        for name in ("downsamplers", "upsamplers"):
            if hasattr(self, name):
                x = getattr(self, name)[0](x)
        return x


class _Encoder(nn.Module):
    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(3, widths[0], 3, padding=1)
        self.down_blocks = nn.ModuleList()
        for level, size in enumerate(widths):
            stage = _Stage(widths[max(0, level - 1)], size, 2)
            if level < len(widths) - 1:
                stage.downsamplers = nn.ModuleList([Resize(size, grow=False, lopsided=True)])
            self.down_blocks.append(stage)
        self.mid_block = _Middle(widths[-1])
        self.conv_norm_out = nn.GroupNorm(GROUPS, widths[-1], eps=_EPSILON)
        self.conv_out = nn.Conv2d(widths[-1], 2 * CHANNELS, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Means, then log variances ``[n, 8, h / 8, w / 8]`` of pictures ``[n, 3, h, w]``."""
        x = self.conv_in(x)
        for stage in self.down_blocks:
            x = stage(x)
        out: Tensor = self.conv_out(functional.silu(self.conv_norm_out(self.mid_block(x))))
        return out


class _Decoder(nn.Module):
    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(CHANNELS, widths[-1], 3, padding=1)
        self.mid_block = _Middle(widths[-1])
        self.up_blocks = nn.ModuleList()
        before = widths[-1]
        for level, size in reversed(list(enumerate(widths))):
            stage = _Stage(before, size, 3)
            if level > 0:
                stage.upsamplers = nn.ModuleList([Resize(size, grow=True)])
            self.up_blocks.append(stage)
            before = size
        self.conv_norm_out = nn.GroupNorm(GROUPS, widths[0], eps=_EPSILON)
        self.conv_out = nn.Conv2d(widths[0], 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures ``[n, 3, 8 h, 8 w]`` of latents ``[n, 4, h, w]``."""
        x = self.mid_block(self.conv_in(x))
        for stage in self.up_blocks:
            x = stage(x)
        out: Tensor = self.conv_out(functional.silu(self.conv_norm_out(x)))
        return out


class Autoencoder(nn.Module):
    """``widths`` per level: (128, 256, 512, 512) as published."""

    def __init__(self, widths: tuple[int, ...] = (128, 256, 512, 512)) -> None:
        super().__init__()
        self.encoder, self.decoder = _Encoder(widths), _Decoder(widths)
        self.quant_conv = nn.Conv2d(2 * CHANNELS, 2 * CHANNELS, 1)
        self.post_quant_conv = nn.Conv2d(CHANNELS, CHANNELS, 1)

    def encode(self, pictures: Tensor) -> Tensor:
        """Scaled latents ``[n, 4, h / 8, w / 8]`` of pictures ``[n, 3, h, w]`` in -1..1.

        The middle of what the encoder thinks possible, not a sample of it: the same picture always
        gives the same latents.
        """
        middle: Tensor = self.quant_conv(self.encoder(pictures))[:, :CHANNELS]
        return middle * SCALE

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures ``[n, 3, h, w]`` in about -1..1 of scaled ``latents``."""
        pictures: Tensor = self.decoder(self.post_quant_conv(latents / SCALE))
        return pictures


def widths_of(state: Mapping[str, Any], path: Path) -> tuple[int, ...]:
    """Widths of a checkpoint's levels. Raises ``EngineError`` DUB-E205 without them."""
    names = [f"encoder.down_blocks.{level}.resnets.0.conv1.weight" for level in range(4)]
    return tuple(width(state, name, path) for name in names)


def renamed(state: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """``state`` with attention's tensors under today's names and as matrices."""
    found = {}
    for name, value in state.items():
        head, _, kind = name.rpartition(".")
        before, _, part = head.rpartition(".")
        if ".attentions." in name and part in _OLD_NAMES:
            name = f"{before}.{_OLD_NAMES[part]}.{kind}"
        if ".attentions." in name and kind == "weight" and value.ndim == 4:
            value = value[:, :, 0, 0]
        found[name] = value
    return found
