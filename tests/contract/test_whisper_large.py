"""Whisper large-v3 and turbo through tiny models of their architecture with random weights.

128 mel bands, 100 languages and the vocabulary of 51,866 are what tells them from the base model.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ctranslate2")
pytest.importorskip("faster_whisper")

import tokenizers
from ctranslate2.specs import WhisperSpec
from faster_whisper.tokenizer import _LANGUAGE_CODES

from polydub.engines.protocols import Recognizer
from polydub.engines.recognize.whisper import (
    LARGE,
    RATE,
    TURBO,
    FasterWhisper,
    WhisperLargeV3,
    WhisperTurbo,
)
from polydub.errors import EngineError
from polydub.model import Waveform
from tests.contract.test_speech_engines import murmur

SIZE = 16
TEXT = 50257
WORDS = TEXT + 1 + 1 + 100 + 6 + 1501
LAYERS = {LARGE: (2, 2), TURBO: (2, 1)}
ENGINES = {LARGE: WhisperLargeV3, TURBO: WhisperTurbo}


def norm(part: Any) -> None:
    part.gamma, part.beta = np.ones(SIZE, np.float32), np.zeros(SIZE, np.float32)


def linear(part: Any, rows: int, columns: int, random: np.random.Generator) -> None:
    part.weight = random.normal(0, 0.3, size=(rows, columns)).astype(np.float32)
    part.bias = np.zeros(rows, np.float32)


def layer(part: Any, random: np.random.Generator) -> None:
    """Fused projections: q, k and v in one for oneself, q and then k and v for the encoder."""
    norm(part.self_attention.layer_norm)
    linear(part.self_attention.linear[0], 3 * SIZE, SIZE, random)
    linear(part.self_attention.linear[1], SIZE, SIZE, random)
    if hasattr(part, "attention"):
        norm(part.attention.layer_norm)
        for number, rows in enumerate((SIZE, 2 * SIZE, SIZE)):
            linear(part.attention.linear[number], rows, SIZE, random)
    norm(part.ffn.layer_norm)
    linear(part.ffn.linear_0, 2 * SIZE, SIZE, random)
    linear(part.ffn.linear_1, SIZE, 2 * SIZE, random)


def vocabulary() -> list[str]:
    """Words, an empty one, the special tokens in the order of large-v3, the time stamps."""
    languages = [f"<|{code}|>" for code in _LANGUAGE_CODES]
    special = ["<|endoftext|>", "<|startoftranscript|>", *languages, "<|translate|>"]
    special += ["<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>"]
    times = [f"<|{0.02 * n:.2f}|>" for n in range(1501)]
    return [f"Ġw{n}" for n in range(TEXT - 1)] + ["", *special, "<|notimestamps|>", *times]


def write_model(folder: Path, encoder: int, decoder: int) -> Path:
    random = np.random.default_rng(0)
    spec = WhisperSpec(encoder, 2, decoder, 2)
    for name, columns in (("conv1", 128), ("conv2", SIZE)):
        conv = getattr(spec.encoder, name)
        conv.weight = random.normal(0, 0.1, size=(SIZE, columns, 3)).astype(np.float32)
        conv.bias = np.zeros(SIZE, np.float32)
    for part, length in ((spec.encoder, 1500), (spec.decoder, 448)):
        positions = random.normal(0, 0.1, size=(length, SIZE)).astype(np.float32)
        part.position_encodings.encodings = positions
        norm(part.layer_norm)
        for one in part.layer:
            layer(one, random)
    spec.decoder.embeddings.weight = random.normal(0, 1, size=(WORDS, SIZE)).astype(np.float32)
    spec.decoder.projection.weight = spec.decoder.embeddings.weight
    tokens = vocabulary()
    assert len(tokens) == WORDS
    spec.register_vocabulary(tokens)
    spec.config.alignment_heads = [(decoder - 1, 0), (decoder - 1, 1)]
    spec.config.lang_ids = list(range(TEXT + 2, TEXT + 102))
    spec.config.suppress_ids = [TEXT + 1, *range(TEXT + 102, TEXT + 108)]
    spec.config.suppress_ids_begin = [TEXT]
    spec.validate()
    folder.mkdir(parents=True)
    spec.save(str(folder))
    model = tokenizers.models.WordLevel({token: n for n, token in enumerate(tokens)}, "Ġw0")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.add_special_tokens(tokens[TEXT:])
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": 128}))
    return folder


@pytest.fixture(scope="module", params=[LARGE, TURBO])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("whisper") / "snapshot"
    return request.param, write_model(folder, *LAYERS[request.param])


@pytest.fixture
def engine(model: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> FasterWhisper:
    """The engine as the pipeline makes it: it finds the user's own download by its variable."""
    name, folder = model
    monkeypatch.setenv(f"POLYDUB_WEIGHT_{name.upper().replace('-', '_')}", str(folder))
    return ENGINES[name](device="cpu", threads=1)


def test_it_is_told_apart_from_the_packaged_model(engine: FasterWhisper) -> None:
    assert isinstance(engine, Recognizer)
    assert engine.capabilities.name in ENGINES
    assert engine.capabilities.weights == (engine.capabilities.name,)
    assert engine.capabilities.weights_licence == "MIT"
    assert engine.capabilities.version == FasterWhisper.capabilities.version


def test_words_have_times_and_a_language(engine: FasterWhisper) -> None:
    audio = Waveform(murmur(4.0), RATE)
    done: list[float] = []
    heard = engine.recognize(audio, progress=done.append)
    assert heard.language in engine.capabilities.languages
    assert 0.0 < heard.language_probability <= 1.0
    assert done and done[-1] == pytest.approx(4.0)
    starts = [word.span.start for word in heard.words]
    assert heard.words and starts == sorted(starts)
    assert all(word.span.duration >= 0 and 0 <= word.probability <= 1 for word in heard.words)


@pytest.mark.slow
def test_it_hears_a_hundred_languages(engine: FasterWhisper) -> None:
    """Cantonese is the one that large-v3 added."""
    audio = Waveform(murmur(1.0), RATE)
    assert engine.recognize(audio, language="yue").language == "yue"


@pytest.mark.parametrize("name", [LARGE, TURBO])
def test_absent_weights_are_told_with_what_to_do(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(f"POLYDUB_WEIGHT_{name.upper().replace('-', '_')}", raising=False)
    monkeypatch.setattr("polydub.engines.weights._hub_paths", lambda weight: None)
    with pytest.raises(EngineError) as caught:
        ENGINES[name]()
    assert caught.value.code == "DUB-E204"
    assert f"polydub engines pull {name}" in caught.value.hint
    monkeypatch.setenv(f"POLYDUB_WEIGHT_{name.upper().replace('-', '_')}", str(tmp_path))
    with pytest.raises(EngineError, match=r"not at .*model\.bin"):
        ENGINES[name]()


def test_a_damaged_model_is_an_error_of_ours(
    model: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, folder = model
    for path in folder.iterdir():
        data = path.read_bytes()
        (tmp_path / path.name).write_bytes(data[:100] if path.name == "model.bin" else data)
    monkeypatch.setenv(f"POLYDUB_WEIGHT_{name.upper().replace('-', '_')}", str(tmp_path))
    with pytest.raises(EngineError) as caught:
        ENGINES[name](device="cpu")
    assert caught.value.code == "DUB-E205"
