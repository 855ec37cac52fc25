"""The public checkpoint: where it lies, what must be in it, and the networks made of it.

::

    <root>/funcineforge_zh_en/llm/ds-model.pt.best/mp_rank_00_model_states.pt
                              flow/ds-model.pt.best/mp_rank_00_model_states.pt
                              vocoder/ds-model.pt.best/avg_5_removewn.pt
                              camplus.onnx               voices of references
                              polydub.json               sizes, when they are not the release's
    <root>/Qwen2-0.5B-CosyVoice-BlankEN/vocab.json       text
    <root>/face_recog_ir101.onnx                         faces

A ``model.safetensors`` beside ``ds-model.pt.best`` is read instead of it. Pickles are read as
tensors only; :func:`convert` rewrites those that hold more.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from polydub.engines.dubbing.funcineforge.config import (
    Dtype,
    FlowConfig,
    LmConfig,
    ModelConfig,
    config_from,
)
from polydub.engines.dubbing.funcineforge.flow import Flow
from polydub.engines.dubbing.funcineforge.lm import SpeechLm
from polydub.engines.dubbing.funcineforge.vocoder import Vocoder
from polydub.errors import EngineError

HUB = "FunAudioLLM/Fun-CineForge"
VARIABLE = "POLYDUB_WEIGHT_FUNCINEFORGE"
PULL = "polydub engines pull funcineforge"
MODEL, TEXT = "funcineforge_zh_en", "Qwen2-0.5B-CosyVoice-BlankEN"
STATES = "mp_rank_00_model_states.pt"
PICKLES = {
    "llm": f"llm/ds-model.pt.best/{STATES}",
    "flow": f"flow/ds-model.pt.best/{STATES}",
    "vocoder": "vocoder/ds-model.pt.best/avg_5_removewn.pt",
}
ONNX = ("camplus.onnx", "face_recog_ir101.onnx", "speech_tokenizer_v3.onnx")
"""Networks of voices, faces and speech tokens, in the model's folder or beside it."""
VOCABULARIES = ("config.json", "vocab.json", "qwen.tiktoken")
WRAPPERS = ("state_dict", "model_state_dict", "model", "module")
"""Keys under which training programs put a state dict; one of each is taken off, in this order."""

MAY_BE_ABSENT = frozenset({"dit_model.rotary_embed.inv_freq"})
"""Buffers that follow from the sizes."""
NOT_OURS = frozenset({"mel_extractor.mel_basis", "mel_extractor.window", "llm.lm_head.weight"})
"""What the files may hold beyond our networks: training's mel filters, the text head."""

QWEN_NAMES = {
    "hidden_size": "hidden",
    "num_hidden_layers": "layers",
    "num_attention_heads": "heads",
    "num_key_value_heads": "kv_heads",
    "intermediate_size": "intermediate",
    "vocab_size": "vocabulary",
    "rope_theta": "rope_theta",
    "rms_norm_eps": "norm_eps",
    "max_position_embeddings": "positions",
}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint on disk; ``model`` is its folder ``funcineforge_zh_en``."""

    model: Path

    @property
    def root(self) -> Path:
        """The folder that holds everything."""
        return self.model.parent

    def file(self, name: str) -> Path | None:
        """The path of a further file, in the model's folder or beside it, if it is there."""
        for folder in (self.model, self.root):
            if (folder / name).is_file():
                return folder / name
        return None

    def weights(self, part: str) -> Path:
        """The file with the tensors of ``llm``, ``flow`` or ``vocoder``; DUB-E204 without one."""
        for path in (self.model / part / "model.safetensors", self.model / PICKLES[part]):
            if path.is_file():
                return path
        raise missing(f"{self.model} holds no {PICKLES[part]}.")


def missing(message: str) -> EngineError:
    """The error that tells how the checkpoint is got."""
    return EngineError(
        message,
        hint=f"Download it with: {PULL} (from {HUB}); or set {VARIABLE} to its folder.",
        code="DUB-E204",
    )


def find_checkpoint(path: Path | None = None) -> Checkpoint:
    """The checkpoint at ``path``, at ``$POLYDUB_WEIGHT_FUNCINEFORGE`` or in the hub's cache.

    Nothing is downloaded. Raises ``EngineError`` DUB-E204 when it is not there.
    """
    told = path or os.environ.get(VARIABLE)
    if told:
        root = Path(told).expanduser()
        for model in (root / MODEL, root):
            if (model / "llm").is_dir():
                return Checkpoint(model)
        raise missing(f"There is no checkpoint of Fun-CineForge in {root}.")
    cached = _in_hub_cache()
    if cached is None:
        raise missing("The checkpoint of Fun-CineForge is not on this machine.")
    return Checkpoint(cached)


def _in_hub_cache() -> Path | None:
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    found = try_to_load_from_cache(HUB, f"{MODEL}/{PICKLES['llm']}")
    return Path(found).parents[2] if isinstance(found, str) else None


def read_config(checkpoint: Checkpoint) -> ModelConfig:
    """Sizes: of ``polydub.json`` when there is one, else the release's, as far as files tell.

    The Qwen2 folder's own ``config.json`` wins over our constants. Raises ``EngineError`` for
    settings that are none.
    """
    own = checkpoint.model / "polydub.json"
    if own.is_file():
        return config_from(ModelConfig, _json(own), own.name)
    qwen = checkpoint.root / TEXT / "config.json"
    if not qwen.is_file():
        return ModelConfig()
    told = _json(qwen)
    values = {ours: told[name] for name, ours in QWEN_NAMES.items() if name in told}
    return ModelConfig(lm=replace(LmConfig(), **values))


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise EngineError(f"{path} cannot be read: {error}", code="DUB-E205") from error


@dataclass(frozen=True, slots=True, eq=False)
class Networks:
    """The three networks with their weights, ready to run."""

    lm: SpeechLm
    flow: Flow
    vocoder: Vocoder
    config: ModelConfig


def load_networks(
    checkpoint: Checkpoint, *, device: str = "cpu", dtype: Dtype = "float32"
) -> Networks:
    """The networks of a checkpoint. The vocoder stays in float32: its phase adds up errors.

    Raises ``EngineError`` DUB-E204 when a file is absent, DUB-E205 when a tensor is missing,
    superfluous or of another shape.
    """
    config = read_config(checkpoint)
    chosen = getattr(torch, dtype)
    flow_state = read_state(checkpoint.weights("flow"))
    config = replace(config, flow=flow_as_stored(config.flow, flow_state))
    lm = build(SpeechLm, config.lm, read_state(checkpoint.weights("llm")), device, chosen)
    flow = build(Flow, config.flow, flow_state, device, chosen)
    state = read_state(checkpoint.weights("vocoder"))
    vocoder = build(Vocoder, config.vocoder, state, device, torch.float32)
    vocoder.keep_phase_on_cpu()
    return Networks(lm, flow, vocoder, config)


def flow_as_stored(config: FlowConfig, state: Mapping[str, Tensor]) -> FlowConfig:
    """The two sizes on which code and ports disagree, as the shapes have them."""
    ahead = state.get("lookahead_conv1d.conv1.weight")
    xvec = state.get("xvec_proj.weight")
    if ahead is None or xvec is None:
        return config
    return replace(config, lookahead=ahead.shape[-1] - 1, xvec=xvec.shape[-1])


def build(
    kind: type[nn.Module],
    config: Any,
    state: Mapping[str, Tensor],
    device: str,
    dtype: torch.dtype,
) -> Any:
    """A network of ``kind`` with the tensors of ``state``; nothing is initialised at random.

    Raises ``EngineError`` DUB-E205 as :func:`check_state` does.
    """
    with torch.device("meta"):
        network = kind(config)
    check_state(kind.__name__, network.state_dict(), state)
    names = {name for name, _ in network.named_parameters()}
    own = {name: state[name].to(device, dtype) for name in sorted(names)}
    network.load_state_dict(own, strict=False, assign=True)
    for name, module in list(network.named_modules()):
        if any(buffer.is_meta for buffer in module.buffers(recurse=False)):
            _renew(network, name, module)
    return network.to(device).eval()


def _renew(network: nn.Module, name: str, module: nn.Module) -> None:
    """Make a module that holds only computed buffers anew, off the meta device."""
    if hasattr(module, "config"):
        fresh = type(module)(module.config)
    else:
        fresh = type(module)(2 * next(module.buffers()).shape[0])
    network.set_submodule(name, fresh)


def check_state(what: str, expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    """Raise ``EngineError`` DUB-E205 unless ``state`` holds just ``expected``, in its shapes."""
    lost = sorted(set(expected) - set(state) - MAY_BE_ABSENT)
    more = sorted(set(state) - set(expected) - NOT_OURS)
    shared = sorted(set(expected) & set(state))
    odd = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(expected[name].shape)}"
        for name in shared
        if state[name].shape != expected[name].shape
    ]
    for problem, names in (
        ("is missing", lost),
        ("is not known", more),
        ("has a wrong shape", odd),
    ):
        if names:
            rest = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
            raise EngineError(
                f"The checkpoint does not fit {what}: {names[0]}{rest} {problem}.",
                hint="Check that all files are of the same release.",
                code="DUB-E205",
            )


def read_state(path: Path, *, trust: bool = False) -> dict[str, Tensor]:
    """The tensors of a file by name, wrappers and the prefix ``module.`` taken off.

    A pickle is read as tensors only, for others can run any program; ``trust`` reads it whole.
    Raises ``EngineError`` DUB-E205 when that fails.
    """
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return dict(load_file(path))
    try:
        loaded = torch.load(path, map_location="cpu", mmap=True, weights_only=not trust)
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError) as error:
        raise EngineError(
            f"{path} cannot be read as tensors: {str(error).splitlines()[0]}",
            hint="If you trust its origin, rewrite it once as docs/funcineforge.md tells.",
            code="DUB-E205",
        ) from error
    for wrapper in WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
    return {
        name.removeprefix("module."): value
        for name, value in loaded.items()
        if isinstance(value, Tensor)
    }


def complete(root: Path, start: Checkpoint) -> list[Path]:
    """Link into the checkpoint of a training run what it lacks of ``start``; returns the links.

    These are the networks that were not trained, the vocabulary and the ONNX networks; they are
    copied where links cannot be made.
    """
    model = root / MODEL
    wanted = {
        model / path.relative_to(start.model): path
        for part in PICKLES
        if not _has_weights(model, part)
        for path in (start.weights(part),)
    }
    for name in VOCABULARIES:
        if (start.root / TEXT / name).is_file():
            wanted[root / TEXT / name] = start.root / TEXT / name
    for name in (*ONNX, *VOCABULARIES):
        for place, folder in ((model, start.model), (root, start.root)):
            if (folder / name).is_file():
                wanted[place / name] = folder / name
    made = [target for target in wanted if not target.exists()]
    for target in made:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # a link that leads nowhere any more
        try:
            target.symlink_to(wanted[target].resolve())
        except OSError:
            shutil.copyfile(wanted[target], target)
    return made


def _has_weights(model: Path, part: str) -> bool:
    return any((model / name).is_file() for name in (f"{part}/model.safetensors", PICKLES[part]))


def convert(root: str | Path) -> list[Path]:
    """Rewrite the pickles of the checkpoint in ``root`` as safetensors files beside them.

    The pickles are trusted: do this only with files whose origin is known.
    """
    from safetensors.torch import save_file

    checkpoint = find_checkpoint(Path(root))
    written = []
    for part, pickled in PICKLES.items():
        state = read_state(checkpoint.model / pickled, trust=True)
        target = checkpoint.model / part / "model.safetensors"
        save_file({name: value.contiguous() for name, value in state.items()}, target)
        written.append(target)
    return written
