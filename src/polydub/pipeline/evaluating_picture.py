"""Looks at a dub frame by frame beside its original: faces, mouths, and what must not change."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Picture

from polydub.engines.active_speaker.mouth_curves import (
    mouth_curves,
    speed,
    weighted_mean,
)
from polydub.evaluate import pictures
from polydub.evaluate.mouths import (
    Mouth,
    fit_in_place,
    fit_mouths,
    motion_ratio,
    moving_share,
)
from polydub.media.frames import FrameSource
from polydub.model import FaceTrack, Image, Shot, Source, Span, VideoStream, Waveform, merge
from polydub.pipeline.analysis import Analysis, frames_of
from polydub.pipeline.evaluating_lse import LseMeter, load_syncnet
from polydub.pipeline.evaluating_mouths import mouth_of_line
from polydub.pipeline.evaluating_sound import SaidLine
from polydub.pipeline.run import Run

EVERY = 5
"""Of so many frames one is compared outside the faces."""
NEAR = Fraction(3, 5)
"""Seconds around a line in which its speaker's mouth is looked at too."""
SQUARE = 96
PRINTS = 6
"""Frames of a line whose face is identified before and after."""
TILES, TILE, TILE_EVERY = 6, 104, 8
MOUTH = (61, 291, 0, 17)
EYES = (33, 263)

Floats = npt.NDArray[np.float64]


@dataclass(eq=False)
class LineFaces:
    """What was seen of one line: ratios by frame, and prints; ``n`` frames were looked at."""

    n: int = 0
    changed: int = 0
    values: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    tiles: list[tuple[Image, Image]] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """The line's figures of the picture."""
        found: dict[str, float] = {}
        if self.n:
            found["touched"] = self.changed / self.n
        if not self.changed:  # nothing was done to this face
            return found
        for name in ("identity", "sharpness", "seam"):
            if self.values[name]:
                found[name] = float(np.median(self.values[name]))
        before, after = self.values["before"], self.values["after"]
        if before and np.mean(before) > 0.05:
            found["flicker"] = float(np.mean(after) / np.mean(before))
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Everything that the pictures tell; ``strips`` are JPEG bytes by line."""

    lines: dict[str, dict[str, float]]
    shots: dict[int, dict[str, float]]
    film: dict[str, float]
    strips: dict[str, bytes]


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Both films' pictures; ``same`` when size and frame count agree, so that frames compare."""

    source: FrameSource
    dub: FrameSource
    video: VideoStream
    other: VideoStream

    @property
    def same(self) -> bool:
        """Whether a frame of the dub has the original's pixels in the same places."""
        first, second = self.video, self.other
        return (first.width, first.height) == (second.width, second.height)

    def read(self, first: int, last: int) -> Iterator[tuple[int, Image, Image]]:
        """Frames of the original with the dub's at the same time."""
        last_at, image = -1, None
        for index, before in self.source.read(first, last):
            at = index
            if self.video.n_frames != self.other.n_frames:
                at = self.other.frame_at(self.video.frame_time(index))
            if image is None or at != last_at:
                (_, image), last_at = next(iter(self.dub.read(at, at + 1))), at
            yield index, before, image


def look(
    run: Run,
    analysis: Analysis,
    dub: Source,
    lines: Sequence[SaidLine],
    voices: tuple[Waveform, Waveform],
) -> Seen:
    """Measures lips and picture; ``voices`` are the dialogues of original and dub at 16 kHz."""
    assert dub.video is not None
    tracks = analysis.picture.tracks()
    person_of = {speaker.id: speaker.person for speaker in analysis.script.cast}
    own = {
        person.id: [track for track in tracks if track.id in person.tracks]
        for person in analysis.script.people
    }
    speaking = {
        said.line.id: own.get(str(person_of.get(said.line.speaker)), [])
        for said in lines
        if said.line.visibility == "on-screen"
    }
    watcher = _Watcher(run, analysis, lines, speaking)
    shots = analysis.picture.shots
    with (
        run.stage("look", total=len(shots)) as progress,
        frames_of(analysis.source, analysis.video) as source,
        frames_of(dub, dub.video) as other,
    ):
        pair = Pair(source, other, analysis.video, dub.video)
        for shot in shots:
            watcher.watch(shot, pair, tracks)
            progress.step(f"shot {shot.index + 1}")
    return watcher.seen(voices)


class _Watcher:
    """Goes through both films once and keeps what :class:`Seen` needs, never a picture."""

    def __init__(
        self,
        run: Run,
        analysis: Analysis,
        lines: Sequence[SaidLine],
        speaking: Mapping[str, list[FaceTrack]],
    ) -> None:
        self._run = run
        self._time = analysis.video.frame_time
        self._lines = {said.line.id: said for said in lines}
        self._speaking = speaking
        self._faces = {name: LineFaces() for name in speaking}
        self._points: dict[str, dict[int, npt.NDArray[np.float32] | None]] = defaultdict(dict)
        self._errors: dict[int, list[float]] = defaultdict(list)
        self._last: dict[str, tuple[int, Floats, Floats]] = {}
        self._comparable = True
        self._lse = LseMeter(load_syncnet())

    def watch(self, shot: Shot, pair: Pair, tracks: Sequence[FaceTrack]) -> None:
        """One shot of both films."""
        here = [track for track in tracks if track.shot == shot.index]
        wanted = self._wanted(shot)
        self._comparable = pair.same
        for index, before, after in pair.read(shot.first, shot.last):
            self._run.go_on()
            if pair.same and (index - shot.first) % EVERY == 0:
                boxes = [t.boxes[index - t.first] for t in here if index in t.frames]
                mask = pictures.outside_boxes(before.shape, boxes)
                error = pictures.squared_error(before, after, mask)
                if error is not None:
                    self._errors[shot.index].append(error)
            for track, line in wanted.get(index, ()):
                self._face(index, before, after, track, line)
        self._lse.end_shot()

    def _wanted(self, shot: Shot) -> dict[int, list[tuple[FaceTrack, str]]]:
        """Frame -> the faces that speak in it, or just did, with their line."""
        found: dict[int, list[tuple[FaceTrack, str]]] = defaultdict(list)
        for name, own in self._speaking.items():
            said = self._lines[name]
            spans = merge(
                Span(max(Fraction(0), s.start - NEAR), s.end + NEAR)
                for s in (said.line.span, *said.dub)
            )
            for track in own:
                for index in track.frames if track.shot == shot.index else ():
                    row = index - track.first
                    time = self._time(index)
                    if track.accepted[row] and any(time in span for span in spans):
                        found[index].append((track, name))
        return found

    def _face(self, index: int, before: Image, after: Image, track: FaceTrack, line: str) -> None:
        row = index - track.first
        points = track.landmarks[row]
        scale = np.array([after.shape[1] / before.shape[1], after.shape[0] / before.shape[0]])
        box = track.boxes[row] * np.tile(scale, 2).astype(np.float32)
        if index not in self._points[track.id]:
            self._points[track.id][index] = self._landmarks(before, after, box, points, scale)
        said = self._lines[line]
        time = self._time(index)
        if any(time in span for span in said.dub):
            seen_at = points * np.array([*scale, scale[0]], np.float32)
            self._lse.add(line, track.id, float(time), after, seen_at)
        if not any(time in span for span in (said.line.span, *said.dub)):
            return
        self._compare(index, before, after, track, line)

    def _landmarks(
        self, before: Image, after: Image, box: Any, points: Any, scale: Floats
    ) -> npt.NDArray[np.float32] | None:
        """Lip points in the dub, in the original's pixels; the original's own where not touched."""
        if before.shape == after.shape:
            left, top, right, bottom = (max(0, round(float(v))) for v in box)
            part = (slice(top, bottom), slice(left, right))
            if np.array_equal(before[part], after[part]):
                return np.asarray(points, np.float32)
        finder = self._run.engines.get("faces")
        found = finder.landmarks(after, tuple(float(v) for v in box))
        if found is None:
            return None
        return np.asarray(found / np.array([*scale, scale[0]]), np.float32)

    def _compare(
        self, index: int, before: Image, after: Image, track: FaceTrack, line: str
    ) -> None:
        faces = self._faces[line]
        row = index - track.first
        points = track.landmarks[row]
        faces.n += 1
        if not self._comparable:
            return
        iod = float(track.iod[row])
        middle = points[list(MOUTH), :2].mean(axis=0)
        at = (float(middle[0]), float(middle[1]))
        first, second = (pictures.crop(image, at, 1.1 * iod, SQUARE) for image in (before, after))
        changed = float(pictures.changed_mask(first, second).mean()) >= pictures.LEAST_CHANGED
        faces.changed += changed
        ring = pictures.ring(SQUARE)
        known = self._last.get(track.id)
        if known is not None and known[0] == index - 1:
            faces.values["before"].append(pictures.change(known[1], first, ring))
            faces.values["after"].append(pictures.change(known[2], second, ring))
        self._last[track.id] = (index, first, second)
        if faces.n % TILE_EVERY == 1:
            faces.tiles.append((_tile(before, points, iod), _tile(after, points, iod)))
        if not changed:
            return
        inner = slice(SQUARE // 4, 3 * SQUARE // 4)
        sharp = [pictures.sharpness(s[inner, inner]) for s in (first, second)]
        faces.values["sharpness"].append(sharp[1] / max(sharp[0], 1e-6))
        step = pictures.seam(first, second)
        if step is not None:
            faces.values["seam"].append(step)
        if faces.changed % 8 == 1 and len(faces.values["identity"]) < PRINTS:
            embed = self._run.engines.get("identify-face").embed
            one, two = embed(before, points), embed(after, points)
            faces.values["identity"].append(float(np.linalg.norm(one - two)))

    def seen(self, voices: tuple[Waveform, Waveform]) -> Seen:
        """All figures."""
        lines = {name: faces.figures() for name, faces in self._faces.items()}
        mouths: tuple[list[Mouth], list[Mouth]] = ([], [])
        silent: list[Floats] = []
        for name, tracks in self._speaking.items():
            for track in tracks:
                self._mouth(name, track, voices, lines[name], mouths, silent)
        for name, value in fit_in_place(_one_per_line(mouths[0])).items():
            lines[name]["lip_sync_original"] = value
        fit = fit_mouths(_one_per_line(mouths[1]))
        for name, value in fit.of_line.items():
            lines[name]["lip_sync"] = value
        for name, values in self._lse.values(voices[1]).items():
            lines[name] |= values
        film: dict[str, float] = {}
        if fit.delay_ms is not None:
            film["av_delay_ms"] = fit.delay_ms
        leak = moving_share(np.concatenate([np.zeros(0), *silent]))
        if leak is not None:
            film["lip_leak"] = leak
        shots = {
            shot: {"outside_psnr": pictures.psnr(float(np.mean(errors)))}
            for shot, errors in self._errors.items()
        }
        errors = [error for own in self._errors.values() for error in own]
        if errors:
            film["outside_psnr"] = pictures.psnr(float(np.mean(errors)))
        strips = {name: _strip(faces.tiles) for name, faces in self._faces.items() if faces.tiles}
        return Seen(lines, shots, film, strips)

    def _mouth(
        self,
        name: str,
        track: FaceTrack,
        voices: tuple[Waveform, Waveform],
        values: dict[str, float],
        mouths: tuple[list[Mouth], list[Mouth]],
        silent: list[Floats],
    ) -> None:
        """Curves of one track around one line, in the original and in the dub."""
        said = self._lines[name]
        known = self._points.get(track.id, {})
        parts = _near(self._time, track, said, known)
        if parts is None:
            return
        times, before, after = parts
        first, second = mouth_curves(before, times), mouth_curves(after, times)
        if first is None or second is None:
            return
        pairs = ((first, said.source), (second, said.dub))
        faces = ((before, times, first), (after, times, second))
        for face, (_, spans), sound, found in zip(faces, pairs, voices, mouths, strict=True):
            mouth = mouth_of_line(name, face, spans, sound)
            if mouth is not None:
                found.append(mouth)
        speeds = []
        for curves, spans in ((second, said.dub), (first, said.source)):
            moving, _ = weighted_mean(*speed(curves.outer, curves.usable), 3)
            noise, _ = weighted_mean(*speed(curves.nose, curves.usable), 3)
            moving = np.maximum(moving - 0.8 * noise, 0)
            speeds.append(moving[curves.usable & _inside(curves.times, spans)])
            if spans is said.dub:
                quiet = _inside(curves.times, _padded(said.dub)) | _others(
                    curves.times, self._lines.values(), said
                )
                silent.append(moving[curves.usable & ~quiet])
        ratio = motion_ratio(*speeds)
        if ratio is not None:
            values["lip_motion"] = ratio


def _near(
    time: Any, track: FaceTrack, said: SaidLine, known: Mapping[int, Any]
) -> tuple[Floats, FaceTrack, FaceTrack] | None:
    """``(times, original, dub)``: the track's frames around a line, with the dub's lip points."""
    spans = (said.line.span, *said.dub)
    low, high = min(s.start for s in spans) - NEAR, max(s.end for s in spans) + NEAR
    rows = [index - track.first for index in track.frames if low <= time(index) < high]
    if len(rows) < 2 or not any(row + track.first in known for row in rows):
        return None
    part = slice(rows[0], rows[-1] + 1)
    before = replace(
        track,
        first=track.first + rows[0],
        boxes=track.boxes[part],
        landmarks=track.landmarks[part],
        accepted=track.accepted[part],
        pose=track.pose[part],
        iod=track.iod[part],
        aperture=track.aperture[part],
    )
    landmarks, accepted = before.landmarks.copy(), before.accepted.copy()
    for row in range(len(landmarks)):
        points = known.get(before.first + row)
        accepted[row] &= points is not None
        landmarks[row] = points if points is not None else np.nan
    times = np.array([float(time(index)) for index in before.frames])
    return times, before, replace(before, landmarks=landmarks, accepted=accepted)


def _inside(times: Floats, spans: Sequence[Span]) -> npt.NDArray[np.bool_]:
    found = np.zeros(len(times), np.bool_)
    for span in spans:
        found |= (times >= float(span.start)) & (times < float(span.end))
    return found


def _padded(spans: Sequence[Span]) -> tuple[Span, ...]:
    pad = Fraction(1, 5)
    return merge(Span(max(Fraction(0), s.start - pad), s.end + pad) for s in spans)


def _others(times: Floats, lines: Any, said: SaidLine) -> npt.NDArray[np.bool_]:
    """Where the same speaker says another line."""
    own = [x for x in lines if x.line.speaker == said.line.speaker and x is not said]
    return _inside(times, _padded([span for x in own for span in x.dub]))


def _one_per_line(mouths: Sequence[Mouth]) -> list[Mouth]:
    """A line that goes over a cut has several tracks: the one with the most usable ticks counts."""
    best: dict[str, Mouth] = {}
    for mouth in mouths:
        known = best.get(mouth.line)
        if known is None or mouth.usable.sum() > known.usable.sum():
            best[mouth.line] = mouth
    return list(best.values())


def _tile(image: Image, points: Any, iod: float) -> Image:
    x, y = points[:, :2].mean(axis=0)
    square = pictures.crop(image, (float(x), float(y)), 1.6 * iod, TILE)
    return np.asarray(np.clip(np.round(square), 0, 255), np.uint8)


def _strip(tiles: Sequence[tuple[Image, Image]]) -> bytes:
    """JPEG of evenly chosen frames: original above, dub below."""
    chosen = np.unique(np.linspace(0, len(tiles) - 1, min(TILES, len(tiles))).round().astype(int))
    rows = [np.hstack([tiles[n][side] for n in chosen]) for side in (0, 1)]
    buffer = io.BytesIO()
    Picture.fromarray(np.vstack(rows)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def read_strips(folder: Path) -> dict[str, bytes]:
    """What was kept of :attr:`Seen.strips`."""
    return {path.stem: path.read_bytes() for path in sorted(folder.glob("*.jpg"))}
