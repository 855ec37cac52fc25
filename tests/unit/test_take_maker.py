"""A line whose pauses make it too long gives up pauses before it gives up its pace."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import pytest

from polydub.engines import registry
from polydub.engines.fakes import FakeSynthesizer, register_fakes
from polydub.engines.protocols import Speech, SpeechRequest
from polydub.model import Line, Span, Translation, VoiceChoice, Word
from polydub.pipeline.casting import Profiles
from polydub.pipeline.options import DubOptions
from polydub.pipeline.run import Engines, Run
from polydub.pipeline.takes import TakeMaker, is_neutral
from polydub.project.folder import Project
from polydub.stages.fit import Fit, FitOptions, find_slots, fit_lines

LINE = Line(
    "L1",
    "S1",
    Span.of(0, 4),
    "one, two.",
    words=(Word("one,", Span.of(0, 1)), Word("two.", Span.of(3, 4))),
    translations={"es": Translation("uno, dos.")},
)


@pytest.fixture
def maker(tmp_path: Path) -> TakeMaker:
    video = tmp_path / "film.mp4"
    video.write_bytes(b"x")
    options = DubOptions(targets=("es",), engines=register_fakes())
    run = Run(Project.for_source(video), options, Engines(options))
    return TakeMaker(run, "es", {"S1": VoiceChoice("fake", "low")}, Profiles({}, {}, "k"))


def test_a_pause_that_fits_stays(maker: TakeMaker) -> None:
    assert [phrase.pause for phrase in maker.phrases(LINE)] == [0, 2]
    natural, _ = maker.natural(LINE)
    assert natural == maker.speech(LINE, 1.0)[0].audio.duration
    (slot,) = find_slots([LINE], Fraction(10))
    assert maker.tighten(LINE, slot, natural, FitOptions()) == natural
    assert [phrase.pause for phrase in maker.phrases(LINE)] == [0, 2]


def test_a_pause_shrinks_just_as_far_as_needed(maker: TakeMaker) -> None:
    short = replace(LINE, span=Span.of(0, "1.2"))
    natural, _ = maker.natural(short)
    (slot,) = find_slots([short], Fraction("1.2"))
    length = maker.tighten(short, slot, natural, FitOptions())
    assert length < natural
    assert float(length) == pytest.approx(1.2 * 1.2, abs=0.03)
    assert 0 < maker.phrases(short)[1].pause < 2


def test_neutral_voices_are_told_from_tuned_ones() -> None:
    assert is_neutral(VoiceChoice("fake", "low"))
    assert not is_neutral(VoiceChoice("fake", "low", pitch=1.1))


class Foreteller(FakeSynthesizer):
    """Foretells ``believed`` seconds for every text, and remembers what it was asked to say."""

    said: ClassVar[list[SpeechRequest]] = []
    believed: ClassVar[float] = 0.6

    def seconds(self, request: SpeechRequest) -> float:
        return self.believed

    def speak(self, request: SpeechRequest) -> Speech:
        self.said.append(request)
        return super().speak(request)


@pytest.fixture
def foretold(maker: TakeMaker, monkeypatch: pytest.MonkeyPatch) -> TakeMaker:
    registry.register("speak", "fake", Foreteller)
    monkeypatch.setattr(Foreteller, "said", [])
    return maker


def fit_of(line: Line, natural: Fraction) -> Fit:
    return fit_lines([line], {line.id: natural}, line.span.end)[line.id]


def test_a_length_that_is_foretold_needs_no_speech(foretold: TakeMaker) -> None:
    natural, cached = foretold.natural(LINE)
    assert natural == Fraction(12, 10) + 2  # two phrases and their pause
    assert not cached and foretold.natural(LINE) == (natural, True)
    assert Foreteller.said == []


def test_speech_sped_up_on_a_wrong_forecast_is_said_again(
    foretold: TakeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Foreteller, "believed", 0.6)  # "uno" and "dos." take 0.24 s and 0.24 s
    short = replace(LINE, span=Span.of(0, 1), words=())
    natural = foretold.natural(short)[0] * 2
    speech, _, speed = foretold.fitted(short, fit_of(short, natural), natural)
    assert [request.speed for request in Foreteller.said] == [1.2, 1.0]
    assert speed == 1.0
    assert speech.audio.duration <= 1
