from __future__ import annotations

from fractions import Fraction

import pytest

from polydub.errors import InputError
from polydub.model import Line, Script, Span, Speaker, Turn
from polydub.pipeline.pin_requests import PinRequest, combined, requested
from polydub.pipeline.pinning import handles_of, with_turns
from polydub.stages.pins import LinePin, MergePin, PersonPin, Pins, SplitPin, handles


def script(*spoken: tuple[str, int, int]) -> Script:
    lines = tuple(
        Line(f"L{number:03d}", who, Span.of(start, end), "text")
        for number, (who, start, end) in enumerate(spoken, 1)
    )
    cast = tuple(Speaker(x, f"Speaker {x[1:]}") for x in sorted({x.speaker for x in lines}))
    return Script("film.mp4", "d", Fraction(99), "en", cast, lines)


def spans(pins: Pins, speaker: str) -> list[tuple[int, int]]:
    own = sorted(pin.span for pin in pins.lines if pin.speaker == speaker)
    return [(int(span.start), int(span.end)) for span in own]


FILM = script(("S1", 0, 4), ("S2", 4, 6), ("S1", 6, 7), ("S1", 8, 12), ("S2", 12, 20))


def test_a_line_pin_holds_both_speakers_by_their_surest_lines() -> None:
    pins = requested(FILM, PinRequest(lines={"L003": "S2"}), Pins()).pins
    assert spans(pins, "S2") == [(4, 6), (6, 7), (12, 20)]
    assert spans(pins, "S1") == [(0, 4), (8, 12)]


def test_a_handle_is_not_taken_for_the_id_of_another_speaker() -> None:
    known = Pins(lines=(LinePin(Span.of(12, 20), "S1"),))  # whom an earlier analysis called S1
    names = handles_of(FILM, known)
    assert names["S2"] == "S1" and names["S1"] not in ("S1", "S2")
    pins = requested(FILM, PinRequest(lines={"L003": "S2"}), known).pins
    assert spans(pins, "S1") == [(4, 6), (6, 7), (12, 20)]


def test_two_new_speakers_of_two_requests_are_two() -> None:
    one = requested(FILM, PinRequest(lines={"L003": "new"}), Pins())
    assert one.effects == ("L003 is said by somebody new",)
    two = requested(FILM, PinRequest(lines={"L002": "new"}), one.pins)
    both = combined(one.pins, two.pins)
    (first,) = [pin.speaker for pin in both.lines if pin.span == Span.of(6, 7)]
    (second,) = [pin.speaker for pin in both.lines if pin.span == Span.of(4, 6)]
    assert first != second


def test_the_last_word_counts() -> None:
    face = Pins(people=(PersonPin((Span.of(0, 4),), "P1", "T1"),))
    again = Pins(people=(PersonPin((Span.of(4, 6),), "P9", "T1"),))
    assert combined(face, again).people == again.people
    split = Pins(splits=(SplitPin(Span.of(6, 7), (Span.of(0, 4),)),))
    joined = Pins(merges=(MergePin((Span.of(0, 4),), (Span.of(6, 7),)),))
    assert combined(split, joined).splits == ()
    given = Pins(lines=(LinePin(Span.of(6, 7), "S1"),))
    assert combined(split, given).splits == ()
    elsewhere = Pins(lines=(LinePin(Span.of(12, 20), "S2"),))
    assert combined(split, elsewhere).splits == split.splits


@pytest.mark.parametrize(
    "wrong",
    [
        PinRequest(same=(("S1", "S7"),)),
        PinRequest(split=("L077",)),
        PinRequest(faces={"S1": "P1"}),
        PinRequest(lines={"L001": "S7"}),
    ],
)
def test_unknown_ids_are_told_with_those_there_are(wrong: PinRequest) -> None:
    with pytest.raises(InputError) as caught:
        requested(FILM, wrong, Pins())
    assert caught.value.code == "DUB-E108" and "It has" in caught.value.hint


def test_a_line_cannot_be_given_to_two_speakers() -> None:
    first = FILM.lines[0].id
    with pytest.raises(InputError, match="somebody new") as caught:
        requested(FILM, PinRequest(split=(first,), lines={first: "S2"}), Pins())
    assert caught.value.code == "DUB-E108"


TURNS = (
    Turn(Span.of(0, 10), "Anna"),
    Turn(Span.of(8, 14), "Bob"),
    Turn(Span.of(3, 4), "Dora"),
)


def test_turns_are_pins_where_one_voice_speaks_alone() -> None:
    pins = with_turns(Pins(), TURNS)
    assert spans(pins, "Anna") == [(0, 3), (4, 8)]
    assert spans(pins, "Bob") == [(10, 14)]
    assert spans(pins, "Dora") == [(3, 4)]  # she never speaks alone
    assert pins.speakers == 3
    assert with_turns(Pins(speakers=2), ()) == Pins(speakers=2)


def test_pins_win_over_turns_and_use_their_names() -> None:
    own = Pins(lines=(LinePin(Span.of(5, 6), "S2"), LinePin(Span.of(10, 14), "S2")))
    pins = with_turns(own, (*TURNS, Turn(Span.of(20, 22), "Bob")))
    assert spans(pins, "Anna") == [(0, 3), (4, 5), (6, 8)]
    assert (5, 6) in spans(pins, "Bob") and "S2" not in {pin.speaker for pin in pins.lines}


def test_a_merge_of_given_voices_leaves_one_speaker_less() -> None:
    merge = MergePin((Span.of(0, 3),), (Span.of(10, 14),))
    pins = with_turns(Pins(merges=(merge,)), TURNS)
    assert pins.speakers == 2
    assert {pin.speaker for pin in handles(pins).lines} == {"Anna", "Dora"}
    new = with_turns(Pins(splits=(SplitPin(Span.of(1, 2), (Span.of(4, 8),)),)), TURNS)
    assert new.speakers == 4
