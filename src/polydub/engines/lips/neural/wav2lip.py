"""Wav2Lip (Prajwal et al. 2020) with weights from the user's disk: 96 pixels, every frame at once.

The oldest of the lip networks, fast without a GPU, and blurred on faces larger than its crop. Its
weights may not be used commercially: they were trained on LRS2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from polydub.engines.lips.geometry import Floats
from polydub.engines.lips.neural.checkpoint import fill, mark, read_tensors, width
from polydub.engines.lips.neural.framing import FaceBox
from polydub.engines.lips.neural.network import RATE, Crops, Sound
from polydub.engines.lips.neural.renderer import NeuralOptions, NeuralRenderer
from polydub.engines.lips.neural.running import Running, failures_of, to_pictures
from polydub.engines.lips.neural.spectra import WAV2LIP_HOP, wav2lip_mel
from polydub.engines.protocols import Capabilities, FrameReader, LipOutcome, LipSpan
from polydub.engines.weights import find
from polydub.model import FaceTrack, Shot, Waveform

NAME = "Wav2Lip"


class Wav2LipMouths:
    """The network behind :class:`Wav2Lip`; see :class:`MouthNetwork`.

    Raises ``EngineError`` DUB-E205 when ``path`` holds other weights.
    """

    clock = None
    window = 16
    overlap = 0

    def __init__(self, path: Path, running: Running) -> None:
        import torch

        from polydub.engines.lips.neural import wav2lip_network as network

        self._torch = torch
        self._steps = network.STEPS
        self.framing = FaceBox(network.SIDE)
        self._device, self._kind = running.place(torch)
        state = read_tensors(torch, path, inside=("state_dict",))
        base = width(state, "face_encoder_blocks.0.0.conv_block.0.weight", path)
        with torch.device("meta"):
            self._network = network.Wav2LipNetwork(base)
        fill(self._network, state, path)
        self._network.eval().to(self._device, self._kind)

    def listen(self, sound: Sound, times: Floats) -> Any:
        """Mel spectra ``[n, 80, 16]``: the 0.2 s that begin with each picture, as published."""
        mel = wav2lip_mel(sound.samples)
        if mel.shape[1] < self._steps:
            mel = np.pad(mel, ((0, 0), (0, self._steps - mel.shape[1])), mode="edge")
        # a millionth keeps times that fall on a step on it
        starts = np.floor((times - sound.start) * RATE / WAV2LIP_HOP + 1e-6).astype(int)
        starts = np.clip(starts, 0, mel.shape[1] - self._steps)
        return np.stack([mel[:, start : start + self._steps] for start in starts])

    def redraw(self, crops: Crops, heard: Any) -> Crops:
        """The lower half of ``crops`` made anew; the whole ones show what the person looks like."""
        torch = self._torch
        with failures_of(torch, NAME):
            faces = torch.from_numpy(np.ascontiguousarray(crops[..., ::-1].transpose(0, 3, 1, 2)))
            faces = faces.to(self._device, self._kind) / 255
            hidden = faces.clone()
            hidden[:, :, faces.shape[2] // 2 :] = 0
            mel = torch.from_numpy(np.asarray(heard)[:, None]).to(self._device, self._kind)
            made = self._network(mel, torch.cat([hidden, faces], dim=1))
            return to_pictures(torch, made.float().flip(1), NAME)


class Wav2Lip:
    """Renders new speech onto a face with Wav2Lip; see :class:`LipRenderer`.

    ``weights`` (or ``$POLYDUB_WEIGHT_WAV2LIP``) is one of its authors' files: ``wav2lip_gan.pth``,
    ``wav2lip.pth``, ``Wav2Lip-SD-GAN.pt``, ``Wav2Lip-SD-NOGAN.pt``. Raises ``EngineError`` DUB-E204
    when it is missing, DUB-E205 when it cannot be used.
    """

    capabilities = Capabilities(
        kind="lips",
        name="wav2lip",
        version="1",
        summary="Wav2Lip, 96 pixels: fast, blurred on large faces; your own copy of its weights",
        code_licence="Apache-2.0",
        weights_licence="non-commercial (NC): trained on LRS2",
        rate=RATE,
        gpu=True,
        requires=("torch", "cv2"),
        weights=("wav2lip",),
        extra="offline",
    )

    def __init__(
        self,
        *,
        weights: str | Path | None = None,
        running: Running | None = None,
        options: NeuralOptions | None = None,
    ) -> None:
        path = find("wav2lip", path=Path(weights).expanduser() if weights else None).path
        self._network = Wav2LipMouths(path, running or Running(precision="float32"))
        self._options = options or NeuralOptions()

    @staticmethod
    def variant() -> str:
        """What its output depends on besides the version: which weights were found."""
        return mark(Wav2Lip.capabilities.weights)

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
