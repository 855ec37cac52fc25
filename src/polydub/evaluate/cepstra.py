"""Mel cepstral distortion along the best alignment: for dubs in the language of the original.

MCD-DTW and MCD-DTW-SL (speech length) are the metrics of the dubbing literature since V2C-Net
(Chen et al. 2022): there a model says the very words of the original, and the distortion tells how
like it they sound. Between languages they mean nothing and are not measured.

Protocol: mono 16 kHz, 80 mel bands of 25 ms frames every 10 ms (:mod:`polydub.evaluate.mel`),
natural logarithm of the amplitude, at most 60 dB below the loudest, orthonormal DCT-II,
coefficients 1 to 13 (the level is left out). A frame pair costs ``10 / ln 10 * sqrt(2 * sum of
squares)`` dB (Kubichek 1993). DTW with steps (1,1), (1,0), (0,1); the mean cost along the path.
Published figures use WORLD's or SPTK's cepstra, other orders and frames: not comparable with these,
which rank systems among themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.fft import dct

from polydub.evaluate.mel import mel_power
from polydub.model import Waveform

RATE = 16_000
WINDOW, STEP, BANDS, ORDER = 400, 160, 80, 13
LEAST_FRAMES = 20
FLOOR = 1e-6  # of the loudest band's power: -60 dB

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Distortion:
    """``mcd`` in dB along the path; ``sl``: the same times the longer / the shorter length."""

    mcd: float
    sl: float


def cepstra(sound: Waveform) -> Floats:
    """Mel cepstra ``[frames, 13]`` of mono 16 kHz ``sound``. Raises ``ValueError`` for other."""
    if sound.rate != RATE or sound.channels != 1:
        raise ValueError(f"mono sound at {RATE} Hz is needed")
    power = mel_power(sound.samples.reshape(-1), rate=RATE, window=WINDOW, step=STEP, bands=BANDS)
    least = max(FLOOR * float(power.max(initial=0.0)), 1e-20)
    level = 0.5 * np.log(np.maximum(power, least))
    return np.asarray(dct(level, type=2, norm="ortho", axis=1)[:, 1 : ORDER + 1])


def distortion(first: Floats, second: Floats) -> Distortion | None:
    """MCD-DTW and MCD-DTW-SL of two cepstra ``[frames, 13]``; ``None`` under 0.2 s of either.

    Hides timing inside the line (that is what the alignment takes away) and pitch.
    """
    n, m = len(first), len(second)
    if min(n, m) < LEAST_FRAMES:
        return None
    gaps = first[:, None, :] - second[None, :, :]
    costs = 10 / math.log(10) * np.sqrt(2 * (gaps**2).sum(axis=2))
    mcd = _path_mean(costs)
    return Distortion(mcd, mcd * max(n, m) / min(n, m))


def _path_mean(costs: Floats) -> float:
    """Mean cost along the path of least total cost through ``[n, m]``, corner to corner.

    Row by row; the runs along a row make each cell depend on the one before, so that is a loop.
    """
    n, m = costs.shape
    total = np.full((n + 1, m + 1), np.inf)
    length = np.zeros((n + 1, m + 1))
    total[0, 0] = 0.0
    for i in range(1, n + 1):
        row, above = costs[i - 1], total[i - 1]
        for j in range(1, m + 1):
            diagonal, up, left = above[j - 1], above[j], total[i, j - 1]
            if diagonal <= up and diagonal <= left:
                best, steps = diagonal, length[i - 1, j - 1]
            elif up <= left:
                best, steps = up, length[i - 1, j]
            else:
                best, steps = left, length[i, j - 1]
            total[i, j], length[i, j] = row[j - 1] + best, steps + 1
    return float(total[n, m] / length[n, m])
