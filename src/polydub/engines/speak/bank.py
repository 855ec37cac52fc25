"""What Kokoro's voices sound like, measured beforehand, so that casting costs nothing.

``kokoro_prints.npz`` is made by ``scripts/derive_kokoro_voices.py --prints``: every voice reads a
sentence of its own language; CAM++ gives the voiceprint and WORLD the median pitch.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import as_file, files

import numpy as np
import numpy.typing as npt

from polydub.engines.protocols import StylePrint
from polydub.engines.speak.kokoro_voices import voice_list


@lru_cache(maxsize=1)
def load_bank() -> tuple[StylePrint, ...]:
    """All 54 voices with their prints, by name; empty when they were never measured."""
    prints, pitch = _measured()
    return tuple(
        StylePrint(
            voice.name, voice.language, voice.gender, voice.quality, float(pitch[i]), prints[i]
        )
        for i, voice in enumerate(voice_list()[: len(prints)])
    )


def pitches() -> dict[str, float]:
    """Median pitch in Hz by voice."""
    return {entry.name: entry.pitch_hz for entry in load_bank()}


def _measured() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    source = files(__package__).joinpath("kokoro_prints.npz")
    if not source.is_file():
        return np.zeros((0, 192), np.float32), np.zeros(0, np.float32)
    with as_file(source) as path, np.load(path) as arrays:
        prints = arrays["prints"].astype(np.float32)
        pitch = arrays["pitch_hz"].astype(np.float32)
    return prints / np.linalg.norm(prints, axis=1, keepdims=True), pitch
