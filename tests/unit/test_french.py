"""French liaisons and respellings."""

from __future__ import annotations

import importlib.util

import pytest

from polydub.engines.speak import _espeak_worker, french, g2p


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        ("lez‿ amˈi", "lez amˈi"),  # determiners
        ("ilz‿ ɔ̃t‿ ˈy", "ilz ɔ̃t ˈy"),  # pronouns; a t behind a vowel
        ("kilz‿ ɔ̃t‿", "kilz ɔ̃t"),
        ("paʁˈɑ̃z‿ abˈitt‿ yn", "paʁˈɑ̃ abˈit yn"),  # a noun; a t behind a consonant
        ("ɛkspeʁjˈɑ̃sz‿ ˈɔ̃", "ɛkspeʁjˈɑ̃s ˈɔ̃"),
        ("dotʁz‿ amˈi", "dotʁəz amˈi"),  # three consonants are broken up
        ("ty pˈaʁlz‿ a", "ty pˈaʁl a"),
        ("ɑ̃fˈɑ̃z‿ ɑ̃sˈɑ̃bl", "ɑ̃fˈɑ̃z ɑ̃sˈɑ̃bl"),  # the same vowel twice
        ("ɑ̃fˈɑ̃z‿ ˈɔ̃", "ɑ̃fˈɑ̃ ˈɔ̃"),
        ("mɔ̃n‿ amˈi", "mɔ̃n amˈi"),  # other consonants always link
        ("ʃˈoz ɛ", "ʃˈoz ɛ"),  # the word's own z
        ("z‿", ""),
        ("‿", ""),
        ("", ""),
    ],
)
def test_liaisons_of_conversation(marked: str, expected: str) -> None:
    assert french.natural_liaisons(marked) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Allons-y ! Vas-y.", "Allons zi ! Vas zi."),
        ("Y a-t-il un lys ?", "Y a-t-il un lys ?"),
        ("mes fils, un fil", "mes fisse, un fil"),
        ("M. Dupont et M. le maire", "monsieur Dupont et M. le maire"),
        ("à 8h30, 15 h, 3 h 05", "à 8 heures 30, 15 heures, 3 heures 05"),
        ("un homme, 5 hommes", "un homme, 5 hommes"),
    ],
)
def test_respelt(text: str, expected: str) -> None:
    assert french.respelt(text) == expected


def test_liaisons_are_marked_only_where_both_readings_have_the_same_words() -> None:
    assert _espeak_worker._marked("le-z amˈi", "le-z2 am'i") == "le-z‿ amˈi"
    assert _espeak_worker._marked("lez amˈi", "le-z2") == "lez amˈi"


@pytest.mark.weights
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mes parents habitent une maison.", "me paʁˈɑ̃ abˈit yn mɛzˈɔ̃."),
        ("Les choses ont changé.", "le ʃˈoz ˈɔ̃ ʃɑ̃ʒˈe."),
        ("D'autres amis ont eu 10 ans.", "dotʁəz amˈi ˈɔ̃t y dˈiz ˈɑ̃."),
        ("Allons-y, les gars !", "alˈɔ̃ zˈi, le ɡˈa !"),
    ],
)
def test_real_espeak_links_as_in_conversation(text: str, expected: str) -> None:
    if importlib.util.find_spec("espeakng_loader") is None:
        pytest.skip("espeak-ng is not installed")
    phonemizer = g2p.Phonemizer()
    try:
        assert phonemizer.phonemes(text, "fr") == expected
    finally:
        phonemizer.close()
