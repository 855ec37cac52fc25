"""Iteration one step ahead of its consumer: decoding goes on while a picture is worked on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")

DEPTH = 3
"""Items that wait at most: enough to even out, few enough for memory (a 4K picture has 25 MB)."""


def read_ahead(items: Iterator[T], depth: int = DEPTH) -> Iterator[T]:
    """The same ``items``, fetched by a thread of their own, ``depth`` of them in advance.

    An error of ``items`` is raised in its place. When the consumer stops early, the thread is done
    with ``items`` before this returns: their source may then be used for something else.
    """
    waiting: queue.Queue[tuple[T | None, BaseException | None, bool]] = queue.Queue(depth)
    stop = threading.Event()

    def put(item: T | None, error: BaseException | None, *, last: bool) -> None:
        while not stop.is_set():
            try:
                waiting.put((item, error, last), timeout=0.05)
                return
            except queue.Full:
                continue

    def fetch() -> None:
        try:
            for item in items:
                put(item, None, last=False)
                if stop.is_set():
                    return
            put(None, None, last=True)
        except BaseException as error:  # handed over: the consumer raises it
            put(None, error, last=True)

    thread = threading.Thread(target=fetch, name="polydub-ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error, last = waiting.get()
            if error is not None:
                raise error
            if last:
                return
            yield item  # type: ignore[misc]
    finally:
        stop.set()
        thread.join()
