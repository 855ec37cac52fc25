"""How a dubbed line is said, against the original: pitch by WORLD, alike for both."""

from __future__ import annotations

import numpy as np
import pyworld

from polydub.evaluate.prosody import prosody_scores
from polydub.media.audio import resample
from polydub.model import Waveform
from polydub.model.cues import CUE_STEP_S, LineCues, PitchTrack
from polydub.stages.cues import Usual, take_cues

RATE = 16_000
FLOOR_HZ, CEILING_HZ = 60.0, 500.0


def prosody(original: Waveform, take: Waveform, languages: tuple[str, str]) -> dict[str, float]:
    """The scores of :mod:`polydub.evaluate.prosody` for one line; both are measured alike.

    Each against its own usual pitch and level, so ``cue_distance`` here holds no register. Empty
    when either is silent.
    """
    if not np.any(original.samples) or not np.any(take.samples):
        return {}
    return prosody_scores(cues_of(original), cues_of(take), languages)


def cues_of(sound: Waveform) -> LineCues:
    """How a piece of speech that is not silent is said, against its own usual pitch and level."""
    audio = resample(sound.mono(), RATE)
    samples = np.ascontiguousarray(audio.samples, np.float64)
    hz, times = pyworld.dio(
        samples, RATE, f0_floor=FLOOR_HZ, f0_ceil=CEILING_HZ, frame_period=1000 * CUE_STEP_S
    )
    hz = pyworld.stonemask(samples, hz, times, RATE)
    return take_cues("", audio, PitchTrack(CUE_STEP_S, hz), Usual())
