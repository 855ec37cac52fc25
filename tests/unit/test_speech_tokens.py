"""Speech tokens: Whisper's spectrogram, the network's inputs and outputs, where the file lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from examples.small_funcineforge import write_checkpoint, write_speech_tokenizer
from polydub.engines import weights
from polydub.engines.dubbing.funcineforge.inputs import XVectors
from polydub.engines.dubbing.funcineforge.speech_tokens import (
    FILE,
    SpeechTokenizer,
    find_speech_tokenizer,
    whisper_mel,
)
from polydub.errors import EngineError
from polydub.model import Waveform


def speech(seconds: float, rate: int = 16000) -> Waveform:
    """A voice-like sound: harmonics that rise, with pauses."""
    times = np.arange(round(seconds * rate)) / rate
    sound = sum(np.sin(2 * np.pi * n * (120 * times + 20 * times**2)) / n for n in range(1, 12))
    return Waveform((0.1 * sound * (times % 0.7 < 0.5)).astype(np.float32), rate)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> SpeechTokenizer:
    return SpeechTokenizer(write_speech_tokenizer(tmp_path_factory.mktemp("tokens") / FILE))


def test_the_spectrogram_is_whispers() -> None:
    from transformers import WhisperFeatureExtractor

    samples = speech(2.5).samples
    theirs = WhisperFeatureExtractor(feature_size=128)(
        samples, sampling_rate=16000, padding="longest", return_tensors="np"
    )["input_features"][0]
    ours = whisper_mel(samples)
    assert ours.shape == theirs.shape == (128, 250) and ours.dtype == np.float32
    assert np.abs(ours - theirs).max() < 1e-4


def test_tokens_come_25_a_second(tokenizer: SpeechTokenizer) -> None:
    for seconds, count in ((2.0, 50), (2.02, 51), (0.04, 1), (7.5, 188)):
        found = tokenizer.tokens(speech(seconds))
        assert len(found) == count and found.dtype == np.int64
        assert found.min() >= 0 and found.max() < 6561
    assert len(set(tokenizer.tokens(speech(4.0)).tolist())) > 10


def test_rate_and_channels_do_not_matter(tokenizer: SpeechTokenizer) -> None:
    once = speech(2.0)
    twice = Waveform(np.stack([once.samples, once.samples], axis=1), 16000)
    assert np.array_equal(tokenizer.tokens(once), tokenizer.tokens(twice))
    assert len(tokenizer.tokens(speech(2.0, 48000))) == 50


def test_other_networks_are_refused(tmp_path: Path, tokenizer: SpeechTokenizer) -> None:
    with pytest.raises(EngineError, match="40 ms"):
        tokenizer.tokens(speech(0.03))
    root = write_checkpoint(tmp_path / "weights")
    with pytest.raises(EngineError, match="1 inputs, not 2") as caught:
        SpeechTokenizer(root / "face_recog_ir101.onnx")
    assert caught.value.code == "DUB-E205"
    more = SpeechTokenizer(write_speech_tokenizer(tmp_path / "more.onnx", levels=4))
    with pytest.raises(EngineError, match="gives the token"):
        more.tokens(speech(2.0))
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    for kind in (SpeechTokenizer, XVectors):
        with pytest.raises(EngineError, match="cannot be loaded") as caught:
            kind(tmp_path / "bad.onnx")
        assert caught.value.code == "DUB-E205"
    with pytest.raises(EngineError, match="cannot be run") as caught:
        XVectors(root / "face_recog_ir101.onnx").of(speech(1.0))


def test_the_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(weights, "_hub_paths", lambda weight: None)
    monkeypatch.delenv("POLYDUB_WEIGHT_SPEECH_TOKENIZER_V3", raising=False)
    with pytest.raises(EngineError) as caught:
        find_speech_tokenizer()
    assert caught.value.code == "DUB-E204"
    assert "polydub engines pull speech-tokenizer-v3" in caught.value.hint
    root = write_checkpoint(tmp_path / "weights")
    assert find_speech_tokenizer(root) == root / FILE
    (root / FILE).rename(tmp_path / FILE)
    monkeypatch.setenv("POLYDUB_WEIGHT_SPEECH_TOKENIZER_V3", str(tmp_path / FILE))
    assert find_speech_tokenizer(root) == find_speech_tokenizer() == tmp_path / FILE
