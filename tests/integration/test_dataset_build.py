"""A dataset out of drawn films: what lies in it, that it resumes, that training reads it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from polydub import api
from polydub.engines.fakes import register_fakes
from polydub.errors import EngineError, InputError, Interrupted
from polydub.media.audio import open_waveform
from polydub.pipeline import dataset
from polydub.pipeline.dataset import DatasetOptions, DatasetParts, DatasetRequest
from polydub.pipeline.dataset_clips import ClipWriter
from polydub.stages.dataset import ClipPlan
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


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    for package in ("transformers", "onnx", "onnxruntime"):
        pytest.importorskip(package)
    from examples.small_funcineforge import write_checkpoint

    return write_checkpoint(tmp_path / "weights")


@pytest.mark.parametrize("fps", [Fraction(24000, 1001), Fraction(30)], ids=["23.976", "30"])
def test_clips_are_cut_at_25_frames_a_second(fps: Fraction, tmp_path: Path) -> None:
    """Nothing drifts, and no face frame of the model is empty."""
    film = write_film(tmp_path / "talk.mp4", fps=fps, layout="stereo")
    options = api.DubOptions(engines=register_fakes())
    api.build_dataset([film], request_for(tmp_path, parts=DatasetParts(cut=True)), options)
    out = tmp_path / "data"
    rows = [json.loads(row) for row in (out / "train.jsonl").read_text("utf-8").splitlines()]
    assert rows
    for row in rows:
        roles = {message["role"]: message["content"] for message in row["messages"]}
        behind = open_waveform(out / roles["instrumental"])
        assert len(behind.samples) / 24000 == pytest.approx(row["speech_length"] / 25, abs=0.05)
        with av.open(str(out / roles["video"])) as container:
            (video, sound) = container.streams
            assert (video.average_rate, video.codec_context.name) == (25, "h264")
            assert (sound.rate, sound.channels, sound.codec_context.name) == (48000, 2, "aac")
            frames = list(container.decode(video=0))
        assert len(frames) == row["speech_length"]
        assert [float(frame.time) for frame in frames] == pytest.approx(
            [n / 25 for n in range(len(frames))]
        )
        with np.load(out / roles["face"]) as faces:
            numbers, crops = faces["faceI"], faces["crops"]
        starts = [math.ceil(turn["start"] * 25 - 1e-6) for turn in roles["dialogue"]]
        assert all(any((n - start) % 5 == 0 for start in starts) for n in numbers)
        assert (np.diff(numbers) == 5).sum() >= len(numbers) - len(starts) > 5
        for number, crop in zip(numbers, crops, strict=True):  # the face is that of the cut film
            shown = frames[number].to_ndarray(format="rgb24")[30:60, 60:100].mean((0, 1))
            assert np.abs(crop[20:50, 30:80].mean((0, 1)) - shown).max() < 25


def test_tokens_are_written(film: Path, tmp_path: Path, checkpoint: Path) -> None:
    from polydub.engines.dubbing.funcineforge.data import read_samples

    options = api.DubOptions(engines=register_fakes())
    out = tmp_path / "data"
    api.build_dataset([film], request_for(tmp_path, checkpoint=checkpoint), options)
    with pytest.raises(InputError, match="dataset build --tokens"):
        read_samples(out / "train.jsonl")
    request = request_for(tmp_path, checkpoint=checkpoint, parts=DatasetParts(tokens=True))
    (sheet,) = api.build_dataset([film], request, options)
    assert sheet.tokens and "version 3): all films" in (out / "DATASHEET.md").read_text("utf-8")
    samples = read_samples(out / "train.jsonl")
    assert len(samples) == sheet.clips
    for sample in samples:
        assert abs(len(sample.tokens) - sample.length) <= 1 and len(set(sample.tokens)) > 3
        assert sample.faces.embeddings.shape[1] == 512
    assert any(len(sample.faces.frames) for sample in samples)
    (checkpoint / "speech_tokenizer_v3.onnx").unlink()
    with pytest.raises(EngineError, match="speech-tokenizer-v3") as caught:
        api.build_dataset([tmp_path / "not-even-read.mp4"], request, options)
    assert caught.value.code == "DUB-E204"


def test_a_film_goes_on_where_it_was_stopped(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = api.DubOptions(engines=register_fakes())
    short = DatasetOptions(shortest=0.5, pause=0.05, confidence=0.1, probability=0.1)
    request = request_for(tmp_path, options=short)
    api.build_dataset([film], replace(request, out=tmp_path / "whole"), options)
    written: list[str] = []
    once = ClipWriter.write

    def write(self: ClipWriter, plan: ClipPlan) -> int:
        if len(written) == 1:
            raise KeyboardInterrupt
        written.append(plan.name)
        return once(self, plan)

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(ClipWriter, "write", write)
        api.build_dataset([film], request, options)
    part = tmp_path / "data" / "films" / "talk.part"
    part.write_text(part.read_text("utf-8") + '["talk_00', "utf-8")  # torn off
    again: list[str] = []
    monkeypatch.setattr(
        ClipWriter, "write", lambda self, plan: again.append(plan.name) or once(self, plan)
    )
    (sheet,) = api.build_dataset([film], request, options)
    assert written == ["talk_001"] and again and "talk_001" not in again
    assert sheet.clips == 1 + len(again) and not part.exists()
    for name in ("train.jsonl", "datasheet.json"):
        ours = (tmp_path / "data" / name).read_bytes()
        assert ours == (tmp_path / "whole" / name).read_bytes()
