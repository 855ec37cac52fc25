"""What the language model reads: start, faces, clue and text, scene, turns, "now speak".

Everything here is ids and places; the embeddings are looked up in :mod:`.lm`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from polydub.engines.dubbing.funcineforge.config import (
    FIRST_SPEAKER,
    MOST_SPEAKERS,
    SOS,
    TIME_IDS,
    TIMESPK_UNITS,
    TOKENS_PER_SECOND,
    TURN_OF_SPEECH,
)
from polydub.errors import EngineError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

CODEC, TEXT, TIMESPK = 0, 1, 2
"""Which table the embedding of a position comes from: the position decides, never the value."""

UNKNOWN = -100
"""A gender or age that is not known; it is read from row 0 of the table."""

SCENES = {"旁白": 1500, "独白": 1501, "对话": 1502, "多人": 1503}
"""Narration, monologue, dialogue, many speakers; every other word counts as narration."""
SCENE_WORDS = {"narration": "旁白", "monologue": "独白", "dialogue": "对话", "many": "多人"}
"""Our words for the scenes."""
GENDERS = {"男": 1504, "male": 1504, "女": 1505, "female": 1505}
AGES = {
    **{"儿童": 1506, "child": 1506, "青年": 1507, "teenager": 1507},
    **{"中年": 1508, "adult": 1508, "中老年": 1509, "middle-aged": 1509},
    **{"老年": 1510, "elderly": 1510},
}
"""The pairs are the model's own: 中年 (middle-aged, by the word) shares its id with "adult"."""

FACE_STRIDE = 5
"""Frames of 40 ms that one detection of a face fills."""

TimeIds = Literal["raw", "clamped"]
"""``raw`` codes times as the released program does; ``clamped`` keeps them inside the table."""


@dataclass(frozen=True, slots=True)
class TurnTag:
    """When a speaker talks, and who: seconds from the clip's start; ``speaker`` counts from 1.

    ``gender`` and ``age`` are words of :data:`GENDERS` and :data:`AGES`; others are unknown.
    """

    start: float
    duration: float
    speaker: int
    gender: str = ""
    age: str = ""


def turn_ids(turn: TurnTag, times: TimeIds = "raw") -> tuple[int, int, int, int, int]:
    """Start, speaker, gender, age and end of a turn as ids.

    Times are ``int(seconds * 25 + 1)`` in double precision, truncated toward zero. Without
    clamping, times from 59.96 s on read as scenes, as they do in the released program. Raises
    ``EngineError`` when an id lies outside the table: the released program reads past it.
    """
    ids = (
        _time_id(turn.start, times),
        FIRST_SPEAKER + turn.speaker - 1,
        GENDERS.get(turn.gender, UNKNOWN),
        AGES.get(turn.age, UNKNOWN),
        _time_id(turn.start + turn.duration, times),
    )
    if not 1 <= turn.speaker <= MOST_SPEAKERS:
        raise EngineError(f"Fun-CineForge tells 1 to 39 speakers apart, not {turn.speaker}.")
    if max(ids) >= TIMESPK_UNITS:
        raise EngineError(
            f"A turn ends at {turn.start + turn.duration:.2f} s: Fun-CineForge's clock ends at "
            "60 s.",
            hint="Cut the clip at a pause, or clamp the times.",
        )
    return ids


def _time_id(seconds: float, times: TimeIds) -> int:
    value = int(seconds * TOKENS_PER_SECOND + 1)
    return min(max(value, 1), TIME_IDS - 1) if times == "clamped" else value


def timespk_ids(turns: Sequence[TurnTag], times: TimeIds = "raw") -> tuple[int, ...]:
    """Five ids a turn, in the order given. Raises as :func:`turn_ids` does."""
    return tuple(id_ for turn in turns for id_ in turn_ids(turn, times))


def scene_id(scene: str) -> int:
    """The id of a scene's word in the model's or our language; narration for any other."""
    return SCENES.get(SCENE_WORDS.get(scene, scene), SCENES["旁白"])


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Raw face embeddings ``[n, 512]`` (not normalised) and the 25 fps frame of each ``[n]``."""

    embeddings: Floats
    frames: Ints

    @staticmethod
    def none() -> Faces:
        """Nobody is seen: narration, off-screen speech."""
        return Faces(np.zeros((0, 512), np.float32), np.zeros(0, np.int64))


def face_rows(faces: Faces, length: int) -> Ints:
    """Which detection fills each of ``length`` frames, ``[length]``; -1 = no face.

    A detection fills its frame and the four after it; of two, the later in the list wins.
    """
    rows = np.full(length, -1, np.int64)
    for row, frame in enumerate(faces.frames.tolist()):
        if 0 <= frame < length:
            rows[frame : frame + FACE_STRIDE] = row
    return rows


def face_matrix(faces: Faces, length: int) -> Floats:
    """The face block ``[length, 512]``: zeros where nobody is seen."""
    rows = face_rows(faces, length)
    matrix = np.zeros((length, faces.embeddings.shape[1]), np.float32)
    matrix[rows >= 0] = faces.embeddings[rows[rows >= 0]]
    return matrix


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """One sample ready for the model.

    ``ids`` ``[n]`` and the table of each (``kinds`` ``[n]``, uint8); ``faces`` ``[frames, 512]``
    come between the first id and the second. ``raw`` are the ids before unknown ones became 0.
    """

    ids: Ints
    kinds: npt.NDArray[np.uint8]
    faces: Floats
    raw: Ints

    @property
    def length(self) -> int:
        """Positions that the model reads before it speaks."""
        return len(self.ids) + len(self.faces)


def build_prompt(
    text_ids: Sequence[int],
    *,
    scene: str,
    turns: Sequence[TurnTag],
    faces: Faces,
    length: int,
    times: TimeIds = "raw",
) -> Prompt:
    """The sequence of one clip of ``length`` frames (25 a second).

    ``text_ids`` are the clue's and the text's, see :mod:`.tokenizer`. Raises ``EngineError`` when
    the length is not positive, or as :func:`turn_ids` does.
    """
    if length <= 0:
        raise EngineError(f"A clip of {length} frames cannot be dubbed.")
    told = [scene_id(scene), *timespk_ids(turns, times)]
    raw = np.array([SOS, *text_ids, *told, TURN_OF_SPEECH], np.int64)
    kinds = np.array([CODEC, *[TEXT] * len(text_ids), *[TIMESPK] * len(told), CODEC], np.uint8)
    return Prompt(np.maximum(raw, 0), kinds, face_matrix(faces, length), raw)
