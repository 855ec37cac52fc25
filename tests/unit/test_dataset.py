"""Clips of a film: which are good enough, and what their rows say."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from polydub.interfaces.cli.dataset import licences
from polydub.model import Line, Span, Speaker, Word
from polydub.stages.dataset import (
    DatasetOptions,
    DatasetParts,
    clip_row,
    datasheet,
    film_sheet,
    plan_clips,
)


def line(name: str, start: float, end: float, speaker: str = "S1") -> Line:
    span = Span.of(str(start), str(end))
    return Line(
        name, speaker, span, f"text of {name}", (Word("text", span, 0.9),), "on-screen", 0.9
    )


LINES = (line("L1", 1, 3), line("L2", 3.5, 5, "S2"), line("L3", 20, 24))


def reasons(*lines: Line, **options: float) -> list[str]:
    return [p.reason for p in plan_clips("film", lines, Fraction(60), DatasetOptions(**options))]


def test_lines_near_each_other_are_a_clip() -> None:
    first, second = plan_clips("film", LINES, Fraction(60))
    assert (first.name, second.name) == ("film_001", "film_002")
    assert [x.id for x in first.lines] == ["L1", "L2"] and not first.reason
    assert first.span == Span.of("0.9", "5.1") and second.span == Span.of("19.9", "24.1")


def test_the_margin_stays_inside_the_film_and_off_the_neighbours() -> None:
    near = (line("L1", 0, 3), line("L2", 3.05, 6))
    first, second = plan_clips("film", near, Fraction(6), DatasetOptions(pause=0.01))
    assert first.span == Span.of(0, "3.05") and second.span == Span.of(3, 6)


@pytest.mark.parametrize(
    ("lines", "options", "reason"),
    [
        ((line("L1", 1, 2),), {}, "too short"),
        ((line("L1", 1, 40),), {}, "too long"),
        ((line("L1", 1, 3), line("L2", 2, 4, "S2")), {}, "too much at once"),
        ((replace(line("L1", 1, 4), confidence=0.2),), {}, "not sure who speaks"),
        (
            (replace(line("L1", 1, 4), words=(Word("x", Span.of(1, 4), 0.3),)),),
            {},
            "not sure what is said",
        ),
        ((line("L1", 1, 2), line("L2", 8, 9)), {"pause": 7}, "too little speech"),
        ((line("L1", 1, 4),), {}, ""),
    ],
)
def test_clips_are_judged(lines: tuple[Line, ...], options: dict[str, float], reason: str) -> None:
    assert reasons(*lines, **options) == [reason]


def test_a_row_is_of_the_format() -> None:
    plan = plan_clips("film", LINES, Fraction(60))[0]
    cast = {"S1": Speaker("S1", "Anna", gender="female"), "S2": Speaker("S2", "Bob")}
    row = clip_row(plan, cast, "Two people talk.")
    roles = {message["role"]: message["content"] for message in row["messages"]}
    assert row["type"] == "对话" and row["speech_length"] == 105 and row["offset"] == 0.9
    assert roles["text"] == "text of L1 text of L2" and roles["clue"] == "Two people talk."
    assert roles["dialogue"][0] == {
        "start": 0.1,
        "duration": 2.0,
        "spk": "1",
        "gender": "female",
        "age": "unknown",
        "name": "S1",
        "text": "text of L1",
    }
    assert roles["dialogue"][1]["spk"] == "2" and roles["dialogue"][1]["gender"] == "unknown"
    assert {"face", "vocal", "video", "token"} <= roles.keys()
    assert "instrumental" not in roles
    cut = clip_row(plan, cast, "", parts=DatasetParts(cut=True))["messages"]
    assert {"role": "instrumental", "content": "instrumental/film_001.wav"} in cut
    told = tuple(replace(x, visibility="narration") for x in plan.lines)
    assert clip_row(replace(plan, lines=told), cast, "")["type"] == "旁白"
    assert clip_row(replace(plan, lines=plan.lines[:1]), cast, "")["type"] == "独白"


def test_the_datasheet_counts() -> None:
    plans = plan_clips("film", (*LINES, line("L4", 40, 41)), Fraction(60))
    sheet = film_sheet(("film", "d", "en", "CC BY 4.0"), plans, {"film_001": 7})
    assert (sheet.clips, sheet.speakers, sheet.faces) == (2, 2, 7)
    assert sheet.seconds == 8.4 and sheet.rejected == {"too short": 1}
    page = datasheet([sheet], DatasetOptions(), {"recognize": "whisper@1"})
    assert "| film | CC BY 4.0 | en | 2 | 8.4 | 2 | 7 | 1 too short |" in page
    assert "recognize: whisper@1" in page and "shortest 2.0" in page
    assert "version 3): none." in page and "other sound: none." in page
    parts = DatasetParts(tokens=True)
    more = film_sheet(("two", "d", "en", "CC0"), plans, {}, parts)
    page = datasheet([sheet, more], DatasetOptions(), {})
    assert "version 3): 1 of 2 films." in page and "other sound: none." in page
    assert "version 3): all films." in datasheet([more], DatasetOptions(), {})
    assert parts.folders == ("token",)


def test_licences() -> None:
    assert licences([]) == ("unknown", {})
    assert licences(["CC0", "film=CC BY 4.0"]) == ("CC0", {"film": "CC BY 4.0"})
