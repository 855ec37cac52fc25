from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

import pytest

from polydub.evaluate.visible import face_links, face_of, iou, off_screen_detection
from polydub.model import Box, Line, Script, Span, Speaker, Turn
from polydub.model.speech import Visibility

LEFT: Box = (0, 0, 10, 10)
RIGHT: Box = (50, 0, 60, 10)


def script(*lines: tuple[str, float, float, Visibility]) -> Script:
    cast = (Speaker("S1", "1", person="P1"), Speaker("S2", "2", person="P2"), Speaker("S3", "3"))
    made = tuple(
        Line(f"L{n}", who, Span.of(start, end), "x", visibility=how)
        for n, (who, start, end, how) in enumerate(lines, 1)
    )
    return Script("f.mp4", "0", Fraction(20), "en", cast, made)


def both(_: Fraction) -> Mapping[str, Box]:
    return {"A": LEFT, "B": RIGHT}


def tracked(_: Fraction) -> Mapping[str, Box]:
    return {"P1": (1, 0, 11, 10), "P2": RIGHT}


TRUTH = [Turn(Span.of(0, 4), "A"), Turn(Span.of(4, 8), "B")]


def test_iou() -> None:
    assert iou(LEFT, LEFT) == 1
    assert iou(LEFT, (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert iou(LEFT, RIGHT) == 0
    assert face_of((4, 0, 14, 10), {"A": LEFT, "B": RIGHT}) == "A"
    assert face_of((8, 0, 18, 10), {"A": LEFT, "B": RIGHT}) is None
    assert face_of(LEFT, {}) is None


def test_every_line_with_its_own_face() -> None:
    made = script(("S1", 0, 4, "on-screen"), ("S2", 4, 8, "on-screen"))
    links = face_links(TRUTH, made, both, tracked)
    assert (links.visible_s, links.covered_s, links.right_s, links.wrong_s) == (8, 8, 8, 0)
    assert links.accuracy == 1


def test_the_other_face_is_wrong_and_none_is_only_not_right() -> None:
    made = script(("S2", 0, 4, "on-screen"), ("S3", 4, 8, "off-screen"))
    links = face_links(TRUTH, made, both, tracked)
    assert (links.covered_s, links.right_s, links.wrong_s) == (8, 0, 4)
    assert links.accuracy == 0


def test_missed_speech_and_unseen_speech_do_not_count() -> None:
    made = script(("S1", 0, 2, "on-screen"))
    links = face_links(TRUTH, made, lambda at: {"A": LEFT}, tracked)
    assert (links.visible_s, links.covered_s, links.right_s) == (4, 2, 2)
    nobody = face_links(TRUTH, made, lambda at: {}, tracked)
    assert math.isnan(nobody.accuracy)


def test_two_at_once_count_twice() -> None:
    truth = [Turn(Span.of(0, 2), "A"), Turn(Span.of(0, 2), "B")]
    one = face_links(truth, script(("S1", 0, 2, "on-screen")), both, tracked)
    assert (one.covered_s, one.right_s, one.wrong_s) == (4, 2, 0)
    two = script(("S1", 0, 2, "on-screen"), ("S2", 0, 2, "on-screen"))
    assert face_links(truth, two, both, tracked).accuracy == 1


def test_off_screen_lines_weigh_their_seconds() -> None:
    made = script(
        ("S1", 0, 4, "on-screen"),  # seen throughout: rightly on screen
        ("S2", 4, 6, "off-screen"),  # not seen: hit
        ("S2", 6, 8, "on-screen"),  # not seen: missed
        ("S3", 12, 13, "narration"),  # no true speech: no matter
    )
    found = off_screen_detection(TRUTH, made, lambda at: {"A": LEFT})
    assert (found.hit_s, found.false_s, found.missed_s) == (2, 0, 2)
    assert (found.precision, found.recall) == (1, 0.5)
    assert found.f1 == pytest.approx(2 / 3)


def test_a_fifth_of_a_line_in_the_picture_is_on_screen() -> None:
    made = script(("S1", 0, 4, "off-screen"))
    seen = off_screen_detection(TRUTH[:1], made, lambda at: {"A": LEFT} if at < 1 else {})
    assert (seen.hit_s, seen.false_s) == (0, 4)
    unseen = off_screen_detection(
        TRUTH[:1], made, lambda at: {"A": LEFT} if at < Fraction(1, 2) else {}
    )
    assert (unseen.hit_s, unseen.false_s) == (4, 0)


def test_nothing_off_screen_and_nothing_found_is_perfect() -> None:
    made = script(("S1", 0, 4, "on-screen"))
    assert off_screen_detection(TRUTH[:1], made, both).f1 == 1
