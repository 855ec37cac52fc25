"""What every synthesiser that clones must do, through a tiny model of its own architecture.

The models are built with the engine's own package, so they run where that is installed; the other
tests run anywhere. Add yours to ``ENGINES`` and ``MODELS``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polydub.engines import registry
from polydub.engines.protocols import (
    LengthPredictor,
    Speech,
    SpeechRequest,
    Synthesizer,
    VoicePiece,
    VoiceReference,
)
from polydub.engines.registry import missing_requirements
from polydub.engines.speak.cloned_speech import prompt_of, seed_of
from polydub.engines.speak.f5_tts import F5Tts
from polydub.engines.speak.guessed_phones import Pronouncer, guessed_phones
from polydub.engines.weights import WEIGHTS
from polydub.errors import EngineError
from polydub.model import CLONE, Waveform
from tests.cloning_models import asked, loud, reference, write_f5
from tests.contract.test_speech_engines import murmur

THIRD_PARTY = pytest.mark.filterwarnings("ignore::Warning")
ENGINES: list[Any] = [F5Tts]
MODELS: dict[Any, Callable[[Path], dict[str, Any]]] = {F5Tts: write_f5}


def name_of(engine: Any) -> str:
    return str(engine.capabilities.name)


@pytest.fixture(scope="module", params=list(MODELS), ids=name_of)
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    missing = missing_requirements(request.param.capabilities)
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")
    made = request.param(**MODELS[request.param](tmp_path_factory.mktemp("model")))
    yield made
    made.close()


@pytest.fixture(scope="module")
def spoken(engine: Any) -> Speech:
    made: Speech = engine.speak(asked())
    return made


@THIRD_PARTY
def test_it_speaks(engine: Any, spoken: Speech) -> None:
    assert isinstance(engine, Synthesizer)
    assert spoken.audio.rate == engine.capabilities.rate == 24000
    assert spoken.audio.samples.ndim == 1 and spoken.audio.samples.dtype == np.float32
    assert np.isfinite(spoken.audio.samples).all() and np.abs(spoken.audio.samples).max() <= 1.0
    assert loud(spoken.audio.samples) > 1e-3


@THIRD_PARTY
def test_phones_cover_the_speech(spoken: Speech) -> None:
    spans = [phone.span for phone in spoken.phones]
    assert spans[0].start == 0 and spans[-1].end == spoken.audio.duration
    assert all(a.end == b.start for a, b in itertools.pairwise(spans))


@THIRD_PARTY
def test_the_same_request_is_the_same_speech(engine: Any, spoken: Speech) -> None:
    again = engine.speak(asked())
    np.testing.assert_array_equal(again.audio.samples, spoken.audio.samples)
    assert again.phones == spoken.phones


@THIRD_PARTY
def test_another_voice_is_another_sound(engine: Any, spoken: Speech) -> None:
    other = engine.speak(asked(voice=reference(2.0, 1.5, pitch=220.0)))
    size = min(len(other.audio.samples), len(spoken.audio.samples))
    assert not np.allclose(other.audio.samples[:size], spoken.audio.samples[:size], atol=1e-3)


@THIRD_PARTY
def test_every_language_that_it_names_is_spoken(engine: Any) -> None:
    for language in engine.capabilities.languages:
        (style, *_) = engine.styles(language)
        assert style.name == CLONE
    text = {"zh": "你好。", "ja": "こんにちは", "ko": "안녕하세요", "ru": "Привет", "he": "שלום"}
    for language in ("zh", "ja", "ko", "ru", "he"):
        if language in engine.capabilities.languages:
            made = engine.speak(asked(text[language], language))
            assert made.audio.duration > 0


@THIRD_PARTY
def test_what_cannot_be_said_is_told(engine: Any) -> None:
    for request, code in (
        (asked("qapla'", "tlh"), "DUB-E203"),
        (asked("  "), "DUB-E206"),
        (asked("..."), "DUB-E206"),
        (replace(asked(), style="no such voice"), "DUB-E206"),
        (replace(asked(), voice=None), "DUB-E206"),
        (replace(asked(), voice=VoiceReference("en", ())), "DUB-E206"),
    ):
        with pytest.raises(EngineError) as caught:
            engine.speak(request)
        assert caught.value.code == code
    with pytest.raises(EngineError) as caught:
        engine.styles("tlh")
    assert caught.value.code == "DUB-E203"


@THIRD_PARTY
def test_it_goes_by_what_it_says_it_goes_by(engine: Any) -> None:
    pace = engine.capabilities.pace
    if pace == "seconds":
        assert isinstance(engine, LengthPredictor)
        for seconds in (1.2, 2.5):
            request = asked(seconds=seconds)
            assert engine.seconds(request) == pytest.approx(seconds)
            # what is silent at either end is taken away
            assert seconds - 0.4 < float(engine.speak(request).audio.duration) < seconds + 0.03
        natural = engine.seconds(asked())
        assert engine.seconds(asked(speed=1.25)) == pytest.approx(natural / 1.25, rel=0.02)
    if pace == "speed":
        slow, fast = (engine.speak(asked(speed=speed)).audio for speed in (1.0, 1.25))
        assert fast.duration < slow.duration


@pytest.mark.parametrize("engine_class", ENGINES, ids=name_of)
def test_it_declares_itself(engine_class: Any) -> None:
    known = engine_class.capabilities
    assert known.kind == "speak" and known.clones and known.gpu
    assert known.languages and known.rate == 24000 and known.pace in ("speed", "seconds", "none")
    assert known.code_licence and known.weights_licence
    assert all(name in WEIGHTS for name in known.weights)
    unfree = any("NC" in WEIGHTS[name].licence for name in known.weights)
    assert known.noncommercial == unfree
    if known.pace == "seconds":
        assert callable(engine_class.seconds)


@pytest.mark.parametrize("engine_class", ENGINES, ids=name_of)
def test_what_is_absent_is_told_with_what_to_do(
    engine_class: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = engine_class.capabilities
    monkeypatch.setattr("polydub.engines.weights._hub_paths", lambda weight: None)
    registry.register("speak", known.name, engine_class)
    with pytest.raises(EngineError) as caught:
        registry.load("speak", known.name)
    if missing_requirements(known):
        assert caught.value.code == "DUB-E202"
        assert "docs/engines.md" in caught.value.hint
    else:
        assert caught.value.code == "DUB-E204"
        assert f"polydub engines pull {known.weights[0]}" in caught.value.hint


def test_a_prompt_is_as_long_as_the_model_takes() -> None:
    known = F5Tts.capabilities
    voice = reference(4.0, 8.0, 2.0, text="four five six")
    found = prompt_of(asked(voice=voice), known, 16000, longest_s=7.0)
    assert found.rate == 16000
    assert found.seconds == pytest.approx(4.0 + 0.15 + 2.0, abs=0.01)
    assert found.text == "four five six four five six"
    short = prompt_of(asked(voice=reference(4.0, text="four five")), known, 16000, longest_s=2.0)
    assert short.seconds == pytest.approx(2.0, abs=0.01) and short.text == "four"


def test_a_prompt_without_words_is_left_out_where_words_are_needed() -> None:
    known = F5Tts.capabilities
    pieces = (*reference(3.0, text="").pieces, *reference(2.0).pieces)
    request = asked(voice=VoiceReference("en", pieces))
    assert prompt_of(request, known, 24000, longest_s=9.0).seconds == pytest.approx(5.15, abs=0.01)
    only = prompt_of(request, known, 24000, longest_s=9.0, words=True)
    assert only.seconds == pytest.approx(2.0, abs=0.01) and only.text == "I heard it."
    with pytest.raises(EngineError, match="known words"):
        prompt_of(asked(voice=reference(3.0, text="")), known, 24000, longest_s=9.0, words=True)


def test_another_rate_is_another_seed() -> None:
    assert seed_of(asked()) == seed_of(asked())
    assert len({seed_of(asked(speed=speed)) for speed in (1.0, 1.03, 1.06)}) == 3
    assert seed_of(asked("a")) != seed_of(asked("b"))


def test_guessed_phones_lie_where_it_is_loud() -> None:
    sound = np.concatenate([murmur(1.0, 24000), np.zeros(12000, np.float32), murmur(1.0, 24000)])
    phones = guessed_phones("həlˈoʊ wˈɜːld", sound)
    assert phones[0].span.start == 0 and float(phones[-1].span.end) == pytest.approx(2.5)
    assert all(a.span.end == b.span.start for a, b in itertools.pairwise(phones))
    assert next(p.symbol for p in phones if p.symbol != " ") == "h"
    pauses = [p.span for p in phones if p.symbol == " "]
    assert any(span.start < 1.4 and span.end > 1.1 for span in pauses)
    assert {"ɜː", "d"} <= {p.symbol for p in phones}
    silent = guessed_phones("a", np.zeros(2400, np.float32))
    assert [p.symbol for p in silent] == [" "] and guessed_phones("a", sound[:0]) == ()


def test_letters_stand_in_where_nothing_reads_a_language(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: Any) -> str:
        raise EngineError("no espeak")

    monkeypatch.setattr("polydub.engines.speak.espeak.EspeakProcess.phonemes", absent)
    pronouncer = Pronouncer()
    assert pronouncer.symbols("Hallo Welt", "de") == "hallo welt"
    assert pronouncer.symbols("Hello", "en") == "hello"


def test_pieces_and_requests_are_values() -> None:
    piece = VoicePiece(Waveform(np.zeros(24000, np.float32), 24000), "x")
    voice = VoiceReference("en", (piece, piece))
    assert voice.seconds == 2.0
    request = SpeechRequest("x", "en", CLONE, voice=voice)
    assert request.seconds is None and request.manner is None and request.speed == 1.0
