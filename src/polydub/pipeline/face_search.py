"""The faces of a film's shots, several stretches of the film at a time."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
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

MOST_THREADS = 4
"""Each holds a decoder and a face finder of its own, about 200 MB for a film of 1080p."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The faces of one shot; ``failed`` says why there are none to be had."""

    tracks: tuple[FaceTrack, ...]
    failed: str | None = None


class FaceSearch:
    """Finds the faces in ``shots``, which are asked for in their order by :meth:`take`.

    ``open_frames`` opens the film. :meth:`close` gives up what was not asked for.
    """

    def __init__(
        self,
        run: Run,
        open_frames: Callable[[], FrameSource],
        shots: Sequence[Shot],
        *,
        threads: int | None = None,
    ) -> None:
        self._run = run
        self._stretches = deque(stretches(shots))
        self._waiting: dict[int, Future[Seen]] = {}
        self._under_way: deque[int] = deque()  # the last shot of each stretch
        self._given_up = threading.Event()
        count = threads or max(1, min(MOST_THREADS, os.cpu_count() or 1))
        self._searchers = [_Searcher(run, open_frames, self._given_up) for _ in range(count)]

    def take(self, shot: Shot) -> Seen:
        """What was found in ``shot``. Raises ``InputError`` where the film cannot be read."""
        while self._under_way and self._under_way[0] < shot.index:
            self._under_way.popleft()
        while self._stretches and (
            len(self._under_way) <= len(self._searchers) or shot.index not in self._waiting
        ):
            self._begin(self._stretches.popleft())
        return self._waiting.pop(shot.index).result()

    def _begin(self, shots: Sequence[Shot]) -> None:
        """The thread with the least to do goes through ``shots``.

        One stretch more than there are threads is begun, so that none of them waits for the taker.
        """
        self._run.engines.get("identify-face")  # shared: built before any thread asks
        idle = min(self._searchers, key=lambda searcher: searcher.left)
        self._waiting.update((shot.index, idle.begin(shot)) for shot in shots)
        self._under_way.append(shots[-1].index)

    def close(self) -> None:
        """Stop the threads, and release what they hold."""
        self._given_up.set()
        for searcher in self._searchers:
            searcher.close()


class _Searcher:
    """A thread with a finder and a decoder of its own, which it makes for its first shot."""

    def __init__(
        self, run: Run, open_frames: Callable[[], FrameSource], given_up: threading.Event
    ) -> None:
        self._run, self._open_frames, self._given_up = run, open_frames, given_up
        self._pool = ThreadPoolExecutor(1, "polydub-faces")
        self._asked: list[Future[Seen]] = []
        self._finder: FaceFinder | None = None
        self._frames: FrameSource | None = None

    @property
    def left(self) -> int:
        """How many shots are still to be gone through."""
        self._asked = [future for future in self._asked if not future.done()]
        return len(self._asked)

    def begin(self, shot: Shot) -> Future[Seen]:
        """What is going to be found in ``shot``, after those begun before."""
        self._asked.append(self._pool.submit(self._seen, shot))
        return self._asked[-1]

    def _seen(self, shot: Shot) -> Seen:
        finder = self._finder = self._finder or self._run.engines.another("faces")
        frames = self._frames = self._frames or self._open_frames()
        identifier: FaceIdentifier = self._run.engines.get("identify-face")

        def read(first: int, last: int) -> Iterator[tuple[int, Glance]]:
            return self._stoppable(frames.glance(first, last))

        try:
            return Seen(track_faces(finder, identifier, shot, read))
        except EngineError as error:  # this shot goes without faces; the film goes on
            return Seen((), error.message)

    def _stoppable(self, items: Iterator[T]) -> Iterator[T]:
        for item in items:
            self._run.go_on()
            if self._given_up.is_set():
                raise Stopped
            yield item

    def close(self) -> None:
        """Wait for the shot in hand and release the finder and the film."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        close_engine(self._finder)
        if self._frames is not None:
            self._frames.close()


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
