"""What is read ahead is the same, in order, with its errors, and it stops with its consumer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from polydub.media.ahead import DEPTH, read_ahead


def test_the_same_items_in_the_same_order() -> None:
    assert list(read_ahead(iter(range(50)))) == list(range(50))
    assert list(read_ahead(iter([]))) == []
    assert list(read_ahead(iter([None, 1]))) == [None, 1]


def test_an_error_comes_in_its_place() -> None:
    def broken() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("no third")

    got = []
    with pytest.raises(ValueError, match="no third"):
        for item in read_ahead(broken()):
            got.append(item)
    assert got == [1, 2]


def test_it_stays_a_few_items_ahead_and_stops_with_its_consumer() -> None:
    made: list[int] = []

    def counted() -> Iterator[int]:
        for number in range(1000):
            made.append(number)
            yield number

    reading = read_ahead(counted())
    assert next(reading) == 0
    time.sleep(0.2)
    assert len(made) <= DEPTH + 2
    reading.close()
    left = len(made)
    time.sleep(0.1)
    assert len(made) == left
    assert not any(thread.name.startswith("polydub-ahead") for thread in threading.enumerate())
