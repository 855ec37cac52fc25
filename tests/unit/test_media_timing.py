"""Decode times and subtitle cues: small arithmetic with strict rules."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polydub.media.encoding import encoder_format
from polydub.media.picture import decode_times
from polydub.media.subtitles import Cue, flattened

TIMES = st.lists(st.integers(-1000, 1000), unique=True, max_size=40)
CUES = st.lists(
    st.builds(
        lambda start, length, text: Cue(start, start + length, text),
        st.integers(0, 500),
        st.integers(1, 200),
        st.sampled_from("abc"),
    ),
    max_size=8,
).map(lambda cues: sorted(cues, key=lambda cue: (cue.start_ms, cue.end_ms, cue.text)))


@given(TIMES)
def test_decode_times_increase_and_come_first(pts: list[int]) -> None:
    dts = decode_times(pts)
    assert len(dts) == len(pts)
    assert all(a < b for a, b in pairwise(dts))
    assert all(d <= p for d, p in zip(dts, pts, strict=True))
    if pts:
        assert any(d == p for d, p in zip(dts, pts, strict=True))  # no later than needed


@given(CUES)
def test_flattened_cues_show_the_same_texts_at_every_moment(cues: list[Cue]) -> None:
    flat = flattened(cues)
    assert all(a.end_ms <= b.start_ms for a, b in pairwise(flat))
    for moment in range(0, 700, 7):
        expected = sorted(c.text for c in cues if c.start_ms <= moment < c.end_ms)
        shown = [c.text for c in flat if c.start_ms <= moment < c.end_ms]
        assert sorted("\n".join(shown).split()) == expected


@pytest.mark.parametrize(
    ("pixel_format", "size", "expected"),
    [
        ("yuv420p", (1920, 1080), "yuv420p"),
        ("yuvj420p", (1920, 1080), "yuvj420p"),
        ("yuv420p10le", (1920, 1080), "yuv420p10le"),
        ("yuv422p10le", (1920, 1080), "yuv422p10le"),
        ("yuv444p", (1920, 1080), "yuv444p"),
        ("yuv444p12le", (1920, 1080), "yuv444p10le"),
        ("yuva420p", (1920, 1080), "yuv420p"),
        ("nv12", (1920, 1080), "yuv420p"),
        ("rgb24", (1920, 1080), "yuv420p"),
        ("gbrp", (1921, 1080), "yuv444p"),
        ("gray", (64, 64), "yuv420p"),
        ("yuv420p", (161, 96), "yuv444p"),
        ("yuv422p", (160, 97), "yuv422p"),
        ("yuv411p", (160, 96), "yuv422p"),
    ],
)
def test_encoder_format(pixel_format: str, size: tuple[int, int], expected: str) -> None:
    assert encoder_format(pixel_format, *size) == expected
