"""Pictures by index: exact random access, and the whole film small."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import numpy as np
from av.video.frame import VideoFrame

from polydub.errors import InputError
from polydub.media.colour import Colour, ColourConverter
from polydub.media.decoding import DECODE_THREADS, PictureDecoder, has_times
from polydub.media.patching import cut_out, is_planar
from polydub.model import Image, VideoStream

READ_ON = 96
"""Frames that are decoded and dropped rather than sought over; a group is rarely longer."""

EXACT_SIDE = 768
"""Pixels. Coarse colours let the mesh of smaller faces tremble by up to 7 % more."""

ROUGH_FROM = 3
"""Pictures made this many times smaller, or more, are decoded roughly."""

FIRST_STEP_BACK = 32
"""Frames to seek back when the keyframe found shows after the wanted frame; doubled each time."""


class IndexedFrames:
    """Decoded frames with their index in ``video.pts``; keeps its place between calls.

    ``damaged`` collects the indices that did not decode: they repeat the picture before. ``rough``
    and ``threads`` are those of :class:`~polydub.media.decoding.PictureDecoder`.
    """

    def __init__(
        self,
        path: Path,
        video: VideoStream,
        start: Fraction,
        *,
        rough: bool = False,
        threads: int = DECODE_THREADS,
    ) -> None:
        self._path, self._video = path, video
        self._offset = int(start / video.time_base)
        self._timed = has_times(path, video.index)
        self._decoder = PictureDecoder(path, video.index, fast=True, rough=rough, threads=threads)
        self._stream = self._numbered()
        self._last: VideoFrame | None = None
        self._ahead: tuple[int, VideoFrame] | None = None
        self._next = 0
        self._known = -1
        self.damaged: set[int] = set()

    def read(self, first: int, last: int) -> Iterator[tuple[int, VideoFrame]]:
        """``(index, frame)`` for every index of ``[first, last)`` that the film has."""
        first, last = max(0, first), min(last, self._video.n_frames)
        for index in range(first, last):
            if index < self._next or (self._timed and index > self._next + READ_ON):
                self._go_to(index)
            while self._next < index:
                self._advance()
            yield index, self._advance()

    def _advance(self) -> VideoFrame:
        """The frame of index ``_next``, which then moves on by one."""
        if self._ahead is None:
            self._ahead = next(self._stream, None)
        if self._decoder.errors and self._decoder.fast:
            self._decode_carefully()
        frame = self._last
        if self._ahead is not None and self._ahead[0] <= self._next:
            frame, self._ahead = self._ahead[1], None
            if frame.is_corrupt:
                self.damaged.add(self._next)
        else:
            self.damaged.add(self._next)
            if frame is None and self._ahead is not None:
                frame = self._ahead[1]  # nothing before it: the next one that decodes
        if frame is None:
            raise InputError(
                f"Frame {self._next} of {self._path} cannot be decoded, nor any near it.",
                hint="The file changed or its disk fails: check it, then run again.",
                code="DUB-E102",
            )
        self._last = frame
        self._next += 1
        return frame

    def _decode_carefully(self) -> None:
        """After the first damage: one picture at a time, again from the keyframe before."""
        index = self._next
        self._decoder.fast = False
        self._decoder.rewind()
        self._go_to(index)
        while self._next < index:
            self._advance()
        if self._ahead is None:
            self._ahead = next(self._stream, None)

    def _numbered(self) -> Iterator[tuple[int, VideoFrame]]:
        """Decoded frames from the decoder's place with their index; hidden ones are dropped."""
        table = self._video.pts
        for frame in self._decoder.frames():
            if frame.pts is None or not self._timed:
                index = self._known + 1
            else:
                pts = frame.pts - self._offset
                index = int(np.searchsorted(table, pts, side="right")) - 1
                if index < 0 or (int(table[index]) != pts and index <= self._known):
                    continue
                index = self._known + 1 if index == self._known else index
            if index >= len(table):
                return
            self._known = index
            yield index, frame

    def _go_to(self, index: int) -> None:
        """Place the decoder so that a keyframe at or before ``index`` comes first."""
        back = 0
        while True:
            target = max(0, index - back) if self._timed else 0
            self._restart(target)
            entry = next(self._stream, None)
            found = entry is not None and entry[0] <= index and entry[1].key_frame
            if found or target == 0:
                break
            back = max(FIRST_STEP_BACK, 2 * back)
        if entry is None:  # nothing decodes any more: repeat the film's end
            self._next = index
            return
        self._ahead, self._next = entry, min(entry[0], index)

    def _restart(self, target: int) -> None:
        self._stream.close()  # type: ignore[attr-defined]
        self._known, self._ahead, self._last = -1, None, None
        if target:
            self._decoder.seek(int(self._video.pts[target]) + self._offset)
        else:
            self._decoder.rewind()
        self._stream = self._numbered()

    def close(self) -> None:
        """Release the file."""
        self._decoder.close()


class Glance:
    """A decoded picture of which only parts are wanted: ``glance[top:bottom, left:right]``.

    ``shape`` is that of the whole. Parts of up to ``EXACT_SIDE`` pixels are those of an exact
    picture (but for where within its four pixels a chroma sample lies); larger ones, which are
    looked at reduced, have coarser colours (:data:`polydub.media.colour.QUICK`). Nothing that was
    converted is kept.
    """

    def __init__(self, frame: VideoFrame, exact: ColourConverter, quick: ColourConverter) -> None:
        self._frame, self._exact, self._quick = frame, exact, quick
        self.shape = (frame.height, frame.width, 3)

    def __getitem__(self, part: tuple[slice, slice]) -> Image:
        (top, bottom, _), (left, right, _) = (
            which.indices(length) for which, length in zip(part, self.shape[:2], strict=True)
        )
        if bottom <= top or right <= left:
            return np.zeros((max(0, bottom - top), max(0, right - left), 3), np.uint8)
        if not is_planar(self._frame.format):
            return self._quick.rgb(self._frame)[top:bottom, left:right]
        large = max(bottom - top, right - left) > EXACT_SIDE
        x0, x1 = _with_margin(left, right, self._frame.width)
        y0, y1 = _with_margin(top, bottom, self._frame.height)
        converter = self._quick if large else self._exact
        wider = converter.rgb(cut_out(self._frame, x0, y0, x1, y1))
        return wider[top - y0 : bottom - y0, left - x0 : right - x0]


def _with_margin(first: int, last: int, length: int) -> tuple[int, int]:
    """From the chroma grid on and with neighbours to interpolate from; few different lengths."""
    start = max(0, first // 4 * 4 - 4)
    return start, min(length, start + -(-(last + 4 - start) // 64) * 64)


class FrameSource:
    """Pictures of one video stream as RGB in the coded orientation; a context manager.

    ``start`` is ``Source.start``. ``damaged`` collects frames that did not decode, seen so far:
    they repeat the picture before. ``threads`` decode. Not safe for use from several threads.
    """

    def __init__(
        self,
        path: Path,
        video: VideoStream,
        start: Fraction = Fraction(0),
        *,
        threads: int = DECODE_THREADS,
    ) -> None:
        self._path, self._video, self._start, self._threads = path, video, start, threads
        self._colour = Colour.of(video)
        self._converter = ColourConverter(self._colour)
        self._quick = ColourConverter(self._colour, quick=True)
        self._frames: IndexedFrames | None = None
        self.damaged: set[int] = set()

    def read(self, first: int, last: int) -> Iterator[tuple[int, Image]]:
        """``(index, picture)`` for every frame of ``[first, last)``, exact.

        Ranges that follow one another go on decoding; others seek to the keyframe before.

        Raises:
            InputError: DUB-E102 when nothing near a frame decodes.
        """
        for index, frame in self._decoded().read(first, last):
            yield index, self._converter.rgb(frame)

    def glance(self, first: int, last: int) -> Iterator[tuple[int, Glance]]:
        """Like :meth:`read`, for small parts of the pictures: only these are converted."""
        for index, frame in self._decoded().read(first, last):
            yield index, Glance(frame, self._converter, self._quick)

    def _decoded(self) -> IndexedFrames:
        if self._frames is None:
            self._frames = IndexedFrames(
                self._path, self._video, self._start, threads=self._threads
            )
            self._frames.damaged = self.damaged
        return self._frames

    def small(self, height: int) -> Iterator[Image]:
        """Every frame of the film, scaled to ``height`` pixels (never enlarged), in order.

        Pictures that get much smaller are decoded roughly: block edges show, a few of 255.
        """
        video = self._video
        height = min(height, video.height)
        width = max(1, round(video.width * height / video.height))
        rough = ROUGH_FROM * height <= video.height
        frames = IndexedFrames(self._path, video, self._start, rough=rough)
        converter = ColourConverter(self._colour)
        try:
            for _, frame in frames.read(0, video.n_frames):
                yield converter.rgb(frame, (width, height))
        finally:
            self.damaged |= frames.damaged
            frames.close()

    def close(self) -> None:
        """Release the file."""
        if self._frames is not None:
            self._frames.close()
            self._frames = None

    def __enter__(self) -> FrameSource:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
