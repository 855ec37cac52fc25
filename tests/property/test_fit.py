"""Fitting never loses a line, never overlaps a speaker with himself, never leaves the film."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polydub.model import Line, Placement, Span
from polydub.stages.fit import FitOptions, find_slots, fit_line, fit_lines, place, talked_over

MS = st.integers(0, 60_000).map(lambda n: Fraction(n, 1000))


@st.composite
def films(draw: st.DrawFn) -> tuple[list[Line], dict[str, Fraction], Fraction]:
    count = draw(st.integers(0, 12))
    duration = Fraction(60)
    lines, natural = [], {}
    for number in range(count):
        start = draw(MS)
        length = Fraction(draw(st.integers(0, 8000)), 1000)
        speaker = draw(st.sampled_from(["S1", "S2", "S3"]))
        span = Span(start, start + length)
        lines.append(Line(f"L{number:03d}", speaker, span, "text"))
        natural[f"L{number:03d}"] = Fraction(draw(st.integers(1, 12_000)), 1000)
    return lines, natural, duration


@given(films())
def test_every_positive_line_gets_a_fit_inside_the_film(film) -> None:
    lines, natural, duration = film
    fits = fit_lines(lines, natural, duration)
    expected = {x.id for x in lines if x.span.duration > 0 and x.span.start < duration}
    assert set(fits) == expected
    for fit in fits.values():
        assert fit.start >= 0
        assert fit.start + fit.room <= duration


@given(films())
def test_a_speaker_never_talks_over_himself(film) -> None:
    lines, natural, duration = film
    fits = fit_lines(lines, natural, duration)
    by_speaker: dict[str, list] = {}
    for line in sorted(lines, key=lambda line: (line.span, line.id)):
        if line.id in fits:
            by_speaker.setdefault(line.speaker, []).append(fits[line.id])
    for own in by_speaker.values():
        for first, second in itertools.pairwise(own):
            assert first.start + first.room <= second.start


@given(films())
def test_speed_stays_inside_the_band_and_tells_when_it_does_not(film) -> None:
    lines, natural, duration = film
    options = FitOptions()
    for fit in fit_lines(lines, natural, duration, options).values():
        assert options.min_speed <= fit.speed <= options.hard_speed
        if fit.speed > options.max_speed + 1e-9:
            assert any("beyond" in note or "does not fit" in note for note in fit.notes)


@given(films())
def test_a_take_that_starts_early_starts_in_its_own_silence(film) -> None:
    lines, natural, duration = film
    spans = {line.id: line for line in lines}
    fits = fit_lines(lines, natural, duration)
    for fit in fits.values():
        line = spans[fit.line]
        assert line.span.start - fit.start <= FitOptions().early
        late = fit.start - line.span.start
        assert late <= FitOptions().late
        if late > 0:  # somebody else, whose line was over, is still speaking
            assert fit.speed <= FitOptions().max_speed
            assert any(
                other.speaker != line.speaker
                and other.span.end <= line.span.start
                and fits[other.id].start + fits[other.id].room >= fit.start
                for other in lines
                if other.id in fits
            )


def test_who_can_spare_the_time_waits_for_another_to_end() -> None:
    first = Line("L1", "S1", Span.of(0, 2), "text")
    second = Line("L2", "S2", Span.of(2, 4), "text")
    natural = {"L1": Fraction("2.52"), "L2": Fraction(2)}
    fits = fit_lines([first, second], natural, Fraction(10))
    assert fits["L1"].speed == 1.2 and fits["L1"].start == 0  # 2.1 s at most 1.2 x
    assert fits["L2"].start == Fraction("2.1")
    assert fits["L2"].speed == pytest.approx(2 / 1.9)
    natural["L1"] = Fraction("3.6")  # over by a second: it waits a little, and no longer
    fits = fit_lines([first, second], natural, Fraction(10))
    assert fits["L2"].start == Fraction("2.2")
    hurried = natural | {"L2": Fraction("2.3"), "L3": Fraction(1)}  # no time to spare
    third = Line("L3", "S2", Span.of(4, 5), "text")
    assert fit_lines([first, second, third], hurried, Fraction(10))["L2"].start == 2


@given(films())
def test_nobody_talks_over_another_while_silence_and_haste_suffice(film) -> None:
    """A take that could be said beside everybody else at a comfortable rate is."""
    lines, natural, duration = film
    options = FitOptions()
    for slot in find_slots([x for x in lines if x.id in natural], duration, options):
        fit = fit_line(slot, natural[slot.line], options)
        shortest = natural[slot.line] / Fraction(options.max_speed)
        if abs(shortest - slot.quiet.duration) <= Fraction(1, 10**6):  # 1.2 is no exact float
            continue
        if shortest > slot.quiet.duration:
            assert fit.over > 0 or fit.speed > options.max_speed
            continue
        assert fit.over == 0 and fit.speed <= options.max_speed + 1e-9
        assert slot.quiet.start <= fit.start
        assert fit.start + fit.room <= max(slot.quiet.end, slot.span.end) + options.touch


def test_silence_before_is_borrowed_before_another_is_talked_over() -> None:
    first = Line("L1", "S1", Span.of(1, 3), "x")
    second = Line("L2", "S2", Span.of(3, 5), "y")
    natural = {"L1": Fraction("2.88"), "L2": Fraction("1.5")}  # 2.4 s at 1.2 x
    fits = fit_lines([first, second], natural, Fraction(10))
    assert float(fits["L1"].start) == pytest.approx(0.6) and fits["L1"].over == 0
    assert fits["L1"].notes == ("starts early",)
    before = Line("L0", "S2", Span.of(0, "0.8"), "z")  # and not over whoever speaks before it
    fits = fit_lines([before, first, second], natural | {"L0": Fraction("0.8")}, Fraction(10))
    assert fits["L1"].start == Fraction("0.8")
    assert float(fits["L1"].over) == pytest.approx(0.2)
    assert float(fits["L2"].start) == pytest.approx(3.2)  # who can spare the time waits


def test_who_talked_over_another_still_does() -> None:
    first = Line("L1", "S1", Span.of(0, "2.3"), "text")
    second = Line("L2", "S2", Span.of(2, 4), "text")
    natural = {"L1": Fraction("2.5"), "L2": Fraction(2)}
    assert fit_lines([first, second], natural, Fraction(10))["L2"].start == 2


def test_two_hours_of_lines_do_not_drift() -> None:
    lines, natural = [], {}
    for number in range(2400):
        start = Fraction(3 * number)
        lines.append(Line(f"L{number}", f"S{number % 2}", Span(start, start + 2), "x"))
        natural[f"L{number}"] = Fraction(5, 2)
    fits = fit_lines(lines, natural, Fraction(7200))
    assert all(fits[line.id].start == line.span.start for line in lines)


def test_short_speech_is_slowed_to_cover_the_line_but_not_below_the_band() -> None:
    line = Line("L1", "S1", Span.of(1, 5), "x")
    assert fit_lines([line], {"L1": Fraction("3.8")}, Fraction(10))["L1"].speed == 0.95
    assert fit_lines([line], {"L1": Fraction(1)}, Fraction(10))["L1"].speed == 0.85


def test_long_speech_uses_the_silence_after_before_it_speeds_up_beyond_comfort() -> None:
    line = Line("L1", "S1", Span.of(1, 3), "x")
    fit = fit_lines([line], {"L1": Fraction("2.6")}, Fraction(10))["L1"]
    assert fit.speed == 1.0 and fit.start == 1
    tight = fit_lines([line], {"L1": Fraction("3.0")}, Fraction(3))["L1"]
    assert tight.start < 1 and tight.speed == 1.2


def test_what_cannot_fit_is_marked_instead_of_cut() -> None:
    lines = [Line("L1", "S1", Span.of(0, 1), "x"), Line("L2", "S1", Span.of(1, 2), "y")]
    fits = fit_lines(lines, {"L1": Fraction(5), "L2": Fraction(1)}, Fraction(2))
    assert not fits["L1"].fits
    assert fits["L2"].fits


def test_placing_a_take_longer_than_its_room_is_refused() -> None:
    line = Line("L1", "S1", Span.of(0, 1), "x")
    fit = fit_lines([line], {"L1": Fraction(1)}, Fraction(2))["L1"]
    assert place(fit, Fraction(1), Fraction(1)).span == Span.of(0, 1)
    try:
        place(fit, Fraction(3), Fraction(3))
    except ValueError as error:
        assert "exceeds" in str(error)
    else:
        raise AssertionError("a take longer than its room was placed")


def test_talking_over_another_speaker_is_told_unless_the_source_did_it_too() -> None:
    one, two = Line("L1", "S1", Span.of(0, 2), "x"), Line("L2", "S2", Span.of(2, 4), "y")
    placements = {"L1": Placement("L1", Span.of(0, 3)), "L2": Placement("L2", Span.of(2, 4))}
    (warning,) = talked_over([one, two], placements)
    assert warning.unit == "L1" and "L2 for 1.0 s" in warning.reason
    together = Line("L2", "S2", Span.of(1, 4), "y")
    assert talked_over([one, together], placements) == ()
    assert talked_over([one, Line("L2", "S1", Span.of(2, 4), "y")], placements) == ()
