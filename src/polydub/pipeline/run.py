"""The state of one run: project, engines, events, decisions, timings."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from polydub.engines import registry
from polydub.engines.protocols import Capabilities
from polydub.model import Decision, StageTiming
from polydub.pipeline.events import Event, EventSink
from polydub.pipeline.memory import PeakMemory, Stopwatch
from polydub.pipeline.options import DubOptions
from polydub.project.cache import Cache, digest
from polydub.project.folder import Project

log = logging.getLogger(__name__)


class Engines:
    """Engines by kind, built at first use and kept for the run."""

    def __init__(self, options: DubOptions) -> None:
        self._options = options
        self._built: dict[tuple[str, str], Any] = {}
        self._coming: dict[tuple[str, str], Future[Any]] = {}
        self._loader: ThreadPoolExecutor | None = None
        self._building = threading.Lock()

    def name(self, kind: str, language: str | None = None) -> str:
        """The chosen engine's name."""
        return self._options.engine(kind, language)

    def capabilities(self, kind: str, language: str | None = None) -> Capabilities:
        """What the chosen engine declares, without building it."""
        capabilities: Capabilities = registry.engine_class(
            kind, self.name(kind, language)
        ).capabilities
        return capabilities

    def identity(self, kind: str, language: str | None = None) -> str:
        """``name@version``, part of every cache key in which the engine had a hand.

        An engine whose output depends on more, like settings of its own, tells so by a method
        ``variant``: what it returns is added.
        """
        capabilities = self.capabilities(kind, language)
        own = f"{capabilities.name}@{capabilities.version}"
        variant = getattr(registry.engine_class(kind, self.name(kind, language)), "variant", None)
        return f"{own}+{variant()}" if variant is not None else own

    def get(self, kind: str, language: str | None = None, **options: Any) -> Any:
        """The engine itself; ``options`` count only when it is built."""
        key = (kind, self.name(kind, language))
        if key not in self._built:
            coming = self._coming.pop(key, None)
            self._built[key] = coming.result() if coming else self._build(*key, **options)
        return self._built[key]

    def another(self, kind: str) -> Any:
        """A new engine for a thread of its own; whoever asks for it closes it."""
        return self._build(kind, self.name(kind))

    def _build(self, kind: str, name: str, **options: Any) -> Any:
        """One at a time: two threads that import at once may meet a library half made."""
        with self._building:
            return registry.load(kind, name, **options)

    def prepare(self, *kinds: str) -> None:
        """Build engines in the background, for they will be needed soon.

        An error in it is raised by :meth:`get`.
        """
        for kind in kinds:
            key = (kind, self.name(kind))
            if key not in self._built and key not in self._coming:
                self._loader = self._loader or ThreadPoolExecutor(1, "polydub-load")
                self._coming[key] = self._loader.submit(registry.load, *key)

    def release(self, *kinds: str) -> None:
        """Let go of engines whose work is done, so that their memory does not pile up."""
        for key in [key for key in list(self._built) if key[0] in kinds]:
            close_engine(self._built.pop(key))

    def close(self) -> None:
        """The run is over: what nobody fetched is not built any more."""
        if self._loader is not None:
            self._loader.shutdown(wait=False, cancel_futures=True)

    def kinds(self) -> list[str]:
        """The kinds of engines that a dub needs: one that dubs scenes speaks by itself."""
        if not self._options.dubs_scenes:
            return list(registry.DEFAULTS)
        return [*(x for x in registry.DEFAULTS if x not in ("speak", "convert")), "dubbing"]

    def chosen(self, language: str) -> dict[str, str]:
        """``kind -> name@version`` of the engines behind a dub into ``language``."""
        return {kind: self.identity(kind, language) for kind in self.kinds()}


def close_engine(engine: Any) -> None:
    """Release what ``engine`` holds, if it can be told to."""
    close = getattr(engine, "close", None)
    if close is not None:
        close()


@dataclass(slots=True)
class StageProgress:
    """Counts the units of one stage and tells the world.

    ``made`` and ``found`` count the artifacts that it made anew and found from an earlier run. The
    end of the last unit is told with the end of the stage; a stage without units says nothing.
    """

    run: Run
    stage: str
    total: int
    done: int = 0
    cached: int = 0
    made: int = 0
    found: int = 0

    def begin(self) -> None:
        """Announce the stage."""
        self._tell("film")

    def step(self, unit: str, *, cached: bool = False) -> None:
        """One unit is finished; ``cached`` means that it was already there."""
        self.cached += cached
        self._advance(self.done + 1, unit)

    def at(self, done: int, unit: str = "film") -> None:
        """Set the absolute count, for streams that report a position."""
        self._advance(min(done, self.total), unit)

    def end(self) -> None:
        """All is done; a stage in which nothing had to be made was there from before."""
        if not self.made and (self.found or not self.done):
            self.cached = self.total
        self.done = self.total
        self._tell("film")

    def _advance(self, done: int, unit: str) -> None:
        news, self.done = done != self.done, done
        if news and done < self.total:
            self._tell(unit)

    def _tell(self, unit: str) -> None:
        if self.total:
            self.run.emit(Event(self.stage, unit, self.done, self.total, cached=self.cached))


class Stopped(BaseException):
    """Work is given up because what runs beside it failed; never leaves the pipeline."""


@dataclass(slots=True)
class Run:
    """Everything that the steps of one run share.

    ``stop`` is set when the work is to be given up; ``telling`` is held while an event is told.
    ``naming`` is put before the stages in events, where two films are worked on.
    """

    project: Project
    options: DubOptions
    engines: Engines
    on_event: EventSink | None = None
    decisions: list[Decision] = field(default_factory=list)
    timings: dict[str, StageTiming] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)
    telling: threading.RLock = field(default_factory=threading.RLock)
    naming: str = ""
    _stage: StageProgress | None = None
    _made: set[Path] = field(default_factory=set)

    @property
    def cache(self) -> Cache:
        """The project's cache."""
        return self.project.cache

    def emit(self, event: Event) -> None:
        """Hand an event to whoever listens, one at a time. Raises ``Stopped``."""
        self.go_on()
        if self.on_event is not None:
            with self.telling:
                self.on_event(replace(event, stage=self.naming + event.stage))

    def go_on(self) -> None:
        """Raises ``Stopped`` when the work is to be given up."""
        if self.stop.is_set():
            raise Stopped

    def decide(self, *decisions: Decision) -> None:
        """Record decisions for the report, each once."""
        for decision in decisions:
            if decision not in self.decisions:
                self.decisions.append(decision)
                log.info("%s: %s %s", decision.stage, decision.unit, decision.reason)

    @contextmanager
    def stage(self, stage: str, total: int = 1) -> Iterator[StageProgress]:
        """Time a stage, watch its memory, and announce its begin and end."""
        progress = StageProgress(self, stage, total)
        progress.begin()
        self._stage = progress
        watch = Stopwatch()
        try:
            with PeakMemory() as memory:
                yield progress
        finally:
            self._stage = None
        progress.end()
        before = self.timings.get(stage) or StageTiming(stage, 0.0, 0.0)
        self.timings[stage] = StageTiming(
            stage,
            before.seconds + watch.seconds,
            max(before.peak_mib, memory.mib),
            before.units + progress.total,
            before.cached + progress.cached,
        )

    def has(self, stage: str, *key_parts: Any) -> bool:
        """Whether the artifact for ``key_parts`` is there."""
        return self.cache.has(stage, digest(stage, *key_parts))

    def ensure(
        self, stage: str, *key_parts: Any, make: Callable[[Path], None]
    ) -> tuple[Path, bool]:
        """``(folder, cached)`` of the artifact for ``key_parts``, made by ``make`` when absent."""
        key = digest(stage, *key_parts)
        path, cached = self.cache.path(stage, key), self.cache.has(stage, key)
        if not cached:
            self._made.add(path)
        if self._stage is not None and (not cached or path not in self._made):
            self._stage.made += not cached
            self._stage.found += cached
        if not cached:
            with self.cache.make(stage, key) as work:
                make(work)
        return path, cached
