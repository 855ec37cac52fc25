"""The benchmark's own arithmetic: truths read right, differences with their doubt."""

from __future__ import annotations

import importlib.util
import json
import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import pytest

from polydub.evaluate.truth import read_truths
from polydub.model import Span, Turn

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"bench_{name}", BENCHMARKS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_annotated_clips(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    turns = [
        {"start": 0.0, "end": 1.5, "speaker": "1", "text": "你好。"},
        {"start": 1.5, "end": 2, "speaker": "2", "text": "再见。"},
    ]
    rows = [{"clip": "zh_talk_1", "turns": turns}, {"clip": "gone", "turns": []}]
    (clips / "annotations.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (clips / "zh_talk_1.mp4").touch()
    (truth,) = read_truths(clips)
    assert (truth.name, truth.group, truth.language) == ("zh_talk_1", "clips", "zh")
    assert truth.turns[0] == Turn(Span.of(0, "1.5"), "1")
    assert truth.said == {"1": ("你", "好"), "2": ("再", "见")}
    assert truth.faces is None
    assert truth.pauses


def test_simulated_films(tmp_path: Path) -> None:
    turn = {"start": 1, "end": 4, "speaker": "S1", "text": "Well, yes.", "speech": [[1, 2], [3, 4]]}
    faces = [{"speaker": "S1", "box": [1, 2, 30, 40]}]
    shots = [{"start": 0, "end": 2, "faces": faces}, {"start": 2, "end": 5, "faces": []}]
    data = {"language": "en", "turns": [turn], "shots": shots}
    (tmp_path / "hard-03.json").write_text(json.dumps(data))
    (tmp_path / "hard-03.mp4").touch()
    (truth,) = read_truths(tmp_path)
    assert truth.group == "hard"
    assert [t.span for t in truth.turns] == [Span.of(1, 2), Span.of(3, 4)]
    assert truth.said == {"S1": ("well", "yes")}
    assert not truth.pauses
    assert truth.faces is not None
    assert truth.faces(Fraction(1)) == {"S1": (1, 2, 30, 40)}
    assert truth.faces(Fraction(2)) == {}


def test_differences_are_paired_by_film() -> None:
    table = load("attribution_table")
    rows = [
        table.Row(film, "g", system, values={"der": value})
        for film, system, value in (
            ("a", "x", 1.0),
            ("a", "y", 4.0),
            ("b", "x", 2.0),
            ("b", "y", 5.0),
            ("c", "x", 9.0),
        )
    ]
    ours, theirs = table.paired(rows, "x", "y", "der")
    assert (ours, theirs) == ([1.0, 2.0], [4.0, 5.0])
    assert table.interval(ours, theirs) == (-3.0, -3.0, -3.0)
    assert table.interval_text([], []) == "-"


def test_the_interval_holds_the_mean_and_grows_with_the_spread() -> None:
    table = load("attribution_table")
    mean, low, high = table.interval([0, 10, 0, 10, 0, 10], [0] * 6)
    assert mean == 5
    assert low < 5 < high
    assert high - low == pytest.approx(8, abs=2.5)


def test_the_tables_print(capsys: pytest.CaptureFixture[str]) -> None:
    table = load("attribution_table")
    rows = [
        table.Row("a", "g", "x", (2, 2), {"der": 1.0, "conf": 0.5}, [(0.9, True)]),
        table.Row("a", "g", "y", (1, 2), {"der": 4.0, "conf": 2.0}),
        table.Row("b", "g", "x", problem="no sound"),
    ]
    table.show(rows)
    shown = capsys.readouterr().out
    assert "| a | x | 1.0 |" in shown
    assert "no sound" in shown
    assert "| g | y | -3.0 [-3.0, -3.0] | -1.5 [-1.5, -1.5] | - | 0.25 | 0.25 |" in shown
