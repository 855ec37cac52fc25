"""Iteration a few steps ahead of its consumer: decoding goes on while a picture is worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

DEPTH = 3
"""Items that wait at most: enough to even out, few enough for memory (a 4K picture has 25 MB)."""

_END: Any = object()


def read_ahead(items: Iterator[T], depth: int = DEPTH) -> Iterator[T]:
    """The same ``items``, fetched by a thread of their own, ``depth`` of them in advance.

    An error of ``items`` is raised in its place. When the consumer stops early, the thread is done
    with ``items`` before this returns: their source may then be used for something else.
    """
    pool = ThreadPoolExecutor(1, "polydub-ahead")
    waiting = deque(pool.submit(next, items, _END) for _ in range(depth))
    try:
        while (item := waiting.popleft().result()) is not _END:
            waiting.append(pool.submit(next, items, _END))
            yield item
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
