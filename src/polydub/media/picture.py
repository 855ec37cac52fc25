"""The video stream of a master, copied packet for packet; how its times are read."""

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
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream as AvVideoStream

from polydub.errors import InputError
from polydub.media.decoding import DAMAGE, is_reference_only, open_media
from polydub.model import Source, VideoStream

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]

MP4_VIDEO = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video", "mpeg1video", "mjpeg"})
"""What players expect in MP4; the muxer would take a few more."""


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


def merged(streams: Sequence[Iterator[av.Packet[Any]]]) -> Iterator[av.Packet[Any]]:
    """Packets of all ``streams`` in the order of their decode times: a muxer buffers little."""
    return heapq.merge(*streams, key=_decode_second)


def _decode_second(packet: av.Packet[Any]) -> Fraction:
    time = packet.dts if packet.dts is not None else packet.pts
    return (time or 0) * packet.time_base
