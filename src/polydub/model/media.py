"""What a media file is: streams, exact frame times, waveforms."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from polydub.model.time import Span

Samples = npt.NDArray[np.float32]
"""Audio in [-1, 1]: ``[n]`` mono or ``[n, channels]``."""

Image = npt.NDArray[np.uint8]
"""One picture, ``[height, width, 3]``, RGB order, as coded (before rotation)."""


@dataclass(frozen=True, slots=True, eq=False)
class Waveform:
    """Audio, maybe memory-mapped: ``samples`` ``[n]`` or ``[n, channels]``, ``rate`` in Hz."""

    samples: Samples
    rate: int

    @property
    def duration(self) -> Fraction:
        """Exact length in seconds."""
        return Fraction(len(self.samples), self.rate)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return 1 if self.samples.ndim == 1 else int(self.samples.shape[1])

    def mono(self) -> Waveform:
        """The mean of all channels."""
        if self.samples.ndim == 1:
            return self
        return Waveform(self.samples.mean(axis=1, dtype=np.float32), self.rate)

    def cut(self, span: Span) -> Waveform:
        """The part inside ``span``, clipped to what exists."""
        part = span.samples(self.rate)
        start = min(max(0, part.start), len(self.samples))
        return Waveform(self.samples[start : max(start, part.stop)], self.rate)


@dataclass(frozen=True, slots=True)
class AudioStream:
    """One audio stream as the container declares it; ``start`` is its first time in seconds."""

    index: int
    codec: str
    rate: int
    channels: int
    layout: str
    start: Fraction
    duration: Fraction
    language: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class VideoStream:
    """One video stream, with the presentation time of every frame.

    Film time zero is the container's start (``Source.start``): ``pts`` are already shifted by it.
    ``pts`` ``[n]`` int64 counts ``time_base`` seconds, sorted in presentation order, one entry per
    decodable frame: variable frame rate and edit lists stay exact. ``average_rate`` is for display
    only. ``colour`` holds FFmpeg's integer tags ``range``, ``primaries``, ``transfer``, ``matrix``.
    """

    index: int
    codec: str
    width: int
    height: int
    pixel_format: str
    pixel_aspect: Fraction
    rotation: int
    time_base: Fraction
    pts: npt.NDArray[np.int64]
    end_pts: int
    average_rate: Fraction
    colour: dict[str, int] = field(default_factory=dict)

    @property
    def n_frames(self) -> int:
        """How many frames can be decoded."""
        return len(self.pts)

    def frame_time(self, index: int) -> Fraction:
        """Presentation time of frame ``index`` in seconds; ``index == n_frames`` gives the end."""
        pts = self.end_pts if index >= len(self.pts) else int(self.pts[index])
        return pts * self.time_base

    def frame_at(self, time: Fraction) -> int:
        """Index of the frame shown at ``time``, clipped to the existing frames."""
        ticks = time / self.time_base
        at = int(np.searchsorted(self.pts, math.floor(ticks), side="right")) - 1
        return min(max(at, 0), max(0, len(self.pts) - 1))

    def frames_in(self, span: Span) -> range:
        """Indices of the frames whose presentation time lies inside ``span`` (half-open)."""
        ticks = [math.ceil(time / self.time_base) for time in (span.start, span.end)]
        first, last = np.searchsorted(self.pts, ticks, side="left")
        return range(int(first), int(last))

    @property
    def span(self) -> Span:
        """From the first frame's start to the last frame's end."""
        return Span(self.frame_time(0), self.frame_time(self.n_frames))


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A probed input file. ``start`` is the container time (seconds) of film time zero."""

    path: str
    digest: str
    container: str
    duration: Fraction
    video: VideoStream | None
    audio: tuple[AudioStream, ...]
    start: Fraction = Fraction(0)
    tags: dict[str, Any] = field(default_factory=dict)
