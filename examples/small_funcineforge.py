"""Writes a small random checkpoint of Fun-CineForge in the public layout, to try the engine with.

    python examples/small_funcineforge.py small-weights
    export POLYDUB_WEIGHT_FUNCINEFORGE=small-weights
    polydub dub examples/conversation.mp4 --to zh --engine dubbing=funcineforge

Every part runs as with the released weights, in seconds and without a download; what is spoken is
noise. Needs the extras `offline` and `funcineforge`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

SMALL: dict[str, Any] = {
    "lm": {"hidden": 16, "layers": 2, "heads": 2, "kv_heads": 1, "intermediate": 32},
    "flow": {"model_size": 16, "dit": {"dim": 32, "depth": 2, "heads": 2, "dim_head": 16}},
    "vocoder": {"channels": 16, "f0_channels": 8},
}


def small_networks(seed: int = 0) -> dict[str, Any]:
    """The three networks with seeded random weights, by the names of their folders."""
    import torch

    from polydub.engines.dubbing.funcineforge.config import ModelConfig, config_from
    from polydub.engines.dubbing.funcineforge.flow import Flow
    from polydub.engines.dubbing.funcineforge.lm import SpeechLm
    from polydub.engines.dubbing.funcineforge.vocoder import Vocoder

    config = config_from(ModelConfig, SMALL)
    made = {}
    for name, kind, own in (
        ("llm", SpeechLm, config.lm),
        ("flow", Flow, config.flow),
        ("vocoder", Vocoder, config.vocoder),
    ):
        network: Any = kind(own)
        generator = torch.Generator().manual_seed(seed)
        for key, value in sorted(network.state_dict().items()):
            if value.ndim > 1:
                scale = value[0].numel() ** -0.5
                value.copy_(torch.randn(value.shape, generator=generator) * scale)
            elif key.endswith("bias"):
                value.copy_(0.1 * torch.randn(value.shape, generator=generator))
        made[name] = network.eval()
    return made


def write_checkpoint(root: Path, *, seed: int = 0, extras: bool = True) -> Path:
    """A small checkpoint below ``root``; ``extras`` adds the three ONNX networks."""
    import torch

    from polydub.engines.dubbing.funcineforge.checkpoint import MODEL, PICKLES, TEXT

    model = root / MODEL
    for name, network in small_networks(seed).items():
        path = model / PICKLES[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        state = {f"module.{key}": value for key, value in network.state_dict().items()}
        torch.save({"state_dict": state, "epoch": 3}, path)
    (model / "polydub.json").write_text(json.dumps(SMALL))
    (root / TEXT).mkdir(exist_ok=True)
    (root / TEXT / "vocab.json").write_text(json.dumps(byte_vocabulary()))
    if extras:
        _write_onnx(model / "camplus.onnx", ["batch", "frames", 80], 192, time_axis=True)
        _write_onnx(root / "face_recog_ir101.onnx", [1, 3, 112, 112], 512, time_axis=False)
        write_speech_tokenizer(root / "speech_tokenizer_v3.onnx")
    return root


def byte_vocabulary() -> dict[str, int]:
    """Every byte as an entry of its own, written as GPT-2's vocabularies do."""
    from polydub.engines.dubbing.funcineforge.tokenizer import letters_of_bytes

    return {letter: byte for letter, byte in letters_of_bytes().items()}


def _write_onnx(path: Path, shape: list[Any], size: int, *, time_axis: bool) -> None:
    """A stand-in: the mean over time (or over all but the last axis) times a random matrix."""
    from onnx import TensorProto, helper, numpy_helper

    width = 80 if time_axis else 112
    matrix = np.random.default_rng(size).standard_normal((width, size)).astype(np.float32)
    axes = [1] if time_axis else [1, 2]
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=axes, keepdims=0),
        helper.make_node("MatMul", ["m", "w"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "stand-in",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [shape[0], size])],
        [numpy_helper.from_array(matrix, "w")],
    )
    _save(graph, path)


def write_speech_tokenizer(path: Path, *, levels: int = 3) -> Path:
    """A stand-in with the inputs and outputs of ``speech_tokenizer_v3.onnx``.

    Four frames of mel give eight numbers, each rounded to one of ``levels`` values, which count as
    the digits of the token: so the real one quantises, too (3 ** 8 = 6561).
    """
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(6561)
    mixed = random.standard_normal((8, 128, 4)).astype(np.float32) / 8
    constants = {
        "w": mixed,
        "half": np.array((levels - 1) / 2, np.float32),
        "digits": (float(levels) ** np.arange(8, dtype=np.float32)).reshape(1, 8, 1),
        "axis": np.array([1], np.int64),
        "zero": np.array([0], np.int64),
        "three": np.array([3], np.int64),
        "four": np.array([4], np.int64),
    }
    nodes = [
        helper.make_node("Conv", ["feats", "w"], ["c"], strides=[4], pads=[0, 3]),
        helper.make_node("Tanh", ["c"], ["t"]),
        helper.make_node("Mul", ["t", "half"], ["scaled"]),
        helper.make_node("Add", ["scaled", "half"], ["level"]),
        helper.make_node("Round", ["level"], ["digit"]),
        helper.make_node("Mul", ["digit", "digits"], ["worth"]),
        helper.make_node("ReduceSum", ["worth", "axis"], ["number"], keepdims=0),
        helper.make_node("Cast", ["feats_length"], ["length"], to=TensorProto.INT64),
        helper.make_node("Add", ["length", "three"], ["more"]),
        helper.make_node("Div", ["more", "four"], ["count"]),
        helper.make_node("Slice", ["number", "zero", "count", "axis"], ["cut"]),
        helper.make_node("Cast", ["cut"], ["indices"], to=TensorProto.INT32),
    ]
    graph = helper.make_graph(
        nodes,
        "stand-in",
        [
            helper.make_tensor_value_info("feats", TensorProto.FLOAT, [1, 128, "frames"]),
            helper.make_tensor_value_info("feats_length", TensorProto.INT32, [1]),
        ],
        [helper.make_tensor_value_info("indices", TensorProto.INT32, [1, "tokens"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    _save(graph, path)
    return path


def _save(graph: Any, path: Path) -> None:
    import onnx
    from onnx import helper

    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, path)


def main() -> None:
    """Write one where the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(write_checkpoint(options.folder, seed=options.seed))


if __name__ == "__main__":
    main()
