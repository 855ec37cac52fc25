"""A drawn talking head with known mesh: film material for the lip tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np

from polydub.engines.lips.geometry import INNER_LIPS, OUTER_LIPS, OVAL
from polydub.engines.protocols import LipOutcome
from polydub.model import FaceTrack, Image, Phone, Shot, Span, VideoStream, Waveform

WIDTH, HEIGHT = 480, 320
RATE = 25
IOD = 60.0

_PLACES = {
    33: (-0.5, 0.0), 263: (0.5, 0.0), 133: (-0.2, 0.0), 362: (0.2, 0.0), 130: (-0.52, 0.02),
    359: (0.52, 0.02), 168: (0.0, 0.0), 6: (0.0, 0.1), 197: (0.0, 0.2), 195: (0.0, 0.3),
    5: (0.0, 0.38), 4: (0.0, 0.44), 1: (0.0, 0.5), 2: (0.0, 0.58), 98: (-0.15, 0.55),
    327: (0.15, 0.55), 48: (-0.18, 0.5), 278: (0.18, 0.5), 8: (0.0, -0.1), 9: (0.0, -0.2),
    107: (-0.15, -0.25), 336: (0.15, -0.25), 46: (-0.5, -0.2), 276: (0.5, -0.2), 151: (0.0, -0.4),
    70: (-0.5, -0.24), 63: (-0.42, -0.28), 105: (-0.32, -0.3), 66: (-0.22, -0.28),
    300: (0.5, -0.24), 293: (0.42, -0.28), 334: (0.32, -0.3), 296: (0.22, -0.28),
}  # fmt: skip


_ROWS, _COLUMNS = np.mgrid[0:HEIGHT, 0:WIDTH]
_WALL = np.repeat(
    (90 + 40 * np.sin(_COLUMNS / 7.0) * np.cos(_ROWS / 11.0))[..., None], 3, axis=2
).astype(np.uint8)


def face_shape(gap: float) -> np.ndarray:
    """478 points, eyes 1 apart, lips ``gap`` apart; z grows towards the back of the head."""
    random = np.random.default_rng(7)
    angle, radius = random.uniform(0, 2 * np.pi, 478), np.sqrt(random.uniform(0, 0.9, 478))
    face = np.stack([0.7 * radius * np.cos(angle), 0.35 + 1.0 * radius * np.sin(angle)], axis=1)
    for index, vertex in enumerate(OVAL):
        turn = 2 * np.pi * index / len(OVAL)
        face[vertex] = (0.75 * np.sin(turn), 0.35 - 1.05 * np.cos(turn))
    for vertex, place in _PLACES.items():
        face[vertex] = place
    face[:, 1] += 0.5 * gap * np.clip((face[:, 1] - 0.85) / 0.4, 0, 1)
    for lips, half, height in ((OUTER_LIPS, 0.30, 0.10 + gap / 2), (INNER_LIPS, 0.22, gap / 2)):
        for index, vertex in enumerate(lips):
            turn = 2 * np.pi * index / len(lips)
            face[vertex] = (-half * np.cos(turn), 0.85 + height * np.sin(turn))
    depth = 0.5 * face[:, 0] ** 2 - 0.25 * np.exp(-((face[:, 0] / 0.15) ** 2)) * (face[:, 1] > 0.2)
    return np.column_stack([face, depth])


@dataclass
class Head:
    """A head in every frame of ``[0, n)``; ``gap``, ``yaw`` (degrees) and ``place`` by frame."""

    n: int
    gap: Callable[[int], float] = lambda frame: 0.12 + 0.11 * np.sin(frame * 0.9)
    yaw: Callable[[int], float] = lambda frame: 0.0
    place: Callable[[int], tuple[float, float]] = lambda frame: (240.0 + 5 * np.sin(frame / 9), 120)
    light: Callable[[int], float] = lambda frame: 1.0
    iod: float = IOD

    def points(self, frame: int) -> np.ndarray:
        """Mesh in pixels ``[478, 3]``."""
        turn = np.radians(self.yaw(frame))
        about_y = np.array(
            [[np.cos(turn), 0, -np.sin(turn)], [0, 1, 0], [np.sin(turn), 0, np.cos(turn)]]
        )
        x, y = self.place(frame)
        return face_shape(self.gap(frame)) @ about_y.T * self.iod + np.array([x, y, 0])

    def image(self, frame: int) -> Image:
        """The picture: skin, lips, a dark cavity with teeth, on a patterned wall."""
        points = self.points(frame)[:, :2]
        picture = _WALL.copy()

        def fill(vertices: tuple[int, ...], colour: tuple[int, int, int]) -> None:
            outline = np.round(points[list(vertices)] * 16).astype(np.int32)
            cv2.fillPoly(picture, [outline], colour, cv2.LINE_AA, 4)

        fill(OVAL, (205, 160, 140))
        fill(OUTER_LIPS, (175, 70, 80))
        fill(INNER_LIPS, (30, 12, 12))
        return cv2.convertScaleAbs(picture, alpha=self.light(frame))

    def track(self, name: str = "F000.1", shot: int = 0) -> FaceTrack:
        """The face track as an analysis would give it."""
        landmarks = np.array([self.points(f) for f in range(self.n)], np.float32)
        low, high = landmarks[..., :2].min(axis=1), landmarks[..., :2].max(axis=1)
        gaps = np.array([self.gap(f) for f in range(self.n)], np.float32)
        yaws = np.array([self.yaw(f) for f in range(self.n)], np.float32)
        return FaceTrack(
            id=name,
            shot=shot,
            first=0,
            boxes=np.concatenate([low, high], axis=1),
            landmarks=landmarks,
            accepted=np.ones(self.n, bool),
            pose=np.column_stack([yaws, 0 * yaws, 0 * yaws]),
            iod=np.full(self.n, self.iod, np.float32),
            aperture=gaps,
            score=0.9,
        )

    def read(self, first: int, last: int) -> Iterator[tuple[int, Image]]:
        """Frame reader."""
        for frame in range(first, min(last, self.n)):
            yield frame, self.image(frame)

    def shot(self) -> Shot:
        """One shot over all frames."""
        return Shot(0, 0, self.n, Span(Fraction(0), frame_time(self.n)))


def frame_time(frame: int) -> Fraction:
    """25 frames per second."""
    return Fraction(frame, RATE)


def video(n: int, rate: int = RATE) -> VideoStream:
    """A stream of ``n`` frames."""
    return VideoStream(
        index=0, codec="h264", width=WIDTH, height=HEIGHT, pixel_format="yuv420p",
        pixel_aspect=Fraction(1), rotation=0, time_base=Fraction(1, rate),
        pts=np.arange(n, dtype=np.int64), end_pts=n, average_rate=Fraction(rate),
    )  # fmt: skip


def phones(symbols: str, start: float, length: float = 0.2) -> tuple[Phone, ...]:
    """One phone per word of ``symbols``, one after the other."""
    found = []
    at = Span.of(start, start + length)
    for symbol in symbols.split():
        found.append(Phone(symbol, at))
        at = at.shift(at.duration)
    return tuple(found)


def voice(spoken: tuple[Phone, ...], duration: float, rate: int = 16000) -> Waveform:
    """Noise where something is said, near silence elsewhere."""
    random = np.random.default_rng(0)
    loud = np.full(int(duration * rate), 1e-4)
    for phone in spoken:
        loud[phone.span.samples(rate)] = 0.15
    return Waveform((random.standard_normal(len(loud)) * loud).astype(np.float32), rate)


def rendered(head: Head, outcomes: list[LipOutcome]) -> dict[int, Image]:
    """Whole pictures of the frames that changed."""
    pictures = {}
    for outcome in outcomes:
        for patch in outcome.patches:
            picture = head.image(patch.frame)
            height, width = patch.pixels.shape[:2]
            picture[patch.top : patch.top + height, patch.left : patch.left + width] = patch.pixels
            pictures[patch.frame] = picture
    return pictures
