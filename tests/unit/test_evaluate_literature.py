"""Metrics of the literature against answers that are known beforehand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from polydub.errors import EngineError
from polydub.evaluate.cepstra import cepstra, distortion
from polydub.evaluate.references import References
from polydub.evaluate.syncnet import SyncNet, lse, network
from polydub.model import Waveform
from polydub.pipeline.evaluating_lse import LseMeter


def speech(seconds: float = 1.0, *, gain: float = 1.0, seed: int = 0) -> Waveform:
    """A buzz whose colour wanders."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(16_000 * seconds)) / 16_000
    buzz = sum(np.sin(2 * np.pi * 120 * k * times) / k for k in range(1, 40))
    colour = np.interp(times, np.linspace(0, seconds, 8), rng.uniform(0.2, 1.0, 8))
    return Waveform((gain * 0.1 * colour * buzz).astype(np.float32), 16_000)


def test_the_same_sound_has_no_distortion_and_its_level_does_not_count() -> None:
    same = distortion(cepstra(speech()), cepstra(speech()))
    assert same is not None and same.mcd == 0 and same.sl == 0
    louder = distortion(cepstra(speech()), cepstra(speech(gain=3.0)))
    assert louder is not None and louder.mcd < 0.05


def test_a_known_offset_gives_the_formulas_value() -> None:
    """0.1 more in one coefficient everywhere: 10 / ln 10 * sqrt(2) * 0.1 dB."""
    rng = np.random.default_rng(0)
    first = np.cumsum(rng.normal(size=(50, 13)), axis=0)
    second = first.copy()
    second[:, 4] += 0.1
    found = distortion(first, second)
    assert found is not None
    assert found.mcd == pytest.approx(10 / math.log(10) * math.sqrt(2) * 0.1, rel=1e-6)
    assert found.sl == pytest.approx(found.mcd)


def test_alignment_forgives_slowness_and_sl_does_not() -> None:
    rng = np.random.default_rng(1)
    first = np.cumsum(rng.normal(size=(40, 13)), axis=0)
    second = np.repeat(first, 2, axis=0) + 0.05
    found = distortion(first, second)
    expected = 10 / math.log(10) * math.sqrt(2 * 13 * 0.05**2)
    assert found is not None
    assert found.mcd == pytest.approx(expected, rel=1e-6)
    assert found.sl == pytest.approx(2 * expected, rel=1e-6)
    assert distortion(first[:10], second) is None


def test_chrf_and_bleu_of_known_texts() -> None:
    """chrF2 of "cat" for "cats": 1- to 3-grams, precision 1, recall 3/4, 2/3, 1/2 (no 4-gram)."""
    pytest.importorskip("sacrebleu")
    references = References()
    assert references.chrf("the cat sat", "the cat sat") == pytest.approx(100)
    recall = (3 / 4 + 2 / 3 + 1 / 2) / 3
    expected = 100 * 5 * recall / (4 + recall)
    assert references.chrf("cat", "cats") == pytest.approx(expected, abs=0.01)
    heard = {"a": "the cat sat on the mat", "b": "we all went home again", "c": "unused"}
    known = {"a": "the cat sat on the mat", "b": "we all went home again", "c": ""}
    assert references.bleu(heard, known, "en") == pytest.approx(100)
    assert references.bleu({"a": "我们回家了吧"}, {"a": "我们回家了吧"}, "zh") == pytest.approx(100)
    assert references.bleu({"a": ""}, {"a": "some words are here"}, "en") == 0
    assert references.bleu(heard, {}, "en") is None


# LSE-C and LSE-D


@pytest.mark.parametrize("delay", [-4, 0, 7])
def test_lse_of_windows_that_are_equal_at_a_delay(delay: int) -> None:
    rng = np.random.default_rng(2)
    whole = rng.normal(size=(300, 16))
    faces, sounds = whole[50:150], whole[50 - delay : 150 - delay]
    found = lse(faces, sounds)
    assert found is not None and found.delay == delay
    expected = math.sqrt(2 * 16)  # of two random vectors
    assert found.confidence == pytest.approx(expected - found.distance, abs=0.4)
    # only the windows that the shift pushes over the ends, against zeros, are not equal
    assert found.distance == pytest.approx(4.0 * abs(delay) / 100, rel=0.2, abs=1e-9)
    assert lse(faces[:5], sounds) is None


def test_the_network_takes_what_the_authors_weights_hold(tmp_path: Path) -> None:
    """Names and shapes of the published file; random weights give finite, distinct windows."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    net = network(torch)
    state = net.state_dict()
    assert state["netcnnaud.0.weight"].shape == (64, 1, 3, 3)
    assert state["netcnnlip.0.weight"].shape == (96, 3, 5, 7, 7)
    assert state["netfclip.3.weight"].shape == (1024, 512)
    torch.save(state, tmp_path / "random.model")
    model = SyncNet(tmp_path / "random.model")
    crops = np.random.default_rng(0).integers(0, 255, (7, 224, 224, 3)).astype(np.uint8)
    faces = model.faces(crops)
    assert faces.shape == (3, 1024) and np.isfinite(faces).all() and faces.std(axis=0).max() > 0
    sounds = model.sounds(np.random.default_rng(1).normal(size=(40, 13)).astype(np.float32))
    assert sounds.shape == (6, 1024)
    assert model.faces(crops[:3]).shape == (0, 1024)


def test_weights_that_are_missing_or_others_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.delenv("POLYDUB_WEIGHT_SYNCNET", raising=False)
    with pytest.raises(EngineError) as missing:
        SyncNet()
    assert missing.value.code == "DUB-E204"
    torch.save({"other": torch.zeros(2)}, tmp_path / "other.model")
    (tmp_path / "none.model").write_bytes(b"nothing")
    for name in ("other.model", "none.model"):
        with pytest.raises(EngineError) as unfit:
            SyncNet(tmp_path / name)
        assert unfit.value.code == "DUB-E205"


def test_faces_are_kept_as_embeddings_and_judged_at_25_hz() -> None:
    """A film of 50 frames a second: half of them are looked at."""

    class Fake:
        def faces(self, crops: np.ndarray) -> np.ndarray:
            return np.tile(crops[4:].mean(axis=(1, 2, 3))[:, None], (1, 8)).astype(float)

        def sounds(self, cepstra: np.ndarray) -> np.ndarray:
            return np.random.default_rng(0).normal(size=((len(cepstra) - 20) // 4 + 1, 8))

    meter = LseMeter(Fake())  # type: ignore[arg-type]
    points = np.array([[20, 20, 0], [60, 70, 0]], np.float32)
    image = np.full((90, 90, 3), 100, np.uint8)
    for n in range(60):
        meter.add("L1", "T1", n / 50, image, points)
    meter.end_shot()
    found = meter.values(Waveform(np.zeros(32_000, np.float32), 16_000))
    assert set(found) == {"L1"} and found["L1"]["lse_d"] > 0
    assert len(meter._faces["L1"][1]) == 30 - 4 and not meter._crops
    empty = LseMeter(None)
    empty.add("L1", "T1", 0.0, image, points)
    empty.end_shot()
    assert empty.values(Waveform(np.zeros(0, np.float32), 16_000)) == {}
