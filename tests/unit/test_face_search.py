"""Faces found by several threads: the same as by one, in order, failures in their place."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from polydub.engines.fakes import FakeFaceIdentity, FakeFaces
from polydub.errors import EngineError, InputError
from polydub.model import Image, Shot, Span
from polydub.pipeline.face_search import FaceSearch, Seen, stretches
from polydub.pipeline.run import Run, Stopped

RATE = 10
LENGTH = 80
"""Frames per shot: eight seconds, so that two shots make a stretch."""


def shots(count: int) -> list[Shot]:
    return [
        Shot(i, LENGTH * i, LENGTH * (i + 1), Span(Fraction(8 * i), Fraction(8 * (i + 1))))
        for i in range(count)
    ]


def picture(index: int) -> Image:
    """A red square that moves with time, in every third shot none."""
    image = np.full((120, 160, 3), 30, np.uint8)
    if index // LENGTH % 3 != 2:
        left = 20 + index % LENGTH
        image[30:80, left : left + 50] = (200, 40, 40)
    return image


class Film:
    """Frames by index; ``broken`` is where it cannot be read."""

    opened = 0

    def __init__(self, broken: int | None = None) -> None:
        Film.opened += 1
        self.broken, self.closed = broken, False

    def skim(self, first: int, last: int, *, every: int = 1) -> Iterator[tuple[int, Image]]:
        for index in range(first, last, every):
            if self.broken is not None and first <= self.broken < last:
                raise InputError("the disk fails")
            yield index, picture(index)

    def glance(self, first: int, last: int) -> Iterator[tuple[int, Image]]:
        yield from self.skim(first, last)

    def close(self) -> None:
        Film.opened -= 1


class Engines:
    def __init__(self, finder: type[FakeFaces]) -> None:
        self.finder = finder
        self.made: list[Any] = []

    def get(self, kind: str) -> Any:
        assert kind == "identify-face"
        return FakeFaceIdentity()

    def another(self, kind: str) -> Any:
        assert kind == "faces"
        self.made.append(self.finder())
        return self.made[-1]


def new_run(finder: type[FakeFaces] = FakeFaces) -> Run:
    nothing: Any = None
    engines: Any = Engines(finder)
    return Run(nothing, nothing, engines)


def search(run: Run, wanted: list[Shot], threads: int, **film: Any) -> list[Seen]:
    opener: Any = lambda _threads: Film(**film)  # noqa: E731
    with closing(FaceSearch(run, opener, wanted, threads=threads)) as found:
        return [found.take(shot) for shot in wanted]


def told(seen: Seen) -> Any:
    return seen.failed, [(t.id, t.first, t.n_frames, t.boxes.tolist()) for t in seen.tracks]


def test_threads_find_what_one_finds() -> None:
    wanted = shots(9)
    alone = [told(x) for x in search(new_run(), wanted, 1)]
    assert [len(tracks) for _, tracks in alone] == [1, 1, 0] * 3
    run = new_run()
    assert [told(x) for x in search(run, wanted, 3)] == alone
    assert 1 <= len(run.engines.made) <= 3  # type: ignore[attr-defined]
    assert Film.opened == 0


def test_a_finder_that_fails_costs_its_shot_only() -> None:
    class Fails(FakeFaces):
        def landmarks(self, image: Image, box: tuple[float, float, float, float]) -> Any:
            if image[0, 0, 0] == 30 and threading.current_thread() is not threading.main_thread():
                raise EngineError("no mesh")
            return super().landmarks(image, box)

    found = search(new_run(Fails), shots(3), 2)
    assert [seen.failed for seen in found] == ["no mesh", "no mesh", None]


def test_a_film_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(InputError, match="disk fails"):
        search(new_run(), shots(6), 2, broken=3 * LENGTH)


def test_an_engine_that_cannot_be_built_is_an_error() -> None:
    class Absent(FakeFaces):
        def __init__(self) -> None:
            raise EngineError("mediapipe is not installed")

    with pytest.raises(EngineError, match="not installed"):
        search(new_run(Absent), shots(2), 2)


def test_work_that_nobody_waits_for_is_given_up() -> None:
    run, wanted = new_run(), shots(40)
    opener: Any = lambda _threads: Film()  # noqa: E731
    with closing(FaceSearch(run, opener, wanted, threads=2)) as found:
        found.take(wanted[0])
    assert Film.opened == 0
    run.stop.set()
    with pytest.raises(Stopped):
        search(run, wanted, 2)


def test_shots_that_nobody_asks_for_hold_nothing_up() -> None:
    wanted = shots(21)
    opener: Any = lambda _threads: Film()  # noqa: E731
    with closing(FaceSearch(new_run(), opener, wanted, threads=1)) as found:
        assert [len(found.take(shot).tracks) for shot in wanted[::7]] == [1, 1, 0]


def test_stretches_last_and_follow_one_another() -> None:
    many = shots(20)
    assert list(stretches([])) == []
    one, two, three, four, five = many[:5]
    assert list(stretches([one, two, three, four, five])) == [[one, two], [three, four], [five]]
    assert [shot for group in stretches(many, 2) for shot in group] == many
    parted = list(stretches([one, *many[2:6]]))  # the second was there before
    assert parted[:2] == [[one], [three, four]]


def test_stretches_are_shorter_at_the_end_so_that_no_thread_waits_long() -> None:
    brief = [
        Shot(i, 20 * i, 20 * (i + 1), Span(Fraction(2 * i), Fraction(2 * i + 2))) for i in range(30)
    ]
    seconds = [2 * len(group) for group in stretches(brief, 2)]
    assert seconds == [12, 12, 10, 8, 6, 4, 4, 4]
    assert [2 * len(group) for group in stretches(brief, 8)] == [4] * 15


def test_the_cores_are_shared_by_searching_and_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def opener(threads: int) -> Any:
        asked.append(threads)
        return Film()

    for cores in (1, 2, 16):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        opener_: Any = opener
        with closing(FaceSearch(new_run(), opener_, shots(1))) as found:
            found.take(shots(1)[0])
    assert asked == [1, 1, 4]
