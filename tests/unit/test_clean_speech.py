import numpy as np
import pytest

from polydub.stages.clean_speech import (
    SILENT_DB,
    clipped_share,
    frame_levels,
    noise_db,
    ramp,
    reverberation_s,
    speech_level_db,
)

RATE = 16000


def syllables(seconds: float = 4.0, decay_s: float = 0.15, rest_s: float = 0.25) -> np.ndarray:
    """Bursts of noise every quarter of a second that fall by 60 dB in ``decay_s``."""
    rng = np.random.default_rng(5)
    t = np.arange(round(rest_s * RATE)) / RATE
    shape = np.minimum(1.0, 10.0 ** (-3.0 * (t - 0.05) / decay_s))
    count = round(seconds / rest_s)
    return (0.1 * rng.normal(size=count * len(t)) * np.tile(shape, count)).astype(np.float32)


def test_levels_are_decibels_per_frame() -> None:
    levels = frame_levels(np.full(RATE, 0.1, dtype=np.float32), RATE)
    assert len(levels) == 99
    assert levels == pytest.approx(-20.0, abs=0.01)
    assert len(frame_levels(np.zeros(10, dtype=np.float32), RATE)) == 0
    assert frame_levels(np.zeros(RATE, dtype=np.float32), RATE).max() == SILENT_DB


def test_pauses_do_not_lower_the_level_of_speech() -> None:
    tone = np.full(RATE, 0.1, dtype=np.float32)
    paused = np.concatenate([tone, np.zeros(RATE, dtype=np.float32)])
    assert speech_level_db(tone, RATE) == pytest.approx(-20.0, abs=0.01)
    assert speech_level_db(paused, RATE) == pytest.approx(-20.0, abs=0.1)
    assert speech_level_db(np.zeros(RATE, dtype=np.float32), RATE) == SILENT_DB
    assert speech_level_db(np.zeros(0, dtype=np.float32), RATE) == SILENT_DB


def test_noise_is_the_background_and_the_floor_of_the_voice() -> None:
    voice = np.concatenate([np.full(RATE, 0.1), np.full(RATE, 0.001)]).astype(np.float32)
    assert noise_db(voice, RATE) == pytest.approx(-60.0, abs=0.1)
    bed = np.full(48000, 0.01, dtype=np.float32)
    assert noise_db(voice, RATE, bed) == pytest.approx(-40.0, abs=0.1)
    assert noise_db(np.zeros(0, dtype=np.float32), RATE) == SILENT_DB


def test_flat_tops_are_seen() -> None:
    speech = syllables()
    assert clipped_share(speech) < 0.001
    assert clipped_share(np.clip(speech, -0.1, 0.1)) > 0.02
    assert clipped_share(np.zeros(0, dtype=np.float32)) == 0.0
    assert clipped_share(np.zeros(9, dtype=np.float32)) == 0.0


def test_a_room_makes_sound_fall_more_slowly() -> None:
    dry = reverberation_s(syllables(decay_s=0.15), RATE)
    wet = reverberation_s(syllables(decay_s=0.7, rest_s=0.6), RATE)
    assert dry is not None and wet is not None
    assert dry == pytest.approx(0.15, abs=0.08)
    assert wet == pytest.approx(0.7, abs=0.2)


def test_without_a_fall_nothing_is_said_about_the_room() -> None:
    assert reverberation_s(np.zeros(0, dtype=np.float32), RATE) is None
    assert reverberation_s(np.zeros(RATE, dtype=np.float32), RATE) is None
    tone = np.sin(np.arange(RATE) / 5).astype(np.float32)
    assert reverberation_s(tone[:3000], RATE) is None
    assert reverberation_s(tone, RATE) is None


def test_a_ramp_runs_either_way() -> None:
    assert [ramp(x, 0.0, 20.0) for x in (-5.0, 5.0, 30.0)] == [0.0, 0.25, 1.0]
    assert ramp(0.75, 1.0, 0.5) == 0.5
    assert ramp(float("nan"), 0.0, 1.0) == 0.0
