"""Measuring models whose weights whoever measures must bring: UTMOS, feelings, SyncNet."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from polydub.engines import weights
from polydub.errors import EngineError
from polydub.evaluate import syncnet
from polydub.evaluate.emotion import EmotionModel
from polydub.evaluate.naturalness import NotMeasured
from polydub.evaluate.utmos import Utmos
from polydub.project.folder import file_digest

T = TypeVar("T")

UTMOS_WEIGHT, EMOTION_WEIGHT = "utmos22-strong", "emotion-msp-dim"
MISSING = ("DUB-E202", "DUB-E204")
"""Codes of what may be absent; weights that are there and no good are told, not passed over."""


def load_utmos() -> tuple[Utmos | None, list[NotMeasured]]:
    """UTMOS when its weights are here, else why it is not measured.

    Raises ``EngineError`` DUB-E205 when they are here and no good.
    """
    return _loaded(lambda: Utmos(weights.find(UTMOS_WEIGHT).path), "utmos")


def load_emotion() -> tuple[EmotionModel | None, list[NotMeasured]]:
    """The model of feelings when its weights are here, else why it is not measured.

    Raises ``EngineError`` DUB-E205 when they are here and no good.
    """
    made = _loaded(lambda: EmotionModel(weights.find(EMOTION_WEIGHT).path), "emotion")
    return made[0], [NotMeasured(x, one.reason) for one in made[1] for x in _FEELINGS]


def judge_weights() -> dict[str, dict[str, str]]:
    """Weight -> file -> SHA-256 of the measuring weights that are used, for the record.

    Absent ones are left out.
    """
    found = {}
    for name in (UTMOS_WEIGHT, EMOTION_WEIGHT):
        sums = checksums_of(weights.WEIGHTS[name])
        if any(sums.values()):
            found[name] = sums
    given = os.environ.get(syncnet.VARIABLE)
    if given and Path(given).is_file():
        found["syncnet"] = {Path(given).name: file_digest(Path(given))}
    return found


def checksums_of(weight: weights.Weight) -> dict[str, str]:
    """File -> SHA-256 of a weight: the one that pins it, else that of the very file in use.

    The hub's cache names large files by their SHA-256 already; others are read. Empty for a file
    that is not here.
    """
    sums = {file.name: file.sha256 for file in weight.files}
    if all(sums.values()):
        return sums
    try:
        path = weights.find(weight.name).path
    except EngineError:
        return sums
    for name, known in sums.items():
        file = path / name if path.is_dir() else path
        if not known and file.is_file():
            blob = file.resolve().name
            sums[name] = blob if _SHA256.match(blob) else file_digest(file)
    return sums


_SHA256 = re.compile(r"^[0-9a-f]{64}$")
_FEELINGS = ("emotion", "emotion_shift")


def _loaded(load: Callable[[], T], metric: str) -> tuple[T | None, list[NotMeasured]]:
    try:
        return load(), []
    except EngineError as error:
        if error.code not in MISSING:
            raise
        hint = f" {error.hint}" if error.hint else ""
        return None, [NotMeasured(metric, f"{error.message}{hint}")]
