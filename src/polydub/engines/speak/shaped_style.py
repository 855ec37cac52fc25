"""Style names that shape one of Kokoro's voices: ``am_liam:pitch=1.08:timbre=...``.

The whole voice is in its name, so a script, a cache key or another project carry it without more.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from polydub.errors import EngineError

SIZE = 128
GROUPS = 5
"""Parts of the decoder, from the text to the sound, that may each be given a timbre of its own."""

APART = 0.5
"""Share of what a part is to differ from the mean of all that it does differ.

Steps of one length find more likeness per loss of naturalness so: of two film speakers in Spanish
(1.9 and 3.4 s), CAM++ with ReLU and DistillMOS on sentences not used to shape are 0.54 and 4.19
with one timbre for all parts, 0.58 and 4.14 with this share, 0.60 and 3.85 with all of it.
"""

MIXING = APART * np.eye(GROUPS, dtype=np.float32) + np.float32((1 - APART) / GROUPS)
"""``[5, 5]``: the moves of the parts are this times their shifts."""

_UNIT = 0.02  # of one spread: an eighth of what changes a voiceprint by 0.01
_PITCH = (0.6, 1.7)

Shift = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ShapedStyle:
    """``voice`` with its pitch multiplied and its timbre moved by ``shift`` ``[5 * 128]``.

    One shift for each of :data:`GROUPS`, to be mixed by :data:`MIXING`; it counts in spreads of the
    timbres of all voices, dimension by dimension.
    """

    voice: str
    pitch: float = 1.0
    shift: Shift = field(default_factory=lambda: np.zeros(GROUPS * SIZE, np.float32))


def timbre_moves(shift: Shift, spread: Shift) -> Shift:
    """What is added to the timbre in each part ``[5, 128]``; ``spread`` ``[128]`` is the unit."""
    moves = MIXING @ shift.reshape(GROUPS, SIZE) * spread
    return np.asarray(moves, np.float32)


def shaped_name(style: ShapedStyle) -> str:
    """The name of ``style``; the plain voice's own name where nothing is changed."""
    parts = [style.voice]
    pitch = round(float(np.clip(style.pitch, *_PITCH)), 3)
    if pitch != 1.0:
        parts.append(f"pitch={pitch}")
    steps = np.clip(np.rint(style.shift / _UNIT), -127, 127).astype(np.int8)
    if steps.any():
        parts.append("timbre=" + base64.urlsafe_b64encode(steps.tobytes()).decode("ascii"))
    return ":".join(parts)


def read_style(name: str) -> ShapedStyle:
    """The style of ``name``. Raises ``EngineError`` DUB-E206 for what is not understood."""
    voice, *parts = name.split(":")
    pitch, shift = 1.0, np.zeros(GROUPS * SIZE, np.float32)
    for part in parts:
        key, _, value = part.partition("=")
        try:
            if key == "pitch":
                pitch = float(value)
            elif key == "timbre":
                shift = _read_shift(value)
            else:
                raise ValueError(f"'{key}' is unknown")
            if not np.isfinite(pitch):
                raise ValueError("the pitch is no number")
        except (ValueError, binascii.Error) as error:
            raise EngineError(
                f"The shape of the voice '{voice}' cannot be read: {error}.",
                hint="A shaped voice is written as NAME:pitch=RATIO:timbre=CODE.",
            ) from error
    return ShapedStyle(voice, float(np.clip(pitch, *_PITCH)), shift)


def _read_shift(code: str) -> Shift:
    """A shift by its code; one that is the same for the whole decoder may be given once."""
    steps = np.frombuffer(base64.b64decode(code, altchars=b"-_", validate=True), np.int8)
    if len(steps) == SIZE:
        steps = np.tile(steps, GROUPS)
    if len(steps) != GROUPS * SIZE:
        raise ValueError(f"the timbre has {len(steps)} numbers, not {GROUPS * SIZE} or {SIZE}")
    return np.asarray(steps.astype(np.float32) * np.float32(_UNIT))
