"""From a folder of samples to a trained network: what ``polydub train funcineforge`` runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from polydub.engines.dubbing.funcineforge.checkpoint import (
    TEXT,
    Checkpoint,
    build,
    complete,
    find_checkpoint,
    flow_as_stored,
    read_config,
    read_state,
)
from polydub.engines.dubbing.funcineforge.config import (
    MEL_PER_TOKEN,
    RATE,
    ModelConfig,
    config_from,
)
from polydub.engines.dubbing.funcineforge.data import Sample, read_samples, read_xvector
from polydub.engines.dubbing.funcineforge.device import device_of
from polydub.engines.dubbing.funcineforge.engine import VOICES
from polydub.engines.dubbing.funcineforge.flow import Flow
from polydub.engines.dubbing.funcineforge.inputs import XVectors
from polydub.engines.dubbing.funcineforge.lm import SpeechLm
from polydub.engines.dubbing.funcineforge.losses import FlowExample, LmExample
from polydub.engines.dubbing.funcineforge.mel import log_mel
from polydub.engines.dubbing.funcineforge.sequence import Floats, build_prompt
from polydub.engines.dubbing.funcineforge.tokenizer import Tokenizer, load_tokenizer
from polydub.engines.dubbing.funcineforge.training import Part, Trainer, TrainOptions, Watch
from polydub.errors import EngineError, InputError
from polydub.media.audio import resample
from polydub.media.wave import open_waveform


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """What to learn from and where to put it.

    ``samples`` and ``held_out`` are JSONL files (see :mod:`.data`); the loss on the latter is
    logged as ``eval_loss``. ``start`` is the checkpoint to go on from; ``config`` a JSON file with
    sizes for a network that starts from nothing (without either: the release's sizes).
    """

    samples: Path
    out: Path
    start: Path | None = None
    config: Path | None = None
    held_out: Path | None = None
    device: str = "auto"


def train(
    request: TrainRequest, options: TrainOptions, watch: Watch | None = None
) -> dict[str, float]:
    """Train as asked; a run that was stopped goes on. Returns the figures of the last step.

    With a checkpoint to start from, what was trained and what it lacks (the other networks, the
    vocabulary) are a whole checkpoint in ``request.out``, which the engine loads. Raises
    ``InputError`` for samples that cannot be read, ``EngineError`` as the parts do.
    """
    checkpoint = find_checkpoint(request.start) if request.start else None
    config = _config(request, checkpoint)
    torch.manual_seed(options.seed)
    device = device_of(request.device)
    network, config = _network(options.part, config, checkpoint, device)
    read = _reader(options, config, checkpoint)
    examples: Any = Examples(read_samples(request.samples), read)
    trainer = Trainer(
        network, config, request.out, options, evaluate=_evaluation(request, options, read)
    )
    figures = trainer.run(examples, watch)
    if checkpoint is not None:
        complete(request.out, checkpoint)
    return figures


class Examples(Sequence[Any]):
    """Samples that are made examples of when they are asked for: a dataset fills no memory.

    What is wrong with a sample is told when it is asked for.
    """

    def __init__(self, samples: Sequence[Sample], read: Callable[[Sample], Any]) -> None:
        self._samples, self._read = samples, read

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return Examples(self._samples[place], self._read)
        return self._read(self._samples[place])


def _network(
    part: Part, config: ModelConfig, checkpoint: Checkpoint | None, device: str
) -> tuple[Any, ModelConfig]:
    """The network to train, from the checkpoint or at random, and the sizes that it has."""
    kind: Any = SpeechLm if part == "llm" else Flow
    if checkpoint is None:
        return kind(config.lm if part == "llm" else config.flow).to(device), config
    state = read_state(checkpoint.weights(part))
    if part == "flow":
        config = replace(config, flow=flow_as_stored(config.flow, state))
    own: Any = config.lm if part == "llm" else config.flow
    return build(kind, own, state, device, torch.float32), config


def _config(request: TrainRequest, checkpoint: Checkpoint | None) -> ModelConfig:
    if checkpoint is not None:
        return read_config(checkpoint)
    if request.config is None:
        return ModelConfig()
    try:
        values = json.loads(request.config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{request.config} cannot be read: {error}", code="DUB-E107") from error
    return config_from(ModelConfig, values, request.config.name)


def _reader(
    options: TrainOptions, config: ModelConfig, checkpoint: Checkpoint | None
) -> Callable[[Sample], Any]:
    """What makes an example of a sample, for the part that is trained."""
    if options.part == "llm":
        folders = [checkpoint.root / TEXT, checkpoint.model] if checkpoint else []
        tokenizer = load_tokenizer(*folders)
        return lambda sample: lm_example(sample, tokenizer)
    voices = checkpoint.file(VOICES) if checkpoint else None
    embed = XVectors(voices) if voices else None
    return lambda sample: flow_example(sample, config, embed)


def lm_example(sample: Sample, tokenizer: Tokenizer) -> LmExample:
    """A sample as the language model learns it."""
    prompt = build_prompt(
        tokenizer.prompt(sample.text, sample.clue),
        scene=sample.scene,
        turns=sample.turns,
        faces=sample.faces,
        length=sample.length,
    )
    return LmExample(prompt, torch.from_numpy(sample.tokens), sample.turns)


def flow_example(sample: Sample, config: ModelConfig, voices: XVectors | None) -> FlowExample:
    """A sample as the flow learns it. Raises ``InputError`` without sound or voice."""
    if sample.sound is None:
        raise InputError(f"The sample {sample.name} has no sound ('vocal').", code="DUB-E107")
    sound = open_waveform(sample.sound).mono()
    if sample.xvector is not None:
        vector: Floats = read_xvector(sample.xvector)
    elif voices is not None:
        vector = voices.of(sound)
    else:
        raise InputError(
            f"The sample {sample.name} has no 'xvector', and there is no {VOICES} to make one.",
            code="DUB-E107",
        )
    samples = np.array(resample(sound, RATE).samples, np.float32)
    mel = log_mel(torch.from_numpy(samples), config.mel).T
    tokens = torch.from_numpy(sample.tokens)
    count = min(len(tokens), len(mel) // MEL_PER_TOKEN)
    return FlowExample(
        tokens[:count], mel[: MEL_PER_TOKEN * count].contiguous(), torch.from_numpy(vector)
    )


def _evaluation(
    request: TrainRequest, options: TrainOptions, read: Callable[[Sample], Any]
) -> Callable[[Any], dict[str, float]] | None:
    """The mean loss on held-out samples; the flow's draws are the same every time."""
    if request.held_out is None:
        return None
    if not options.evaluate_every:
        raise EngineError("Held-out samples are given, but not how often to look at them.")
    examples = Examples(read_samples(request.held_out), read)
    return lambda network: {"loss": held_out_loss(network, examples, options)}


@torch.no_grad()
def held_out_loss(network: Any, examples: Sequence[Any], options: TrainOptions) -> float:
    """The mean loss of ``examples``, one at a time."""
    from polydub.engines.dubbing.funcineforge.losses import flow_loss, lm_loss

    generator = torch.Generator().manual_seed(options.seed)
    found = [
        float(lm_loss(network, [one], options.lm)["loss"])
        if options.part == "llm"
        else float(flow_loss(network, [one], generator, options.flow))
        for one in examples
    ]
    return sum(found) / len(found)
