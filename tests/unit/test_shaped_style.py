from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from polydub.engines.speak.shaped_style import (
    GROUPS,
    SIZE,
    ShapedStyle,
    read_style,
    shaped_name,
)
from polydub.errors import EngineError
from polydub.model import VoiceChoice


def test_a_plain_voice_keeps_its_name() -> None:
    assert shaped_name(ShapedStyle("am_liam")) == "am_liam"
    style = read_style("am_liam")
    assert (style.voice, style.pitch) == ("am_liam", 1.0)
    assert not style.shift.any()


@given(
    st.floats(0.6, 1.7),
    arrays(np.float32, GROUPS * SIZE, elements=st.floats(-2.5, 2.5, width=32)),
)
def test_a_shape_survives_its_name(pitch: float, shift: np.ndarray) -> None:
    name = shaped_name(ShapedStyle("bf_lily", pitch, shift))
    style = read_style(name)
    assert style.voice == "bf_lily"
    assert style.pitch == pytest.approx(pitch, abs=0.001)
    np.testing.assert_allclose(style.shift, shift, atol=0.0101)
    assert shaped_name(style) == name
    assert len(name) < 900


def test_one_shift_for_the_whole_decoder_may_be_written_once() -> None:
    shift = np.linspace(-1, 1, SIZE, dtype=np.float32)
    whole = np.tile(shift, GROUPS)
    name = shaped_name(ShapedStyle("x", 1.0, shift))
    np.testing.assert_allclose(read_style(name).shift, whole, atol=0.0101)


def test_a_wild_shape_is_bounded() -> None:
    style = read_style(shaped_name(ShapedStyle("x", 9.0, np.full(GROUPS * SIZE, 99.0, np.float32))))
    assert style.pitch == pytest.approx(1.7)
    assert np.abs(style.shift).max() == pytest.approx(2.54)
    assert read_style("x:pitch=0.0001").pitch == pytest.approx(0.6)


@pytest.mark.parametrize(
    "name", ["x:pitch=high", "x:pitch=nan", "x:timbre=AAAA", "x:timbre=%%", "x:colour=red", "x:"]
)
def test_what_is_not_understood_is_an_error(name: str) -> None:
    with pytest.raises(EngineError, match="cannot be read"):
        read_style(name)


def test_the_voice_behind_a_choice() -> None:
    assert VoiceChoice("kokoro", "am_liam:pitch=1.1").voice == "am_liam"
    assert VoiceChoice("kokoro", "am_liam").voice == "am_liam"
