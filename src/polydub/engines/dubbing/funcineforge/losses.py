"""What the networks are trained with.

The released code trains nothing; these are the losses that its configuration names and the paper
describes, as far as they could be established. What is not known is an option that is off.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from polydub.engines.dubbing.funcineforge.clip import SILENT_TOKEN
from polydub.engines.dubbing.funcineforge.config import EOS, TOKENS_PER_SECOND
from polydub.engines.dubbing.funcineforge.flow import Flow
from polydub.engines.dubbing.funcineforge.lm import SpeechLm
from polydub.engines.dubbing.funcineforge.sequence import Prompt, TurnTag

NOT_A_TARGET = -100


@dataclass(frozen=True, slots=True)
class LmLossOptions:
    """Weights of the language model's losses.

    ``smoothing`` is the label smoothing of the token cross entropy and ``by_length`` divides it by
    each sample's own length (the configuration names both; their values are not known).
    ``activity`` weighs how well silence is told from speech at every frame, ``contrastive`` how
    well the faces of a clip fit its own speech and no other's; both weights are not known.
    """

    smoothing: float = 0.0
    by_length: bool = False
    activity: float = 0.0
    contrastive: float = 0.0
    temperature: float = 0.07


@dataclass(frozen=True, slots=True, eq=False)
class LmExample:
    """A prompt, the tokens ``[n]`` that should follow it, and when somebody speaks."""

    prompt: Prompt
    tokens: Tensor
    turns: tuple[TurnTag, ...] = ()


def lm_loss(
    model: SpeechLm, batch: Sequence[LmExample], options: LmLossOptions | None = None
) -> dict[str, Tensor]:
    """Losses of a batch by name; ``loss`` is their weighted sum.

    Only the speech tokens and the end are targets: the prompt is given. ``accuracy`` is the share
    of targets that are the likeliest token.
    """
    options = options or LmLossOptions()
    logits, targets = _predictions(model, batch)
    flat, wanted = logits.flatten(0, 1).float(), targets.flatten()
    each = functional.cross_entropy(
        flat,
        wanted,
        ignore_index=NOT_A_TARGET,
        label_smoothing=options.smoothing,
        reduction="none",
    ).view_as(targets)
    real = targets != NOT_A_TARGET
    by_clip, counts = each.sum(1), real.sum(1)
    token = (by_clip / counts).mean() if options.by_length else by_clip.sum() / counts.sum()
    right = (logits.argmax(-1) == targets)[real].float().mean()
    found = {"token": token, "accuracy": right.detach()}
    total = token
    if options.activity:
        found["activity"] = _activity(logits, targets, batch)
        total = total + options.activity * found["activity"]
    if options.contrastive:
        found["contrastive"] = _contrastive(model, batch, options.temperature)
        total = total + options.contrastive * found["contrastive"]
    return {"loss": total, **found}


def _predictions(model: SpeechLm, batch: Sequence[LmExample]) -> tuple[Tensor, Tensor]:
    """Logits ``[batch, longest + 1, units]`` and targets, the end's included."""
    rows = [
        torch.cat([model.embed(one.prompt), model.codec_embed(one.tokens.to(model.device))])
        for one in batch
    ]
    longest = max(len(row) for row in rows)
    padded = torch.stack([functional.pad(row, (0, 0, 0, longest - len(row))) for row in rows])
    lengths = torch.tensor([len(row) for row in rows], device=model.device)
    mask = (torch.arange(longest, device=model.device) < lengths[:, None]).long()
    hidden = model.hidden(padded, mask)
    most = max(len(one.tokens) for one in batch) + 1
    picked, targets = [], hidden.new_full((len(batch), most), NOT_A_TARGET, dtype=torch.long)
    for row, one in enumerate(batch):
        count, first = len(one.tokens) + 1, one.prompt.length - 1
        own = hidden[row, first : first + count]
        picked.append(functional.pad(own, (0, 0, 0, most - count)))
        targets[row, : count - 1] = one.tokens
        targets[row, count - 1] = EOS
    return model.codec_head(torch.stack(picked)), targets


def _activity(logits: Tensor, targets: Tensor, batch: Sequence[LmExample]) -> Tensor:
    """Cross entropy of "the silent token is next" with "nobody speaks in this frame"."""
    silent = logits.float().log_softmax(-1)[..., SILENT_TOKEN]
    speaks = torch.zeros_like(silent)
    for row, one in enumerate(batch):
        speaks[row, : len(one.tokens)] = _speaking(one.turns, len(one.tokens)).to(silent)
    frames = (targets != NOT_A_TARGET) & (targets != EOS)
    other = torch.log1p(-silent.exp().clamp(max=1 - 1e-6))
    return -torch.where(speaks > 0, other, silent)[frames].mean()


def _speaking(turns: Sequence[TurnTag], frames: int) -> Tensor:
    seconds = (np.arange(frames) + 0.5) / TOKENS_PER_SECOND
    found = np.zeros(frames, np.float32)
    for turn in turns:
        found[(seconds >= turn.start) & (seconds < turn.start + turn.duration)] = 1.0
    return torch.from_numpy(found)


def _contrastive(model: SpeechLm, batch: Sequence[LmExample], temperature: float) -> Tensor:
    """InfoNCE between the mean face and the mean token embedding of the clips of a batch."""
    faces, speech = [], []
    for one in batch:
        seen = torch.from_numpy(one.prompt.faces).to(model.device)[: len(one.tokens)]
        there = seen.abs().sum(1) > 0
        if bool(there.any()):
            faces.append(model.face_linear(seen[there]).mean(0))
            said = model.codec_embed(one.tokens.to(model.device))[: len(seen)]
            speech.append(said[there[: len(said)]].mean(0))
    if len(faces) < 2:
        return torch.zeros((), device=model.device)
    rows = (functional.normalize(torch.stack(x).float(), dim=-1) for x in (faces, speech))
    first, second = rows
    likeness = first @ second.T / temperature
    own = torch.arange(len(faces), device=model.device)
    both = functional.cross_entropy(likeness, own) + functional.cross_entropy(likeness.T, own)
    return both / 2


@dataclass(frozen=True, slots=True)
class FlowLossOptions:
    """How the flow is trained.

    ``unconditioned`` is the share of clips whose conditions are all left out (CosyVoice3: 0.2).
    ``generated`` is the share of a clip that must be made, drawn from this range; what lies before
    it is given as a prompt (port: 0.7 to 1). ``masked_only`` leaves the prompt out of the loss
    (code default). ``block_masks`` draws the attention mask's type evenly, as the port's
    configuration has it; else attention is full. ``cosine`` draws times as the inference grid does.
    """

    unconditioned: float = 0.2
    generated: tuple[float, ...] = (0.7, 1.0)
    masked_only: bool = True
    block_masks: bool = True
    cosine: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class FlowExample:
    """Tokens ``[n]``, their log-mel ``[2 * n, 80]`` and the voice ``[192]``."""

    tokens: Tensor
    mel: Tensor
    xvector: Tensor


def flow_loss(
    model: Flow,
    batch: Sequence[FlowExample],
    generator: torch.Generator,
    options: FlowLossOptions | None = None,
) -> Tensor:
    """Mean squared error of the velocity between noise and mel at a random time.

    All draws come from ``generator`` (on the CPU).
    """
    options = options or FlowLossOptions()
    mel, mu, speaker, real = _conditions(model, batch)
    count, frames = real.shape
    noise = torch.randn(mel.shape, generator=generator).to(mel)
    time = torch.rand(count, generator=generator)
    if options.cosine:
        time = 1 - torch.cos(time * 0.5 * math.pi)
    time = time.to(mel)
    low, high = options.generated
    share = low + (high - low) * torch.rand(count, generator=generator)
    given = ((1 - share) * real.sum(1).cpu()).long().to(mel.device)
    prompt = torch.arange(frames, device=mel.device) < given[:, None]
    kept = (torch.rand(count, generator=generator) >= options.unconditioned).to(mel)
    kept = kept[:, None, None]
    conditions = (mel * prompt[..., None] * kept, mu * kept, speaker * kept)
    kinds = len(model.config.dit.mask_blocks)
    kind = int(torch.randint(kinds, (1,), generator=generator)) if options.block_masks else 0
    at = time[:, None, None]
    x = (1 - at) * noise + at * mel
    velocity = model.dit_model(x, conditions, time, mask=real, mask_type=kind)
    error = (velocity.float() - (mel - noise)).pow(2).mean(-1)
    counted = (real & ~prompt) if options.masked_only else real
    return (error * counted).sum() / counted.sum()


def _conditions(model: Flow, batch: Sequence[FlowExample]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mel, mu ``[batch, frames, 80]``, speaker ``[batch, 1, 80]``, what is real; padded."""
    ratio = model.config.mel_per_token
    longest = max(len(one.tokens) for one in batch)
    tokens = torch.stack([functional.pad(x.tokens, (0, longest - len(x.tokens))) for x in batch])
    mels = torch.stack(
        [functional.pad(x.mel, (0, 0, 0, ratio * longest - len(x.mel))) for x in batch]
    )
    lengths = torch.tensor([len(one.tokens) for one in batch], device=model.device)
    mu = model.encode(tokens.to(model.device), lengths).repeat_interleave(ratio, dim=1)
    speaker = torch.stack([model.speaker(one.xvector.to(model.device)) for one in batch])[:, None]
    real = torch.arange(ratio * longest, device=model.device) < ratio * lengths[:, None]
    return mels.to(model.device), mu, speaker, real
