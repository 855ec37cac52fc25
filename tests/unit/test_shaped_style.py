from __future__ import annotations

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from polydub.engines.speak.shaped_style import (
    GROUPS,
    SIZE,
    VOICED,
    ShapedStyle,
    moves_of,
    read_style,
    shaped_name,
)
from polydub.errors import EngineError
from polydub.model import VoiceChoice


def test_a_plain_voice_keeps_its_name() -> None:
    assert shaped_name(ShapedStyle("am_liam")) == "am_liam"
    style = read_style("am_liam")
    assert (style.voice, style.pitch) == ("am_liam", 1.0)
    assert not style.moves.any()


@given(
    st.floats(0.6, 1.7),
    arrays(np.float32, (GROUPS, SIZE), elements=st.floats(-2.5, 2.5, width=32)),
)
def test_a_shape_survives_its_name(pitch: float, moves: np.ndarray) -> None:
    name = shaped_name(ShapedStyle("bf_lily", pitch, moves))
    style = read_style(name)
    assert style.voice == "bf_lily"
    assert style.pitch == pytest.approx(pitch, abs=0.001)
    np.testing.assert_allclose(style.moves, moves, atol=0.0101)
    assert shaped_name(style) == name


@given(arrays(np.float32, VOICED * SIZE, elements=st.floats(-2.5, 2.5, width=32)))
def test_a_shift_moves_only_the_parts_that_make_the_sound(shift: np.ndarray) -> None:
    """Every part by half of its own shift and half of the mean of all."""
    moves = moves_of(shift)
    assert not moves[: GROUPS - VOICED].any()
    own = shift.reshape(VOICED, SIZE)
    np.testing.assert_allclose(moves[-VOICED:], (own + own.mean(axis=0)) / 2, atol=1e-5)
    name = shaped_name(ShapedStyle("bf_lily", 1.0, moves))
    assert len(name) < 1400
    np.testing.assert_allclose(read_style(name).moves, moves, atol=0.0101)


def test_names_of_before_are_understood() -> None:
    """One shift for the whole decoder, or one for each of five parts, mixed by half."""
    steps = np.arange(5 * SIZE, dtype=np.int64).reshape(5, SIZE) % 200 - 100
    codes = [
        base64.urlsafe_b64encode(part.astype(np.int8).tobytes()).decode()
        for part in (steps, steps[0])
    ]
    five, one = (read_style(f"x:timbre={code}").moves for code in codes)
    np.testing.assert_allclose(one, np.tile(steps[0] * 0.02, (GROUPS, 1)), atol=1e-5)
    mixed = (steps + steps.mean(axis=0)) / 2 * 0.02
    for part, rows in enumerate((five[0], five[1], five[2], five[3:7], five[7:])):
        np.testing.assert_allclose(rows, np.broadcast_to(mixed[part], rows.shape), atol=1e-5)


def test_a_wild_shape_is_bounded() -> None:
    wild = np.full((GROUPS, SIZE), 99.0, np.float32)
    style = read_style(shaped_name(ShapedStyle("x", 9.0, wild)))
    assert style.pitch == pytest.approx(1.7)
    assert np.abs(style.moves).max() == pytest.approx(2.54)
    assert read_style("x:pitch=0.0001").pitch == pytest.approx(0.6)


@pytest.mark.parametrize(
    "name",
    [
        "x:pitch=high",
        "x:pitch=nan",
        "x:timbre=AAAA",
        "x:timbre=%%",
        "x:moves=AAAA",
        "x:colour=red",
        "x:",
    ],
)
def test_what_is_not_understood_is_an_error(name: str) -> None:
    with pytest.raises(EngineError, match="cannot be read"):
        read_style(name)


def test_the_voice_behind_a_choice() -> None:
    assert VoiceChoice("kokoro", "am_liam:pitch=1.1").voice == "am_liam"
    assert VoiceChoice("kokoro", "am_liam").voice == "am_liam"
