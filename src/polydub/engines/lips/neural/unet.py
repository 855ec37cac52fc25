"""The U-Net of Stable Diffusion 1, conditioned on sound, with or without attention over time.

MuseTalk draws with it in one step (8 channels in); LatentSync (Li et al. 2024) with attention over
time in every block but the middle (13 in). Tensors are named as in their checkpoints.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from polydub.engines.lips.neural.checkpoint import width
from polydub.engines.lips.neural.unet_layers import (
    GROUPS,
    MotionModule,
    Residual,
    Resize,
    SpatialTransformer,
    normalised,
)

LEVELS = 4
LAYERS = 2


@dataclass(frozen=True, slots=True)
class UNetSizes:
    """Width per level, channels in and out, width of what is heard, and whether it knows time."""

    widths: tuple[int, ...] = (320, 640, 1280, 1280)
    inside: int = 8
    outside: int = 4
    context: int = 384
    motion: bool = False

    @staticmethod
    def of(state: Mapping[str, Any], path: Path, *, inside: int, motion: bool) -> UNetSizes:
        """The widths of a checkpoint's tensors. Raises ``EngineError`` DUB-E205 without them."""
        levels = [f"down_blocks.{level}.resnets.0.conv1.weight" for level in range(LEVELS)]
        heard = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"
        return UNetSizes(
            widths=tuple(width(state, name, path) for name in levels),
            inside=inside,
            context=width(state, heard, path, axis=1),
            motion=motion,
        )


class _Stage(nn.Module):
    """Residual blocks of one size, each with its attention, and a change of size at the end."""

    def __init__(self, plan: list[tuple[int, int]], sizes: UNetSizes, *, attends: bool) -> None:
        super().__init__()
        time = 4 * sizes.widths[0]
        self.resnets = nn.ModuleList([Residual(inside, out, time) for inside, out in plan])
        self.attends, self.moves = attends, sizes.motion
        if attends:
            self.attentions = nn.ModuleList(
                [SpatialTransformer(out, sizes.context) for _, out in plan]
            )
        if sizes.motion:
            self.motion_modules = nn.ModuleList([MotionModule(out) for _, out in plan])

    def layer(self, number: int, x: Tensor, time: Tensor, context: Tensor, frames: int) -> Tensor:
        """One residual block with its attention."""
        x = self.resnets[number](x, time, frames)
        if self.attends:
            x = self.attentions[number](x, context)
        if self.moves:
            x = self.motion_modules[number](x, frames)
        return x


class _Middle(nn.Module):
    def __init__(self, size: int, sizes: UNetSizes) -> None:
        super().__init__()
        time = 4 * sizes.widths[0]
        self.resnets = nn.ModuleList([Residual(size, size, time) for _ in range(2)])
        self.attentions = nn.ModuleList([SpatialTransformer(size, sizes.context)])

    def forward(self, x: Tensor, time: Tensor, context: Tensor, frames: int) -> Tensor:
        """``x`` ``[films * frames, size, h, w]`` and ``time``'s embedding, one row a picture."""
        x = self.attentions[0](self.resnets[0](x, time, frames), context)
        out: Tensor = self.resnets[1](x, time, frames)
        return out


class _TimeEmbedding(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(inside, outside), nn.Linear(outside, outside)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear_2(functional.silu(self.linear_1(x)))
        return out


class UNet(nn.Module):
    """Predicts latents (or their noise) from latents, a time step and what is heard."""

    def __init__(self, sizes: UNetSizes) -> None:
        super().__init__()
        first, last = sizes.widths[0], sizes.widths[-1]
        self.first = first
        self.conv_in = nn.Conv2d(sizes.inside, first, 3, padding=1)
        self.time_embedding = _TimeEmbedding(first, 4 * first)
        self.down_blocks = nn.ModuleList()
        self.up_blocks = nn.ModuleList()
        kept = [first]
        for level, size in enumerate(sizes.widths):
            before = sizes.widths[max(0, level - 1)]
            plan = [(before if number == 0 else size, size) for number in range(LAYERS)]
            stage = _Stage(plan, sizes, attends=level < LEVELS - 1)
            kept += [size] * LAYERS
            if level < LEVELS - 1:
                stage.downsamplers = nn.ModuleList([Resize(size, grow=False)])
                kept.append(size)
            self.down_blocks.append(stage)
        self.mid_block = _Middle(last, sizes)
        x = last
        for level, size in reversed(list(enumerate(sizes.widths))):
            plan = []
            for _ in range(LAYERS + 1):
                plan.append((x + kept.pop(), size))
                x = size
            stage = _Stage(plan, sizes, attends=level < LEVELS - 1)
            if level > 0:
                stage.upsamplers = nn.ModuleList([Resize(size, grow=True)])
            self.up_blocks.append(stage)
        self.conv_norm_out = nn.GroupNorm(GROUPS, first, eps=1e-5)
        self.conv_out = nn.Conv2d(first, sizes.outside, 3, padding=1)

    def forward(self, x: Tensor, step: int, context: Tensor, frames: int = 1) -> Tensor:
        """``x`` ``[films * frames, c, h, w]``, ``context`` ``[films * frames, tokens, width]``.

        ``step`` is the diffusion time, the same for all.
        """
        time = self.time_embedding(_time_waves(step, self.first, x)).expand(len(x), -1)
        x = self.conv_in(x)
        kept = [x]
        for stage in self.down_blocks:
            for number in range(LAYERS):
                x = stage.layer(number, x, time, context, frames)
                kept.append(x)
            if hasattr(stage, "downsamplers"):
                x = stage.downsamplers[0](x)
                kept.append(x)
        x = self.mid_block(x, time, context, frames)
        for stage in self.up_blocks:
            for number in range(LAYERS + 1):
                x = torch.cat([x, kept.pop()], dim=1)
                x = stage.layer(number, x, time, context, frames)
            if hasattr(stage, "upsamplers"):
                x = stage.upsamplers[0](x)
        x = functional.silu(normalised(self.conv_norm_out, x, frames))
        out: Tensor = self.conv_out(x)
        return out


def _time_waves(step: int, size: int, like: Tensor) -> Tensor:
    """Cosines, then sines of ``step`` ``[1, size]``, computed in float32."""
    half = size // 2
    speeds = torch.exp(-math.log(10000.0) * torch.arange(half, device=like.device).float() / half)
    waves = step * speeds
    return torch.cat([waves.cos(), waves.sin()])[None].to(like.dtype)
