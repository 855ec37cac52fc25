"""What Kokoro's voices sound like, measured beforehand, so that casting costs nothing.

``kokoro_prints.npz`` is made by ``scripts/derive_kokoro_voices.py --prints``: every voice reads a
sentence of its own language; CAM++ gives the voiceprint and WORLD the median pitch. With
``--naturalness`` every voice reads a sentence in each of some languages, judged by DistillMOS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files

import numpy as np
import numpy.typing as npt

from polydub.engines.protocols import StylePrint
from polydub.engines.speak.kokoro_voices import voice_list
from polydub.model.arrays import read_arrays


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """``prints`` ``[54, 192]`` of length 1, ``pitch_hz`` ``[54]``, and by language ``mos``
    ``[54]``, predicted 1..5."""

    prints: npt.NDArray[np.float32]
    pitch_hz: npt.NDArray[np.float32]
    mos: Mapping[str, npt.NDArray[np.float32]]


def load_bank(language: str) -> tuple[StylePrint, ...]:
    """All 54 voices with their prints, by name, and with their quality in ``language``.

    The quality is ``(MOS - 1) / 4``; in a language that was not measured, the mean of the others.
    """
    found = measured()
    own = [mos for name, mos in found.mos.items() if name == language] or list(found.mos.values())
    quality = (np.mean(own, axis=0) - 1) / 4
    return tuple(
        StylePrint(
            voice.name,
            voice.language,
            voice.gender,
            round(float(quality[i]), 3),
            float(found.pitch_hz[i]),
            found.prints[i],
        )
        for i, voice in enumerate(voice_list())
    )


@lru_cache(maxsize=1)
def pitches() -> dict[str, float]:
    """Median pitch in Hz by voice."""
    pitch = measured().pitch_hz
    return {voice.name: float(pitch[i]) for i, voice in enumerate(voice_list())}


@lru_cache(maxsize=1)
def measured() -> Measured:
    """What ``kokoro_prints.npz`` holds, in the order of ``voice_list``."""
    with as_file(files(__package__).joinpath("kokoro_prints.npz")) as path:
        arrays = read_arrays(path)
    prints = arrays["prints"].astype(np.float32)
    mos = {
        name.removeprefix("mos_"): scores.astype(np.float32)
        for name, scores in arrays.items()
        if name.startswith("mos_")
    }
    pitch = arrays["pitch_hz"].astype(np.float32)
    return Measured(prints / np.linalg.norm(prints, axis=1, keepdims=True), pitch, mos)
