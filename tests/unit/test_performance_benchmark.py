"""The performance benchmark's own arithmetic: whose speech is whose, stretching, tables, JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from polydub.model import Span, Transcript, Turn, Waveform, Word

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
NAMES = ("table", "dubs", "naive", "lines")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield {name: import_module(f"performance_{name}") for name in NAMES}
    for name in set(sys.modules) - before:
        if name.startswith("performance"):
            del sys.modules[name]


def spans(*pairs: tuple[float, float]) -> tuple[Span, ...]:
    return tuple(Span.of(start, end) for start, end in pairs)


def test_a_late_line_counts_as_late(bench: dict[str, ModuleType]) -> None:
    """The tool put the line 0.4 s late: its source speech is still that of the true turn."""
    turn = Turn(Span.of(1, 4), "anna")
    found = bench["lines"].source_speech("L1", {"L1": Span.of("1.4", 4)}, turn, spans((1.1, 5)))
    assert found == spans((1.1, 4))  # from the first sound, not beyond the turn


def test_lines_of_one_turn_share_its_speech_half_way(bench: dict[str, ModuleType]) -> None:
    turn = Turn(Span.of(0, 6), "anna")
    lines = {"L1": Span.of(0, 2), "L2": Span.of(3, 6), "L3": Span.of(6, 8)}
    speech = spans((0.1, 2.2), (2.8, 7))
    source = bench["lines"].source_speech
    assert source("L1", lines, turn, speech) == spans((0.1, 2.2))
    assert source("L2", lines, turn, speech) == spans((2.8, 6))


def test_a_line_without_a_turn_keeps_its_own_span(bench: dict[str, ModuleType]) -> None:
    found = bench["lines"].source_speech("L1", {"L1": Span.of(2, 3)}, None, spans((0, 10)))
    assert found == spans((2, 3))


def test_the_turn_of_a_line_holds_half_of_it(bench: dict[str, ModuleType]) -> None:
    turns = [Turn(Span.of(0, 2), "anna"), Turn(Span.of(2, 4), "ben")]
    own = bench["lines"].own_turn
    assert own(Span.of("1.5", 4), turns).voice == "ben"
    assert own(Span.of("3.5", 6), turns) is None


def test_a_take_is_heard_several_times(bench: dict[str, ModuleType]) -> None:
    """With other silence around it and at another level: no two hearings are of the same sound."""
    lines = bench["lines"]
    given: list[Waveform] = []

    class Recogniser:
        def recognize(self, sound: Waveform, *, language: str) -> Transcript:
            given.append(sound)
            words = ("one", "two", "three")[: len(given)]
            said = [Word(word, Span.of(i, i + 1)) for i, word in enumerate(words)]
            return Transcript(language, 1.0, tuple(said))

    ears = lines.Ears.__new__(lines.Ears)
    ears._recognizer = Recogniser()
    take = Waveform(np.full(16_000, 0.5, np.float32), 16_000)
    heard = ears.texts(take, "en")
    assert heard[:3] == ["one", "one two", "one two three"]
    assert len(heard) == len(given) == len(lines.HEARINGS)
    for sound, (before, after, gain) in zip(given, lines.HEARINGS, strict=True):
        assert len(sound.samples) == 16_000 + round(16_000 * before) + round(16_000 * after)
        spoken = np.flatnonzero(sound.samples)
        assert spoken[0] == round(16_000 * before) and len(spoken) == 16_000
        assert sound.samples[spoken] == pytest.approx(0.5 * gain)
    assert len({(len(x.samples), float(x.samples.max())) for x in given}) == len(given)


def test_the_mean_is_of_what_is_known(bench: dict[str, ModuleType]) -> None:
    assert bench["lines"].mean_of([0.25, None, 0.75]) == 0.5
    assert bench["lines"].mean_of([None, None]) is None


@pytest.mark.parametrize("factor", [0.3, 0.7, 1.0, 1.9, 3.5])
def test_stretching_keeps_pitch_and_fits_exactly(
    bench: dict[str, ModuleType], factor: float
) -> None:
    rate = 24_000
    tone = np.sin(2 * np.pi * 200 * np.arange(2 * rate) / rate).astype(np.float32)
    length = Fraction(round(2000 / factor), 1000)
    made = bench["naive"].stretched(Waveform(0.3 * tone, rate), length)
    assert made.duration == length
    middle = made.samples[len(made.samples) // 4 : 3 * len(made.samples) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    peak = float(np.fft.rfftfreq(len(middle), 1 / rate)[spectrum.argmax()])
    assert peak == pytest.approx(200, abs=6)
    assert float(np.sqrt((middle**2).mean())) == pytest.approx(0.212, rel=0.2)


def film(name: str, system: str, *values: dict[str, float], **more: Any) -> dict[str, Any]:
    lines = [
        {"start": 0.0, "dub": [[i, i + 0.5]], "values": value} for i, value in enumerate(values)
    ]
    known = {"film": name, "pair": "en-es", "system": system, "lines": lines, "rtf": {}}
    source = [[i, i + 1.0] for i in range(len(values))]
    return {**known, "source_lines": len(lines), "source_speech": source, **more}


def test_films_are_laid_end_to_end(bench: dict[str, ModuleType]) -> None:
    films = [film("a", "now", {"overlap": 0.5}, {"overlap": 0.3}), film("b", "now", {})]
    assert bench["table"]._overlap(films) == (0.5, 0.3)  # half of every second, in both films


def test_the_table_shows_what_was_measured(
    bench: dict[str, ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    one = film("a", "naive", {"error": 0.5, "speed": 2.0, "onset_ms": -30.0}, true_peak_db=-1.5)
    two = film("a", "now", {"error": 0.1, "speed": 1.0, "onset_ms": 80.0}, rtf={"speak": 1.25})
    bench["table"].show([one, two])
    out = capsys.readouterr().out
    assert "| figure | target | naive | worst | now | worst |" in out
    assert "| round-trip error | <= 5 % | 50.0% | 50.0% | 10.0% | 10.0% |" in out
    assert "| lines over 1.2x | <= 3 % | 100% | 2.00 | 0% | 1.00 |" in out
    assert "| onset bias, + late (ms) |  | -30 | - | +80 | - |" in out
    assert "| true peak (dBTP, highest) | <= -1 | -1.5 | -1.5 | - | - |" in out
    assert "| speak | 1.25 |" in out
    assert "DistillMOS" not in out  # nowhere measured


def test_cached_stages_keep_their_last_time(bench: dict[str, ModuleType], tmp_path: Path) -> None:
    report = tmp_path / "project" / "es" / "report.json"
    report.parent.mkdir(parents=True)

    def write(seconds: float, cached: int) -> dict[str, Any]:
        stage = {"stage": "cast", "seconds": seconds, "units": 2, "cached": cached}
        report.write_text(json.dumps({"timings": [stage]}))
        bench["dubs"].keep_record(tmp_path, "es", ["version"])
        made: dict[str, Any] = json.loads((tmp_path / "es.json").read_text())
        return made

    assert write(40.0, 0)["timings"] == {"cast": 40.0}
    assert write(0.1, 2)["timings"] == {"cast": 40.0}
    assert write(20.0, 1)["timings"] == {"cast": 20.0}


def test_the_fingerprint_follows_the_source(bench: dict[str, ModuleType], tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1")
    first = bench["dubs"].source_digest(tmp_path)
    (tmp_path / "notes.txt").write_text("no code")
    assert bench["dubs"].source_digest(tmp_path) == first
    (tmp_path / "a.py").write_text("x = 2")
    assert bench["dubs"].source_digest(tmp_path) != first


def glide(low: float, high: float, seconds: float = 1.5) -> Waveform:
    """A buzz that glides from one pitch to another: a sawtooth of 20 harmonics."""
    rate = 16_000
    phase = 2 * np.pi * np.cumsum(np.geomspace(low, high, round(seconds * rate))) / rate
    buzz = sum(np.sin(k * phase) / k for k in range(1, 21))
    return Waveform((0.1 * buzz).astype(np.float32), rate)


def test_prosody_of_a_glide(bench: dict[str, ModuleType]) -> None:
    """The same rise an octave higher is the same shape; a fall is its opposite."""
    pytest.importorskip("pyworld")
    prosody = import_module("polydub.pipeline.evaluating_voice").prosody
    rise = glide(110, 165)
    assert prosody(rise, glide(220, 330), ("en", "es"))["contour"] > 0.95
    assert prosody(rise, glide(165, 110), ("en", "es"))["contour"] < -0.95
    assert prosody(rise, Waveform(np.zeros(16_000, np.float32), 16_000), ("en", "es")) == {}


def test_json_keeps_figures_and_no_texts(bench: dict[str, ModuleType]) -> None:
    whole = film("a", "now", {"error": 1 / 3})
    whole["lines"][0] |= {"text": "secret", "heard": "secret"}
    result = {"schema": "polydub.performance/1", "problems": [], "films": [whole]}
    performance = import_module("performance")
    kept = json.loads(performance._json(result, texts=False))
    assert kept["schema"] == "polydub.performance/1"
    assert kept["films"][0]["lines"][0]["values"] == {"error": 0.33333}
    assert "secret" not in performance._json(result, texts=False)
    assert "secret" in performance._json(result, texts=True)


def test_takes_that_are_talked_over_are_found_alone(
    bench: dict[str, ModuleType], tmp_path: Path
) -> None:
    from polydub.media.audio import write_waveform

    dubs, rng = bench["dubs"], np.random.default_rng(5)
    first, second, stray = (rng.normal(0, 0.1, 48_000).astype(np.float32) for _ in range(3))
    voices = np.zeros(4 * 48_000, np.float32)
    voices[:48_000] += 0.5 * first
    voices[24_000:72_000] += 2 * second
    voices[120_000:168_000] += stray
    for name, take in (("a", first), ("b", second), ("c", stray)):
        (tmp_path / name).mkdir()
        write_waveform(tmp_path / name / "take.wav", Waveform(take, 48_000))
    places = {"L1": Span.of(0, 1), "L2": Span.of("0.5", "1.5"), "L3": Span.of("2.5", "3.5")}
    lines = [dubs.DubbedLine(k, "S1", span, span, "", 1.0) for k, span in places.items()]
    found = dubs._alone(lines, Waveform(voices, 48_000), tmp_path)
    assert set(found) == {"L1", "L2"}  # nobody talks over L3
    for line, made in (("L1", 0.5 * first), ("L2", 2 * second)):  # at the level of the mix
        assert float(np.abs(found[line].samples - made).mean()) < 0.01 * float(np.abs(made).max())
