from __future__ import annotations

from fractions import Fraction

import pytest

from polydub.evaluate.calibration import judged_lines, reliability
from polydub.model import Line, Script, Span, Speaker, Turn


def test_a_confidence_that_means_what_it_says() -> None:
    made = reliability([0.75] * 4, [True, True, True, False])
    assert made.ece == 0
    assert made.brier == pytest.approx((3 * 0.25**2 + 0.75**2) / 4)
    assert [(b.low, b.high, b.count) for b in made.bins] == [(0.7, 0.8, 4)]


def test_overconfidence_is_the_gap() -> None:
    made = reliability([1.0, 1.0, 0.2, 0.2], [True, False, False, False])
    assert made.accuracy == 0.25
    assert made.ece == pytest.approx((2 * 0.5 + 2 * 0.2) / 4)
    assert made.brier == pytest.approx((0 + 1 + 0.04 + 0.04) / 4)
    assert made.bins[-1].count == 2  # 1.0 belongs to the last bin


def test_no_answers() -> None:
    assert reliability([], []).ece == 0


@pytest.mark.parametrize(("values", "right"), [([0.5], []), ([1.5], [True]), ([-0.1], [True])])
def test_what_cannot_be_judged(values: list[float], right: list[bool]) -> None:
    with pytest.raises(ValueError, match="confidence"):
        reliability(values, right)


def test_lines_are_judged_by_who_talks_most_during_them() -> None:
    truth = [Turn(Span.of(0, 4), "A"), Turn(Span.of(4, 8), "B"), Turn(Span.of(8, 9), "A")]
    lines = (
        Line("L1", "S1", Span.of(0, 4), "yes"),
        Line("L2", "S2", Span.of(4, 8), "no"),
        Line("L3", "S2", Span.of(8, 9), "wrong"),
        Line("L4", "S2", Span.of(12, 13), "nobody speaks here"),
    )
    script = Script(
        "f.mp4", "0", Fraction(20), "en", (Speaker("S1", "1"), Speaker("S2", "2")), lines
    )
    judged = [(line.id, right) for line, right in judged_lines(truth, script)]
    assert judged == [("L1", True), ("L2", True), ("L3", False)]
