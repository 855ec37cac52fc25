"""Loudness (ITU-R BS.1770-4) and true peak of sound, streaming."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyloudnorm
import soxr
from scipy.signal import lfilter, lfiltic

from polydub.model import Samples, Waveform

STEP_S = 0.1
STEPS_PER_BLOCK = 4
"""BS.1770: blocks of 400 ms that overlap by 75 %."""

ABSOLUTE_GATE = -70.0
RELATIVE_GATE = -10.0
OFFSET = -0.691
CHANNEL_WEIGHTS = (1.0, 1.0, 1.0, 1.41, 1.41)
"""Left, right, centre, surrounds; in files of six channels the fourth (LFE) does not count."""

OVERSAMPLING = 4
PEAK_BLOCK_S = 10
PEAK_MARGIN = 1024

FloatArray = npt.NDArray[np.float64]


def integrated_loudness(waveform: Waveform) -> float | None:
    """Loudness in LUFS, ``None`` for silence (nothing above -70 LUFS).

    Sound shorter than one block of 0.4 s counts as padded with silence to that length.
    """
    size = waveform.rate
    samples = waveform.samples
    blocks = (samples[at : at + size] for at in range(0, len(samples), size))
    return loudness_of_blocks(blocks, waveform.rate)


def loudness_of_blocks(blocks: Iterable[Samples], rate: int) -> float | None:
    """Like :func:`integrated_loudness` for sound that comes as ``[n]`` or ``[n, channels]``.

    Memory: eight bytes per 0.1 s.
    """
    steps = np.fromiter(_step_energies(blocks, rate), np.float64)
    if len(steps) == 0:
        return None
    if len(steps) < STEPS_PER_BLOCK:
        steps = np.pad(steps, (0, STEPS_PER_BLOCK - len(steps)))
    energy = np.convolve(steps, np.full(STEPS_PER_BLOCK, 1 / STEPS_PER_BLOCK), mode="valid")
    energy = energy[energy > _energy(ABSOLUTE_GATE)]
    if len(energy) == 0:
        return None
    gate = _energy(_level(float(energy.mean())) + RELATIVE_GATE)
    return _level(float(energy[energy > gate].mean()))


def true_peak_db(waveform: Waveform) -> float:
    """Highest level between and on the samples in dBTP (4 x oversampling), ``-inf`` for silence."""
    peak = 0.0
    samples, size = waveform.samples, PEAK_BLOCK_S * waveform.rate
    for at in range(0, len(samples), size):
        part = np.asarray(samples[max(0, at - PEAK_MARGIN) : at + size + PEAK_MARGIN], np.float32)
        fine = soxr.resample(part, waveform.rate, OVERSAMPLING * waveform.rate, quality="HQ")
        peak = max(peak, float(np.abs(fine).max(initial=0.0)), float(np.abs(part).max(initial=0.0)))
    return 20 * math.log10(peak) if peak > 0 else -math.inf


def gain_to(waveform: Waveform, lufs: float) -> float:
    """Linear factor that brings ``waveform`` to ``lufs``; 1 for silence."""
    loudness = integrated_loudness(waveform)
    return 1.0 if loudness is None else float(10 ** ((lufs - loudness) / 20))


def _level(energy: float) -> float:
    return OFFSET + 10 * math.log10(energy)


def _energy(level: float) -> float:
    return float(10 ** ((level - OFFSET) / 10))


def _step_energies(blocks: Iterable[Samples], rate: int) -> Iterator[float]:
    """Weighted mean square of every 0.1 s after the K filter; a last part is padded only alone."""
    size = round(STEP_S * rate)
    weighting: _KWeighting | None = None
    held: FloatArray = np.zeros(0)
    given = 0
    for block in blocks:
        columns = block[:, None] if block.ndim == 1 else block
        weighting = weighting or _KWeighting(rate, columns.shape[1])
        held = np.concatenate([held, weighting.power(columns)])
        whole = len(held) // size
        yield from held[: whole * size].reshape(whole, size).mean(axis=1)
        given += whole
        held = held[whole * size :]
    if len(held) and given < STEPS_PER_BLOCK:
        yield float(held.sum()) / size


class _KWeighting:
    """The two filters of BS.1770 with their state, for sound that comes in blocks."""

    def __init__(self, rate: int, channels: int) -> None:
        # pyloudnorm's constants for the shelf and the high pass (its default filter class)
        self._filters = [
            pyloudnorm.IIRfilter(4.0, 1 / math.sqrt(2), 1500.0, rate, "high_shelf"),
            pyloudnorm.IIRfilter(0.0, 0.5, 38.0, rate, "high_pass"),
        ]
        self._states = [
            np.tile(lfiltic(f.b, f.a, [0.0])[:, None], (1, channels)) for f in self._filters
        ]
        weights = list(CHANNEL_WEIGHTS)
        if channels > 5:
            weights = [*weights[:3], 0.0, *weights[3:]]
        weights += [CHANNEL_WEIGHTS[-1]] * max(0, channels - len(weights))
        self._weights = np.asarray(weights[:channels])

    def power(self, columns: Samples) -> FloatArray:
        """Weighted sum of the squared channels, ``[n]``."""
        data = columns.astype(np.float64)
        for number, kind in enumerate(self._filters):
            data, self._states[number] = lfilter(
                kind.b, kind.a, data, axis=0, zi=self._states[number]
            )
        power: FloatArray = (data**2) @ self._weights
        return power
