"""The engine on a small random checkpoint: scenes in, speech out."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from examples.small_funcineforge import write_checkpoint
from polydub.engines.dubbing.funcineforge.engine import FACES, SETTINGS, VOICES, FunCineForge
from polydub.engines.dubbing.funcineforge.tokenizer import SPECIAL_IDS, Tokenizer, load_tokenizer
from polydub.engines.protocols import Dubber
from polydub.errors import EngineError
from polydub.model import Span, Waveform
from polydub.model.scene import Scene, SceneFace, SceneLine

DECODING = {"max_length": 60}


def voice(seed: int) -> Waveform:
    noise = np.random.default_rng(seed).standard_normal(16000).astype(np.float32)
    return Waveform(0.1 * noise, 16000)


SCENE = Scene(
    span=Span.of(10, 13),
    language="en",
    lines=(
        SceneLine("L1", "S1", "Hello there.", Span.of(10, 11), "male", "adult"),
        SceneLine("L2", "S2", "Who is it?", Span.of("11.5", "12.8"), "female"),
    ),
    references={"S1": voice(1), "S2": voice(2)},
    clue="Two people talk calmly.",
    faces=(SceneFace(Fraction(101, 10), np.full((40, 30, 3), 200, np.uint8)),),
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("cineforge"))


@pytest.fixture(scope="module")
def engine(root: Path) -> FunCineForge:
    return FunCineForge(path=root, device="cpu", decoding=DECODING)


def test_it_is_a_dubber(engine: FunCineForge) -> None:
    assert isinstance(engine, Dubber) and engine.most_voices == 1
    assert FunCineForge.capabilities.kind == "dubbing"


def test_a_scene_is_spoken(engine: FunCineForge) -> None:
    speech = engine.dub(SCENE)
    assert speech.audio.rate == 24000 and 0 < len(speech.audio.samples) <= 60 * 960
    assert np.isfinite(speech.audio.samples).all()
    assert np.array_equal(engine.dub(SCENE).audio.samples, speech.audio.samples)
    again = engine.dub(replace(SCENE, attempt=1))
    assert not np.array_equal(again.audio.samples[:5000], speech.audio.samples[:5000])


def test_a_scene_is_cut_short_where_its_room_ends(engine: FunCineForge) -> None:
    """A tenth more than the room can be sped up; the random model never ends by itself."""
    speech = engine.dub(replace(SCENE, room=Fraction(1)))
    assert 0 < len(speech.audio.samples) <= 27 * 960
    assert any("come to an end" in note for note in speech.notes)
    assert len(engine.dub(replace(SCENE, room=Fraction(9))).audio.samples) > 50 * 960


@pytest.mark.parametrize(
    "change",
    [
        {"clue": "Two people shout."},
        {"faces": ()},
        {"references": {"S1": voice(3), "S2": voice(4)}},
        {"narrated": True},
        {"lines": (replace(SCENE.lines[0], text="Hello here."), SCENE.lines[1])},
        {"lines": (replace(SCENE.lines[0], age="elderly"), SCENE.lines[1])},
        {"lines": (replace(SCENE.lines[0], span=Span.of(10, "10.8")), SCENE.lines[1])},
    ],
    ids=lambda change: next(iter(change)),
)
def test_everything_in_a_scene_is_heard(engine: FunCineForge, change: dict[str, Any]) -> None:
    before, after = engine.dub(SCENE), engine.dub(replace(SCENE, **change))
    assert not np.array_equal(before.audio.samples, after.audio.samples)


def test_a_scene_without_lines_or_voices_is_refused(engine: FunCineForge) -> None:
    for scene in (replace(SCENE, lines=()), replace(SCENE, references={})):
        with pytest.raises(EngineError):
            engine.dub(scene)
    with pytest.raises(EngineError, match="empty"):
        empty = Waveform(np.zeros(10, np.float32), 16000)
        engine.dub(replace(SCENE, references={"S2": empty}))


def test_options_are_named_and_strict(root: Path) -> None:
    both = FunCineForge(path=root, device="cpu", decoding=DECODING, speakers="turns", window_s=2)
    assert both.most_voices == 39
    assert len(both.dub(SCENE).audio.samples)
    for wrong in ({"speaker": "turns"}, {"speakers": "both"}, {"decoding": {"sampling": "best"}}):
        with pytest.raises(EngineError):
            FunCineForge(path=root, device="cpu", **wrong)


def test_settings_are_told_by_the_environment(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYDUB_WEIGHT_FUNCINEFORGE", str(root))
    told = {"decoding": {"max_length": 12}, "speakers": "turns", "dtype": "bfloat16"}
    before = FunCineForge.variant()
    monkeypatch.setenv(SETTINGS, json.dumps(told))
    assert FunCineForge.variant() != before
    engine = FunCineForge(device="cpu")
    assert engine.most_voices == 39 and len(engine.dub(SCENE).audio.samples) <= 12 * 960
    assert FunCineForge(device="cpu", speakers="clip").most_voices == 1
    for wrong in ("[1]", "{", '{"speakers": 3}', '{"device": "tpu"}'):
        monkeypatch.setenv(SETTINGS, wrong)
        with pytest.raises(EngineError):
            FunCineForge()


def test_missing_networks_are_told(tmp_path: Path) -> None:
    root = write_checkpoint(tmp_path, extras=True)
    (root / FACES).unlink()
    speech = FunCineForge(path=root, device="cpu", decoding=DECODING).dub(SCENE)
    assert any(FACES in note for note in speech.notes)
    (root / "funcineforge_zh_en" / VOICES).unlink()
    with pytest.raises(EngineError) as caught:
        FunCineForge(path=root, device="cpu")
    assert VOICES in caught.value.message and "engines pull" in caught.value.hint


def test_text_is_merged_by_rank(tmp_path: Path) -> None:
    ranks = {bytes([value]): value for value in range(256)}
    ranks |= {b"ab": 256, b"abc": 257, b" a": 258, b"bc": 259}
    tokenizer = Tokenizer(ranks)
    assert tokenizer.encode("abc") == [257]
    assert tokenizer.encode("bcab") == [259, 256]
    assert tokenizer.encode("x abc") == [ord("x"), ord(" "), 257]  # "ab" comes before " a"
    assert tokenizer.encode("a[breath]b") == [ord("a"), SPECIAL_IDS["[breath]"], ord("b")]
    assert tokenizer.encode("e\u0301") == tokenizer.encode("\u00e9")
    clue = tokenizer.prompt("b", "a")
    assert clue == [151646, ord("a"), 151647, ord("b")] and tokenizer.prompt("b", None) == [98]


def test_a_damaged_vocabulary_is_refused(tmp_path: Path) -> None:
    for text in ("{", '{"a": 1}', '{"\u4e2d": 1}'):
        (tmp_path / "vocab.json").write_text(text)
        with pytest.raises(EngineError) as caught:
            load_tokenizer(tmp_path)
        assert caught.value.code == "DUB-E205"
