"""Words are stretched to the speech they belong to, and to no more."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from polydub.engines.protocols import LocalActivity
from polydub.model import Span, Word
from polydub.stages.word_times import WordTimeOptions, settle_words, speech_edges


def words(*spans: tuple[float, float]) -> tuple[Word, ...]:
    return tuple(Word(f"w{n}", Span.of(*span)) for n, span in enumerate(spans))


def times(found: tuple[Word, ...]) -> list[tuple[float, float]]:
    return [(float(word.span.start), float(word.span.end)) for word in found]


def test_a_word_ends_where_its_speech_ends() -> None:
    found = settle_words(words((1, 1.3), (3, 3.4)), [Span.of(1, 1.5), Span.of(3, 3.6)])
    assert times(found) == [(1, 1.5), (3, 3.6)]


def test_inside_speech_a_word_ends_where_the_next_begins() -> None:
    found = settle_words(words((1, 1.3), (1.5, 1.9)), [Span.of(1, 2)])
    assert times(found) == [(1, 1.5), (1.5, 2)]


def test_a_first_word_begins_with_its_speech() -> None:
    assert times(settle_words(words((1.2, 1.5)), [Span.of(1, 1.5)])) == [(1, 1.5)]


def test_speech_that_was_not_recognised_stays_free() -> None:
    found = settle_words(words((2, 2.5)), [Span.of(0, 2.5)])
    assert times(found) == [(1.4, 2.5)]
    assert times(settle_words(words((2, 2.5)), [Span.of(3, 4)])) == [(2, 2.5)]


def test_edges_are_those_of_the_activity() -> None:
    activity = np.zeros((100, 3), np.float32)
    activity[20:50, 1] = 1
    window = LocalActivity(Span.of(0, 1), Fraction(1, 100), activity)
    (edge,) = speech_edges([window], Fraction(1))
    assert abs(float(edge.start) - 0.2) <= 0.011 and abs(float(edge.end) - 0.5) <= 0.011


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 60)), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 60)), max_size=8),
)
def test_words_only_grow_and_never_meet_more(
    gaps: list[tuple[int, int]], speech: list[tuple[int, int]]
) -> None:
    said, at = [], 0
    for gap, length in gaps:
        said.append((at + gap, at + gap + length))
        at += gap + length
    runs, at = [], 0
    for gap, length in speech:
        runs.append(Span(Fraction(at + gap, 100), Fraction(at + gap + length, 100)))
        at += gap + length
    before = tuple(Word("x", Span(Fraction(a, 100), Fraction(b, 100))) for a, b in said)
    after = settle_words(before, runs)
    longest = WordTimeOptions().longest
    for old, new in zip(before, after, strict=True):
        assert new.span.start <= old.span.start and new.span.end >= old.span.end
        assert old.span.start - new.span.start <= longest
        assert new.span.end - old.span.end <= longest
    for left, right in itertools.pairwise(after):
        assert left.span.end <= right.span.start
