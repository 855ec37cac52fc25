"""wav2vec 2.0 (Baevski et al. 2020) from a table of tensors: what two measuring models stand on.

Both published kinds: ``base`` (one group norm in the convolutions, norms after each part of a
layer) and ``large`` of the robust family (a layer norm after every convolution, norms before each
part, one at the end). Sizes are read off the tensors, so that a small model of the same shape loads
alike; heads have 64 channels, strides are 5, 2, 2, 2, 2, 2, 2 (one frame per 20 ms at 16 kHz), as
in all published models. Names of tensors are those of the ``transformers`` library without the
prefix ``wav2vec2.``. Written from the papers; its answers are tested against that library's.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from polydub.errors import EngineError
from polydub.model import Samples

STRIDES = (5, 2, 2, 2, 2, 2, 2)
HEAD = 64
SHORTEST = 400
"""Samples of one frame: less sound has none."""


class Wav2Vec2:
    """The network. Raises ``KeyError`` when a tensor is missing."""

    def __init__(self, tensors: Mapping[str, Any]) -> None:
        self._torch = load_torch("wav2vec 2.0")
        self._all = tensors
        self._layers = count(tensors, "encoder.layers.")
        self._convolutions = count(tensors, "feature_extractor.conv_layers.")
        self._large = "feature_extractor.conv_layers.1.layer_norm.weight" in tensors
        self._position = self._kernel("encoder.pos_conv_embed.conv")
        self.width = int(tensors["encoder.layer_norm.weight"].shape[0])
        if not self._layers or self._convolutions != len(STRIDES) or self.width % HEAD:
            raise KeyError("encoder.layers")

    def __call__(self, samples: Samples) -> Any:
        """Hidden states ``[frames, width]`` of mono 16 kHz ``samples``, at least ``SHORTEST``."""
        torch, norm = self._torch, self._norm
        with torch.inference_mode():
            x = self._features(torch.from_numpy(samples.reshape(1, 1, -1).copy()))[0].T
            x = self._linear("feature_projection.projection", norm("feature_projection", x))
            x = x + self._positions(x)
            if not self._large:
                x = norm("encoder", x)
            for number in range(self._layers):
                x = self._layer(f"encoder.layers.{number}", x)
            return norm("encoder", x) if self._large else x

    def _features(self, wave: Any) -> Any:
        nn = self._torch.nn.functional
        x = wave
        for number, stride in enumerate(STRIDES):
            at = f"feature_extractor.conv_layers.{number}"
            x = nn.conv1d(
                x, self._all[f"{at}.conv.weight"], self._all.get(f"{at}.conv.bias"), stride=stride
            )
            if self._large:
                x = self._norm(at, x.transpose(1, 2)).transpose(1, 2)
            elif number == 0:
                weight, bias = self._pair(f"{at}.layer_norm")
                x = nn.group_norm(x, x.shape[1], weight, bias)
            x = nn.gelu(x)
        return x

    def _positions(self, x: Any) -> Any:
        """What the convolution over 2.5 s adds, for position."""
        nn = self._torch.nn.functional
        weight = self._position
        size = weight.shape[-1]
        groups = self.width // weight.shape[1]
        bias = self._all["encoder.pos_conv_embed.conv.bias"]
        found = nn.conv1d(x.T[None], weight, bias, padding=size // 2, groups=groups)
        return nn.gelu(found[0, :, : len(x)]).T

    def _layer(self, at: str, x: Any) -> Any:
        def feed(y: Any) -> Any:
            wide = self._linear(f"{at}.feed_forward.intermediate_dense", y)
            wide = self._torch.nn.functional.gelu(wide)
            return self._linear(f"{at}.feed_forward.output_dense", wide)

        if self._large:
            x = x + self._attend(at, self._norm(at, x))
            return x + feed(self._norm(at, x, "final_layer_norm"))
        x = self._norm(at, x + self._attend(at, x))
        return self._norm(at, x + feed(x), "final_layer_norm")

    def _attend(self, at: str, x: Any) -> Any:
        def heads(name: str) -> Any:
            return self._linear(f"{at}.attention.{name}_proj", x).unflatten(1, (-1, HEAD))

        query, key, value = (heads(name).transpose(0, 1)[None] for name in "qkv")
        found = self._torch.nn.functional.scaled_dot_product_attention(query, key, value)
        return self._linear(f"{at}.attention.out_proj", found[0].transpose(0, 1).flatten(1))

    def _norm(self, at: str, x: Any, name: str = "layer_norm") -> Any:
        weight, bias = self._pair(f"{at}.{name}")
        return self._torch.nn.functional.layer_norm(x, weight.shape, weight, bias)

    def _linear(self, at: str, x: Any) -> Any:
        return self._torch.nn.functional.linear(x, *self._pair(at))

    def _pair(self, at: str) -> tuple[Any, Any]:
        return self._all[f"{at}.weight"], self._all[f"{at}.bias"]

    def _kernel(self, at: str) -> Any:
        """Weight normalised per position in the kernel, under its old or its new names."""
        if f"{at}.weight_v" in self._all:
            size, direction = self._all[f"{at}.weight_g"], self._all[f"{at}.weight_v"]
        else:
            names = (f"{at}.parametrizations.weight.original{n}" for n in (0, 1))
            size, direction = (self._all[name] for name in names)
        return size * direction / direction.norm(dim=(0, 1), keepdim=True)


def count(tensors: Mapping[str, Any], prefix: str) -> int:
    """How many numbered parts the names that begin with ``prefix`` have."""
    found = {name[len(prefix) :].partition(".")[0] for name in tensors if name.startswith(prefix)}
    return len({number for number in found if number.isdigit()})


def load_torch(wanted_by: str) -> Any:
    """The package torch. Raises ``EngineError`` DUB-E202 without it."""
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise EngineError(f"{wanted_by} needs torch.", code="DUB-E202") from error


def read_tensors(path: Path, wanted_by: str) -> dict[str, Any]:
    """The tensors of a ``.safetensors`` or torch file, 32-bit floats, on the CPU; no code is run.

    Raises ``EngineError`` DUB-E202 without a package, DUB-E205 for another file.
    """
    torch = load_torch(wanted_by)
    read = _safetensors(wanted_by) if path.suffix == ".safetensors" else _torch_file(torch)
    try:
        found = read(path)
        return {name: tensor.float() for name, tensor in found.items()}
    except (OSError, RuntimeError, ValueError, EOFError, AttributeError, KeyError) as error:
        raise unfit(path, wanted_by, error) from error
    except _unreadable() as error:
        raise unfit(path, wanted_by, error) from error


def unfit(path: Path, wanted_by: str, error: Exception) -> EngineError:
    """The error DUB-E205 for a file with other weights."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return EngineError(f"{path} does not hold the weights of {wanted_by}: {text}", code="DUB-E205")


def _torch_file(torch: Any) -> Callable[[Path], Mapping[str, Any]]:
    def read(path: Path) -> Mapping[str, Any]:
        found: Mapping[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return found

    return read


def _safetensors(wanted_by: str) -> Callable[[Path], Mapping[str, Any]]:
    try:
        load: Callable[[Path], Mapping[str, Any]] = importlib.import_module(
            "safetensors.torch"
        ).load_file
    except ImportError as error:
        raise EngineError(
            f"{wanted_by} needs the package safetensors.",
            hint="Install it with: pip install safetensors",
            code="DUB-E202",
        ) from error
    return load


def _unreadable() -> tuple[type[Exception], ...]:
    import pickle

    try:
        from safetensors import SafetensorError
    except ImportError:
        return (pickle.UnpicklingError,)
    return (pickle.UnpicklingError, SafetensorError)
