from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from polydub.engines.protocols import LipSpan, Patch
from polydub.model import Span
from polydub.pipeline.picture import PatchStore, touching, write_patches


def span(track: str, first: int, last: int) -> LipSpan:
    return LipSpan(track, "L1", (first, last), Span(Fraction(first), Fraction(last)), ())


def test_patches_come_back_exactly_and_by_frame(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    patches = [
        Patch(frame, 3 * frame, 5, rng.integers(0, 255, (8, 6, 3), dtype=np.uint8))
        for frame in (7, 8, 8)
    ]
    write_patches(tmp_path / "p.zip", patches)
    store = PatchStore()
    store.add(tmp_path / "p.zip")
    assert store.at(6) == []
    (one,) = store.at(7)
    assert (one.frame, one.left, one.top) == (7, 21, 5)
    np.testing.assert_array_equal(one.pixels, patches[0].pixels)
    two = store.at(8)
    assert len(two) == 2
    np.testing.assert_array_equal(two[1].pixels, patches[2].pixels)


def test_many_archives_do_not_stay_open(tmp_path: Path) -> None:
    store = PatchStore()
    for number in range(40):
        write_patches(
            tmp_path / f"{number}.zip", [Patch(number, 0, 0, np.zeros((2, 2, 3), np.uint8))]
        )
        store.add(tmp_path / f"{number}.zip")
    for number in range(40):
        assert len(store.at(number)) == 1
    assert len(store._open) <= 17


def test_spans_that_touch_on_one_track_are_one_movement() -> None:
    spans = [span("A", 0, 10), span("A", 10, 20), span("A", 21, 30), span("B", 30, 40)]
    assert [len(group) for group in touching(spans)] == [2, 1, 1]
