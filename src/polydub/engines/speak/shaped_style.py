"""Style names that shape one of Kokoro's voices: ``am_liam:pitch=1.08:moves=...``.

The whole voice is in its name, so a script, a cache key or another project carry it without more.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from polydub.errors import EngineError

SIZE = 128
GROUPS = 11
"""Parts of the decoder, from the text to the sound, that may each be given a timbre of its own."""

VOICED = 8
"""The last of them, which make sound of what was articulated (the generator): they are shaped.

The first three bring little likeness and cost words. An English voice in Mandarin, moved towards a
film speaker by everything: CAM++ with ReLU 0.33 -> 0.62, but 83 to 93 % of the syllables misheard;
by one of the first three parts alone 0.33 to 0.38, up to 34 %; by the generator alone 0.60, none.

Eight parts and not its two halves: five film speakers in three languages, ten steps of 4.0, have
0.64 and DistillMOS 4.57 so. With the halves one voice was lost altogether, and four have 0.64 and
4.37.
"""

APART = 0.5
"""Share of what a part is to differ from the mean of all that it does differ.

The same five with a quarter, in steps of 6.0: 0.67 and 4.33. With all of it one of them has 0.65
and 4.19 (with this share 0.62 and 4.64).
"""

MIXING = APART * np.eye(VOICED, dtype=np.float32) + np.float32((1 - APART) / VOICED)
"""``[8, 8]``: the moves of the parts are this times their shifts."""

_UNIT = 0.02  # of one spread: an eighth of what changes a voiceprint by 0.01
_PITCH = (0.6, 1.7)

Shift = npt.NDArray[np.float32]
Moves = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ShapedStyle:
    """``voice`` with its pitch multiplied and its timbre moved, part by part, by ``moves``.

    ``moves`` ``[11, 128]`` count in spreads of the timbres of all voices, dimension by dimension.
    """

    voice: str
    pitch: float = 1.0
    moves: Moves = field(default_factory=lambda: np.zeros((GROUPS, SIZE), np.float32))


def moves_of(shift: Shift) -> Moves:
    """The moves ``[11, 128]`` of a ``shift`` ``[8 * 128]``: one row for each of the last parts."""
    moves = np.zeros((GROUPS, SIZE), np.float32)
    moves[-VOICED:] = MIXING @ shift.reshape(VOICED, SIZE)
    return moves


def shaped_name(style: ShapedStyle) -> str:
    """The name of ``style``; the plain voice's own name where nothing is changed."""
    parts = [style.voice]
    pitch = round(float(np.clip(style.pitch, *_PITCH)), 3)
    if pitch != 1.0:
        parts.append(f"pitch={pitch}")
    steps = np.clip(np.rint(style.moves / _UNIT), -127, 127).astype(np.int8)
    if steps.any():
        steps = steps if steps[:-VOICED].any() else steps[-VOICED:]
        parts.append("moves=" + base64.urlsafe_b64encode(steps.tobytes()).decode("ascii"))
    return ":".join(parts)


def read_style(name: str) -> ShapedStyle:
    """The style of ``name``. Raises ``EngineError`` DUB-E206 for what is not understood."""
    voice, *parts = name.split(":")
    pitch, moves = 1.0, np.zeros((GROUPS, SIZE), np.float32)
    for part in parts:
        key, _, value = part.partition("=")
        try:
            if key == "pitch":
                pitch = float(value)
            elif key == "moves":
                moves = _read_moves(value)
            elif key == "timbre":
                moves = _read_timbre(value)
            else:
                raise ValueError(f"'{key}' is unknown")
            if not np.isfinite(pitch):
                raise ValueError("the pitch is no number")
        except (ValueError, binascii.Error) as error:
            raise EngineError(
                f"The shape of the voice '{voice}' cannot be read: {error}.",
                hint="A shaped voice is written as NAME:pitch=RATIO:moves=CODE.",
            ) from error
    return ShapedStyle(voice, float(np.clip(pitch, *_PITCH)), moves)


def _read_moves(code: str) -> Moves:
    """Moves by their code: of the last parts, or of all."""
    rows = _read_rows(code, (VOICED, GROUPS))
    moves = np.zeros((GROUPS, SIZE), np.float32)
    moves[GROUPS - len(rows) :] = rows
    return moves


_BEFORE = (0, 1, 2, *[3] * 4, *[4] * 4)
"""Which of five parts every part belonged to before there were eleven."""


def _read_timbre(code: str) -> Moves:
    """Moves as they were written before: of all parts alike, or to be mixed with the others'."""
    parts = max(_BEFORE) + 1
    rows = np.broadcast_to(_read_rows(code, (1, parts)), (parts, SIZE))
    mixed = (rows + rows.mean(axis=0)) / 2
    return np.asarray(mixed[list(_BEFORE)], np.float32)


def _read_rows(code: str, counts: Sequence[int]) -> Moves:
    steps = np.frombuffer(base64.b64decode(code, altchars=b"-_", validate=True), np.int8)
    if len(steps) not in [count * SIZE for count in counts]:
        wanted = " or ".join(str(count * SIZE) for count in counts)
        raise ValueError(f"the timbre has {len(steps)} numbers, not {wanted}")
    return np.asarray(steps.reshape(-1, SIZE).astype(np.float32) * np.float32(_UNIT))
