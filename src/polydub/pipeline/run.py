"""The state of one run: project, engines, events, decisions, timings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
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
        """``name@version``, part of every cache key in which the engine had a hand."""
        capabilities = self.capabilities(kind, language)
        return f"{capabilities.name}@{capabilities.version}"

    def get(self, kind: str, language: str | None = None, **options: Any) -> Any:
        """The engine itself; ``options`` count only when it is built."""
        key = (kind, self.name(kind, language))
        if key not in self._built:
            self._built[key] = registry.load(*key, **options)
        return self._built[key]

    def release(self, *kinds: str) -> None:
        """Let go of engines whose work is done, so that their memory does not pile up."""
        for key in [key for key in self._built if key[0] in kinds]:
            close = getattr(self._built.pop(key), "close", None)
            if close is not None:
                close()

    def chosen(self, language: str) -> dict[str, str]:
        """``kind -> name@version`` of the engines behind a dub into ``language``."""
        return {kind: self.identity(kind, language) for kind in registry.DEFAULTS}


@dataclass(slots=True)
class StageProgress:
    """Counts the units of one stage and tells the world."""

    run: Run
    stage: str
    total: int
    done: int = 0
    cached: int = 0

    def begin(self, unit: str, message: str = "") -> None:
        """Announce the unit in work."""
        self.run.emit(Event(self.stage, unit, self.done, self.total, message))

    def step(self, unit: str, *, cached: bool = False, message: str = "") -> None:
        """One unit is finished; ``cached`` means that it was already there."""
        self.done += 1
        self.cached += cached
        self.run.emit(Event(self.stage, unit, self.done, self.total, message))

    def at(self, done: int, unit: str = "film") -> None:
        """Set the absolute count, for streams that report a position."""
        self.done = min(done, self.total)
        self.run.emit(Event(self.stage, unit, self.done, self.total))


@dataclass(slots=True)
class Run:
    """Everything that the steps of one run share."""

    project: Project
    options: DubOptions
    engines: Engines
    on_event: EventSink | None = None
    decisions: list[Decision] = field(default_factory=list)
    timings: dict[str, StageTiming] = field(default_factory=dict)

    @property
    def cache(self) -> Cache:
        """The project's cache."""
        return self.project.cache

    def emit(self, event: Event) -> None:
        """Hand an event to whoever listens."""
        if self.on_event is not None:
            self.on_event(event)

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
        progress.begin("film")
        watch = Stopwatch()
        with PeakMemory() as memory:
            yield progress
        before = self.timings.get(stage)
        seconds = watch.seconds + (before.seconds if before else 0.0)
        peak = max(memory.mib, before.peak_mib if before else 0.0)
        units = progress.total + (before.units if before else 0)
        cached = progress.cached + (before.cached if before else 0)
        self.timings[stage] = StageTiming(stage, seconds, peak, units, cached)
        if progress.done < progress.total:
            progress.at(progress.total)

    def ensure(
        self, stage: str, *key_parts: Any, make: Callable[[Path], None]
    ) -> tuple[Path, bool]:
        """``(folder, cached)`` of the artifact for ``key_parts``, made by ``make`` when absent."""
        key = digest(stage, *key_parts)
        if self.cache.has(stage, key):
            return self.cache.path(stage, key), True
        with self.cache.make(stage, key) as work:
            make(work)
        return self.cache.path(stage, key), False
