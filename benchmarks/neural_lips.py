"""Times the lip networks at full size on random weights: what a frame costs, whatever it shows.

    python benchmarks/neural_lips.py [--engine wav2lip ...] [--device cpu] [--precision auto]

Writes files as large as the published ones into a temporary folder (up to 6 GB), loads them as the
engines do, and redraws a few frames at once. A step of diffusion costs the same at any time, so of
LatentSync's 20 steps one is run. Columns: seconds to load; seconds (wall and processor) per frame
and, for LatentSync, per frame with all 20 steps; megabytes held by the process at its highest.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import torch

from polydub.engines.lips.neural.autoencoder import Autoencoder
from polydub.engines.lips.neural.latentsync import LatentSyncMouths, LatentSyncOptions
from polydub.engines.lips.neural.musetalk import MuseTalkMouths
from polydub.engines.lips.neural.network import RATE, MouthNetwork, Sound
from polydub.engines.lips.neural.running import Running
from polydub.engines.lips.neural.unet import UNet, UNetSizes
from polydub.engines.lips.neural.wav2lip import Wav2LipMouths
from polydub.engines.lips.neural.wav2lip_network import Wav2LipNetwork
from polydub.engines.lips.neural.whisper_encoder import WhisperEncoder

STEPS = 20
FRAMES = {"wav2lip": 16}
"""Drawn at once; one of the others, which take half a minute each without a GPU."""


def write(path: Path, make: Callable[[], torch.nn.Module], prefix: str = "") -> Path:
    """A network's tensors with small random values in half precision."""
    with torch.device("meta"):
        shapes = make().state_dict()
    chance = torch.Generator().manual_seed(0)
    tensors = {}
    for name, value in shapes.items():
        if not value.is_floating_point():
            tensors[prefix + name] = torch.zeros(value.shape, dtype=value.dtype)
            continue
        drawn = torch.empty(value.shape, dtype=torch.float16)
        drawn.uniform_(-0.02, 0.02, generator=chance)
        tensors[prefix + name] = drawn.abs_() if name.endswith("running_var") else drawn
    torch.save(tensors, path)
    return path


def network(name: str, folder: Path, running: Running) -> Any:
    """The engine's network, loaded from files of its full size."""
    if name == "wav2lip":
        return Wav2LipMouths(write(folder / "wav2lip.pth", Wav2LipNetwork), running)
    vae = write(folder / "vae.bin", Autoencoder)
    ears = write(folder / "whisper.bin", WhisperEncoder, "encoder.")
    if name == "musetalk":
        unet = write(folder / "unet.pth", lambda: UNet(UNetSizes()))
        return MuseTalkMouths(unet, vae, ears, running)
    unet = write(folder / "unet.pt", lambda: UNet(UNetSizes(inside=13, motion=True)))
    mask = np.full((256, 256, 3), 255, np.uint8)
    mask[110:240, 40:216] = 0
    cv2.imwrite(str(folder / "mask.png"), mask)
    side = 512 if name == "latentsync" else 256
    options = LatentSyncOptions(steps=1)
    return LatentSyncMouths((unet, vae, ears, folder / "mask.png"), side, running, options)


def timed(net: MouthNetwork, frames: int) -> tuple[float, float]:
    """Wall and processor seconds per frame."""
    chance = np.random.default_rng(0)
    side = net.framing.size
    crops = chance.integers(0, 256, (frames, side, side, 3)).astype(np.uint8)
    sound = Sound((0.1 * chance.standard_normal(4 * RATE)).astype(np.float32), 0.0)
    heard = net.listen(sound, 1 + np.arange(frames) / 25)
    before = time.perf_counter(), time.process_time()
    net.redraw(crops, heard)
    after = time.perf_counter(), time.process_time()
    return (after[0] - before[0]) / frames, (after[1] - before[1]) / frames


def one_step(net: LatentSyncMouths, frames: int) -> tuple[float, float]:
    """Wall and processor seconds per frame that one step of diffusion takes."""
    small = net.framing.size // 8
    latents = torch.zeros((frames, 4, small, small)).to(*net._place)
    heard = torch.zeros((frames, 50, 384)).to(*net._place)
    before = time.perf_counter(), time.process_time()
    with torch.inference_mode():
        net._sampled((latents, latents), heard)
    after = time.perf_counter(), time.process_time()
    return (after[0] - before[0]) / frames, (after[1] - before[1]) / frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = ("wav2lip", "musetalk", "latentsync-1.5", "latentsync")
    parser.add_argument("--engine", nargs="*", choices=names, default=names)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    told = parser.parse_args()
    print("| engine | load | wall s per frame | processor s per frame | peak MB |")
    print("|---|---|---|---|---|")
    for name in told.engine:
        with TemporaryDirectory() as folder:
            began = time.perf_counter()
            net = network(name, Path(folder), Running(told.device, told.precision))
            loaded = time.perf_counter() - began
            frames = FRAMES.get(name, 1)
            wall, busy = timed(net, frames)
            if isinstance(net, LatentSyncMouths):
                step = one_step(net, frames)
                wall, busy = wall + (STEPS - 1) * step[0], busy + (STEPS - 1) * step[1]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"| {name} | {loaded:.0f} | {wall:.2f} | {busy:.2f} | {peak:.0f} |", flush=True)
        del net


if __name__ == "__main__":
    main()
