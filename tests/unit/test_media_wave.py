"""Float32 WAV files and resampling."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from polydub.errors import InputError, ProjectError
from polydub.media import wave
from polydub.media.audio import (
    WaveWriter,
    open_waveform,
    read_blocks,
    resample,
    resample_file,
    write_waveform,
)
from polydub.model import Waveform


def tone(n: int, rate: int = 48000, channels: int = 2) -> Waveform:
    t = np.arange(n) / rate
    columns = [0.4 * np.sin(2 * np.pi * (300 + 200 * c) * t) for c in range(channels)]
    samples = np.stack(columns, axis=1).astype(np.float32)
    return Waveform(samples[:, 0] if channels == 1 else samples, rate)


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_round_trip_and_memory_map(channels: int, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    waveform = tone(5001, channels=channels)
    write_waveform(path, waveform)
    back = open_waveform(path)
    assert isinstance(back.samples, np.memmap)
    assert back.rate == 48000 and np.array_equal(back.samples, waveform.samples)
    other, rate = soundfile.read(str(path), dtype="float32")
    assert rate == 48000 and np.array_equal(other, waveform.samples)


def test_equal_sound_gives_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        write_waveform(tmp_path / name, tone(100))
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_large_files_become_rf64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wave, "RIFF_LIMIT", 1000)
    path = tmp_path / "large.wav"
    waveform = tone(500)
    with WaveWriter(path, 48000, 2) as writer:
        writer.write(waveform.samples[:200])
        writer.write(waveform.samples[200:])
    # the real header writes 0xFFFFFFFF where this test's limit stands
    data = path.read_bytes()
    data = data[:4] + b"\xff" * 4 + data[8:88] + b"\xff" * 4 + data[92:]
    path.write_bytes(data)
    monkeypatch.undo()
    assert data[:4] == b"RF64"
    back = open_waveform(path)
    assert isinstance(back.samples, np.memmap)
    assert np.array_equal(back.samples, waveform.samples)
    assert soundfile.info(str(path)).frames == 500


def test_other_formats_are_read(tmp_path: Path) -> None:
    waveform = tone(2000)
    for name, subtype in (("a.flac", "PCM_24"), ("b.wav", "PCM_16"), ("c.wav", "DOUBLE")):
        soundfile.write(str(tmp_path / name), waveform.samples, 48000, subtype=subtype)
        back = open_waveform(tmp_path / name)
        assert np.allclose(back.samples, waveform.samples, atol=1e-4)


def test_empty_file_of_sound(tmp_path: Path) -> None:
    write_waveform(tmp_path / "none.wav", Waveform(np.zeros(0, np.float32), 16000))
    assert len(open_waveform(tmp_path / "none.wav").samples) == 0


def test_blocks_have_two_dimensions(tmp_path: Path) -> None:
    write_waveform(tmp_path / "a.wav", tone(2500, 1000, 1))
    shapes = [block.shape for block in read_blocks(tmp_path / "a.wav", block_s=1.0)]
    assert shapes == [(1000, 1), (1000, 1), (500, 1)]


@pytest.mark.parametrize(("old", "new"), [(22050, 48000), (48000, 16000), (44100, 48000)])
def test_resampling_keeps_the_length_and_the_tone(old: int, new: int, tmp_path: Path) -> None:
    waveform = tone(3 * old + 17, old, 1)
    changed = resample(waveform, new)
    assert len(changed.samples) == round(len(waveform.samples) * new / old)
    expected = tone(len(changed.samples), new, 1).samples
    inner = slice(new // 10, -new // 10)
    assert np.allclose(changed.samples[inner], expected[inner], atol=2e-3)
    write_waveform(tmp_path / "in.wav", waveform)
    resample_file(tmp_path / "in.wav", tmp_path / "out.wav", new)
    streamed = open_waveform(tmp_path / "out.wav")
    assert len(streamed.samples) == len(changed.samples)
    assert np.allclose(streamed.samples, changed.samples, atol=1e-4)


def test_resample_file_to_mono_is_the_mean(tmp_path: Path) -> None:
    waveform = tone(4800)
    write_waveform(tmp_path / "in.wav", waveform)
    resample_file(tmp_path / "in.wav", tmp_path / "out.wav", 48000)
    back = open_waveform(tmp_path / "out.wav").samples
    assert np.allclose(back, waveform.samples.mean(axis=1), atol=1e-6)


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError) as missing:
        open_waveform(tmp_path / "none.wav")
    assert missing.value.code == "DUB-E101"
    (tmp_path / "text.wav").write_text("no sound here")
    with pytest.raises(InputError) as damaged:
        open_waveform(tmp_path / "text.wav")
    assert damaged.value.code == "DUB-E102"
    with pytest.raises(InputError):
        list(read_blocks(tmp_path / "text.wav"))
    with pytest.raises(ProjectError) as unwritable:
        WaveWriter(tmp_path / "no" / "folder.wav", 48000, 1)
    assert unwritable.value.code == "DUB-E304"
    with WaveWriter(tmp_path / "b.wav", 48000, 1) as writer, pytest.raises(ValueError):
        writer.write(np.zeros((3, 2), np.float32))
