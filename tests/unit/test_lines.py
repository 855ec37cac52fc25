from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polydub.model import Span, Transcript, Turn, Word
from polydub.stages.lines import (
    LineOptions,
    VoiceLine,
    build_lines,
    end_before_others,
    ends_sentence,
    lines_of_voices,
    text_of,
)


def words(*items: tuple[str, float, float], spaced: bool = True) -> tuple[Word, ...]:
    return tuple(Word(text, Span.of(start, end), spaced=spaced) for text, start, end in items)


def evenly(text: str, start: float, step: float = 0.4, gap: float = 0.05) -> list[Word]:
    return [
        Word(word, Span.of(start + i * step, start + (i + 1) * step - gap))
        for i, word in enumerate(text.split())
    ]


def turn(voice: str, start: float, end: float) -> Turn:
    return Turn(Span.of(start, end), voice)


def lines_of(said: tuple[Word, ...] | list[Word], *turns: Turn) -> list[tuple[str, str]]:
    made = build_lines(Transcript("en", 1.0, tuple(said)), turns)
    return [(line.voice, line.text) for line in made]


def test_words_go_to_the_turn_they_overlap() -> None:
    said = words(("Hello.", 0, 0.5), ("Who", 1.0, 1.3), ("there?", 1.3, 1.9))
    assert lines_of(said, turn("A", 0, 0.7), turn("B", 0.9, 2)) == [
        ("A", "Hello."),
        ("B", "Who there?"),
    ]


def test_a_word_outside_every_turn_goes_to_the_nearest() -> None:
    said = words(("One.", 0, 0.5), ("Two.", 0.75, 0.95), ("Three.", 1.6, 2.0))
    made = lines_of(said, turn("A", 0, 0.6), turn("B", 1.5, 2))
    assert made == [("A", "One. Two."), ("B", "Three.")]


def test_no_turns_is_one_voice_and_no_words_no_lines() -> None:
    assert lines_of(words(("Hi.", 0, 1))) == [("V1", "Hi.")]
    assert lines_of((), turn("A", 0, 1)) == []
    assert lines_of(words((" ", 0, 1)), turn("A", 0, 1)) == []


def test_a_turn_edge_inside_a_sentence_moves_forward_to_its_end() -> None:
    said = words(("You", 0, 0.3), ("like", 0.3, 0.6), ("it?", 0.6, 0.9), ("Stop", 1.0, 1.4))
    said += words(("that.", 1.4, 1.8))
    made = lines_of(said, turn("A", 0, 0.6), turn("B", 0.6, 2))
    assert made == [("A", "You like it?"), ("B", "Stop that.")]


def test_a_turn_edge_inside_a_sentence_moves_back_to_its_start() -> None:
    said = words(("You", 0, 0.3), ("do?", 0.3, 0.6), ("Stop", 0.9, 1.2), ("that.", 1.2, 1.8))
    made = lines_of(said, turn("A", 0, 1.15), turn("B", 1.15, 2))
    assert made == [("A", "You do?"), ("B", "Stop that.")]


def test_a_pause_one_word_away_attracts_the_edge() -> None:
    said = words(("so", 0, 0.3), ("then", 0.3, 0.6), ("I", 1.2, 1.4), ("went", 1.4, 1.8))
    made = lines_of(said, turn("A", 0, 1.42), turn("B", 1.42, 2))
    assert made == [("A", "so then"), ("B", "I went")]


def test_an_edge_two_words_away_stays() -> None:
    said = words(("No.", 0, 0.4), ("I", 0.4, 0.6), ("never", 0.6, 1.0), ("said", 1.0, 1.3))
    said += words(("so", 1.3, 1.6))
    made = lines_of(said, turn("A", 0, 1.0), turn("B", 1.0, 2))
    assert made == [("A", "No. I never"), ("B", "said so")]


def test_a_far_edge_does_not_snap() -> None:
    said = words(("Well", 0, 1.5), ("no.", 2.2, 3.2), ("Go", 3.2, 3.6), ("home.", 3.6, 4))
    made = lines_of(said, turn("A", 0, 1.6), turn("B", 1.6, 4))
    assert made[0] == ("A", "Well")


def test_a_voice_keeps_its_only_word() -> None:
    said = words(("Are", 0, 0.3), ("you", 0.3, 0.6), ("Yes.", 0.7, 1.0), ("sure", 1.1, 1.4))
    made = lines_of(said, turn("A", 0, 0.65), turn("B", 0.65, 1.05), turn("A", 1.05, 1.5))
    assert made == [("A", "Are you sure"), ("B", "Yes.")]


def test_a_backchannel_does_not_end_a_line_but_an_answer_does() -> None:
    said = words(("I", 0, 0.3), ("went", 0.3, 0.6), ("mm-hm", 0.7, 1.0), ("home.", 1.1, 1.4))
    said += words(("Did", 1.5, 1.7), ("you?", 1.7, 1.9), ("Yes.", 2.0, 2.3), ("Good.", 2.4, 2.7))
    made = lines_of_voices(said, list("AABAAABA"), frozenset(), LineOptions())
    assert [(line.voice, line.text) for line in made] == [
        ("A", "I went home. Did you?"),
        ("B", "mm-hm"),
        ("B", "Yes."),
        ("A", "Good."),
    ]


def test_an_opening_word_stays_with_what_follows() -> None:
    said = words(("Hey,", 0, 0.3), ("who", 1.3, 1.5), ("is", 1.5, 1.6), ("it?", 1.6, 2.0))
    assert lines_of(said, turn("A", 0, 2)) == [("A", "Hey, who is it?")]
    later = words(("Hey,", 0, 0.3), ("who", 1.6, 1.8), ("is", 1.8, 1.9), ("it?", 1.9, 2.3))
    assert len(lines_of(later, turn("A", 0, 3))) == 2


def late_edge(*items: tuple[str, float, float]) -> list[tuple[str, str]]:
    """Voice A says "Go on." and what begins before 2 s, B the rest."""
    said = words(("Go", 0, 0.3), ("on.", 0.3, 0.6), *items)
    return lines_of(said, turn("A", 0, 2), turn("B", 2.2, 9))


def test_the_first_words_of_a_sentence_follow_the_voice_of_the_rest() -> None:
    rest = (("did", 2.3, 2.5), ("you", 2.5, 2.7), ("hear?", 2.7, 3))
    assert late_edge(("Hey,", 1.2, 1.4), *rest) == [("A", "Go on."), ("B", "Hey, did you hear?")]
    made = late_edge(("But", 1.2, 1.4), ("then", 1.4, 1.7), *rest)
    assert made == [("A", "Go on."), ("B", "But then did you hear?")]


@pytest.mark.parametrize(
    "items",
    [
        (("Yes.", 1.2, 1.4), ("did", 2.3, 2.5), ("you", 2.5, 3)),  # a sentence of its own
        (("Yes", 1.2, 1.4), ("Did", 2.3, 2.5), ("you", 2.5, 3)),  # one without its full stop
        (("Hey,", 0.9, 1.0), ("did", 2.3, 2.5), ("you", 2.5, 3)),  # a pause of 1.3 s
        (("And", 0.9, 1.2), ("then,", 1.2, 1.6), ("did", 2.3, 2.5), ("you", 2.5, 3), ("go", 3, 4)),
        (("I", 1.2, 1.3), ("do", 1.3, 1.4), ("so", 1.4, 1.5), ("like", 2.3, 2.5), ("it", 2.5, 3)),
        (("Hey,", 1.2, 1.4), ("you.", 2.3, 2.5)),  # no more words there than here
    ],
)
def test_other_words_stay_with_their_turn(items: tuple[tuple[str, float, float], ...]) -> None:
    assert not any(voice == "B" and items[0][0] in text for voice, text in late_edge(*items))


def test_the_last_words_of_a_sentence_follow_the_voice_of_the_rest() -> None:
    said = words(("You", 0, 0.2), ("like", 0.2, 0.4), ("it,", 0.4, 0.6), ("right?", 1.5, 1.9))
    said += words(("Go", 2, 2.2), ("home.", 2.2, 2.6))
    made = lines_of(said, turn("A", 0, 0.8), turn("B", 1.3, 3))
    assert made == [("A", "You like it, right?"), ("B", "Go home.")]
    own = (*said[:3], *words(("Right?", 1.5, 1.9)), *said[4:])
    assert lines_of(own, turn("A", 0, 0.8), turn("B", 1.3, 3))[0] == ("A", "You like it,")


def test_a_voice_that_says_one_word_only_keeps_it() -> None:
    said = words(("Go", 0, 0.3), ("on.", 0.3, 0.6), ("Hey,", 1, 1.2), ("did", 2, 2.2))
    said += words(("you", 2.2, 2.4), ("hear?", 2.4, 2.8))
    made = lines_of(said, turn("A", 0, 0.7), turn("C", 0.9, 1.3), turn("B", 1.9, 3))
    assert made == [("A", "Go on."), ("C", "Hey,"), ("B", "did you hear?")]


def test_overlapping_turns_keep_the_voice_that_speaks() -> None:
    said = words(("I", 0, 0.4), ("was", 0.4, 0.8), ("going", 0.8, 1.2), ("home.", 1.2, 1.6))
    assert lines_of(said, turn("A", 0, 2), turn("B", 0.7, 1.3)) == [("A", "I was going home.")]


@pytest.mark.parametrize(("gap", "count"), [(0.5, 1), (0.7, 1), (0.9, 2)])
def test_long_pauses_end_a_line_in_mid_sentence(gap: float, count: int) -> None:
    said = words(("I", 0, 0.4), ("see", 0.4 + gap, 0.8 + gap))
    assert len(lines_of(said, turn("A", 0, 9))) == count


@pytest.mark.parametrize(("gap", "count"), [(0.1, 1), (0.5, 1), (0.7, 2)])
def test_shorter_pauses_end_a_line_after_a_sentence(gap: float, count: int) -> None:
    said = words(("Yes.", 0, 0.4), ("Go.", 0.4 + gap, 0.8 + gap))
    assert len(lines_of(said, turn("A", 0, 9))) == count


def test_a_long_line_ends_with_its_sentence() -> None:
    said = evenly(
        "one two three four five six seven eight nine ten " * 2 + "end. And more words.", 0
    )
    made = lines_of(said, turn("A", 0, 20))
    assert [text.endswith(".") for _, text in made] == [True, True]
    assert made[1][1] == "And more words."


def test_a_short_line_keeps_both_sentences() -> None:
    assert len(lines_of(evenly("One two. Three four.", 0), turn("A", 0, 9))) == 1


def test_no_line_is_longer_than_twelve_seconds() -> None:
    said = evenly("a b c d, e f g h i j k l m n o, p q r s t u v w x y z and so on " * 3, 0)
    made = build_lines(Transcript("en", 1, tuple(said)), [turn("A", 0, 60)])
    assert len(made) > 1
    assert all(line.span.duration <= 12 for line in made)
    assert any(line.text.endswith(",") for line in made[:-1])


def test_unspaced_words_are_joined() -> None:
    said = words(("等等，", 0, 0.5), ("你", 0.5, 0.7), ("去哪？", 0.7, 1.2), spaced=False)
    assert lines_of(said, turn("A", 0, 2)) == [("A", "等等，你去哪？")]
    assert text_of((*words((" a", 0, 1), ("b ", 1, 2)), *said[:1])) == "a b等等，"


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("go.", True),
        ("go?\u201d", True),
        ("走。", True),
        ("Mr.", False),
        ("J.", False),
        ("go,", False),
    ],
)
def test_sentence_ends(text: str, ends: bool) -> None:
    assert ends_sentence(Word(text, Span.of(0, 1))) is ends


moments = st.integers(0, 400).map(lambda n: Fraction(n, 10))


@st.composite
def talk(draw: st.DrawFn) -> tuple[tuple[Word, ...], tuple[Turn, ...]]:
    said = []
    at = Fraction(0)
    for index in range(draw(st.integers(0, 30))):
        at += Fraction(draw(st.integers(0, 25)), 10)
        length = Fraction(draw(st.integers(0, 20)), 10)
        end = draw(st.sampled_from(["", ".", ",", "?"]))
        said.append(Word(f"w{index}{end}", Span(at, at + length)))
        at += length
    turns = [
        Turn(Span(start, start + Fraction(length, 10)), voice)
        for start, length, voice in draw(
            st.lists(st.tuples(moments, st.integers(0, 80), st.sampled_from("ABC")), max_size=8)
        )
    ]
    return tuple(said), tuple(turns)


@settings(max_examples=150, deadline=None)
@given(talk())
def test_every_word_is_in_exactly_one_line(case: tuple[tuple[Word, ...], tuple[Turn, ...]]) -> None:
    said, turns = case
    made: list[VoiceLine] = build_lines(Transcript("en", 1, said), turns)
    assert sorted(word.text for line in made for word in line.words) == sorted(w.text for w in said)
    assert [line.span.start for line in made] == sorted(line.span.start for line in made)
    known = {turn.voice for turn in turns} or {"V1"}
    assert {line.voice for line in made} <= known
    assert all(line.span.duration <= 12 or len(line.words) == 1 for line in made)


def test_a_silence_between_two_voices_is_neithers() -> None:
    said = words(("Who?", 0, 1.0), ("Me.", 1.0, 1.5), ("And", 1.5, 2.0), ("you.", 2.3, 2.8))
    speech = [Span.of(0, 0.75), Span.of(1, 1.3), Span.of(1.5, 1.8), Span.of(2.3, 2.8)]
    ended = end_before_others(said, "ABBA", speech)
    assert [word.span for word in ended] == [
        Span.of(0, 0.75),
        Span.of(1, 1.5),  # the next word is the same voice's
        Span.of(1.5, 2.0),  # nothing adjoins
        Span.of(2.3, 2.8),
    ]
    assert end_before_others(said, "ABBA", ()) == list(said)
    assert end_before_others(said, "ABBA", [Span.of(0, 3)]) == list(said)
    assert end_before_others([], "", speech) == []
