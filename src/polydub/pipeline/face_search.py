"""The faces of a film's shots, several stretches of the film at a time."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import TypeVar

from polydub.engines.protocols import FaceFinder, FaceIdentifier
from polydub.errors import EngineError
from polydub.media.frames import FrameSource, Glance
from polydub.model import FaceTrack, Shot
from polydub.pipeline.run import Run, Stopped, close_engine
from polydub.stages.faces import track_faces

T = TypeVar("T")

STRETCH_S = Fraction(12)
"""Film that a thread goes through at a stretch: each begins with a seek, after which up to a
keyframe's distance (10 s in many films) is decoded for nothing."""

SHORT_S = Fraction(4)
"""The same at the end of the film, where threads would wait for the last one."""

MOST_THREADS = 4
"""Each holds a decoder and a face finder of its own, about 200 MB for a film of 1080p."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The faces of one shot; ``failed`` says why there are none to be had."""

    tracks: tuple[FaceTrack, ...]
    failed: str | None = None


class FaceSearch:
    """Finds the faces in ``shots``, which are asked for in their order by :meth:`take`.

    ``open_frames`` opens the film, to be decoded by so many threads. :meth:`close` gives up what
    was not asked for.
    """

    def __init__(
        self,
        run: Run,
        open_frames: Callable[[int], FrameSource],
        shots: Sequence[Shot],
        *,
        threads: int | None = None,
    ) -> None:
        cores = os.cpu_count() or 1
        self._run = run
        self._threads = threads or max(1, min(MOST_THREADS, cores))
        # More threads than cores wait for one another: a search that decoded with two threads
        # instead of one took 10 % more processor time.
        self._open_frames = partial(open_frames, max(1, min(MOST_THREADS, cores // self._threads)))
        self._stretches = deque(stretches(shots, self._threads))
        self._waiting: dict[int, Future[Seen]] = {}
        self._under_way: deque[int] = deque()  # the last shot of each stretch
        self._given_up = threading.Event()
        self._pool = ThreadPoolExecutor(self._threads, "polydub-faces")
        self._own = threading.local()
        self._opened = ExitStack()

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
        """The next thread that is free goes through ``shots``.

        One stretch more than there are threads is begun, so that none of them waits for the taker.
        """
        self._run.engines.get("identify-face")  # shared: built before any thread asks
        found: dict[int, Future[Seen]] = {shot.index: Future() for shot in shots}
        self._waiting.update(found)
        self._under_way.append(shots[-1].index)
        task = self._pool.submit(self._go_through, shots, found)
        task.add_done_callback(partial(_hand_on_failure, found))

    def _go_through(self, shots: Sequence[Shot], found: dict[int, Future[Seen]]) -> None:
        for shot in shots:
            found[shot.index].set_result(self._seen(shot))

    def _seen(self, shot: Shot) -> Seen:
        eyes = self._eyes_of_this_thread()

        def read(first: int, last: int) -> Iterator[tuple[int, Glance]]:
            return self._stoppable(eyes.frames.glance(first, last))

        try:
            return Seen(track_faces(eyes.finder, eyes.identifier, shot, read))
        except EngineError as error:  # this shot goes without faces; the film goes on
            return Seen((), error.message)

    def _eyes_of_this_thread(self) -> _Eyes:
        eyes: _Eyes | None = getattr(self._own, "eyes", None)
        if eyes is None:
            finder: FaceFinder = self._run.engines.another("faces")
            self._opened.callback(close_engine, finder)
            frames = self._open_frames()
            self._opened.callback(frames.close)
            eyes = _Eyes(finder, self._run.engines.get("identify-face"), frames)
            self._own.eyes = eyes
        return eyes

    def _stoppable(self, items: Iterator[T]) -> Iterator[T]:
        for item in items:
            self._run.go_on()
            if self._given_up.is_set():
                raise Stopped
            yield item

    def close(self) -> None:
        """Stop the threads after the shots in hand, and release what they hold."""
        self._given_up.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._opened.close()


@dataclass(frozen=True, slots=True)
class _Eyes:
    """What one thread sees with; only the identifier is shared."""

    finder: FaceFinder
    identifier: FaceIdentifier
    frames: FrameSource


def _hand_on_failure(found: dict[int, Future[Seen]], task: Future[None]) -> None:
    """Whoever asks for a shot that ``task`` did not come to hears why."""
    missing = [future for future in found.values() if not future.done()]
    for future in missing:
        if task.cancelled():
            future.cancel()
        else:
            future.set_exception(task.exception())


def stretches(shots: Sequence[Shot], threads: int = 1) -> Iterator[list[Shot]]:
    """``shots`` in groups that follow one another, for ``threads`` that take one after the other.

    They last :data:`STRETCH_S` or more, less towards the end, so that all threads end together. A
    shot that does not follow the one before it begins a new group.
    """
    left = sum((shot.span.duration for shot in shots), Fraction(0))
    group: list[Shot] = []
    for shot in shots:
        length = min(STRETCH_S, max(SHORT_S, left / (2 * threads)))
        if group and (
            shot.first != group[-1].last or group[-1].span.end - group[0].span.start >= length
        ):
            yield group
            left -= sum(one.span.duration for one in group)
            group = []
        group.append(shot)
    if group:
        yield group
