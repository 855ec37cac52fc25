"""Small random checkpoints of Fun-CineForge in the public layout, and what belongs to them."""

from __future__ import annotations

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
    """A small checkpoint below ``root``; ``extras`` adds the two ONNX networks."""
    import torch

    from polydub.engines.dubbing.funcineforge.checkpoint import MODEL, PICKLES, TEXT

    model = root / MODEL
    for name, network in small_networks(seed).items():
        path = model / PICKLES[name]
        path.parent.mkdir(parents=True)
        state = {f"module.{key}": value for key, value in network.state_dict().items()}
        torch.save({"state_dict": state, "epoch": 3}, path)
    (model / "polydub.json").write_text(json.dumps(SMALL))
    (root / TEXT).mkdir()
    (root / TEXT / "vocab.json").write_text(json.dumps(byte_vocabulary()))
    if extras:
        _write_onnx(model / "camplus.onnx", ["batch", "frames", 80], 192, time_axis=True)
        _write_onnx(root / "face_recog_ir101.onnx", [1, 3, 112, 112], 512, time_axis=False)
    return root


def byte_vocabulary() -> dict[str, int]:
    """Every byte as an entry of its own, written as GPT-2's vocabularies do."""
    from polydub.engines.dubbing.funcineforge.tokenizer import _letters_of_bytes

    return {letter: byte for letter, byte in _letters_of_bytes().items()}


def _write_onnx(path: Path, shape: list[Any], size: int, *, time_axis: bool) -> None:
    """A stand-in: the mean over time (or over all but the last axis) times a random matrix."""
    import onnx
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
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, path)
