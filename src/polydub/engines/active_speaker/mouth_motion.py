"""Who talks, from how the lips move: no weights, no second look at the pictures.

The speed of the gap between the outer lip borders, less the speed of landmark noise, tells talkers
from listeners; a logistic curve makes log-odds of it. Over seconds, the course of the opening also
has to fit the sound. That separates a talker's own voice from another's only weakly on film, so it
can add or take little, and only where a mouth moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from polydub.engines.active_speaker.mouth_curves import (
    CLOCK,
    Curve,
    MouthCurves,
    mouth_curves,
    speed,
    usable_frames,
    weighted_mean,
)
from polydub.engines.active_speaker.speech_drive import RATE, speech_drive
from polydub.engines.protocols import Capabilities, TalkingFace


@dataclass(frozen=True, slots=True)
class MotionModel:
    """The fitted numbers (``benchmarks/active_speaker.py --fit`` makes them again).

    Log-odds = ``slope * (log(speed + floor) - middle)``, speed in IOD/s over ``half`` ticks of
    40 ms to either side (Hann), within ``limit``, the most that the evidence behind the fit allows.
    ``sync_slope * (correlation - sync_middle)`` over ``sync_half`` ticks is added, at most
    ``sync_limit`` either way. Fitted on 7 film clips, 11 GRID sentences and a rendered conversation
    (leave-one-group-out: AUC 0.988, Brier 0.046), the fit to the sound on the films alone: there 8
    talking faces gave AUC 0.67 for their own voice against other ones.
    """

    slope: float = 3.26
    middle: float = -1.42
    floor: float = 0.05
    noise: float = 0.8
    half: int = 15
    limit: float = 3.5
    sync_half: int = 37
    sync_slope: float = 1.8
    sync_middle: float = 0.05
    sync_limit: float = 1.0
    least_share: float = 0.3


class MouthMotion:
    """Active speaker scorer from lip landmarks; ``model`` replaces its fitted numbers."""

    capabilities = Capabilities(
        kind="active-speaker",
        name="mouth-motion",
        version="1",
        summary="lip speed and its fit to the sound, calibrated; no weights",
        code_licence="Apache-2.0",
        weights_licence="none",
        rate=RATE,
    )

    def __init__(self, *, model: MotionModel | None = None) -> None:
        self._model = model or MotionModel()

    def score(self, face: TalkingFace) -> npt.NDArray[np.float32]:
        """Log-odds ``[frames]``; NaN without a fitting mesh, in profile, or without neighbours.

        Raises ``EngineError`` DUB-E206 when the audio is not mono 16 kHz.
        """
        times = np.asarray(face.times, np.float64)
        result = np.full(len(times), np.nan, np.float32)
        curves = mouth_curves(face.track, times) if len(times) else None
        if curves is None:
            return result
        model = self._model
        moving, share = motion(curves, model)
        odds = model.slope * (np.log(moving + model.floor) - model.middle)
        odds = np.clip(odds, -model.limit, model.limit)
        fit, sure = synchrony(curves, speech_drive(face.audio, curves.times), model.sync_half)
        bonus = np.clip(
            model.sync_slope * (fit - model.sync_middle), -model.sync_limit, model.sync_limit
        )
        # a still mouth correlates with nothing: its motion alone decides
        odds += sure * bonus / (1 + np.exp(-odds))
        odds[share < model.least_share] = np.nan
        seen = usable_frames(face.track)
        result[seen] = np.interp(times[seen], curves.times, odds).astype(np.float32)
        return result


def motion(curves: MouthCurves, model: MotionModel) -> tuple[Curve, Curve]:
    """Lip speed ``[ticks]`` in IOD/s freed of landmark noise, and the share of usable time."""
    lips, _ = weighted_mean(*speed(curves.outer, curves.usable), model.half)
    noise, share = weighted_mean(*speed(curves.nose, curves.usable), model.half)
    return np.maximum(lips - model.noise * noise, 0.0), share


def synchrony(curves: MouthCurves, drive: Curve, half: int) -> tuple[Curve, Curve]:
    """Correlation ``[ticks]`` of opening and ``drive`` over ``half`` ticks, and how sure it is.

    ``sure`` (0..1) is the share of usable time, 0 below a third of the window.
    """
    opening = np.sqrt(np.maximum(curves.inner, 0)) + np.sqrt(np.maximum(curves.outer, 0))
    opening = gaussian_filter1d(opening, 0.7)
    opening = opening - gaussian_filter1d(opening, 0.8 * CLOCK)
    flags = curves.usable

    def mean(values: Curve) -> Curve:
        return weighted_mean(values, flags, half)[0]

    at, to = mean(opening), mean(drive)
    common = mean(opening * drive) - at * to
    power = (mean(opening**2) - at**2) * (mean(drive**2) - to**2)
    _, share = weighted_mean(opening, flags, half)
    fit = np.where(power > 1e-9, common / np.sqrt(np.maximum(power, 1e-9)), 0.0)
    return np.clip(fit, -1, 1), np.where(share >= 1 / 3, share, 0.0)
