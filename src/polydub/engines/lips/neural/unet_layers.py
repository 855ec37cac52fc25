"""The layers of Stable Diffusion's networks (Rombach et al. 2022), for pictures and for films.

Written from the papers; tensors have the names that diffusers gives them, so that published
checkpoints fit. Pictures of several films lie one after the other: ``[films * frames, c, h, w]``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

GROUPS = 32
HEADS = 8
_EPSILON = 1e-5
_ATTENTION_EPSILON = 1e-6


def normalised(norm: nn.GroupNorm, x: Tensor, frames: int) -> Tensor:
    """Group normalisation whose means go over all ``frames`` of a film, not over one picture."""
    if frames == 1:
        once: Tensor = norm(x)
        return once
    count, channels, height, width = x.shape
    film = x.reshape(count // frames, frames, channels, height, width).transpose(1, 2)
    film = norm(film.reshape(count // frames, channels, frames * height, width))
    film = film.reshape(count // frames, channels, frames, height, width).transpose(1, 2)
    return film.reshape(count, channels, height, width)


class Residual(nn.Module):
    """Two convolutions, each after a normalisation and SiLU, around an input that stays.

    ``time`` is the width of the time embedding, 0 for networks that know none.
    """

    def __init__(
        self, inside: int, outside: int, time: int = 0, *, epsilon: float = _EPSILON
    ) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, inside, eps=epsilon)
        self.conv1 = nn.Conv2d(inside, outside, 3, padding=1)
        self.time_emb_proj = nn.Linear(time, outside) if time else None
        self.norm2 = nn.GroupNorm(GROUPS, outside, eps=epsilon)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(inside, outside, 1) if inside != outside else None

    def forward(self, x: Tensor, time: Tensor | None = None, frames: int = 1) -> Tensor:
        """``x`` changed; ``time`` ``[films * frames, width]``."""
        inner = self.conv1(functional.silu(normalised(self.norm1, x, frames)))
        if self.time_emb_proj is not None and time is not None:
            inner = inner + self.time_emb_proj(functional.silu(time))[:, :, None, None]
        inner = self.conv2(functional.silu(normalised(self.norm2, inner, frames)))
        kept = x if self.conv_shortcut is None else self.conv_shortcut(x)
        out: Tensor = kept + inner
        return out


class Attention(nn.Module):
    """Scaled dot-product attention of ``x`` to itself or to ``context``."""

    def __init__(
        self, width: int, context: int | None = None, *, heads: int = HEADS, bias: bool = False
    ) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=bias)
        self.to_k = nn.Linear(context or width, width, bias=bias)
        self.to_v = nn.Linear(context or width, width, bias=bias)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """``[n, tokens, width]``."""
        other = x if context is None else context
        queries, keys, values = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in (self.to_q(x), self.to_k(other), self.to_v(other))
        )
        heard = functional.scaled_dot_product_attention(queries, keys, values)
        out: Tensor = self.to_out[0](heard.transpose(1, 2).flatten(2))
        return out


class GatedLinear(nn.Module):
    """One half of a linear map gates the other (GEGLU, Shazeer 2020)."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.proj = nn.Linear(inside, 2 * outside)

    def forward(self, x: Tensor) -> Tensor:
        """The gated half."""
        kept, gate = self.proj(x).chunk(2, dim=-1)
        out: Tensor = kept * functional.gelu(gate)
        return out


class FeedForward(nn.Module):
    """Gated layer of four times the width, and back. The middle place was a dropout's."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.ModuleList(
            [GatedLinear(width, 4 * width), nn.Identity(), nn.Linear(4 * width, width)]
        )

    def forward(self, x: Tensor) -> Tensor:
        """``[n, tokens, width]``."""
        out: Tensor = self.net[2](self.net[0](x))
        return out


class _Block(nn.Module):
    """Attention to the picture itself, to the sound, and a feed-forward layer."""

    def __init__(self, width: int, context: int) -> None:
        super().__init__()
        self.norm1, self.attn1 = nn.LayerNorm(width), Attention(width)
        self.norm2, self.attn2 = nn.LayerNorm(width), Attention(width, context)
        self.norm3, self.ff = nn.LayerNorm(width), FeedForward(width)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """``x`` ``[n, tokens, width]`` changed; ``context`` ``[n, tokens heard, context]``."""
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x), context)
        out: Tensor = x + self.ff(self.norm3(x))
        return out


class SpatialTransformer(nn.Module):
    """Lets the places of one picture look at each other and at ``context``."""

    def __init__(self, width: int, context: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, width, eps=_ATTENTION_EPSILON)
        self.proj_in = nn.Conv2d(width, width, 1)
        self.transformer_blocks = nn.ModuleList([_Block(width, context)])
        self.proj_out = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """``x`` ``[n, c, h, w]``, ``context`` ``[n, tokens, width]``."""
        height, width = x.shape[2:]
        tokens = self.proj_in(self.norm(x)).flatten(2).transpose(1, 2)
        tokens = self.transformer_blocks[0](tokens, context)
        out: Tensor = x + self.proj_out(tokens.transpose(1, 2).unflatten(2, (height, width)))
        return out


class Sinusoids(nn.Module):
    """Adds sines and cosines of the place in a sequence (Vaswani et al. 2017)."""

    def __init__(self, width: int, longest: int) -> None:
        super().__init__()
        self.register_buffer("pe", sinusoids(width, longest)[None])

    def forward(self, x: Tensor) -> Tensor:
        """``[n, tokens, width]``."""
        table: Tensor = self.get_buffer("pe")
        return x + table[:, : x.shape[1]].to(x.dtype)


def sinusoids(width: int, longest: int) -> Tensor:
    """``[longest, width]``: sines at even, cosines at odd columns."""
    places = torch.arange(longest, dtype=torch.float32)[:, None]
    speeds = torch.exp(torch.arange(0, width, 2).float() * (-math.log(10000.0) / width))
    table = torch.zeros(longest, width)
    table[:, 0::2] = torch.sin(places * speeds)
    table[:, 1::2] = torch.cos(places * speeds)
    return table


class _TemporalAttention(Attention):
    """Attention with the place in time added to what it sees."""

    def __init__(self, width: int, longest: int) -> None:
        super().__init__(width)
        self.pos_encoder = Sinusoids(width, longest)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return super().forward(self.pos_encoder(x), context)


class _TemporalBlock(nn.Module):
    def __init__(self, width: int, longest: int) -> None:
        super().__init__()
        self.attention_blocks = nn.ModuleList(
            [_TemporalAttention(width, longest) for _ in range(2)]
        )
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(2)])
        self.ff, self.ff_norm = FeedForward(width), nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """``x`` ``[films * places, frames, width]`` changed."""
        for attention, norm in zip(self.attention_blocks, self.norms, strict=True):
            x = x + attention(norm(x))
        out: Tensor = x + self.ff(self.ff_norm(x))
        return out


class _TemporalTransformer(nn.Module):
    def __init__(self, width: int, longest: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, width, eps=_ATTENTION_EPSILON)
        self.proj_in = nn.Linear(width, width)
        self.transformer_blocks = nn.ModuleList([_TemporalBlock(width, longest)])
        self.proj_out = nn.Linear(width, width)


class MotionModule(nn.Module):
    """Lets the same place of all frames look at each other (AnimateDiff, Guo et al. 2023)."""

    def __init__(self, width: int, longest: int = 24) -> None:
        super().__init__()
        self.temporal_transformer = _TemporalTransformer(width, longest)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """``x`` ``[films * frames, c, h, w]``."""
        inner = self.temporal_transformer
        count, _, height, width = x.shape
        tokens = inner.proj_in(inner.norm(x).flatten(2).transpose(1, 2))
        along = tokens.unflatten(0, (count // frames, frames)).transpose(1, 2).flatten(0, 1)
        along = inner.transformer_blocks[0](along)
        tokens = along.unflatten(0, (count // frames, height * width)).transpose(1, 2)
        tokens = inner.proj_out(tokens.flatten(0, 1))
        out: Tensor = x + tokens.transpose(1, 2).unflatten(2, (height, width))
        return out


class Resize(nn.Module):
    """A convolution behind a doubling, or one that halves."""

    def __init__(self, width: int, *, grow: bool, lopsided: bool = False) -> None:
        super().__init__()
        self.grow, self.lopsided = grow, lopsided
        self.conv = (
            nn.Conv2d(width, width, 3, padding=1)
            if grow
            else nn.Conv2d(width, width, 3, stride=2, padding=0 if lopsided else 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """``x`` at twice or half its size."""
        if self.grow:
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
        elif self.lopsided:  # the autoencoder pads right and below only
            x = functional.pad(x, (0, 1, 0, 1))
        out: Tensor = self.conv(x)
        return out
