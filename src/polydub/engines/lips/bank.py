"""Exemplars of one person: the real mouths that the renderer pastes, as small crops.

Only crops around the mouth are kept, never whole pictures, and never more than a set number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from polydub.engines.lips.appearance import Look, cavity_penalty, look
from polydub.engines.lips.choose import MouthStates
from polydub.engines.lips.gates import focus_gate
from polydub.engines.lips.geometry import OUTER_LIPS, Floats, Ints, TrackGeometry
from polydub.engines.lips.mapping import MouthRange
from polydub.engines.lips.occlusion import HandFinder
from polydub.engines.lips.watch import Watch
from polydub.engines.protocols import FrameReader
from polydub.model import FaceTrack, Image

HIDDEN = 0.02  # share of the mouth that may be covered in an exemplar
RUN = 8  # frames: exemplars are kept in runs so that natural motion can be replayed
_REACH_X, _REACH_Y = 0.85, 0.85  # IOD around the lips that a crop keeps
_MAX_ZOOM = 1.5  # a crop is stored at most this much larger than it is shown
_MAX_YAW = np.radians(34)


@dataclass(frozen=True, slots=True, eq=False)
class Exemplar:
    """One real mouth: ``crop`` RGB, all landmarks ``[478, 2]`` in crop pixels."""

    crop: Image
    points: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """All exemplars for one target track, column by column.

    ``shapes`` ``[k, 478, 3]`` normalised; ``patches`` ``[k, d]`` lightness; ``follows`` ``[k]``
    exemplar of the next source frame or -1; ``penalty`` ``[k]`` added to the cost of each.
    """

    exemplars: tuple[Exemplar, ...]
    states: MouthStates
    shapes: npt.NDArray[np.float32]
    patches: npt.NDArray[np.float32]
    follows: Ints
    penalty: Floats

    def __len__(self) -> int:
        return len(self.exemplars)


@dataclass(frozen=True, slots=True)
class Pick:
    """One frame to keep: ``track`` indexes the geometries, ``row`` its frame in that track."""

    track: int
    row: int


def good_rows(geometry: TrackGeometry, size: tuple[int, int] | None = None) -> Ints:
    """Frames of a track that can serve as exemplars."""
    good = (
        geometry.usable
        & (np.abs(geometry.pose[:, 1]) < _MAX_YAW)
        & (geometry.iod >= 26)
        & (geometry.speed < 0.15)
    )
    if size is not None:
        lips = geometry.points[:, list(OUTER_LIPS), :2]
        margin = 0.15 * geometry.iod
        inside = (lips.min(axis=1).min(axis=1) > margin) & (
            (np.array([size[1], size[0]]) - lips.max(axis=1)).min(axis=1) > margin
        )
        good &= inside
    return np.flatnonzero(good)


def pick_frames(
    geometries: Sequence[TrackGeometry], target: int, limit: int, size: tuple[int, int]
) -> list[Pick]:
    """At most ``limit`` frames: those of the target track first, then what others add.

    Runs of eight frames are taken farthest-first in (aperture, width, yaw, pitch), so that a long
    track is represented by its variety. Other tracks help only while the own one is short.
    """
    own = _runs(geometries[target], target, size)
    picks = _spread(geometries, own, limit)
    if len(picks) < limit // 2:
        others = [
            run
            for index in sorted(
                (index for index in range(len(geometries)) if index != target),
                key=lambda index: abs(geometries[index].first - geometries[target].first),
            )
            for run in _runs(geometries[index], index, size)
        ]
        picks += _spread(geometries, others, limit // 2 - len(picks))
    return sorted(picks, key=lambda pick: (pick.track, pick.row))


def nearest_tracks(tracks: Sequence[FaceTrack], target: int, most: int = 6) -> list[int]:
    """Indices of the target track and of the ``most`` tracks nearest to it in time, in order."""
    here = tracks[target].first
    others = [index for index in range(len(tracks)) if index != target]
    near = sorted(others, key=lambda index: (abs(tracks[index].first - here), index))[:most]
    return sorted([target, *near])


def _runs(geometry: TrackGeometry, track: int, size: tuple[int, int]) -> list[list[Pick]]:
    runs: list[list[Pick]] = []
    for row in good_rows(geometry, size):
        if runs and len(runs[-1]) < RUN and runs[-1][-1].row == row - 1:
            runs[-1].append(Pick(track, int(row)))
        else:
            runs.append([Pick(track, int(row))])
    return runs


def _spread(geometries: Sequence[TrackGeometry], runs: list[list[Pick]], limit: int) -> list[Pick]:
    if sum(len(run) for run in runs) <= limit:
        return [pick for run in runs for pick in run]
    features = np.array([_feature(geometries[run[0].track], run) for run in runs])
    chosen: list[Pick] = []
    index = int(features[:, 0].argmax())
    away = np.full(len(runs), np.inf)
    while len(chosen) < limit:
        chosen += runs[index][: limit - len(chosen)]
        away = np.minimum(away, np.linalg.norm(features - features[index], axis=1))
        away[index] = -1  # taken; runs that look alike (0) remain a choice, only the last one
        index = int(away.argmax())
    return chosen


def _feature(geometry: TrackGeometry, run: list[Pick]) -> Floats:
    rows = [pick.row for pick in run]
    return np.array(
        [
            geometry.aperture[rows].max() / 0.1,
            geometry.aperture[rows].min() / 0.1,
            geometry.width[rows].mean() / 0.1,
            geometry.pose[rows, 1].mean() / 0.15,
            geometry.pose[rows, 0].mean() / 0.15,
        ]
    )


class BankBuilder:
    """Collects exemplars frame by frame and measures the frames to render on the way.

    ``surfaces`` maps a source frame of the target track to its light ``[6]`` and sharpness.
    """

    def __init__(self, geometries: Sequence[TrackGeometry], target: int, hands: HandFinder) -> None:
        self._geometries = geometries
        self._target = target
        self._watches = {target: Watch(geometries[target], hands)}
        self._hands = hands
        self._iod = float(np.median(geometries[target].iod))
        self._kept: dict[Pick, tuple[Exemplar, Look]] = {}
        self.surfaces: dict[int, tuple[Floats, float]] = {}

    def collect(self, picks: Sequence[Pick], frames: Sequence[int], read: FrameReader) -> None:
        """Read ``picks`` and the source ``frames`` of the target track, each picture once."""
        wanted: dict[int, list[Pick]] = {}
        for pick in picks:
            index = self._geometries[pick.track].first + pick.row
            wanted.setdefault(index, []).append(pick)
        needed = sorted(set(wanted) | set(frames))
        lit = set(frames)
        for first, last in _stretches(needed):
            for index, image in read(first, last):
                for pick in wanted.get(index, ()):
                    self._watch(pick.track).see(pick.row, image)
                    self._keep(pick, image)
                if index in lit:
                    row = index - self._geometries[self._target].first
                    self._watch(self._target).see(row, image)
                    self._surface(index, image)

    def _watch(self, track: int) -> Watch:
        if track not in self._watches:
            self._watches[track] = Watch(self._geometries[track], self._hands)
        return self._watches[track]

    @property
    def watch(self) -> Watch:
        """What was seen in front of the mouth in the target track."""
        return self._watches[self._target]

    def _surface(self, index: int, image: Image) -> None:
        row = index - self._geometries[self._target].first
        known = self._kept.get(Pick(self._target, row))
        seen = known[1] if known else self._look(self._target, row, image)
        self.surfaces[index] = (seen.light, seen.sharpness)

    def _look(self, track: int, row: int, image: Image) -> Look:
        geometry = self._geometries[track]
        points = geometry.points[row, :, :2].astype(np.float64)
        return look(image, points, float(geometry.iod[row]), float(geometry.pose[row, 2]))

    def _keep(self, pick: Pick, image: Image) -> None:
        geometry = self._geometries[pick.track]
        iod = float(geometry.iod[pick.row])
        points = geometry.points[pick.row, :, :2].astype(np.float64)
        crop, corner, zoom = _crop(image, points, iod, self._iod)
        kept = Exemplar(crop, ((points - corner) * zoom).astype(np.float32))
        self._kept[pick] = (kept, self._look(pick.track, pick.row, image))

    def build(self, mouth: MouthRange) -> Bank | None:
        """The bank of all frames that could be read; ``None`` when there is none."""
        hidden = {track: watch.hidden() for track, watch in self._watches.items()}
        free = [pick for pick in self._kept if hidden[pick.track][pick.row] <= HIDDEN]
        picks = sorted(self._in_focus(free), key=lambda pick: (pick.track, pick.row))
        if not picks:
            return None
        place = {pick: index for index, pick in enumerate(picks)}
        follows = [place.get(Pick(pick.track, pick.row + 1), -1) for pick in picks]
        looks = [self._kept[pick][1] for pick in picks]
        aperture, width, pose, iod, shapes = self._columns(picks)
        sharpness = np.array([seen.sharpness for seen in looks])
        cavity = np.array([seen.cavity for seen in looks])
        coarse = np.log(np.maximum(1, 0.8 * self._iod / iod))  # softer than what is around it
        penalty = (
            5 * cavity_penalty(cavity, aperture, mouth.high)
            + 0.5 * np.maximum(0, np.median(sharpness) - sharpness)
            + 3 * coarse
        )
        light = np.array([seen.light for seen in looks])
        return Bank(
            tuple(self._kept[pick][0] for pick in picks),
            MouthStates(
                aperture, width, pose, light, sharpness, np.array([seen.gape for seen in looks])
            ),
            shapes,
            np.array([seen.patch for seen in looks]),
            np.array(follows, np.int64),
            penalty,
        )

    def _in_focus(self, picks: list[Pick]) -> list[Pick]:
        """Those that are not out of focus for this person: a frame as soft is never drawn in."""
        sharpness = np.array([self._kept[pick][1].sharpness for pick in picks])
        if not len(sharpness):
            return []
        gates = focus_gate(sharpness, sharpness)
        return [pick for pick, gate in zip(picks, gates, strict=True) if gate > 0]

    def _columns(
        self, picks: list[Pick]
    ) -> tuple[Floats, Floats, Floats, Floats, npt.NDArray[np.float32]]:
        geometries = self._geometries
        aperture = np.array([geometries[p.track].aperture[p.row] for p in picks])
        width = np.array([geometries[p.track].width[p.row] for p in picks])
        pose = np.array([geometries[p.track].pose[p.row] for p in picks])
        iod = np.array([geometries[p.track].iod[p.row] for p in picks])
        shapes = np.concatenate(
            [geometries[p.track].shapes(np.array([p.row])) for p in picks]
        ).astype(np.float32)
        return aperture, width, pose, iod, shapes


def _crop(image: Image, points: Floats, iod: float, shown: float) -> tuple[Image, Floats, float]:
    """Pixels around the lips, their corner, and the factor by which they were reduced."""
    lips = points[list(OUTER_LIPS)]
    middle = (lips.min(axis=0) + lips.max(axis=0)) / 2
    reach = np.array([_REACH_X, _REACH_Y]) * iod
    x0, y0 = np.maximum(0, np.floor(middle - reach)).astype(int)
    x1, y1 = np.ceil(middle + reach).astype(int)
    crop = np.ascontiguousarray(image[y0:y1, x0:x1])
    zoom = min(1.0, _MAX_ZOOM * shown / iod)
    if zoom < 1:
        crop = cv2.resize(crop, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
    return crop, np.array([x0, y0], np.float64), zoom


def _stretches(frames: Sequence[int], gap: int = 24) -> list[tuple[int, int]]:
    """Half-open ranges covering sorted ``frames``; holes under ``gap`` frames are read through."""
    ranges: list[tuple[int, int]] = []
    for frame in frames:
        if ranges and frame - ranges[-1][1] < gap:
            ranges[-1] = (ranges[-1][0], frame + 1)
        else:
            ranges.append((frame, frame + 1))
    return ranges
