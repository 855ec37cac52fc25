"""Whether separation is needed, and of how many channels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polydub.model import Decision, Samples

Levels = npt.NDArray[np.float32]
"""Level of consecutive frames in dB, ``[n]``."""

FRAME_S = 0.05
SILENCE_DB = -120.0


NEARLY_MONO_DB = 40.0
"""What an encoder leaves between the channels of a film with one microphone lies 45 dB under it."""


def nearly_mono(blocks: Iterable[Samples], under_db: float = NEARLY_MONO_DB) -> bool:
    """Whether both channels of ``blocks`` ``[n, 2]`` hold one sound, up to ``under_db`` below it.

    The half of their difference is compared with the half of their sum, over all blocks.
    """
    middle = side = 0.0
    for block in blocks:
        if block.ndim != 2 or block.shape[1] != 2:
            return False
        left, right = block.T.astype(np.float64)
        middle += float(((left + right) ** 2).sum())
        side += float(((left - right) ** 2).sum())
    return side <= middle * 10 ** (-under_db / 10)


class LevelMeter:
    """Levels of the two stems in frames of 50 ms, fed block by block: nothing else is kept."""

    def __init__(self, rate: int) -> None:
        self._frame = max(1, round(rate * FRAME_S))
        self._rest: list[Samples] = [np.zeros(0, dtype=np.float32) for _ in range(2)]
        self._levels: list[list[Levels]] = [[], []]

    def add(self, dialogue: Samples, background: Samples) -> None:
        """Take in one block of each stem, ``[n]`` or ``[n, channels]``, of equal length."""
        for stem, block in enumerate((dialogue, background)):
            mono = block if block.ndim == 1 else block.mean(axis=1)
            waiting = np.concatenate([self._rest[stem], mono.astype(np.float32)])
            whole = len(waiting) // self._frame * self._frame
            self._rest[stem] = waiting[whole:]
            frames = waiting[:whole].reshape(-1, self._frame).astype(np.float64)
            self._levels[stem].append(_decibel((frames**2).mean(axis=1)))

    @property
    def dialogue(self) -> Levels:
        """Levels of the dialogue so far."""
        return _joined(self._levels[0])

    @property
    def background(self) -> Levels:
        """Levels of the background so far."""
        return _joined(self._levels[1])


@dataclass(frozen=True, slots=True)
class CleanOptions:
    """When the input counts as a voice alone (see :func:`judge`); all in dB.

    Frames within ``speech_db`` of the loudest speech are speech; frames whose dialogue lies more
    than ``pause_db`` below it are pauses. Measured with DeepFilterNet 3: seven separated voices
    leave a residual 27-31 dB under the speech and 36-71 dB in the pauses; four film clips with
    music or noise 11-22 dB; three quiet studio recordings 24-30 dB, but 27-33 dB in the pauses.
    """

    speech_db: float = 20.0
    pause_db: float = 40.0
    residual_db: float = 25.0
    between_db: float = 35.0


@dataclass(frozen=True, slots=True)
class StemJudgement:
    """Whether the input is a voice and nothing else.

    ``residual_db``: how far the background lies under the speech, median over the speech frames.
    ``between_db``: how far nine tenths of the pauses lie under the loudest speech, ``None``
    without pauses.
    """

    clean: bool
    residual_db: float
    between_db: float | None

    def decision(self) -> Decision | None:
        """What to record: separation was skipped, or ``None`` when it was not."""
        if not self.clean:
            return None
        reason = (
            "separation skipped: the input is already a clean voice stem (what separation takes "
            f"away lies {self.residual_db:.0f} dB under the speech)"
        )
        return Decision("separate", "film", "pass-through", reason)


def judge(
    dialogue: Levels, background: Levels, options: CleanOptions | None = None
) -> StemJudgement:
    """Whether separation changed nothing worth it, from the stems' levels in dB, ``[n]`` each.

    On a clean voice separation only costs quality (20-24 dB of distortion): the caller then keeps
    the input as dialogue and silence as background. Without any sound the input is not clean.
    """
    chosen = options or CleanOptions()
    if len(dialogue) == 0 or dialogue.max() <= SILENCE_DB:
        return StemJudgement(False, 0.0, None)
    top = float(np.quantile(dialogue, 0.95))
    spoken = dialogue > top - chosen.speech_db
    pauses = dialogue < top - chosen.pause_db
    residual = float(np.median(dialogue[spoken] - background[spoken]))
    between = top - float(np.quantile(background[pauses], 0.9)) if pauses.any() else None
    quiet = between is None or between >= chosen.between_db
    return StemJudgement(residual >= chosen.residual_db and quiet, residual, between)


def _decibel(power: npt.NDArray[np.float64]) -> Levels:
    floor = 10.0 ** (SILENCE_DB / 10.0)
    return np.asarray(10.0 * np.log10(np.maximum(power, floor)), dtype=np.float32)


def _joined(parts: list[Levels]) -> Levels:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)
