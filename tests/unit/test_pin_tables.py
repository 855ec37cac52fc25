"""What ``polydub pin`` tells: ids beside times, and that lines have other ids now."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from polydub.interfaces.cli.pin_tables import pin_texts, show_pins
from polydub.model import Line, Script, Span, Speaker
from polydub.pipeline.pin_requests import PinResult
from polydub.project.folder import Project
from polydub.stages.pins import LinePin, Pins


def script(*lines: tuple[str, str, int, int]) -> Script:
    said = tuple(Line(name, who, Span.of(a, b), "text") for name, who, a, b in lines)
    cast = tuple(Speaker(who, who) for who in sorted({line.speaker for line in said}))
    return Script("film.mp4", "d", Span.of(0, 9).end, "en", cast, said)


def printed(result: PinResult) -> str:
    out = io.StringIO()
    show_pins(Console(width=100, file=out), result, listed=True)
    return out.getvalue()


def test_pins_name_the_lines_that_lie_there_now(tmp_path: Path) -> None:
    video = tmp_path / "film.mp4"
    video.write_bytes(b"x")
    before = script(("L001", "S1", 0, 2), ("L002", "S2", 2, 3), ("L003", "S1", 3, 5))
    joined = script(("L001", "S1", 0, 3), ("L002", "S1", 3, 5))
    pins = Pins(lines=(LinePin(Span.of(2, 3), "S1"), LinePin(Span.of(7, 8), "S1")))
    result = PinResult(Project.for_source(video), pins, (), before, joined)
    assert pin_texts(result) == ["line L001 (0:02.0-0:03.0): S1", "line 0:07.0-0:08.0: S1"]
    assert "The lines are 2 now, 3 before: look for them by their time." in printed(result)
    same = PinResult(Project.for_source(video), pins, (), before, before)
    assert "look for them" not in printed(same)
