"""Community-1 through a tiny pipeline with random weights, in a Python that has pyannote.audio."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from polydub.engines.diarize.community1 import (
    PYTHON,
    RATE,
    STEP,
    Community1Segmenter,
    activity_of,
)
from polydub.engines.protocols import SpeechSegmenter
from polydub.engines.weights import WEIGHTS
from polydub.errors import EngineError
from polydub.model import Waveform
from tests.contract.test_speech_engines import murmur

BUILD = """
import sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
import numpy as np, torch, yaml
from pyannote.audio.core.task import Problem, Resolution, Specifications
from pyannote.audio.models.embedding import WeSpeakerResNet34
from pyannote.audio.models.segmentation import PyanNet

folder = Path(sys.argv[1])
torch.manual_seed(0)

def write(model, name, specifications):
    model.specifications = specifications
    model.setup()
    stored = {"state_dict": model.state_dict(), "hyper_parameters": dict(model.hparams),
              "pytorch-lightning_version": "2.5.0"}
    model.on_save_checkpoint(stored)
    (folder / name).mkdir(parents=True)
    torch.save(stored, folder / name / "pytorch_model.bin")

lstm = {"hidden_size": 8, "num_layers": 1, "bidirectional": True, "monolithic": True,
        "dropout": 0.0}
write(PyanNet(lstm=lstm, linear={"hidden_size": 8, "num_layers": 1}), "segmentation",
      Specifications(problem=Problem.MONO_LABEL_CLASSIFICATION, resolution=Resolution.FRAME,
                     duration=10.0, classes=["a", "b", "c"], powerset_max_classes=2,
                     permutation_invariant=True))
write(WeSpeakerResNet34(), "embedding",
      Specifications(problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=5.0,
                     classes=["x"]))
random = np.random.default_rng(0)
(folder / "plda").mkdir()
np.savez(folder / "plda" / "xvec_transform.npz", mean1=np.zeros(256), mean2=np.zeros(128),
         lda=np.linalg.qr(random.normal(size=(256, 128)))[0])
np.savez(folder / "plda" / "plda.npz", mu=np.zeros(128), tr=np.eye(128),
         psi=np.linspace(5.0, 0.5, 128))
parts = {name: f"$model/{name}" for name in ("segmentation", "embedding", "plda")}
parts.update(clustering="VBxClustering", segmentation_batch_size=4, embedding_batch_size=4)
config = {"dependencies": {"pyannote.audio": "4.0.0"},
          "pipeline": {"name": "pyannote.audio.pipelines.SpeakerDiarization", "params": parts},
          "params": {"clustering": {"threshold": 0.6, "Fa": 0.07, "Fb": 0.8},
                     "segmentation": {"min_duration_off": 0.0}}}
(folder / "config.yaml").write_text(yaml.safe_dump(config))
"""
"""Writes what the hub's repository holds, with the classes of pyannote.audio."""


def other_python() -> str:
    """A Python with pyannote.audio: the one that is named, or this one."""
    if os.environ.get(PYTHON):
        return os.environ[PYTHON]
    try:
        here = importlib.util.find_spec("pyannote.audio") is not None
    except ModuleNotFoundError:
        here = False
    if not here:
        pytest.skip(f"pyannote.audio is not installed, and {PYTHON} is not set")
    return sys.executable


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Community1Segmenter:
    python, folder = other_python(), tmp_path_factory.mktemp("community1")
    where = {**os.environ, "PYANNOTE_METRICS_ENABLED": "false"}
    subprocess.run([python, "-c", BUILD, str(folder)], check=True, env=where)
    assert all((folder / file.name).is_file() for file in WEIGHTS["pyannote-community-1"].files)
    return Community1Segmenter(model=folder, python=python)


def test_one_window_covers_the_film(engine: Community1Segmenter) -> None:
    assert isinstance(engine, SpeechSegmenter)
    audio = Waveform(np.concatenate([murmur(5.0), murmur(5.5, pitch=220.0)]), RATE)
    (window,) = engine.segment(audio)
    assert window.span.start == 0 and window.span.end == audio.duration
    assert window.step == STEP and window.activity.shape[0] == 1050
    assert window.activity.dtype == np.float32
    assert set(np.unique(window.activity)) == {0.0, 1.0}  # it heard somebody, not always
    (again,) = engine.segment(audio)
    np.testing.assert_array_equal(again.activity, window.activity)


def test_what_fails_in_the_other_process_is_told(tmp_path: Path) -> None:
    python = other_python()
    for file in WEIGHTS["pyannote-community-1"].files:
        (tmp_path / file.name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file.name).write_bytes(b"")
    broken = Community1Segmenter(model=tmp_path, python=python)
    with pytest.raises(EngineError, match="community-1 failed") as caught:
        list(broken.segment(Waveform(murmur(1.0), RATE)))
    assert caught.value.code == "DUB-E206"


def empty_model(folder: Path) -> Path:
    for file in WEIGHTS["pyannote-community-1"].files:
        (folder / file.name).parent.mkdir(parents=True, exist_ok=True)
        (folder / file.name).touch()
    return folder


def test_terms_packages_and_pythons_that_are_missing_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("polydub.engines.weights._hub_paths", lambda weight: None)
    monkeypatch.delenv("POLYDUB_WEIGHT_PYANNOTE_COMMUNITY_1", raising=False)
    with pytest.raises(EngineError) as caught:
        Community1Segmenter()
    assert caught.value.code == "DUB-E204"
    for part in ("engines pull pyannote-community-1", "huggingface.co/pyannote", "HF_TOKEN"):
        assert part in caught.value.hint
    model = empty_model(tmp_path)
    monkeypatch.delenv(PYTHON, raising=False)
    monkeypatch.setattr("polydub.engines.diarize.community1._here", lambda: False)
    with pytest.raises(EngineError) as caught:
        Community1Segmenter(model=model)
    assert caught.value.code == "DUB-E202" and PYTHON in caught.value.hint
    monkeypatch.setenv(PYTHON, str(tmp_path / "no-python"))
    with pytest.raises(EngineError, match="cannot be run"):
        list(Community1Segmenter(model=model).segment(Waveform(murmur(1.0), RATE)))


def test_other_formats_are_refused_and_nothing_is_nothing(tmp_path: Path) -> None:
    engine = Community1Segmenter(model=empty_model(tmp_path), python=sys.executable)
    for audio in (
        Waveform(np.zeros(800, np.float32), 8000),
        Waveform(np.zeros((800, 2), np.float32), RATE),
    ):
        with pytest.raises(EngineError):
            list(engine.segment(audio))
    assert list(engine.segment(Waveform(np.zeros(0, np.float32), RATE))) == []


def test_turns_become_columns() -> None:
    window = activity_of([(0.5, 1.0, "B"), (0.0, 0.6, "A"), (1.2, 9.0, "B")], 200)
    assert window.activity.shape == (200, 2)
    assert window.activity[:60, 0].all() and not window.activity[60:, 0].any()
    assert window.activity[50:100, 1].all() and window.activity[120:, 1].all()
    assert not window.activity[100:120].any()
    assert activity_of([], 10).activity.shape == (10, 1)
