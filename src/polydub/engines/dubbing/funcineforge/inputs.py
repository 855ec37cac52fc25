"""Voices and faces as the model takes them: two ONNX networks of the checkpoint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pictures

from polydub.engines.dubbing.funcineforge.config import TOKENS_PER_SECOND
from polydub.engines.dubbing.funcineforge.sequence import Faces, Floats
from polydub.errors import EngineError
from polydub.media.audio import resample
from polydub.media.fbank import FRAME, RATE, fbank
from polydub.model import Image, Waveform
from polydub.model.scene import SceneFace

FACE_SIZE = 112


class XVectors:
    """CAM++ (``camplus.onnx``): the voice of a recording in 192 numbers."""

    def __init__(self, path: Path) -> None:
        self._session = _session(path)
        self._input = self._session.get_inputs()[0].name

    def of(self, audio: Waveform) -> Floats:
        """X-vector ``[192]`` of all of ``audio``, not normalised.

        Samples in [-1, 1] at 16 kHz, Kaldi features less their mean. Raises ``EngineError`` for
        less than one frame (25 ms) of sound.
        """
        sound = resample(audio.mono(), RATE)
        if len(sound.samples) < FRAME:
            raise EngineError("A reference voice is empty.")
        features = fbank(np.asarray(sound.samples, np.float32))[None]
        return np.asarray(self._session.run(None, {self._input: features})[0][0], np.float32)


class FaceEmbedder:
    """CurricularFace IR-101 (``face_recog_ir101.onnx``): a face in 512 numbers."""

    def __init__(self, path: Path) -> None:
        self._session = _session(path)
        self._input = self._session.get_inputs()[0].name

    def of(self, pixels: Image) -> Floats:
        """Embedding ``[512]``, its length kept: it tells how strong an expression is."""
        size = (FACE_SIZE, FACE_SIZE)
        picture = Pictures.fromarray(pixels).resize(size, Pictures.Resampling.BILINEAR)
        scaled = np.asarray(picture, np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
        return np.asarray(self._session.run(None, {self._input: scaled})[0][0], np.float32)

    def faces(self, seen: Sequence[SceneFace], start: Fraction) -> Faces:
        """Embeddings on the model's clock of 25 frames a second, which starts at ``start``.

        Times are film time, so the frame rate of the film does not matter.
        """
        if not seen:
            return Faces.none()
        frames = [math.floor((face.time - start) * TOKENS_PER_SECOND) for face in seen]
        rows = np.stack([self.of(face.pixels) for face in seen])
        return Faces(rows, np.array(frames, np.int64))


def at_model_rate(frames: Sequence[int], fps: Fraction) -> list[int]:
    """Frame numbers of a video of ``fps`` on the model's clock of 25 frames a second."""
    return [int(Fraction(frame) / fps * TOKENS_PER_SECOND) for frame in frames]


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except (RuntimeError, ValueError) as error:
        raise EngineError(f"{path} cannot be loaded: {error}", code="DUB-E205") from error
