"""Speed and memory of Fun-CineForge at the release's sizes, with random weights.

    python benchmarks/funcineforge.py [--dtype float32] [--device cpu] [--threads 1] [--tokens 50]
    python benchmarks/funcineforge.py --device cuda --dtype bfloat16 --tokens 250 --compiled
    python benchmarks/funcineforge.py --device cuda --train llm --dtype bfloat16 --rows 8

Prints one JSON object: tokens a second with the key/value cache and in a plain run that reads
everything again for each token (same process, same prompt, same tokens), real-time factors of flow
and vocoder, time of a batch, peak memory; with ``--train`` seconds of a training step. On a CPU
seconds are processor time, which a busy machine does not change much. Random weights take as long
as real ones; what they say is noise.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from polydub.engines.dubbing.funcineforge.config import LmDecoding, ModelConfig
from polydub.engines.dubbing.funcineforge.device import room_on_device
from polydub.engines.dubbing.funcineforge.flow import Flow
from polydub.engines.dubbing.funcineforge.lm import Plan, SpeechLm
from polydub.engines.dubbing.funcineforge.losses import FlowExample, LmExample
from polydub.engines.dubbing.funcineforge.sequence import Faces, TurnTag, build_prompt
from polydub.engines.dubbing.funcineforge.training import Trainer, TrainOptions
from polydub.engines.dubbing.funcineforge.vocoder import Vocoder

TEXT = 68
"""Tokens of clue and text: those of a monologue of 5.7 s in the model's demo data."""


def networks(device: str, dtype: torch.dtype) -> tuple[SpeechLm, Flow, Vocoder]:
    """Full-size networks; weights are small random numbers."""
    config = ModelConfig()
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            lm, flow = SpeechLm(config.lm).eval(), Flow(config.flow).eval()
    finally:
        torch.set_default_dtype(before)
    vocoder = Vocoder(config.vocoder).to(device).eval()
    vocoder.keep_phase_on_cpu()
    return lm, flow, vocoder


def prompt(frames: int) -> Any:
    random = np.random.default_rng(0)
    faces = Faces(
        random.standard_normal((frames // 5, 512)).astype(np.float32) * 20,
        np.arange(0, frames // 5 * 5, 5),
    )
    return build_prompt(
        random.integers(0, 151_000, TEXT).tolist(),
        scene="独白",
        turns=(TurnTag(0.0, frames / 25, 1, "male", "adult"),),
        faces=faces,
        length=frames,
    )


def timed(device: str, work: Callable[[], Any]) -> float:
    """Seconds of ``work``: of the clock on a GPU, of the processor (over its threads) on a CPU."""
    if device != "cuda":
        begun = time.process_time()
        work()
        return (time.process_time() - begun) / int(torch.get_num_threads())
    torch.cuda.synchronize()
    begun = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - begun


def peak_gib(device: str) -> dict[str, float]:
    found = {"peak_rss_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}
    if device == "cuda":
        found["peak_gpu_gib"] = torch.cuda.max_memory_allocated() / 2**30
    return found


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one configuration."""
    device, seconds = options.device, options.tokens / 25
    lm, flow, vocoder = networks(device, getattr(torch, options.dtype))
    asked = prompt(options.tokens)

    def write(count: int, *, rows: int = 1, cache: bool = True) -> float:
        own = LmDecoding(sampling=False, cache=cache)
        plans = [Plan(length=count)] * rows
        return timed(device, lambda: lm.tokens([asked] * rows, own, plans=plans))

    write(2)  # first calls allocate
    prefill = write(1)
    cached = (write(options.tokens) - prefill) / (options.tokens - 1)
    plain = (write(options.plain, cache=False) - write(1, cache=False)) / (options.plain - 1)
    rows = options.rows
    many = (write(options.tokens, rows=rows) - write(1, rows=rows)) / (options.tokens - 1) / rows
    said = [(37 * n) % 6561 for n in range(options.tokens)]
    speaker = flow.speaker(torch.ones(192, device=device))
    mels: list[Any] = []
    if options.compiled:
        flow.dit_model.compile(dynamic=True)
    vocoder.sound(*flow.mels([said[:6]], [speaker]))  # first calls choose kernels and compile
    flow_s = timed(device, lambda: mels.extend(flow.mels([said], [speaker])))
    sound_s = timed(device, lambda: vocoder.sound(mels[0]))
    return {
        **vars(options),
        "torch": torch.__version__,
        "prompt": asked.length,
        "prefill_s": prefill,
        "tokens_per_s": 1 / cached,
        "tokens_per_s_batch": 1 / many,
        "tokens_per_s_plain": 1 / plain,
        "faster_than_plain": plain / cached,
        "rtf_lm": (prefill + cached * (options.tokens - 1)) / seconds,
        "rtf_flow": flow_s / seconds,
        "rtf_vocoder": sound_s / seconds,
        **peak_gib(device),
    }


def measure_training(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds and memory of a training step of one network."""
    device, frames = options.device, options.tokens
    half = options.dtype == "bfloat16"
    config = ModelConfig()
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    tokens = torch.from_numpy(random.integers(0, 6561, frames))
    with torch.device(device):
        network: Any = SpeechLm(config.lm) if options.train == "llm" else Flow(config.flow)
    example: Any = LmExample(prompt(frames), tokens)
    if options.train == "flow":
        example = FlowExample(tokens, torch.randn(2 * frames, 80), torch.ones(192))
    chosen = TrainOptions(part=options.train, batch=options.rows, warmup=1, bf16=half)
    trainer = Trainer(network, config, Path(), chosen)
    batches = trainer.batches([example] * options.rows)
    trainer.one_step(batches)  # allocates the optimizer's state
    steps = [timed(device, lambda: trainer.one_step(batches)) for _ in range(options.steps)]
    return {
        **vars(options),
        "torch": torch.__version__,
        "parameters": sum(p.numel() for p in network.parameters()),
        "step_s": float(np.median(steps)),
        "speech_s_per_s": options.rows * frames / 25 / float(np.median(steps)),
        **peak_gib(device),
    }


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16", "float16"))
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=50, help="tokens of 40 ms that are written")
    parser.add_argument("--rows", type=int, default=2, help="clips of a batch")
    parser.add_argument("--compiled", action="store_true", help="the flow by torch.compile")
    parser.add_argument(
        "--train", default="", choices=("", "llm", "flow"), help="time its training"
    )
    parser.add_argument("--steps", type=int, default=3, help="training steps that are timed")
    parser.add_argument("--plain", type=int, default=4, help="tokens of the run without a cache")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with room_on_device("Take fewer --rows or --tokens, or --dtype bfloat16."):
        found = measure_training(options) if options.train else measure(options)
    print(json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in found.items()}))


if __name__ == "__main__":
    main()
