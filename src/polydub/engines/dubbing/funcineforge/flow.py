"""Speech tokens to a mel spectrogram: flow matching, 10 steps of a transformer.

Parameter names are those of the public checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from polydub.engines.dubbing.funcineforge.config import (
    SPEECH_TOKENS,
    FlowConfig,
    FlowDecoding,
    Grid,
)
from polydub.engines.dubbing.funcineforge.dit import Dit
from polydub.engines.dubbing.funcineforge.sampling import generator_of
from polydub.errors import EngineError

LONGEST = 15_000
"""Mel frames of the released program's noise table: 300 s (code)."""
LOOKAHEAD_SLOPE = 0.01


class _Lookahead(nn.Module):
    """A convolution that sees ``reach`` tokens ahead, then one that sees two back."""

    def __init__(self, channels: int, width: int, reach: int) -> None:
        super().__init__()
        self.reach = reach
        self.conv1 = nn.Conv1d(channels, width, reach + 1)
        self.conv2 = nn.Conv1d(width, channels, 3)

    def forward(self, embedded: Tensor, lengths: Tensor, *, final: bool = True) -> Tensor:
        """``[batch, tokens, channels]``; without ``final`` the last ``reach`` are context only."""
        x = embedded.transpose(1, 2)
        own = embedded if final else embedded[:, : -self.reach]
        if final:
            x = functional.pad(x, (0, self.reach))
        x = functional.leaky_relu(self.conv1(x), LOOKAHEAD_SLOPE)
        x = self.conv2(functional.pad(x, (2, 0))).transpose(1, 2) + own
        return x * _real(lengths, x.shape[1])[..., None]


class Flow(nn.Module):
    """Token encoder, speaker projection and velocity network."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.dit.mu
        self.codec_embedder = nn.Embedding(config.codebook, channels)
        self.lookahead_conv1d = _Lookahead(channels, config.model_size, config.lookahead)
        self.xvec_proj = nn.Linear(config.xvec, config.dit.speaker)
        self.dit_model = Dit(config.dit)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.xvec_proj.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """What the weights are stored as."""
        return self.xvec_proj.weight.dtype

    def encode(self, tokens: Tensor, lengths: Tensor, *, final: bool = True) -> Tensor:
        """Speech ``tokens`` ``[batch, n]`` as ``[batch, n, 80]``; token -1 is a hole."""
        embedded = self.codec_embedder(tokens.clamp(min=0))
        embedded = embedded * ((tokens >= 0) & _real(lengths, tokens.shape[1]))[..., None]
        reach = 0 if final else self.config.lookahead
        return self.lookahead_conv1d(embedded, lengths - reach, final=final)

    def speaker(self, xvectors: Tensor) -> Tensor:
        """X-vectors ``[..., 192]`` of any length (NaN counts as 0) as ``[..., 80]``."""
        clean = torch.where(xvectors.isfinite().all(-1, keepdim=True), xvectors, 0.0)
        unit = functional.normalize(clean.float(), dim=-1)
        return self.xvec_proj(unit.to(self.device, self.dtype))

    @torch.no_grad()
    def mels(
        self,
        tokens: Sequence[Sequence[int]],
        speakers: Sequence[Tensor],
        options: FlowDecoding | None = None,
        *,
        noise: Tensor | None = None,
        final: bool = True,
    ) -> list[Tensor]:
        """Log-mels ``[2 * n, 80]`` (float32) of each token list.

        ``speakers`` are what :meth:`speaker` gave: one vector ``[80]`` of a clip, or one a mel
        frame ``[2 * n, 80]``. ``noise`` ``[1, frames, 80]`` replaces the noise of the options.
        ``final`` false keeps the last tokens as context only. Raises ``EngineError`` for more than
        300 s.
        """
        options = options or FlowDecoding()
        kept = [[token for token in row if token < SPEECH_TOKENS] for row in tokens]
        reach = 0 if final else self.config.lookahead
        sizes = [max(0, len(row) - reach) * self.config.mel_per_token for row in kept]
        rows = [row for row, size in enumerate(sizes) if size]
        if not rows:
            return [self._none() for _ in kept]
        if max(sizes) > LONGEST:
            raise EngineError("Fun-CineForge makes at most 300 s of sound at once.")
        lengths = torch.tensor([len(kept[row]) for row in rows], device=self.device)
        ids = torch.zeros((len(rows), int(lengths.max())), dtype=torch.long, device=self.device)
        for place, row in enumerate(rows):
            ids[place, : len(kept[row])] = torch.tensor(kept[row])
        mu = self.encode(ids, lengths, final=final)
        mu = mu.repeat_interleave(self.config.mel_per_token, dim=1)
        frames = [sizes[row] for row in rows]
        spoken = _speakers_by_frame([speakers[row] for row in rows], mu)
        made = self._solve(mu, spoken, frames, options, noise)
        result = [self._none() for _ in kept]
        for place, row in enumerate(rows):
            result[row] = made[place, : frames[place]]
        return result

    def _none(self) -> Tensor:
        return torch.zeros((0, self.config.dit.mel), device=self.device)

    def _solve(
        self,
        mu: Tensor,
        speaker: Tensor,
        frames: Sequence[int],
        options: FlowDecoding,
        noise: Tensor | None,
    ) -> Tensor:
        """Euler's method from noise to mel, each step guided away from "no condition"."""
        longest = mu.shape[1]
        if noise is None:
            noise = shared_noise(longest, self.config.dit.mel, options.noise_seed)
        x = noise[:, :longest].to(self.device).float() * options.temperature
        x = x.expand(len(frames), -1, -1)
        lengths = torch.tensor(frames, device=self.device)
        mask = None if min(frames) == longest else _real(lengths, longest)
        grid = time_grid(options.steps, options.grid).tolist()
        for start, end in pairwise(grid):
            x = x + (end - start) * self._guided(x, mu, speaker, start, mask, options)
        return x

    def _guided(
        self,
        x: Tensor,
        mu: Tensor,
        speaker: Tensor,
        time: float,
        mask: Tensor | None,
        options: FlowDecoding,
    ) -> Tensor:
        """Velocity in float32; both passes are one batch."""
        prompt = torch.zeros_like(mu)
        conditions = (prompt, mu, speaker)
        both = options.guidance != 0
        if both:
            conditions = tuple(torch.cat([c, torch.zeros_like(c)]) for c in conditions)  # type: ignore[assignment]
            x = torch.cat([x, x])
            mask = None if mask is None else torch.cat([mask, mask])
        times = torch.full((len(x),), time, device=x.device)
        velocity = self.dit_model(
            x.to(self.dtype), conditions, times, mask=mask, mask_type=options.mask
        ).float()
        if not both:
            return velocity
        told, untold = velocity.chunk(2)
        return (1 + options.guidance) * told - options.guidance * untold


def clip_xvector(xvectors: Tensor) -> Tensor:
    """The mean ``[192]`` of x-vectors ``[n, 192]``; those with NaN count as 0 (code)."""
    clean = torch.where(xvectors.isfinite().all(-1, keepdim=True), xvectors, 0.0)
    return clean.reshape(-1, xvectors.shape[-1]).mean(0)


def time_grid(steps: int, grid: Grid) -> Tensor:
    """``[steps + 1]`` times from 0 to 1; the cosine grid takes small steps first."""
    even = torch.linspace(0, 1, steps + 1)
    return 1 - torch.cos(even * 0.5 * math.pi) if grid == "cosine" else even


def shared_noise(frames: int, bands: int, seed: int) -> Tensor:
    """The first ``frames`` of the noise that all utterances start from, ``[1, frames, bands]``.

    The released program draws 15,000 frames once; fewer with the same seed are the same numbers.
    """
    return torch.randn((1, frames, bands), generator=generator_of(seed))


def _speakers_by_frame(speakers: Sequence[Tensor], mu: Tensor) -> Tensor:
    """``[batch, 1 or frames, 80]``: vectors of whole clips stay one frame when all are such."""
    if all(speaker.ndim == 1 for speaker in speakers):
        return torch.stack([speaker[None].to(mu) for speaker in speakers])
    full = mu.new_zeros((len(speakers), mu.shape[1], speakers[0].shape[-1]))
    for row, speaker in enumerate(speakers):
        by_frame = speaker[: mu.shape[1]].to(mu) if speaker.ndim == 2 else speaker.to(mu)
        full[row, : len(by_frame) if speaker.ndim == 2 else None] = by_frame
    return full


def _real(lengths: Tensor, longest: int) -> Tensor:
    """``[batch, longest]``: true within each row's length."""
    return torch.arange(longest, device=lengths.device) < lengths[:, None]
