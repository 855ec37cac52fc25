"""The wording that is spoken: faithful where it fits, shorter where it must be, even in pace."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise, product
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from polydub.model import Line, Span
from polydub.stages.wording import Wording, cheapest_path, choose_wordings

FILM = Fraction(60)


def line(name: str, start: float, end: float, *, speaker: str = "S1", seen: bool = True) -> Line:
    visibility = "on-screen" if seen else "off-screen"
    return Line(name, speaker, Span.of(str(start), str(end)), "words", visibility=visibility)


def wordings(*seconds: float, letters: tuple[int, ...] = ()) -> list[Wording]:
    """Wordings as long as told, with letters in proportion unless these are told."""
    counts = letters or tuple(round(15 * value) for value in seconds)
    return [
        Wording("x" * count, Fraction(str(value)))
        for count, value in zip(counts, seconds, strict=True)
    ]


def test_what_fits_is_said_as_it_is() -> None:
    found = choose_wordings([line("L1", 1, 3)], {"L1": wordings(2.0, 1.6, 2.4)}, FILM)
    assert found == {"L1": 0}


def test_a_long_text_gives_way_to_one_that_needs_no_haste() -> None:
    lines = [line("L1", 1, 3), line("L2", 3.1, 5)]
    found = choose_wordings(lines, {"L1": wordings(3.2, 2.2, 0.8)}, FILM)
    assert found == {"L1": 1}  # neither chipmunk speed nor half of the meaning


def test_a_little_haste_is_better_than_leaving_out_much() -> None:
    lines = [line("L1", 1, 3), line("L2", 3.1, 5)]
    found = choose_wordings(lines, {"L1": wordings(2.3, 1.2)}, FILM)
    assert found == {"L1": 0}


def test_a_moving_mouth_without_a_voice_asks_for_more_words() -> None:
    offer = {"L1": wordings(1.2, 2.9, letters=(18, 40))}
    assert choose_wordings([line("L1", 1, 4)], offer, FILM) == {"L1": 1}
    near = {"L1": wordings(2.4, 2.9, letters=(36, 40))}
    assert choose_wordings([line("L1", 1, 4, seen=False)], near, FILM) == {"L1": 0}


def test_two_lines_of_one_speaker_keep_their_pace() -> None:
    """Before a line in haste, a second one that is as hasty is better than a calm, shorter one."""
    offer = {"L2": wordings(2.18, 2.0, letters=(40, 39))}
    film = Fraction(9, 2)
    alone = choose_wordings([line("L2", 2.5, 4.5)], offer, film)
    hasty = {"L1": wordings(2.4), **offer}
    after = choose_wordings([line("L1", 0.4, 2.4), line("L2", 2.5, 4.5)], hasty, film)
    other = choose_wordings([line("L1", 0.4, 2.4, speaker="S2"), line("L2", 2.5, 4.5)], hasty, film)
    assert (alone["L2"], after["L2"], other["L2"]) == (1, 0, 1)


def test_a_shorter_wording_is_better_than_talking_over_another() -> None:
    lines = [line("L1", 0, 2), line("L2", 2, 4, speaker="S2")]
    offer = {"L1": wordings(3.4, 2.4, letters=(50, 36))}
    assert choose_wordings(lines, offer, FILM) == {"L1": 1}
    alone = {"L1": wordings(2.6, 2.4, letters=(50, 36))}
    assert choose_wordings(lines[:1], alone, FILM) == {"L1": 0}  # nobody is disturbed


def test_lines_without_wordings_are_left_alone() -> None:
    assert choose_wordings([line("L1", 0, 1)], {}, FILM) == {}
    assert choose_wordings([line("L1", 0, 1)], {"L1": []}, FILM) == {}


def test_a_line_of_no_length_takes_the_first() -> None:
    assert choose_wordings([line("L1", 1, 1)], {"L1": wordings(2, 1)}, FILM) == {"L1": 0}


@given(
    st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=3), max_size=5),
    st.randoms(use_true_random=False),
)
def test_the_path_is_the_cheapest_of_all(costs: list[list[int]], random: Random) -> None:
    changes = {
        (s, i, j): random.randint(0, 9) for s in range(5) for i in range(3) for j in range(3)
    }

    def total(path: tuple[int, ...]) -> float:
        steps = sum(costs[step][index] for step, index in enumerate(path))
        return steps + sum(changes[s, i, j] for s, (i, j) in enumerate(pairwise(path)))

    found = cheapest_path(costs, lambda step, i, j: changes[step, i, j])
    every = product(*(range(len(step)) for step in costs))
    assert total(tuple(found)) == min(total(path) for path in every)
