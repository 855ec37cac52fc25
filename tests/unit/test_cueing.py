"""The cues of a script are measured once, and their absence is a decision, not an end."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pytest
from performances import RATE, STEP, sung

from polydub.engines import registry
from polydub.engines.fakes import FakeConverter, register_fakes
from polydub.engines.protocols import Foreseen
from polydub.media.audio import write_waveform
from polydub.model import Line, Phone, Script, Source, Span, Speaker, Turn, Waveform
from polydub.model.cues import CUE_STEP_S, LineCues, PitchTrack
from polydub.pipeline.analysis import Analysis, Picture, Sound
from polydub.pipeline.cueing import (
    cues_of_lines,
    nonverbal_sounds,
    wanted_loudness,
    wanted_melody,
)
from polydub.pipeline.options import DubOptions
from polydub.pipeline.run import Engines, Run
from polydub.project.folder import Project
from polydub.stages.cues import Usual, take_cues


class Listening(FakeConverter):
    """A converter that measures F0: a constant 150 Hz."""

    calls: ClassVar[list[Fraction]] = []

    def pitch_track(self, audio: Waveform) -> PitchTrack:
        self.calls.append(audio.duration)
        return PitchTrack(STEP, np.full(int(float(audio.duration) / STEP) + 1, 150.0))


class Deaf:
    """A converter that measures nothing."""

    capabilities = FakeConverter.capabilities


@pytest.fixture
def film(tmp_path: Path) -> tuple[Run, Analysis]:
    video = tmp_path / "film.mp4"
    video.write_bytes(b"x")
    options = DubOptions(targets=("es",), engines=register_fakes())
    run = Run(Project.for_source(video), options, Engines(options))
    audio, _ = sung(lambda t: 150 + 0 * t, 3.0)
    write_waveform(tmp_path / "speech.wav", audio)
    stem = tmp_path / "speech.wav"
    script = Script(
        "film.mp4",
        "d",
        Fraction(3),
        "en",
        (Speaker("S1", "One", pitch_hz=150.0), Speaker("S2", "Two")),
        (
            Line("L1", "S1", Span.of(0, 1), "one two"),
            Line("L2", "S1", Span.of("1.2", "2.9"), "three four five"),
        ),
        wordless=(Turn(Span.of("2.5", "2.9"), "S2"),),
    )
    source = Source(str(video), "d", "mp4", Fraction(3), None, ())
    sound = Sound(stem, stem, stem, stem, stem, clean=True)
    return run, Analysis(source, sound, Picture((), (), (), "p"), (), script, "key")


def test_cues_are_measured_once(film: tuple[Run, Analysis]) -> None:
    run, analysis = film
    registry.register("convert", "fake", Listening)
    Listening.calls.clear()
    cues = cues_of_lines(run, analysis, analysis.script)
    assert list(cues) == ["L1", "L2"]
    assert cues["L1"].pitch_hz == pytest.approx(150.0)
    assert cues["L2"].voiced_s == pytest.approx(1.3, abs=0.05)  # the rest is talked over
    assert len(Listening.calls) == 2
    again = cues_of_lines(run, analysis, analysis.script)
    assert len(Listening.calls) == 2
    assert np.array_equal(again["L2"].phrases[0].pitch, cues["L2"].phrases[0].pitch)
    assert again["L2"].phrases[0].span == cues["L2"].phrases[0].span


def test_a_converter_without_pitch_is_a_decision(film: tuple[Run, Analysis]) -> None:
    run, analysis = film
    registry.register("convert", "fake", Deaf)
    assert cues_of_lines(run, analysis, analysis.script) == {}
    assert nonverbal_sounds(run, analysis, analysis.script) == ()
    assert [(x.stage, x.kind) for x in run.decisions] == [("cues", "fallback")] * 2


def test_nonverbal_sounds_survive_the_cache(film: tuple[Run, Analysis]) -> None:
    run, analysis = film
    registry.register("convert", "fake", Listening)
    first = nonverbal_sounds(run, analysis, analysis.script)
    assert nonverbal_sounds(run, analysis, analysis.script) == first


def phones(seconds: str) -> tuple[Phone, ...]:
    return (Phone("a", Span.of(0, seconds)),)


def test_the_melody_is_told_before_the_line_is_said(film: tuple[Run, Analysis]) -> None:
    run, analysis = film
    registry.register("convert", "fake", Listening)
    cues = cues_of_lines(run, analysis, analysis.script)["L1"]
    _, track = sung(lambda t: 220 + 40 * np.sin(3 * t), 1.2)
    foreseen = Foreseen(1.2, phones("1.2"), track)
    told = wanted_melody(cues, foreseen, language="es", text="uno dos")
    assert told is not None and len(told.pitch) == 121
    usual = np.median(track.hz)
    assert np.nanmedian(told.pitch) == pytest.approx(usual, rel=0.05)  # its own voice
    assert np.nanstd(told.pitch) < 0.5 * np.std(track.hz)  # as even as the original
    mute = Foreseen(1.2, phones("1.2"), PitchTrack(STEP, np.zeros(241)))
    assert wanted_melody(cues, mute, language="es", text="uno dos") is None


def test_a_foreseen_comma_is_a_pause_of_the_original() -> None:
    """High before its pause and low after: so is the take, whose pause is short and earlier."""
    voice, track = sung(lambda t: np.where(t < 1.75, 180.0, 120.0), 3.0, silences=((1.6, 1.9),))
    cues = take_cues("L1", voice, track, Usual())
    assert len(cues.phrases) == 2
    _, even = sung(lambda t: 150 + 5 * np.sin(9 * t), 3.0)
    spans = ((0.0, 1.2), (1.2, 1.35), (1.35, 3.0))
    said = tuple(Phone(symbol, Span.of(*span)) for symbol, span in zip("a a", spans, strict=True))
    told = wanted_melody(cues, Foreseen(3.0, said, even), language="es", text="uno, dos")
    assert told is not None
    assert np.nanmin(told.pitch[20:110]) > 1.2 * np.nanmax(told.pitch[150:280])


def test_less_melody_in_a_tone_language_is_a_slower_one() -> None:
    """Of a ripple on a slow wave the wave is left, then some of the wave, then nothing."""

    def hz(t: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(200 + 30 * np.sin(2.2 * t) + 20 * np.sin(15 * t))

    cues = take_cues("L1", *sung(hz, 3.0), Usual())
    _, even = sung(lambda t: 200 + 0 * t, 3.0)
    foreseen = Foreseen(3.0, phones("3.0"), even)
    times = CUE_STEP_S * np.arange(301)
    left = {}
    for share in (1.0, 0.8, 0.5, 0.0):
        told = wanted_melody(cues, foreseen, language="zh", text="一二", share=share)
        assert told is not None
        waves = np.stack([np.ones(301), np.sin(2.2 * times), np.sin(15 * times)], 1)
        left[share] = np.linalg.lstsq(waves[30:270], told.pitch[30:270], rcond=None)[0][1:]
    slow, fast = ([left[share][n] for share in left] for n in (0, 1))
    assert slow[0] == pytest.approx(slow[1], rel=0.05) and slow[0] > 1.2 * slow[2] > 0
    assert fast[0] > 1.3 * fast[1] > 0
    assert slow[3] == pytest.approx(0.0, abs=0.5) == fast[3]


def test_loudness_follows_the_original_and_leaves_pitch(film: tuple[Run, Analysis]) -> None:
    run, analysis = film
    registry.register("convert", "fake", Listening)
    cues = cues_of_lines(run, analysis, analysis.script)["L1"]
    take, _ = sung(lambda t: 220 + 0 * t, 1.2, level=lambda t: 12 * (t > 0.6), rate=24_000)
    told = wanted_loudness(cues, take, phones("1.2"), language="es", text="uno dos")
    assert told is not None and not np.isfinite(told.pitch).any()
    assert told.gain[20:50].mean() > 1.0 > -1.0 > told.gain[70:100].mean()
    silent = Waveform(np.zeros(RATE, np.float32), RATE)
    assert wanted_loudness(LineCues("L", ()), silent, (), language="es", text="") is None
