"""What the diffusion networks share: Whisper's ears and the autoencoder, loaded and run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from polydub.engines.lips.geometry import Floats
from polydub.engines.lips.neural.checkpoint import fill, read_tensors
from polydub.engines.lips.neural.network import Crops, Sound
from polydub.engines.lips.neural.running import to_pictures

BEFORE, AFTER = 4, 6
"""Rows of Whisper (at 50 Hz) before and from a picture's time on that it hears."""

_AT_ONCE = 4  # pictures through the autoencoder: 512 x 512 takes 0.7 GB each in float32


class Ears:
    """Whisper's encoder. ``finished`` gives its last rows after the final normalisation."""

    def __init__(self, torch: Any, path: Path, place: tuple[Any, Any], *, finished: bool) -> None:
        from polydub.engines.lips.neural.whisper_encoder import (
            STEPS,
            WhisperEncoder,
            encoder_tensors,
        )

        self._torch, self._rate, self._finished = torch, STEPS, finished
        self._device, self._kind = place
        state, size, layers = encoder_tensors(
            read_tensors(torch, path, inside=("model_state_dict",)), path
        )
        with torch.device("meta"):
            self._network = WhisperEncoder(size, layers)
        fill(self._network, state, path)
        # 8 million parameters: half precision saves nothing here
        self._network.eval().to(self._device, torch.float32)
        self.width = size

    def rows(self, sound: Sound, times: Floats, *, silence: bool) -> Any:
        """``[n, 10 * (layers + 1), width]``: ten moments around each of ``times``, every layer.

        Moments beyond the ends of ``sound`` are zeros with ``silence``, else the last ones repeat.
        """
        torch = self._torch
        rows = self._network.hear(sound, finished=self._finished)
        at = np.floor((times - sound.start) * self._rate + 1e-6).astype(int)
        wanted = at[:, None] + np.arange(-BEFORE, AFTER)
        known = torch.from_numpy(np.clip(wanted, 0, len(rows) - 1)).to(self._device)
        heard = rows[known]  # [n, 10, layers + 1, width]
        if silence:
            outside = torch.from_numpy((wanted < 0) | (wanted >= len(rows))).to(self._device)
            heard = heard.masked_fill(outside[:, :, None, None], 0)
        return heard.flatten(1, 2).to(self._kind)


class Eyes:
    """The picture autoencoder."""

    def __init__(self, torch: Any, path: Path, place: tuple[Any, Any]) -> None:
        from polydub.engines.lips.neural.autoencoder import Autoencoder, renamed, widths_of

        self._torch = torch
        self._device, self._kind = place
        state = renamed(read_tensors(torch, path, inside=("state_dict",)))
        with torch.device("meta"):
            self._network = Autoencoder(widths_of(state, path))
        fill(self._network, state, path)
        self._network.eval().to(self._device, self._kind)

    def pictures(self, crops: Crops) -> Any:
        """``crops`` as the networks see them: ``[n, 3, size, size]`` in -1..1."""
        torch = self._torch
        table = torch.from_numpy(np.ascontiguousarray(crops.transpose(0, 3, 1, 2)))
        return table.to(self._device, self._kind) / 127.5 - 1

    def encode(self, pictures: Any) -> Any:
        """Latents ``[n, 4, size / 8, size / 8]``."""
        parts = pictures.split(_AT_ONCE)
        return self._torch.cat([self._network.encode(part) for part in parts])

    def decode(self, latents: Any) -> Any:
        """Pictures in about -1..1."""
        parts = latents.to(self._kind).split(_AT_ONCE)
        return self._torch.cat([self._network.decode(part) for part in parts])

    def crops(self, pictures: Any, name: str) -> Crops:
        """``pictures`` in -1..1 as bytes. Raises ``EngineError`` when some are not numbers."""
        return to_pictures(self._torch, pictures.float() / 2 + 0.5, name)
