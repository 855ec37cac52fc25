"""Active speaker scoring with Light-ASD (Liao et al., CVPR 2023) and weights from the user's disk.

Nothing is shipped or downloaded: the weights are published with the paper's code (MIT), as
``weight/finetuning_TalkSet.model`` and ``weight/pretrain_AVA_CVPR.model``.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from polydub.engines.active_speaker.light_asd_network import (
    MFCCS_PER_FRAME,
    REACH,
    LightAsdNetwork,
    expected_shapes,
)
from polydub.engines.active_speaker.mfcc import N_CEPSTRA, RATE, mfcc
from polydub.engines.protocols import Capabilities, TalkingFace
from polydub.errors import EngineError
from polydub.model.packages import one_thread

CLOCK = 25.0  # Hz: pictures per second that the network was trained with
SIDE = 224  # pixels of the face cut; the network sees its middle half
PIECE = 64  # frames through the visual encoder at once: 300 MB at most, measured
WINDOWS_S = (1, 2, 3, 4, 6)  # lengths over which the GRUs run; their scores are averaged
SMOOTH = 5  # frames, as published
GREY = np.array([0.299, 0.587, 0.114], np.float32)

# Log-odds = SLOPE * (raw - MIDDLE): the raw score is far from fair. Fitted on 7 film clips, 11 GRID
# sentences and a rendered conversation (TalkSet weights): talking faces 7 .. 10.6, listening ones
# -5 .. 6; slope 1.3 and middle 4.1 on all, 2.2 and 3.5 on the films alone.
SLOPE, MIDDLE = 1.3, 3.6
LIMIT = 4.0  # the evidence behind the fit allows no more

VARIABLE = "POLYDUB_WEIGHT_LIGHT_ASD"


class LightAsd:
    """Scorer from pixels and sound; ``weights`` (or ``$POLYDUB_WEIGHT_LIGHT_ASD``) is the file."""

    capabilities = Capabilities(
        kind="active-speaker",
        name="light-asd",
        version="1",
        summary="Light-ASD from face pictures and sound; your own copy of its weights",
        code_licence="Apache-2.0",
        weights_licence="MIT",
        rate=RATE,
        requires=("torch",),
        extra="speech",
        brings=(VARIABLE,),
    )

    def __init__(self, *, weights: str | Path | None = None) -> None:
        import torch

        self._torch = torch
        self._network = LightAsdNetwork(_load(torch, _weights_path(weights)))

    def score(self, face: TalkingFace) -> npt.NDArray[np.float32]:
        """Log-odds ``[frames]``; profiles and faces without a mesh are judged too.

        Raises ``EngineError`` DUB-E206 when the audio is not mono 16 kHz.
        """
        raw = self.raw(face)
        return np.asarray(np.clip(SLOPE * (raw - MIDDLE), -LIMIT, LIMIT), np.float32)

    def raw(self, face: TalkingFace) -> npt.NDArray[np.float32]:
        """The network's own score ``[frames]``, smoothed over 5 pictures, before calibration."""
        if face.audio.rate != RATE or face.audio.channels != 1:
            raise EngineError(f"Light-ASD needs mono audio at {RATE} Hz, not {face.audio.rate}.")
        times = np.asarray(face.times, np.float64)
        if len(times) == 0:
            return np.zeros(0, np.float32)
        clock = np.arange(times[0], times[-1] + 0.5 / CLOCK, 1 / CLOCK)
        pictures = _network_view(face.crops(SIDE))
        nearest = np.abs(times[:, None] - clock[None]).argmin(axis=0)
        cepstra = mfcc(np.asarray(face.audio.samples, np.float32).reshape(-1))
        try:
            with one_thread(self._torch), self._torch.inference_mode():
                scores = self._judge(pictures[nearest], _fitting(cepstra, len(clock)))
        except RuntimeError as error:
            raise EngineError(f"Light-ASD failed on a face: {error}") from error
        smooth = _smoothed(scores)
        return np.asarray(np.interp(times, clock, smooth), np.float32)

    def _judge(
        self, pictures: npt.NDArray[np.uint8], cepstra: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float64]:
        """Mean score ``[n]`` at 25 Hz over all window lengths."""
        torch, network = self._torch, self._network
        rows = []
        for start in range(0, len(pictures), PIECE):
            low, high = max(0, start - REACH), min(len(pictures), start + PIECE + REACH)
            seen = network.see(torch.from_numpy(pictures[low:high]))
            rows.append(seen[start - low : start - low + PIECE])
        both = torch.cat(rows) + network.hear(torch.from_numpy(cepstra))
        total = np.zeros(len(pictures))
        for seconds in WINDOWS_S:
            step = int(seconds * CLOCK)
            parts = [network.judge(both[at : at + step]) for at in range(0, len(both), step)]
            total += torch.cat(parts).numpy()
        return total / len(WINDOWS_S)


def _network_view(crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The middle half of RGB ``crops`` ``[n, 224, 224, 3]`` in grey ``[n, 112, 112]``."""
    edge = SIDE // 4
    middle = crops[:, edge : SIDE - edge, edge : SIDE - edge]
    grey = np.empty(middle.shape[:3], np.uint8)
    for index, picture in enumerate(middle):  # one at a time: no copy of all in floats
        grey[index] = np.round(picture.astype(np.float32) @ GREY)
    return grey


def _fitting(cepstra: npt.NDArray[np.float32], frames: int) -> npt.NDArray[np.float32]:
    """Exactly four rows per picture; a missing end repeats the last row."""
    wanted = frames * MFCCS_PER_FRAME
    if len(cepstra) == 0:
        return np.zeros((wanted, N_CEPSTRA), np.float32)
    missing = max(0, wanted - len(cepstra))
    return np.pad(cepstra, ((0, missing), (0, 0)), mode="edge")[:wanted]


def _smoothed(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    window = np.ones(SMOOTH)
    sums = np.convolve(np.pad(scores, SMOOTH // 2), window, "valid")
    counts = np.convolve(np.pad(np.ones(len(scores)), SMOOTH // 2), window, "valid")
    return np.asarray(sums / counts)


def _weights_path(weights: str | Path | None) -> Path:
    given = weights or os.environ.get(VARIABLE)
    how = (
        "Get finetuning_TalkSet.model from the repository Junhua-Liao/Light-ASD and give its path: "
        f"engine option weights=FILE, or ${VARIABLE}."
    )
    if not given:
        raise EngineError("Light-ASD has no weights here.", hint=how, code="DUB-E204")
    path = Path(given).expanduser()
    if not path.is_file():
        raise EngineError(f"There are no Light-ASD weights at {path}.", hint=how, code="DUB-E204")
    return path


def _load(torch: Any, path: Path) -> Mapping[str, Any]:
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
    except (RuntimeError, KeyError, EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
        raise EngineError(
            f"The Light-ASD weights at {path} cannot be read: {error}", code="DUB-E205"
        ) from error
    if not isinstance(state, Mapping):
        raise _unfit(path, "it holds no table of tensors")
    named = {str(name).removeprefix("module."): tensor for name, tensor in state.items()}
    for name, shape in expected_shapes().items():
        found = tuple(getattr(named.get(name), "shape", ()))
        if found != shape:
            raise _unfit(path, f"'{name}' should have shape {shape}, found {found or 'nothing'}")
    return named


def _unfit(path: Path, why: str) -> EngineError:
    return EngineError(
        f"{path} is not a Light-ASD weights file: {why}.",
        hint="Use finetuning_TalkSet.model or pretrain_AVA_CVPR.model of Junhua-Liao/Light-ASD.",
        code="DUB-E205",
    )
