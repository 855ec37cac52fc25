from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from polydub.errors import ProjectError
from polydub.model import Line, Person, Script, Span, Speaker, Transcript, Turn, Word
from polydub.stages.attribute import Attribution, attribute
from polydub.stages.pins import (
    LinePin,
    MergePin,
    PersonPin,
    Pins,
    SplitPin,
    handles,
    pins_from_data,
    pins_from_edits,
    pins_to_data,
)

ALL = Pins(
    speakers=3,
    lines=(LinePin(Span.of(1, 2.5), "Olivia"),),
    merges=(MergePin((Span.of(0, 1),), (Span.of(3, 4), Span.of(5, 6))),),
    splits=(SplitPin(Span.of(7, Fraction(22, 3)), (Span.of(8, 9),)),),
    people=(PersonPin((Span.of(1, 2),), "P2", "F001.1"), PersonPin((Span.of(3, 4),), None)),
)


def test_pins_survive_json() -> None:
    assert pins_from_data(json.loads(json.dumps(pins_to_data(ALL)))) == ALL
    assert pins_from_data(pins_to_data(Pins())) == Pins()
    assert not Pins() and ALL


@pytest.mark.parametrize(
    "data",
    [
        [],
        {},
        {"schema": "polydub.pins/9"},
        {"schema": "polydub.pins/1", "speakers": 0},
        {"schema": "polydub.pins/1", "lines": [{"span": [2, 1], "speaker": "A"}]},
        {"schema": "polydub.pins/1", "merges": [{"one": [[0, 1]]}]},
    ],
)
def test_bad_pins_are_an_error_with_a_code(data: object) -> None:
    with pytest.raises(ProjectError) as caught:
        pins_from_data(data)
    assert caught.value.code == "DUB-E303"


def test_later_pins_replace_earlier_ones_for_the_same_line() -> None:
    old = Pins(2, (LinePin(Span.of(0, 2), "A"), LinePin(Span.of(4, 6), "A")))
    new = Pins(lines=(LinePin(Span.of(0, 1.5), "B"),))
    assert (old + new).lines == (LinePin(Span.of(4, 6), "A"), LinePin(Span.of(0, 1.5), "B"))
    assert (old + new).speakers == 2


def test_merges_and_splits_become_line_pins() -> None:
    merged = handles(Pins(merges=(MergePin((Span.of(0, 1),), (Span.of(3, 4),)),)))
    assert {pin.speaker for pin in merged.lines} == {"merge 1"} and len(merged.lines) == 2
    split = handles(Pins(splits=(SplitPin(Span.of(5, 6), (Span.of(0, 1),)),)))
    assert len({pin.speaker for pin in split.lines}) == 2
    named = Pins(
        lines=(LinePin(Span.of(0, 1), "Olivia"),),
        merges=(MergePin((Span.of(0, 1),), (Span.of(3, 4),)),),
    )
    assert {pin.speaker for pin in handles(named).lines} == {"Olivia"}


def line(name: str, speaker: str, start: float) -> Line:
    return Line(name, speaker, Span.of(start, start + 1), "x", confidence=0.9)


def test_edits_of_speakers_become_pins() -> None:
    before = Script(
        "film.mp4",
        "0",
        Fraction(9),
        "en",
        cast=(Speaker("S1", "S1", person="P1"), Speaker("S2", "S2")),
        lines=(line("L1", "S1", 0), line("L2", "S1", 2), line("L3", "S2", 4)),
        people=(Person("P1", ("a",)), Person("P2", ("b", "c"))),
    )
    assert pins_from_edits(before, before) == Pins()
    moved = (before.lines[0], replace(before.lines[1], speaker="S2"), before.lines[2])
    pins = pins_from_edits(before, before.with_lines(moved))
    assert {(pin.span.start, pin.speaker) for pin in pins.lines} == {
        (0, "S1"),
        (2, "S2"),
        (4, "S2"),
    }
    cast = (before.cast[0], replace(before.cast[1], person="P2"))
    (pin,) = pins_from_edits(before, before.with_cast(cast)).people
    assert (pin.person, pin.track, pin.spans) == ("P2", "b", (Span.of(4, 5),))


def run(turns: Sequence[tuple[str, float, float]], pins: Pins) -> Attribution:
    words, found = [], []
    for voice, start, end in turns:
        half = (start + end) / 2
        words += [Word("Yes", Span.of(start, half)), Word("sir.", Span.of(half, end))]
        found.append(Turn(Span.of(start, end), voice))
    prints = {voice: np.eye(3, dtype=np.float32)["ABC".index(voice)] for voice in "ABC"}
    return attribute(
        Transcript("en", 1.0, tuple(words)),
        found,
        prints,
        [],
        [],
        [],
        frame_time=lambda i: Fraction(i, 25),
        rate=25,
        pins=pins,
    )


TALK = [("A", 0, 2), ("B", 3, 5), ("A", 6, 8), ("B", 9, 11)]


def speakers(made: Attribution) -> str:
    return "".join(line.speaker[1:] for line in made.lines)


def test_pins_hold_in_the_attribution() -> None:
    assert speakers(run(TALK, Pins())) == "1212"
    third = Pins(lines=(LinePin(Span.of(0, 2), "x"), LinePin(Span.of(9, 11), "x")))
    made = run(TALK, third)
    assert made.lines[0].speaker == made.lines[3].speaker != made.lines[1].speaker
    assert speakers(run(TALK, Pins(speakers=1))) == "1111"
    merge = Pins(merges=(MergePin((Span.of(0, 2),), (Span.of(3, 5),)),))
    made = run(TALK, merge)
    assert made.lines[0].speaker == made.lines[1].speaker
    split = Pins(splits=(SplitPin(Span.of(6, 8), (Span.of(0, 2),)),))
    made = run(TALK, split)
    assert made.lines[0].speaker != made.lines[2].speaker
    assert made.lines[1].speaker == made.lines[3].speaker


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_pinned_number_of_speakers_is_exact(count: int) -> None:
    assert len(run(TALK, Pins(speakers=count)).cast) == count


def test_pins_that_cannot_hold_are_decisions() -> None:
    pins = Pins(
        speakers=1,
        lines=(
            LinePin(Span.of(0, 2), "x"),
            LinePin(Span.of(0, 2), "y"),
            LinePin(Span.of(3, 5), "z"),
            LinePin(Span.of(20, 22), "nobody"),
        ),
        people=(PersonPin((Span.of(0, 2),), "P9"), PersonPin((Span.of(30, 31),), None)),
    )
    made = run(TALK, pins)
    reasons = [d.reason for d in made.decisions if d.unit == "pins"]
    assert len(reasons) == 5
    assert made.lines[0].speaker != made.lines[1].speaker
