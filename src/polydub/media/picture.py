"""The video stream of a master: copied packet for packet, or re-encoded with patches."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream as AvVideoStream

from polydub.errors import InputError
from polydub.media.colour import SHARP, Colour
from polydub.media.decoding import DAMAGE, PictureDecoder, is_reference_only, open_media
from polydub.media.frames import IndexedFrames
from polydub.media.patching import Painter, Patch
from polydub.model import Source, VideoStream

log = logging.getLogger(__name__)

Patches = Callable[[int], Sequence[Patch]]
Progress = Callable[[int, int], None]

MP4_VIDEO = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video", "mpeg1video", "mjpeg"})
"""What players expect in MP4; the muxer would take a few more."""


@dataclass(frozen=True, slots=True)
class MasterOptions:
    """How a master is encoded.

    ``crf`` (x264 quality, 0 to 51, lower is better) and ``preset`` count only when pictures change;
    ``audio_bitrate`` is AAC bits per second of a stereo track.
    """

    crf: int = 18
    preset: str = "veryfast"
    audio_bitrate: int = 192_000


@dataclass(frozen=True, slots=True)
class Timing:
    """Packet times of the video stream in decode order, container ticks.

    ``shown`` and ``hidden`` are the sorted times of packets that show a picture or, by an edit
    list, do not. ``dts`` is ``None`` where the container gives no usable ones.
    """

    pts: list[int]
    dts: list[int] | None
    shown: list[int]
    hidden: list[int]


def film_video(source: Source) -> VideoStream:
    """The video stream of ``source``. Raises ``InputError`` DUB-E104 when there is none."""
    if source.video is None:
        raise InputError(
            f"{source.path} has no picture.", hint="A master needs a video stream.", code="DUB-E104"
        )
    return source.video


# ---------------------------------------------------------------- copying


class CopiedPicture:
    """The source's own packets, moved to film time."""

    def __init__(
        self, source: Source, container: OutputContainer, timing: Timing, *, mp4: bool
    ) -> None:
        self._source, self._video, self._timing = source, film_video(source), timing
        if mp4 and self._video.codec not in MP4_VIDEO:
            raise InputError(
                f"MP4 cannot hold {self._video.codec} video without re-encoding.",
                hint="Name the output .mkv: Matroska holds it as it is.",
                code="DUB-E108",
            )
        self._input = open_media(Path(source.path))
        template = cast(AvVideoStream, self._input.streams[self._video.index])
        # opaque: take the decoder's description as it is; an encoder of that name is not needed
        self.stream = container.add_stream_from_template(template, opaque=True)
        if self._video.pixel_aspect != 1:
            self.stream.codec_context.sample_aspect_ratio = self._video.pixel_aspect
        self._template = template

    def packets(self, progress: Progress | None) -> Iterator[av.Packet[Any]]:
        """All packets in decode order, hidden ones too: later pictures may refer to them."""
        timing = self._timing
        dts = timing.dts or decode_times(timing.pts)
        offset = int(self._source.start / self._video.time_base)
        total = len(timing.pts)
        for number, packet in enumerate(_video_packets(self._input, self._template)):
            packet.pts, packet.dts = timing.pts[number] - offset, dts[number] - offset
            packet.stream = self.stream
            yield packet
            if progress is not None:
                progress(number + 1, total)

    def close(self) -> None:
        """Release the source file."""
        self._input.close()


def _video_packets(
    container: InputContainer, stream: AvVideoStream
) -> Iterator[av.Packet[AvVideoStream]]:
    try:
        for packet in container.demux(stream):
            if packet.size and packet.pts is not None:
                yield packet
    except DAMAGE as error:
        log.warning("the picture ends early: %s", error)


def picture_timing(source: Source) -> Timing:
    """Times of all packets of the video stream, by reading the file once."""
    video = film_video(source)
    pts: list[int] = []
    dts: list[int | None] = []
    shown: list[int] = []
    hidden: list[int] = []
    with open_media(Path(source.path)) as container:
        stream = cast(AvVideoStream, container.streams[video.index])
        for packet in _video_packets(container, stream):
            time = cast(int, packet.pts)
            pts.append(time)
            dts.append(packet.dts)
            if packet.is_discard:
                hidden.append(time)
            elif not is_reference_only(packet):
                shown.append(time)
    known = [time for time in dts if time is not None]
    usable = (
        len(known) == len(pts)
        and all(a < b for a, b in pairwise(known))
        and all(d <= p for d, p in zip(known, pts, strict=True))
    )
    return Timing(pts, known if usable else None, sorted(shown), sorted(hidden))


def decode_times(pts: Sequence[int]) -> list[int]:
    """Decode times for packets in decode order: increasing, and never after presentation."""
    ordered = sorted(pts)
    late = max((s - p for s, p in zip(ordered, pts, strict=True)), default=0)
    return [time - late for time in ordered]


def obstacle(source: Source, timing: Timing, *, mp4: bool) -> str | None:
    """Why packets cannot be copied with the same frames shown, or ``None`` when they can.

    MP4 hides pictures before film time zero by an edit list; Matroska has none, and no container
    written here hides pictures in the middle.
    """
    video = film_video(source)
    offset = int(source.start / video.time_base)
    if timing.shown != [int(time) + offset for time in video.pts]:
        return "some of its packets do not decode to a picture"
    if timing.hidden and timing.hidden[-1] > timing.shown[0]:
        return "an edit list hides pictures inside the film"
    if timing.hidden and not mp4:
        return "an edit list hides pictures before the start, which Matroska cannot express"
    return None


def copy_obstacle(source: Source, *, mp4: bool) -> str | None:
    """:func:`obstacle`, for a caller that wants to know before writing (reads the file once)."""
    return obstacle(source, picture_timing(source), mp4=mp4)


# ---------------------------------------------------------------- encoding


class EncodedPicture:
    """Every frame decoded, patched where there is a patch, and encoded as H.264.

    Size, pixel aspect, display matrix, colour tags and all presentation times stay. A picture with
    an odd side is encoded as 4:4:4, since 4:2:0 needs even sides and padding would show.
    """

    def __init__(
        self, source: Source, container: OutputContainer, patches: Patches, options: MasterOptions
    ) -> None:
        self._source, self._video, self._patches = source, film_video(source), patches
        video = self._video
        self._format = encoder_format(video.pixel_format, video.width, video.height)
        self.stream = container.add_stream(
            "libx264",
            rate=video.average_rate.limit_denominator(1 << 20),
            options=x264_options(options, self._format),
        )
        self._colour = Colour.of(video)
        self._describe(self.stream)
        self._painter = Painter(self._colour)
        self._reformatter = VideoReformatter()

    def _describe(self, stream: AvVideoStream) -> None:
        video, context = self._video, stream.codec_context
        stream.width, stream.height, stream.pix_fmt = video.width, video.height, self._format
        context.time_base = video.time_base
        stream.time_base = video.time_base
        if video.pixel_aspect != 1:
            context.sample_aspect_ratio = video.pixel_aspect
        context.color_range = video.colour.get("range", 0)
        context.color_primaries = video.colour.get("primaries", 2)
        context.color_trc = video.colour.get("transfer", 2)
        context.colorspace = video.colour.get("matrix", 2)
        if VideoFormat(video.pixel_format).is_rgb:
            context.color_range = self._colour.range
            context.colorspace = 1 if self._colour.matrix == 1 else 6
        matrix = display_matrix(Path(self._source.path), video.index)
        if matrix is not None:
            stream.set_display_matrix(matrix)

    def packets(self, progress: Progress | None) -> Iterator[av.Packet[Any]]:
        """Encoded packets in decode order."""
        video, total = self._video, self._video.n_frames
        frames = IndexedFrames(Path(self._source.path), video, self._source.start)
        try:
            for index, frame in frames.read(0, total):
                yield from self._timed(self.stream.encode(self._prepared(index, frame)))
                if progress is not None:
                    progress(index + 1, total)
            yield from self._timed(self.stream.encode(None))
        finally:
            frames.close()
        if frames.damaged:
            log.warning("%d damaged frames repeat the one before", len(frames.damaged))

    def _timed(self, packets: Sequence[av.Packet[Any]]) -> Iterator[av.Packet[Any]]:
        """``packets`` with the true durations: x264 only knows the average rate."""
        pts = self._video.pts
        for packet in packets:
            index = int(np.searchsorted(pts, cast(int, packet.pts), side="right"))
            end = int(pts[index]) if index < len(pts) else self._video.end_pts
            packet.duration = max(1, end - cast(int, packet.pts))
            yield packet

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


def merged(streams: Sequence[Iterator[av.Packet[Any]]]) -> Iterator[av.Packet[Any]]:
    """Packets of all ``streams`` in the order of their decode times: a muxer buffers little."""
    return heapq.merge(*streams, key=_decode_second)


def _decode_second(packet: av.Packet[Any]) -> Fraction:
    time = packet.dts if packet.dts is not None else packet.pts
    return (time or 0) * packet.time_base
