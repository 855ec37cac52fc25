"""What is seen: shots, face tracks, people."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from polydub.model.time import Span

Box = tuple[float, float, float, float]
"""Pixels in the coded frame: left, top, right, bottom."""

Landmarks = npt.NDArray[np.float32]
"""``[478, 3]`` FaceMesh points: x, y in pixels of the coded frame, z in the same scale."""

FacePrint = npt.NDArray[np.float32]
"""Face identity embedding ``[128]``; Euclidean distance, about 0.42 separates people."""


@dataclass(frozen=True, slots=True)
class Detection:
    """One detected face in one frame."""

    box: Box
    score: float


@dataclass(frozen=True, slots=True)
class Shot:
    """Frames between two cuts: indices ``[first, last)`` and the same as a time span."""

    index: int
    first: int
    last: int
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class FaceTrack:
    """One face followed inside one shot, one row per frame from ``first``.

    ``boxes`` ``[n, 4]`` pixels; ``landmarks`` ``[n, 478, 3]`` pixels (NaN where not ``accepted``);
    ``accepted`` ``[n]`` bool: the mesh fitted; ``pose`` ``[n, 3]`` yaw, pitch, roll in degrees
    (yaw > 0 looks to the right of the picture, pitch > 0 up, roll > 0 leans clockwise);
    ``iod`` ``[n]`` inter-ocular distance in pixels (pose-corrected); ``aperture`` ``[n]`` inner-lip
    gap / IOD.
    """

    id: str
    shot: int
    first: int
    boxes: npt.NDArray[np.float32]
    landmarks: npt.NDArray[np.float32]
    accepted: npt.NDArray[np.bool_]
    pose: npt.NDArray[np.float32]
    iod: npt.NDArray[np.float32]
    aperture: npt.NDArray[np.float32]
    score: float
    print: FacePrint | None = None

    @property
    def n_frames(self) -> int:
        """Length in frames."""
        return len(self.boxes)

    @property
    def frames(self) -> range:
        """Frame indices of the source that the track covers."""
        return range(self.first, self.first + self.n_frames)


@dataclass(frozen=True, slots=True)
class Person:
    """Face tracks joined across shots by identity.

    ``thumbnail`` names an image file beside the analysis, ``seen`` are the spans on screen.
    """

    id: str
    tracks: tuple[str, ...]
    seen: tuple[Span, ...] = ()
    thumbnail: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
