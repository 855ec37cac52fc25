"""A synthesiser that clones gets the speakers' own speech: who, in which words, how long."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from polydub import api
from polydub.engines import registry
from polydub.engines.fakes import FakeSynthesizer, register_fakes
from polydub.engines.protocols import Capabilities, Pace, Speech, SpeechRequest, Style
from polydub.model import CLONE, Phone, Samples, Span, Waveform, Word
from polydub.pipeline.cloning import said_in, short_parts
from tests.films import VOICES, write_film


def pitch_of(samples: Samples, rate: int) -> float:
    return float(np.abs(np.fft.rfft(samples)).argmax() * rate / len(samples))


class Parrot(FakeSynthesizer):
    """Says a tone of the reference's pitch, 60 ms per letter, and remembers what it was asked."""

    capabilities = Capabilities(
        kind="speak",
        name="parrot",
        version="1",
        summary="",
        code_licence="Apache-2.0",
        weights_licence="CC-BY-NC-4.0",
        rate=24000,
        clones=True,
        acts=True,
    )
    asked: ClassVar[list[SpeechRequest]] = []

    def speak(self, request: SpeechRequest) -> Speech:
        self.asked.append(request)
        assert request.style == CLONE and request.voice is not None
        piece = request.voice.pieces[0].audio
        hertz = pitch_of(piece.samples, piece.rate)
        length = 0.06 * len(request.text)
        if self.capabilities.pace == "speed":
            length /= request.speed
        if request.seconds is not None:
            length = request.seconds
        count = round(24000 * length)
        tone = 0.3 * np.sin(2 * np.pi * hertz * np.arange(count) / 24000)
        phones = (Phone("a", Span(Fraction(0), Fraction(count, 24000))),)
        return Speech(Waveform(tone.astype(np.float32), 24000), phones)

    def styles(self, language: str) -> tuple[Style, ...]:
        return (Style(CLONE, language, "female"),)


def parrot(pace: Pace) -> type[Parrot]:
    class Paced(Parrot):
        capabilities = replace(Parrot.capabilities, name=f"parrot-{pace}", pace=pace)
        asked: ClassVar[list[SpeechRequest]] = []

    registry.register("speak", f"parrot-{pace}", Paced)
    return Paced


def options(pace: Pace) -> api.DubOptions:
    engines = {**register_fakes(), "speak": f"parrot-{pace}"}
    return api.DubOptions(targets=("es",), engines=engines, lips=False)


@pytest.mark.slow
@pytest.mark.parametrize("pace", ["speed", "seconds", "none"])
def test_everybody_speaks_in_his_own_voice(tmp_path: Path, pace: Pace) -> None:
    engine = parrot(pace)
    film = write_film(tmp_path / "talk.mp4")
    result = api.dub(film, options(pace))
    (output,) = result.outputs
    report = json.loads(output.report_json.read_text())
    choices = {one["id"]: one["voices"]["es"] for one in report["cast"]}
    assert {choice["style"] for choice in choices.values()} == {CLONE}
    assert all(choice["similarity"] > 0.9 for choice in choices.values())
    assert output.lines == 3
    heard = {
        round(pitch_of(r.voice.pieces[0].audio.samples, 24000)) for r in engine.asked if r.voice
    }
    assert {min(VOICES.values(), key=lambda hz: abs(hz - one)) for one in heard} == {150.0, 420.0}
    assert all(abs(min(VOICES.values(), key=lambda hz: abs(hz - x)) - x) < 8 for x in heard)
    for request in engine.asked:
        assert request.voice is not None and request.voice.language == "en"
        assert request.voice.pieces[0].text.startswith("word")
        assert request.voice.pieces[0].audio.rate == 24000
    told = [request.manner for request in engine.asked if request.manner is not None]
    assert told and all(1.0 < float(manner.duration) < 3.0 for manner in told)
    page = output.report.read_text()
    assert "cloned from the film" in page and "matched, not cloned" not in page


@pytest.mark.parametrize("pace", ["speed", "seconds", "none"])
def test_lines_fit_whatever_the_engine_goes_by(tmp_path: Path, pace: Pace) -> None:
    engine = parrot(pace)
    result = api.dub(write_film(tmp_path / "talk.mp4"), options(pace))
    report = json.loads(result.outputs[0].report_json.read_text())
    for entry in report["lines"]:
        assert entry["placement"] is not None
        assert 0.7 < entry["scores"]["overlap"] <= 1.0
    asked_seconds = [request.seconds for request in engine.asked if request.seconds is not None]
    assert bool(asked_seconds) == (pace == "seconds")


def test_an_engine_without_a_rate_says_a_line_once_for_each_take(tmp_path: Path) -> None:
    engine = parrot("none")
    api.dub(write_film(tmp_path / "talk.mp4"), options("none"))
    lines = [request for request in engine.asked if request.manner is not None]
    ways = [(request.text, request.speed) for request in lines]
    assert len(ways) == len(set(ways))
    assert {request.text for request in lines if request.speed == 1.0} == {text for text, _ in ways}


def test_the_licence_of_the_voice_is_told(tmp_path: Path) -> None:
    parrot("speed")
    result = api.dub(write_film(tmp_path / "talk.mp4"), options("speed"))
    report = json.loads(result.outputs[0].report_json.read_text())
    reasons = [one["reason"] for one in report["decisions"] if one["kind"] == "warning"]
    assert any("CC-BY-NC-4.0" in reason and "parrot-speed" in reason for reason in reasons)


def test_a_speaker_without_speech_is_left_as_he_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parrot("speed")
    monkeypatch.setattr("polydub.pipeline.profiles.voice_references", lambda *_: {})
    result = api.dub(write_film(tmp_path / "talk.mp4"), options("speed"))
    report = json.loads(result.outputs[0].report_json.read_text())
    passed = {d["unit"]: d["reason"] for d in report["decisions"] if d["kind"] == "pass-through"}
    assert "no speech to clone" in passed["S1"]
    assert len([unit for unit in passed if unit.startswith("L")]) == 3


def test_references_are_short_and_hold_their_words() -> None:
    words = [Word(f"w{n}", Span.of(n, n + Fraction(1, 2))) for n in range(20)]
    parts = short_parts(Span.of(0, 20), words)
    assert parts[0].start == 0 and parts[-1].end == 20
    assert all(part.duration <= 8 for part in parts)
    assert all(a.end == b.start for a, b in itertools.pairwise(parts))
    said = [said_in(part, words) for part in parts]
    assert " ".join(said).split() == [word.text for word in words]
    assert short_parts(Span.of(0, 20), []) == [Span.of(0, 8), Span.of(8, 16), Span.of(16, 20)]
