"""The picture of a master encoded as H.264, patched, in pieces that are kept for the next time."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, cast

import av
import msgspec
import numpy as np
import numpy.typing as npt
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from polydub.media.ahead import read_ahead
from polydub.media.colour import SHARP, Colour
from polydub.media.decoding import PictureDecoder
from polydub.media.frames import IndexedFrames
from polydub.media.patching import Painter, Patch
from polydub.media.picture import Progress, film_video
from polydub.model import Source

log = logging.getLogger(__name__)

Patches = Callable[[int], Sequence[Patch]]
Times = Sequence[int] | npt.NDArray[np.int64]

PIECE_S = Fraction(2)
"""Film seconds of a piece. Each begins with a keyframe of its own: shorter ones cost bits (2 s:
+12 % on film), longer ones more work after a small change."""

REORDER = 2
"""Most packets of x264 that are decoded before one that is shown earlier (B-frames as references
of others included): decode times lag behind by as many frames."""


class PieceStore(Protocol):
    """Keeps encoded pieces; ``coder`` names everything about the encoder that shows in them."""

    def get(self, first: int, last: int, coder: str) -> bytes | None:
        """The piece of frames ``[first, last)`` with the patches of today, if it is known."""

    def put(self, first: int, last: int, coder: str, piece: bytes) -> None:
        """Keep a piece."""


class _Coded(msgspec.Struct, frozen=True, array_like=True):
    """A packet of a piece: presentation time in ticks, whether it is a keyframe, its bytes."""

    pts: int
    key: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class MasterOptions:
    """How a master is encoded.

    ``crf`` (x264 quality, 0 to 51, lower is better) and ``preset`` count only when pictures change;
    ``audio_bitrate`` is AAC bits per second of a stereo track.
    """

    crf: int = 16
    preset: str = "veryfast"
    audio_bitrate: int = 192_000


class EncodedPicture:
    """Every frame decoded, patched where there is a patch, and encoded as H.264.

    Size, pixel aspect, display matrix, colour tags and all presentation times stay. A picture with
    an odd side is encoded as 4:4:4, since 4:2:0 needs even sides and padding would show.

    The film is encoded in pieces of :data:`PIECE_S`, each by an encoder that knows nothing of the
    others. So a piece that ``store`` has from before needs no decoding and no encoding, and is what
    a new one would be. (To the bit, but for tiny pictures: at 320 x 240 x264 itself varies.)
    """

    def __init__(
        self,
        source: Source,
        container: OutputContainer,
        patches: Patches,
        options: MasterOptions,
        store: PieceStore | None = None,
    ) -> None:
        self._source, self._video, self._patches = source, film_video(source), patches
        self._options, self._store = options, store
        video = self._video
        self._format = encoder_format(video.pixel_format, video.width, video.height)
        self._rate = video.average_rate.limit_denominator(1 << 20)
        self._colour = Colour.of(video)
        self.stream = container.add_stream(
            "libx264", rate=self._rate, options=x264_options(options, self._format)
        )
        self._configure(self.stream.codec_context)
        self.stream.time_base = video.time_base
        matrix = display_matrix(Path(source.path), video.index)
        if matrix is not None:
            self.stream.set_display_matrix(matrix)
        self._painter = Painter(self._colour)
        self._reformatter = VideoReformatter()

    def _configure(self, context: VideoCodecContext) -> None:
        video = self._video
        context.width, context.height, context.pix_fmt = video.width, video.height, self._format
        context.time_base = video.time_base
        if video.pixel_aspect != 1:
            context.sample_aspect_ratio = video.pixel_aspect
        context.color_range = video.colour.get("range", 0)
        context.color_primaries = video.colour.get("primaries", 2)
        context.color_trc = video.colour.get("transfer", 2)
        context.colorspace = video.colour.get("matrix", 2)
        if VideoFormat(video.pixel_format).is_rgb:
            context.color_range = self._colour.range
            context.colorspace = 1 if self._colour.matrix == 1 else 6

    def packets(self, progress: Progress | None) -> Iterator[av.Packet[Any]]:
        """Encoded packets in decode order."""
        video = self._video
        coder, number = self._coder(), 0
        frames = IndexedFrames(Path(self._source.path), video, self._source.start)
        try:
            for first, last in pieces(video.n_frames, self._rate):
                for coded in self._piece(frames, first, last, coder, progress):
                    yield self._packet(coded, number)
                    number += 1
        finally:
            frames.close()
        if frames.damaged:
            log.warning("%d damaged frames repeat the one before", len(frames.damaged))

    def _coder(self) -> str:
        """Names what pieces must share to be joined: settings, and the stream's own header."""
        header = bytes(self.stream.codec_context.extradata or b"")
        settings = (self._options.crf, self._options.preset, self._format)
        return hashlib.sha256(repr(settings).encode() + header).hexdigest()[:16]

    def _piece(
        self,
        frames: IndexedFrames,
        first: int,
        last: int,
        coder: str,
        progress: Progress | None,
    ) -> list[_Coded]:
        total = self._video.n_frames
        known = self._store.get(first, last, coder) if self._store is not None else None
        if known is not None:
            found = _read_piece(known, self._video.pts[first:last])
            if found is not None:
                if progress is not None:
                    progress(last, total)
                return found
        made: list[_Coded] = []
        encoder = self._encoder()
        for index, frame in read_ahead(frames.read(first, last)):
            made += _coded(encoder.encode(self._prepared(index, frame)))
            if progress is not None:
                progress(index + 1, total)
        made += _coded(encoder.encode(None))
        if self._store is not None and not frames.damaged:
            self._store.put(first, last, coder, msgspec.msgpack.encode(made))
        return made

    def _encoder(self) -> VideoCodecContext:
        options = x264_options(self._options, self._format)
        encoder = av.CodecContext.create("libx264", "w")
        encoder.options = options
        encoder.framerate = self._rate
        encoder.thread_type = "FRAME"  # slices cost 0.5 % more bits and a fifth more time
        encoder.flags |= Flags.global_header.value  # the container keeps the header
        self._configure(encoder)
        return encoder

    def _packet(self, coded: _Coded, number: int) -> av.Packet[Any]:
        """Packet ``number`` of the film in decode order, with true durations and decode times.

        x264 knows only the average rate, and of a piece neither what came before nor its place.
        """
        pts, video = self._video.pts, self._video
        index = int(np.searchsorted(pts, coded.pts, side="right"))
        end = int(pts[index]) if index < len(pts) else video.end_pts
        packet: av.Packet[Any] = av.Packet(coded.data)
        packet.stream = self.stream
        packet.time_base = video.time_base
        packet.pts, packet.dts = coded.pts, _decode_time(pts, number, video.end_pts)
        packet.duration = max(1, end - coded.pts)
        packet.is_keyframe = coded.key
        return packet

    def _prepared(self, index: int, frame: VideoFrame) -> VideoFrame:
        video = self._video
        patches = self._patches(index)
        if frame.format.name != self._format:
            colour = self._colour
            frame = self._reformatter.reformat(
                frame,
                format=self._format,
                src_colorspace=colour.matrix,
                dst_colorspace=colour.matrix,
                interpolation=SHARP,
                src_color_range=2 if frame.format.is_rgb else colour.range,
                dst_color_range=colour.range,
                threads=1,
            )
        if patches:
            frame = self._painter.paint(frame, patches)
        frame.pts, frame.time_base = int(video.pts[index]), video.time_base
        frame.dts = None
        frame.pict_type = 0  # the source's choice of I, P and B must not bind the encoder
        return frame

    def close(self) -> None:
        """Nothing is held open between frames."""


def pieces(n_frames: int, rate: Fraction) -> Iterator[tuple[int, int]]:
    """``[first, last)`` of each piece of a film, frames at ``rate`` per second on average."""
    length = max(1, round(PIECE_S * rate))
    for first in range(0, n_frames, length):
        yield first, min(first + length, n_frames)


def _coded(packets: Sequence[av.Packet[Any]]) -> list[_Coded]:
    return [_Coded(cast(int, p.pts), bool(p.is_keyframe), bytes(p)) for p in packets]


def _read_piece(data: bytes, pts: Times) -> list[_Coded] | None:
    """The packets of a stored piece, or ``None`` when they are not those of the frames ``pts``."""
    try:
        found = msgspec.msgpack.decode(data, type=list[_Coded])
    except msgspec.MsgspecError:
        return None
    fits = sorted(coded.pts for coded in found) == [int(time) for time in pts]
    return found if fits and found[0].key else None


def _decode_time(pts: Times, number: int, end: int) -> int:
    if number >= REORDER:
        return int(pts[number - REORDER])
    step = int(pts[1] - pts[0]) if len(pts) > 1 else end - int(pts[0])
    return int(pts[0]) - (REORDER - number) * max(1, step)


def x264_options(options: MasterOptions, pixel_format: str) -> dict[str, str]:
    """Encoder options; x264 makes 4:4:4 chroma 6 steps coarser by itself, which is undone here."""
    chosen = {"crf": str(options.crf), "preset": options.preset}
    if "444" in pixel_format:
        chosen["x264-params"] = "chroma-qp-offset=-6"
    return chosen


def encoder_format(pixel_format: str, width: int, height: int) -> str:
    """The pixel format for libx264 that keeps depth, subsampling and size of ``pixel_format``."""
    described = VideoFormat(pixel_format)
    supported = {f.name for f in av.Codec("libx264", "w").video_formats or ()}
    deep = max((c.bits for c in described.components), default=8) > 8
    halves_x, halves_y = described.chroma_width(64) < 64, described.chroma_height(64) < 64
    if described.is_rgb or len(described.components) < 3:  # made of RGB or grey: 4:2:0 plays best
        halves_x = halves_y = True
    if (halves_x and width % 2) or (halves_y and height % 2):
        halves_x = halves_y = False
    chroma = "420" if halves_y else "422" if halves_x else "444"
    wanted = f"yuv{'j' if pixel_format.startswith('yuvj') else ''}{chroma}p{'10le' * deep}"
    return wanted if wanted in supported else "yuv420p"


def display_matrix(path: Path, index: int) -> list[int] | None:
    """The nine numbers that turn or mirror the picture for display, ``None`` without any."""
    decoder = PictureDecoder(path, index)
    try:
        for frame in decoder.frames():
            for data in cast(Any, frame.side_data):
                if data.type.name == "DISPLAYMATRIX":
                    return [int(v) for v in np.frombuffer(bytes(data), np.int32)]
            return None
    finally:
        decoder.close()
    return None
