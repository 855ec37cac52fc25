"""Progress as a value: one stream of events feeds progress bars, logs, the studio and the API."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

STAGES = (
    "probe",
    "separate",
    "shots",
    "faces",
    "transcribe",
    "diarize",
    "attribute",
    "translate",
    "cast",
    "cues",
    "speak",
    "fit",
    "mix",
    "lips",
    "master",
    "report",
)
"""Every stage in the order in which it runs."""

EVALUATION_STAGES = ("dub-probe", "dub-separate", "dub-transcribe", "dub-judge", "dub-look")
"""What an evaluation does with the dubbed video, after the analysis of the original."""

WINDOW = 32
"""Observations per stage that :class:`Eta` keeps: cached units rush past at the start of a resumed
run, so the pace comes from the recent ones only."""


@dataclass(frozen=True, slots=True)
class Event:
    """One step forward in one stage.

    ``unit`` names what was just finished or started (``"L003"``, ``"shot 4"``, ``"film"``);
    ``done`` of ``total`` units of the stage are finished (``total`` 0 = not known yet), ``cached``
    of them found finished from before; ``at`` is Unix time in seconds. A stage announces itself
    once with ``done`` 0 and ends with ``done == total``.
    """

    stage: str
    unit: str
    done: int
    total: int
    message: str = ""
    at: float = field(default_factory=time.time)
    cached: int = 0

    @property
    def reused(self) -> bool:
        """Whether the stage is complete and had nothing to make."""
        return self.finished and self.cached >= self.total

    @property
    def finished(self) -> bool:
        """Whether the stage is complete."""
        return 0 < self.total <= self.done


EventSink = Callable[[Event], None]
"""Receives events, in order, in the process that runs the pipeline; must return quickly."""


def to_json(event: Event) -> str:
    """The event as one line of JSON, without a line break."""
    return json.dumps(asdict(event), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Eta:
    """Time left per stage, computed from events alone.

    Immutable: :meth:`after` gives the next state. The pace of a stage is the mean over its last
    ``WINDOW`` observations. A stage that begins again (the next language, the next film) is a new
    one.
    """

    seen: dict[str, tuple[tuple[float, int], ...]] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)

    def after(self, event: Event) -> Eta:
        """The state with ``event`` taken into account."""
        before = self.seen.get(event.stage, ())
        if before and event.done < before[-1][1]:
            before = ()
        history = (*before, (event.at, event.done))[-WINDOW:]
        return replace(
            self,
            seen={**self.seen, event.stage: history},
            totals={**self.totals, event.stage: event.total},
        )

    def left(self, stage: str, now: float | None = None) -> float | None:
        """Seconds until ``stage`` ends, counted from ``now`` (its last event when ``None``).

        ``None`` while that cannot be known: fewer than two events, no progress or no total yet.
        """
        history, total = self.seen.get(stage, ()), self.totals.get(stage, 0)
        if len(history) < 2 or total <= 0:
            return None
        (first_at, first_done), (last_at, last_done) = history[0], history[-1]
        if last_done >= total:
            return 0.0
        if last_done <= first_done:
            return None
        pace = max(0.0, last_at - first_at) / (last_done - first_done)
        waited = 0.0 if now is None else max(0.0, now - last_at)
        return max(0.0, pace * (total - last_done) - waited)
