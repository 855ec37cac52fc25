"""Voices and faces as the model takes them: two ONNX networks of the checkpoint."""

from __future__ import annotations

import hashlib
import importlib
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
        self._network = OnnxNetwork(path)
        self._known: dict[bytes, Floats] = {}

    def of(self, audio: Waveform) -> Floats:
        """X-vector ``[192]`` of all of ``audio``, not normalised; computed once a recording.

        Samples in [-1, 1] at 16 kHz, Kaldi features less their mean. Raises ``EngineError`` for
        less than one frame (25 ms) of sound.
        """
        samples = np.ascontiguousarray(audio.samples)
        key = hashlib.sha256(samples.tobytes() + str((audio.rate, samples.shape)).encode()).digest()
        if key not in self._known:
            self._known[key] = self._computed(audio)
        return self._known[key]

    def _computed(self, audio: Waveform) -> Floats:
        sound = resample(audio.mono(), RATE)
        if len(sound.samples) < FRAME:
            raise EngineError("A reference voice is empty.")
        features = fbank(np.asarray(sound.samples, np.float32))[None]
        return np.asarray(self._network(features)[0], np.float32)


class FaceEmbedder:
    """CurricularFace IR-101 (``face_recog_ir101.onnx``): a face in 512 numbers."""

    def __init__(self, path: Path) -> None:
        self._network = OnnxNetwork(path)

    def of(self, pixels: Image) -> Floats:
        """Embedding ``[512]``, its length kept: it tells how strong an expression is."""
        size = (FACE_SIZE, FACE_SIZE)
        picture = Pictures.fromarray(pixels).resize(size, Pictures.Resampling.BILINEAR)
        scaled = np.asarray(picture, np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
        return np.asarray(self._network(scaled)[0], np.float32)

    def faces(self, seen: Sequence[SceneFace], start: Fraction) -> Faces:
        """Embeddings on the model's clock of 25 frames a second, which starts at ``start``.

        Times are film time, so the frame rate of the film does not matter.
        """
        if not seen:
            return Faces.none()
        frames = [math.floor((face.time - start) * TOKENS_PER_SECOND) for face in seen]
        rows = np.stack([self.of(face.pixels) for face in seen])
        return Faces(rows, np.array(frames, np.int64))


class OnnxNetwork:
    """An ONNX network on the CPU: arrays in, its first output out.

    Raises ``EngineError`` DUB-E205 for a file that is none, or that does not take what it is given.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime

        # its errors have no common base of their own
        module: Any = importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")
        kinds = [kind for kind in vars(module).values() if isinstance(kind, type)]
        own = [kind for kind in kinds if issubclass(kind, Exception)]
        self._errors: tuple[type[Exception], ...] = (RuntimeError, ValueError, *own)
        self.path = path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 2
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = ["CPUExecutionProvider"]
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except self._errors as error:
            raise self._broken("loaded", error) from error
        self.inputs: Sequence[Any] = self._session.get_inputs()

    def __call__(self, *arrays: Any) -> Any:
        """The first output for ``arrays``, which are in the order of ``inputs``."""
        named = {one.name: array for one, array in zip(self.inputs, arrays, strict=True)}
        try:
            return self._session.run(None, named)[0]
        except self._errors as error:
            raise self._broken("run", error) from error

    def _broken(self, what: str, error: Exception) -> EngineError:
        told = (str(error).splitlines() or [type(error).__name__])[0]
        return EngineError(f"{self.path} cannot be {what}: {told}", code="DUB-E205")
