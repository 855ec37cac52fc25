"""A second opinion on voices: the GE2E speaker encoder (Wan et al. 2018) of Resemblyzer.

It was trained on other speech, with another loss and other features than CAM++, so what both say
about a voice is more than what either says. CAM++ tells voices apart better: on nine speakers of
seven film clips, halves of one speaker's turns have a cosine of 0.76 here (lowest 0.65), different
speakers 0.56 (highest 0.66); with CAM++ 0.61 (lowest 0.42) and 0.10 (highest 0.45).
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from polydub.engines.protocols import Capabilities
from polydub.errors import EngineError
from polydub.evaluate.mel import mel_power
from polydub.model import Voiceprint, Waveform
from polydub.model.packages import one_thread

RATE = 16_000
BANDS, HIDDEN, LAYERS, DIMENSIONS = 40, 256, 3, 256
WINDOW, STEP = 400, 160  # samples: 25 ms, 10 ms
PART = 160  # frames of one look: 1.6 s
HOP = 77  # frames between looks: 1.3 looks a second
COVERED = 0.75  # a last look needs this share of sound
LEVEL_DB = -30.0


class Ge2eEncoder:
    """Voiceprints ``[256]`` with the weights of the package ``resemblyzer``; needs torch.

    The package is not imported: it wants a voice activity detector that must be compiled. Protocol
    as there but for that detector: sound raised to -30 dBFS where it is quieter, looks of 1.6 s
    (40 mel bands, power), 1.3 a second, the unit-length mean of their embeddings. Cut silence off
    before. All values are positive, so even different voices have a cosine of about 0.6.
    """

    capabilities = Capabilities(
        kind="voiceprint",
        name="ge2e",
        version="1",
        summary="GE2E speaker encoder of Resemblyzer, 256-d",
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        rate=RATE,
        requires=("torch", "resemblyzer"),
        extra="evaluate-voices",
    )

    def __init__(self, *, weights: str | Path | None = None) -> None:
        try:
            self._torch: Any = importlib.import_module("torch")
        except ImportError as error:
            raise EngineError("The GE2E encoder needs torch.", code="DUB-E202") from error
        self._lstm, self._linear = self._load(Path(weights) if weights else _packaged())

    def embed(self, audio: Waveform) -> Voiceprint:
        """Unit-length voiceprint of mono 16 kHz ``audio``. Raises ``EngineError`` for others."""
        if audio.rate != RATE or audio.channels != 1 or not len(audio.samples):
            raise EngineError(f"The GE2E encoder needs mono audio at {RATE} Hz that is not empty.")
        samples = _raised(np.asarray(audio.samples.reshape(-1), np.float64))
        starts = _looks(len(samples))
        samples = np.pad(samples, (0, max(0, (starts[-1] + PART) * STEP - len(samples))))
        mel = mel_power(
            samples.astype(np.float32), rate=RATE, window=WINDOW, step=STEP, bands=BANDS
        )
        looks = np.stack([mel[at : at + PART] for at in starts]).astype(np.float32)
        mean = self._run(looks).mean(axis=0)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32)

    def _run(self, looks: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Unit-length embeddings ``[looks, 256]``."""
        torch = self._torch
        with one_thread(torch), torch.inference_mode():
            _, (hidden, _) = self._lstm(torch.from_numpy(looks))
            raw = torch.relu(self._linear(hidden[-1])).numpy()
        norms = np.linalg.norm(raw, axis=1, keepdims=True)
        return np.asarray(raw / np.maximum(norms, 1e-9), np.float32)

    def _load(self, path: Path) -> tuple[Any, Any]:
        torch = self._torch
        lstm = torch.nn.LSTM(BANDS, HIDDEN, LAYERS, batch_first=True).eval()
        linear = torch.nn.Linear(HIDDEN, DIMENSIONS).eval()
        try:
            stored = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
            for name, part in (("lstm", lstm), ("linear", linear)):
                own = {
                    key.removeprefix(f"{name}."): value
                    for key, value in stored.items()
                    if key.startswith(f"{name}.")
                }
                part.load_state_dict(own)
        except (RuntimeError, KeyError, EOFError, OSError, pickle.UnpicklingError) as error:
            raise EngineError(f"{path} cannot be used: {error}", code="DUB-E205") from error
        return lstm, linear


def _packaged() -> Path:
    spec = importlib.util.find_spec("resemblyzer")
    if spec is None or spec.origin is None:
        raise EngineError(
            "The GE2E encoder comes with the package 'resemblyzer', which is not installed.",
            hint='Install it with: pip install -c constraints.txt -e ".[evaluate-voices]"',
            code="DUB-E202",
        )
    return Path(spec.origin).parent / "pretrained.pt"


def _raised(samples: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    level = math.sqrt(float((samples**2).mean()))
    wanted = 10 ** (LEVEL_DB / 20)
    return samples * (wanted / level) if 0 < level < wanted else samples


def _looks(count: int) -> list[int]:
    """First frame of every look at ``count`` samples; at least one."""
    frames = math.ceil((count + 1) / STEP)
    starts = list(range(0, max(1, frames - PART + HOP + 1), HOP))
    covered = (count / STEP - starts[-1]) / PART
    return starts[:-1] if covered < COVERED and len(starts) > 1 else starts
