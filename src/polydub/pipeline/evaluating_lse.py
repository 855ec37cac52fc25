"""Collects the faces of the lines for SyncNet, shot by shot, and keeps embeddings only."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from polydub.engines.active_speaker.mfcc import mfcc
from polydub.errors import EngineError
from polydub.evaluate import pictures
from polydub.evaluate.syncnet import FRAMES, RATE, SIDE, SyncNet, lse
from polydub.model import Image, Waveform

SIDE_CUT = 1.4
"""Half a crop against half a face: the authors cut boxes wider by 0.4 of half their side."""
LOWERED = 0.4


class LseMeter:
    """LSE-C, LSE-D and the delay by line; ``network`` ``None`` measures nothing."""

    def __init__(self, network: SyncNet | None) -> None:
        self._network = network
        self._crops: dict[tuple[str, str], list[tuple[float, npt.NDArray[np.uint8]]]] = {}
        self._faces: dict[str, tuple[float, npt.NDArray[np.float64]]] = {}

    def add(self, line: str, track: str, time: float, image: Image, points: Any) -> None:
        """One frame of the dub in which a line is said; ``points`` are the face's landmarks."""
        if self._network is None:
            return
        low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
        half = float((high - low).max()) / 2
        x, y = (low + high) / 2
        at = (float(x), float(y) + LOWERED * half)
        square = pictures.crop(image, at, SIDE_CUT * half, SIDE)
        kept = np.clip(np.round(square), 0, 255).astype(np.uint8)
        self._crops.setdefault((line, track), []).append((time, kept))

    def end_shot(self) -> None:
        """Pictures become embeddings: the longest stretch of a line counts."""
        for (line, _), frames in sorted(self._crops.items(), key=lambda item: item[0]):
            known = self._faces.get(line)
            if self._network is None or len(frames) < FRAMES:
                continue
            times = np.array([time for time, _ in frames])
            clock = np.arange(times[0], times[-1] + 0.5 / RATE, 1 / RATE)
            nearest = np.abs(times[None] - clock[:, None]).argmin(axis=1)
            found = self._network.faces(np.stack([frames[n][1] for n in nearest]))
            if known is None or len(found) > len(known[1]):
                self._faces[line] = (float(clock[0]), found)
        self._crops.clear()

    def values(self, voices: Waveform) -> dict[str, dict[str, float]]:
        """``lse_c``, ``lse_d`` and ``lse_offset_ms`` by line; ``voices``: 16 kHz mono."""
        made: dict[str, dict[str, float]] = {}
        for line, (start, faces) in self._faces.items():
            assert self._network is not None
            first = round(start * voices.rate)
            last = first + round((len(faces) + FRAMES) * voices.rate / RATE)
            cepstra = mfcc(np.asarray(voices.samples[first:last], np.float32).reshape(-1))
            found = lse(faces, self._network.sounds(cepstra))
            if found is not None:
                made[line] = {
                    "lse_c": found.confidence,
                    "lse_d": found.distance,
                    "lse_offset_ms": 1000 * found.delay / RATE,
                }
        return made


def load_syncnet() -> SyncNet | None:
    """SyncNet when its weights are given.

    Raises ``EngineError`` DUB-E205 when they are given and no good: that is told, not passed over.
    """
    try:
        return SyncNet()
    except EngineError as error:
        if error.code == "DUB-E205":
            raise
        return None
