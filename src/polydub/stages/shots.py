"""Cuts to shots: every frame of the film belongs to exactly one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from polydub.engines.protocols import ShotDetector
from polydub.model import Image, Shot, Span, VideoStream


def find_shots(
    detector: ShotDetector, frames: Iterator[Image], video: VideoStream
) -> tuple[Shot, ...]:
    """The shots of ``video`` in order, without gaps; ``frames`` are all its frames, maybe small."""
    rate = float(video.average_rate)
    return shots_between(detector.cuts(frames, rate), video)


def shots_between(cuts: Iterable[int], video: VideoStream) -> tuple[Shot, ...]:
    """Shots from the first frame index of each shot; indices outside the film are ignored."""
    if video.n_frames == 0:
        return ()
    inside = {cut for cut in cuts if 0 < cut < video.n_frames}
    bounds = [0, *sorted(inside), video.n_frames]
    return tuple(
        Shot(index, first, last, Span(video.frame_time(first), video.frame_time(last)))
        for index, (first, last) in enumerate(pairwise(bounds))
    )
