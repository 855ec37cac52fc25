"""Trains the language model or the flow, from a checkpoint or from nothing.

What is written is a checkpoint in the public layout that the engine loads, beside the state that a
stopped run goes on from. The log is JSON, one object a line.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from polydub.engines.dubbing.funcineforge.checkpoint import MODEL
from polydub.engines.dubbing.funcineforge.config import ModelConfig, plain
from polydub.engines.dubbing.funcineforge.device import room_on_device
from polydub.engines.dubbing.funcineforge.losses import (
    FlowExample,
    FlowLossOptions,
    LmExample,
    LmLossOptions,
    flow_loss,
    lm_loss,
)
from polydub.errors import EngineError

Part = Literal["llm", "flow"]
Examples = Sequence[LmExample] | Sequence[FlowExample]
"""Read when they are wanted: a sequence need not hold them all."""
Watch = Callable[[dict[str, float]], None]


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How long and how fast.

    ``rate`` is the released configuration's (AdamW, 8e-5); the rest of its schedule is not known.
    ``batch`` clips make a step's part, ``accumulate`` parts a step. ``warmup`` steps raise the rate
    from zero; it then stays. ``clip`` bounds the gradient's norm. ``save_every`` and
    ``evaluate_every`` count steps (0 = at the end only, never). ``bf16`` computes in bfloat16 and
    keeps weights in float32.
    """

    part: Part = "llm"
    steps: int = 1000
    batch: int = 1
    accumulate: int = 1
    rate: float = 8e-5
    warmup: int = 100
    decay: float = 0.01
    clip: float = 1.0
    bf16: bool = False
    seed: int = 0
    save_every: int = 0
    evaluate_every: int = 0
    lm: LmLossOptions = field(default_factory=LmLossOptions)
    flow: FlowLossOptions = field(default_factory=FlowLossOptions)


class Trainer:
    """Trains one network on examples; ``folder`` gets checkpoints and ``log.jsonl``.

    ``evaluate`` is called with the network now and then; what it returns is logged as ``eval_*``.
    """

    def __init__(
        self,
        network: Any,
        config: ModelConfig,
        folder: Path,
        options: TrainOptions,
        *,
        evaluate: Callable[[Any], Mapping[str, float]] | None = None,
    ) -> None:
        self.network, self.config, self.folder = network, config, folder
        self.options = options
        self.step = 0
        self._evaluate = evaluate
        self._generator = torch.Generator().manual_seed(options.seed)
        self._optimizer = torch.optim.AdamW(
            network.parameters(),
            lr=options.rate,
            weight_decay=options.decay,
            fused=self._device.type == "cuda",
        )
        if self._state.is_file():
            self._resume()

    @property
    def _state(self) -> Path:
        return self.folder / f"{self.options.part}.state.pt"

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    def run(self, examples: Examples, watch: Watch | None = None) -> dict[str, float]:
        """Train up to ``options.steps``; returns the last step's figures.

        Raises ``EngineError`` when a loss is not finite or there is nothing to learn from.
        """
        if not examples:
            raise EngineError("There are no samples to train with.")
        self.folder.mkdir(parents=True, exist_ok=True)
        batches = self.batches(examples)
        figures: dict[str, float] = {}
        while self.step < self.options.steps:
            with room_on_device("A smaller --batch with more --accumulate needs less, --bf16 too."):
                figures = self.one_step(batches)
            self.step += 1
            if self._due(self.options.evaluate_every) and self._evaluate is not None:
                self.network.eval()
                told = self._evaluate(self.network)
                figures |= {f"eval_{name}": float(value) for name, value in told.items()}
            self._log(figures, watch)
            if self._due(self.options.save_every):
                self.save()
        self.network.eval()
        self.save()
        return figures

    def save(self) -> None:
        """Write the network in the public layout, its sizes, and what a later run goes on from."""
        from safetensors.torch import save_file

        target = self.folder / MODEL / self.options.part / "model.safetensors"
        target.parent.mkdir(parents=True, exist_ok=True)
        weights = {name: x.detach().cpu() for name, x in self.network.state_dict().items()}
        fresh = target.with_suffix(".new")
        save_file({name: value.contiguous() for name, value in weights.items()}, fresh)
        fresh.replace(target)
        sizes = json.dumps(plain(self.config), indent=2)
        (self.folder / MODEL / "polydub.json").write_text(sizes, encoding="utf-8")
        state = {
            "step": self.step,
            "network": weights,
            "optimizer": self._optimizer.state_dict(),
            "generator": self._generator.get_state(),
            "dropout": torch.get_rng_state(),
        }
        if self._device.type == "cuda":
            state["dropout_cuda"] = torch.cuda.get_rng_state(self._device)
        fresh = self._state.with_suffix(".new")
        torch.save(state, fresh)
        fresh.replace(self._state)

    def _resume(self) -> None:
        state = torch.load(self._state, map_location="cpu", weights_only=True)
        self.network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._generator.set_state(state["generator"])
        if "dropout" in state:
            torch.set_rng_state(state["dropout"])
        if self._device.type == "cuda" and "dropout_cuda" in state:
            torch.cuda.set_rng_state(state["dropout_cuda"], self._device)
        self.step = int(state["step"])

    def _due(self, every: int) -> bool:
        return bool(every) and self.step % every == 0

    def batches(self, examples: Examples) -> Iterator[Sequence[Any]]:
        """Batches without end from this step on, in an order drawn anew in every round.

        The order depends on seed and round alone: a run that goes on sees what it would have seen.
        """
        size = self.options.batch
        a_round = math.ceil(len(examples) / size)
        number = self.step * self.options.accumulate
        while True:
            round_, place = divmod(number, a_round)
            # only the lower 32 bits of a seed count
            generator = torch.Generator().manual_seed(self.options.seed + 1_000_003 * round_)
            order = torch.randperm(len(examples), generator=generator).tolist()
            for first in range(place * size, len(order), size):
                yield [examples[place] for place in order[first : first + size]]
                number += 1

    def one_step(self, batches: Iterator[Sequence[Any]]) -> dict[str, float]:
        """Learn from the next of ``batches``; returns losses, rate and the gradient's norm.

        Raises ``EngineError`` when a loss is not finite.
        """
        options = self.options
        self.network.train()
        rate = options.rate * min(1.0, (self.step + 1) / max(1, options.warmup))
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        sums: dict[str, float] = {}
        for _ in range(options.accumulate):
            losses = self._losses(next(batches))
            if not math.isfinite(float(losses["loss"].detach())):
                raise EngineError(
                    f"The loss is {float(losses['loss'].detach())} at step {self.step + 1}.",
                    hint="Lower the rate, or look at the samples.",
                )
            (losses["loss"] / options.accumulate).backward()
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + float(value.detach()) / options.accumulate
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), options.clip)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return {**sums, "rate": rate, "gradient": float(norm)}

    def _losses(self, batch: Sequence[Any]) -> dict[str, Tensor]:
        half = torch.autocast(self._device.type, torch.bfloat16)
        with half if self.options.bf16 else nullcontext():
            if self.options.part == "llm":
                return lm_loss(self.network, batch, self.options.lm)
            return {"loss": flow_loss(self.network, batch, self._generator, self.options.flow)}

    def _log(self, figures: dict[str, float], watch: Watch | None) -> None:
        row = {"step": float(self.step), **figures}
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps({name: round(value, 6) for name, value in row.items()}) + "\n")
        if watch is not None:
            watch(row)
