"""Chinese names in English text are said as English speakers say them; English words are not."""

from __future__ import annotations

import pytest

from polydub.engines.speak.pinyin import names, phonemes


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Qin", "ʧˈɪn"),
        ("Zhang", "ʤˈɑŋ"),
        ("Xi'an", "ʃˈiˈɑn"),
        ("Zhou", "ʤˈO"),
        ("Qianlong", "ʧjˈɛnlˈʊŋ"),
        ("Xiao", "ʃjˈW"),
        ("Zhi", "ʤˈɜɹ"),
    ],
)
def test_pinyin_names(name: str, said: str) -> None:
    assert phonemes(name) == said


@pytest.mark.parametrize(
    "word", ["Queen", "Quentin", "Xena", "Exxon", "Xavier", "Iraq", "China", "Long", "Zhivago", "X"]
)
def test_words_that_are_not_pinyin_stay(word: str) -> None:
    assert phonemes(word) == ""


def test_names_are_found_in_their_places() -> None:
    text = "Will Qin's king give it to Zhang Yi"
    assert [text[first:last] for first, last, _ in names(text)] == ["Qin's", "Zhang"]
    assert [said for _, _, said in names(text)] == ["ʧˈɪnz", "ʤˈɑŋ"]
