"""Speech to the tokens that the language model learns: CosyVoice3's tokenizer, an ONNX network.

``speech_tokenizer_v3.onnx`` takes ``[1, 128, frames]``, Whisper's log-mel at 16 kHz, and how many
frames that are (``[1]``, int32); it gives one id from 0 to 6560 for every four frames, 25 a second.
Fun-CineForge's own tools use the same file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from polydub.engines import weights
from polydub.engines.dubbing.funcineforge.checkpoint import find_checkpoint
from polydub.engines.dubbing.funcineforge.config import (
    SPEECH_TOKENS,
    TOKENS_PER_SECOND,
    MelConfig,
)
from polydub.engines.dubbing.funcineforge.inputs import OnnxNetwork
from polydub.engines.dubbing.funcineforge.mel import mel_bank
from polydub.engines.dubbing.funcineforge.sequence import Floats, Ints
from polydub.errors import EngineError
from polydub.media.audio import resample
from polydub.model import Waveform

FILE = "speech_tokenizer_v3.onnx"
WEIGHT = "speech-tokenizer-v3"
WHISPER = MelConfig(rate=16_000, n_fft=400, hop=160, bands=128, highest=None)
"""Whisper large-v3's spectrogram (published preprocessor configuration)."""
FLOOR, RANGE = 1e-10, 8.0
"""Least power before the logarithm, and how far below the loudest bin anything counts (Whisper)."""
FRAMES_PER_TOKEN = WHISPER.rate // WHISPER.hop // TOKENS_PER_SECOND


class SpeechTokenizer:
    """The tokenizer of the file at ``path``. Raises ``EngineError`` DUB-E205 for another one."""

    def __init__(self, path: Path) -> None:
        self._network = OnnxNetwork(path)
        inputs = self._network.inputs
        if len(inputs) != 2:
            raise self._wrong(f"it has {len(inputs)} inputs, not 2")
        self._count = np.int64 if "int64" in inputs[1].type else np.int32

    def tokens(self, audio: Waveform) -> Ints:
        """Speech tokens ``[n]`` of ``audio``, 25 a second.

        Raises ``EngineError`` for less than one token of sound (40 ms), DUB-E205 when the network
        gives something else than tokens.
        """
        sound = resample(audio.mono(), WHISPER.rate)
        mel = whisper_mel(np.asarray(sound.samples, np.float32))
        frames = mel.shape[1]
        if frames < FRAMES_PER_TOKEN:
            raise EngineError("Less than 40 ms of sound has no speech tokens.")
        given = self._network(mel[None], np.array([frames], self._count))
        found = np.asarray(given).reshape(-1).astype(np.int64)
        if abs(len(found) - frames / FRAMES_PER_TOKEN) > 1:
            raise self._wrong(f"it gives {len(found)} tokens for {frames} frames")
        if found.min() < 0 or found.max() >= SPEECH_TOKENS:
            raise self._wrong(f"it gives the token {found.max()}")
        return found

    def _wrong(self, why: str) -> EngineError:
        return EngineError(
            f"{self._network.path} is not CosyVoice3's speech tokenizer: {why}.", code="DUB-E205"
        )


def find_speech_tokenizer(checkpoint: Path | None = None) -> Path:
    """The file in the checkpoint's folder, at ``$POLYDUB_WEIGHT_SPEECH_TOKENIZER_V3`` or in the
    hub's cache. Raises ``EngineError`` DUB-E204 when it is in none of them.
    """
    own = find_checkpoint(checkpoint).file(FILE) if checkpoint is not None else None
    return own or weights.find(WEIGHT).path


def whisper_mel(samples: Floats) -> Floats:
    """Whisper's log-mel ``[128, frames]`` of ``samples`` ``[n]`` at 16 kHz, 100 frames a second."""
    edge = WHISPER.n_fft // 2
    if len(samples) <= edge:
        return np.zeros((WHISPER.bands, 0), np.float32)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WHISPER.n_fft) / WHISPER.n_fft)
    padded = np.pad(samples.astype(np.float64), edge, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WHISPER.n_fft)[:: WHISPER.hop]
    power = np.asarray(np.abs(np.fft.rfft(frames[:-1] * window)) ** 2, np.float64)
    log = np.log10(np.maximum(mel_bank(WHISPER).astype(np.float64) @ power.T, FLOOR))
    return np.asarray((np.maximum(log, log.max() - RANGE) + 4) / 4, np.float32)
