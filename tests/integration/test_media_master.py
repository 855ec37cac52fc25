"""A master shows the same frames at the same times, whatever the source was like."""

from __future__ import annotations

import errno
import logging
import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from polydub.engines.protocols import Patch
from polydub.errors import InputError, ProjectError
from polydub.media import master as master_module
from polydub.media.audio import extract_audio, open_waveform, write_waveform
from polydub.media.frames import FrameSource
from polydub.media.master import AudioTrack, SubtitleTrack, copy_obstacle, write_master
from polydub.media.probe import probe
from polydub.model import Source, VideoStream, Waveform
from tests.media_samples import (
    BURST_START_S,
    CLIPS,
    PLAIN,
    SOUND_ONLY,
    burst_start,
    encode_plainly,
    make,
    number_of,
    sound,
)

RED = np.full((20, 31, 3), (200, 30, 30), np.uint8)
LEFT, TOP = 51, 45
COPYABLE = [name for name in CLIPS if name != "vp8.webm"]
FILMS = Path(os.environ.get("POLYDUB_TEST_FILMS", "no-films"))
"""A folder of real .mp4 films for the slow test; none is part of the project."""


def dub(folder: Path, source: Source, rate: int = 44100) -> AudioTrack:
    path = folder / "dub.wav"
    write_waveform(path, Waveform(sound(0.9 * float(source.duration), rate, 2), rate))
    return AudioTrack(path, "de-DE", "Deutsch", True)


def write(source: Source, out: Path, **options: object) -> Source:
    audio = [dub(out.parent, source)]
    original = source.audio[0] if source.audio else None
    write_master(source, out, audio=audio, original=original, original_language="en", **options)
    return probe(out)


def video_of(source: Source) -> VideoStream:
    assert source.video is not None
    return source.video


def times(video: VideoStream) -> list[Fraction]:
    return [video.frame_time(index) for index in range(video.n_frames + 1)]


def payloads(path: Path, index: int) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(p) for p in container.demux(container.streams[index]) if p.size]


def same_picture_data(source: Source, result: Source) -> None:
    old, new = video_of(source), video_of(result)
    for name in ("width", "height", "pixel_aspect", "rotation", "colour", "pixel_format"):
        assert getattr(new, name) == getattr(old, name), name


def same_times(source: Source, result: Source, out: Path) -> None:
    old, new = times(video_of(source)), times(video_of(result))
    if out.suffix == ".mp4" or video_of(source).time_base == Fraction(1, 1000):
        assert new == old
        return
    assert len(new) == len(old)  # Matroska counts milliseconds
    assert all(abs(a - b) <= Fraction(1, 1000) for a, b in zip(new, old, strict=True))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("name", [name for name in COPYABLE if name != "hidden.mp4"])
def test_copy_keeps_every_bit_and_time(name: str, suffix: str, tmp_path: Path) -> None:
    path = make(tmp_path, CLIPS[name])
    source = probe(path)
    result = write(source, out := tmp_path / f"out{suffix}")
    assert result.start == 0
    same_times(source, result, out)
    same_picture_data(source, result)
    # the last packet of Matroska sound has no exact length
    assert abs(result.duration - source.duration) <= (Fraction(1, 1000) if suffix == ".mkv" else 0)
    assert result.audio[0].language == "de"
    assert len(result.audio) == 1 + len(source.audio)
    if name != "broadcast.ts":  # start codes become lengths: the same pictures in other wrapping
        assert payloads(out, video_of(result).index) == payloads(path, video_of(source).index)
    with (
        FrameSource(path, video_of(source), source.start) as old,
        FrameSource(out, video_of(result), result.start) as new,
    ):
        for (_, a), (_, b) in zip(old.read(0, 1000), new.read(0, 1000), strict=True):
            assert np.array_equal(a, b)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("name", CLIPS)
def test_encoding_keeps_times_and_paints_patches(name: str, suffix: str, tmp_path: Path) -> None:
    path = make(tmp_path, CLIPS[name])
    source = probe(path)
    done: list[tuple[int, int]] = []
    result = write(
        source,
        out := tmp_path / f"out{suffix}",
        patches=lambda index: [Patch(index, LEFT, TOP, RED)] if index % 2 == 0 else [],
        progress=lambda *now: done.append(now),
    )
    count = video_of(source).n_frames
    assert done == [(number, count) for number in range(1, count + 1)]
    assert video_of(result).codec == "h264"
    same_times(source, result, out)
    same_picture_data(source, result)
    with (
        FrameSource(path, video_of(source), source.start) as old,
        FrameSource(out, video_of(result), result.start) as new,
    ):
        errors = []
        for (index, a), (_, b) in zip(old.read(0, 1000), new.read(0, 1000), strict=True):
            assert number_of(b) == number_of(a)
            outside = np.ones(a.shape[:2], bool)
            if index % 2 == 0:
                outside[TOP - 5 : TOP + 25, LEFT - 5 : LEFT + 36] = False
                inner = b[TOP + 3 : TOP + 17, LEFT + 3 : LEFT + 28].astype(float)
                assert np.abs(inner - RED[0, 0]).mean() < 5
            errors.append(((a.astype(float) - b) ** 2)[outside].mean())
        assert 10 * np.log10(255**2 / np.mean(errors)) > 40


@pytest.mark.parametrize("name", ["plain.mp4", "late-sound.mp4", "open.mkv", "pcm.mov", "cd.mp4"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_lies_where_it_was(name: str, suffix: str, tmp_path: Path) -> None:
    clip = CLIPS[name]
    result = write(probe(make(tmp_path, clip)), tmp_path / f"out{suffix}")
    assert result.audio[0].codec == "aac"
    for number, stream in enumerate(result.audio):
        extract_audio(result, stream.index, tmp_path / "heard.wav")
        heard = open_waveform(tmp_path / "heard.wav")
        shift = clip.audio_shift_s if number else 0
        expected = BURST_START_S + shift
        assert burst_start(heard.samples, heard.rate) == pytest.approx(expected, abs=0.0015)


def test_a_hidden_start_is_copied_in_mp4_and_encoded_in_matroska(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = make(tmp_path, CLIPS["hidden.mp4"])
    source = probe(path)
    assert copy_obstacle(source, mp4=True) is None
    result = write(source, tmp_path / "out.mp4")
    assert payloads(tmp_path / "out.mp4", 0) == payloads(path, 0)
    assert times(video_of(result)) == times(video_of(source))
    assert "edit list" in (copy_obstacle(source, mp4=False) or "")
    with caplog.at_level(logging.WARNING):
        result = write(source, tmp_path / "out.mkv")
    assert "re-encoded" in caplog.text
    assert video_of(result).n_frames == 25
    with FrameSource(tmp_path / "out.mkv", video_of(result), result.start) as frames:
        assert [number_of(image) for _, image in frames.read(0, 2)] == [5, 6]


def test_pictures_without_times_are_encoded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = encode_plainly(tmp_path / "wrong.avi", "libx264", {"bf": "2", "g": "12"})
    with caplog.at_level(logging.WARNING):
        result = write(probe(path), out := tmp_path / "out.mp4")
    with FrameSource(out, video_of(result), result.start) as frames:
        assert [number_of(image) for _, image in frames.read(0, 99)] == list(range(40))


def test_odd_sides_of_420_become_444_of_the_same_size(tmp_path: Path) -> None:
    clip = replace(CLIPS["vp9.webm"], name="odd.webm", size=(161, 97), audio=None)
    source = probe(make(tmp_path, clip))
    assert video_of(source).pixel_format == "yuv420p"
    result = write(source, tmp_path / "out.mp4", patches=lambda _: [])
    assert (video_of(result).width, video_of(result).height) == (161, 97)
    assert video_of(result).pixel_format == "yuv444p"


def test_labels_dispositions_and_order(tmp_path: Path) -> None:
    source = probe(make(tmp_path, PLAIN))
    first = dub(tmp_path, source)
    tracks = [replace(first, default=False, language="pt-BR", title="Português"), first]
    for suffix in (".mp4", ".mkv"):
        out = tmp_path / f"out{suffix}"
        write_master(source, out, audio=tracks, original=source.audio[0], original_language=None)
        with av.open(str(out)) as container:
            sounds = container.streams.audio
            assert [s.language for s in sounds][:2] in (["por", "deu"], ["por", "ger"])
            assert sounds[2].language in ("und", None)
            assert [bool(s.disposition & 1) for s in sounds] == [False, True, False]
            key = "handler_name" if suffix == ".mp4" else "title"
            assert [s.metadata[key] for s in sounds] == ["Português", "Deutsch", "Original"]
            assert payloads(out, sounds[2].index)[1] in payloads(Path(source.path), 1)


def test_matroska_turns_on_the_picture_and_the_dub_but_no_subtitles(tmp_path: Path) -> None:
    source = probe(make(tmp_path, PLAIN))
    srt = tmp_path / "text.srt"
    srt.write_text("1\n00:00:00,100 --> 00:00:00,600\nhallo\n")
    texts = [SubtitleTrack(srt, "de", "Dubbed"), SubtitleTrack(srt, "en", "Original")]
    for patches in (None, lambda _: []):
        write(source, out := tmp_path / "out.mkv", subtitles=texts, patches=patches)
        with av.open(str(out)) as container:
            flags = [(s.type, bool(s.disposition & 1)) for s in container.streams]
            forced = [s for s in container.streams if s.disposition & av.stream.Disposition.forced]
        sound, text = [("audio", True), ("audio", False)], ("subtitle", False)
        assert flags == [("video", True), *sound, text, text]
        assert not forced


def test_subtitles_read_back(tmp_path: Path) -> None:
    source = probe(make(tmp_path, replace(PLAIN, n_frames=50)))
    srt = tmp_path / "text.srt"
    srt.write_text(
        "1\n00:00:00,100 --> 00:00:00,600\nGrüße <i>dir</i>\n\n"
        "2\n00:00:00,400 --> 00:00:00,900\n你好\n\n"
        "3\n00:00:01,500 --> 00:00:09,000\nto the end\nand on\n\n"
        "4\n00:00:20,000 --> 00:00:21,000\nnever\n",
        encoding="utf-8",
    )
    track = SubtitleTrack(srt, "de", "Untertitel")
    for suffix, expected in (
        (
            ".mp4",
            [
                (100, 400, "Grüße dir"),
                (400, 600, "Grüße dir\n你好"),
                (600, 900, "你好"),
                (1500, 2000, "to the end\nand on"),
            ],
        ),
        (
            ".mkv",
            [(100, 600, "Grüße dir"), (400, 900, "你好"), (1500, 2000, "to the end\nand on")],
        ),
    ):
        write(source, out := tmp_path / f"out{suffix}", subtitles=[track])
        assert read_subtitles(out) == expected
        with av.open(str(out)) as container:
            (stream,) = container.streams.subtitles
            assert stream.language in ("deu", "ger")
            assert "Untertitel" in stream.metadata.values()


def read_subtitles(path: Path) -> list[tuple[int, int, str]]:
    found = []
    with av.open(str(path)) as container:
        for packet in container.demux(container.streams.subtitles[0]):
            if packet.size <= 2:  # MP4 marks the time between texts by empty samples
                continue
            start = round(packet.pts * packet.time_base * 1000)
            length = round(packet.duration * packet.time_base * 1000)
            text = packet.decode()[0].dialogue.decode()
            found.append((start, start + length, text))
    return found


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    source = probe(make(tmp_path, PLAIN))
    for suffix in (".mp4", ".mkv"):
        for patches in (None, lambda index: [Patch(index, LEFT, TOP, RED)]):
            files = [tmp_path / f"{number}{suffix}" for number in (1, 2)]
            for out in files:
                write(source, out, patches=patches)
            assert files[0].read_bytes() == files[1].read_bytes()


def test_wrong_suffix_codec_and_missing_video(tmp_path: Path) -> None:
    source = probe(make(tmp_path, CLIPS["vp8.webm"]))
    for out in (tmp_path / "out.avi", tmp_path / "out.mp4"):
        with pytest.raises(InputError) as error:
            write(source, out)
        assert error.value.code == "DUB-E108" and error.value.hint
        assert not out.exists()
    only_sound = probe(make(tmp_path, SOUND_ONLY))
    with pytest.raises(InputError) as no_video:
        write(only_sound, tmp_path / "out.mp4")
    assert no_video.value.code == "DUB-E104"
    assert write(source, tmp_path / "out.mkv").video is not None


def test_a_full_disk_leaves_the_old_file_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = probe(make(tmp_path, PLAIN))
    out = tmp_path / "film.mp4"
    out.write_bytes(b"old")
    before = set(tmp_path.iterdir()) | {tmp_path / "dub.wav"}

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(master_module, "merged", full)
    with pytest.raises(ProjectError) as error:
        write(source, out)
    assert error.value.code == "DUB-E304"
    assert out.read_bytes() == b"old" and set(tmp_path.iterdir()) == before


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    source = probe(make(tmp_path, PLAIN))
    with pytest.raises(ProjectError) as error:
        write_master(
            source, tmp_path / "no" / "x.mp4", audio=[], original=None, original_language=None
        )
    assert error.value.code == "DUB-E304"


def test_an_error_of_a_patch_leaves_nothing(tmp_path: Path) -> None:
    source = probe(make(tmp_path, PLAIN))

    def broken(index: int) -> list[Patch]:
        raise RuntimeError("no patch")

    with pytest.raises(RuntimeError, match="no patch"):
        write(source, tmp_path / "out.mp4", patches=broken)
    assert {path.name for path in tmp_path.iterdir()} == {"plain.mp4", "dub.wav"}


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(FILMS.glob("*.mp4")), ids=lambda path: path.stem)
def test_real_films(path: Path, tmp_path: Path) -> None:
    source = probe(path)
    copied = write(source, tmp_path / "copy.mp4")
    assert payloads(tmp_path / "copy.mp4", 0) == payloads(path, video_of(source).index)
    encoded = write(source, tmp_path / "new.mp4", patches=lambda i: [Patch(i, 90, 101, RED)])
    for result in (copied, encoded):
        assert times(video_of(result)) == times(video_of(source))
        same_picture_data(source, result)
        assert result.duration == source.duration
