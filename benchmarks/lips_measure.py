"""What the lip benchmark measures on rendered frames, all of it seen anew by the face mesh."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from lips_films import Film, Tools, Voice, box_of

from polydub.engines.active_speaker.mouth_curves import mouth_curves
from polydub.engines.active_speaker.speech_drive import speech_drive
from polydub.engines.lips.geometry import (
    LEFT_CORNER,
    LEFT_EYE,
    LOWER_LIP,
    OUTER_LIPS,
    RIGHT_CORNER,
    RIGHT_EYE,
    UPPER_LIP,
)
from polydub.engines.protocols import Patch
from polydub.evaluate import pictures
from polydub.evaluate.articulation import CLOSED, Sounding, soundings
from polydub.evaluate.mouth_sound import CLOCK, quick
from polydub.evaluate.mouths import REACH, Mouth, fit_in_place
from polydub.media.frames import FrameSource
from polydub.media.master import write_master
from polydub.media.probe import probe
from polydub.media.wave import resample
from polydub.model import FaceTrack, Image

SQUARE = 96
SILENT_S = 0.15
TOUCH = 0.03
"""IOD: lips that the mesh reads as closed (pressed lips measure 0.00 to 0.03)."""

Numbers = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(eq=False)
class Seen:
    """A mouth frame by frame: landmarks ``[n, 478, 3]`` of ``frames``, opening, width in IOD."""

    track: FaceTrack
    frames: list[int]
    points: Any
    opening: Numbers
    width: Numbers


@dataclass(eq=False)
class Tally:
    """Figures of many faces, by name; ``sounds`` are normalised per face."""

    values: dict[str, list[float]] = field(default_factory=dict)
    sounds: list[Sounding] = field(default_factory=list)

    def add(self, name: str, *values: float) -> None:
        """Note values that are numbers."""
        self.values.setdefault(name, []).extend(v for v in values if np.isfinite(v))

    def mean(self, name: str) -> float:
        """Mean of what was noted; NaN without."""
        known = self.values.get(name, [])
        return float(np.mean(known)) if known else float("nan")


def with_patch(image: Image, patch: Patch) -> Image:
    """``image`` with the new pixels."""
    changed = image.copy()
    height, width = patch.pixels.shape[:2]
    changed[patch.top : patch.top + height, patch.left : patch.left + width] = patch.pixels
    return changed


def original(track: FaceTrack, frames: Sequence[int]) -> Seen:
    """The mouth of the film as the analysis saw it."""
    return _seen(track, list(frames), track.landmarks[[f - track.first for f in frames]])


def look(tools: Tools, track: FaceTrack, pictures_by_frame: dict[int, Image]) -> Seen:
    """The mouth in rendered pictures."""
    frames = sorted(pictures_by_frame)
    points = np.full((len(frames), 478, 3), np.nan, np.float32)
    for at, frame in enumerate(frames):
        found = tools.faces.landmarks(pictures_by_frame[frame], box_of(track, frame))
        if found is not None:
            points[at] = found
    return _seen(track, frames, points)


def _seen(track: FaceTrack, frames: list[int], points: Any) -> Seen:
    iod = track.iod[[f - track.first for f in frames]]
    gap = np.linalg.norm(points[:, UPPER_LIP] - points[:, LOWER_LIP], axis=1) / iod
    wide = np.linalg.norm(points[:, LEFT_CORNER] - points[:, RIGHT_CORNER], axis=1) / iod
    return Seen(track, frames, points, gap.astype(np.float64), wide.astype(np.float64))


def movement(film: Film, seen: Seen, voice: Voice, tally: Tally, name: str) -> None:
    """Sounds, closures, the fit to the loudness of speech, movement in silence, speed."""
    times = film.middles(seen.frames)
    spread = np.nanstd(seen.opening) or 1.0, np.nanstd(seen.width) or 1.0
    opening = (seen.opening - np.nanmean(seen.opening)) / spread[0]
    width = (seen.width - np.nanmean(seen.width)) / spread[1]
    tally.sounds += soundings(voice.phones, times, opening, width)
    rate = float(film.video.average_rate)
    step = np.diff(seen.frames)
    speed = np.where(step == 1, np.abs(np.diff(seen.opening)) * rate, np.nan)
    tally.add("speed", float(np.nanpercentile(speed, 95)) if np.isfinite(speed).any() else np.nan)
    tally.add("opening", float(np.nanpercentile(seen.opening, 95)))
    quiet = silent(times, voice)[1:]
    tally.add("leak", *speed[quiet].tolist())
    said = ~silent(times, voice)
    if said.any():
        tally.add("mean", float(np.nanmean(seen.opening[said])))
    if quiet.any():
        tally.add("gap", *seen.opening[1:][quiet].tolist())
    for phone in voice.phones:
        if set(phone.symbol) & CLOSED:
            middle = float(phone.span.start + phone.span.end) / 2
            near = np.abs(times - middle) < 1.5 / rate
            if near.any() and np.isfinite(seen.opening[near]).any():
                tally.add("shut", float(np.nanmin(seen.opening[near]) < TOUCH))
    fit = loudness_fit(film, seen, voice)
    if fit is not None:
        tally.add("fit", fit)
    tally.add("faces", 1.0)


def silent(times: Numbers, voice: Voice) -> Any:
    """Frames further than 0.15 s from any phone."""
    said = np.zeros(len(times), bool)
    for phone in voice.phones:
        if any(letter.isalpha() for letter in phone.symbol):
            low, high = float(phone.span.start) - SILENT_S, float(phone.span.end) + SILENT_S
            said |= (times >= low) & (times < high)
    return ~said


def loudness_fit(film: Film, seen: Seen, voice: Voice) -> float | None:
    """The evaluation's correlation of mouth opening and sound, without any delay."""
    track, frames = seen.track, seen.frames
    rows = [f - track.first for f in range(frames[0], frames[-1] + 1)]
    points = np.full((len(rows), 478, 3), np.nan, np.float32)
    points[[f - frames[0] for f in frames]] = seen.points
    part = replace(
        track, first=frames[0], boxes=track.boxes[rows], landmarks=points,
        accepted=np.isfinite(points).all(axis=(1, 2)), pose=track.pose[rows],
        iod=track.iod[rows], aperture=track.aperture[rows],
    )  # fmt: skip
    times = np.array([float(film.video.frame_time(f)) for f in part.frames])
    curves = mouth_curves(part, times)
    if curves is None:
        return None
    clock = curves.times
    opening = np.sqrt(np.maximum(curves.inner, 0)) + np.sqrt(np.maximum(curves.outer, 0))
    at = clock[0] + np.arange(-REACH, len(clock) + REACH) / CLOCK
    drive = speech_drive(resample(voice.audio.mono(), 16_000), at)
    use = curves.usable & (clock < float(voice.audio.duration)) & ~silent(clock, voice)
    return fit_in_place([Mouth("L", quick(opening)[None], use, drive[None], np.ones(1))]).get("L")


def appearance(
    tools: Tools, film: Film, seen: Seen, changed: dict[int, Image], tally: Tally
) -> None:
    """Identity, sharpness of mouth against ring, seam and flicker, all against the original.

    An open mouth with teeth has more fine detail than a closed one: a rendered mouth is compared
    with the original frames that are about as open.
    """
    track = seen.track
    own: list[tuple[float, float]] = []
    drawn: list[tuple[float, float]] = []
    last: tuple[int, Any, Any] | None = None
    before, after = [], []
    ring, mouth = pictures.ring(SQUARE), ~pictures.ring(SQUARE, inner=0.42, outer=9)
    for frame in sorted(changed):
        points = track.landmarks[frame - track.first]
        if not np.isfinite(points).all():
            continue
        iod = float(track.iod[frame - track.first])
        x, y = (float(v) for v in points[list(OUTER_LIPS), :2].mean(axis=0))
        pair = [
            pictures.crop(image, (x, y), 0.75 * iod, SQUARE)
            for image in (film.frames[frame], changed[frame])
        ]
        ratio = [pictures.detail(square, mouth) / pictures.detail(square, ring) for square in pair]
        gap = float(track.aperture[frame - track.first])
        own.append((gap, float(ratio[0])))
        drawn.append((float(seen.opening[seen.frames.index(frame)]), float(ratio[1])))
        step = pictures.seam(*pair)
        if step is not None:
            tally.add("seam", step)
        if last is not None and last[0] == frame - 1:
            whole = ring | mouth
            before.append(pictures.change(last[1], pair[0], whole))
            after.append(pictures.change(last[2], pair[1], whole))
        last = frame, pair[0], pair[1]
    tally.add("sharp", *_like(own, drawn))
    if before:
        tally.add("flicker", float(np.mean(after) / np.mean(before)))
    _identity(tools, film, track, changed, tally)


def _like(own: list[tuple[float, float]], drawn: list[tuple[float, float]]) -> list[float]:
    """``drawn`` values over the median of the five ``own`` ones whose gap is nearest."""
    gaps, values = np.array(own).T
    ratios = []
    for gap, value in drawn:
        if np.isfinite(gap):
            near = np.argsort(np.abs(gaps - gap))[:5]
            ratios.append(value / float(np.median(values[near])))
    return ratios


def _identity(
    tools: Tools, film: Film, track: FaceTrack, changed: dict[int, Image], tally: Tally
) -> None:
    """Cosine to the person's own frames elsewhere in the track, rendered against original."""
    good = [f for f in sorted(changed) if np.isfinite(track.landmarks[f - track.first]).all()]
    chosen = good[:: max(1, len(good) // 8)][:8]
    prints = {
        f: [
            tools.identity.embed(image, track.landmarks[f - track.first])
            for image in (film.frames[f], changed[f])
        ]
        for f in chosen
    }
    for f in chosen:
        others = [prints[g][0] for g in chosen if abs(g - f) > 5]
        if others:
            cosines = [np.mean([_cosine(own, other) for other in others]) for own in prints[f]]
            tally.add("identity", float(cosines[1] / cosines[0]))
            tally.add("distance", float(np.linalg.norm(prints[f][0] - prints[f][1])))


def _cosine(a: Any, b: Any) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def psnr_outside(film: Film, patches: Sequence[Patch]) -> float:
    """PSNR of luma outside the patches' rectangles, in the frames that have any, after encoding."""
    by_frame: dict[int, list[Patch]] = {}
    for patch in patches:
        by_frame.setdefault(patch.frame, []).append(patch)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "film.mp4"
        write_master(
            film.source, out, audio=[], original=None, original_language=None,
            patches=lambda index: by_frame.get(index, []),
        )  # fmt: skip
        made = probe(out)
        assert made.video is not None
        errors = []
        with FrameSource(out, made.video, made.start) as reader:
            for index, image in reader.read(0, made.video.n_frames):
                if index in by_frame and index % 3 == 0:
                    mask = np.ones(image.shape[:2], bool)
                    for patch in by_frame[index]:
                        height, width = patch.pixels.shape[:2]
                        rows = slice(patch.top, patch.top + height)
                        mask[rows, patch.left : patch.left + width] = False
                    error = pictures.squared_error(film.frames[index], image, mask)
                    errors += [] if error is None else [error]
    return pictures.psnr(float(np.mean(errors))) if errors else float("nan")


def mouth(image: Image, points: Any, half: float, size: int) -> Image:
    """A square around the mouth, ``half`` IOD each way."""
    iod = float(np.linalg.norm(points[LEFT_EYE] - points[RIGHT_EYE]))
    x, y = points[list(OUTER_LIPS), :2].mean(axis=0)
    scale = size / (2 * half * iod)
    move = np.array([[scale, 0, size / 2 - x * scale], [0, scale, size / 2 - y * scale]])
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    square: Image = cv2.warpAffine(image, move, (size, size), flags=flags)
    return square


def sheet(
    film: Film, track: FaceTrack, changed: dict[int, Image], notes: dict[int, str]
) -> tuple[Image, Image]:
    """Two pictures, original above and rendered below: 12 frames spread, 16 one after the other."""
    frames = sorted(changed)
    spread = [frames[at] for at in np.linspace(0, len(frames) - 1, 12).astype(int)]
    start = max(0, len(frames) // 2 - 8)
    rows = [frames[start : start + 16][at : at + 8] for at in (0, 8)]
    parts = ([spread[:6], spread[6:]], 1.2, 230), (rows, 0.75, 190)
    first, second = (
        np.vstack([_strip(film, track, changed, notes, part, half, size) for part in lines if part])
        for lines, half, size in parts
    )
    return first, second


def _strip(
    film: Film, track: FaceTrack, changed: dict[int, Image], notes: dict[int, str],
    frames: Sequence[int], half: float, size: int,
) -> Image:  # fmt: skip
    lines = []
    for images in (film.frames, changed):
        tiles = []
        for index in frames:
            points = track.landmarks[index - track.first]
            tile = mouth(images[index], np.nan_to_num(points), half, size)
            if images is changed:
                text = f"{index} {notes.get(index, '')}"
                cv2.putText(tile, text, (3, size - 6), 0, 0.38, (255, 255, 0), 1, cv2.LINE_AA)
            tiles.append(tile)
        lines.append(np.hstack(tiles))
    return np.vstack(lines)
