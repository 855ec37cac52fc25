"""Face tracks of one shot: who is seen where, how the head is turned, how far the mouth is open.

One pass over the frames: boxes are followed, and as soon as nothing that comes later can change
those of a frame, the mesh is fitted in them and the identity sampled. No more than the longest
stretch that a face may go unseen waits for that; otherwise numbers are held, and a few small crops.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from polydub.engines.protocols import FaceFinder, FaceIdentifier
from polydub.model import Box, FacePrint, FaceTrack, Image, Landmarks, Shot
from polydub.stages.face_geometry import head_poses, lip_gap, quick_yaw
from polydub.stages.face_tracking import FaceFollower, FaceOptions, Followed, iou

__all__ = ["FaceOptions", "track_faces"]

MESH_POINTS = 478
FACE_POINTS = 468  # without the irises
LEAST_MESH_IOU = 0.25  # mesh against detector box: below it the mesh sits on a neighbour
CHIP_PAD = 0.5  # of the face, kept around an identity sample
VIEW_PAD = 0.7  # of the larger side of a box: what finders look at around it (MediaPipe: 0.6)
GRID = 4  # pixels: rounding inside a view is that of the whole picture
CLEAR_YAW = 3.0  # degrees: a smaller gain in yaw is not worth another sample
LOSS_WINDOW = 13  # frames
LOSS_SHARE = 0.4  # a track ends where the mesh fits in less of the window


class Picture(Protocol):
    """A picture of which parts can be had: an :data:`Image`, or one that converts on demand."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width, 3."""
        ...

    def __getitem__(self, part: Any, /) -> Image:
        """The part ``[top:bottom, left:right]``."""
        ...


PictureReader = Callable[[int, int], Iterator[tuple[int, Picture]]]
"""``reader(first, last)`` streams ``(index, picture)`` for the frames ``[first, last)``."""


@dataclass(slots=True)
class _Sample:
    """The best view of a face in one block of its track, cut out of the picture."""

    frame: int
    yaw: float
    image: Image
    landmarks: Landmarks


@dataclass(slots=True, eq=False)
class _Growing:
    """A followed face whose mesh is fitted frame by frame, from its first on."""

    face: Followed
    block: int  # frames that share one identity sample
    boxes: list[Box] = field(default_factory=list)
    landmarks: list[Landmarks | None] = field(default_factory=list)
    sample: _Sample | None = None
    prints: list[tuple[int, FacePrint]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Mesh:
    """The mesh of one followed face."""

    first: int
    boxes: npt.NDArray[np.float32]
    score: float
    landmarks: npt.NDArray[np.float32]
    prints: list[tuple[int, FacePrint]]


def track_faces(
    finder: FaceFinder,
    identifier: FaceIdentifier,
    shot: Shot,
    read: PictureReader,
    *,
    options: FaceOptions | None = None,
) -> tuple[FaceTrack, ...]:
    """The faces of ``shot`` whose mouth can be seen, in order of appearance.

    Ids are ``F<shot>.<number>`` ("F003.1"), unique in the film. Frames without a fitting mesh have
    ``accepted`` False and NaN in ``landmarks``, ``pose``, ``iod`` and ``aperture``. Angles are
    absolute, in degrees: yaw > 0 looks to the right of the picture, pitch > 0 up, roll > 0 leans
    clockwise. ``print`` is the mean of samples spread over the track.
    """
    options = options or FaceOptions()
    fitter = _Fitter(finder, identifier, shot, options)
    for index, picture in read(shot.first, shot.last):
        fitter.see(index, picture)
    meshes = fitter.finish()
    parts = [part for mesh in meshes for part in _usable_parts(mesh, options)]
    parts = _without_doubles(parts)
    parts.sort(key=lambda part: (part.first, float(part.boxes[0, 0])))
    return tuple(_finish(part, shot, number) for number, part in enumerate(parts, start=1))


class _Fitter:
    """Follows the faces of a shot and fits the mesh to those that are worth it."""

    def __init__(
        self, finder: FaceFinder, identifier: FaceIdentifier, shot: Shot, options: FaceOptions
    ) -> None:
        self._finder, self._identifier = finder, identifier
        self._shot, self._options = shot, options
        self._follower = FaceFollower(finder, options, shot.first, shot.last)
        self._waiting: deque[tuple[int, Picture]] = deque()
        self._all: list[_Growing] = []  # as the follower has them
        self._growing: list[_Growing] = []

    def see(self, index: int, picture: Picture) -> None:
        """The next frame of the shot."""
        if self._follower.wants(index):
            self._follower.see(index, picture[:, :])
        self._waiting.append((index, picture))
        self._fit_settled()

    def finish(self) -> list[_Mesh]:
        """All meshes that are worth it, in order of appearance."""
        self._follower.finish()
        self._fit_settled()
        grown = [one for one in self._all if self._worthwhile(one.face)]
        for one in grown:
            self._take_print(one)
        return [_grown_up(one) for one in grown]

    def _fit_settled(self) -> None:
        while self._waiting and self._follower.settled(self._waiting[0][0]):
            index, picture = self._waiting.popleft()
            new = [self._start(face) for face in self._follower.faces[len(self._all) :]]
            self._all += new
            self._growing = [
                one for one in [*self._growing, *new] if self._goes_on(one.face, index)
            ]
            for one in self._growing:
                if index >= one.face.frames[0]:
                    self._fit(one, index, picture)

    def _goes_on(self, face: Followed, index: int) -> bool:
        """Whether the mesh of ``face`` is to be fitted in frame ``index`` or a later one."""
        if not self._follower.lost(face):
            return True
        return self._worthwhile(face) and index < self._follower.end_of(face)

    def _worthwhile(self, face: Followed) -> bool:
        length = face.frames[-1] - face.frames[0] + self._options.stride
        return length >= self._options.least_frames and face.score >= self._options.doubtful_score

    def _start(self, face: Followed) -> _Growing:
        longest = self._shot.last - face.frames[0]
        samples = max(self._options.prints, -(-longest // self._options.print_every))
        return _Growing(face, max(1, -(-longest // samples)))

    def _fit(self, one: _Growing, index: int, picture: Picture) -> None:
        box = _single(one.face.box_at(index, self._follower.end_of(one.face)))
        view, corner = _view(picture, box)
        local = (box[0] - corner[0], box[1] - corner[1], box[2] - corner[0], box[3] - corner[1])
        points = self._finder.landmarks(view, local) if view.size else None
        fits = points is not None and iou(_around(points), local) >= LEAST_MESH_IOU
        one.boxes.append(box)
        if points is not None and fits:
            one.landmarks.append(points + np.array([*corner, 0], np.float32))
            _consider_sample(one, index, view, points)
        else:
            one.landmarks.append(None)
        if len(one.boxes) % one.block == 0:
            self._take_print(one)

    def _take_print(self, one: _Growing) -> None:
        sample, one.sample = one.sample, None
        if sample is not None:
            value = self._identifier.embed(sample.image, sample.landmarks)
            one.prints.append((sample.frame, value))


def _grown_up(one: _Growing) -> _Mesh:
    nothing = np.full((MESH_POINTS, 3), np.nan, np.float32)
    rows = [nothing if row is None else row for row in one.landmarks]
    return _Mesh(
        first=one.face.frames[0],
        boxes=np.array(one.boxes, np.float32).reshape(-1, 4),
        score=one.face.score,
        landmarks=np.array(rows, np.float32).reshape(-1, MESH_POINTS, 3),
        prints=one.prints,
    )


def _view(image: Picture, box: Box) -> tuple[Image, tuple[int, int]]:
    """All of ``image`` that a finder looks at to fit a mesh to ``box``, and its corner."""
    reach = VIEW_PAD * max(box[2] - box[0], box[3] - box[1]) + 1
    height, width = image.shape[:2]
    left, top = (max(0, int(value - reach) // GRID * GRID) for value in box[:2])
    right, bottom = min(width, int(box[2] + reach)), min(height, int(box[3] + reach))
    return image[top : max(top, bottom), left : max(left, right)], (left, top)


def _consider_sample(mesh: _Growing, index: int, image: Image, points: Landmarks) -> None:
    """Keep this view for the identity when it is more frontal than the one kept so far."""
    yaw = abs(quick_yaw(points))
    if mesh.sample is not None and yaw > mesh.sample.yaw - CLEAR_YAW:
        return
    left, top, right, bottom = _around(points)
    pad = CHIP_PAD * max(right - left, bottom - top)
    x, y = max(0, int(left - pad)), max(0, int(top - pad))
    crop = image[y : max(y, int(bottom + pad)) + 1, x : max(x, int(right + pad)) + 1]
    if crop.size:
        moved = points - np.array([x, y, 0], np.float32)
        mesh.sample = _Sample(index, yaw, crop.copy(), moved)


def _usable_parts(mesh: _Mesh, options: FaceOptions) -> list[_Mesh]:
    """``mesh`` without the stretches where the face is not seen, cut where the person changes."""
    parts = []
    for start, stop in _seen_stretches(mesh):
        for first, last in _same_person(mesh, start, stop, options.hidden_cut):
            part = _part(mesh, first, last)
            if _is_face(part, options):
                parts.append(part)
    return parts


def _is_face(part: _Mesh, options: FaceOptions) -> bool:
    accepted = _accepted(part)
    share = options.least_accepted if part.score >= options.least_score else options.no_doubt
    return len(accepted) >= options.least_frames and float(accepted.mean()) >= share


def _seen_stretches(mesh: _Mesh) -> list[tuple[int, int]]:
    """Row ranges that begin and end with a fitting mesh and have no long stretch without.

    A face that turns away keeps its detector box for a while, and a back of a head gets a mesh now
    and then: neither may cost the good part of the track.
    """
    accepted = _accepted(mesh)
    window = np.ones(min(LOSS_WINDOW, len(accepted)))
    share = np.convolve(accepted, window, "same") / np.convolve(
        np.ones(len(accepted)), window, "same"
    )
    good = share >= LOSS_SHARE
    edges = np.flatnonzero(np.diff(np.concatenate([[0], good.astype(int), [0]])))
    stretches = []
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        fits = np.flatnonzero(accepted[start:stop])
        if len(fits):
            stretches.append((int(start + fits[0]), int(start + fits[-1]) + 1))
    return stretches


def _same_person(mesh: _Mesh, start: int, stop: int, limit: float) -> list[tuple[int, int]]:
    """``[start, stop)`` cut wherever the identity changes by more than ``limit``."""
    prints = [(at - mesh.first, value) for at, value in mesh.prints]
    prints = [(at, value) for at, value in prints if start <= at < stop]
    bounds = [start]
    for number in range(1, len(prints)):
        before = np.mean([value for _, value in prints[max(0, number - 2) : number]], axis=0)
        after = np.mean([value for _, value in prints[number : number + 2]], axis=0)
        if np.linalg.norm(before - after) > limit:
            bounds.append(_biggest_jump(mesh, prints[number - 1][0], prints[number][0]))
    bounds.append(stop)
    return [(a, b) for a, b in pairwise(bounds) if b > a]


def _biggest_jump(mesh: _Mesh, low: int, high: int) -> int:
    """The row in ``(low, high]`` where the face moves most against the row before it."""
    boxes = mesh.boxes[low : high + 1].astype(np.float64)
    rows = mesh.landmarks[low : high + 1, :FACE_POINTS, :2].astype(np.float64)
    step = np.abs(np.diff(rows, axis=0)).mean(axis=(1, 2))
    step = np.where(np.isnan(step), np.abs(np.diff(boxes, axis=0)).mean(axis=1), step)
    return low + 1 + int(np.argmax(step))


def _part(mesh: _Mesh, first: int, last: int) -> _Mesh:
    inside = [(at, value) for at, value in mesh.prints if first <= at - mesh.first < last]
    return _Mesh(
        first=mesh.first + first,
        boxes=mesh.boxes[first:last],
        score=mesh.score,
        landmarks=mesh.landmarks[first:last],
        prints=inside,
    )


def _without_doubles(parts: list[_Mesh]) -> list[_Mesh]:
    """The parts without those that follow a face which a longer part follows already."""
    kept: list[_Mesh] = []
    for part in sorted(parts, key=lambda p: (-len(p.boxes), p.first)):
        if not any(_double(part, other) for other in kept):
            kept.append(part)
    return kept


def _double(part: _Mesh, other: _Mesh) -> bool:
    first = max(part.first, other.first)
    last = min(part.first + len(part.boxes), other.first + len(other.boxes))
    if last - first < len(part.boxes) / 2:
        return False
    mine = part.landmarks[first - part.first : last - part.first]
    theirs = other.landmarks[first - other.first : last - other.first]
    overlaps = [
        iou(_around(a), _around(b))
        for a, b in zip(mine, theirs, strict=True)
        if np.isfinite(a).all() and np.isfinite(b).all()
    ]
    return bool(overlaps) and float(np.median(overlaps)) > 0.5


def _finish(part: _Mesh, shot: Shot, number: int) -> FaceTrack:
    accepted = _accepted(part)
    poses = head_poses(part.landmarks[accepted])
    pose = np.full((len(accepted), 3), np.nan, np.float32)
    iod = np.full(len(accepted), np.nan, np.float32)
    aperture = np.full(len(accepted), np.nan, np.float32)
    pose[accepted], iod[accepted] = poses.angles, poses.iod
    aperture[accepted] = lip_gap(part.landmarks[accepted], poses.iod)
    prints = [value for _, value in part.prints]
    return FaceTrack(
        id=f"F{shot.index:03d}.{number}",
        shot=shot.index,
        first=part.first,
        boxes=part.boxes,
        landmarks=part.landmarks,
        accepted=accepted,
        pose=pose,
        iod=iod,
        aperture=aperture,
        score=part.score,
        print=np.mean(prints, axis=0).astype(np.float32) if prints else None,
    )


def _accepted(mesh: _Mesh) -> npt.NDArray[np.bool_]:
    accepted: npt.NDArray[np.bool_] = np.isfinite(mesh.landmarks[:, 0, 0])
    return accepted


def _around(points: Landmarks) -> Box:
    left, top = points[:FACE_POINTS, :2].min(axis=0)
    right, bottom = points[:FACE_POINTS, :2].max(axis=0)
    return (float(left), float(top), float(right), float(bottom))


def _single(box: Box) -> Box:
    """``box`` in the precision in which it is kept."""
    left, top, right, bottom = (float(value) for value in np.array(box, np.float32))
    return (left, top, right, bottom)
