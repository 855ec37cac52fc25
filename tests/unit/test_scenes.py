"""Lines become scenes, and a scene's speech becomes lines again."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from polydub.model import Span, Waveform
from polydub.model.cues import LineCues
from polydub.model.scene import SceneLine
from polydub.stages.clues import CHINESE_WORDS, ENGLISH_WORDS, write_clue
from polydub.stages.scenes import (
    SceneOptions,
    best_speed,
    cut_scene,
    plan_scenes,
    spread_phones,
)

RATE = 24000


def line(
    name: str, start: float, end: float, speaker: str = "S1", text: str = "hello"
) -> SceneLine:
    return SceneLine(name, speaker, text, Span.of(str(start), str(end)), "male")


def names(plans) -> list[list[str]]:
    return [[one.id for one in plan.lines] for plan in plans]


def test_a_speaker_s_lines_are_one_scene_until_somebody_else_speaks() -> None:
    lines = [line("L1", 0, 2), line("L2", 2.5, 4), line("L3", 4.2, 6, "S2"), line("L4", 6.5, 9)]
    plans = plan_scenes(lines, Fraction(12))
    assert names(plans) == [["L1", "L2"], ["L3"], ["L4"]]
    assert [plan.span for plan in plans[:2]] == [Span.of(0, 4), Span.of("4.2", "6.2")]
    assert plans[0].room == Fraction("4.2") and plans[2].room == Fraction("5.5")
    assert names(plan_scenes(lines, Fraction(12), most_voices=2)) == [["L1", "L2", "L3", "L4"]]


def test_pauses_and_length_end_a_scene() -> None:
    lines = [line("L1", 0, 8), line("L2", 8.5, 14), line("L3", 14.2, 17), line("L4", 30, 31)]
    assert names(plan_scenes(lines, Fraction(40))) == [["L1", "L2"], ["L3"], ["L4"]]
    (long,) = plan_scenes([line("L1", 0, 40)], Fraction(50))
    assert long.span.duration == 40


def test_lines_said_at_once_are_apart() -> None:
    lines = [line("L1", 0, 3), line("L2", 2.9, 5, "S2"), line("L3", 3.5, 6)]
    assert names(plan_scenes(lines, Fraction(9), most_voices=2)) == [["L1", "L2"], ["L3"]]
    together = SceneOptions(overlap=None)
    plans = plan_scenes(lines, Fraction(9), most_voices=2, options=together)
    assert names(plans) == [["L1", "L2", "L3"]]


def test_a_short_scene_is_widened_inside_the_film() -> None:
    (early,) = plan_scenes([line("L1", 0, 0.5)], Fraction(5))
    assert early.span == Span.of(0, 2)
    (late,) = plan_scenes([line("L1", 4.5, 5)], Fraction(5))
    assert late.span == Span.of(3, 5) and late.room == 2
    (tiny,) = plan_scenes([line("L1", 0, 1)], Fraction(1))
    assert tiny.span == Span.of(0, 1)


def tones(*spans: tuple[float, float], seconds: float = 4.0) -> Waveform:
    times = np.arange(round(seconds * RATE)) / RATE
    samples = np.zeros(len(times), np.float32)
    for start, end in spans:
        inside = (times >= start) & (times < end)
        samples[inside] = 0.3 * np.sin(2 * np.pi * 220 * times[inside])
    return Waveform(samples, RATE)


def test_speech_is_cut_where_it_is_quiet() -> None:
    (plan,) = plan_scenes([line("L1", 10, 11.5), line("L2", 12, 13.8)], Fraction(20))
    first, second = cut_scene(tones((0.1, 1.3), (1.7, 3.5)), plan)
    assert (first.line, second.line) == ("L1", "L2")
    assert float(first.start) == pytest.approx(10.1, abs=0.021)
    assert float(first.audio.duration) == pytest.approx(1.2, abs=0.041)
    assert float(second.start) == pytest.approx(11.7, abs=0.021)
    assert float(second.audio.duration) == pytest.approx(1.8, abs=0.041)


def test_a_line_that_was_not_said_has_no_part() -> None:
    (plan,) = plan_scenes([line("L1", 10, 11.5), line("L2", 12, 13.8)], Fraction(20))
    assert [part.line for part in cut_scene(tones((0.1, 1.0)), plan)] == ["L1"]
    assert cut_scene(Waveform(np.zeros(0, np.float32), RATE), plan) == ()
    assert cut_scene(tones(seconds=1.0), plan) == ()


def test_letters_are_spread_over_what_is_heard() -> None:
    phones = spread_phones("Ab c!", tones((0.0, 1.0), (2.0, 3.0), seconds=3.0))
    assert [phone.symbol for phone in phones] == ["a", "b", " ", "b", "k"]
    assert all(a.span.end == b.span.start for a, b in pairwise(phones))
    assert phones[-1].span.end == 3
    assert {phone.symbol for phone in spread_phones("你好", tones((0, 1)))} == {"a"}
    assert spread_phones("...", tones((0, 1))) == spread_phones("a", tones()) == ()


def test_speed() -> None:
    assert best_speed(Fraction(2), Fraction(2), 1.2) == 1
    assert best_speed(Fraction(11), Fraction(10), 1.2) == Fraction(11, 10)
    assert best_speed(Fraction(13), Fraction(10), 1.2) is None
    assert best_speed(Fraction(1), Fraction(0), 1.2) is None


LOUD = LineCues("L1", (), level_db=9.0, range_st=12.0, confidence=0.8, syllables_per_s=7.0)


def test_a_clue_says_what_stands_out() -> None:
    lines = [line("L1", 0, 2), replace(line("L2", 3, 4, "S2"), gender="female", age="elderly")]
    asked = LineCues("L2", (), effort="whisper", final="rise")
    assert write_clue(lines, {"L1": LOUD, "L2": asked}) == (
        "Two people talk. A male speaker (speaker 1) speaks with a raised voice, with a lively, "
        "emotional melody and quickly. An elderly female speaker (speaker 2) speaks in a whisper "
        "and ending on a questioning tone."
    )
    assert write_clue(lines[:1], {}) == ("A male speaker (speaker 1) speaks calmly and naturally.")
    unknown = replace(lines[0], gender=None)
    assert write_clue([unknown], {}).startswith("A speaker (speaker 1)")
    assert write_clue(lines[:1], {"L1": LOUD}, language="zh") == (
        "第1位男性说话人提高了音量，语调起伏，情绪丰富，语速较快。"
    )
    assert ENGLISH_WORDS.keys() == CHINESE_WORDS.keys()


def test_what_was_not_measured_well_is_not_said() -> None:
    unsure = replace(LOUD, confidence=0.1, level_db=1.0, syllables_per_s=None, register_st=8.0)
    assert write_clue([line("L1", 0, 2)], {"L1": unsure}).endswith("calmly and naturally.")
    assert SceneOptions().shortest == 2
