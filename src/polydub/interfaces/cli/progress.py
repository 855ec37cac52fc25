"""Shows events: bars on a terminal, plain lines elsewhere, JSON lines for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from polydub.pipeline.events import Eta, Event, EventSink, to_json

TITLES: dict[str, str] = {
    "probe": "reading the video",
    "separate": "separating voices and background",
    "shots": "finding cuts",
    "faces": "finding faces",
    "transcribe": "listening",
    "diarize": "telling voices apart",
    "attribute": "matching voices and faces",
    "translate": "translating",
    "cast": "casting voices",
    "cues": "hearing how lines are said",
    "speak": "speaking",
    "fit": "fitting lines to their time",
    "mix": "mixing",
    "lips": "moving lips",
    "master": "writing the video",
    "report": "measuring",
    "dub-probe": "the dub: reading it",
    "dub-separate": "the dub: separating voices and background",
    "dub-transcribe": "the dub: listening",
    "dub-judge": "the dub: judging the voices",
    "dub-look": "the dub: looking at it frame by frame",
}
"""Stage -> what the user reads."""

REUSED = "reused"
"""What is said of work that was found finished from an earlier run."""

QUIET_SECONDS = 10.0
"""Plain lines: a running stage speaks at most this often."""


def duration(seconds: float) -> str:
    """``"4 s"``, ``"3 min 20 s"``, ``"2 h 05 min"``: as a person says it."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


class Bars:
    """One bar per stage with the time left; use as a context manager and call it with events."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            TextColumn("[dim]{task.fields[count]}[/]"),
            TextColumn("{task.fields[note]}"),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._began: dict[str, float] = {}
        self._eta = Eta()

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        self._eta = self._eta.after(event)
        known = event.stage in self._tasks
        if not known:
            title = TITLES.get(event.stage, event.stage)
            self._tasks[event.stage] = self._progress.add_task(title, total=None, count="", note="")
        task = self._tasks[event.stage]
        if not known or event.done == 0:
            self._progress.reset(task)
            self._began[event.stage] = event.at
        self._progress.update(
            task,
            completed=event.done,
            total=event.total or None,
            count=f"{event.done}/{event.total}" if event.total > 1 else "",
            note=self._note(event),
        )

    def _note(self, event: Event) -> str:
        if event.reused:
            return f"[dim]{REUSED}[/]"
        if event.finished:
            return f"[dim]{duration(event.at - self._began[event.stage])}[/]"
        left = self._eta.left(event.stage)
        return event.message if left is None else f"{duration(left)} left"


class Lines:
    """One plain line when a stage starts and ends, and every ten seconds between."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._began: dict[str, float] = {}
        self._spoke: dict[str, float] = {}
        self._eta = Eta()

    def __call__(self, event: Event) -> None:
        """Print the event when it is time."""
        self._eta = self._eta.after(event)
        title = TITLES.get(event.stage, event.stage)
        started = event.stage in self._began and event.done > 0
        if not started:
            self._began[event.stage] = event.at
        if event.finished:
            self._print(event, f"{title}: {self._ending(event)}")
        elif not started:
            self._print(event, f"{title}: {event.message or 'started'}")
        elif event.at - self._spoke[event.stage] >= QUIET_SECONDS:
            left = self._eta.left(event.stage)
            tail = "" if left is None else f", {duration(left)} left"
            self._print(event, f"{title}: {event.done}/{event.total}{tail}")

    def _ending(self, event: Event) -> str:
        if event.reused:
            return REUSED
        taken = duration(event.at - self._began[event.stage])
        some = f" ({event.cached} of {event.total} {REUSED})" if event.cached else ""
        return f"done in {taken}{some}"

    def _print(self, event: Event, text: str) -> None:
        self._spoke[event.stage] = event.at
        print(text, file=self._stream, flush=True)


class JsonLines:
    """Every event as one line of JSON."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, event: Event) -> None:
        """Write the event."""
        print(to_json(event), file=self._stream, flush=True)


@contextmanager
def progress(*, json_lines: bool = False, quiet: bool = False) -> Iterator[EventSink | None]:
    """The sink that fits: JSON on stdout, nothing when quiet, bars on a terminal, else lines.

    Everything for people goes to stderr.
    """
    if json_lines:
        yield JsonLines(sys.stdout)
    elif quiet:
        yield None
    else:
        console = Console(stderr=True)
        if console.is_terminal:
            with Bars(console) as bars:
                yield bars
        else:
            yield Lines(sys.stderr)
