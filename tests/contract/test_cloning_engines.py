"""What every synthesiser that clones must do, through a tiny model of its own architecture.

The models are built with the engine's own package, so they run where that is installed; the other
tests run anywhere. Add yours to ``ENGINES`` and ``MODELS``.
"""

from __future__ import annotations

import importlib.util
import itertools
import sys
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
from polydub.engines.speak.chatterbox import DEFAULT, Chatterbox
from polydub.engines.speak.cloned_speech import prompt_of, seed_of
from polydub.engines.speak.cosyvoice3 import CHECKOUT, SYSTEM, CosyVoice3
from polydub.engines.speak.f5_tts import F5Tts
from polydub.engines.speak.guessed_phones import Pronouncer, guessed_phones
from polydub.engines.speak.indextts2 import CHECKOUT as INDEX_CHECKOUT
from polydub.engines.speak.indextts2 import IndexTts2
from polydub.engines.speak.kana import hiragana, katakana
from polydub.engines.weights import WEIGHTS
from polydub.errors import EngineError
from polydub.model import CLONE, Waveform
from tests.cloning_models import (
    asked,
    loud,
    reference,
    write_chatterbox,
    write_checkout,
    write_f5,
    write_files,
    write_index,
)
from tests.contract.test_speech_engines import murmur

THIRD_PARTY = pytest.mark.filterwarnings("ignore::Warning")
ENGINES: list[Any] = [F5Tts, Chatterbox, CosyVoice3, IndexTts2]
MODELS: dict[Any, Callable[[Path, pytest.MonkeyPatch], dict[str, Any]]] = {
    F5Tts: write_f5,
    Chatterbox: write_chatterbox,
    IndexTts2: write_index,
}


LIBRARIES = {IndexTts2: "indextts"}


def name_of(engine: Any) -> str:
    return str(engine.capabilities.name)


@pytest.fixture(scope="module", params=list(MODELS), ids=name_of)
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    missing = [*missing_requirements(request.param.capabilities)]
    library = LIBRARIES.get(request.param, "torch")
    if importlib.util.find_spec(library) is None:
        missing.append(library)
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = tmp_path_factory.mktemp("model")
        made = request.param(**MODELS[request.param](folder, monkeypatch))
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
        assert f"[{known.extra}]" in caught.value.hint or "docs/engines.md" in caught.value.hint
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


@THIRD_PARTY
def test_the_default_voice_needs_no_reference(engine: Any) -> None:
    if not isinstance(engine, Chatterbox):
        pytest.skip("has no voice of its own")
    assert [style.name for style in engine.styles("de")] == [CLONE, DEFAULT]
    made = engine.speak(SpeechRequest("Guten Morgen.", "de", DEFAULT))
    assert made.audio.duration > 0


@THIRD_PARTY
def test_nothing_piles_up_from_line_to_line(engine: Any) -> None:
    """The library hooks its attention layers at every call."""
    if not isinstance(engine, Chatterbox):
        pytest.skip("hooks nothing")
    for _ in range(2):
        engine.speak(asked("Yes."))
    layers = engine._model.t3.tfmr.layers
    assert all(not layer.self_attn._forward_hooks for layer in layers)


@THIRD_PARTY
def test_chinese_is_read_by_its_signs(engine: Any) -> None:
    if not isinstance(engine, Chatterbox):
        pytest.skip("reads Chinese otherwise")
    tokenizer = engine._model.tokenizer
    said = tokenizer.tokenizer.decode(tokenizer.encode("你", language_id="zh"), False)
    assert "[cj_o]" in said and "[cj_f]" in said


@THIRD_PARTY
def test_the_manner_of_the_line_is_heard(engine: Any, spoken: Speech) -> None:
    if not engine.capabilities.acts:
        pytest.skip("takes no manner over")
    angry = Waveform(murmur(2.0, 24000, 300.0), 24000)
    moved = engine.speak(asked(manner=angry))
    size = min(len(moved.audio.samples), len(spoken.audio.samples))
    assert not np.array_equal(moved.audio.samples[:size], spoken.audio.samples[:size])
    short = Waveform(angry.samples[:6000], 24000)
    plain = engine.speak(asked(manner=short))
    np.testing.assert_array_equal(plain.audio.samples, spoken.audio.samples)


COSYVOICE = """
import torch
asked = []
class CosyVoice3:
    sample_rate = 24000
    def __init__(self, model_dir, load_trt=False, load_vllm=False, fp16=False, trt_concurrent=1):
        asked.append(("load", model_dir, fp16))
    def inference_zero_shot(self, tts_text, prompt_text, prompt_wav, zero_shot_spk_id="",
                            stream=False, speed=1.0, text_frontend=True):
        asked.append(("zero_shot", tts_text, prompt_text, prompt_wav, speed))
        yield from self.tones(speed)
    def inference_cross_lingual(self, tts_text, prompt_wav, zero_shot_spk_id="",
                                stream=False, speed=1.0, text_frontend=True):
        asked.append(("cross_lingual", tts_text, prompt_wav, speed))
        yield from self.tones(speed)
    def tones(self, speed):
        for _ in range(2):
            t = torch.arange(int(12000 / speed)) / 24000
            yield {"tts_speech": 0.3 * torch.sin(2 * torch.pi * 200 * t)[None]}
"""
"""What the authors' own class takes and gives (cosyvoice/cli/cosyvoice.py): the requests alone are
checked by it, for the library itself is no package."""


@pytest.fixture
def cosyvoice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    pytest.importorskip("torch")
    folder = write_checkout(tmp_path / "library", {"cosyvoice/cli/cosyvoice.py": COSYVOICE})
    monkeypatch.setenv(CHECKOUT, str(folder))
    monkeypatch.setattr(sys, "path", [*sys.path])
    engine = CosyVoice3(model=write_files(tmp_path / "weights", "cosyvoice3"))
    yield engine, sys.modules["cosyvoice.cli.cosyvoice"]
    engine.close()
    for name in [name for name in sys.modules if name.partition(".")[0] == "cosyvoice"]:
        del sys.modules[name]


def test_cosyvoice_crosses_languages_without_the_prompts_words(cosyvoice: Any) -> None:
    engine, library = cosyvoice
    made = engine.speak(asked("¿Qué hora es?", "es", speed=1.25))
    (_, load, how) = ("", library.asked[0], library.asked[-1])
    assert load[0] == "load" and how[:2] == ("cross_lingual", SYSTEM + "¿Qué hora es?")
    assert how[3] == 1.25 and Path(how[2]).suffix == ".wav"
    assert float(made.audio.duration) == pytest.approx(0.8, abs=0.05)
    engine.speak(asked("What time is it?", "en"))
    zero = library.asked[-1]
    assert zero[:3] == ("zero_shot", "What time is it?", SYSTEM + "I heard it. I heard it.")
    assert zero[3] == how[2] and zero[4] == 1.0  # one voice is one file
    engine.speak(asked("What time is it?", "en", speed=9.0))
    assert library.asked[-1][4] == 2.0


def test_japanese_is_spelled_in_katakana() -> None:
    pytest.importorskip("pyopenjtalk")
    written = "歴史的世界においては、過去は単に過ぎ去ったものではない。"
    wanted = "レキシ テキ セカイ ニ オイ テ ワ、カコ ワ タンニ スギサッ タ モノ デ ワ ナイ。"
    assert katakana(written) == wanted  # the authors' own example


def test_kanji_are_spelled_in_hiragana() -> None:
    pytest.importorskip("pyopenjtalk")
    assert hiragana("今日はテレビを見る。") == "きょうはテレビをみる。"
    assert hiragana("母と花") == " ははと はな"


@pytest.mark.parametrize(("engine_class", "variable"), [(CosyVoice3, CHECKOUT)])
def test_a_library_that_is_not_there_is_told(
    engine_class: Any, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    folder = write_files(tmp_path / "weights", *engine_class.capabilities.weights[:1])
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(EngineError) as caught:
        engine_class(model=folder)
    assert caught.value.code == "DUB-E202"
    assert "git clone" in caught.value.hint and variable in caught.value.hint
    monkeypatch.setenv(variable, str(tmp_path))
    with pytest.raises(EngineError, match=f"in '{tmp_path}'"):
        engine_class(model=folder)


def test_an_old_cosyvoice_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    folder = write_checkout(tmp_path / "old", {"cosyvoice/cli/cosyvoice.py": "x = 1"})
    monkeypatch.setenv(CHECKOUT, str(folder))
    monkeypatch.setattr(sys, "path", [*sys.path])
    try:
        with pytest.raises(EngineError, match="older than CosyVoice 3"):
            CosyVoice3(model=write_files(tmp_path / "weights", "cosyvoice3"))
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "cosyvoice"]:
            del sys.modules[name]


def test_what_indextts_takes_from_the_cache_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    folder = write_files(tmp_path / "weights", "indextts-2", "w2v-bert-2")
    monkeypatch.setattr("polydub.engines.weights._hub_paths", lambda weight: None)
    monkeypatch.delenv(INDEX_CHECKOUT, raising=False)
    with pytest.raises(EngineError) as caught:
        IndexTts2(model=folder)
    assert caught.value.code == "DUB-E204" and "pull w2v-bert-2" in caught.value.hint
    monkeypatch.setenv("POLYDUB_WEIGHT_W2V_BERT_2", str(folder))
    with pytest.raises(EngineError, match="in the hub's cache, not at"):
        IndexTts2(model=folder)
