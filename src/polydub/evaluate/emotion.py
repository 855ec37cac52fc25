"""Whether a dubbed line is said with the feeling of the original, for those who have the weights.

The dimensional model of Wagner et al. 2023 ("Dawn of the transformer era in speech emotion
recognition"): wav2vec 2.0 large, robust, its first twelve layers, taught on MSP-Podcast to tell
arousal, dominance and valence, each about 0..1. Weights: audEERING, CC BY-NC-SA 4.0, so not for
commercial work; code: ours, over :mod:`polydub.evaluate.wav2vec2`.

Two figures per line, original against dub, both mono 16 kHz, brought to mean 0 and variance 1 as
the model wants it, the whole line at once:

- ``emotion``: cosine of the mean hidden states. It holds speaker and language as well, so only
  differences between dubs of one film mean something;
- ``emotion_shift``: mean absolute difference of arousal, dominance and valence.

What it hides: the model was taught on English; valence it reads from words too, and those of the
dub are in another language. No threshold of ours: compare dubs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from polydub.errors import EngineError
from polydub.evaluate.wav2vec2 import SHORTEST, Wav2Vec2, load_torch, read_tensors, unfit
from polydub.model import Waveform

RATE = 16_000
LEAST_S = 0.5

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Feeling:
    """``state`` is the mean hidden state ``[width]``; ``levels`` arousal, dominance, valence."""

    state: Vector
    levels: Vector


class EmotionModel:
    """The network, from ``model.safetensors`` or ``pytorch_model.bin``, or the folder of either.

    Raises ``EngineError`` DUB-E202 without a package, DUB-E205 when the file holds other weights.
    """

    name = "emotion"
    version = "msp-dim"

    def __init__(self, weights: Path) -> None:
        path = weights / "model.safetensors" if weights.is_dir() else weights
        self._torch = load_torch("The emotion model")
        tensors = read_tensors(path, "the emotion model")
        prefix = "wav2vec2."
        own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        names = [f"classifier.{n}.{x}" for n in ("dense", "out_proj") for x in ("weight", "bias")]
        try:
            self._states = Wav2Vec2(own)
            self._head: list[Any] = [tensors[name] for name in names]
        except KeyError as error:
            raise unfit(path, "the emotion model", error) from error

    def feeling(self, audio: Waveform) -> Feeling | None:
        """What is heard in mono 16 kHz ``audio``; ``None`` under 0.5 s, or in silence."""
        if audio.rate != RATE or audio.channels != 1:
            raise EngineError(f"The emotion model needs mono audio at {RATE} Hz.")
        samples = np.asarray(audio.samples.reshape(-1), np.float64)
        if len(samples) < max(SHORTEST, LEAST_S * RATE) or not np.any(samples):
            return None
        level = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
        linear = self._torch.nn.functional.linear
        with self._torch.inference_mode():
            state = self._states(level.astype(np.float32)).mean(dim=0)
            dense, dense_bias, last, last_bias = self._head
            levels = linear(self._torch.tanh(linear(state, dense, dense_bias)), last, last_bias)
        return Feeling(state.double().numpy(), levels.double().numpy())


def emotion_scores(original: Feeling | None, dub: Feeling | None) -> dict[str, float]:
    """``emotion`` and ``emotion_shift``; nothing when either was not heard."""
    if original is None or dub is None:
        return {}
    size = float(np.linalg.norm(original.state) * np.linalg.norm(dub.state))
    return {
        "emotion": float(original.state @ dub.state) / max(size, 1e-12),
        "emotion_shift": float(np.abs(original.levels - dub.levels).mean()),
    }
