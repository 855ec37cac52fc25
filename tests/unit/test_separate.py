import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polydub.stages.separate import LevelMeter, StemJudgement, judge

RATE = 8000


def voice(seconds: float = 6.0) -> np.ndarray:
    """Noise in bursts of 0.8 s with 0.4 s of digital silence between them."""
    n = round(seconds * RATE)
    noise = np.random.default_rng(3).normal(0, 0.1, n)
    on = (np.arange(n) / RATE) % 1.2 < 0.8
    return (noise * on).astype(np.float32)


def judged_stems(dialogue: np.ndarray, background: np.ndarray) -> StemJudgement:
    meter = LevelMeter(RATE)
    meter.add(dialogue, background)
    return judge(meter.dialogue, meter.background)


def down(decibel: float) -> float:
    return 10 ** (-decibel / 20)


def test_a_voice_with_a_faint_copy_as_residual_is_clean() -> None:
    dialogue = voice()
    judged = judged_stems(dialogue, dialogue * down(29))

    assert judged.clean
    assert judged.residual_db == pytest.approx(29, abs=0.2)
    decision = judged.decision()
    assert decision is not None
    assert decision.kind == "pass-through"
    assert "clean voice stem" in decision.reason


def test_a_voice_over_music_is_not_clean() -> None:
    dialogue = voice()
    music = np.random.default_rng(4).normal(0, 0.1 * down(15), len(dialogue)).astype(np.float32)
    judged = judged_stems(dialogue, music)

    assert not judged.clean
    assert judged.residual_db == pytest.approx(15, abs=1)
    assert judged.decision() is None


def test_a_sound_that_lives_in_the_pauses_is_kept() -> None:
    dialogue = voice()
    steps = np.where(dialogue == 0, 0.1 * down(20), 0.0)
    noise = np.random.default_rng(5).normal(0, 1, len(dialogue)) * steps
    judged = judged_stems(dialogue, (noise + dialogue * down(30)).astype(np.float32))

    assert judged.residual_db > 25
    assert judged.between_db == pytest.approx(20, abs=2)
    assert not judged.clean


def test_silence_and_nothing_are_not_clean() -> None:
    silent = np.zeros(RATE, dtype=np.float32)
    assert not judged_stems(silent, silent).clean
    assert not judged_stems(silent[:0], silent[:0]).clean


@given(st.lists(st.integers(0, 3000), max_size=8))
def test_levels_do_not_depend_on_the_blocks(cuts: list[int]) -> None:
    dialogue, background = voice(1.0), voice(1.0) * 0.1
    whole, parts = LevelMeter(RATE), LevelMeter(RATE)
    whole.add(dialogue, background)
    edges = [0, *sorted(cuts), len(dialogue)]
    for start, end in itertools.pairwise(edges):
        stereo = np.stack([dialogue[start:end]] * 2, axis=1)
        parts.add(stereo, background[start:end])

    assert np.allclose(whole.dialogue, parts.dialogue, atol=1e-3)
    assert np.allclose(whole.background, parts.background, atol=1e-3)
    assert len(whole.dialogue) == 20
    assert judge(whole.dialogue, whole.background).clean is False
