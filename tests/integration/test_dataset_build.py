"""A dataset out of drawn films: what lies in it, that it resumes, that training reads it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from polydub import api
from polydub.engines.fakes import register_fakes
from polydub.errors import InputError
from polydub.media.audio import open_waveform
from polydub.pipeline import dataset
from polydub.pipeline.dataset import DatasetOptions, DatasetRequest
from tests.films import write_film


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return write_film(tmp_path / "talk.mp4")


def request_for(tmp_path: Path, **changes) -> DatasetRequest:
    options = DatasetOptions(shortest=1.0, confidence=0.1, probability=0.1)
    return replace(DatasetRequest(tmp_path / "data", "CC0", options=options), **changes)


def test_a_film_becomes_clips(film: Path, tmp_path: Path) -> None:
    options = api.DubOptions(engines=register_fakes())
    (sheet,) = api.build_dataset([film], request_for(tmp_path), options)
    out = tmp_path / "data"
    rows = [json.loads(row) for row in (out / "train.jsonl").read_text("utf-8").splitlines()]
    assert sheet.clips == len(rows) > 0 and sheet.licence == "CC0" and sheet.language == "en"
    for row in rows:
        roles = {message["role"]: message["content"] for message in row["messages"]}
        sound = open_waveform(out / roles["vocal"])
        assert sound.rate == 24000
        assert len(sound.samples) / 24000 == pytest.approx(row["speech_length"] / 25, abs=0.05)
        with np.load(out / roles["face"]) as faces:
            assert faces["crops"].shape[1:] == (112, 112, 3)
            assert len(faces["crops"]) == len(faces["faceI"])
            assert (faces["faceI"] >= 0).all() and (faces["faceI"] < row["speech_length"]).all()
        assert roles["clue"] and roles["text"].startswith("word1")
    assert sheet.faces > 0
    page = (out / "DATASHEET.md").read_text("utf-8")
    assert "| talk | CC0 | en |" in page and "fake@1" in page


def test_what_is_there_is_not_made_again(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = api.DubOptions(engines=register_fakes())
    request = request_for(tmp_path)
    before = api.build_dataset([film], request, options)
    written = (tmp_path / "data" / "train.jsonl").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(dataset, "_built", None)  # not to be called
        assert api.build_dataset([film], request, options) == before
    assert (tmp_path / "data" / "train.jsonl").read_bytes() == written
    told = replace(request, licences={"talk": "CC BY 4.0"})
    assert api.build_dataset([film], told, options)[0].licence == "CC BY 4.0"
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(InputError, match="another film"):
        namesake = write_film(other / "talk.mp4", layout="stereo")
        api.build_dataset([namesake], request, options)


def test_faces_become_vectors_and_training_reads_them(film: Path, tmp_path: Path) -> None:
    for package in ("transformers", "onnx", "onnxruntime"):
        pytest.importorskip(package)
    from polydub.engines.dubbing.funcineforge.data import read_samples
    from tests.funcineforge_models import write_checkpoint

    options = api.DubOptions(engines=register_fakes())
    out = tmp_path / "data"
    api.build_dataset([film], request_for(tmp_path), options)
    (out / "token").mkdir()
    for row in (out / "train.jsonl").read_text("utf-8").splitlines():
        np.save(out / "token" / f"{json.loads(row)['utt']}.npy", np.arange(20))
    with pytest.raises(InputError, match="embeddings"):
        read_samples(out / "train.jsonl")
    checkpoint = write_checkpoint(tmp_path / "weights")
    api.build_dataset([film], request_for(tmp_path, checkpoint=checkpoint), options)
    samples = read_samples(out / "train.jsonl")
    assert samples and all(s.faces.embeddings.shape[1] == 512 for s in samples)
    assert any(len(sample.faces.frames) for sample in samples)
