"""Random access, damage and colours of decoded pictures."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from polydub.media import frames as frames_module
from polydub.media.frames import FrameSource
from polydub.media.probe import probe
from tests.media_samples import CLIPS, PLAIN, encode_plainly, make, number_of, picture

HIDDEN = 5


@pytest.mark.parametrize("name", CLIPS)
def test_every_index_gives_its_own_picture(name: str, tmp_path: Path) -> None:
    path = make(tmp_path, CLIPS[name])
    source = probe(path)
    video = source.video
    assert video is not None
    base = HIDDEN if name == "hidden.mp4" else 0
    with FrameSource(path, video, source.start) as frames:
        whole = [(index, number_of(image) - base) for index, image in frames.read(0, 1000)]
        assert whole == [(index, index) for index in range(video.n_frames)]
        choose = random.Random(7)
        for _ in range(10):
            first = choose.randrange(video.n_frames)
            part = [(i, number_of(im) - base) for i, im in frames.read(first, first + 3)]
            assert part == whole[first : first + 3]
        assert frames.damaged == set()


@pytest.mark.parametrize("name", ["plain.mp4", "smpte.mp4", "full.mp4", "untagged.mp4", "deep.mp4"])
def test_colours_are_those_that_were_drawn(name: str, tmp_path: Path) -> None:
    clip = CLIPS[name]
    path = make(tmp_path, clip)
    source = probe(path)
    assert source.video is not None
    with FrameSource(path, source.video, source.start) as frames:
        _, image = next(frames.read(3, 4))
    assert image.dtype == np.uint8 and image.shape == (*clip.size[::-1], 3)
    assert np.abs(image.astype(int) - picture(3, clip.size)).mean() < 1.5


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("open.mkv", "libx264", {"x264-params": "open-gop=1:keyint=12:bframes=3"}),
        ("open.ts", "libx264", {"x264-params": "open-gop=1:keyint=12:bframes=3"}),
        ("old.ts", "mpeg2video", {"bf": "2", "g": "12", "b": "2M"}),
        ("wrong.avi", "libx264", {"bf": "2", "g": "12"}),
        ("raw.h264", "libx264", {"bf": "2", "g": "12"}),
        ("refresh.mp4", "libx264", {"x264-params": "intra-refresh=1:keyint=12"}),
    ],
)
def test_random_access_in_open_groups_and_poor_containers(
    name: str, codec: str, options: dict[str, str], tmp_path: Path
) -> None:
    path = encode_plainly(tmp_path / name, codec, options)
    source = probe(path)
    assert source.video is not None
    with FrameSource(path, source.video, source.start) as frames:
        for index in (39, 3, 25, 24, 12, 0, 38, 13):
            assert [number_of(image) for _, image in frames.read(index, index + 1)] == [index]


def test_following_ranges_go_on_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path, PLAIN)
    source = probe(path)
    assert source.video is not None
    seeks: list[int] = []
    seek = frames_module.PictureDecoder.seek

    def counted(self: frames_module.PictureDecoder, timestamp: int) -> None:
        seeks.append(timestamp)
        seek(self, timestamp)

    monkeypatch.setattr(frames_module.PictureDecoder, "seek", counted)
    with FrameSource(path, source.video, source.start) as frames:
        for first in range(0, 25, 5):
            assert len(list(frames.read(first, first + 3))) == 3
        assert seeks == []
        next(frames.read(20, 22))  # left unfinished
        assert [index for index, _ in frames.read(21, 23)] == [21, 22]
        assert len(seeks) == 1


def test_small_pictures_of_the_whole_film(tmp_path: Path) -> None:
    path = make(tmp_path, CLIPS["film.mp4"])
    source = probe(path)
    assert source.video is not None
    with FrameSource(path, source.video, source.start) as frames:
        images = list(frames.small(48))
        assert len(images) == 25
        assert {image.shape for image in images} == {(48, 80, 3)}
        assert [number_of(image) for image in images] == list(range(25))
        assert next(frames.small(5000)).shape == (96, 160, 3)


def test_damaged_frames_repeat_the_one_before(tmp_path: Path) -> None:
    clip = replace(PLAIN, name="damaged.mp4", b_frames=0, audio=None, keyframe_every=10)
    path = make(tmp_path, clip)
    source = probe(path)
    assert source.video is not None
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    bad = packets[14]
    data[bad.pos : bad.pos + bad.size] = bytes([0xFF]) * bad.size
    path.write_bytes(bytes(data))
    with FrameSource(path, source.video, source.start) as frames:
        images = [image for _, image in frames.read(0, 100)]
        assert len(images) == 25
        assert 14 in frames.damaged
        assert frames.damaged <= set(range(14, 20))
        assert [number_of(image) for image in images[:14]] == list(range(14))
        assert [number_of(image) for image in images[20:]] == list(range(20, 25))
        assert np.array_equal(images[14], images[13])


def test_start_moves_the_index(tmp_path: Path) -> None:
    path = make(tmp_path, CLIPS["broadcast.ts"])
    source = probe(path)
    assert source.video is not None and source.start > Fraction(0)
    with FrameSource(path, source.video, source.start) as frames:
        assert [number_of(image) for _, image in frames.read(10, 12)] == [10, 11]


@pytest.mark.parametrize("name", ["film.mp4", "broadcast.ts"])
def test_a_glance_is_a_part_of_the_exact_picture(tmp_path: Path, name: str) -> None:
    path = make(tmp_path, CLIPS[name])
    source = probe(path)
    assert source.video is not None
    with FrameSource(path, source.video, source.start) as frames:
        exact = [image for _, image in frames.read(3, 6)]
        seen = list(frames.glance(3, 6))
    assert [index for index, _ in seen] == [3, 4, 5]
    height, width = exact[0].shape[:2]
    for image, (_, glance) in zip(exact, seen, strict=True):
        assert glance.shape == image.shape
        for rows, columns in (
            (slice(9, 41), slice(21, 77)),
            (slice(0, 30), slice(width - 33, width)),
            (slice(height - 17, None), slice(None, 5)),
            (slice(None), slice(None)),
        ):
            part, wanted = glance[rows, columns], image[rows, columns]
            assert part.shape == wanted.shape
            off = np.abs(part.astype(int) - wanted)  # colours lie a quarter of a sample aside
            assert off.max(initial=0) <= 40 and off.mean() <= 0.5
        assert glance[40:20, 0:9].size == 0


def test_large_parts_of_a_glance_are_coarse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames_module, "EXACT_SIDE", 40)
    path = make(tmp_path, CLIPS["film.mp4"])
    source = probe(path)
    assert source.video is not None
    with FrameSource(path, source.video, source.start) as frames:
        (_, exact), (_, glance) = next(frames.read(3, 4)), next(frames.glance(3, 4))
    off = np.abs(glance[10:80, 4:90].astype(int) - exact[10:80, 4:90])
    assert 0.5 < off.mean() < 4
    assert (glance[:, :][10:80, 4:90] == glance[10:80, 4:90]).all()
