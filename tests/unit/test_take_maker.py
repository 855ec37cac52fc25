"""A line whose pauses make it too long gives up pauses before it gives up its pace."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from polydub.engines.fakes import register_fakes
from polydub.model import Line, Span, Translation, VoiceChoice, Word
from polydub.pipeline.casting import Profiles
from polydub.pipeline.options import DubOptions
from polydub.pipeline.run import Engines, Run
from polydub.pipeline.takes import TakeMaker, is_neutral
from polydub.project.folder import Project
from polydub.stages.fit import FitOptions, find_slots

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
    speech, _, _ = maker.speech(LINE, 1.0)
    (slot,) = find_slots([LINE], Fraction(10))
    assert maker.tighten(LINE, slot, speech.audio.duration, FitOptions()) == speech.audio.duration
    assert [phrase.pause for phrase in maker.phrases(LINE)] == [0, 2]


def test_a_pause_shrinks_just_as_far_as_needed(maker: TakeMaker) -> None:
    short = replace(LINE, span=Span.of(0, "1.2"))
    natural = maker.speech(short, 1.0)[0].audio.duration
    (slot,) = find_slots([short], Fraction("1.2"))
    length = maker.tighten(short, slot, natural, FitOptions())
    assert length < natural
    assert float(length) == pytest.approx(1.2 * 1.2, abs=0.03)
    assert 0 < maker.phrases(short)[1].pause < 2


def test_neutral_voices_are_told_from_tuned_ones() -> None:
    assert is_neutral(VoiceChoice("fake", "low"))
    assert not is_neutral(VoiceChoice("fake", "low", pitch=1.1))
