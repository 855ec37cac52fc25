"""Whether a mouth has the shapes of the sounds that are said."""

from __future__ import annotations

import numpy as np
import pytest

from polydub.evaluate.articulation import Sounding, articulation, in_order, soundings
from polydub.model import Phone, Span
from tests.lip_models import phones

OPEN = {"a": 0.3, "i": 0.15, "u": 0.1, "b": 0.0, "m": 0.01, "p": 0.0, "f": 0.03}
WIDE = {"a": 0.6, "i": 0.8, "u": 0.2, "b": 0.5, "m": 0.5, "p": 0.5, "f": 0.5}


def said(letters: str) -> list[Sounding]:
    return [Sounding(letter, OPEN[letter], WIDE[letter]) for letter in letters]


def test_a_mouth_that_says_it_scores_one_and_one_that_says_the_contrary_minus_one() -> None:
    right = said("bamapaifuiuiu")
    assert articulation(right) == pytest.approx(1.0)
    wrong = [Sounding(s.letter, -s.opening, -s.width) for s in right]
    assert articulation(wrong) == pytest.approx(-1.0)


def test_a_still_mouth_scores_nothing() -> None:
    still = [Sounding(letter, 0.1, 0.5) for letter in "bamapaifuiuiu"]
    assert articulation(still) == pytest.approx(0.0)


def test_another_order_of_the_same_shapes_scores_about_nothing() -> None:
    random = np.random.default_rng(3)
    letters = "bamapaifuiuiu" * 40
    shapes = random.permutation(len(letters))
    mixed = [
        Sounding(letter, OPEN[letters[at]], WIDE[letters[at]])
        for letter, at in zip(letters, shapes, strict=True)
    ]
    assert abs(articulation(mixed) or 0) < 0.12


def test_too_few_sounds_are_not_judged() -> None:
    assert in_order(np.array([1.0, 2.0]), np.array([3.0] * 9)) is None
    assert articulation(said("bab")) is None


def test_units_do_not_matter() -> None:
    right = said("bamapaifuiuiubaf")
    scaled = [Sounding(s.letter, 7 * s.opening + 3, 0.1 * s.width - 9) for s in right]
    assert articulation(scaled) == articulation(right)


def test_phones_are_measured_over_their_frames() -> None:
    times = np.arange(10) * 0.04 + 0.02
    opening = np.where(np.arange(10) < 5, 0.0, 0.3)
    width = np.full(10, 0.5)
    first, second = soundings(phones("b a", 0.0, 0.2), times, opening, width)
    assert (first.letter, first.opening) == ("b", 0.0)
    assert second.opening == pytest.approx(0.3)


def test_diphthongs_are_two_sounds_and_marks_are_none() -> None:
    times = np.arange(10) * 0.04 + 0.02
    seen = soundings(
        [Phone("ˈ", Span.of(0, 0.1)), Phone("I", Span.of(0.0, 0.4))], times, times, times
    )
    assert [s.letter for s in seen] == ["a", "ɪ"]
    assert seen[0].opening < seen[1].opening


def test_short_phones_take_the_nearest_frame_and_unseen_ones_are_left_out() -> None:
    times = np.arange(5) * 0.04 + 0.02
    opening = np.array([0.1, np.nan, 0.3, 0.4, 0.5])
    short = Phone("a", Span.of(0.095, 0.099))
    blind = Phone("i", Span.of(0.05, 0.065))
    late = Phone("u", Span.of(3.0, 3.1))
    seen = soundings([short, blind, late], times, opening, opening)
    assert [(s.letter, s.opening) for s in seen] == [("a", 0.3)]
