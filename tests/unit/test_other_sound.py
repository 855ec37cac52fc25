"""Words of a sound that somebody brings along find their lines, and phones their words."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from polydub.model import Line, Phone, Span, Word
from polydub.stages.other_sound import phones_on_words, spelled_phones, words_by_line


def line(name: str, start: float, end: float) -> Line:
    return Line(name, "S1", Span.of(str(start), str(end)), "text")


def word(text: str, start: float, end: float) -> Word:
    return Word(text, Span.of(str(start), str(end)))


def phones(text: str, start: str = "0", step: str = "0.1") -> tuple[Phone, ...]:
    at = Fraction(start)
    return tuple(
        Phone(symbol, Span(at + n * Fraction(step), at + (n + 1) * Fraction(step)))
        for n, symbol in enumerate(text)
    )


def test_words_go_to_the_line_they_overlap_most() -> None:
    lines = [line("L1", 0, 2), line("L2", 2.5, 4)]
    words = [word("uno", 1.2, 1.8), word("dos", 1.8, 2.6), word("tres", 2.6, 3)]
    found = words_by_line(lines, words)
    assert [w.text for w in found["L1"]] == ["uno", "dos"]
    assert [w.text for w in found["L2"]] == ["tres"]


def test_words_in_a_pause_go_to_the_nearest_line_and_far_ones_to_none() -> None:
    lines = [line("L1", 0, 2), line("L2", 5, 6)]
    words = [word("over", 2.2, 2.6), word("song", 3.4, 3.7), word("early", 4.6, 4.9)]
    found = words_by_line(lines, words)
    assert [w.text for w in found["L1"]] == ["over"]
    assert [w.text for w in found["L2"]] == ["early"]
    halfway = words_by_line([line("L1", 0, 1), line("L2", 2, 3)], [word("x", 1.4, 1.6)])
    assert list(halfway) == ["L1"]  # lines run over more often than they begin early


def test_a_pause_is_where_lines_change() -> None:
    lines = [line("L1", 0, 2), line("L2", 2.5, 4)]
    words = [word("uno", 0.2, 0.6), word("dos", 1.8, 2.6), word("tres", 2.6, 3)]
    found = words_by_line(lines, words)
    assert [w.text for w in found["L1"]] == ["uno"]
    assert [w.text for w in found["L2"]] == ["dos", "tres"]


def test_the_end_of_a_sentence_that_runs_over_stays_with_its_speaker() -> None:
    """Its last word lies in the next line for the most part; the next sentence begins behind it."""
    lines = [line("L5", 12.6, 15.53), line("L6", 15.51, 17.5)]
    words = [word("echara", 14.6, 15.1), word("a", 15.1, 15.2), word("correr.", 15.2, 15.95)]
    found = words_by_line(lines, [*words, word("Lo", 16, 16.2), word("mejor", 16.2, 16.6)])
    assert [w.text for w in found["L5"]] == ["echara", "a", "correr."]
    assert [w.text for w in found["L6"]] == ["Lo", "mejor"]


def test_lines_at_once_keep_their_own_words() -> None:
    """Somebody says a word into another's long line, who goes on."""
    lines = [line("L1", 0, 6), line("L2", 2.9, 3.6)]
    words = [word("uno", 0, 2.5), word("sí.", 2.95, 3.4), word("dos", 3.8, 5.9)]
    found = words_by_line(lines, words)
    assert [w.text for w in found["L1"]] == ["uno", "sí.", "dos"]  # time alone cannot tell


def test_no_pause_and_no_full_stop_is_no_reason_to_keep_what_lies_in_another_line() -> None:
    lines = [line("L1", 0, 2), line("L2", 2, 4)]
    words = [word(str(n), n / 2, (n + 1) / 2) for n in range(8)]
    found = words_by_line(lines, words)
    assert [len(found[name]) for name in ("L1", "L2")] == [4, 4]


def test_each_word_gets_its_own_phones() -> None:
    words = [word("no", 1, 1.2), word("sé", 2, 2.5)]
    moved = phones_on_words(words, phones("no se"))
    assert [p.symbol for p in moved] == ["n", "o", "s", "e"]
    assert moved[0].span == Span.of(1, "1.1") and moved[1].span == Span.of("1.1", "1.2")
    assert moved[2].span == Span.of(2, "2.25") and moved[3].span == Span.of("2.25", "2.5")


def test_without_as_many_words_phones_fill_the_time_in_which_words_are_said() -> None:
    words = [word("20", 0, 1), word("x", 3, 4)]
    moved = phones_on_words(words, phones("ab cd ef"))
    assert [p.symbol for p in moved] == list("abcdef")
    assert moved[0].span.start == 0 and moved[-1].span.end == 4
    assert moved[2].span.end == 1 and moved[3].span.start == 3


def test_nothing_to_move_is_no_error() -> None:
    assert phones_on_words([word("x", 0, 1)], ()) == ()
    assert phones_on_words([word("x", 1, 1)], phones("a")) == ()
    assert phones_on_words([], phones("a")) == ()


def test_spelling_stands_in_for_phones() -> None:
    made = spelled_phones([word("Papá,", 0, 0.6), word("是", 1, 1.2)])
    assert [p.symbol for p in made] == ["p", "a", "p", "a", "ə"]
    assert made[0].span == Span.of(0, "0.1") and made[1].span == Span.of("0.1", "0.3")
    assert made[4].span == Span.of(1, "1.2")
    assert spelled_phones([word("...", 0, 1)]) == ()


@given(
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 800)), min_size=1, max_size=8),
    st.text(alphabet="abp ,", max_size=30),
)
def test_phones_stay_in_order_and_inside_the_words(times: list[tuple[int, int]], text: str) -> None:
    at, words = Fraction(0), []
    for gap, length in times:
        start = at + Fraction(gap, 1000)
        at = start + Fraction(length, 1000)
        words.append(Word("x", Span(start, at)))
    moved = phones_on_words(words, phones(text))
    assert all(a.span.end <= b.span.start for a, b in pairwise(moved))
    for phone in moved:
        assert words[0].span.start <= phone.span.start
        assert phone.span.end <= words[-1].span.end
