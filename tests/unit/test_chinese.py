"""The two scripts of Chinese."""

from __future__ import annotations

import pytest

from polydub.model.chinese import in_script_of, is_mandarin, simplified


@pytest.mark.parametrize(
    ("tag", "wanted"),
    [
        ("zh", "里面的头发"),
        ("zh-CN", "里面的头发"),
        ("zh-Hans-TW", "里面的头发"),
        ("zh-TW", "裡面的頭髮"),
        ("zh-Hant", "裡面的頭髮"),
        ("zh-HK", "裏面的頭髮"),
        ("cmn-TW", "裡面的頭髮"),
    ],
)
@pytest.mark.parametrize("text", ["里面的头发", "裡面的頭髮"])
def test_text_comes_in_the_script_of_its_tag(text: str, tag: str, wanted: str) -> None:
    assert in_script_of(text, tag) == wanted


@pytest.mark.parametrize("tag", ["ja", "yue", "ko", "en"])
def test_other_languages_stay_as_they_are(tag: str) -> None:
    assert not is_mandarin(tag)
    assert in_script_of("時間", tag) == "時間"


def test_words_in_other_letters_survive() -> None:
    assert simplified("Joe 說 OK, 3 個") == "Joe 说 OK, 3 个"
