"""What is measured on a take, once."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from polydub.engines.fakes import register_fakes
from polydub.model import Line, Placement, Span, Take, Translation, VoiceChoice, Waveform
from polydub.pipeline import listening, scoring
from polydub.pipeline.listening import Heard
from polydub.pipeline.options import DubOptions
from polydub.pipeline.profiles import Profiles
from polydub.pipeline.run import Engines, Run
from polydub.pipeline.takes import TakeMaker
from polydub.project.folder import Project
from polydub.stages.fit import Fit

LINE = Line(
    "L1", "S1", Span.of(0, 2), "one.", translations={"es": Translation("uno dos tres cuatro cinco")}
)


class Judge:
    """Predicts from the peak of the sound, and counts how often it was asked."""

    name, version = "judge", "1"

    def __init__(self) -> None:
        self.asked = 0

    def score(self, audio: Waveform) -> dict[str, float]:
        assert audio.rate == 16_000
        assert audio.channels == 1
        self.asked += 1
        return {"judge": 3.25 + self.asked}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    video = tmp_path / "film.mp4"
    video.write_bytes(b"x")
    options = DubOptions(targets=("es",), engines=register_fakes())
    return Run(Project.for_source(video), options, Engines(options))


def scores_of(run: Run, seconds: float) -> dict[str, float]:
    tone = np.sin(np.arange(round(24_000 * seconds)) / 20).astype(np.float32)
    take = Take("L1", Waveform(tone, 24_000), (), VoiceChoice("fake", "low"), speed=1.0)
    placed = Placement("L1", Span.of(0, Fraction(seconds)), 1.0)
    made = (take, placed, f"sound of {seconds} s", None)
    return scoring.take_scores(run, LINE, made, Profiles({}, {}, "k"), "es")[0]


def test_naturalness_is_predicted_once_for_the_same_sound(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = Judge()
    monkeypatch.setattr(listening, "predictor", lambda: judge)
    assert scores_of(run, 1.0)["mos"] == 4.25
    assert scores_of(run, 1.0)["mos"] == 4.25
    assert scores_of(run, 1.5)["mos"] == 5.25
    assert judge.asked == 2


def test_without_a_predictor_or_with_too_little_sound_there_is_no_figure(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "mos" not in scores_of(run, 1.0)
    monkeypatch.setattr(listening, "predictor", Judge)
    assert "mos" not in scores_of(run, 0.25)


def test_a_rough_line_is_said_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Second(Judge):
        def score(self, audio: Waveform) -> dict[str, float]:
            self.asked += 1
            return {"judge": 3.0 if self.asked == 1 else 4.0}

    judge = Second()
    monkeypatch.setattr(listening, "predictor", lambda: judge)
    monkeypatch.setattr(Heard, "error", lambda *_: 0.0)
    maker = TakeMaker(run, "es", {"S1": VoiceChoice("fake", "low")}, Profiles({}, {}, "k"))
    natural = maker.length(LINE)[0].seconds
    spoken = maker.take(LINE, Fit("L1", 1.0, Fraction(0), Fraction(2)), natural)
    assert [scores["mos"] for scores in spoken.takes] == [3.0, 4.0]
