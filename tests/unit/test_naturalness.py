"""MOS predictors: the front end against librosa's figures, protocol with stand-ins, absence."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from polydub.errors import EngineError
from polydub.evaluate import naturalness
from polydub.evaluate.mel import decibels, mel_power
from polydub.evaluate.naturalness import DistillMos, DnsMos, load_predictors, predict
from polydub.model import Waveform


def sound(seconds: float, level: float = 0.1) -> Waveform:
    time = np.arange(round(seconds * 16_000)) / 16_000
    return Waveform((level * np.sin(2 * np.pi * 220 * time)).astype(np.float32), 16_000)


def test_mel_power_equals_librosa() -> None:
    """Values computed with librosa 0.11 (``feature.melspectrogram`` of the same rising tone)."""
    tone = np.sin(np.arange(3200) * 2 * np.pi * 440 / 16_000) * np.linspace(0, 1, 3200)
    power = mel_power(tone.astype(np.float64), rate=16_000, window=321, step=160, bands=120)  # type: ignore[arg-type]
    assert power.shape == (20, 120)
    for at, value in {
        (5, 12): 0.00010774732577486464,
        (10, 13): 0.09999826078964875,
        (18, 15): 82.6428347224704,
    }.items():
        assert power[at] == pytest.approx(value, rel=2e-3)
    assert power.sum() == pytest.approx(2397.035306149207, rel=1e-3)
    assert np.unravel_index(int(power.argmax()), power.shape) == (19, 17)


def test_decibels_are_below_the_maximum_and_floored() -> None:
    level = decibels(np.array([[100.0, 10.0], [1e-9, 1.0]]))
    assert level.tolist() == [[0.0, pytest.approx(-10.0)], [-80.0, pytest.approx(-20.0)]]


class Session:
    """Stands for a network: remembers what it was given."""

    def __init__(self, answer: list[float]) -> None:
        self.answer, self.given = answer, []

    def run(self, _: None, inputs: dict[str, Any]) -> list[Any]:
        self.given.append(inputs["input_1"])
        return [np.asarray([self.answer], np.float32)]


@pytest.fixture
def dnsmos() -> tuple[DnsMos, Session, Session]:
    predictor = DnsMos.__new__(DnsMos)
    quality, p808 = Session([3.0, 4.0, 2.0]), Session([3.5])
    predictor._quality, predictor._p808 = quality, p808
    return predictor, quality, p808


def test_dnsmos_windows_and_polynomials(dnsmos: tuple[DnsMos, Session, Session]) -> None:
    predictor, quality, p808 = dnsmos
    scores = predictor.score(sound(11.5))  # 9.01 s from 0 and from 1 s
    assert [part.shape for part in quality.given] == [(1, 144_160)] * 2
    assert [part.shape for part in p808.given] == [(1, 900, 120)] * 2
    assert scores["dnsmos_sig"] == pytest.approx(-0.08397278 * 9 + 1.22083953 * 3 + 0.0052439)
    assert scores["dnsmos"] == pytest.approx(-0.06766283 * 4 + 1.11546468 * 2 + 0.04602535)
    assert scores["dnsmos_p808"] == 3.5


def test_dnsmos_repeats_short_sound(dnsmos: tuple[DnsMos, Session, Session]) -> None:
    predictor, quality, _ = dnsmos
    predictor.score(sound(5.0))  # doubled to 10 s: one window
    (window,) = quality.given
    assert np.array_equal(window[0, :64_160], window[0, 80_000:])


def test_predictors_refuse_other_sound(dnsmos: tuple[DnsMos, Session, Session]) -> None:
    with pytest.raises(EngineError, match="16000 Hz"):
        dnsmos[0].score(Waveform(np.zeros(48_000, np.float32), 48_000))


def test_very_short_sound_is_not_measured(dnsmos: tuple[DnsMos, Session, Session]) -> None:
    assert predict([dnsmos[0]], sound(0.4)) == {}
    assert set(predict([dnsmos[0]], sound(0.6))) == {
        "dnsmos",
        "dnsmos_sig",
        "dnsmos_bak",
        "dnsmos_p808",
    }


def test_a_missing_package_is_a_reason_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naturalness.importlib.util, "find_spec", lambda name: None)
    found, missing = load_predictors()
    assert found == []
    assert [item.metric for item in missing] == ["dnsmos", "distillmos"]
    assert "'speechmos', which is not installed" in missing[0].reason


def test_a_package_that_does_not_load_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> ModuleType:
        raise OSError(f"{name}: a library in it does not load")

    monkeypatch.setattr(naturalness, "_package", lambda name, metric: (None, "1"))
    monkeypatch.setattr(naturalness.importlib, "import_module", broken)
    found, missing = load_predictors(["distillmos"])
    assert found == [] and "does not load" in missing[0].reason


@pytest.mark.weights
def test_the_packaged_predictors_prefer_a_voice_to_noise() -> None:
    pytest.importorskip("torch")
    found, missing = load_predictors()
    if missing:
        pytest.skip("; ".join(item.reason for item in missing))
    assert {type(one) for one in found} == {DnsMos, DistillMos}
    hiss = np.random.default_rng(0).normal(0, 0.05, 48_000).astype(np.float32)
    scores = predict(found, Waveform(hiss, 16_000))
    assert all(1 <= scores[name] <= 5 for name in ("dnsmos_p808", "distillmos"))
    assert scores["distillmos"] < 2.5 and scores["dnsmos"] < 2.0


def test_the_slope_of_the_packaged_predictor_is_that_of_its_score() -> None:
    found, _ = load_predictors(["distillmos"])
    if not found:
        pytest.skip("the package distillmos is not installed")
    (judge,) = found
    assert isinstance(judge, DistillMos)
    rng = np.random.default_rng(3)
    tone = sound(2.0).samples + rng.normal(0, 0.01, 32_000).astype(np.float32)
    score, slope = judge.slope(Waveform(tone, 16_000))
    assert 1 <= score <= 5
    assert slope.shape == tone.shape
    size = float(np.linalg.norm(slope))
    step = (0.02 / size / size) * slope  # promises two hundredths of a point
    up, down = (judge.slope(Waveform(tone + sign * step, 16_000))[0] for sign in (1, -1))
    assert (up - down) / 2 == pytest.approx(0.02, rel=0.25)
