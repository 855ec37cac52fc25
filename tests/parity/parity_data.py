"""The recorded inputs, outputs and small weights, and networks made of them."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from polydub.engines.dubbing.funcineforge.sequence import Faces, Prompt, TurnTag, build_prompt

DATA = Path(__file__).parent / "data"

LM = {"hidden": 32, "layers": 3, "heads": 4, "kv_heads": 2, "intermediate": 64, "vocabulary": 512}
FLOW = {"model_size": 48, "dit": {"dim": 64, "depth": 3, "heads": 4, "dim_head": 16}}
VOCODER = {"channels": 32, "f0_channels": 24}
SMALL = {"lm": LM, "flow": FLOW, "vocoder": VOCODER}
"""The sizes of the recorded weights; everything else is as released."""


@lru_cache(maxsize=16)
def recorded(name: str) -> dict[str, npt.NDArray[Any]]:
    """Arrays of ``data/<name>.npz`` by name."""
    with np.load(DATA / f"{name}.npz") as file:
        return {key: file[key] for key in file.files if key != "meta"}


def sequences() -> dict[str, Any]:
    """Token ids of published demo samples."""
    return dict(json.loads((DATA / "sequence_fixture.json").read_text(encoding="utf-8")))


def weights(name: str) -> dict[str, Any]:
    """The state dict of ``lm``, ``flow`` or ``vocoder`` as tensors."""
    import torch

    return {key: torch.from_numpy(value) for key, value in recorded(f"{name}_weights").items()}


@lru_cache(maxsize=4)
def network(name: str) -> Any:
    """The small ``lm``, ``flow`` or ``vocoder`` with its recorded weights."""
    from polydub.engines.dubbing.funcineforge.config import ModelConfig, config_from
    from polydub.engines.dubbing.funcineforge.flow import Flow
    from polydub.engines.dubbing.funcineforge.lm import SpeechLm
    from polydub.engines.dubbing.funcineforge.vocoder import Vocoder

    config = config_from(ModelConfig, SMALL)
    made = {"lm": SpeechLm, "flow": Flow, "vocoder": Vocoder}[name](getattr(config, name))
    made.load_state_dict(weights(name), strict=True)
    return made.eval()


@lru_cache(maxsize=1)
def prompt() -> Prompt:
    """The clip that the recorded language model was given."""
    data = recorded("lm_fixture")
    with np.load(DATA / "lm_fixture.npz") as file:
        meta = json.loads(str(file["meta"]))
    turns = [
        TurnTag(t["start"], t["duration"], int(t["spk"]), t["gender"], t["age"])
        for t in json.loads(meta["dialogue"])
    ]
    return build_prompt(
        data["in.text_ids"].tolist(),
        scene=meta["type"],
        turns=turns,
        faces=Faces(data["in.face_embeddings"], data["in.faceI"]),
        length=int(meta["speech_length"]),
    )


def tensor(name: str, key: str) -> Any:
    """One recorded array as a tensor."""
    import torch

    return torch.from_numpy(recorded(name)[key])
