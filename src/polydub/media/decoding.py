"""Opening media files and decoding pictures without ever failing on one damaged packet."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, cast

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from polydub.errors import InputError

DECODE_THREADS = min(4, os.cpu_count() or 1)
"""Frame threads hold one picture each: four keep memory small and two cores busy."""

TIME_CHECK_PACKETS = 64
"""Packets read to see whether a container stores presentation times: a few groups' worth."""

DAMAGE = (av.error.InvalidDataError, av.error.PatchWelcomeError, av.error.UnknownError)
"""What FFmpeg raises for bytes that it cannot decode; anything else is a real failure."""


def open_media(path: Path) -> InputContainer:
    """Open ``path`` for reading.

    Raises:
        InputError: DUB-E101 when the file is missing or unreadable, DUB-E102 when it is not media.
    """
    if not path.is_file():
        kind = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(
            f"{path} {kind}.", hint="Check the path: a film or a sound is wanted.", code="DUB-E101"
        )
    try:
        return av.open(str(path), "r", metadata_errors="replace")
    except (av.error.FFmpegError, ValueError, IndexError) as error:
        if isinstance(error, OSError):
            raise InputError(
                f"{path} cannot be read: {error.strerror}.",
                hint="Check that you may read the file and that its disk is there.",
                code="DUB-E101",
            ) from error
        raise InputError(
            f"{path} is not a media file, or its index is damaged.",
            hint="Play it in a media player; if that fails too, export or download it again.",
            code="DUB-E102",
        ) from error


def is_picture_stream(stream: object) -> bool:
    """Whether ``stream`` is moving pictures with a decoder (not a cover image)."""
    if not isinstance(stream, VideoStream) or stream.codec_context is None:
        return False
    disposition = av.stream.Disposition
    still = disposition.attached_pic | disposition.timed_thumbnails | disposition.still_image
    return not stream.disposition & still


def is_reference_only(packet: av.Packet[Any]) -> bool:
    """Whether VP8 sends a picture that is never shown: bit 4 of its tag is 0 (RFC 6386, 9.1)."""
    if packet.stream.codec_context.codec.canonical_name != "vp8":
        return False
    return not memoryview(packet)[0] >> 4 & 1  # type: ignore[arg-type]


class PictureDecoder:
    """Decodes one video stream in presentation order from any place.

    ``errors`` counts packets that could not be decoded; they are skipped. ``fast`` decodes several
    pictures at once; around an undecodable packet that loses good ones too, so ask for it only
    where ``errors`` is looked at. ``rough`` leaves out the filter that hides the edges of blocks,
    a quarter of the work, for pictures that are looked at much reduced.
    """

    def __init__(
        self,
        path: Path,
        index: int,
        *,
        fast: bool = False,
        rough: bool = False,
        threads: int = DECODE_THREADS,
    ) -> None:
        self._path, self._index = path, index
        self.fast, self._rough, self._threads = fast, rough, threads
        self.errors = 0
        self._open()

    def _open(self) -> None:
        self._container = open_media(self._path)
        self._stream = cast(VideoStream, self._container.streams[self._index])
        kind = "AUTO" if self.fast else "SLICE"
        self._stream.codec_context.thread_type = kind  # type: ignore[assignment]
        self._stream.codec_context.thread_count = self._threads
        if self._rough:
            self._stream.codec_context.options = {"skip_loop_filter": "all"}
        for other in self._container.streams:
            if other.index != self._index:
                other.discard = av.stream.Discard.all

    def rewind(self) -> None:
        """Go to the first packet of the file."""
        self._container.close()
        self._open()

    def seek(self, timestamp: int) -> None:
        """Go to the keyframe at or before ``timestamp`` (stream ticks), as the container sees it.

        Containers index decode times, so the first picture may still lie after ``timestamp``.
        """
        try:
            self._container.seek(timestamp, stream=self._stream, backward=True)
        except av.error.FFmpegError:  # no index, or nothing before: from the start
            self.rewind()

    def frames(self) -> Iterator[VideoFrame]:
        """Pictures from the current place to the end; undecodable packets are skipped."""
        try:
            for packet in self._container.demux(self._stream):
                yield from self._decode(packet)
        except DAMAGE:  # the file itself ends in damage: what the decoder holds still counts
            self.errors += 1
            yield from self._decode(None)

    def _decode(self, packet: av.Packet[VideoStream] | None) -> list[VideoFrame]:
        try:
            return self._stream.decode(packet)
        except av.error.EOFError:
            return []
        except DAMAGE:
            self.errors += 1
            return []

    def close(self) -> None:
        """Release the file."""
        self._container.close()


def has_times(path: Path, index: int) -> bool:
    """Whether the packets of a stream say when their pictures are shown.

    Raw streams do not, and AVI numbers packets in decode order: with B-frames those are no
    presentation times. There, pictures can only be counted from the start.
    """
    times: list[int] = []
    with open_media(path) as container:
        stream = cast(VideoStream, container.streams[index])
        packets = (packet for packet in container.demux(stream) if packet.size)
        try:
            for packet in islice(packets, TIME_CHECK_PACKETS):
                if packet.pts is None or packet.pts in times:
                    return False
                times.append(packet.pts)
        except DAMAGE:
            return bool(times)
        reorders = bool(stream.codec_context.has_b_frames)
        return not (container.format.name == "avi" and reorders and times == sorted(times))
