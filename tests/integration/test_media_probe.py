"""Probe against full decoding, on every kind of clip."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from polydub.errors import InputError
from polydub.media.probe import probe, probe_film
from tests.media_samples import (
    CLIPS,
    PLAIN,
    SOUND_ONLY,
    Clip,
    encode_plainly,
    make,
    number_of,
    truncate,
)

EXPECTED_START = {"broadcast.ts": Fraction(6298, 90000)}


def decoded_times(path: Path) -> list[Fraction]:
    times = []
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            try:
                times += [frame.pts * frame.time_base for frame in packet.decode()]
            except av.error.InvalidDataError:  # the last packet of a file that was cut off
                continue
    return times


@pytest.mark.parametrize("name", CLIPS)
def test_one_time_per_frame_that_decodes(name: str, tmp_path: Path) -> None:
    clip = CLIPS[name]
    path = make(tmp_path, clip)
    source = probe(path)
    video = source.video
    assert video is not None
    times = [int(pts) * video.time_base + source.start for pts in video.pts]
    assert times == decoded_times(path)
    assert (video.width, video.height) == clip.size
    assert video.pixel_aspect == (clip.pixel_aspect or 1)
    assert video.rotation == clip.rotation
    assert "damage" not in source.tags
    if clip.codec == "libx264":
        tags = (video.colour[key] for key in ("range", "primaries", "transfer", "matrix"))
        assert tuple(tags) == clip.colour


@pytest.mark.parametrize("name", [n for n in CLIPS if n.endswith((".mp4", ".mov"))])
def test_times_are_exactly_those_that_were_written(name: str, tmp_path: Path) -> None:
    clip = CLIPS[name]
    video = probe(make(tmp_path, clip)).video
    assert video is not None
    ticks = [tick + clip.shift_ticks for tick in clip.picture_ticks]
    expected = [tick * clip.picture_time_base for tick in ticks if tick >= 0]
    assert [int(pts) * video.time_base for pts in video.pts] == expected
    assert video.frame_time(video.n_frames) == expected[-1] + clip.picture_time_base


def test_film_time_zero_is_the_earliest_start(tmp_path: Path) -> None:
    late = probe(make(tmp_path, CLIPS["late-picture.mp4"]))
    assert late.start == 0
    assert late.video is not None and late.video.frame_time(0) == 3 / CLIPS["film.mp4"].rate
    broadcast = probe(make(tmp_path, CLIPS["broadcast.ts"]))
    assert broadcast.start == EXPECTED_START["broadcast.ts"]
    assert broadcast.audio[0].start == 0


def test_pictures_hidden_by_an_edit_list_do_not_count(tmp_path: Path) -> None:
    path = make(tmp_path, CLIPS["hidden.mp4"])
    video = probe(path).video
    assert video is not None and video.n_frames == 25
    with av.open(str(path)) as container:
        first = next(container.decode(video=0))
    assert number_of(first.to_ndarray(format="rgb24")) == 5


def test_sound_and_language(tmp_path: Path) -> None:
    source = probe(make(tmp_path, CLIPS["surround.mp4"]))
    (stream,) = source.audio
    assert (stream.codec, stream.rate, stream.channels) == ("aac", 48000, 6)
    assert (stream.layout, stream.language) == ("5.1", "en")
    unknown = probe(make(tmp_path, replace(PLAIN, language="und")))
    assert unknown.audio[0].language is None


def test_late_sound_start(tmp_path: Path) -> None:
    source = probe(make(tmp_path, CLIPS["late-sound.mp4"]))
    # the first AAC packet holds 1024 samples of priming before 0.3 s
    assert source.audio[0].start == Fraction(3, 10) - Fraction(1024, 48000)
    assert source.duration == 1


def test_codec_padding_is_not_film(tmp_path: Path) -> None:
    source = probe(make(tmp_path, CLIPS["wide.mkv"]))
    assert source.audio[0].duration > 1  # the last packet, rounded to milliseconds
    assert source.duration == 1


def test_without_picture_and_without_sound(tmp_path: Path) -> None:
    sound = probe(make(tmp_path, SOUND_ONLY))
    assert sound.video is None and len(sound.audio) == 1 and sound.duration == 1
    silent = probe(make(tmp_path, CLIPS["silent.mp4"]))
    assert silent.audio == () and silent.video is not None


def test_digest_is_that_of_the_file(tmp_path: Path) -> None:
    path = make(tmp_path, PLAIN)
    assert probe(path).digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_missing_folder_and_no_media(tmp_path: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("not a film " * 50)
    empty = tmp_path / "empty.mkv"
    empty.touch()
    for path, code in (
        (tmp_path / "none.mp4", "DUB-E101"),
        (tmp_path, "DUB-E101"),
        (text, "DUB-E102"),
        (empty, "DUB-E102"),
        (truncate(make(tmp_path, PLAIN), 0.8), "DUB-E102"),  # its index is at the end
    ):
        with pytest.raises(InputError) as error:
            probe(path)
        assert error.value.code == code
        assert error.value.hint


@pytest.mark.parametrize("clip", [CLIPS["index-first.mp4"], replace(PLAIN, name="cut.mkv")])
def test_a_cut_off_file_gives_what_decodes(clip: Clip, tmp_path: Path) -> None:
    path = truncate(make(tmp_path, replace(clip, n_frames=60)), 0.6)
    source = probe(path)
    assert source.video is not None
    assert 0 < source.video.n_frames < 60
    assert source.video.n_frames == len(decoded_times(path))
    assert "cut off" in source.tags["damage"]


def test_announced_sound_that_is_missing_is_damage_and_not_silence(tmp_path: Path) -> None:
    """A fragmented file holds the picture of each fragment before its sound."""
    whole, path = make(tmp_path, replace(PLAIN, n_frames=60)), tmp_path / "fragments.mp4"
    flags = {"movflags": "frag_keyframe+empty_moov"}
    with av.open(str(whole)) as source, av.open(str(path), "w", options=flags) as copy:
        streams = {s.index: copy.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.size:
                packet.stream = streams[packet.stream.index]
                copy.mux(packet)
    assert len(probe_film(path).audio) == 1
    with pytest.raises(InputError, match="the sound of") as error:
        probe_film(truncate(path, 0.2))
    assert error.value.code == "DUB-E102"


def test_a_film_needs_picture_and_sound(tmp_path: Path) -> None:
    for clip, code in ((SOUND_ONLY, "DUB-E104"), (CLIPS["silent.mp4"], "DUB-E103")):
        with pytest.raises(InputError) as error:
            probe_film(make(tmp_path, clip))
        assert error.value.code == code


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("open.mp4", "libx264", {"x264-params": "open-gop=1:keyint=12:bframes=3"}),
        ("open.ts", "libx264", {"x264-params": "open-gop=1:keyint=12:bframes=3"}),
        ("old.ts", "mpeg2video", {"bf": "2", "g": "12", "b": "2M"}),
        ("old.avi", "mpeg4", {"bf": "2", "g": "12", "b": "2M"}),
        ("wrong.avi", "libx264", {"bf": "2", "g": "12"}),
        ("raw.h264", "libx264", {"bf": "2", "g": "12"}),
    ],
)
def test_count_with_open_groups_and_poor_containers(
    name: str, codec: str, options: dict[str, str], tmp_path: Path
) -> None:
    path = encode_plainly(tmp_path / name, codec, options)
    source = probe(path)
    assert source.video is not None
    with av.open(str(path)) as container:
        assert source.video.n_frames == sum(1 for _ in container.decode(video=0)) == 40
    assert np.all(np.diff(source.video.pts) > 0)


def test_a_recording_that_starts_inside_a_group(tmp_path: Path) -> None:
    options = {"x264-params": "open-gop=1:keyint=12:bframes=3"}
    whole = encode_plainly(tmp_path / "whole.ts", "libx264", options).read_bytes()
    path = tmp_path / "part.ts"
    path.write_bytes(whole[len(whole) // 3 // 188 * 188 :])
    source = probe(path)
    assert source.video is not None
    times = [int(pts) * source.video.time_base + source.start for pts in source.video.pts]
    assert times == decoded_times(path)
