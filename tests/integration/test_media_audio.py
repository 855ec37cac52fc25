"""Extracted sound lies where film time says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from polydub.errors import InputError
from polydub.media.audio import extract_audio, open_waveform
from polydub.media.probe import probe
from tests.media_samples import BURST_START_S, CLIPS, PLAIN, SOUND_ONLY, burst_start, make

WITH_SOUND = [name for name, clip in CLIPS.items() if clip.audio]


@pytest.mark.parametrize("name", [*WITH_SOUND, SOUND_ONLY.name])
@pytest.mark.parametrize("rate", [48000, 16000])
def test_length_and_place(name: str, rate: int, tmp_path: Path) -> None:
    clip = CLIPS.get(name, SOUND_ONLY)
    source = probe(make(tmp_path, clip))
    out = tmp_path / "sound.wav"
    seconds: list[float] = []
    extract_audio(source, source.audio[0].index, out, rate=rate, progress=seconds.append)
    waveform = open_waveform(out)
    assert waveform.rate == rate
    assert len(waveform.samples) == round(source.duration * rate)
    assert waveform.channels == min(2, source.audio[0].channels)
    expected = BURST_START_S + clip.audio_shift_s
    if name == "broadcast.ts":  # MPEG sound delays by 481 samples, the container says so
        expected += 902 / 90000
    # 1.5 ms: the measuring window, codec smear and the milliseconds of Matroska
    assert burst_start(waveform.samples, rate) == pytest.approx(expected, abs=0.0015)
    assert np.abs(waveform.samples).max() > 0.4
    assert seconds == sorted(seconds)


def test_channels_can_be_kept(tmp_path: Path) -> None:
    source = probe(make(tmp_path, CLIPS["surround.mp4"]))
    out = tmp_path / "six.wav"
    extract_audio(source, source.audio[0].index, out, downmix="none")
    waveform = open_waveform(out)
    assert waveform.channels == 6
    loud = slice(13000, 16000)
    for channel in (0, 1, 2, 4, 5):
        spectrum = np.abs(np.fft.rfft(waveform.samples[loud, channel]))
        pitch = np.argmax(spectrum) * 48000 / 3000
        assert pitch == pytest.approx(500 + 100 * channel, abs=20)


def test_downmix_follows_bs775(tmp_path: Path) -> None:
    source = probe(make(tmp_path, replace(CLIPS["surround.mp4"], audio_length_s=1.0)))
    out, six = tmp_path / "two.wav", tmp_path / "six.wav"
    extract_audio(source, source.audio[0].index, out)
    extract_audio(source, source.audio[0].index, six, downmix="none")
    left, right, centre, _, back_left, back_right = open_waveform(six).samples.T
    half = np.sqrt(0.5)
    two = open_waveform(out).samples
    assert np.allclose(two[:, 0], left + half * centre + half * back_left, atol=1e-4)
    assert np.allclose(two[:, 1], right + half * centre + half * back_right, atol=1e-4)


def test_damaged_packets_become_silence_and_nothing_moves(tmp_path: Path) -> None:
    clip = replace(SOUND_ONLY, name="gap.mkv", audio="flac", n_frames=50, layout="mono")
    path = make(tmp_path, clip)
    source = probe(path)
    out = tmp_path / "sound.wav"
    extract_audio(source, source.audio[0].index, out)
    clean = open_waveform(out).samples.copy()
    broken = probe(without_packets(path, tmp_path / "hole.mkv", {1, 2}))
    extract_audio(broken, broken.audio[0].index, out)
    holed = open_waveform(out).samples
    assert len(holed) == len(clean)
    missing = np.abs(holed - clean) > 0.01
    assert missing.any()
    where = np.flatnonzero(missing) / 48000
    assert where.min() > 0.09 and where.max() < 0.31  # packets of 4608 samples: 96 ms


def without_packets(path: Path, out: Path, dropped: set[int]) -> Path:
    """A copy of ``path`` that lacks some sound packets."""
    with av.open(str(path)) as source, av.open(str(out), "w") as target:
        streams = {
            stream.index: target.add_stream_from_template(stream, opaque=True)
            for stream in source.streams
        }
        number = 0
        for packet in source.demux():
            if not packet.size:
                continue
            number += 1
            if number - 1 in dropped:
                continue
            packet.stream = streams[packet.stream_index]
            target.mux(packet)
    return out


def test_not_a_sound_stream(tmp_path: Path) -> None:
    source = probe(make(tmp_path, PLAIN))
    assert source.video is not None
    with pytest.raises(InputError) as error:
        extract_audio(source, source.video.index, tmp_path / "x.wav")
    assert error.value.code == "DUB-E103"
