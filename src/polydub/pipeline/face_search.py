"""The faces of a film's shots, several stretches of the film at a time."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Any, TypeVar

from polydub.engines.protocols import FaceFinder, FaceIdentifier
from polydub.errors import EngineError
from polydub.media.frames import FrameSource, Glance
from polydub.model import FaceTrack, Image, Shot
from polydub.pipeline.run import Run, Stopped
from polydub.stages.faces import FaceOptions, track_faces

T = TypeVar("T")

STRETCH_S = Fraction(12)
"""Film that a thread goes through at a stretch: each begins with a seek, after which up to a
keyframe's distance (10 s in many films) is decoded for nothing."""

MOST_THREADS = 4
"""Each holds a decoder and a face finder of its own, about 150 MB."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The faces of one shot; ``failed`` says why there are none to be had."""

    tracks: tuple[FaceTrack, ...]
    failed: str | None = None


class FaceSearch:
    """Finds the faces in ``shots``, which are asked for in their order by :meth:`take`.

    A context manager: leaving it gives up what was not asked for. ``open_frames`` opens the film.
    """

    def __init__(
        self,
        run: Run,
        open_frames: Callable[[], FrameSource],
        shots: Sequence[Shot],
        *,
        threads: int | None = None,
        options: FaceOptions | None = None,
    ) -> None:
        self._run, self._open_frames = run, open_frames
        self._options = options or FaceOptions()
        self._stretches = deque(stretches(shots))
        self._threads = threads or max(1, min(MOST_THREADS, os.cpu_count() or 1))
        self._waiting: dict[int, Future[Seen]] = {}
        self._under_way: deque[int] = deque()  # the last shot of each stretch
        self._given_up = threading.Event()
        self._own = threading.local()
        self._opened = ExitStack()
        self._opening = threading.Lock()
        self._pools = [ThreadPoolExecutor(1, "polydub-faces") for _ in range(self._threads)]
        self._asked: list[list[Future[Seen]]] = [[] for _ in self._pools]

    def take(self, shot: Shot) -> Seen:
        """What was found in ``shot``. Raises ``InputError`` where the film cannot be read."""
        while self._under_way and self._under_way[0] < shot.index:
            self._under_way.popleft()
        while self._stretches and (
            len(self._under_way) <= self._threads or shot.index not in self._waiting
        ):
            self._begin(self._stretches.popleft())
        return self._waiting.pop(shot.index).result()

    def _begin(self, shots: Sequence[Shot]) -> None:
        """The thread with the least to do goes through ``shots``.

        One stretch more than there are threads is begun, so that none of them waits for the taker.
        """
        self._run.engines.get("identify-face")  # shared: built before any thread asks
        left = [[one for one in asked if not one.done()] for asked in self._asked]
        idle = min(range(len(left)), key=lambda thread: len(left[thread]))
        futures = [self._pools[idle].submit(self._seen, shot) for shot in shots]
        self._asked = left
        self._asked[idle] += futures
        self._waiting.update((x.index, one) for x, one in zip(shots, futures, strict=True))
        self._under_way.append(shots[-1].index)

    def _seen(self, shot: Shot) -> Seen:
        finder, identifier, frames = self._engines()
        options = self._options

        def search(first: int, last: int) -> Iterator[tuple[int, Image]]:
            return self._stoppable(frames.skim(first, last, every=options.stride))

        def read(first: int, last: int) -> Iterator[tuple[int, Glance]]:
            return self._stoppable(frames.glance(first, last))

        try:
            return Seen(track_faces(finder, identifier, shot, read, search=search, options=options))
        except EngineError as error:  # this shot goes without faces; the film goes on
            return Seen((), error.message)

    def _engines(self) -> tuple[FaceFinder, FaceIdentifier, FrameSource]:
        """A finder and a decoder of this thread's own."""
        if not hasattr(self._own, "finder"):
            finder = self._run.engines.another("faces")
            frames = self._open_frames()
            with self._opening:
                self._opened.enter_context(closed(finder))
                self._opened.enter_context(closing(frames))
            self._own.finder, self._own.frames = finder, frames
        return self._own.finder, self._run.engines.get("identify-face"), self._own.frames

    def _stoppable(self, items: Iterator[T]) -> Iterator[T]:
        for item in items:
            self._run.go_on()
            if self._given_up.is_set():
                raise Stopped
            yield item

    def __enter__(self) -> FaceSearch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._given_up.set()
        for pool in self._pools:
            pool.shutdown(wait=True, cancel_futures=True)
        self._opened.close()


def stretches(shots: Sequence[Shot], length: Fraction = STRETCH_S) -> Iterator[list[Shot]]:
    """``shots`` in groups that follow one another and last ``length`` seconds or more.

    A shot that does not follow the one before it begins a new group.
    """
    group: list[Shot] = []
    for shot in shots:
        if group and (
            shot.first != group[-1].last or group[-1].span.end - group[0].span.start >= length
        ):
            yield group
            group = []
        group.append(shot)
    if group:
        yield group


@contextmanager
def closed(engine: Any) -> Iterator[None]:
    """Closes an engine that can be closed."""
    try:
        yield
    finally:
        if (close := getattr(engine, "close", None)) is not None:
            close()
