"""Words that Whisper repeats in no time are none."""

from __future__ import annotations

import pytest

from polydub.engines.recognize.whisper import without_loops
from polydub.model import Span, Word


def words(text: str, *lengths: float) -> list[Word]:
    """The words of ``text``, one after the other; the last of ``lengths`` holds for the rest."""
    made, at = [], 0.0
    for number, word in enumerate(text.split()):
        length = lengths[min(number, len(lengths) - 1)]
        made.append(Word(word, Span.of(at, at + length)))
        at += length
    return made


def text(found: list[Word]) -> str:
    return " ".join(word.text for word in found)


@pytest.mark.parametrize(
    ("said", "lengths", "wanted"),
    [
        ("但 什么? 证 证 证 证 证", (0.06, 0.28, 0.08, 0), "但 什么?"),
        ("一些, 这 些 人, 这 些 人, 这 些 人,", (0.3, 0.1, 0.15, 0.2, 0), "一些, 这 些 人,"),
        ("end. So so so so", (0.4, 0.2, 0.0), "end. So"),
        (
            "为什么。 " + "这 位 是 普 通 话 的 句 子。 " * 3 + "这 位",
            (0.46, 0.44, 0.0),
            "为什么。",
        ),
        ("a b c d e f g h i j k l m " * 3, (0.0,), " ".join("abcdefghijklm" * 3)),
        ("再 再 见", (0.2, 0.0, 0.0), "再 再 见"),
        ("", (0.0,), ""),
    ],
    ids=[
        "one word",
        "a phrase",
        "said once",
        "a sentence",
        "too long for a loop",
        "said twice",
        "nothing",
    ],
)
def test_a_loop_in_no_time_is_not_said(said: str, lengths: tuple[float, ...], wanted: str) -> None:
    assert text(without_loops(words(said, *lengths))) == wanted


@pytest.mark.parametrize(
    "said", ["no no no no no no", "哈 哈 哈 哈 哈", "la la di la la di la la di"]
)
def test_what_takes_time_is_said(said: str) -> None:
    assert text(without_loops(words(said, 0.12))) == said
    assert text(without_loops(words(said, 0.06))) == said


def test_speech_goes_on_behind_a_loop() -> None:
    found = without_loops(words("eins zwei zwei zwei zwei drei", 0.3, 0.3, 0.0, 0.0, 0.0, 0.3))
    assert text(found) == "eins zwei drei"
