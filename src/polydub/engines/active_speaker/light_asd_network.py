"""The network of Light-ASD (Liao et al., CVPR 2023), run from its published state dict.

Two encoders of three blocks each; a block runs two branches (kernels 3 and 5) that look over space
(or cepstra) first and over time second, and joins them by a 1 x 1 convolution. The 128-d rows of
both are added and read by a GRU forwards, then by another one backwards. Every batch normalisation
is folded into the convolution before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BATCH_NORM_EPSILON = 1e-3
GREY_MEAN, GREY_DEVIATION = 0.4161, 0.1688  # of the training faces, 0..1
CHANNELS = (32, 64, 128)
WIDTH = 128
KERNELS = (3, 5)
MFCCS_PER_FRAME = 4
REACH = 6  # frames to either side that a row of the visual encoder sees: three blocks of 5


def expected_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors that a weights file must hold, training's leftovers aside."""
    shapes: dict[str, tuple[int, ...]] = {}
    for encoder, spatial in (("visualEncoder", "s"), ("audioEncoder", "m")):
        inputs = 1
        for number, width in enumerate(CHANNELS, start=1):
            block = f"model.{encoder}.block{number}"
            for k in KERNELS:
                flat = (1, k, k) if spatial == "s" else (k, 1)
                along = (k, 1, 1) if spatial == "s" else (1, k)
                shapes[f"{block}.{spatial}_{k}.weight"] = (width, inputs, *flat)
                shapes[f"{block}.t_{k}.weight"] = (width, width, *along)
            shapes[f"{block}.last.weight"] = (width, width, *(1,) * (3 if spatial == "s" else 2))
            layers = [f"{kind}_{k}" for kind in (spatial, "t") for k in KERNELS] + ["last"]
            for layer in layers:
                for part in ("weight", "bias", "running_mean", "running_var"):
                    shapes[f"{block}.bn_{layer}.{part}"] = (width,)
            inputs = width
    for direction in ("forward", "backward"):
        for part in ("ih", "hh"):
            shapes[f"model.GRU.gru_{direction}.weight_{part}_l0"] = (3 * WIDTH, WIDTH)
            shapes[f"model.GRU.gru_{direction}.bias_{part}_l0"] = (3 * WIDTH,)
    shapes["lossAV.FC.weight"], shapes["lossAV.FC.bias"] = (2, WIDTH), (2,)
    return shapes


class LightAsdNetwork:
    """The network with the tensors of ``state``, which holds all of :func:`expected_shapes`."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        import torch

        self._torch = torch
        self._state = {name: state[name].float() for name in expected_shapes()}
        self._layers: dict[str, tuple[Any, Any]] = {}
        for encoder, spatial in (("visualEncoder", "s"), ("audioEncoder", "m")):
            for number in range(1, len(CHANNELS) + 1):
                block = f"model.{encoder}.block{number}"
                for layer in [f"{kind}_{k}" for kind in (spatial, "t") for k in KERNELS] + ["last"]:
                    self._layers[f"{block}.{layer}"] = self._folded(block, layer)
        self._grus = [self._gru(direction) for direction in ("forward", "backward")]

    def see(self, faces: Any) -> Any:
        """Rows ``[frames, 128]`` of grey ``faces`` ``[frames, 112, 112]`` (0..255)."""
        x = (faces.float() / 255 - GREY_MEAN) / GREY_DEVIATION
        x = x[:, None]
        pool = self._torch.nn.functional.max_pool2d
        for number in range(1, len(CHANNELS) + 1):
            x = self._visual_block(x, f"model.visualEncoder.block{number}", 2 if number == 1 else 1)
            if number < len(CHANNELS):
                x = pool(x, 3, stride=2, padding=1)
        return x.amax(dim=(2, 3))

    def hear(self, cepstra: Any) -> Any:
        """Rows ``[frames, 128]`` of ``cepstra`` ``[4 * frames, 13]``."""
        x = cepstra.float().T[None, None]  # [1, 1, 13, 4 * frames]
        pool = self._torch.nn.functional.max_pool2d
        for number in range(1, len(CHANNELS) + 1):
            x = self._audio_block(x, f"model.audioEncoder.block{number}")
            if number < len(CHANNELS):
                x = pool(x, (1, 3), stride=(1, 2), padding=(0, 1))
        return x.mean(dim=2)[0].T

    def judge(self, rows: Any) -> Any:
        """Raw log-odds ``[frames]`` from the summed ``rows`` ``[frames, 128]`` of both encoders."""
        gelu, flip = self._torch.nn.functional.gelu, self._torch.flip
        forward, backward = self._grus
        x = gelu(forward(rows[None])[0])
        x = gelu(flip(backward(flip(x, (1,)))[0], (1,)))
        out = self._torch.nn.functional.linear(
            x[0], self._state["lossAV.FC.weight"], self._state["lossAV.FC.bias"]
        )
        return out[:, 1] - out[:, 0]

    def _visual_block(self, x: Any, block: str, stride: int) -> Any:
        functional = self._torch.nn.functional
        total: Any = 0
        for k in KERNELS:
            weight, bias = self._layers[f"{block}.s_{k}"]
            part = functional.conv2d(x, weight[:, :, 0], bias, stride=stride, padding=k // 2)
            part = functional.relu(part)
            frames, channels, height, width = part.shape
            flat = part.permute(1, 0, 2, 3).reshape(1, channels, frames, height * width)
            weight, bias = self._layers[f"{block}.t_{k}"]
            flat = functional.conv2d(flat, weight[..., 0], bias, padding=(k // 2, 0))
            total = functional.relu(flat) + total
        weight, bias = self._layers[f"{block}.last"]
        joined = functional.relu(functional.conv2d(total, weight[..., 0], bias))
        return joined[0].reshape(channels, frames, height, width).permute(1, 0, 2, 3)

    def _audio_block(self, x: Any, block: str) -> Any:
        functional = self._torch.nn.functional
        total: Any = 0
        for k in KERNELS:
            weight, bias = self._layers[f"{block}.m_{k}"]
            part = functional.relu(functional.conv2d(x, weight, bias, padding=(k // 2, 0)))
            weight, bias = self._layers[f"{block}.t_{k}"]
            total = functional.relu(functional.conv2d(part, weight, bias, padding=(0, k // 2))) + (
                total
            )
        weight, bias = self._layers[f"{block}.last"]
        return functional.relu(functional.conv2d(total, weight, bias))

    def _folded(self, block: str, layer: str) -> tuple[Any, Any]:
        """Weight and bias of a convolution together with the normalisation behind it."""
        weight = self._state[f"{block}.{layer}.weight"]
        gamma, beta, mean, variance = (
            self._state[f"{block}.bn_{layer}.{part}"]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        gain = gamma / (variance + BATCH_NORM_EPSILON).sqrt()
        return weight * gain.reshape(-1, *(1,) * (weight.ndim - 1)), beta - mean * gain

    def _gru(self, direction: str) -> Any:
        gru = self._torch.nn.GRU(WIDTH, WIDTH, batch_first=True)
        prefix = f"model.GRU.gru_{direction}."
        gru.load_state_dict(
            {name: self._state[prefix + name] for name in gru.state_dict()}, strict=True
        )
        return gru.eval()
