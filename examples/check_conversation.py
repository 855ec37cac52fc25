"""Check that the example clip can be read by a face pipeline; exit status 1 if it cannot.

Run ``python examples/check_conversation.py``. It needs mediapipe 0.10.21, dlib and
face_recognition_models, and prints one table per requirement.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import cv2
import dlib
import face_recognition_models as models
import mediapipe as mp
import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
Image = NDArray[np.uint8]
Floats = NDArray[np.float64]

MIN_RECALL = 0.95
MIN_ACCEPT = 0.95
MIN_SPEAKING = 0.30
MAX_SILENT = 0.05
MAX_SAME = 0.42
MIN_DIFFERENT = 0.60
# Frames this close to a line's edge are neither speech nor silence: the mouth is in transit.
EDGE = 0.20
# Lip landmarks jitter from frame to frame; the pipeline smooths before it differentiates.
SMOOTH = np.array([0.25, 0.5, 0.25])


@dataclass
class Track:
    """One person in one shot."""

    person: str
    shot: int
    times: list[float] = field(default_factory=list)
    apertures: list[float] = field(default_factory=list)
    crops: list[tuple[Image, tuple[int, int, int, int]]] = field(default_factory=list)
    visible: int = 0
    found: int = 0
    accepted: int = 0
    distances: list[float] = field(default_factory=list)
    iods: list[float] = field(default_factory=list)


def frames(path: Path) -> Iterator[tuple[float, Image]]:
    """Presentation time and RGB picture of each frame."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield float(frame.time or 0.0), np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def boxes(detector: Any, picture: Image) -> list[tuple[int, int, int, int]]:
    """Detected faces as pixel boxes (x, y, w, h), left to right."""
    height, width = picture.shape[:2]
    out = []
    for found in detector.process(picture).detections or []:
        b = found.location_data.relative_bounding_box
        out.append(
            (
                int(b.xmin * width),
                int(b.ymin * height),
                int(b.width * width),
                int(b.height * height),
            )
        )
    return sorted(out)


def landmarks(mesh: Any, picture: Image, box: tuple[int, int, int, int]) -> Floats | None:
    """Face-mesh points in picture pixels, from a padded square crop around ``box``."""
    x, y, w, h = box
    side = int(max(w, h) * 1.6)
    left, top = x + w // 2 - side // 2, y + h // 2 - side // 2
    padded = cv2.copyMakeBorder(picture, side, side, side, side, cv2.BORDER_REPLICATE)
    crop = padded[top + side : top + 2 * side, left + side : left + 2 * side]
    result = mesh.process(cv2.resize(crop, (384, 384), interpolation=cv2.INTER_CUBIC))
    if not result.multi_face_landmarks:
        return None
    points = result.multi_face_landmarks[0].landmark
    local = np.array([(p.x, p.y, p.z) for p in points], np.float64)
    return np.asarray(local * side + np.array([left, top, 0]))


def collect(video: Path, truth: dict[str, Any]) -> list[Track]:
    """Detect and measure every visible face of the clip."""
    tracks = {
        (i, name): Track(name, i)
        for i, shot in enumerate(truth["shots"])
        for name in shot["people"]
    }
    solutions = mp.solutions
    with (
        solutions.face_detection.FaceDetection(
            model_selection=1, min_detection_confidence=0.5
        ) as detector,
        solutions.face_mesh.FaceMesh(
            static_image_mode=True, refine_landmarks=True, max_num_faces=1
        ) as mesh,
    ):
        for time, picture in frames(video):
            shot = next(i for i, s in enumerate(truth["shots"]) if time < s["end"] - 1e-3)
            people = truth["shots"][shot]["people"]
            found = boxes(detector, picture)
            for slot, name in enumerate(people):
                track = tracks[shot, name]
                track.visible += 1
                lo, hi = (slot * picture.shape[1] // len(people) for slot in (slot, slot + 1))
                mine = [b for b in found if lo <= b[0] + b[2] / 2 < hi]
                if mine:
                    _measure(track, time, picture, max(mine, key=lambda b: b[2]), mesh)
    return list(tracks.values())


def _measure(
    track: Track, time: float, picture: Image, box: tuple[int, int, int, int], mesh: Any
) -> None:
    track.found += 1
    points = landmarks(mesh, picture, box)
    if points is None:
        return
    track.accepted += 1
    iod = float(np.linalg.norm(points[33] - points[263]))
    track.times.append(time)
    track.iods.append(iod)
    track.apertures.append(float(np.linalg.norm(points[13] - points[14])) / iod)
    if track.accepted % 8 == 1:
        track.crops.append((picture.copy(), box))


def speeds(tracks: list[Track], truth: dict[str, Any], fps: float) -> dict[str, list[Any]]:
    """Mouth-opening speed (inter-ocular distances per second) of each line and each silence."""
    speaking, silent = [], []
    for track in tracks:
        times = np.array(track.times)
        smooth = np.convolve(np.pad(track.apertures, 1, "edge"), SMOOTH, "valid")
        speed = np.abs(np.diff(smooth)) * fps
        middle = times[:-1]
        quiet = np.ones(len(middle), bool)
        for line in truth["lines"]:
            if line["speaker"] != track.person:
                continue
            inside = (middle >= line["start"]) & (middle < line["end"])
            quiet &= (middle < line["start"] - EDGE) | (middle > line["end"] + EDGE)
            if line["on_screen"] and inside.sum() > 5:
                speaking.append((line["id"], track, float(speed[inside].mean())))
        if quiet.sum() > 5:
            silent.append((track, int(quiet.sum()), float(speed[quiet].mean())))
    return {"speaking": speaking, "silent": silent}


def identities(tracks: list[Track]) -> Floats:
    """Mean dlib descriptor of each track."""
    predictor = dlib.shape_predictor(models.pose_predictor_five_point_model_location())
    encoder = dlib.face_recognition_model_v1(models.face_recognition_model_location())
    out = []
    for track in tracks:
        picks = track.crops[:: max(1, len(track.crops) // 6)][:6]
        rows = []
        for picture, (x, y, w, h) in picks:
            shape = predictor(picture, dlib.rectangle(x, y, x + w, y + h))
            rows.append(np.array(encoder.compute_face_descriptor(picture, shape)))
        out.append(np.mean(rows, axis=0))
    return np.array(out)


def report(video: Path, truth: dict[str, Any]) -> bool:
    """Print the tables; true when every requirement holds."""
    tracks = collect(video, truth)
    good = True
    print("shot  person   frames  recall  accept  IOD px")
    for t in tracks:
        recall, accept = t.found / t.visible, t.accepted / max(1, t.found)
        good &= recall >= MIN_RECALL and accept >= MIN_ACCEPT
        print(
            f"{t.shot + 1:4d}  {t.person:7s} {t.visible:7d}  {recall:6.3f}  {accept:6.3f}"
            f"  {np.mean(t.iods):6.1f}"
        )
    mouth = speeds(tracks, truth, truth["fps"])
    print(f"\nmouth-opening speed, IOD/s (speaking > {MIN_SPEAKING}, silent < {MAX_SILENT})")
    for line, t, value in mouth["speaking"]:
        good &= value > MIN_SPEAKING
        print(f"  line {line}  {t.person:7s} shot {t.shot + 1}  speaking {value:.3f}")
    for t, count, value in mouth["silent"]:
        good &= value < MAX_SILENT
        print(f"  {t.person:7s} shot {t.shot + 1}  silent {value:.3f}  ({count} frames)")
    return _report_identity(tracks) and good


def _report_identity(tracks: list[Track]) -> bool:
    vectors = identities(tracks)
    same: list[tuple[float, str]] = []
    different: list[tuple[float, str]] = []
    for i in range(len(tracks)):
        for j in range(i):
            d = float(np.linalg.norm(vectors[i] - vectors[j]))
            (same if tracks[i].person == tracks[j].person else different).append(
                (
                    d,
                    f"{tracks[j].person}/{tracks[j].shot + 1} - "
                    f"{tracks[i].person}/{tracks[i].shot + 1}",
                )
            )
    print(f"\nidentity distance (same < {MAX_SAME}, different > {MIN_DIFFERENT})")
    for label, rows in (("same", same), ("different", different)):
        rows.sort()
        print(f"  {label:9s} " + ", ".join(f"{name} {d:.2f}" for d, name in rows))
    return bool(max(same)[0] < MAX_SAME and min(different)[0] > MIN_DIFFERENT)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--video", type=Path, default=HERE / "conversation.mp4")
    parser.add_argument("--truth", type=Path, default=HERE / "conversation.json")
    args = parser.parse_args()
    good = report(args.video, json.loads(args.truth.read_text("utf-8")))
    print("\nall requirements hold" if good else "\nFAILED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
