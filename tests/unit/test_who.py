from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from polydub.evaluate.who import (
    boundary_errors,
    comparable_turns,
    cp_word_errors,
    diarization_errors,
    jaccard_error_rate,
    join_pauses,
    speaker_count_error,
    tokens_by_speaker,
    tokens_of,
    turns_of,
    words_by_turn,
)
from polydub.model import Line, Script, Span, Speaker, Turn, Word


def turns(text: str) -> list[Turn]:
    """``"A 0 5, B 5 8"``."""
    parts = (part.split() for part in text.split(",") if part.strip())
    return [Turn(Span.of(start, end), voice) for voice, start, end in parts]


def test_names_do_not_matter() -> None:
    errors = diarization_errors(turns("A 0 5, B 5 8"), turns("2 0 5, 1 5 8"))
    assert errors.rate == 0
    assert errors.mapping == {"1": "B", "2": "A"}
    assert errors.speech_s == 8


def test_miss_false_alarm_and_confusion_are_told_apart() -> None:
    truth = turns("A 0 10, B 10 20")
    found = turns("x 1 12, y 12 22")
    errors = diarization_errors(truth, found)
    assert (errors.miss_s, errors.false_alarm_s, errors.confusion_s) == (1, 2, 2)
    assert errors.rate == pytest.approx(5 / 20)


def test_overlap_counts_every_voice() -> None:
    errors = diarization_errors(turns("A 0 4, B 2 6"), turns("x 0 6"))
    assert errors.speech_s == 8
    assert errors.miss_s == 2  # two talk from 2 to 4, one is found
    assert errors.confusion_s == 2  # x is A; B alone from 4 to 6
    assert errors.false_alarm_s == 0


def test_a_second_voice_that_is_not_there_is_a_false_alarm() -> None:
    errors = diarization_errors(turns("A 0 4"), turns("x 0 4, y 1 2"))
    assert (errors.miss_s, errors.false_alarm_s, errors.confusion_s) == (0, 1, 0)


def test_the_mapping_is_the_best_of_all_not_greedy() -> None:
    # greedy would take x-A (6 s) and leave y-B 0 s; the best is x-B 5 s and y-A 5 s
    truth = turns("A 0 11, B 11 16")
    found = turns("x 0 6, x 11 16, y 6 11")
    assert diarization_errors(truth, found).mapping == {"x": "B", "y": "A"}


def test_a_voice_that_overlaps_itself_counts_once() -> None:
    assert diarization_errors(turns("A 0 3, A 2 5"), turns("x 0 5")).speech_s == 5


@pytest.mark.parametrize(
    ("truth", "found", "der", "jer"),
    [("", "", 0.0, 0.0), ("", "x 0 1", 1.0, 1.0), ("A 0 1", "", 1.0, 1.0)],
)
def test_nothing_to_compare(truth: str, found: str, der: float, jer: float) -> None:
    assert diarization_errors(turns(truth), turns(found)).rate == der
    assert jaccard_error_rate(turns(truth), turns(found)) == jer


def test_jaccard_weighs_speakers_equally() -> None:
    # A: 10 s, x covers 8 of them and 2 s of B: 1 - 8 / 12; B has no voice: 1
    truth, found = turns("A 0 10, B 10 12"), turns("x 2 12")
    assert jaccard_error_rate(truth, found) == pytest.approx((1 - 8 / 12 + 1) / 2)


def test_speaker_count() -> None:
    assert speaker_count_error(turns("A 0 1, B 1 2"), turns("x 0 1, y 1 2, z 2 3")) == 1
    assert speaker_count_error(turns("A 0 1, B 1 2"), turns("x 0 2, z 1 1")) == -1


def test_cp_words_known_answer() -> None:
    truth = {"A": ["how", "are", "you"], "B": ["fine", "thanks"]}
    found = {"1": ["fine", "thanks"], "2": ["how", "you"]}
    errors = cp_word_errors(truth, found)
    assert (errors.errors, errors.tokens) == (1, 5)
    assert errors.mapping == {"1": "B", "2": "A"}


def test_words_of_a_speaker_without_partner_are_all_errors() -> None:
    truth = {"A": ["one", "two"]}
    assert cp_word_errors(truth, {}).errors == 2
    assert cp_word_errors(truth, {"x": ["one", "two"], "y": ["three"]}).rate == 0.5
    assert cp_word_errors({}, {"y": ["three"]}).rate == 1.0


def test_a_swapped_word_costs_twice() -> None:
    truth = {"A": ["a", "b", "c", "d"], "B": ["e", "f", "g", "h"]}
    found = {"x": ["a", "b", "c"], "y": ["d", "e", "f", "g", "h"]}
    assert cp_word_errors(truth, found).errors == 2


def test_tokens_follow_the_language() -> None:
    assert tokens_of("Don't go, 10!", "en") == ("dont", "go", "ten")
    assert tokens_of("你好， 世界", "zh") == tuple("你好世界")


def test_boundaries_are_compared_by_kind_and_voice() -> None:
    truth = turns("A 0 4, B 4.2 8")
    found = turns("x 0.1 4, y 4.5 8, z 20 21")
    errors = boundary_errors(truth, found)
    assert sorted(errors.errors_s) == pytest.approx([0, 0, 0.1, 0.3])
    assert errors.boundaries == 4
    assert errors.quantile_ms(0.5) == pytest.approx(50)
    assert errors.lost == 0


def test_a_breath_is_no_boundary_and_a_lost_one_is_told() -> None:
    errors = boundary_errors(turns("A 0 2, A 2.4 4, B 10 12"), turns("x 0 4"))
    assert errors.boundaries == 4
    assert errors.errors_s == (0.0, 0.0)
    assert errors.lost == 0.5
    assert boundary_errors([], []).lost == 0


def script(lines: list[Line], language: str = "en") -> Script:
    cast = tuple(Speaker(name, name) for name in sorted({line.speaker for line in lines}))
    return Script("film.mp4", "0", Fraction(20), language, cast, tuple(lines))


def test_a_script_gives_turns_and_tokens() -> None:
    made = script(
        [
            Line("L1", "S1", Span.of(0, 2), "Good morning."),
            Line("L2", "S2", Span.of(2, 3), "Morning!"),
            Line("L3", "S1", Span.of(4, 5), "Coffee?"),
        ]
    )
    assert turns_of(made) == tuple(turns("S1 0 2, S2 2 3, S1 4 5"))
    unheard = replace(made, wordless=(Turn(Span.of(1, 2), "S2"),))
    assert turns_of(unheard) == tuple(turns("S1 0 2, S2 2 3, S1 4 5, S2 1 2"))
    assert tokens_by_speaker(made) == {
        "S1": ("good", "morning", "coffee"),
        "S2": ("morning",),
    }


def test_a_line_is_split_where_no_word_is_spoken() -> None:
    words = tuple(Word("x", Span.of(*t)) for t in ((1, 2), (2.1, 3), (4, 5), (4.5, 5.5)))
    made = script([Line("L1", "S1", Span.of("0.9", 6), "x x x x", words=words)])
    assert turns_of(made, pause=Fraction(1, 2)) == tuple(turns("S1 0.9 3, S1 4 6"))
    assert turns_of(made, pause=Fraction(2)) == tuple(turns("S1 0.9 6"))


def test_the_terms_of_a_truth_decide_whether_pauses_are_speech() -> None:
    words = tuple(Word("x", Span.of(*t)) for t in ((0, 1), ("1.4", 2)))
    lines = [
        Line("L1", "S1", Span.of(0, 2), "x x", words=words),
        Line("L2", "S1", Span.of("2.5", 3), "x"),
    ]
    assert comparable_turns(script(lines), pauses=True) == tuple(turns("S1 0 3"))
    split = comparable_turns(script(lines), pauses=False)
    assert split == tuple(turns("S1 0 1, S1 1.4 2, S1 2.5 3"))


def test_pauses_are_joined_per_voice() -> None:
    made = join_pauses(turns("B 2 3, A 0 1, A 1.5 2, A 3 4"))
    assert made == tuple(turns("A 0 2, B 2 3, A 3 4"))


def test_words_go_to_the_voice_they_share_most_time_with() -> None:
    words = [
        Word("one", Span.of(0, 1)),
        Word("two", Span.of("1.8", "2.6")),
        Word("late", Span.of(9, 10)),
    ]
    said = words_by_turn(words, turns("A 0 2, B 2 4"))
    assert {voice: [word.text for word in own] for voice, own in said.items()} == {
        "A": ["one"],
        "B": ["two", "late"],
    }
    assert words_by_turn(words, []) == {}
