"""Peak resident memory of this process over a stretch of time."""

from __future__ import annotations

import threading
import time
from types import TracebackType

import psutil

MIB = 1024 * 1024


class PeakMemory:
    """Samples resident memory while the block runs; ``mib`` is the highest value seen."""

    def __init__(self, *, every_s: float = 0.05) -> None:
        self.mib = 0.0
        self._every = every_s
        self._stop = threading.Event()
        self._process = psutil.Process()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="polydub-memory")

    def _sample(self) -> None:
        self.mib = max(self.mib, self._process.memory_info().rss / MIB)

    def _watch(self) -> None:
        while not self._stop.wait(self._every):
            self._sample()

    def __enter__(self) -> PeakMemory:
        self._sample()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._sample()
        self._stop.set()
        self._thread.join(timeout=1)


class Stopwatch:
    """Wall-clock seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return time.perf_counter() - self._start
