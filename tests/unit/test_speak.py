from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from polydub.engines.protocols import Capabilities, Speech, SpeechRequest, Style
from polydub.model import Line, Phone, Span, Waveform, Word
from polydub.stages.speak import Phrase, plan_phrases, speak_phrases


def line(*words: tuple[str, float, float]) -> Line:
    parts = tuple(Word(text, Span.of(start, end)) for text, start, end in words)
    span = parts[0].span | parts[-1].span
    return Line("L1", "S1", span, " ".join(w.text for w in parts), words=parts)


class Ticker:
    """A synthesiser that takes 0.1 s per letter at rate 1."""

    capabilities = Capabilities("speak", "ticker", "1", "", "", "")

    def speak(self, request: SpeechRequest) -> Speech:
        count = round(len(request.text) * 100 / request.speed)
        audio = Waveform(np.ones(count, np.float32), 1000)
        return Speech(audio, (Phone("a", Span(Fraction(0), audio.duration)),))

    def styles(self, language: str) -> Sequence[Style]:
        return ()


def test_a_source_pause_moves_to_the_nearest_clause_end() -> None:
    source = line(("Wait,", 0, 0.5), ("I", 1.5, 1.6), ("know", 1.6, 2), ("him.", 2, 2.4))
    assert plan_phrases(source, "Espera, lo conozco.") == (
        Phrase("Espera,"),
        Phrase("lo conozco.", Fraction(1)),
    )


def test_without_a_clause_end_near_it_the_pause_is_not_kept() -> None:
    source = line(("I", 0, 0.2), ("know", 1.6, 2), ("him.", 2, 2.4))
    assert plan_phrases(source, "Lo conozco bien desde hace tiempo.") == (
        Phrase("Lo conozco bien desde hace tiempo."),
    )


def test_clauses_between_pauses_stay_together_and_no_text_is_lost() -> None:
    source = line(("a", 0, 0.4), ("b", 0.5, 1), ("c", 2, 2.4), ("d", 2.4, 3))
    text = "uno, dos, tres, cuatro."
    phrases = plan_phrases(source, text)
    assert len(phrases) == 2
    assert "".join(p.text for p in phrases).replace(" ", "") == text.replace(" ", "")


def test_chinese_clauses_are_not_joined_with_spaces() -> None:
    source = line(("a", 0, 0.4), ("b", 0.5, 1))
    assert plan_phrases(source, "你好，世界。") == (Phrase("你好，世界。"),)


def test_pauses_become_silence_and_phones_follow() -> None:
    phrases = (Phrase("abcde"), Phrase("fg", Fraction(1, 2)))
    speech = speak_phrases(Ticker(), phrases, language="es", style="x")
    assert speech.audio.duration == Fraction(12, 10)
    assert not speech.audio.samples[500:1000].any()
    assert [p.symbol for p in speech.phones] == ["a", " ", "a"]
    assert speech.phones[-1].span == Span.of(1, "1.2")


def test_faster_speech_shrinks_its_pauses_too() -> None:
    phrases = (Phrase("abcde"), Phrase("fg", Fraction(1, 2)))
    speech = speak_phrases(Ticker(), phrases, language="es", style="x", speed=1.2)
    assert abs(float(speech.audio.duration) - 1.2 / 1.2) < 0.01
