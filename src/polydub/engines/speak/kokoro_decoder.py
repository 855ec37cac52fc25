"""Kokoro's decoder in torch, so that its voice can be moved along a gradient.

The graph that speaks is 8-bit and has no derivative. Here the same weights, as floats, run the part
from the aligned text, pitch and energy to the sound: StyleTTS 2's decoder with an iSTFT at its end
(Li et al. 2023; Kaneko et al. 2022). Only the timbre half of the style has a derivative. Against
the 8-bit graph the sound correlates 0.985 (the rest is rounding). Forward and backward take about
1.3 s of one core per second of sound.

Every part of it (:data:`~polydub.engines.speak.shaped_style.GROUPS`) is given its own timbre, as a
picture is inverted into a StyleGAN with one style per layer (W+, Abdal et al., ICCV 2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from polydub.engines.speak.kokoro_graph import timbre_group
from polydub.errors import EngineError

INPUTS = (
    "/decoder/decoder/generator/Concat_3_output_0",  # harmonics of the pitch, as spectrum
    "/encoder/MatMul_1_output_0",  # text, one column per 25 ms
    "/encoder/Reshape_output_0",  # F0, two values per 25 ms
    "/encoder/Reshape_1_output_0",  # energy, likewise
)
"""Tensors of the graph from which the decoder starts, besides the timbre."""

_ROOT = "/decoder/decoder/"
_BASIS = "decoder.decoder.generator.stft.istft.stft.inverse_basis"
_HOP, _BINS = 5, 11
_GAIN = 4.0  # window length over hop: the windows that overlap
_KERNELS = 3  # resblocks whose mean follows every upsampling
_EPSILON = 1e-5

Tensor = Any
"""A torch tensor; torch is imported by the constructor only."""


class Decoder:
    """Timbre and :data:`INPUTS` to sound at 24 kHz. Raises ``EngineError`` DUB-E206 for a graph
    that is not Kokoro's."""

    def __init__(self, path: Path) -> None:
        import torch

        self._torch = torch
        layers, plain = _read(path)
        self._layers = {
            name: (
                torch.from_numpy(weight),
                None if bias is None else torch.from_numpy(bias),
                settings,
            )
            for name, (weight, bias, settings) in layers.items()
        }
        self._plain = {name: torch.from_numpy(value) for name, value in plain.items()}
        self._snake = _snake(torch)

    def articulated(self, timbre: Tensor, inputs: tuple[Tensor, ...]) -> Tensor:
        """What the parts before the generator make: what is said, not yet in whose voice.

        ``timbre`` is ``[11, 128]``; ``inputs`` are the four :data:`INPUTS`.
        """
        torch = self._torch
        _, text, pitch, energy = inputs
        curves = [self._conv("F0_conv", pitch[:, None]), self._conv("N_conv", energy[:, None])]
        made = self._block("encode", torch.cat([text, *curves], 1), timbre)
        kept = self._conv("asr_res/asr_res.0", text)
        for index in range(4):
            joined = torch.cat([made, kept, *curves], 1)
            made = self._block(f"decode.{index}", joined, timbre)
        return made

    def voiced(self, made: Tensor, timbre: Tensor, inputs: tuple[Tensor, ...]) -> Tensor:
        """Samples ``[n]`` of what was :meth:`articulated`."""
        harmonics = inputs[0]
        return self._sound(self._generated(made, harmonics, timbre))

    def _generated(self, made: Tensor, harmonics: Tensor, timbre: Tensor) -> Tensor:
        """Log magnitude and phase ``[1, 22, frames]``."""
        torch = self._torch
        functional = torch.nn.functional
        for stage in range(2):
            source = self._conv(f"generator/noise_convs.{stage}", harmonics)
            source = self._resblock(f"noise_res.{stage}", source, timbre)
            made = functional.leaky_relu(made, 0.1)
            made = self._conv(f"generator/ups.{stage}", made, up=True)
            if stage == 1:
                made = functional.pad(made, (1, 0), mode="reflect")
            made = made + source
            parts = range(_KERNELS * stage, _KERNELS * (stage + 1))
            made = sum(self._resblock(f"resblocks.{i}", made, timbre) for i in parts) / _KERNELS
        return self._conv("generator/conv_post", functional.leaky_relu(made, 0.01))

    def _block(self, name: str, made: Tensor, timbre: Tensor) -> Tensor:
        functional = self._torch.nn.functional
        short, doubled = made, f"{name}/pool" in self._layers
        made = functional.leaky_relu(self._normed(f"{name}/norm1", made, timbre), 0.2)
        if doubled:
            made = self._conv(f"{name}/pool", made, up=True)
            short = short.repeat_interleave(2, -1)
        made = self._conv(f"{name}/conv1", made)
        made = functional.leaky_relu(self._normed(f"{name}/norm2", made, timbre), 0.2)
        made = self._conv(f"{name}/conv2", made)
        return (made + self._conv(f"{name}/conv1x1", short)) * 2**-0.5

    def _resblock(self, name: str, made: Tensor, timbre: Tensor) -> Tensor:
        for index in range(3):
            inner = made
            for half in (1, 2):
                inner = self._normed(f"generator/{name}/adain{half}.{index}", inner, timbre)
                inner = self._snake(inner, self._plain[f"generator.{name}.alpha{half}.{index}"])
                inner = self._conv(f"generator/{name}/convs{half}.{index}", inner)
            made = made + inner
        return made

    def _normed(self, name: str, made: Tensor, timbre: Tensor) -> Tensor:
        """Instance norm with the gain and offset that the timbre asks for."""
        weight, bias, _ = self._layers[f"{name}/fc"]
        gain, offset = (timbre[timbre_group(name)] @ weight + bias).chunk(2)
        return self._torch.nn.functional.batch_norm(
            made, None, None, 1 + gain, offset, training=True, momentum=0.0, eps=_EPSILON
        )

    def _conv(self, name: str, made: Tensor, *, up: bool = False) -> Tensor:
        functional = self._torch.nn.functional
        weight, bias, settings = self._layers[name]
        apply = functional.conv_transpose1d if up else functional.conv1d
        return apply(made, weight, bias, **settings)

    def _sound(self, made: Tensor) -> Tensor:
        torch = self._torch
        size, phase = torch.exp(made[:, :_BINS]), torch.sin(made[:, _BINS:])
        parts = torch.cat([size * torch.cos(phase), size * torch.sin(phase)], 1)
        wave = torch.nn.functional.conv_transpose1d(parts, self._plain[_BASIS], stride=_HOP)
        return wave[0, 0, 2 * _HOP : -2 * _HOP] * _GAIN


def _snake(torch: Any) -> Any:
    """``x + sin(ax)^2 / a`` (Ziyin et al. 2020), keeping ``x`` alone for the way back."""

    class Snake(torch.autograd.Function):  # type: ignore[misc, name-defined, unused-ignore]
        @staticmethod
        def forward(context: Any, made: Tensor, a: Tensor) -> Tensor:
            context.save_for_backward(made, a)
            return (made * a).sin_().square_().div_(a).add_(made)

        @staticmethod
        def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
            made, a = context.saved_tensors
            return (made * (2 * a)).sin_().add_(1.0).mul_(gradients[0]), None

    return Snake.apply


Layer = tuple[npt.NDArray[np.float32], "npt.NDArray[np.float32] | None", dict[str, Any]]


def _read(path: Path) -> tuple[dict[str, Layer], dict[str, npt.NDArray[np.float32]]]:
    """Layers by the path of their node below the decoder, and the tensors that stand alone."""
    import onnx

    graph = onnx.load(str(path)).graph
    stored = {item.name: item for item in graph.initializer}
    scaled = {n.output[0]: n for n in graph.node if n.op_type == "DequantizeLinear"}

    def array(name: str) -> npt.NDArray[Any]:
        return np.array(onnx.numpy_helper.to_array(stored[name]))

    def weight(node: Any) -> npt.NDArray[np.float32]:
        name = node.input[1]
        if name in scaled:
            quantised, scale, zero = scaled[name].input
        elif name.endswith("_quantized"):
            quantised, scale, zero = name, name.removesuffix("quantized") + "scale", node.input[3]
        else:
            return np.asarray(array(name), np.float32)
        centred = array(quantised).astype(np.float32) - array(zero).astype(np.float32)
        return np.asarray(centred * array(scale), np.float32)

    layers: dict[str, Layer] = {}
    try:
        for node in graph.node:
            name = node.name.removeprefix(_ROOT)
            if name == node.name or node.op_type not in _LAYERS:
                continue
            if len(node.input) < 2 or not (node.input[1] in stored or node.input[1] in scaled):
                continue
            key = name.rsplit("/", 1)[0]
            bias = "decoder.decoder." + _module(key) + ".bias"
            found = array(bias) if bias in stored else None
            layers[key] = (weight(node), found, _settings(node, onnx))
        names = [n for n in stored if ".alpha" in n or n == _BASIS]
        plain = {n.removeprefix("decoder.decoder.") if n != _BASIS else n: array(n) for n in names}
    except (KeyError, ValueError) as error:
        raise EngineError("This ONNX graph is not Kokoro's: its decoder differs.") from error
    if not all(name in layers for name in ("encode/conv1", "decode.3/pool", "generator/conv_post")):
        raise EngineError("This ONNX graph is not Kokoro's: no decoder was found.")
    return layers, plain


_LAYERS = ("ConvInteger", "Conv", "ConvTranspose", "MatMulInteger")


def _module(key: str) -> str:
    """The module name of a node's path: ``asr_res/asr_res.0`` is ``asr_res.0``."""
    return key.replace("asr_res/", "").replace("/", ".")


def _settings(node: Any, onnx: Any) -> dict[str, Any]:
    """Keyword arguments of torch's convolution for an ONNX node."""
    found: Mapping[str, Any] = {
        item.name: onnx.helper.get_attribute_value(item) for item in node.attribute
    }
    if "strides" not in found:
        return {}
    made = {
        "stride": found["strides"][0],
        "padding": found["pads"][0],
        "dilation": found["dilations"][0],
        "groups": found["group"],
    }
    if node.op_type == "ConvTranspose" and "output_padding" in found:
        made["output_padding"] = found["output_padding"][0]
    return made
