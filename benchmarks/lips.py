"""Re-renders the faces of film clips to new speech and measures the result.

    python benchmarks/lips.py CLIPS [--sheets FOLDER] [--clip NAME ...] [--text TEXT]

Every face track of at least 2 s gets the same synthesised sentence. The rendered frames are then
measured again with the face mesh, which knows nothing of the renderer. Columns: ``r`` correlation
of the measured lip gap with the wanted one; ``std`` measured range against the original's;
``shut`` share of frames with touching lips wanted that measure under 0.035 IOD; ``sharp`` and
``flicker`` of the mouth region against the original; ``id`` face-print distance to the original
frame and, in brackets, between two original frames; ``ms`` of processor time per frame
without decoding. All frames that changed count, also those that fade in or out.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from polydub.engines.faces.dlib import DlibIdentity
from polydub.engines.faces.mediapipe import MediaPipeFaces
from polydub.engines.faces.pyscenedetect import PySceneDetectShots
from polydub.engines.lips.exemplar import ExemplarLips
from polydub.engines.lips.geometry import LEFT_EYE, LOWER_LIP, OUTER_LIPS, RIGHT_EYE, UPPER_LIP
from polydub.engines.lips.person import PersonRenderer
from polydub.engines.protocols import LipOutcome, Patch, SpeechRequest
from polydub.engines.speak.kokoro import KokoroSynthesizer
from polydub.media.frames import FrameSource
from polydub.media.probe import probe
from polydub.model import FaceTrack, Image, Line, Person, Placement, Shot, Source, Span, Waveform
from polydub.stages.faces import track_faces
from polydub.stages.lips import plan_lip_spans
from polydub.stages.shots import find_shots

TEXT = (
    "Maybe five more people will prove that you are right. Every closet on a ship needs a lot of "
    "cedar, fast and cheap, and we would like to figure out why."
)


@dataclass
class Bench:
    """The engines, loaded once."""

    faces: MediaPipeFaces = field(default_factory=MediaPipeFaces)
    identity: DlibIdentity = field(default_factory=DlibIdentity)
    cuts: PySceneDetectShots = field(default_factory=PySceneDetectShots)
    voice: KokoroSynthesizer = field(default_factory=KokoroSynthesizer)
    lips: ExemplarLips = field(default_factory=ExemplarLips)


@dataclass
class Clip:
    """One decoded clip with its face tracks."""

    name: str
    source: Source
    frames: list[Image]
    shots: tuple[Shot, ...]
    tracks: list[FaceTrack]

    def read(self, first: int, last: int) -> Iterator[tuple[int, Image]]:
        for index in range(first, min(last, len(self.frames))):
            yield index, self.frames[index]

    def time(self, index: int) -> Fraction:
        assert self.source.video is not None
        return self.source.video.frame_time(index)


def open_clip(bench: Bench, path: Path) -> Clip:
    source = probe(path)
    assert source.video is not None
    with FrameSource(path, source.video, source.start) as reader:
        frames = [image for _, image in reader.read(0, source.video.n_frames)]
        shots = find_shots(bench.cuts, reader.small(180), source.video)
    clip = Clip(path.stem, source, frames, shots, [])
    for shot in shots:
        clip.tracks += track_faces(bench.faces, bench.identity, shot, clip.read)
    return clip


def render(
    bench: Bench, clip: Clip, track: FaceTrack, text: str
) -> tuple[list[LipOutcome], PersonRenderer, Waveform, float]:
    """The track speaks ``text`` from 0.3 s after its start, cut off at its end."""
    start = clip.time(track.frames.start)
    span = Span(start, clip.time(track.frames.stop))
    speech = bench.voice.speak(SpeechRequest(text, "en", "af_heart"))
    begin = start + Fraction(3, 10)
    length = min(speech.audio.duration, span.end - begin)
    silent = np.zeros(round(begin * speech.audio.rate), np.float32)
    sound = speech.audio.cut(Span(Fraction(0), length)).samples
    audio = Waveform(np.concatenate([silent, sound]), speech.audio.rate)
    phones = tuple(phone for phone in speech.phones if phone.span.end <= length)
    assert clip.source.video is not None
    plan, _ = plan_lip_spans(
        [Line("L1", "S1", span, text, visibility="on-screen")],
        {"L1": Placement("L1", Span(begin, begin + length))},
        {"L1": phones},
        {"S1": "P1"},
        [track],
        [Person("P1", (track.id,))],
        clip.shots,
        clip.source.video,
    )
    spans = plan["P1"]
    begun = time.process_time()
    outcomes = list(
        bench.lips.render(spans, [track], clip.shots, clip.read, clip.time, audio=audio)
    )
    spent = time.process_time() - begun
    frames = sum(outcome.span.frames[1] - outcome.span.frames[0] for outcome in outcomes)
    renderer = PersonRenderer(spans, [track], clip.shots, bench.lips.options)
    return outcomes, renderer, audio, 1000 * spent / max(frames, 1)


def with_patch(image: Image, patch: Patch) -> Image:
    changed = image.copy()
    height, width = patch.pixels.shape[:2]
    changed[patch.top : patch.top + height, patch.left : patch.left + width] = patch.pixels
    return changed


def mouth(image: Image, points: np.ndarray, half: float, size: int) -> Image:
    """A square around the mouth, ``half`` IOD each way."""
    iod = float(np.linalg.norm(points[LEFT_EYE] - points[RIGHT_EYE]))
    x, y = points[list(OUTER_LIPS), :2].mean(axis=0)
    scale = size / (2 * half * iod)
    move = np.array([[scale, 0, size / 2 - x * scale], [0, scale, size / 2 - y * scale]])
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.warpAffine(image, move, (size, size), flags=flags)


def gap(points: np.ndarray, iod: float) -> float:
    return float(np.linalg.norm(points[UPPER_LIP] - points[LOWER_LIP])) / iod


def measure(
    bench: Bench, clip: Clip, track: FaceTrack, changed: dict[int, Image], wanted: dict[int, float]
) -> dict[str, float]:
    """The columns of the table; see the module."""
    rows: list[tuple[float, float, float]] = []
    sharp, before, after, prints = [], [], [], []
    small: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    frames = sorted(changed)
    for index in frames:
        own = track.landmarks[index - track.first]
        if not np.isfinite(own).all():
            continue
        box = tuple(float(value) for value in track.boxes[index - track.first])
        points = bench.faces.landmarks(changed[index], box)
        if points is not None:
            iod = float(track.iod[index - track.first])
            rows.append((gap(points, iod), wanted[index], gap(own, iod)))
        pair = [mouth(image, own, 0.55, 96) for image in (clip.frames[index], changed[index])]
        grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in pair]
        sharp.append(np.divide(*[cv2.Laplacian(g, cv2.CV_32F).var() for g in grey[::-1]]))
        small[index] = (grey[0].astype(float), grey[1].astype(float))
        if index - 1 in small:
            before.append(np.abs(small[index][0] - small[index - 1][0]).mean())
            after.append(np.abs(small[index][1] - small[index - 1][1]).mean())
    for index in frames[:: max(1, len(frames) // 6)]:
        own = track.landmarks[index - track.first]
        other = frames[(frames.index(index) + len(frames) // 2) % len(frames)]
        if np.isfinite(own).all() and np.isfinite(track.landmarks[other - track.first]).all():
            first = bench.identity.embed(clip.frames[index], own)
            second = bench.identity.embed(changed[index], own)
            third = bench.identity.embed(clip.frames[other], track.landmarks[other - track.first])
            prints.append((np.linalg.norm(first - second), np.linalg.norm(first - third)))
    values = np.array(rows)
    shut = values[:, 1] < 0.02
    ids = np.array(prints).mean(axis=0)
    return {
        "r": float(np.corrcoef(values[:, 0], values[:, 1])[0, 1]),
        "std": float(values[:, 0].std() / values[:, 2].std()),
        "shut": float((values[shut, 0] < 0.035).mean()) if shut.any() else float("nan"),
        "sharp": float(np.median(sharp)),
        "flicker": float(np.mean(after) / np.mean(before)),
        "id": float(ids[0]),
        "ref": float(ids[1]),
    }


def sheet(clip: Clip, track: FaceTrack, changed: dict[int, Image], notes: dict[int, str]) -> Image:
    """Twelve frames: original above, rendered below."""
    chosen = np.linspace(0, len(changed) - 1, 12).astype(int)
    frames = [sorted(changed)[index] for index in chosen]
    rows = []
    for part in (frames[:6], frames[6:]):
        for images in (clip.frames, changed):
            tiles = []
            for index in part:
                tile = mouth(images[index], track.landmarks[index - track.first], 1.2, 220)
                if images is changed:
                    text = f"{index} {notes[index]}"
                    cv2.putText(tile, text, (3, 214), 0, 0.4, (255, 255, 0), 1, cv2.LINE_AA)
                tiles.append(tile)
            rows.append(np.hstack(tiles))
    return np.vstack(rows)


def run(bench: Bench, clip: Clip, track: FaceTrack, text: str, sheets: Path | None) -> str:
    outcomes, renderer, audio, ms = render(bench, clip, track, text)
    skipped: dict[str, int] = {}
    for outcome in outcomes:
        for reason, count in outcome.skipped.items():
            skipped[reason] = skipped.get(reason, 0) + count
    patches = [patch for outcome in outcomes for patch in outcome.patches]
    yaw = float(np.nanmedian(np.abs(track.pose[:, 0])))
    head = f"{clip.name:16} {track.id:8} {len(patches):4}/{track.n_frames:<4} {yaw:4.0f}"
    if len(patches) < 12:
        return f"{head}  left alone: {skipped}"
    wanted: dict[int, float] = {}
    for stretch, targets in renderer.targets(clip.time, audio):
        if targets is not None:
            frames = range(stretch.first, stretch.last)
            wanted |= dict(zip(frames, targets.aperture.tolist(), strict=True))
    changed = {patch.frame: with_patch(clip.frames[patch.frame], patch) for patch in patches}
    if sheets:
        notes = {index: f"a={wanted[index]:.2f}" for index in changed}
        picture = sheet(clip, track, changed, notes)
        cv2.imwrite(str(sheets / f"{clip.name}_{track.id}.png"), picture[..., ::-1])
    m = measure(bench, clip, track, changed, wanted)
    return (
        f"{head}  {m['r']:5.3f} {m['std']:5.2f} {m['shut']:5.2f} {m['sharp']:6.2f} "
        f"{m['flicker']:8.2f}  {m['id']:.2f} ({m['ref']:.2f}) {ms:5.0f}  {skipped or ''}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, help="folder of mp4 files")
    parser.add_argument("--clip", action="append", help="only this one (name without suffix)")
    parser.add_argument("--text", default=TEXT)
    parser.add_argument("--sheets", type=Path, help="folder for contact sheets")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    if options.sheets:
        options.sheets.mkdir(parents=True, exist_ok=True)
    bench = Bench()
    print(
        "clip             track    rendered  yaw  r     std   shut  sharp flicker   id (ref)    ms"
    )
    for path in sorted(options.clips.glob("*.mp4")):
        if options.clip and path.stem not in options.clip:
            continue
        clip = open_clip(bench, path)
        for track in clip.tracks:
            if track.n_frames >= 48:
                print(run(bench, clip, track, options.text, options.sheets), flush=True)


if __name__ == "__main__":
    main()
