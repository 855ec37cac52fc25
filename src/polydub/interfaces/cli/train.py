"""``polydub train``: commands that teach models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from polydub.errors import InputError
from polydub.interfaces.cli import texts

train_app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")

Samples = Annotated[
    Path, typer.Argument(metavar="SAMPLES", help="JSONL file of samples.", show_default=False)
]
Out = Annotated[
    Path,
    typer.Option("--out", metavar="DIR", help="Where checkpoints and log go.", show_default=False),
]
Start = Annotated[
    Path | None,
    typer.Option("--from", metavar="DIR", help="Checkpoint to start from.", show_default=False),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="JSON with sizes, to start from nothing."),
]
HeldOut = Annotated[
    Path | None,
    typer.Option("--held-out", metavar="FILE", help="Samples on which the loss is only measured."),
]
Part = Annotated[str, typer.Option("--part", metavar="llm|flow", help="Which network to train.")]
Steps = Annotated[int, typer.Option("--steps", help="Steps in all, those of earlier runs too.")]
Batch = Annotated[int, typer.Option("--batch", help="Clips that are computed at once.")]
Accumulate = Annotated[int, typer.Option("--accumulate", help="Batches that make one step.")]
Rate = Annotated[float, typer.Option("--rate", help="Learning rate (AdamW).")]
Warmup = Annotated[int, typer.Option("--warmup", help="Steps until the full rate is reached.")]
Every = Annotated[
    int, typer.Option("--every", help="Steps between checkpoints and looks at held-out samples.")
]
Device = Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda", help="Where to compute.")]
Bf16 = Annotated[bool, typer.Option("--bf16", help="Compute in bfloat16.")]
Activity = Annotated[
    float, typer.Option("--activity", help="Weight of telling silence from speech (llm).")
]
Contrastive = Annotated[
    float, typer.Option("--contrastive", help="Weight of matching faces and speech (llm).")
]
JsonLines = Annotated[bool, typer.Option("--json", help="One JSON object a step on stdout.")]


@train_app.callback()
def group() -> None:
    """Keep ``train`` a group while it has one command."""


@train_app.command(help=texts.TRAIN_FUNCINEFORGE)
def funcineforge(
    samples: Samples,
    out: Out,
    start: Start = None,
    config: ConfigFile = None,
    held_out: HeldOut = None,
    part: Part = "llm",
    steps: Steps = 1000,
    batch: Batch = 1,
    accumulate: Accumulate = 1,
    rate: Rate = 8e-5,
    warmup: Warmup = 100,
    every: Every = 200,
    device: Device = "auto",
    bf16: Bf16 = False,
    activity: Activity = 0.0,
    contrastive: Contrastive = 0.0,
    json_lines: JsonLines = False,
) -> None:
    """Train Fun-CineForge."""
    for name, value in (("--steps", steps), ("--batch", batch), ("--accumulate", accumulate)):
        if value < 1:
            raise InputError(f"{name} must be 1 or more.", code="DUB-E108")
    if part not in ("llm", "flow"):
        raise InputError("--part must be llm or flow.", code="DUB-E108")
    _require_packages()
    from polydub.engines.dubbing.funcineforge.learning import TrainRequest, train
    from polydub.engines.dubbing.funcineforge.losses import LmLossOptions
    from polydub.engines.dubbing.funcineforge.training import TrainOptions

    options = TrainOptions(
        part="llm" if part == "llm" else "flow",
        steps=steps,
        batch=batch,
        accumulate=accumulate,
        rate=rate,
        warmup=warmup,
        bf16=bf16,
        save_every=every,
        evaluate_every=every if held_out else 0,
        lm=LmLossOptions(activity=activity, contrastive=contrastive),
    )
    console = Console(highlight=False)

    def watch(row: dict[str, float]) -> None:
        if json_lines:
            typer.echo(json.dumps(row))
        elif row["step"] % max(1, steps // 20) == 0 or row["step"] in (1, steps):
            told = ", ".join(f"{k} {v:.4g}" for k, v in row.items() if k not in ("step", "rate"))
            console.print(f"step {row['step']:.0f} of {steps}: {told}")

    train(TrainRequest(samples, out, start, config, held_out, device), options, watch)
    if not json_lines:
        console.print(f"[green]✓[/] {out}")
        if start is not None:
            console.print(f"Dub with it: POLYDUB_WEIGHT_FUNCINEFORGE={out}")


def _require_packages() -> None:
    """Raise ``EngineError`` DUB-E202 when the extra is not installed."""
    from polydub.engines import registry
    from polydub.errors import EngineError

    capabilities = registry.engine_class("dubbing", "funcineforge").capabilities
    missing = registry.missing_requirements(capabilities)
    if missing:
        raise EngineError(
            f"Training needs {', '.join(missing)}, which is not installed.",
            hint=f'pip install -c constraints.txt -e ".[{capabilities.extra}]"',
            code="DUB-E202",
        )
