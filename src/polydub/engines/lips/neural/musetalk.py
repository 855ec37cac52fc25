"""MuseTalk 1.5 (Zhang et al. 2024): fills in the lower half of a face of 256 pixels in one step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from polydub.engines.lips.geometry import Floats
from polydub.engines.lips.neural.checkpoint import fill, mark, read_tensors
from polydub.engines.lips.neural.framing import NoseCentredBox
from polydub.engines.lips.neural.listeners import Ears, Eyes
from polydub.engines.lips.neural.network import RATE, Crops, Sound
from polydub.engines.lips.neural.renderer import NeuralOptions, NeuralRenderer
from polydub.engines.lips.neural.running import Running, failures_of
from polydub.engines.protocols import Capabilities, FrameReader, LipOutcome, LipSpan
from polydub.engines.weights import find
from polydub.model import FaceTrack, Shot, Waveform

NAME = "MuseTalk"
SIDE = 256


class MuseTalkMouths:
    """The network behind :class:`MuseTalk`; see :class:`MouthNetwork`.

    Every frame is drawn for itself, at its own time. Raises ``EngineError`` DUB-E205 when a file
    holds other weights.
    """

    clock = None
    window = 8
    overlap = 0

    def __init__(
        self, unet: Path, vae: Path, whisper: Path, running: Running, side: int = SIDE
    ) -> None:
        import torch

        from polydub.engines.lips.neural.unet import UNet, UNetSizes
        from polydub.engines.lips.neural.unet_layers import sinusoids

        self._torch = torch
        self.framing = NoseCentredBox(side)
        place = running.place(torch)
        state = read_tensors(torch, unet, inside=("state_dict",))
        with torch.device("meta"):
            self._unet = UNet(UNetSizes.of(state, unet, inside=8, motion=False))
        fill(self._unet, state, unet)
        self._unet.eval().to(*place)
        self._eyes = Eyes(torch, vae, place)
        self._ears = Ears(torch, whisper, place, finished=True)
        self._places = sinusoids(self._ears.width, 1000).to(*place)

    def listen(self, sound: Sound, times: Floats) -> Any:
        """0.2 s of Whisper around each moment, all layers, with its place in the sequence added."""
        with failures_of(self._torch, NAME):
            rows = self._ears.rows(sound, times, silence=True)
            return rows + self._places[: rows.shape[1]]

    def redraw(self, crops: Crops, heard: Any) -> Crops:
        """``crops`` with the lower half made anew."""
        torch = self._torch
        with failures_of(torch, NAME):
            whole = self._eyes.pictures(crops)
            hidden = whole.clone()
            hidden[:, :, whole.shape[2] // 2 :] = -1
            seen = self._eyes.encode(torch.cat([hidden, whole]))
            both = torch.cat(seen.chunk(2), dim=1)
            made = self._eyes.decode(self._unet(both, 0, heard))
            return self._eyes.crops(made, NAME)


class MuseTalk:
    """Renders new speech onto a face with MuseTalk 1.5; see :class:`LipRenderer`.

    ``unet``, ``vae`` and ``whisper`` are files as the hub has them (``musetalkV15/unet.pth``,
    ``diffusion_pytorch_model.bin`` of sd-vae-ft-mse, ``pytorch_model.bin`` of whisper-tiny).
    ``side`` are the pixels of a crop; it was trained at 256. Raises ``EngineError`` DUB-E204 when a
    file is missing, DUB-E205 when one cannot be used.
    """

    capabilities = Capabilities(
        kind="lips",
        name="musetalk",
        version="1",
        summary="MuseTalk 1.5, 256 pixels, one step: fills in the lower half of the face",
        code_licence="Apache-2.0",
        weights_licence="free for any purpose, as its authors' page says "
        "(autoencoder, Whisper: MIT)",
        rate=RATE,
        gpu=True,
        requires=("torch", "cv2"),
        weights=("musetalk-1.5", "sd-vae-ft-mse", "whisper-tiny"),
        extra="offline",
    )

    def __init__(
        self,
        *,
        unet: str | Path | None = None,
        vae: str | Path | None = None,
        whisper: str | Path | None = None,
        side: int = SIDE,
        running: Running | None = None,
        options: NeuralOptions | None = None,
    ) -> None:
        net, eyes, ears = (
            find(name, path=Path(path).expanduser() if path else None).path
            for name, path in zip(self.capabilities.weights, (unet, vae, whisper), strict=True)
        )
        self._network = MuseTalkMouths(net, eyes, ears, running or Running(), side)
        self._options = options or NeuralOptions()

    @staticmethod
    def variant() -> str:
        """What its output depends on besides the version: which weights were found."""
        return mark(MuseTalk.capabilities.weights)

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
        renderer = NeuralRenderer(spans, tracks, shots, self._network, self._options)
        yield from renderer.render(read, frame_time, audio)
