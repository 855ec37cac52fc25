"""The network of pyannote segmentation 3.0 (Bredin 2023; Plaquet & Bredin 2023), in plain torch.

SincNet (80 band-pass filters and two convolutions), four bidirectional LSTM layers, two linear
layers, and one class for every set of at most two of three speakers. Imported only by
:mod:`polydub.engines.diarize.pyannote`, because it needs torch to be there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

RATE = 16000
STRIDE = 10  # samples between outputs of the band-pass filters
POOL = 3
LOWEST_HZ = 50.0
NARROWEST_HZ = 50.0


class SegmentationNet:
    """Waveform to the probabilities of the sets of speakers, for inference only.

    ``state`` maps the published names to tensors. Raises ``KeyError`` or ``RuntimeError`` when it
    is not the state of this network.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self._state = state
        self._filters = band_pass(
            state["sincnet.conv1d.0.filterbank.low_hz_"],
            state["sincnet.conv1d.0.filterbank.band_hz_"],
            state["sincnet.conv1d.0.filterbank.n_"],
            state["sincnet.conv1d.0.filterbank.window_"],
        )
        self._lstm = nn.LSTM(60, 128, num_layers=4, bidirectional=True, batch_first=True).eval()
        own = {name: value for name, value in state.items() if name.startswith("lstm.")}
        self._lstm.load_state_dict({name.removeprefix("lstm."): own[name] for name in own})

    def __call__(self, sound: Tensor) -> Any:
        """``[batch, 1, samples]`` to probabilities ``[batch, frames, classes]``."""
        found, _ = self._lstm(self._features(sound).transpose(1, 2))
        for name in ("linear.0", "linear.1"):
            found = functional.leaky_relu(functional.linear(found, *self._pair(name)))
        return functional.linear(found, *self._pair("classifier")).softmax(dim=-1)

    def _features(self, sound: Tensor) -> Tensor:
        """SincNet: ``[batch, 1, samples]`` to ``[batch, 60, frames]``."""
        found = functional.instance_norm(sound, None, None, *self._pair("sincnet.wav_norm1d"))
        found = functional.conv1d(found, self._filters, stride=STRIDE).abs()
        for layer in range(3):
            if layer > 0:
                found = functional.conv1d(found, *self._pair(f"sincnet.conv1d.{layer}"))
            norm = self._pair(f"sincnet.norm1d.{layer}")
            found = functional.instance_norm(functional.max_pool1d(found, POOL), None, None, *norm)
            found = functional.leaky_relu(found)
        return found

    def _pair(self, name: str) -> tuple[Tensor, Tensor]:
        return self._state[f"{name}.weight"], self._state[f"{name}.bias"]


def band_pass(low_hz: Tensor, band_hz: Tensor, turns: Tensor, window: Tensor) -> Tensor:
    """Filters ``[2 * bands, 1, 2 * half + 1]``: every band as an even and as an odd filter.

    ``low_hz`` and ``band_hz`` ``[bands, 1]`` are the learnt edges; ``turns`` ``[1, half]`` holds
    ``2 pi t`` for the ``t`` before the middle, ``window`` ``[half]`` the taper there. With edges
    ``f1`` and ``f2`` the even filter is ``(sin 2 pi f2 t - sin 2 pi f1 t) / pi t``, the odd one
    its quadrature ``(cos 2 pi f1 t - cos 2 pi f2 t) / pi t``, both over twice the band's width.
    """
    low = LOWEST_HZ + low_hz.abs()
    high = (low + NARROWEST_HZ + band_hz.abs()).clamp(LOWEST_HZ, RATE / 2)
    scale = window / (high - low) / turns
    even = (torch.sin(high * turns) - torch.sin(low * turns)) * scale
    odd = (torch.cos(low * turns) - torch.cos(high * turns)) * scale
    middle = torch.ones_like(low)
    both = (
        torch.cat([even, middle, even.flip(1)], dim=1),
        torch.cat([odd, 0.0 * middle, -odd.flip(1)], dim=1),
    )
    return torch.cat(both).unsqueeze(1)
