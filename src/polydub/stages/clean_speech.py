"""How clean speech is: its level, noise, clipping, reverberation, all measured blindly."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from polydub.model import Samples

Floats = npt.NDArray[np.float64]

FRAME_S = 0.02
HOP_S = 0.01
SILENT_DB = -120.0
SPEECH_RANGE_DB = 25.0
"""Frames this far under the loudest ones are still speech (vowels to fricatives: about 25 dB)."""

FLAT = 0.98  # of the peak: what resampling makes of a flat top stays above it
SLOPE_FRAMES = 8
LEAST_SLOPES = 50
MILDEST_DB_S = 10.0  # a sound that hardly falls says nothing about the room


def frame_levels(samples: Samples, rate: int) -> Floats:
    """Level in dB of frames of 20 ms every 10 ms of mono ``samples``, ``[n]``; -120 is silence."""
    size, hop = max(1, round(FRAME_S * rate)), max(1, round(HOP_S * rate))
    if len(samples) < size:
        return np.zeros(0)
    energy = np.cumsum(np.pad(samples.astype(np.float64) ** 2, (1, 0)))
    first = np.arange(0, len(samples) - size + 1, hop)
    return _decibel((energy[first + size] - energy[first]) / size)


def speech_level_db(samples: Samples, rate: int) -> float:
    """Mean level in dB of the frames that are speech: those within 25 dB of the loudest."""
    levels = frame_levels(samples, rate)
    if len(levels) == 0:
        return SILENT_DB
    spoken = levels[levels > float(np.quantile(levels, 0.95)) - SPEECH_RANGE_DB]
    return (
        float(_decibel(np.atleast_1d(np.mean(10.0 ** (spoken / 10.0))))[0])
        if len(spoken)
        else SILENT_DB
    )


def noise_db(around: Samples, rate: int, background: Samples | None = None) -> float:
    """Level in dB of what is heard beside the voice.

    The power of ``background`` (the other stem at that moment, any rate) and the floor of the
    voice's own stem: the quietest twentieth of the frames ``around`` the piece. In speech without a
    pause that floor is speech itself, 25 dB under the rest or more.
    """
    levels = frame_levels(around, rate)
    power = 10.0 ** (float(np.quantile(levels, 0.05)) / 10.0) if len(levels) else 0.0
    if background is not None and len(background):
        power += float(np.mean(background.astype(np.float64) ** 2))
    return float(_decibel(np.atleast_1d(power))[0])


def clipped_share(samples: Samples) -> float:
    """Share of ``samples`` within 2 % of the peak, 0 to 1: flat tops.

    On the same 30 utterances as :func:`reverberation_s`: at most 0.0002 in nine of ten; 0.08 when
    the loudest 8 % of the samples are clipped.
    """
    size = np.abs(samples)
    peak = float(size.max()) if len(size) else 0.0
    return float(np.mean(size >= FLAT * peak)) if peak > 0.0 else 0.0


def reverberation_s(samples: Samples, rate: int) -> float | None:
    """Time in seconds in which sound falls by 60 dB, from how steeply speech breaks off.

    A room's sound cannot fall faster than the room lets it (Ratnam et al. 2003), so the steepest
    twentieth of all slopes over 80 ms that start in speech tells. ``None`` under half a second.
    Measured on 30 utterances of 17 voices (film and synthetic; 10 to 90 %): dry 0.13 to 0.24 s, in
    a made-up room of 0.8 s 0.64 to 0.84 s.
    """
    levels = frame_levels(np.diff(samples), rate) if len(samples) > 1 else np.zeros(0)
    if len(levels) < LEAST_SLOPES + SLOPE_FRAMES:
        return None
    windows = np.lib.stride_tricks.sliding_window_view(levels, SLOPE_FRAMES)
    spoken = windows[:, 0] > max(-90.0, float(np.quantile(levels, 0.95)) - SPEECH_RANGE_DB)
    if int(spoken.sum()) < LEAST_SLOPES:
        return None
    time = np.arange(SLOPE_FRAMES) - (SLOPE_FRAMES - 1) / 2.0
    slopes = windows[spoken] @ time / (time @ time) / HOP_S  # dB per second
    steepest = float(np.quantile(slopes, 0.05))
    return 60.0 / -steepest if steepest < -MILDEST_DB_S else None


def _decibel(power: Floats) -> Floats:
    return np.asarray(10.0 * np.log10(np.maximum(power, 10.0 ** (SILENT_DB / 10.0))))


def ramp(value: float, worst: float, best: float) -> float:
    """0 at ``worst``, 1 at ``best``, straight between them; either may be the larger one."""
    if math.isnan(value):
        return 0.0
    return min(1.0, max(0.0, (value - worst) / (best - worst)))
