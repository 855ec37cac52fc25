from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polydub.evaluate.numbers import spell_numbers
from polydub.evaluate.scores import (
    character_error_rate,
    cosine,
    edit_distance,
    error_rate,
    normalise,
    overlap_share,
    own_margin,
    phone_error_rate,
    round_trip_metric,
    speed,
    summarise,
    syllable_error_rate,
    word_error_rate,
)
from polydub.model import Line, LineReport, Placement, Span


def line(start: float, end: float, line_id: str = "L001") -> Line:
    return Line(line_id, "S1", Span.of(start, end), "text")


def placement(start: float, end: float, line_id: str = "L001") -> Placement:
    return Placement(line_id, Span.of(start, end))


@pytest.mark.parametrize(
    ("reference", "hypothesis", "distance"),
    [
        ("kitten", "sitting", 3),
        ("saturday", "sunday", 3),
        ("", "abc", 3),
        ("abc", "", 3),
        ("", "", 0),
        ("abc", "abc", 0),
        ("ab", "ba", 2),
        ("intention", "execution", 5),
    ],
)
def test_edit_distance_known_answers(reference: str, hypothesis: str, distance: int) -> None:
    assert edit_distance(list(reference), list(hypothesis)) == distance


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")))
def test_edit_distance_is_a_metric(a: list[str], b: list[str]) -> None:
    distance = edit_distance(a, b)
    assert distance == edit_distance(b, a)
    assert abs(len(a) - len(b)) <= distance <= max(len(a), len(b))
    assert (distance == 0) == (a == b)


@given(
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=12),
    st.lists(st.sampled_from("abcd"), max_size=12),
)
def test_word_error_rate_agrees_with_jiwer(a: list[str], b: list[str]) -> None:
    jiwer = pytest.importorskip("jiwer")
    expected = jiwer.wer(" ".join(a), " ".join(b))
    assert word_error_rate(" ".join(a), " ".join(b)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", "hello world"),
        ("Don’t stop — it's 7 o'clock…", "dont stop its 7 oclock"),
        ("well-known", "well known"),
        ("你好，世界。", "你好 世界"),
        ("ＡＢＣ　１２", "abc 12"),
        ("¿Qué tal?", "qué tal"),
        ("  ", ""),
    ],
)
def test_normalise(text: str, expected: str) -> None:
    assert normalise(text) == expected


def test_word_error_rate_known_answers() -> None:
    assert word_error_rate("the cat sat on the mat", "The cat sat on the mat.", "en") == 0.0
    assert word_error_rate("the cat sat on", "the bat sat", "en") == pytest.approx(2 / 4)
    assert word_error_rate("one", "one two three", "en") == pytest.approx(2.0)
    assert word_error_rate("", "", "en") == 0.0
    assert word_error_rate("", "noise", "en") == 1.0
    assert word_error_rate("seven", "8", "en") == 1.0


def test_character_error_rate_known_answers() -> None:
    assert character_error_rate("你好，世界。", "你好世界", "zh") == 0.0
    assert character_error_rate("今天天气很好", "今天天汽很好", "zh") == pytest.approx(1 / 6)
    assert character_error_rate("こんにちは", "こんにちわ。", "ja") == pytest.approx(1 / 5)
    assert character_error_rate("头发干了", "頭髮乾了。", "zh-CN") == 0.0  # one text in two scripts
    assert character_error_rate("頭髮乾了", "头发", "zh-TW") == pytest.approx(1 / 2)
    assert character_error_rate("時間", "时间", "ja") == 1.0  # other characters there


def test_phones_are_counted_without_their_marks() -> None:
    assert phone_error_rate("sˈɛ dˈyʁ", "sɛ.dyʁ!") == 0.0
    assert phone_error_rate("mwɛ̃", "mwɛ") == pytest.approx(1 / 4)
    assert phone_error_rate("mwɛ̃", "mwa") == pytest.approx(1 / 2)
    assert phone_error_rate("", "a") == 1.0


def test_other_characters_of_the_same_sound_are_no_syllable_error() -> None:
    pytest.importorskip("pypinyin")
    assert syllable_error_rate("他在家。", "她在家", "zh") == 0.0
    assert syllable_error_rate("二十一日", "21日", "zh") == 0.0
    assert syllable_error_rate("买书", "卖书", "zh") == 0.5  # another tone
    assert syllable_error_rate("别以为你最忙", "別以為你最忙", "zh-TW") == 0.0
    assert syllable_error_rate("Hola", "Hola", "es") is None


def test_round_trip_picks_the_metric() -> None:
    assert [round_trip_metric(tag) for tag in ("en", "es-MX", "ko")] == ["wer"] * 3
    assert [round_trip_metric(tag) for tag in ("zh", "zh-TW", "ja", "th")] == ["cer"] * 4
    assert error_rate("你好", "你坏", "zh-CN") == 0.5
    assert error_rate("good day", "good", "en") == 0.5


def test_cosine() -> None:
    a, b = np.array([1, 0], np.float32), np.array([1, 1], np.float32)
    assert cosine(a, a) == pytest.approx(1.0)
    assert cosine(a, b) == pytest.approx(math.sqrt(0.5))
    assert cosine(a, -3 * a) == pytest.approx(-1.0)
    assert cosine(a, np.zeros(2, np.float32)) == 0.0


def test_own_margin() -> None:
    prints = {
        "S1": np.array([1, 0, 0], np.float32),
        "S2": np.array([0, 1, 0], np.float32),
        "S3": np.array([0, 0, 1], np.float32),
    }
    take = np.array([0.6, 0.8, 0.0], np.float32)
    assert own_margin(take, prints, "S1") == pytest.approx(-0.2)
    assert own_margin(take, prints, "S2") == pytest.approx(0.2)
    assert own_margin(take, prints, "S9") is None
    assert own_margin(take, {"S1": prints["S1"]}, "S1") is None


@pytest.mark.parametrize(
    ("start", "end", "share"),
    [(10, 12, 1.0), (9, 13, 1.0), (11, 12, 0.5), (11.5, 20, 0.25), (12, 14, 0.0), (0, 10, 0.0)],
)
def test_overlap_share(start: float, end: float, share: float) -> None:
    assert overlap_share(Span.of(start, end), Span.of(10, 12)) == pytest.approx(share)


def test_overlap_share_of_an_empty_line_is_zero() -> None:
    assert overlap_share(Span.of(0, 1), Span.of(1, 1)) == 0.0


def test_speed() -> None:
    assert speed(Fraction(6), Fraction(5)) == pytest.approx(1.2)
    with pytest.raises(ValueError, match="positive"):
        speed(Fraction(1), Fraction(0))


def test_summarise() -> None:
    reports = [
        LineReport(line(0, 2), "en", placement(0.5, 2), None, {"wer": 0.1, "speed": 1.1}),
        LineReport(line(3, 5), "en", placement(3, 4), None, {"wer": 0.3}),
        LineReport(line(6, 8), "en", None, None),
    ]
    summary = summarise(reports)
    assert summary == {
        "lines": 3.0,
        "dubbed": 2.0,
        "median_speed": pytest.approx(1.1),
        "median_wer": pytest.approx(0.2),
        "late_s": pytest.approx(0.5),
        "coverage": pytest.approx(2.5 / 6),
    }


def test_summarise_of_nothing() -> None:
    assert summarise([]) == {"lines": 0.0, "dubbed": 0.0}


@pytest.mark.parametrize(
    ("text", "language", "spelt"),
    [
        ("10 minutos", "es", "diez minutos"),
        ("in 2 days", "en", "in two days"),
        ("10分", "zh", "十分"),
        ("21年205天", "zh", "二十一年二百零五天"),
        ("100005 10005 20300", "zh", "十万零五 一万零五 二万零三百"),
        ("A4和3.5", "zh", "A4和3.5"),
        ("10 मिनट", "hi", "10 मिनट"),
        ("at 10:30, 3.5 km, 1,000", "en", "at 10:30, 3.5 km, 1,000"),
        ("A4 and B-52", "en", "A4 and B-52"),
    ],
)
def test_whole_numbers_are_spelt_and_nothing_else(text: str, language: str, spelt: str) -> None:
    assert spell_numbers(text, language) == spelt


def test_a_digit_for_a_spoken_number_is_no_error() -> None:
    assert word_error_rate("hace diez minutos", "hace 10 minutos", "es") == 0
    assert word_error_rate("hace diez minutos", "hace 12 minutos", "es") > 0


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("I am dead and you will not go.", "I'm dead and you won't go"),
        ("It is Anna's. Let us go, they have left.", "it's Anna’s let's go they've left"),
        ("I cannot, she would not.", "I can't she wouldn't"),
    ],
)
def test_english_contractions_are_the_words_they_stand_for(said: str, heard: str) -> None:
    assert word_error_rate(said, heard, "en") == 0


def test_other_languages_keep_their_apostrophes() -> None:
    assert word_error_rate("l'ami d'Anna", "lami danna", "fr") == 0
    assert word_error_rate("c'est m'sieur", "cest msieur", "fr") == 0
