from __future__ import annotations

import pytest

from polydub.stages.translation_check import cleaned, problem


@pytest.mark.parametrize(
    ("answer", "source", "text"),
    [
        ("  Hola,\n amigo. ", "Hello, friend.", "Hola, amigo."),
        ('"Hola."', "Hello.", "Hola."),
        ("“Hola.”", "Hello.", "Hola."),
        ('"Hola."', '"Hello."', '"Hola."'),
        ('"Hola", dijo "Ana"', "Hello, said Ana", '"Hola", dijo "Ana"'),
        ("Here is the translation: Hola.", "Hello.", "Hola."),
        ("Sure! Here's the translated text:\nHola.", "Hello.", "Hola."),
        ("Translation: Hola.", "Hello.", "Hola."),
        ("Traducción al español: Hola.", "Hello.", "Hola."),
        ("翻译：你好。", "Hello.", "你好。"),
        ("Here is the deal: run.", "Voici: cours.", "Here is the deal: run."),
        ("Translation: what a word.", "Translation: ein Wort.", "Translation: what a word."),
        ("1. Hola.", "Hello.", "Hola."),
        ("- Hola.", "Hello.", "Hola."),
        ("1. Corre.", "1. Run.", "1. Corre."),
        ("```\nHola.\n```", "Hello.", "Hola."),
        ("<i>Hola</i>, <b>tú</b>.", "Hello you.", "Hola, tú."),
        ("<think>hm, hello</think>Hola.", "Hello.", "Hola."),
        ("<think>never ends", "Hello.", ""),
        ("Hola. (Note: informal)", "Hello.", "Hola."),
        ("Hola (otra vez).", "Hello (again).", "Hola (otra vez)."),
        ("5 < 6", "5 < 6", "5 < 6"),
    ],
)
def test_wrapping_is_taken_off(answer: str, source: str, text: str) -> None:
    assert cleaned(answer, source) == text
    assert cleaned(text, source) == text


@pytest.mark.parametrize(
    ("text", "original", "source", "target", "what"),
    [
        ("Hola, amigo.", "Hello, friend.", "en", "es", ""),
        ("Where are you going?", "Where are you going?", "en", "es", "equals"),
        ("where are you going", "Where are you going?", "en", "es", "equals"),
        ("Olivia!", "Olivia!", "en", "es", ""),
        ("No, no.", "No, no.", "en", "es", ""),
        ("Last year, for Lin妹妹.", "往年怎么给林妹妹办的", "zh", "en", "妹"),
        ("这把扇子", "这把扇子", "zh", "en", "扇子"),
        ("我们走吧，朋友", "Let us go, friend", "en", "zh", ""),
        ("Let's go to the beach", "Allons à la plage", "fr", "zh", "Let"),
        ("我爱纽约 New York", "I love New York", "en", "zh", ""),
        ("Привет, друг.", "Hello, friend.", "en", "ru", ""),
        ("Hello, old friend.", "Hola, viejo amigo.", "es", "ru", "Hello"),
        ("こんにちは、友達。", "Hello, friend.", "en", "ja", ""),
        ("我告诉过你不要碰那个东西", "I told you not to touch it.", "en", "ja", "我"),
        ("안녕하세요, 친구.", "Hello, friend.", "en", "ko", ""),
        ("مرحبا يا صديقي", "Hello my friend", "en", "ar", ""),
        ("1.ª hora, señor Muñoz", "First hour, Mr Muñoz", "en", "es", ""),
        ("...", "Hello.", "en", "es", "empty"),
        ("...", "...", "en", "es", ""),
        ("1984", "1984", "en", "es", ""),
        ("No. " * 60, "No.", "en", "es", "too long"),
        ("Sí.", "You have a perfect right to talk to anyone here.", "en", "es", "too short"),
        ("no no no no no no no no", "You know what I mean to say", "en", "es", "repeats"),
        ("ve ve ve ve ve", "go go go go go", "en", "es", ""),
        (
            "大王若是圣明，自然知道。",
            "If the king is wise, he will naturally know.",
            "en",
            "zh",
            "",
        ),
        (
            "If the king is wise, he will naturally know.",
            "大王若是圣明，自然知道。",
            "zh",
            "en",
            "",
        ),
        ("anything at all here", "Hello, you there, come.", "en", "am", ""),
    ],
)
def test_what_cannot_be_a_translation(
    text: str, original: str, source: str, target: str, what: str
) -> None:
    found = problem(text, original, source, target)
    assert what in found
    assert bool(found) is bool(what)


def test_the_same_language_may_stay_equal() -> None:
    assert problem("Where are you going?", "Where are you going?", "en-US", "en-GB") == ""
