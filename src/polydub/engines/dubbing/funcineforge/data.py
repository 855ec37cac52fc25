"""Training samples: one JSON object a line, in Fun-CineForge's format.

Beyond the roles of inference a sample has ``token`` (``.npy`` of speech tokens, 25 a second). The
sound that the flow learns is ``vocal``; ``xvector`` (``.npy``, ours) saves computing the voice.
Faces are ``.npz`` with ``embeddings`` and ``faceI``: pickles could run any program and are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from polydub.engines.dubbing.funcineforge.config import SPEECH_TOKENS
from polydub.engines.dubbing.funcineforge.sequence import Faces, Floats, Ints, TurnTag
from polydub.errors import InputError
from polydub.model.arrays import read_array, read_arrays


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One clip: what the model reads, and the speech tokens ``[n]`` that it should say.

    ``sound`` is the clip's voices (a sound file) and ``xvector`` its voice (``.npy``), when given.
    """

    name: str
    scene: str
    text: str
    clue: str
    turns: tuple[TurnTag, ...]
    length: int
    tokens: Ints
    faces: Faces
    sound: Path | None = None
    xvector: Path | None = None


def read_samples(path: Path) -> tuple[Sample, ...]:
    """All samples of a JSONL file; paths in it count from its folder.

    Raises ``InputError`` DUB-E101 for a missing file, DUB-E107 with the line of the first bad one.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}", code="DUB-E101") from error
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found.append(_sample(json.loads(line), path.parent))
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise InputError(
                f"{path}, line {number}: not a training sample ({error}).", code="DUB-E107"
            ) from error
    if not found:
        raise InputError(f"{path} holds no samples.", code="DUB-E107")
    return tuple(found)


def _sample(data: Mapping[str, Any], folder: Path) -> Sample:
    roles = {message["role"]: message["content"] for message in data["messages"]}
    path = folder / roles["token"]
    if not path.is_file():
        raise ValueError(f"{path} is absent: `polydub dataset build --tokens` makes speech tokens")
    tokens = read_array(path).reshape(-1).astype(np.int64)
    if not len(tokens) or tokens.min() < 0 or tokens.max() >= SPEECH_TOKENS:
        raise ValueError("its tokens are not speech tokens")
    return Sample(
        name=str(data["utt"]),
        scene=str(data.get("type", "")),
        text=str(roles["text"]),
        clue=str(roles.get("clue", "")),
        turns=tuple(_turn(turn) for turn in roles["dialogue"]),
        length=int(data["speech_length"]),
        tokens=tokens,
        faces=read_faces(folder / roles["face"]) if roles.get("face") else Faces.none(),
        sound=folder / roles["vocal"] if roles.get("vocal") else None,
        xvector=folder / roles["xvector"] if roles.get("xvector") else None,
    )


def _turn(turn: Mapping[str, Any]) -> TurnTag:
    return TurnTag(
        float(turn["start"]),
        float(turn["duration"]),
        int(turn["spk"]),
        str(turn.get("gender", "")),
        str(turn.get("age", "")),
    )


def read_faces(path: Path) -> Faces:
    """The face embeddings in an ``.npz`` file. Raises ``ValueError`` for anything else."""
    if path.suffix != ".npz":
        raise ValueError(f"{path.name} is no .npz file: convert pickles of faces first")
    arrays = read_arrays(path)
    embeddings = np.asarray(arrays["embeddings"], np.float32)
    frames = np.asarray(arrays["faceI"], np.int64)
    if embeddings.ndim != 2 or len(embeddings) != len(frames):
        raise ValueError(f"{path.name} does not hold one frame number for each embedding")
    return Faces(embeddings, frames)


def read_xvector(path: Path) -> Floats:
    """The voice ``[192]`` in an ``.npy`` file of shape ``[192]`` or ``[1, 192]``."""
    return np.asarray(read_array(path), np.float32).reshape(-1)
