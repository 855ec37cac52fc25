"""The encoder of Whisper (Radford et al. 2022), for what each of its layers hears.

Files of OpenAI (``tiny.pt``) and of the model hub (``pytorch_model.bin``) fit alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from polydub.engines.lips.neural.checkpoint import unfit
from polydub.engines.lips.neural.network import RATE, Sound
from polydub.engines.lips.neural.spectra import BANDS, whisper_mel

STEPS = 50
"""Rows a second."""

SECONDS = 30
"""Of sound that it hears at once, as in its training."""

_HEAD = 64  # width of one attention head in every published size

_FROM_HUB = (
    ("embed_positions.weight", "positional_embedding"),
    ("layer_norm.", "ln_post."),
    ("layers.", "blocks."),
    (".self_attn_ln_post.", ".attn_ln."),  # "layer_norm." was replaced inside these names already
    (".final_ln_post.", ".mlp_ln."),
    (".self_attn.q_proj.", ".attn.query."),
    (".self_attn.k_proj.", ".attn.key."),
    (".self_attn.v_proj.", ".attn.value."),
    (".self_attn.out_proj.", ".attn.out."),
    (".fc1.", ".mlp.0."),
    (".fc2.", ".mlp.2."),
)
"""The hub's names of tensors, and OpenAI's, in the order in which they are replaced."""


class _Attention(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.heads = max(1, size // _HEAD)
        self.query, self.value = nn.Linear(size, size), nn.Linear(size, size)
        self.key = nn.Linear(size, size, bias=False)
        self.out = nn.Linear(size, size)

    def forward(self, x: Tensor) -> Tensor:
        """What each step of ``x`` ``[n, steps, size]`` takes from all steps, in the same shape."""
        queries, keys, values = (
            layer(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        heard = functional.scaled_dot_product_attention(queries, keys, values)
        out: Tensor = self.out(heard.transpose(1, 2).flatten(2))
        return out


class _Layer(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.attn, self.attn_ln = _Attention(size), nn.LayerNorm(size)
        self.mlp = nn.Sequential(nn.Linear(size, 4 * size), nn.GELU(), nn.Linear(4 * size, size))
        self.mlp_ln = nn.LayerNorm(size)

    def forward(self, x: Tensor) -> Tensor:
        """``x`` ``[n, steps, size]`` after attention and two linear layers, each added to it."""
        x = x + self.attn(self.attn_ln(x))
        out: Tensor = x + self.mlp(self.mlp_ln(x))
        return out


class WhisperEncoder(nn.Module):
    """``size`` is the width (384 in tiny), ``layers`` their number (4 in tiny)."""

    def __init__(self, size: int = 384, layers: int = 4) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(BANDS, size, 3, padding=1)
        self.conv2 = nn.Conv1d(size, size, 3, stride=2, padding=1)
        self.positional_embedding = nn.Parameter(torch.zeros(SECONDS * STEPS, size))
        self.blocks = nn.ModuleList([_Layer(size) for _ in range(layers)])
        self.ln_post = nn.LayerNorm(size)

    def forward(self, mel: Tensor, *, finished: bool) -> Tensor:
        """Rows ``[n, 1500, layers + 1, size]`` of ``mel`` ``[n, 80, 3000]``: before all layers, and
        behind each of them; the last one after the final normalisation if ``finished``."""
        x = functional.gelu(self.conv2(functional.gelu(self.conv1(mel))))
        x = x.transpose(1, 2) + self.positional_embedding
        rows = [x]
        for layer in self.blocks:
            x = layer(x)
            rows.append(x)
        if finished:
            rows[-1] = self.ln_post(x)
        return torch.stack(rows, dim=2)

    def hear(self, sound: Sound, *, finished: bool) -> Tensor:
        """Rows ``[steps, layers + 1, size]`` at 50 Hz for all of ``sound``, 30 s at once."""
        weight = self.conv1.weight
        piece = SECONDS * RATE
        heard = []
        for first in range(0, max(1, len(sound.samples)), piece):
            part = sound.samples[first : first + piece]
            mel = torch.from_numpy(whisper_mel(part, SECONDS)).to(weight.device, weight.dtype)
            rows = self(mel[None], finished=finished)[0]
            heard.append(rows[: max(1, int(np.ceil(len(part) * STEPS / RATE)))])
        return torch.cat(heard)


def encoder_tensors(state: Mapping[str, Any], path: Path) -> tuple[dict[str, Any], int, int]:
    """The encoder's tensors under OpenAI's names, its width and its number of layers.

    Raises ``EngineError`` DUB-E205 when ``state`` holds no encoder of Whisper.
    """
    found = {}
    for name, value in state.items():
        head, inside, rest = name.removeprefix("model.").partition("encoder.")
        if head or not inside:
            continue  # the decoder's
        for theirs, ours in _FROM_HUB:  # none of them occurs in OpenAI's own names
            rest = rest.replace(theirs, ours)
        found[rest] = value
    layers = len({name.split(".")[1] for name in found if name.startswith("blocks.")})
    if "conv1.weight" not in found or layers == 0:
        raise unfit(path, "it holds no encoder of Whisper")
    return found, int(found["conv1.weight"].shape[0]), layers
