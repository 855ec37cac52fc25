"""What mouths and sounds have in common, learnt from real talkers: lip landmarks beside log mel.

Nine lengths of the mouth, five ticks of them, and 0.2 s of the sound in 24 mel bands are each
reduced to two numbers that agree most with each other (regularised canonical correlation, Hotelling
1936), fitted on eleven sentences of GRID by ``scripts/derive_mouth_sound.py``. The few hundred
numbers are in ``mouth_sound.json``, with where they come from. Lengths are ratios to the distance
of the eyes, in three dimensions, so turning the head changes them little; slow changes and the
person's own range are taken out. Pure, no weights beside that file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from polydub.evaluate.mel import mel_power
from polydub.model import Waveform

CLOCK = 25.0
"""Hz of mouths and windows of sound."""
RATE = 16_000
BANDS, FRAME, STEP = 24, 400, 160
FLOOR = -4.0
"""Powers of ten below the loud parts from which sound is silence."""
OFFSETS = (-10, -5, 0, 5, 10)
"""Steps of 10 ms around a tick whose spectra make its window."""
TICKS = 2
"""Ticks before and after one that tell its mouth."""
MARGIN_S = 0.3
INNER = ((13, 14), (82, 87), (312, 317))
OUTER, WIDTH, INSIDE, JAW = (0, 17), (61, 291), (78, 308), (152, 1)
UPPER, LOWER, LEFT, RIGHT = (0, 13), (14, 17), (61, 0), (291, 0)
GAP = 2
"""Row of :func:`mouth_lengths` that holds the outer gap of the lips."""

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class MouthSound:
    """``mouth`` ``[45, k]`` and ``sound`` ``[120, k]`` lead to ``k`` common numbers.

    ``strength`` ``[k]`` is how well they agreed where they were fitted: their weights.
    """

    mouth: Floats
    sound: Floats
    strength: Floats


@lru_cache(maxsize=1)
def load_mouth_sound() -> MouthSound:
    """The fit that comes with polydub."""
    text = files("polydub.evaluate").joinpath("mouth_sound.json").read_text(encoding="utf-8")
    data = json.loads(text)
    return MouthSound(*(np.array(data[name]) for name in ("mouth", "sound", "strength")))


def mouth_lengths(points: Floats, iod: Floats) -> Floats:
    """Nine lengths ``[9, n]`` in eye distances of mesh ``points`` ``[n, 478, 3]``."""

    def length(pair: tuple[int, int]) -> Floats:
        return np.asarray(np.linalg.norm(points[:, pair[0]] - points[:, pair[1]], axis=1) / iod)

    inner = np.mean([length(pair) for pair in INNER], axis=0)
    rows = (length(pair) for pair in (OUTER, WIDTH, INSIDE, JAW, UPPER, LOWER))
    return np.stack([inner, np.sqrt(inner), *rows, length(LEFT) + length(RIGHT)])


def quick(lengths: Floats) -> Floats:
    """``lengths`` ``[..., n]`` without slow changes (smiles, poses) and landmark noise."""
    smooth = gaussian_filter1d(lengths, 0.7, axis=-1)
    return np.asarray(smooth - gaussian_filter1d(smooth, 0.8 * CLOCK, axis=-1))


def mouth_windows(lengths: Floats, use: Flags) -> Floats:
    """What is compared of a mouth, ``[n, 45]``: five ticks each, in the person's own range.

    ``lengths`` ``[9, n]`` at 25 Hz; the range is that of the ticks in ``use``.
    """
    moves = quick(lengths)
    moves = moves / (moves[:, use].std(axis=1, keepdims=True) + 1e-6)
    padded = np.pad(moves, ((0, 0), (TICKS, TICKS)), mode="edge")
    count = lengths.shape[1]
    return np.asarray(np.concatenate([padded[:, n : n + count] for n in range(2 * TICKS + 1)]).T)


def sound_windows(audio: Waveform, times: Floats) -> Floats:
    """What is compared of a sound, ``[n, 120]``, around ``times`` ``[n]`` (s, rising).

    Log mel powers against the loud parts nearby; a gain leaves them unchanged. Beyond its ends the
    sound is silent.
    """
    first = round((times[0] - MARGIN_S) * RATE)
    count = round((times[-1] + MARGIN_S) * RATE) - first
    samples = np.zeros(max(count, FRAME), np.float32)
    known = np.asarray(audio.samples, np.float32).reshape(-1)
    low, high = max(0, first), min(len(known), first + count)
    if high > low:
        samples[low - first : high - first] = known[low:high]
    power = mel_power(samples, rate=RATE, window=FRAME, step=STEP, bands=BANDS)
    level = np.log10(power + 1e-9)
    level = np.maximum(level - np.percentile(level, 95), FLOOR)
    level = gaussian_filter1d(level, 2.0, axis=0)
    at = (times - first / RATE) * RATE / STEP
    rows = np.arange(len(level))
    parts = [
        np.stack([np.interp(at + offset, rows, band) for band in level.T], axis=1)
        for offset in OFFSETS
    ]
    return np.concatenate(parts, axis=1)
