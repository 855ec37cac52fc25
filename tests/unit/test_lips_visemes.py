"""Phones to mouth curves."""

from __future__ import annotations

import numpy as np
import pytest

from polydub.engines.lips.visemes import (
    VISEMES,
    is_pause,
    letters,
    mouth_curve,
    sounds,
    speech_energy,
)
from polydub.model import Phone, Span
from tests.lip_models import phones, voice


def times(seconds: float, rate: float = 25.0) -> np.ndarray:
    return (np.arange(int(seconds * rate)) + 0.5) / rate


def curve(symbols: str, length: float = 0.2, seconds: float = 3.0):
    spoken = sounds(phones(symbols, 0.5, length), 0.0, seconds)
    return mouth_curve(spoken, times(seconds), None)


def test_marks_are_dropped_and_ligatures_opened() -> None:
    assert letters("tʰ") == "t"
    assert letters("ɔ̃") == "ɔ"
    assert letters("aː") == "a"
    assert letters("ˈeɪ") == "eɪ"
    assert letters("ʧ") == "tʃ"
    assert letters("ʨʰ") == "tɕ"
    assert letters("↗") == "" and letters("ˌ") == ""


def test_every_letter_of_the_inventory_has_a_mouth() -> None:
    inventory = """
        p b t d k ɡ m n ŋ f v θ ð s z ʃ ʒ h l ɹ w j i ɪ e ɛ æ ə ʌ ɑ ɔ o ʊ u ɜ
        r ɾ x ɲ ʎ β ɣ ʝ y ø œ ʁ ɥ ɐ ɨ
        ɕ ʂ ʐ ɻ ɤ tʰ tɕʰ ɸ ɯ ɴ ç
        ʈ ɖ ɳ ɽ ʋ bʱ ɟʰ
    """
    unknown = {c for symbol in inventory.split() for c in letters(symbol) if c not in VISEMES}
    assert unknown == set()


@pytest.mark.parametrize("symbol", [" ", ",", ".", "…", "—"])
def test_pauses(symbol: str) -> None:
    assert is_pause(symbol)
    assert not is_pause("ˈ") and not is_pause("a")


def test_diphthongs_are_split_and_silence_fills_the_rest() -> None:
    spoken = sounds(phones("aɪ", 1.0, 0.2), 0.0, 2.0)
    assert [sound.letter for sound in spoken] == [" ", "a", "ɪ", " "]
    assert spoken[1].end == pytest.approx(1.12)
    assert spoken[0].start == 0.0 and spoken[-1].end == 2.0


def test_short_gaps_between_words_do_not_close_the_mouth() -> None:
    near = [Phone("a", Span.of(0.1, 0.3)), Phone("a", Span.of(0.35, 0.6))]
    far = [Phone("a", Span.of(0.1, 0.3)), Phone("a", Span.of(0.8, 1.0))]
    assert [s.letter for s in sounds(near, 0.1, 0.6)] == ["a", "a"]
    assert [s.letter for s in sounds(far, 0.1, 1.0)] == ["a", " ", "a"]


def test_a_length_mark_of_its_own_prolongs_the_vowel() -> None:
    marked = [Phone("a", Span.of(0.1, 0.2)), Phone("ː", Span.of(0.2, 0.35))]
    (only,) = sounds(marked, 0.1, 0.35)
    assert only.end == pytest.approx(0.35)


def test_open_vowels_open_and_round_ones_round() -> None:
    wide, narrow, spread = curve("a a a"), curve("u u u"), curve("i i i")
    middle = slice(18, 24)
    assert wide.aperture[middle].min() > 0.6 > 0.45 > narrow.aperture[middle].max()
    assert narrow.width[middle].max() < 0.2 < 0.6 < spread.width[middle].min()


def test_silence_is_closed_and_has_no_voice() -> None:
    empty = mouth_curve(sounds((), 0.0, 1.0), times(1.0), None)
    assert empty.aperture.max() < 0.01
    assert empty.voice.max() == 0.0
    spoken = curve("a a")
    assert spoken.aperture[-10:].max() < 0.05
    assert spoken.voice[14:21].min() == 1.0


@pytest.mark.parametrize("length", [0.03, 0.06, 0.12])
def test_every_closure_is_reached_in_at_least_one_frame(length: float) -> None:
    spoken = curve("a b a m a p a", length)
    for index in (1, 3, 5):
        middle = 0.5 + (index + 0.5) * length
        frame = int(np.argmin(np.abs(times(3.0) - middle)))
        assert spoken.ceiling[frame] == 0.0
    assert curve("a f a", 0.12).ceiling.min() == pytest.approx(0.10)
    assert curve("a s a", 0.12).ceiling.min() == 1.0


def test_quiet_speech_opens_less() -> None:
    spoken = sounds(phones("a a a", 0.5), 0.0, 2.0)
    loud = mouth_curve(spoken, times(2.0), np.ones(50))
    quiet = mouth_curve(spoken, times(2.0), np.full(50, 0.3))
    mute = mouth_curve(spoken, times(2.0), np.zeros(50))
    assert loud.aperture.max() > 1.3 * quiet.aperture.max() > mute.aperture.max()
    assert mute.aperture.max() < 0.01


def test_energy_follows_the_sound() -> None:
    spoken = phones("a a", 0.5)
    energy = speech_energy(voice(spoken, 2.0).samples, 16000, times(2.0))
    assert energy[14:20].min() > 0.8
    assert energy[:10].max() < 0.1 and energy[30:].max() < 0.1
    assert speech_energy(np.zeros(16000, np.float32), 16000, times(1.0)).max() == 0.0
