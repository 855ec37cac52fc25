"""LatentSync 1.5 and 1.6 (Li et al. 2024): latent diffusion over 16 frames, at 256 or 512 pixels.

The same network in both versions; 1.6 was trained on larger faces, against blur. It redraws what a
fixed mask hides, a picture that comes with its authors' code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from polydub.engines.lips.geometry import Floats
from polydub.engines.lips.neural.checkpoint import fill, mark, read_tensors, unfit
from polydub.engines.lips.neural.diffusion import Schedule
from polydub.engines.lips.neural.framing import BrowsAndNose
from polydub.engines.lips.neural.listeners import Ears, Eyes
from polydub.engines.lips.neural.network import RATE, Crops, Sound
from polydub.engines.lips.neural.renderer import NeuralOptions, NeuralRenderer
from polydub.engines.lips.neural.running import Running, failures_of
from polydub.engines.protocols import Capabilities, FrameReader, LipOutcome, LipSpan
from polydub.engines.weights import find
from polydub.model import FaceTrack, Shot, Waveform

NAME = "LatentSync"
_INSIDE = 13  # channels: noisy latents 4, mask 1, hidden picture 4, whole picture 4
_SHARE = 8  # pixels of a latent's side


@dataclass(frozen=True, slots=True)
class LatentSyncFiles:
    """Paths of the U-Net, the autoencoder, Whisper tiny and ``mask.png``; ``None`` looks for them
    as :func:`polydub.engines.weights.find` does."""

    unet: Path | None = None
    vae: Path | None = None
    whisper: Path | None = None
    mask: Path | None = None


@dataclass(frozen=True, slots=True)
class LatentSyncOptions:
    """``steps`` of diffusion and ``guidance`` towards the sound (1: none), both as published.

    ``overlap`` are the frames that two windows of 16 share, cross-faded, where the authors have
    none. ``seed`` makes the one noise that all frames start from. ``side`` are the
    pixels of a crop, ``None``: those of the version's training.
    """

    steps: int = 20
    guidance: float = 1.5
    overlap: int = 4
    seed: int = 1247
    side: int | None = None
    rendering: NeuralOptions = field(default_factory=NeuralOptions)


class LatentSyncMouths:
    """The network behind the engines; see :class:`MouthNetwork`.

    Raises ``EngineError`` DUB-E205 when a file holds something else.
    """

    clock = 25
    window = 16

    def __init__(
        self, paths: Sequence[Path], side: int, running: Running, options: LatentSyncOptions
    ) -> None:
        import torch

        from polydub.engines.lips.neural.unet import UNet, UNetSizes

        unet, vae, whisper, mask = paths
        self._torch, self._options = torch, options
        self.framing, self.overlap = BrowsAndNose(side), options.overlap
        self._place = running.place(torch)
        state = read_tensors(torch, unet, inside=("state_dict",))
        with torch.device("meta"):
            self._unet = UNet(UNetSizes.of(state, unet, inside=_INSIDE, motion=True))
        fill(self._unet, state, unet)
        self._unet.eval().to(*self._place)
        self._eyes = Eyes(torch, vae, self._place)
        self._ears = Ears(torch, whisper, self._place, finished=False)
        self._schedule = Schedule.of(options.steps)
        self._mask = torch.from_numpy(_mask(mask, side)).to(*self._place)[None, None]
        small = (side // _SHARE, side // _SHARE)
        self._small = torch.nn.functional.interpolate(self._mask, size=small)
        chance = torch.Generator().manual_seed(options.seed)
        noise = torch.randn((1, 4, *small), generator=chance)
        self._noise = noise.to(self._place[0], torch.float32)

    def listen(self, sound: Sound, times: Floats) -> Any:
        """0.2 s of Whisper around each moment, all layers."""
        with failures_of(self._torch, NAME):
            return self._ears.rows(sound, times, silence=False)

    def redraw(self, crops: Crops, heard: Any) -> Crops:
        """``crops`` with what the mask hides made anew."""
        with failures_of(self._torch, NAME):
            whole = self._eyes.pictures(crops)
            seen = self._eyes.encode(self._torch.cat([whole * self._mask, whole]))
            made = self._eyes.decode(self._sampled(seen.chunk(2), heard))
            return self._eyes.crops(made * (1 - self._mask) + whole * self._mask, NAME)

    def _sampled(self, seen: Sequence[Any], heard: Any) -> Any:
        """Latents of the new pictures from those of the hidden and the whole ones."""
        torch, kind = self._torch, self._place[1]
        hidden, whole = seen
        count = len(whole)
        fixed = torch.cat([self._small.expand(count, -1, -1, -1), hidden, whole], dim=1)
        guided = self._options.guidance > 1
        context = torch.cat([torch.zeros_like(heard), heard]) if guided else heard
        latents = self._noise.repeat(count, 1, 1, 1)
        for number, step in enumerate(self._schedule.steps):
            given = torch.cat([latents.to(kind), fixed], dim=1)
            noise = self._unet(
                torch.cat([given, given]) if guided else given, step, context, count
            ).float()
            if guided:
                deaf, hearing = noise.chunk(2)
                noise = deaf + self._options.guidance * (hearing - deaf)
            latents = self._schedule.cleaner(latents, noise, number)
        return latents


def _mask(path: Path, size: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """``[size, size]``: 1 where the picture stays, 0 where it is made anew."""
    import cv2

    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise unfit(path, "it is not a picture")
    if picture.shape[:2] != (size, size):
        picture = cv2.resize(picture, (size, size), interpolation=cv2.INTER_LANCZOS4)
    mask = picture[..., 2].astype(np.float32) / 255  # grey: all channels are alike
    hidden = float((mask < 0.5).mean())
    if not 0.02 < hidden < 0.9:
        raise unfit(path, f"it hides {100 * hidden:.0f} % of a face")
    return np.asarray(mask, np.float32)


class LatentSync:
    """Renders new speech onto a face with LatentSync 1.6; see :class:`LipRenderer`.

    Raises ``EngineError`` DUB-E204 when a file is missing, DUB-E205 when one cannot be used.
    """

    capabilities = Capabilities(
        kind="lips",
        name="latentsync",
        version="1",
        summary="LatentSync 1.6, 512 pixels: diffusion over 16 frames; wants a large GPU (18 GB)",
        code_licence="Apache-2.0",
        weights_licence="OpenRAIL++ (autoencoder, Whisper: MIT)",
        rate=RATE,
        gpu=True,
        requires=("torch", "cv2"),
        weights=("latentsync-1.6", "sd-vae-ft-mse", "whisper-tiny", "latentsync-mask"),
        extra="offline",
    )
    side = 512

    def __init__(
        self,
        *,
        files: LatentSyncFiles | None = None,
        running: Running | None = None,
        options: LatentSyncOptions | None = None,
    ) -> None:
        told = files or LatentSyncFiles()
        given = zip(
            self.capabilities.weights, (told.unet, told.vae, told.whisper, told.mask), strict=True
        )
        paths = [find(name, path=path).path for name, path in given]
        self._options = options or LatentSyncOptions()
        side = self._options.side or self.side
        self._network = LatentSyncMouths(paths, side, running or Running(), self._options)

    @classmethod
    def variant(cls) -> str:
        """What its output depends on besides the version: which weights were found."""
        return mark(cls.capabilities.weights)

    def render(
        self,
        spans: Sequence[LipSpan],
        tracks: Sequence[FaceTrack],
        shots: Sequence[Shot],
        read: FrameReader,
        frame_time: Callable[[int], Fraction],
        *,
        audio: Waveform,
    ) -> Iterator[LipOutcome]:
        """One outcome per span, in the given order; a span that cannot be done has no patches."""
        rendering = self._options.rendering
        renderer = NeuralRenderer(spans, tracks, shots, self._network, rendering)
        yield from renderer.render(read, frame_time, audio)


class LatentSync15(LatentSync):
    """The same at 256 pixels, with the weights of version 1.5."""

    capabilities = Capabilities(
        kind="lips",
        name="latentsync-1.5",
        version="1",
        summary="LatentSync 1.5, 256 pixels: diffusion over 16 frames; wants a GPU (8 GB)",
        code_licence="Apache-2.0",
        weights_licence="OpenRAIL++ (autoencoder, Whisper: MIT)",
        rate=RATE,
        gpu=True,
        requires=("torch", "cv2"),
        weights=("latentsync-1.5", "sd-vae-ft-mse", "whisper-tiny", "latentsync-mask"),
        extra="offline",
    )
    side = 256
