"""A take that is understood is kept; others are made only while that is worth it."""

from __future__ import annotations

import pytest

from polydub.stages.best_take import (
    AS_USUAL,
    Attempt,
    TakeOptions,
    attempts,
    best_take,
    take_cost,
    wants_another,
)


def heard(error: float, **others: float) -> dict[str, float]:
    return {"wer": error, **others}


def test_one_understood_take_is_enough() -> None:
    assert wants_another([])
    assert not wants_another([heard(0.05)])
    assert wants_another([heard(0.15)])


def test_a_line_is_tried_until_it_is_understood_or_there_were_enough() -> None:
    assert wants_another([heard(0.4), heard(0.15)])
    assert not wants_another([heard(0.4), heard(0.05)])
    assert wants_another([heard(0.9)] * 5)
    assert not wants_another([heard(0.9)] * 6)


def test_two_takes_heard_in_the_same_words_are_enough() -> None:
    """What the recogniser makes of these words: another take would be heard like it."""
    takes = [heard(0.14), heard(0.3), heard(0.14)]
    assert wants_another(takes, heard=["los bellas", "las veces", "las velas"])
    assert not wants_another(takes, heard=["las bellas", "las veces", "las bellas"])
    assert wants_another([heard(0.3)] * 2, heard=["las veces"] * 2)  # too far from the text
    assert wants_another([heard(0.14)] * 2, TakeOptions(count=3), ["las bellas"] * 2)


def test_a_rough_take_is_said_again_until_one_is_not() -> None:
    rough, fine = heard(0.0, mos=3.2), heard(0.05, mos=4.0)
    assert wants_another([rough])
    assert not wants_another([rough, fine])
    assert not wants_another([fine])
    assert wants_another([rough] * 5)
    assert not wants_another([rough] * 6)
    assert not wants_another([heard(0.0)])  # not predicted
    assert wants_another([rough, heard(0.5, mos=4.5)])  # natural, but other words


def test_a_point_of_quality_outweighs_melody_but_no_word() -> None:
    flat = heard(0.0, mos=4.2, contour=0.0)
    assert best_take([heard(0.0, mos=3.2, contour=0.7), flat]) == 1
    assert best_take([heard(0.0, mos=4.0, contour=0.7), flat]) == 0
    assert best_take([heard(0.0, mos=3.2, contour=0.7), flat | {"wer": 0.1}]) == 0


def test_beyond_natural_predicted_quality_decides_nothing() -> None:
    takes = [heard(0.0, mos=4.2, similarity=0.5), heard(0.0, mos=4.7, similarity=0.5)]
    assert best_take(takes) == 0
    assert take_cost(takes[0]) == take_cost(takes[1])


def test_a_wanted_number_of_takes_is_made_in_any_case() -> None:
    options = TakeOptions(count=3)
    assert wants_another([heard(0.0), heard(0.0)], options)
    assert not wants_another([heard(0.0)] * 3, options)
    assert not wants_another([heard(1.0)] * 8, TakeOptions(count=8))


def test_the_clearest_take_wins_and_equals_keep_the_first() -> None:
    assert best_take([heard(0.2), heard(0.0), heard(0.1)]) == 1
    assert best_take([heard(0.1), heard(0.095)]) == 0
    assert best_take([{"cer": 0.3}, {"cer": 0.1}]) == 1


@pytest.mark.parametrize(
    "worse",
    [{"similarity": 0.2}, {"overlap": 0.4}, {"speed": 1.5}, {"mos": 2.5}, {"contour": -0.4}],
    ids=lambda scores: next(iter(scores)),
)
def test_likeness_fit_pace_and_quality_decide_between_clear_takes(worse: dict[str, float]) -> None:
    good = {"similarity": 0.5, "overlap": 0.9, "speed": 1.1, "mos": 4.5, "contour": 0.6}
    assert best_take([heard(0.0, **good | worse), heard(0.0, **good)]) == 1
    assert take_cost(heard(0.0, **good | worse)) > take_cost(heard(0.0, **good))


def test_a_voice_a_little_more_alike_does_not_outweigh_a_lost_word() -> None:
    assert best_take([heard(0.0, similarity=0.3), heard(0.2, similarity=0.45)]) == 0


def test_melody_does_not_outweigh_a_lost_word() -> None:
    assert best_take([heard(0.0, contour=-0.2), heard(0.15, contour=0.7)]) == 0


def test_a_demand_is_tried_for_and_wins() -> None:
    """Better in all else, but not what is demanded: the other one is kept."""
    options = TakeOptions(accepts=lambda scores: scores["overlap"] >= 0.9, most_demanded=3)
    clear, demanded = {"wer": 0.0, "overlap": 0.7}, {"wer": 0.2, "overlap": 0.95}
    assert wants_another([clear], options)
    assert not wants_another([clear] * 3, options)
    assert best_take([clear, demanded], options) == 1
    assert best_take([clear, clear], options) == 0
    assert wants_another([clear, demanded], options) == wants_another([clear, demanded])


def test_a_shaped_voice_gives_up_some_of_its_shape_before_its_melody() -> None:
    found = list(attempts(manners=(0.6, 0.0), shaped=True, converted=False))
    assert found[0] == AS_USUAL
    shapes = [attempt.shape for attempt in found if attempt.manner == 1.0 and not attempt.faster]
    assert shapes == sorted(shapes, reverse=True) and shapes[-1] > 0.5
    less = [attempt for attempt in found if attempt.manner < 1.0]
    assert found.index(less[0]) == len(shapes)
    assert [attempt.manner for attempt in less] == [0.6, 0.0]
    assert all(0.5 < attempt.shape < 1.0 for attempt in less)


def test_a_tone_language_gives_up_its_melody_before_any_shape() -> None:
    found = list(attempts(manners=(0.5, 0.0), shaped=True, converted=False, tonal=True))
    assert found[:3] == [AS_USUAL, Attempt(manner=0.5), Attempt(manner=0.0)]
    rest = [attempt for attempt in found if attempt.shape < 1]
    assert rest == found[3 : 3 + len(rest)] and {attempt.manner for attempt in rest} == {0.5}
    assert [x.shape for x in rest] == sorted({x.shape for x in rest}, reverse=True)


def test_another_character_of_the_same_sound_is_understood_but_the_right_one_is_better() -> None:
    alike = {"cer": 0.1, "misheard": 0.0}
    assert not wants_another([alike])
    assert wants_another([{"cer": 0.1, "misheard": 0.1}])
    assert best_take([alike, {"cer": 0.0, "misheard": 0.0}]) == 1
    assert best_take([{"cer": 0.1, "misheard": 0.1}, alike]) == 1


def test_another_voice_gives_up_its_melody_and_then_its_conversion() -> None:
    found = list(attempts(manners=(0.6, 0.0), shaped=False, converted=True))
    assert found[:3] == [AS_USUAL, Attempt(manner=0.6), Attempt(manner=0.0)]
    assert [attempt.converted for attempt in found].count(False) == 1
    assert all(attempt.shape == 1.0 for attempt in found)


@pytest.mark.parametrize("shaped", [True, False])
@pytest.mark.parametrize("manners", [(), (0.0,), (0.6, 0.3, 0.0)])
@pytest.mark.parametrize("tonal", [True, False])
def test_no_line_is_said_the_same_way_twice(
    shaped: bool, manners: tuple[float, ...], tonal: bool
) -> None:
    found = list(attempts(manners=manners, shaped=shaped, converted=True, tonal=tonal))
    assert len(found) >= 8 and len(set(found)) == len(found)
