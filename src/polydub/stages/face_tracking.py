"""Follows boxes through one shot: which detection continues which face."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from polydub.engines.protocols import FaceFinder
from polydub.model import Box, Detection, Image

LOCAL_REACH = 1.6  # box sides around a live face that are searched when it was not seen
SAME_FACE_IOU = 0.3
SAME_FACE_INSIDE = 0.6
MEDIAN_FRAMES = 5  # detector boxes jump; the mesh wants a steady crop
LEAST_CROP = 20  # pixels
SPEED_DETECTIONS = 5  # of single steps, jitter is larger than the speed


@dataclass(frozen=True, slots=True)
class FaceOptions:
    """How faces are followed. The numbers were measured on 22 shots of 15 film clips."""

    stride: int = 2
    """Search every n-th frame; boxes between are interpolated, the mesh runs on every frame."""
    thorough_every: int = 8
    """Search tiles for small faces every n-th frame."""
    thorough_every_close: int = 24
    """The same while a face fills ``close`` of the picture: few small ones matter beside it."""
    close: float = 0.25
    """Side of a face, against the short side of the picture, in a close-up."""
    gap: int = 12
    """Longest stretch, in frames, that a face may go unseen."""
    least_iou: float = 0.25
    """Overlap by which a detection continues a face."""
    least_frames: int = 8
    """Shorter tracks are dropped."""
    least_score: float = 0.7
    """Tracks with a lower mean detector score are dropped, unless the mesh leaves no doubt."""
    doubtful_score: float = 0.5
    """Mean detector score down to which the mesh may vouch for a track."""
    no_doubt: float = 0.95
    """Share of frames with a fitting mesh that vouches; no junk track came above 0.76."""
    least_accepted: float = 0.8
    """Tracks on which the mesh fits in a smaller share of frames are no visible mouths."""
    prints: int = 6
    """Identity samples of a face that is seen to the end of its shot, at least."""
    print_every: int = 16
    """One identity sample per so many frames, at least."""
    hidden_cut: float = 0.6
    """Identity distance inside a track that means another person: a dissolve, or a missed cut."""


@dataclass(slots=True)
class Followed:
    """Detections of one face: frame indices, boxes and scores."""

    frames: list[int] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)

    def add(self, frame: int, detection: Detection) -> None:
        """Append a detection."""
        self.frames.append(frame)
        self.boxes.append(detection.box)
        self.scores.append(detection.score)

    @property
    def score(self) -> float:
        """Mean detector score."""
        return float(np.mean(self.scores))

    def expected(self, frame: int) -> Box:
        """Where the face should be in ``frame``: its last box, moved on at its recent speed."""
        since = max(0, len(self.frames) - SPEED_DETECTIONS)
        elapsed = self.frames[-1] - self.frames[since]
        last = np.array(self.boxes[-1])
        if elapsed == 0:
            return self.boxes[-1]
        move = (last - np.array(self.boxes[since])) / elapsed
        shift = np.tile((move[:2] + move[2:]) / 2, 2)  # the place moves, the size stays
        left, top, right, bottom = (last + shift * (frame - self.frames[-1])).tolist()
        return (left, top, right, bottom)

    def box_at(self, frame: int, last: int) -> Box:
        """The box in ``frame``, of a face that is followed to before ``last``.

        Between detections it is interpolated, and the median of the frames around it is taken.
        """
        reach = MEDIAN_FRAMES // 2
        rows = np.clip(np.arange(frame - reach, frame + reach + 1), self.frames[0], last - 1)
        since = max(0, bisect_left(self.frames, int(rows[0])) - 1)
        until = bisect_left(self.frames, int(rows[-1])) + 1
        frames, boxes = self.frames[since:until], np.array(self.boxes[since:until])
        around = np.stack([np.interp(rows, frames, boxes[:, side]) for side in range(4)])
        left, top, right, bottom = np.sort(around)[:, reach].tolist()
        return (left, top, right, bottom)


def iou(a: Box, b: Box) -> float:
    """Common area over joint area of two boxes."""
    common = _common(a, b)
    return common / (_area(a) + _area(b) - common) if common > 0 else 0.0


def same_face(a: Box, b: Box) -> bool:
    """Whether two boxes in one frame show the same face."""
    common = _common(a, b)
    inside = common / max(min(_area(a), _area(b)), 1e-9)
    return iou(a, b) >= SAME_FACE_IOU or inside >= SAME_FACE_INSIDE


class FaceFollower:
    """Follows the faces of one shot, whose frames before ``last`` it is shown in their order.

    ``faces`` are all seen so far, junk included, in order of appearance.
    """

    def __init__(self, finder: FaceFinder, options: FaceOptions, first: int, last: int) -> None:
        self.faces: list[Followed] = []
        self._finder, self._options = finder, options
        self._first, self._last = first, last
        self._live: list[Followed] = []
        self._seen = first - 1

    def wants(self, index: int) -> bool:
        """Whether frame ``index`` is one of those that are searched."""
        offset = index - self._first
        return offset % self._options.stride == 0 or offset % self._options.thorough_every == 0

    def see(self, index: int, image: Image) -> None:
        """Search frame ``index``."""
        self._live = [face for face in self._live if index - face.frames[-1] <= self._options.gap]
        thorough = (index - self._first) % self._thorough_every(image) == 0
        found = self._finder.detect(image, thorough=thorough)
        new = _continue(self._live, found, index, self._options.least_iou)
        for face in self._live:
            if face.frames[-1] != index:
                _search_near(self._finder, image, face, index, self._live)
        for detection in new:
            if not _taken(detection.box, index, self._live):
                face = Followed()
                face.add(index, detection)
                self.faces.append(face)
                self._live.append(face)
        self._seen = index

    def _thorough_every(self, image: Image) -> int:
        close = self._options.close * min(image.shape[:2])
        sides = (max(b[2] - b[0], b[3] - b[1]) for b in (face.boxes[-1] for face in self._live))
        large = any(side >= close for side in sides)
        return self._options.thorough_every_close if large else self._options.thorough_every

    def finish(self) -> None:
        """There are no more frames."""
        self._seen = self._last + self._options.gap

    def lost(self, face: Followed) -> bool:
        """Whether nothing seen later can continue ``face``."""
        return self._seen - face.frames[-1] > self._options.gap

    def settled(self, index: int) -> bool:
        """Whether nothing seen later changes a box in frame ``index``."""
        if index > self._seen:
            return False
        ahead = index + MEDIAN_FRAMES // 2
        return all(face.frames[-1] >= ahead or self.lost(face) for face in self._live)

    def end_of(self, face: Followed) -> int:
        """The frame before which ``face`` ends, as far as is known."""
        return min(self._last, face.frames[-1] + self._options.stride)


def _continue(
    live: Sequence[Followed], found: Sequence[Detection], index: int, least_iou: float
) -> list[Detection]:
    """Give each live face its best detection, best pairs first; returns the detections left."""
    pairs = [
        (_fit(face, detection.box, index), at, number)
        for at, face in enumerate(live)
        for number, detection in enumerate(found)
    ]
    faces_done: set[int] = set()
    found_done: set[int] = set()
    for overlap, at, number in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if overlap < least_iou or at in faces_done or number in found_done:
            continue
        live[at].add(index, found[number])
        faces_done.add(at)
        found_done.add(number)
    return [detection for number, detection in enumerate(found) if number not in found_done]


def _fit(face: Followed, box: Box, index: int) -> float:
    """How well ``box`` continues ``face``: where it was, or where it was going."""
    return max(iou(face.boxes[-1], box), iou(face.expected(index), box))


def _search_near(
    finder: FaceFinder, image: Image, face: Followed, index: int, live: Sequence[Followed]
) -> None:
    """Look for a face that was not seen in a close-up of where it should be."""
    expected = face.expected(index)
    height, width = image.shape[:2]
    reach = max(expected[2] - expected[0], expected[3] - expected[1]) * LOCAL_REACH
    x, y = (expected[0] + expected[2]) / 2, (expected[1] + expected[3]) / 2
    left, top = max(0, int(x - reach)), max(0, int(y - reach))
    right, bottom = min(width, int(x + reach)), min(height, int(y + reach))
    if min(right - left, bottom - top) < LEAST_CROP:
        return
    best: Detection | None = None
    for seen in finder.detect(image[top:bottom, left:right]):
        box = (seen.box[0] + left, seen.box[1] + top, seen.box[2] + left, seen.box[3] + top)
        if not same_face(box, expected) or _taken(box, index, live):
            continue
        if best is None or iou(box, expected) > iou(best.box, expected):
            best = Detection(box, seen.score)
    if best is not None:
        face.add(index, best)


def _taken(box: Box, index: int, live: Sequence[Followed]) -> bool:
    """Whether a face was already found there in this frame."""
    return any(face.frames[-1] == index and same_face(box, face.boxes[-1]) for face in live)


def _common(a: Box, b: Box) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    return width * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])
