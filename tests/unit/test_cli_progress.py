from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from polydub.interfaces.cli.progress import TITLES, Bars, JsonLines, Lines, duration, progress
from polydub.pipeline.events import EVALUATION_STAGES, STAGES, Event


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (61, "1 min 01 s"), (3600, "1 h 00 min"), (7505, "2 h 05 min")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_every_stage_has_a_title() -> None:
    assert set(TITLES) == {*STAGES, *EVALUATION_STAGES}


def test_lines_speak_at_start_at_the_end_and_seldom_between() -> None:
    stream = io.StringIO()
    show = Lines(stream)
    for second in range(0, 26):
        show(Event("speak", f"L{second:03d}", second, 25, at=float(second)))
    assert stream.getvalue().splitlines() == [
        "speaking: started",
        "speaking: 10/25, 15 s left",
        "speaking: 20/25, 5 s left",
        "speaking: done in 25 s",
    ]


def test_work_that_was_there_is_shown_as_reused() -> None:
    stream = io.StringIO()
    show, terminal = Lines(stream), io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=100, color_system=None)
    with Bars(console) as bars:
        for event in (
            Event("shots", "film", 0, 9, at=0.0),
            Event("shots", "film", 9, 9, at=1.0, cached=9),
            Event("speak", "film", 0, 4, at=1.0),
            Event("speak", "film", 4, 4, at=6.0, cached=3),
        ):
            show(event)
            bars(event)
    assert stream.getvalue().splitlines() == [
        "finding cuts: started",
        "finding cuts: reused",
        "speaking: started",
        "speaking: done in 5 s (3 of 4 reused)",
    ]
    assert "reused" in terminal.getvalue()


def test_lines_start_again_for_another_language() -> None:
    stream = io.StringIO()
    show = Lines(stream)
    for at, done in ((0.0, 0), (4.0, 1), (10.0, 0), (12.0, 1)):
        show(Event("translate", "film", done, 1, "es" if at < 5 else "fr", at=at))
    assert stream.getvalue().splitlines() == [
        "translating: es",
        "translating: done in 4 s",
        "translating: fr",
        "translating: done in 2 s",
    ]


def test_lines_take_a_stage_that_begins_in_the_middle() -> None:
    stream = io.StringIO()
    show = Lines(stream)
    show(Event("lips", "shot 1", 3, 9, at=1.0))
    show(Event("unheard", "x", 1, 1, at=1.0))
    assert stream.getvalue().splitlines() == ["moving lips: started", "unheard: done in 0 s"]


def test_json_lines() -> None:
    stream = io.StringIO()
    JsonLines(stream)(Event("mix", "film", 1, 1, at=2.0))
    assert json.loads(stream.getvalue())["stage"] == "mix"


def test_bars_show_count_and_time() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100, color_system=None)
    with Bars(console) as bars:
        bars(Event("speak", "L000", 0, 4, at=0.0))
        bars(Event("speak", "L001", 1, 4, at=30.0))
        bars(Event("mix", "film", 0, 0, "reading", at=30.0))
        bars(Event("speak", "L004", 4, 4, at=120.0))
        bars(Event("mix", "film", 1, 1, at=121.0))
    shown = stream.getvalue()
    assert "speaking" in shown
    assert "4/4" in shown
    assert "2 min 00 s" in shown
    assert "mixing" in shown


def test_bars_forget_the_time_of_the_language_before() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100, color_system=None)
    with Bars(console) as bars:
        for at, done in ((0.0, 0), (100.0, 1), (200.0, 0), (203.0, 1)):
            bars(Event("translate", "film", done, 1, at=at))
    assert "3 s" in stream.getvalue().splitlines()[-1] + stream.getvalue()


def test_choice_of_the_sink(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(json_lines=True) as sink:
        assert isinstance(sink, JsonLines)
    with progress(quiet=True) as nothing:
        assert nothing is None
    with progress() as lines:
        assert isinstance(lines, Lines)
