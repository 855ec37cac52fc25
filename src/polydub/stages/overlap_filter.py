"""Where two voices are heard at once: what a segmentation model says around a moment, weighed.

A segmentation model judges each moment with doubts of its own: it hears a second voice begin before
it can be heard, misses the weaker of two, and takes a change of voice for a short overlap. What it
says half a second before and after tells these apart. So a linear filter over its answers gives the
odds; the filter was fitted on simulated conversations (``scripts/derive_overlap_filter.py``). Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from polydub.engines.protocols import LocalActivity
from polydub.stages.overlap import (
    Floats,
    OverlapOptions,
    change_track,
    speech_frames,
    together,
)

SURE = 0.01
"""Probabilities count as at least this far from none and from all."""


@dataclass(frozen=True, slots=True, eq=False)
class OverlapFilter:
    """``weights [traces, taps]`` and ``bias`` of the odds; ``taps``: frames of 10 ms from a moment.

    The traces are those of :func:`overlap_traces`.
    """

    taps: tuple[int, ...]
    weights: npt.NDArray[np.float64]
    bias: float

    def probability(self, traces: npt.NDArray[np.float64]) -> Floats:
        """Probability ``[frames]`` that two speak, from ``traces [traces, frames]``."""
        odds = np.full(traces.shape[1], self.bias)
        for shifted, weights in zip(around(traces, self.taps), self.weights.T, strict=True):
            odds += weights @ shifted
        return np.asarray(expit(odds), dtype=np.float32)


def overlap_traces(windows: Sequence[LocalActivity], duration: Fraction) -> npt.NDArray[np.float64]:
    """What all windows say, ``[4, frames]`` per 10 ms of the film.

    Log-odds that two speak (:func:`~polydub.stages.overlap.together`), of the second activity and
    of speech; and how much the voice changes, 0 to 1.
    """
    heard = speech_frames(windows, duration)
    odds = np.stack([together(windows, duration), heard.overlap, heard.speech])
    odds = logit((odds.astype(np.float64) + SURE) / (1 + 2 * SURE))
    change = change_track(windows, duration, OverlapOptions()).astype(np.float64)
    return np.concatenate([odds, change[None]])


def around(
    traces: npt.NDArray[np.float64], taps: Sequence[int]
) -> Iterator[npt.NDArray[np.float64]]:
    """The traces as they are each of ``taps`` frames later, ``[traces, frames]``; beside: silence.

    Views, so that a film of two hours costs no more than its traces.
    """
    reach = max(map(abs, taps))
    beside = np.array([[logit(SURE / (1 + 2 * SURE))]] * 3 + [[0.0]])
    edge = np.repeat(beside, reach, axis=1)
    padded = np.concatenate([edge, traces, edge], axis=1)
    for tap in taps:
        yield padded[:, reach + tap : reach + tap + traces.shape[1]]


@cache
def packaged_filter() -> OverlapFilter:
    """The filter that was fitted for pyannote's segmentation 3.0."""
    text = files("polydub.stages").joinpath("overlap_filter.json").read_text(encoding="utf-8")
    data = json.loads(text)
    return OverlapFilter(tuple(data["taps"]), np.array(data["weights"]), float(data["bias"]))
