"""Tiny lip networks with random weights, saved under the names of the published files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from polydub.engines.lips.neural.renderer import NeuralOptions
from polydub.engines.protocols import LipRenderer

NETWORKS = ("latentsync", "latentsync-1.5", "musetalk", "wav2lip")
WIDTHS = (32, 32, 32, 32)
EARS = 64
SIDE = 64
"""Pixels of the diffusion networks' crops: the least that can be halved so often."""

ANYTHING = NeuralOptions(max_residual=1e9)
"""What random weights draw fits nowhere: the check for it has tests of its own."""


def fill(network: Any, seed: int = 0) -> dict[str, Any]:
    """``network`` with random weights that no version of torch changes; its tensors by name.

    Layers keep the size of what goes through them, so that every input counts at the output.
    """
    import torch

    random = np.random.default_rng(seed)
    for name, value in sorted(network.state_dict().items()):
        if not value.is_floating_point() or name.endswith((".pe", "running_var")):
            continue
        drawn = random.standard_normal(tuple(value.shape))
        if value.ndim > 1 and name.endswith("weight"):
            drawn *= 1.4 / np.sqrt(np.prod(value.shape[1:]))
        else:
            drawn = 0.1 * drawn + (1.0 if name.endswith("weight") else 0.0)
        value.copy_(torch.from_numpy(drawn))
    found: dict[str, Any] = network.state_dict()
    return found


def write_whisper(path: Path, seed: int = 3) -> Path:
    """An encoder of two layers under the hub's names."""
    import torch

    from polydub.engines.lips.neural.whisper_encoder import _FROM_HUB, WhisperEncoder

    path.parent.mkdir(parents=True, exist_ok=True)
    named = {}
    for name, value in fill(WhisperEncoder(EARS, 2), seed).items():
        for theirs, ours in reversed(_FROM_HUB):
            name = name.replace(ours, theirs)
        named[f"model.encoder.{name}"] = value.clone()
    named["model.decoder.layer_norm.weight"] = torch.ones(4)
    named["proj_out.weight"] = torch.ones(2, 4)
    torch.save(named, path)
    return path


def write_autoencoder(path: Path, seed: int = 2) -> Path:
    """A narrow autoencoder, attention named as in the published file."""
    import torch

    from polydub.engines.lips.neural.autoencoder import _OLD_NAMES, Autoencoder

    path.parent.mkdir(parents=True, exist_ok=True)
    old = {new: old for old, new in _OLD_NAMES.items()}
    named = {}
    for name, value in fill(Autoencoder(WIDTHS), seed).items():
        for new, before in old.items():
            name = name.replace(f"attentions.0.{new}.", f"attentions.0.{before}.")
        named[name] = value.clone()
    torch.save(named, path)
    return path


def write_unet(path: Path, *, inside: int, motion: bool, seed: int = 1) -> Path:
    """A narrow U-Net; LatentSync's lies in a table with a step count."""
    import torch

    from polydub.engines.lips.neural.unet import UNet, UNetSizes

    path.parent.mkdir(parents=True, exist_ok=True)
    network = UNet(UNetSizes(WIDTHS, inside=inside, context=EARS, motion=motion))
    tensors = {name: value.clone() for name, value in fill(network, seed).items()}
    torch.save({"global_step": 7, "state_dict": tensors} if motion else tensors, path)
    return path


def write_mask(path: Path, side: int = 256) -> Path:
    """A mask that hides the lower middle of the face."""
    mask = np.full((side, side, 3), 255, np.uint8)
    mask[side // 2 : side - side // 16, side // 8 : side - side // 8] = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), mask)
    return path


def write_wav2lip(path: Path, base: int = 1) -> Path:
    """Wav2Lip at a sixteenth of its width, as its training saves it on several GPUs."""
    import torch

    from polydub.engines.lips.neural.wav2lip_network import Wav2LipNetwork

    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = fill(Wav2LipNetwork(base))
    state = {f"module.{name}": value.clone() for name, value in tensors.items()}
    torch.save({"state_dict": state, "optimizer": None, "global_step": 7, "global_epoch": 1}, path)
    return path


def build(name: str, folder: Path, options: NeuralOptions = ANYTHING) -> LipRenderer:
    """The engine ``lips=NAME`` with random weights in ``folder``. Skips without torch."""
    pytest.importorskip("torch", reason="needs the extra `speech`")
    from polydub.engines.lips.neural import latentsync, musetalk, wav2lip
    from polydub.engines.lips.neural.running import Running

    running = Running(device="cpu")
    if name == "wav2lip":
        path = write_wav2lip(folder / "wav2lip_gan.pth")
        return wav2lip.Wav2Lip(weights=path, running=running, options=options)
    vae = write_autoencoder(folder / "diffusion_pytorch_model.bin")
    whisper = write_whisper(folder / "pytorch_model.bin")
    if name == "musetalk":
        unet = write_unet(folder / "musetalkV15" / "unet.pth", inside=8, motion=False)
        return musetalk.MuseTalk(
            unet=unet, vae=vae, whisper=whisper, side=SIDE, running=running, options=options
        )
    unet = write_unet(folder / "latentsync_unet.pt", inside=13, motion=True)
    files = latentsync.LatentSyncFiles(unet, vae, whisper, write_mask(folder / "mask.png"))
    chosen = latentsync.LatentSyncOptions(steps=1, side=SIDE, rendering=options)
    engine = latentsync.LatentSync if name == "latentsync" else latentsync.LatentSync15
    return engine(files=files, running=running, options=chosen)
