"""Pieces of an encoded master are kept: what did not change is neither decoded nor encoded."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from polydub.engines.protocols import Patch
from polydub.media import encoding
from polydub.media.frames import FrameSource
from polydub.media.master import write_master
from polydub.media.probe import probe
from polydub.model import Source
from tests.media_samples import CLIPS, NTSC, PLAIN, make, number_of, vfr_ticks

RED = np.full((20, 30, 3), (200, 30, 30), np.uint8)
BLUE = np.full((20, 30, 3), (20, 30, 200), np.uint8)
# of smaller pictures x264 does not always make the same bytes (its macroblock tree, 320 x 240)
LONG = replace(PLAIN, n_frames=70, audio=None, size=(640, 360))


@pytest.fixture(autouse=True)
def one_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "PIECE_S", Fraction(1))


@dataclass
class Store:
    """Pieces in memory, by frames and ``state`` of the patches; counts what was kept."""

    state: dict[int, str] = field(default_factory=dict)
    kept: dict[tuple[object, ...], bytes] = field(default_factory=dict)
    put_spans: list[tuple[int, int]] = field(default_factory=list)

    def _key(self, first: int, last: int, coder: str) -> tuple[object, ...]:
        return first, last, coder, *(self.state.get(frame) for frame in range(first, last))

    def get(self, first: int, last: int, coder: str) -> bytes | None:
        return self.kept.get(self._key(first, last, coder))

    def put(self, first: int, last: int, coder: str, piece: bytes) -> None:
        self.put_spans.append((first, last))
        self.kept[self._key(first, last, coder)] = piece


def painted(store: Store, pixels: dict[str, np.ndarray]) -> object:
    return lambda index: (
        [Patch(index, 50, 44, pixels[store.state[index]])] if index in store.state else []
    )


def write(source: Source, out: Path, store: Store | None, state: dict[int, str]) -> bytes:
    store = store if store is not None else Store()
    store.state = state
    patches = painted(store, {"red": RED, "blue": BLUE})
    write_master(
        source,
        out,
        audio=[],
        original=None,
        original_language=None,
        patches=patches,
        pieces=store,
    )
    return out.read_bytes()


def test_a_small_change_costs_one_piece_and_gives_the_same_file(tmp_path: Path) -> None:
    source = probe(make(tmp_path, LONG))
    assert source.video is not None and source.video.average_rate == 25
    store = Store()
    first = write(source, tmp_path / "a.mp4", store, {40: "red"})
    assert store.put_spans == [(0, 25), (25, 50), (50, 70)]
    again = write(source, tmp_path / "b.mp4", store, {40: "red"})
    assert len(store.put_spans) == 3 and again == first
    changed = write(source, tmp_path / "c.mp4", store, {40: "blue"})
    assert store.put_spans[3:] == [(25, 50)]
    assert changed != first
    assert changed == write(source, tmp_path / "d.mp4", None, {40: "blue"})


def test_what_is_known_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = probe(make(tmp_path, LONG))
    store = Store()
    write(source, tmp_path / "a.mp4", store, {})
    read: list[tuple[int, int]] = []
    real = encoding.IndexedFrames.read

    def watched(self: object, first: int, last: int, **more: object) -> object:
        read.append((first, last))
        return real(self, first, last, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(encoding.IndexedFrames, "read", watched)
    done: list[tuple[int, int]] = []
    store.state = {60: "red"}
    write_master(
        source,
        tmp_path / "b.mp4",
        audio=[],
        original=None,
        original_language=None,
        patches=painted(store, {"red": RED}),  # type: ignore[arg-type]
        pieces=store,
        progress=lambda *now: done.append(now),
    )
    assert read == [(50, 70)]
    assert done[:2] == [(25, 70), (50, 70)] and done[-1] == (70, 70)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda piece: b"",
        lambda piece: piece[: len(piece) // 2],
        lambda piece: b"\x90",  # an empty list of packets
        lambda piece: b"not a piece",
    ],
)
def test_a_spoilt_piece_is_made_again(spoil: object, tmp_path: Path) -> None:
    source = probe(make(tmp_path, LONG))
    store = Store()
    first = write(source, tmp_path / "a.mp4", store, {})
    key = next(key for key in store.kept if key[0] == 25)
    store.kept[key] = spoil(store.kept[key])  # type: ignore[operator]
    assert write(source, tmp_path / "b.mp4", store, {}) == first
    assert store.put_spans[3:] == [(25, 50)]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    "clip",
    [
        LONG,
        replace(LONG, name="ntsc.mp4", rate=NTSC, b_frames=3),
        replace(LONG, name="vfr.mp4", rate=NTSC, ticks=vfr_ticks(70)),
        replace(CLIPS["odd.mp4"], n_frames=70),
        replace(CLIPS["deep.mp4"], n_frames=70),
    ],
    ids=lambda clip: clip.name,
)
def test_joined_pieces_show_every_frame_at_its_time(
    clip: object, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "PIECE_S", Fraction(1, 2))
    path = make(tmp_path, clip)  # type: ignore[arg-type]
    source = probe(path)
    out = tmp_path / f"out{suffix}"
    write(source, out, Store(), {})
    result = probe(out)
    old, new = source.video, result.video
    assert old is not None and new is not None and new.n_frames == old.n_frames
    tolerance = Fraction(1, 1000) if suffix == ".mkv" else 0
    for index in range(old.n_frames + 1):
        assert abs(new.frame_time(index) - old.frame_time(index)) <= tolerance
    with FrameSource(out, new, result.start) as frames:
        numbers = [number_of(image) for _, image in frames.read(0, new.n_frames)]
    with FrameSource(path, old, source.start) as frames:
        assert numbers == [number_of(image) for _, image in frames.read(0, old.n_frames)]
    with av.open(str(out)) as container:
        packets = [p for p in container.demux(container.streams.video[0]) if p.size]
    decode_times = [p.dts for p in packets]
    if suffix == ".mp4":  # Matroska stores none
        assert all(a < b for a, b in pairwise(decode_times))
        assert all(p.dts <= p.pts for p in packets)
    assert sum(p.is_keyframe for p in packets) >= old.n_frames // 15


def test_a_coder_is_known_by_its_settings(tmp_path: Path) -> None:
    source = probe(make(tmp_path, LONG))
    store = Store()
    write(source, tmp_path / "a.mp4", store, {})
    other = Store(kept=dict(store.kept))
    write_master(
        source,
        tmp_path / "b.mp4",
        audio=[],
        original=None,
        original_language=None,
        patches=lambda _: (),
        pieces=other,
        options=encoding.MasterOptions(crf=30),
    )
    assert len(other.put_spans) == 3
