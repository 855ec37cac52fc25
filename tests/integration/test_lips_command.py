"""Lips alone: a dub that was made elsewhere moves the mouths of the film."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from polydub import api
from polydub.engines.fakes import register_fakes
from polydub.errors import InputError, ProjectError
from polydub.interfaces.cli.app import app
from polydub.media.audio import extract_audio, open_waveform, write_waveform
from polydub.media.frames import FrameSource
from polydub.media.probe import probe
from polydub.model import Waveform
from tests.films import Beat, write_film

SILENT_END = (
    Beat(0.4, "A", "-"),
    Beat(2.0, "A", "A"),
    Beat(0.4, "A", "-"),
    Beat(2.0, "B", "B"),
    Beat(0.4, "B", "-"),
    Beat(1.6, "B", "-"),  # what A said here from off screen is gone
    Beat(0.4, "B", "-"),
)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return write_film(tmp_path / "talk.mp4")


@pytest.fixture
def dubbed(tmp_path: Path) -> Path:
    (tmp_path / "other").mkdir()
    return write_film(tmp_path / "other" / "dubbed.mp4", SILENT_END)


def options() -> api.DubOptions:
    return api.DubOptions(engines=register_fakes())


def pictures(path: Path) -> list[np.ndarray]:
    source = probe(path)
    assert source.video is not None
    with FrameSource(path, source.video, source.start) as frames:
        return [image for _, image in frames.read(0, source.video.n_frames)]


def test_mouths_follow_the_sound_of_another_video(film: Path, dubbed: Path) -> None:
    result = api.lips(film, dubbed, options(), language="es")
    assert result.video == film.with_name("talk.lips.mp4") and result.language == "es"
    assert [line.line for line in result.lines] == ["L001", "L002", "L003"]
    first, second, gone = result.lines
    assert first.rendered and second.rendered and first.words
    assert gone.words == "" and gone.rendered is None
    assert "nobody says anything" in gone.reason or "not on screen" in gone.reason
    made, source = probe(result.video), probe(film)
    assert [track.language for track in made.audio] == ["es", "en"]
    assert made.video is not None and source.video is not None
    assert made.video.n_frames == source.video.n_frames
    changed = [
        np.abs(a.astype(int) - b.astype(int)).max() > 60
        for a, b in zip(pictures(film), pictures(result.video), strict=True)
    ]
    assert any(changed[10:60]) and any(changed[70:120])
    assert not any(changed[135:])  # nobody is seen speaking there


def test_a_sound_in_which_nobody_speaks_is_told(film: Path, tmp_path: Path) -> None:
    silence = tmp_path / "silence.wav"
    write_waveform(silence, Waveform(np.zeros(48_000 * 7, np.float32), 48_000))
    result = api.lips(film, silence, options(), language="es")
    assert any("nobody is heard speaking" in note for note in result.notes)
    assert not any(line.words or line.rendered for line in result.lines)
    assert result.video.exists()


def test_a_sound_file_does_as_well_and_a_second_run_makes_nothing(
    film: Path, dubbed: Path, tmp_path: Path
) -> None:
    wave = tmp_path / "dub.wav"
    source = probe(dubbed)
    extract_audio(source, source.audio[0].index, wave)
    first = api.lips(film, wave, options())
    before = first.video.stat().st_mtime_ns
    events = []
    again = api.lips(film, wave, options(), on_event=events.append)
    assert again.video.stat().st_mtime_ns == before
    assert [line.rendered for line in again.lines] == [line.rendered for line in first.lines]


def test_a_sound_of_another_length_is_told(film: Path, tmp_path: Path) -> None:
    wave = open_waveform(_wave(film, tmp_path))
    rest = np.zeros((wave.rate * 2, *wave.samples.shape[1:]), np.float32)
    longer = np.concatenate([wave.samples, rest])
    write_waveform(tmp_path / "long.wav", Waveform(longer, wave.rate))
    result = api.lips(film, tmp_path / "long.wav", options())
    assert any("it is cut or padded" in note for note in result.notes)
    assert abs(probe(result.video).duration - probe(film).duration) < 0.1


def _wave(film: Path, folder: Path) -> Path:
    source = probe(film)
    extract_audio(source, source.audio[0].index, folder / "own.wav")
    return folder / "own.wav"


def test_outputs_and_inputs_are_checked_before_any_work(film: Path, tmp_path: Path) -> None:
    silent = write_film(tmp_path / "silent.mp4", audio=False)
    with pytest.raises(InputError) as no_sound:
        api.lips(film, silent, options())
    assert no_sound.value.code == "DUB-E103"
    with pytest.raises(InputError):
        api.lips(film, tmp_path / "missing.wav", options())
    (tmp_path / "mine.mp4").write_bytes(b"mine")
    with pytest.raises(ProjectError) as exists:
        api.lips(film, film, options(), output=tmp_path / "mine.mp4")
    assert exists.value.code == "DUB-E301"
    with pytest.raises(InputError):
        api.lips(film, film, options(), language="nonsense-language")
    assert not (tmp_path / "talk.polydub").exists()


def test_the_command_prints_what_happened(film: Path, dubbed: Path) -> None:
    engines = [f"--engine={kind}={name}" for kind, name in register_fakes().items()]
    call = ["lips", str(film), "--audio", str(dubbed), *engines]
    shown = CliRunner().invoke(app, [*call, "--quiet"])
    assert shown.exit_code == 0, shown.output
    told = CliRunner().invoke(app, [*call, "--json"])
    values = json.loads(told.stdout.splitlines()[-1])["result"]
    assert [entry["line"] for entry in values["lines"]] == ["L001", "L002", "L003"]
    assert values["lines"][0]["rendered"] > 0 and values["video"].endswith("talk.lips.mp4")
    table = CliRunner().invoke(app, call)
    assert "moves" in table.stdout and "talk.lips.mp4" in table.stdout


def test_lines_can_be_brought_along(film: Path, dubbed: Path, tmp_path: Path) -> None:
    table = tmp_path / "lines.csv"
    table.write_text(
        "speaker,start_time,end_time,transcription,translation\n"
        "Ann,0.4,2.4,hello,hola\nBob,2.8,4.8,bye,adiós\n"
    )
    given = replace(options(), script_from=table)
    result = api.lips(film, dubbed, given, language="es")
    assert len(result.lines) == 2 and all(line.rendered for line in result.lines)
