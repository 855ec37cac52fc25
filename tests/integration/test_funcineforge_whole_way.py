"""A film becomes a dataset, the dataset trains a checkpoint, the checkpoint dubs the film."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from typer.testing import CliRunner

from examples.small_funcineforge import write_checkpoint
from polydub import api
from polydub.engines import registry
from polydub.engines.dubbing.funcineforge.checkpoint import MODEL
from polydub.engines.dubbing.funcineforge.engine import FunCineForge
from polydub.engines.fakes import register_fakes
from polydub.interfaces.cli.app import app
from polydub.media.audio import open_waveform
from tests.films import write_film


def train(data: Path, start: Path, out: Path, part: str, steps: int) -> list[dict[str, float]]:
    """What ``polydub train`` says of each step."""
    arguments = ["train", "funcineforge", str(data), "--from", str(start), "--out", str(out)]
    more = ["--part", part, "--steps", str(steps), "--rate", "0.01", "--warmup", "2"]
    given = [*arguments, *more, "--batch", "2", "--device", "cpu", "--json"]
    done = CliRunner().invoke(app, given, catch_exceptions=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_films_dataset_training_dub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = write_film(tmp_path / "talk.mp4")
    start = write_checkpoint(tmp_path / "start")
    engines = register_fakes()
    registry.register("dubbing", "funcineforge", FunCineForge)
    told = [f"--engine={kind}={name}" for kind, name in engines.items() if kind != "speak"]
    data = tmp_path / "data"
    build = ["dataset", "build", str(film), "--out", str(data), "--checkpoint", str(start)]
    more = ["--tokens", "--cut", "--shortest", "1", "--confidence", "0.1", "--licence", "CC0"]
    done = CliRunner().invoke(app, [*build, *more, *told, "--json"], catch_exceptions=False)
    assert json.loads(done.stdout.splitlines()[-1])["result"][0]["clips"] > 0

    out = tmp_path / "trained"
    llm = train(data / "train.jsonl", start, out, "llm", 12)
    flow = train(data / "train.jsonl", start, out, "flow", 4)
    assert llm[-1]["loss"] < llm[0]["loss"] and llm[0]["loss"] == pytest.approx(8.8, abs=0.5)
    assert len(flow) == 4 and all(np.isfinite(row["loss"]) for row in flow)

    chosen = {k: v for k, v in engines.items() if k != "speak"} | {"dubbing": "funcineforge"}
    options = api.DubOptions(targets=("en",), source_language="zh", engines=chosen)
    sounds = []
    for root in (start, out):
        monkeypatch.setenv("POLYDUB_WEIGHT_FUNCINEFORGE", str(root))
        result = api.dub(film, options, project=tmp_path / root.name / "dub", overwrite=True)
        (output,) = result.outputs
        report = json.loads(output.report_json.read_text())
        assert report["engines"]["dubbing"].startswith("funcineforge@1+") and output.lines == 3
        scene = next((result.project / "cache" / "scene").rglob("scene.wav"))
        sounds.append(open_waveform(scene).samples)
    assert (out / MODEL / "llm" / "model.safetensors").is_file()
    assert len(sounds[0]) != len(sounds[1]) or not np.array_equal(*sounds)  # it is the trained one
