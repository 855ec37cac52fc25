"""What every synthesizer must do. Add yours to ``SYNTHESIZERS``."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from polydub.engines.protocols import (
    Capabilities,
    LengthPredictor,
    Speech,
    SpeechRequest,
    Synthesizer,
)
from polydub.engines.registry import missing_requirements
from polydub.engines.speak.kokoro import KokoroSynthesizer
from polydub.errors import EngineError
from polydub.evaluate.scores import phone_error_rate
from polydub.pipeline.listening import PronouncingSynthesizer

pytestmark = [pytest.mark.weights, pytest.mark.filterwarnings("ignore::UserWarning")]

SYNTHESIZERS: list[Callable[[], Any]] = [KokoroSynthesizer]
TEXT = "Good morning. This is a short test, nothing more."


@pytest.fixture(scope="module", params=SYNTHESIZERS, ids=lambda cls: cls.capabilities.name)
def engine(request: pytest.FixtureRequest) -> Iterator[Synthesizer]:
    if missing_requirements(request.param.capabilities):
        pytest.skip("not installed")
    made = request.param()
    yield made
    if hasattr(made, "close"):
        made.close()


@pytest.fixture(scope="module")
def spoken(engine: Synthesizer) -> Speech:
    return engine.speak(SpeechRequest(TEXT, "en", engine.styles("en")[0].name))


def test_is_a_synthesizer(engine: Synthesizer) -> None:
    assert isinstance(engine, Synthesizer)
    assert isinstance(engine.capabilities, Capabilities)
    assert engine.capabilities.kind == "speak"
    assert engine.capabilities.rate > 0


def test_audio(engine: Synthesizer, spoken: Speech) -> None:
    samples = spoken.audio.samples
    assert spoken.audio.rate == engine.capabilities.rate
    assert samples.ndim == 1
    assert samples.dtype == np.float32
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= 1.0
    assert 2.0 < float(spoken.audio.duration) < 6.0
    assert np.sqrt(np.mean(samples**2)) > 0.01


def test_phones_cover_the_audio_in_order(spoken: Speech) -> None:
    spans = [phone.span for phone in spoken.phones]
    assert spans[0].start == 0
    assert spans[-1].end == spoken.audio.duration
    assert all(a.end == b.start for a, b in itertools.pairwise(spans))
    assert all(span.duration > 0 for span in spans)
    assert len([p for p in spoken.phones if p.symbol != " "]) > 25


def test_pauses_are_quiet_and_phones_are_not(spoken: Speech) -> None:
    def level(span: Any) -> float:
        return float(np.sqrt(np.mean(spoken.audio.cut(span).samples.astype(np.float64) ** 2)))

    pauses = [phone.span for phone in spoken.phones if phone.symbol == " "]
    vowels = [phone.span for phone in spoken.phones if phone.symbol in {"ɪ", "ʊ", "æ", "ɔ", "ʌ"}]
    assert pauses
    assert vowels
    assert np.median([level(span) for span in pauses]) < 0.3 * np.median(
        [level(span) for span in vowels]
    )


def test_no_silence_around_the_speech(spoken: Speech) -> None:
    loud = np.flatnonzero(np.abs(spoken.audio.samples) > 0.02)
    assert loud[0] < 0.15 * spoken.audio.rate
    assert len(spoken.audio.samples) - loud[-1] < 0.2 * spoken.audio.rate


def test_same_request_same_speech(engine: Synthesizer, spoken: Speech) -> None:
    again = engine.speak(SpeechRequest(TEXT, "en", engine.styles("en")[0].name))
    np.testing.assert_array_equal(again.audio.samples, spoken.audio.samples)
    assert again.phones == spoken.phones


def test_speed_shortens(engine: Synthesizer, spoken: Speech) -> None:
    fast = engine.speak(SpeechRequest(TEXT, "en", engine.styles("en")[0].name, speed=1.3))
    assert 0.6 < float(fast.audio.duration / spoken.audio.duration) < 0.9


@pytest.mark.parametrize(
    ("language", "text", "alike", "other"),
    [
        ("fr", "Les chiffres fonctionner.", "les chiffres fonctionnés", "les chiffres"),
        ("en", "Their knight's mail", "there nights male", "their day's mail"),
    ],
)
def test_what_sounds_alike_is_read_alike(
    engine: Synthesizer, language: str, text: str, alike: str, other: str
) -> None:
    if not isinstance(engine, PronouncingSynthesizer):
        pytest.skip("does not tell how it reads")
    said, same, different = (engine.phonemes(words, language) for words in (text, alike, other))
    assert phone_error_rate(said, same) < 0.1 < 0.25 < phone_error_rate(said, different)
    with pytest.raises(EngineError) as caught:
        engine.phonemes(text, "xx")
    assert caught.value.code == "DUB-E203"


def test_styles(engine: Synthesizer) -> None:
    for language in engine.capabilities.languages:
        styles = engine.styles(language)
        assert styles
        assert len({style.name for style in styles}) == len(styles)
        assert all(style.gender in {"female", "male"} for style in styles)
        assert all(0 <= style.quality <= 1 for style in styles)


def test_unknown_language(engine: Synthesizer) -> None:
    style = engine.styles("en")[0].name
    for call in (
        lambda: engine.speak(SpeechRequest("qapla'", "tlh", style)),
        lambda: engine.styles("tlh"),
    ):
        with pytest.raises(EngineError) as caught:
            call()
        assert caught.value.code == "DUB-E203"


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_empty_text(engine: Synthesizer, text: str) -> None:
    with pytest.raises(EngineError):
        engine.speak(SpeechRequest(text, "en", engine.styles("en")[0].name))


def test_unknown_style(engine: Synthesizer) -> None:
    with pytest.raises(EngineError):
        engine.speak(SpeechRequest("hello", "en", "no such voice"))


@pytest.mark.parametrize("text", ["...", "😀", "7", "C-3PO!!!", "— “Oh?”"])
def test_odd_texts_do_not_crash(engine: Synthesizer, text: str) -> None:
    spoken = engine.speak(SpeechRequest(text, "en", engine.styles("en")[0].name))
    assert spoken.audio.duration > 0
    assert spoken.phones[-1].span.end == spoken.audio.duration


@pytest.mark.parametrize(("text", "language"), [("I heard the noise.", "en"), ("¡Vete ya!", "es")])
def test_a_foretold_length_is_near_the_real_one(
    engine: Synthesizer, text: str, language: str
) -> None:
    if not isinstance(engine, LengthPredictor):
        pytest.skip("this engine cannot tell lengths")
    request = SpeechRequest(text, language, engine.styles(language)[0].name)
    real = float(engine.speak(request).audio.duration)
    assert engine.seconds(request) == pytest.approx(real, abs=0.15)
    assert engine.seconds(replace(request, speed=1.3)) < engine.seconds(request)
    with pytest.raises(EngineError):
        engine.seconds(replace(request, text=" "))
