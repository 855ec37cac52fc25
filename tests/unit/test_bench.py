from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polydub.bench import history
from polydub.bench.layouts import corpus_cases
from polydub.bench.running import BenchOptions, BenchRun, run_suite
from polydub.bench.suites import folder_cases
from polydub.engines.fakes import register_fakes
from polydub.errors import InputError, ProjectError
from polydub.evaluate.compare import LEAST, compare, difference, interval
from polydub.evaluate.metrics import METRICS
from polydub.interfaces.cli.main import main
from tests.films import write_film


def film(name: str, values: list[dict[str, float]], shift: float = 0.0, **whole: float) -> dict:
    lines = [
        {
            "id": f"L{n}",
            "start": 3 * n + shift,
            "end": 3 * n + 2 + shift,
            "speaker": "S1",
            "values": v,
        }
        for n, v in enumerate(values)
    ]
    return {"film": name, "pair": "en-es", "seconds": 60.0, "values": whole, "lines": lines}


def noisy(seed: int, mean: float, n: int = 40) -> list[dict[str, float]]:
    rng = np.random.default_rng(seed)
    return [{"wer": float(x)} for x in np.clip(rng.normal(mean, 0.1, n), 0, None)]


def verdicts(a: list[dict[str, float]], b: list[dict[str, float]], **more: Any) -> dict[str, str]:
    found = compare([film("a", a)], [film("a", b, **more)])
    return {x.metric.name: x.verdict for x in found}


def test_the_interval_of_a_mean_is_that_of_theory() -> None:
    """Normal values, known spread: mean +- 1.96 s / sqrt(n)."""
    rng = np.random.default_rng(3)
    values = rng.normal(2.0, 1.0, 400)
    low, high = interval(values)
    half = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.015)
    assert high == pytest.approx(values.mean() + half, abs=0.015)
    assert (low, high) == interval(values)


def test_noise_is_called_noise_and_a_change_is_not() -> None:
    first = noisy(1, 0.3)
    assert verdicts(first, first) == {"wer": "same"}
    assert verdicts(first, noisy(2, 0.3)) == {"wer": "noise"}
    assert verdicts(first, noisy(2, 0.1)) == {"wer": "better"}
    assert verdicts(first, noisy(2, 0.5)) == {"wer": "worse"}
    assert verdicts(first[: LEAST - 1], noisy(2, 0.9)) == {"wer": "too few"}
    three = [{"wer": x["wer"] - 0.1} if n < 3 else x for n, x in enumerate(first)]
    assert verdicts(first, three) == {"wer": "too few"}


def test_five_lines_in_a_hundred_differ_by_chance_about_as_often_as_promised() -> None:
    called = [verdicts(noisy(n, 0.5), noisy(1000 + n, 0.5))["wer"] for n in range(60)]
    assert called.count("noise") >= 50


def test_high_is_good_for_some_and_nearness_for_others() -> None:
    better = difference(METRICS["overlap"], [(0.5, 0.8)] * 8 + [(0.5, 0.7)], "lines")
    assert better.verdict == "better" and better.change > 0
    pairs = [(-200.0, 20.0), (180.0, -30.0)] * 5
    nearer = difference(METRICS["onset_ms"], pairs, "lines")
    assert nearer.verdict == "better" and nearer.first == 190 and nearer.second == 25


def test_lines_are_paired_by_time_and_films_by_name() -> None:
    first = film("a", [{"wer": 0.1}] * 6, true_peak_db=-1.0)
    second = film("a", [{"wer": 0.2}] * 6, shift=0.3, true_peak_db=-2.0)
    found = {x.metric.name: x for x in compare([first], [second])}
    assert found["wer"].count == 6 and found["wer"].of == "lines"
    assert found["true_peak_db"].count == 1 and found["true_peak_db"].verdict == "too few"
    far = film("a", [{"wer": 0.2}] * 6, shift=1.5)
    assert compare([first], [far]) == []
    assert compare([first], [film("b", [{"wer": 0.2}] * 6)]) == []


def test_the_history_is_appended_and_searched(tmp_path: Path) -> None:
    path = tmp_path / "deep" / history.FILE
    assert history.read(path) == []
    for name in ("before", "after-1", "after-2"):
        run = BenchRun("simulated", name, "2026-01-01T00:00:00+00:00", environment={"code": "x"})
        run.films.append(film("a", [{"wer": 1 / 3}]))
        history.append(run, path)
    runs = history.read(path)
    assert [run["name"] for run in runs] == ["before", "after-1", "after-2"]
    assert runs[0]["films"][0]["lines"][0]["values"]["wer"] == 0.33333
    assert history.find(runs, "after")["name"] == "after-2"
    assert history.find(runs, "-3")["name"] == "before"
    with pytest.raises(InputError, match="nothing"):
        history.find(runs, "nothing")
    path.write_text("{}\n")
    with pytest.raises(ProjectError):
        history.read(path)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    write_film(folder / "en_talk_1.mp4")
    turns = [
        {"start": 0.4, "end": 2.4, "speaker": "1"},
        {"start": 2.8, "end": 4.8, "speaker": "2"},
        {"start": 5.2, "end": 6.8, "speaker": "1"},
    ]
    rows = [{"clip": "en_talk_1", "turns": turns}, {"clip": "zh_gone_1", "turns": turns}]
    (folder / "annotations.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (folder / "en_broken_1.mp4").write_bytes(b"no film")
    (folder / "en_broken_1.json").write_text(json.dumps({"turns": turns}))
    return folder


def test_a_folder_of_annotated_films_is_a_suite(clips: Path) -> None:
    assert [case.name for case in folder_cases(clips)] == ["en_broken_1:en-es", "en_talk_1:en-es"]
    assert [c.name for c in folder_cases(clips, into=("fr", "en"), only=("en_talk",))] == [
        "en_talk_1:en-fr"
    ]
    with pytest.raises(InputError) as caught:
        folder_cases(clips.parent)
    assert "annotations.jsonl" in caught.value.hint


@pytest.mark.slow
def test_a_suite_is_dubbed_scored_and_kept_though_a_film_is_broken(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = BenchOptions(engines=register_fakes())
    run = run_suite("clips", folder_cases(clips), tmp_path / "w" / "dubs", options=options)
    assert len(run.problems) == 1 and run.problems[0].startswith("en_broken_1:en-es: DUB-E1")
    (found,) = run.films
    assert found["pair"] == "en-es" and len(found["lines"]) == 3
    assert found["values"]["der"] < 0.2 and "true_peak_db" in found["values"]
    assert run.environment["code"]
    history.append(run, tmp_path / "w" / history.FILE)
    history.append(run, tmp_path / "w" / history.FILE)

    def printed(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["bench", *arguments, "--work", str(tmp_path / "w")])
        assert ended.value.code == 0
        return capsys.readouterr().out

    assert "1 problems" in printed("runs")
    shown = printed("compare", "-2", "-1")
    assert "same" in shown and "better" not in shown
    values = json.loads(printed("compare", "-2", "-1", "--json"))
    assert {x["verdict"] for x in values} == {"same"}


@pytest.mark.slow
def test_a_corpus_is_spoken_anew_in_the_words_that_it_comes_with(tmp_path: Path) -> None:
    """GRID's shape without alignments: when the sentence is said is found out by listening."""
    (tmp_path / "grid" / "s1").mkdir(parents=True)
    write_film(tmp_path / "grid" / "s1" / "bbaf2n.mp4")
    cases = corpus_cases(tmp_path / "grid", "grid")
    options = BenchOptions(engines=register_fakes())
    run = run_suite("grid", cases, tmp_path / "w", options=options)
    assert run.problems == []
    (found,) = run.films
    assert found["pair"] == "en-en" and "der" not in found["values"]
    (line,) = found["lines"]  # the corpus has one sentence, whatever the recogniser made of it
    assert line["speaker"] and 0 < line["start"] < line["end"]
    told = next((tmp_path / "w").rglob("told.csv")).read_text().splitlines()
    assert told[1].count("bin blue at f two now") == 2  # its own translation
    assert run_suite("grid", cases, tmp_path / "w", options=options).films == run.films


def test_a_corpus_with_references_is_compared_with_them(tmp_path: Path) -> None:
    pytest.importorskip("sacrebleu")
    (tmp_path / "subset1").mkdir()
    write_film(tmp_path / "subset1" / "test_set.1.mp4")
    (tmp_path / "subset1.de").write_text("Wer sagt das?\n")
    (tmp_path / "subset1.en").write_text("Who says that?\n")
    options = BenchOptions(engines=register_fakes())
    run = run_suite("iwslt", corpus_cases(tmp_path, "iwslt"), tmp_path / "w", options=options)
    assert run.problems == []
    (line,) = run.films[0]["lines"]
    assert run.films[0]["pair"] == "de-en" and 0 <= line["values"]["chrf"] <= 100
