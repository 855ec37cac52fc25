"""The velocity network of the flow: a diffusion transformer with adaptive layer norms.

Parameter names are those of the public checkpoint.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from polydub.engines.dubbing.funcineforge.config import MEL_PER_TOKEN, DitConfig

TIME_WIDTH = 256
TIME_SCALE = 1000.0
ROTARY_BASE = 10_000.0
NORM_EPS = 1e-6
POSITION_KERNEL, POSITION_GROUPS = 31, 16


class Dit(nn.Module):
    """Velocity of a noisy mel at a time between noise (0) and speech (1)."""

    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        self.config = config
        self.time_embed = _TimeEmbedding(config.dim)
        self.input_embed = _InputEmbedding(config)
        self.rotary_embed = _Rotary(config.dim_head)
        self.transformer_blocks = nn.ModuleList(_Block(config) for _ in range(config.depth))
        self.norm_out = _Modulation(config.dim, parts=2)
        self.proj_out = nn.Linear(config.dim, config.mel)

    def forward(
        self,
        x: Tensor,
        conditions: tuple[Tensor, Tensor, Tensor],
        time: Tensor,
        *,
        mask: Tensor | None = None,
        mask_type: int = 0,
    ) -> Tensor:
        """Velocity ``[batch, frames, mel]`` of ``x`` at ``time`` ``[batch]``.

        ``conditions`` are prompt mel, mu and speaker, each ``[batch, frames, 80]`` (or one frame).
        ``mask`` ``[batch, frames]`` is true where a frame is real.
        """
        told = self.time_embed(time, x.dtype)
        h = self.input_embed(x, *conditions)
        angles = self.rotary_embed(h.shape[1], h.device)
        seen = self._visible(h.shape[1], mask, mask_type, h.device)
        for block in self.transformer_blocks:
            if mask is not None:
                h = h * mask[..., None]
            h = block(h, told, angles, seen, mask)
        scale, shift = self.norm_out(told)
        return self.proj_out(_normed(h) * (1 + scale) + shift)

    def _visible(
        self, frames: int, mask: Tensor | None, mask_type: int, device: torch.device
    ) -> Tensor | None:
        """``[1 or batch, 1, frames or 1, frames]``: which frame may look at which; None = all.

        With blocks of B frames, a frame sees the blocks before it and the whole of its own.
        """
        block = self.config.mask_blocks[mask_type] * MEL_PER_TOKEN
        seen = None if mask is None else mask[:, None, None, :].bool()
        if block:
            places = torch.arange(frames, device=device)
            ends = (places // block + 1) * block
            causal = (places < ends[:, None])[None, None]
            seen = causal if seen is None else seen & causal
        return seen


class _TimeEmbedding(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.time_mlp = nn.Sequential(nn.Linear(TIME_WIDTH, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, time: Tensor, dtype: torch.dtype) -> Tensor:
        """``[batch, dim]`` for float32 times ``[batch]`` between 0 and 1.

        Phases reach 1000 rad: half precision would lose them.
        """
        half = TIME_WIDTH // 2
        steps = torch.arange(half, device=time.device, dtype=torch.float32)
        frequencies = torch.exp(steps * -(math.log(10_000.0) / (half - 1)))
        phases = TIME_SCALE * time.float()[:, None] * frequencies
        return self.time_mlp(torch.cat([phases.sin(), phases.cos()], dim=-1).to(dtype))


class _InputEmbedding(nn.Module):
    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        width = 2 * config.mel + config.mu + config.speaker
        self.proj = nn.Linear(width, config.dim)
        self.conv_pos_embed = _PositionConvolutions(config.dim)

    def forward(self, x: Tensor, prompt: Tensor, mu: Tensor, speaker: Tensor) -> Tensor:
        """``[batch, frames, dim]``; a single frame of a condition counts for all."""
        frames = x.shape[:2]
        parts = [part.expand(*frames, -1) for part in (prompt, mu, speaker)]
        y = self.proj(torch.cat([x, *parts], dim=-1))
        return self.conv_pos_embed(y) + y


class _PositionConvolutions(nn.Module):
    """Two causal grouped convolutions: what a frame knows of its place."""

    def __init__(self, dim: int) -> None:
        super().__init__()

        def layer() -> nn.Sequential:
            return nn.Sequential(
                nn.Conv1d(dim, dim, POSITION_KERNEL, groups=POSITION_GROUPS), nn.Mish()
            )

        self.conv1, self.conv2 = layer(), layer()

    def forward(self, y: Tensor) -> Tensor:
        """What each frame of ``y`` ``[batch, frames, dim]`` knows of those before it."""
        y = y.transpose(1, 2)
        for layer in (self.conv1, self.conv2):
            y = layer(functional.pad(y, (POSITION_KERNEL - 1, 0)))
        return y.transpose(1, 2)


class _Rotary(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        exponents = torch.arange(0, width, 2).float() / width
        self.register_buffer("inv_freq", 1.0 / ROTARY_BASE**exponents)

    def forward(self, frames: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Cosine and sine ``[frames, width / 2]`` of every pair's angle."""
        angles = torch.arange(frames, device=device).float()[:, None] * self.inv_freq.float()
        return angles.cos(), angles.sin()


def _rotated(x: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """``x`` ``[batch, frames, heads * width]`` with its first ``width`` channels rotated.

    The release turns queries and keys before they are split into heads, so that the first head
    alone knows of positions; its weights were trained that way. Neighbouring channels are a pair.
    """
    cos, sin = (part.to(x.dtype) for part in angles)
    width = 2 * cos.shape[-1]
    first, second = x[..., :width:2], x[..., 1:width:2]
    turned = torch.stack([first * cos - second * sin, second * cos + first * sin], dim=-1)
    return torch.cat([turned.flatten(-2), x[..., width:]], dim=-1)


class _Attention(nn.Module):
    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        inner = config.heads * config.dim_head
        self.heads = config.heads
        self.dropout = config.dropout
        self.to_q, self.to_k, self.to_v = (nn.Linear(config.dim, inner) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(inner, config.dim), nn.Dropout(config.dropout)])

    def forward(
        self,
        x: Tensor,
        angles: tuple[Tensor, Tensor],
        seen: Tensor | None,
        mask: Tensor | None,
    ) -> Tensor:
        """What each frame of ``x`` ``[batch, frames, dim]`` takes from those that it may see.

        ``angles`` are cosine and sine of :class:`_Rotary`, ``seen`` is as :meth:`Dit._visible`
        gives it. Frames at which ``mask`` ``[batch, frames]`` is false come out as 0.
        """
        batch, frames, _ = x.shape
        query, key = _rotated(self.to_q(x), angles), _rotated(self.to_k(x), angles)
        parts = (query, key, self.to_v(x))
        query, key, value = (
            part.view(batch, frames, self.heads, -1).transpose(1, 2) for part in parts
        )
        out = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        out = out.transpose(1, 2).reshape(batch, frames, -1)
        for layer in self.to_out:
            out = layer(out)
        return out if mask is None else out * mask[..., None]


class _Modulation(nn.Module):
    """Scales, shifts and gates from the time embedding."""

    def __init__(self, dim: int, *, parts: int) -> None:
        super().__init__()
        self.parts = parts
        self.linear = nn.Linear(dim, parts * dim)

    def forward(self, told: Tensor) -> tuple[Tensor, ...]:
        """``parts`` tensors ``[batch, 1, dim]``."""
        return tuple(self.linear(functional.silu(told))[:, None].chunk(self.parts, dim=-1))


class _FeedForward(nn.Module):
    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        inner = config.dim * config.ff_mult
        widen = nn.Sequential(nn.Linear(config.dim, inner), nn.GELU(approximate="tanh"))
        self.ff = nn.Sequential(widen, nn.Dropout(config.dropout), nn.Linear(inner, config.dim))

    def forward(self, x: Tensor) -> Tensor:
        return self.ff(x)


class _Block(nn.Module):
    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        self.attn_norm = _Modulation(config.dim, parts=6)
        self.attn = _Attention(config)
        self.ff = _FeedForward(config)

    def forward(
        self,
        x: Tensor,
        told: Tensor,
        angles: tuple[Tensor, Tensor],
        seen: Tensor | None,
        mask: Tensor | None,
    ) -> Tensor:
        """``x`` ``[batch, frames, dim]`` after attention and feed-forward, each one gated.

        ``told`` ``[batch, dim]`` is the time embedding; the rest is as for :class:`_Attention`.
        """
        shift1, scale1, gate1, shift2, scale2, gate2 = self.attn_norm(told)
        h = _normed(x) * (1 + scale1) + shift1
        x = x + gate1 * self.attn(h, angles, seen, mask)
        h = _normed(x) * (1 + scale2) + shift2
        return x + gate2 * self.ff(h)


def _normed(x: Tensor) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], eps=NORM_EPS)
