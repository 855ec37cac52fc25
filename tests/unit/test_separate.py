import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polydub.model import Span
from polydub.stages.separate import (
    DuckOptions,
    LevelMeter,
    duck_gain,
    is_clean_stem,
    judge,
)

RATE = 8000


def voice(seconds: float = 6.0) -> np.ndarray:
    """Noise in bursts of 0.8 s with 0.4 s of digital silence between them."""
    n = round(seconds * RATE)
    noise = np.random.default_rng(3).normal(0, 0.1, n)
    on = (np.arange(n) / RATE) % 1.2 < 0.8
    return (noise * on).astype(np.float32)


def down(decibel: float) -> float:
    return 10 ** (-decibel / 20)


def test_a_voice_with_a_faint_copy_as_residual_is_clean() -> None:
    dialogue = voice()
    judged = is_clean_stem([(dialogue, dialogue * down(29))], RATE)

    assert judged.clean
    assert judged.residual_db == pytest.approx(29, abs=0.2)
    decision = judged.decision()
    assert decision is not None
    assert decision.kind == "pass-through"
    assert "clean voice stem" in decision.reason


def test_a_voice_over_music_is_not_clean() -> None:
    dialogue = voice()
    music = np.random.default_rng(4).normal(0, 0.1 * down(15), len(dialogue)).astype(np.float32)
    judged = is_clean_stem([(dialogue, music)], RATE)

    assert not judged.clean
    assert judged.residual_db == pytest.approx(15, abs=1)
    assert judged.decision() is None


def test_a_sound_that_lives_in_the_pauses_is_kept() -> None:
    dialogue = voice()
    steps = np.where(dialogue == 0, 0.1 * down(20), 0.0)
    noise = np.random.default_rng(5).normal(0, 1, len(dialogue)) * steps
    judged = is_clean_stem([(dialogue, (noise + dialogue * down(30)).astype(np.float32))], RATE)

    assert judged.residual_db > 25
    assert judged.between_db == pytest.approx(20, abs=2)
    assert not judged.clean


def test_silence_and_nothing_are_not_clean() -> None:
    silent = np.zeros(RATE, dtype=np.float32)
    assert not is_clean_stem([(silent, silent)], RATE).clean
    assert not is_clean_stem([], RATE).clean


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


def test_duck_is_down_during_speech_and_up_far_from_it() -> None:
    gain = duck_gain(5 * RATE, RATE, [Span.of("2", "3")])

    assert gain[0] == gain[-1] == 1.0
    assert np.allclose(gain[2 * RATE : 3 * RATE], down(8), atol=1e-6)
    assert 1.0 > gain[round(1.9 * RATE)] > down(8)
    assert 1.0 > gain[round(3.2 * RATE)] > down(8)
    falling = gain[round(1.85 * RATE) : 2 * RATE]
    assert (np.diff(falling) <= 0).all()


def test_duck_does_not_pump_in_short_pauses() -> None:
    gain = duck_gain(4 * RATE, RATE, [Span.of(1, "1.5"), Span.of("1.8", "2.5")])
    assert np.allclose(gain[RATE : round(2.5 * RATE)], down(8), atol=1e-6)


def test_without_speech_nothing_is_ducked() -> None:
    assert (duck_gain(100, RATE, []) == 1.0).all()


@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 800)), max_size=5),
    st.integers(0, 4000),
    st.floats(0.0, 20.0),
)
def test_duck_in_blocks_is_the_duck_of_the_whole(
    pairs: list[tuple[int, int]], cut: int, depth: float
) -> None:
    speech = [Span(Fraction(a, 1000), Fraction(a + b, 1000)) for a, b in pairs]
    options = DuckOptions(depth_db=depth)
    whole = duck_gain(4000, 1000, speech, options=options)
    head = duck_gain(cut, 1000, speech, options=options)
    tail = duck_gain(4000 - cut, 1000, speech, offset=cut, options=options)

    assert np.array_equal(whole, np.concatenate([head, tail]))
    assert (whole <= 1.0).all()
    assert (whole >= down(depth) - 1e-6).all()
