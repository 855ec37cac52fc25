"""Changed copies of films: their length, size and sound, and that their truth still fits them."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from polydub.evaluate.truth import read_truths
from polydub.media.probe import probe
from tests.media_samples import Clip, burst_start, make
from tests.unit.test_attribution_benchmark import load

perturbed = load("perturbed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make(tmp_path, Clip(n_frames=50))
    turns = [
        {"start": 0.0, "end": 0.5, "speaker": "A"},
        {"start": 0.8, "end": 1.9, "speaker": "B"},
    ]
    (tmp_path / "plain.json").write_text(json.dumps({"language": "en", "turns": turns}))
    return tmp_path


def test_four_copies_with_their_truths(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    monkeypatch.setattr(sys, "argv", ["perturbed.py", str(folder), str(out)])
    perturbed.main()
    copies = {truth.group: truth for truth in read_truths(out)}
    assert sorted(copies) == ["fast", "noise", "slow", "small"]
    films = {name: probe(truth.film) for name, truth in copies.items()}
    seconds = {name: float(film.duration) for name, film in films.items()}
    assert seconds["fast"] == pytest.approx(2 / 1.06, abs=0.06)
    assert seconds["slow"] == pytest.approx(2 / 0.94, abs=0.06)
    assert seconds["small"] == pytest.approx(1.4, abs=0.06)
    assert films["small"].video is not None and films["noise"].video is not None
    assert (films["small"].video.width, films["small"].video.height) == (80, 48)
    assert (films["noise"].video.width, films["noise"].video.height) == (160, 96)
    turns = {name: [turn.voice for turn in truth.turns] for name, truth in copies.items()}
    assert turns == {"fast": ["A", "B"], "noise": ["A", "B"], "slow": ["A", "B"], "small": ["B"]}
    for name, truth in copies.items():
        assert max(float(turn.span.end) for turn in truth.turns) <= seconds[name]


def test_the_sound_is_changed_as_told(folder: Path) -> None:
    sound = perturbed.sound_of(probe(folder / "plain.mp4"))
    assert sound.shape[0] == 2
    begin = burst_start(sound.T, perturbed.RATE)
    fast = perturbed.changed_sound(sound, perturbed.Change("fast", speed=2.0))
    assert burst_start(fast.T, perturbed.RATE) == pytest.approx(begin / 2, abs=0.01)
    cut = perturbed.changed_sound(sound, perturbed.Change("cut", cut=0.2))
    assert burst_start(cut.T, perturbed.RATE) == pytest.approx(begin - 0.2, abs=0.01)
    noisy = perturbed.changed_sound(sound, perturbed.Change("noise", noise=18.0))
    ratio = np.mean(sound.astype(float) ** 2) / np.mean((noisy - sound).astype(float) ** 2)
    assert 10 * np.log10(ratio) == pytest.approx(18, abs=0.1)


def test_audible_speech_stays_audible_speech(folder: Path) -> None:
    (truth,) = read_truths(folder)
    heard = perturbed.changed_truth(replace(truth, pauses=False), perturbed.CHANGES[0])
    assert [turn["speech"] for turn in heard["turns"]] == [
        [[turn["start"], turn["end"]]] for turn in heard["turns"]
    ]
    assert all(
        "speech" not in turn
        for turn in perturbed.changed_truth(truth, perturbed.CHANGES[0])["turns"]
    )
