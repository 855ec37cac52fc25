"""Kokoro's 54 voices: which there are, and the style vectors that make them.

``kokoro_voices.npz`` and ``.json`` beside this file are made by
``scripts/derive_kokoro_voices.py``; the JSON records where they come from.
"""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import as_file, files
from typing import Any

import numpy as np
import numpy.typing as npt

from polydub.engines.protocols import Style
from polydub.model.arrays import read_arrays

TIMBRE = slice(0, 128)
"""The half of a style vector that the decoder reads."""
PROSODY = slice(128, 256)
"""The half that the duration, pitch and energy predictors read."""

_MIDDLE = 40  # tokens: a sentence of two seconds
_GRADES = {"A": 0.95, "B": 0.8, "C": 0.65, "D": 0.5, "F": 0.35}
_UNGRADED = 0.65  # es and pt-BR: word errors 0 % on 4 sentences each, like the voices graded C


@lru_cache(maxsize=1)
def description() -> dict[str, Any]:
    """What ``kokoro_voices.json`` says: provenance, voices, the model's symbols."""
    text = files(__package__).joinpath("kokoro_voices.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@lru_cache(maxsize=1)
def voice_list() -> tuple[Style, ...]:
    """Every voice, by name; ``quality`` is the upstream's grade on a scale of 0..1."""
    return tuple(
        Style(entry["name"], entry["language"], entry["gender"], quality(entry.get("grade", "")))
        for entry in description()["voices"]
    )


def quality(grade: str) -> float:
    """A school grade such as ``"B-"`` as a number in 0..1; no grade counts as C."""
    if not grade:
        return _UNGRADED
    return round(_GRADES[grade[0]] + {"+": 0.05, "-": -0.05}.get(grade[1:], 0.0), 2)


class StyleBank:
    """The style vectors of all voices, by voice and number of tokens.

    ``spread`` ``[128]`` is how far the voices' timbres lie apart, dimension by dimension.
    """

    def __init__(self) -> None:
        with as_file(files(__package__).joinpath("kokoro_voices.npz")) as path:
            arrays = read_arrays(path)
        self._mean, self._row, self._basis = (arrays[key] for key in ("mean", "row", "basis"))
        self._index = {voice.name: index for index, voice in enumerate(voice_list())}
        middle = [self._rows(name, _MIDDLE)[TIMBRE] for name in self._index]
        self.spread: npt.NDArray[np.float32] = np.std(middle, axis=0).astype(np.float32)

    def __contains__(self, name: str) -> bool:
        return name in self._index

    def style(
        self, timbre: str, prosody: str, n_tokens: int, *, share: float = 1.0
    ) -> npt.NDArray[np.float32]:
        """Style ``[1, 256]`` for ``n_tokens``: the timbre of one voice, the prosody of another.

        ``share`` is how much of the timbre is that of ``timbre``; the rest is that of ``prosody``.
        Kokoro keeps one style per token count; beyond the last it stays the last.
        """
        made = self._rows(prosody, n_tokens)
        wanted = self._rows(timbre, n_tokens)
        made[TIMBRE] = share * wanted[TIMBRE] + (1 - share) * made[TIMBRE]
        return made[None].astype(np.float32)

    def _rows(self, name: str, n_tokens: int) -> npt.NDArray[np.float32]:
        at = self._index[name]
        row = self._row[at, min(max(n_tokens, 1), len(self._row[at])) - 1]
        found: npt.NDArray[np.float32] = self._mean[at] + row @ self._basis[at]
        return found
