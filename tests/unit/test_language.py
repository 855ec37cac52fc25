from __future__ import annotations

import pytest

from polydub.errors import InputError
from polydub.model.language import (
    foreign_letters,
    is_spaced,
    iso639_2,
    language_name,
    left_names,
    left_words,
    parse_language,
    same_language,
    suggestions,
)


@pytest.mark.parametrize(
    ("code", "tag"),
    [
        ("en", "en"),
        ("EN", "en"),
        (" en ", "en"),
        ("eng", "en"),
        ("spa", "es"),
        ("fra", "fr"),
        ("fre", "fr"),
        ("ger", "de"),
        ("jpn", "ja"),
        ("pt_BR", "pt-BR"),
        ("PT-br", "pt-BR"),
        ("zho", "zh"),
        ("chi", "zh"),
        ("cmn", "zh"),
        ("cmn-Hans", "zh-Hans"),
        ("zh_cn", "zh-CN"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("iw", "he"),
        ("yue", "yue"),
        ("tlh", "tlh"),
    ],
)
def test_normalises(code: str, tag: str) -> None:
    assert parse_language(code) == tag


def test_normalising_twice_changes_nothing() -> None:
    for code in ("eng", "pt_BR", "cmn-Hans", "zh_TW", "sr-latn"):
        once = parse_language(code)
        assert parse_language(once) == once


@pytest.mark.parametrize(
    "code", ["xx1", "englisch", "English", "", "  ", "und", "zz", "qaa", "e", "mul", "en-", "../x"]
)
def test_unknown_codes_are_input_errors(code: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_language(code)
    assert caught.value.code == "DUB-E105"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("englisch", "en"), ("English", "en"), ("spanisch", "es"), ("Deutsch", "de"), ("中文", "zh")],
)
def test_names_are_suggested(typed: str, meant: str) -> None:
    assert meant in suggestions(typed)
    with pytest.raises(InputError, match=f"'{meant}'"):
        parse_language(typed)


def test_names() -> None:
    assert language_name("es") == "Spanish"
    assert language_name("pt_br") == "Portuguese (Brazil)"


def test_same_language_ignores_region_and_script() -> None:
    assert same_language("en-GB", "en")
    assert same_language("zh-Hans", "cmn")
    assert not same_language("es", "pt")
    assert not same_language("zh", "yue")


def test_container_codes() -> None:
    assert iso639_2("de") == "ger"
    assert iso639_2("en-US") == "eng"
    assert iso639_2("zh-Hans") == "chi"
    assert iso639_2("und") == "und"


def test_spacing() -> None:
    assert is_spaced("en")
    assert is_spaced("ko")
    assert not is_spaced("zh-CN")
    assert not is_spaced("ja")
    assert not is_spaced("th")


def test_foreign_letters_are_named_once_and_shortened() -> None:
    assert foreign_letters("妹妹 and 妹妹 and 扇子", "es") == "妹扇子"
    assert foreign_letters("", "es") == ""
    assert foreign_letters("123 !?", "zh") == ""


@pytest.mark.parametrize(
    ("text", "original", "target", "left"),
    [
        ("你是这 estate的代理人", "You are the agent of this estate", "zh", ("estate",)),
        ("他把closet和closet", "the closet", "zh", ("closet",)),
        ("Joe 和 NASA", "Joe and NASA", "zh", ()),
        ("он сказал ok", "he said ok", "ru", ()),
        ("用 iPhone 打电话", "a call from my iPhone", "zh", ()),
        ("el closet", "the closet", "es", ()),
        ("看 netflix", "watch Netflix", "zh", ()),
    ],
)
def test_words_that_were_left_untranslated(
    text: str, original: str, target: str, left: tuple[str, ...]
) -> None:
    assert left_words(text, original, target) == left


@pytest.mark.parametrize(
    ("text", "original", "target", "left"),
    [
        ("我知道你 Texas最聪明的", "the smartest boy in Texas", "zh", ("Texas",)),
        ("Joe 和 NASA，Joe", "Joe and NASA, Joe", "zh", ("Joe",)),
        ("用 iPhone 打电话", "a call from my iPhone", "zh", ()),
        ("McDonald 在 OK", "McDonald is OK", "zh", ()),
        ("Bob 说", "Robert says", "zh", ()),  # not the original's: no name that was left
        ("Joe est là", "Joe is here", "fr", ()),
    ],
)
def test_names_that_were_left(text: str, original: str, target: str, left: tuple[str, ...]) -> None:
    assert left_names(text, original, target) == left
