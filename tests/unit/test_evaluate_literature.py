"""Metrics of the literature against answers that are known beforehand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from polydub.evaluate.cepstra import cepstra, distortion
from polydub.evaluate.references import References
from polydub.model import Waveform


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
