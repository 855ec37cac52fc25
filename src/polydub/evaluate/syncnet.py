"""LSE-C and LSE-D: how well mouth and sound agree by SyncNet, for those who have its weights.

SyncNet (Chung and Zisserman, "Out of time", 2016) puts 0.2 s of face and of sound into one space;
LSE-C and LSE-D (Prajwal et al. 2020) read its distances. No package carries the weights: give the
path of the authors' ``syncnet_v2.model`` in ``$POLYDUB_WEIGHT_SYNCNET`` and mind their terms.
Everything else is here, written after the published layout and tested on random weights.

Protocol: 25 frames a second, faces 224 x 224 in BGR 0..255, cut as the authors cut boxes (1.4 times
the half side, lowered by 0.4 of it); sound as 13 mel cepstra at 100 Hz. Window ``i`` is frames
``i`` to ``i + 4`` and 20 cepstra from ``4 i``. Euclidean distances of all windows at delays of up
to 15 frames, zeros beyond the ends as in the authors' code, averaged over the windows of a line.
LSE-D is the least average, LSE-C the median minus the least.

What it hides: a constant delay changes neither; the sound of synthesisers scores higher than real
sound; models that were trained with SyncNet as their judge score above real film. The published
figures take whole clips of one face; ours are means over lines, from boxes of another detector.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from polydub.errors import EngineError

VARIABLE = "POLYDUB_WEIGHT_SYNCNET"
SIDE, FRAMES, CEPSTRA, PER_FRAME = 224, 5, 20, 4
RATE = 25
DELAYS = 15
LEAST_WINDOWS = 10
BATCH = 16

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lse:
    """``confidence``: LSE-C; ``distance``: LSE-D; ``delay``: frames by which the sound is late."""

    confidence: float
    distance: float
    delay: int


def lse(faces: Floats, sounds: Floats) -> Lse | None:
    """LSE of embedded windows ``[n, d]`` of one line; ``None`` under 0.4 s of windows."""
    size = min(len(faces), len(sounds))
    if size < LEAST_WINDOWS:
        return None
    padded = np.pad(sounds[:size], ((DELAYS, DELAYS), (0, 0)))
    means = np.array(
        [
            np.linalg.norm(faces[:size] - padded[shift : shift + size], axis=1).mean()
            for shift in range(2 * DELAYS + 1)
        ]
    )
    best = int(np.argmin(means))
    return Lse(float(np.median(means) - means[best]), float(means[best]), best - DELAYS)


class SyncNet:
    """Embeds faces and sound; needs torch and a weights file.

    Raises ``EngineError`` DUB-E202 without torch, DUB-E204 without weights, DUB-E205 when the file
    holds other ones.
    """

    def __init__(self, weights: Path | None = None) -> None:
        self._torch: Any = _torch()
        self._network = network(self._torch)
        self._load(_weights(weights))
        self._network.eval()

    def faces(self, crops: npt.NDArray[np.uint8]) -> Floats:
        """``[n - 4, 1024]`` of RGB crops ``[n, 224, 224, 3]``, one per window of five frames."""
        frames = np.ascontiguousarray(crops[..., ::-1].transpose(3, 0, 1, 2), np.float32)
        count = len(crops) - FRAMES + 1
        windows = [frames[:, at : at + FRAMES] for at in range(max(0, count))]
        return self._embed("lip", windows)

    def sounds(self, cepstra: npt.NDArray[np.float32]) -> Floats:
        """``[n, 1024]`` of cepstra ``[frames, 13]`` at 100 Hz, one per film frame."""
        count = (len(cepstra) - CEPSTRA) // PER_FRAME + 1
        table = np.ascontiguousarray(cepstra.T, np.float32)
        starts = range(0, PER_FRAME * max(0, count), PER_FRAME)
        return self._embed("aud", [table[None, :, at : at + CEPSTRA] for at in starts])

    def _embed(self, kind: str, windows: list[Any]) -> Floats:
        if not windows:
            return np.zeros((0, 1024))
        found = []
        convolve, join = self._network[f"netcnn{kind}"], self._network[f"netfc{kind}"]
        with self._torch.inference_mode():
            for at in range(0, len(windows), BATCH):
                batch = self._torch.from_numpy(np.stack(windows[at : at + BATCH]))
                found.append(join(convolve(batch).flatten(1)).numpy())
        return np.asarray(np.concatenate(found), np.float64)

    def _load(self, path: Path) -> None:
        try:
            state = self._torch.load(path, map_location="cpu", weights_only=True)
            self._network.load_state_dict(state)
        except (OSError, RuntimeError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise _unfit(path, error) from error
        except _unpickling_error() as error:
            raise _unfit(path, error) from error


def network(torch: Any) -> Any:
    """The layers under the names that the authors' weights have."""
    nn = torch.nn
    half, wide = (1, 3, 3), (1, 2, 2)

    def conv2(*channels: int, size: Any = 3, pad: Any = 1) -> list[Any]:
        layer = nn.Conv2d(*channels, kernel_size=size, padding=pad)
        return [layer, nn.BatchNorm2d(channels[1]), nn.ReLU()]

    def conv3(
        *channels: int, size: Any = (1, 3, 3), step: Any = 1, pad: Any = (0, 1, 1)
    ) -> list[Any]:
        layer = nn.Conv3d(*channels, kernel_size=size, stride=step, padding=pad)
        return [layer, nn.BatchNorm3d(channels[1]), nn.ReLU()]

    def head() -> Any:
        return nn.Sequential(
            nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 1024)
        )

    sound = nn.Sequential(
        *conv2(1, 64),
        nn.MaxPool2d((1, 1), stride=(1, 1)),
        *conv2(64, 192),
        nn.MaxPool2d((3, 3), stride=(1, 2)),
        *conv2(192, 384),
        *conv2(384, 256),
        *conv2(256, 256),
        nn.MaxPool2d((3, 3), stride=(2, 2)),
        *conv2(256, 512, size=(5, 4), pad=0),
    )
    face = nn.Sequential(
        *conv3(3, 96, size=(5, 7, 7), step=wide, pad=0),
        nn.MaxPool3d(half, stride=wide),
        *conv3(96, 256, size=(1, 5, 5), step=wide),
        nn.MaxPool3d(half, stride=wide, padding=(0, 1, 1)),
        *conv3(256, 256),
        *conv3(256, 256),
        *conv3(256, 256),
        nn.MaxPool3d(half, stride=wide),
        *conv3(256, 512, size=(1, 6, 6), pad=0),
    )
    return nn.ModuleDict(
        {"netcnnaud": sound, "netfcaud": head(), "netcnnlip": face, "netfclip": head()}
    )


def _torch() -> Any:
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise EngineError("LSE-C and LSE-D need torch.", code="DUB-E202") from error


def _weights(given: Path | None) -> Path:
    path = given or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if path is None or not path.is_file():
        raise EngineError(
            "LSE-C and LSE-D need the weights of SyncNet, which no package carries.",
            hint=f"Give the path of syncnet_v2.model: export {VARIABLE}=FILE",
            code="DUB-E204",
        )
    return path


def _unpickling_error() -> type[Exception]:
    import pickle

    return pickle.UnpicklingError


def _unfit(path: Path, error: Exception) -> EngineError:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return EngineError(f"{path} does not hold SyncNet's weights: {text}", code="DUB-E205")
