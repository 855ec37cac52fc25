"""How surely hands, microphones and cups in front of a mouth are seen, on film faces.

    python benchmarks/lips_occluders.py CLIPS --hands CLIP [--clip NAME ...] [--cache FOLDER]

Real hands are cut out of the clip named by ``--hands`` where the hand model sees them (which makes
them easy to see again), microphones and cups are drawn. Each rises before every face of at least
60 frames, stays for 14 frames and is gone. The face mesh looks at every picture again. A frame
counts as covered when more than 15 % of the lips are. ``by hands`` is what the hand model finds,
``either`` what the renderer goes by; ``bare`` are frames of the untouched film that raise an alarm
(some may be real).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from lips_films import Film, Tools, box_of, decode, open_film

from polydub.engines.lips.geometry import (
    OUTER_LIPS,
    TrackGeometry,
    measure_track,
    person_canonical,
)
from polydub.engines.lips.occlusion import HandFinder, paint_hands
from polydub.engines.lips.watch import Watch
from polydub.model import FaceTrack, Image

STAY = 14
COVERED = 0.15
Thing = tuple[str, Image, Any]


def cut_hands(finder: HandFinder, film: Film, count: int = 16) -> list[Thing]:
    """Hands of a film as (kind, pixels, mask)."""
    height, width = film.frames[0].shape[:2]
    reach = height / 10
    found: list[Thing] = []
    for frame in range(0, len(film.frames), 6):
        for x, y in ((0.38, 0.42), (0.56, 0.42), (0.47, 0.56), (0.52, 0.6)):
            for hand in finder.find(film.frames[frame], np.array([x * width, y * height]), reach):
                low = np.maximum(hand.min(axis=0) - 25, 0).astype(int)
                high = (hand.max(axis=0) + 25).astype(int)
                part = film.frames[frame][low[1] : high[1], low[0] : high[0]].copy()
                size = part.shape[0], part.shape[1]
                mask = paint_hands([hand], size, low.astype(float), 0.9 * reach)
                found.append(("hand", part, mask))
    return found[:count]


def drawn_things(rng: np.random.Generator) -> list[Thing]:
    """A dark round microphone on its stick, and a yellow cup."""
    shade = np.sin(np.arange(90) / 90 * np.pi)[None, :, None]
    grain = rng.normal(0, 6, (200, 90, 1))
    microphone = np.broadcast_to(30 + 40 * shade + grain, (200, 90, 3)).clip(0, 255)
    mask = np.zeros((200, 90), np.uint8)
    cv2.ellipse(mask, (45, 50), (42, 48), 0, 0, 360, 255, -1)
    cv2.rectangle(mask, (25, 60), (65, 199), 255, -1)
    light = 0.5 + 0.5 * np.sin(np.arange(110) / 110 * np.pi)[None, :, None]
    cup = np.broadcast_to(np.array([190.0, 170.0, 90.0]) * light, (160, 110, 3))
    whole = np.full((160, 110), 255, np.uint8)
    return [
        ("microphone", microphone.astype(np.uint8), mask),
        ("cup", cup.astype(np.uint8), whole),
    ]


def pasted(image: Image, thing: Thing, place: Any, height: float) -> tuple[Image, Any]:
    """``image`` with the thing around ``place``, and what it covers ``[h, w]`` bool."""
    scale = height / thing[1].shape[0]
    pixels = cv2.resize(thing[1], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    mask = cv2.GaussianBlur(cv2.resize(thing[2], pixels.shape[1::-1]), (0, 0), 1.2)
    corner = [round(place[axis] - pixels.shape[1 - axis] / 2) for axis in (0, 1)]
    move = np.array([[1.0, 0, corner[0]], [0, 1, corner[1]]])
    size = image.shape[1::-1]
    alpha = cv2.warpAffine(mask, move, size)[..., None] / 255
    laid = cv2.warpAffine(pixels, move, size)
    mixed = image * (1 - alpha) + laid * alpha
    return mixed.astype(np.uint8), alpha[..., 0] > 0.5


def covered_share(points: Any, covered: Any) -> float:
    """Share of the lips that is covered."""
    area = np.zeros(covered.shape, np.uint8)
    cv2.fillPoly(area, [np.round(points[list(OUTER_LIPS)]).astype(np.int32)], 1)
    return float((area.astype(bool) & covered).sum() / max(int(area.sum()), 1))


class Rising:
    """A thing that rises before the mouth at frame ``start`` of a track and stays."""

    def __init__(self, film: Film, track: FaceTrack, geometry: TrackGeometry, thing: Thing) -> None:
        self._film, self._track, self._geometry, self._thing = film, track, geometry, thing

    def frames(self, start: int) -> Iterator[tuple[int, Image, float]]:
        """Row, picture, covered share of the lips."""
        iod = float(np.median(self._geometry.iod))
        for step in range(STAY):
            row = start + step
            points = self._geometry.points[row, :, :2].astype(np.float64)
            rise = (1.2 - min(1.0, step / 5)) * iod
            away = np.array([0.15 * iod * np.sin(step / 5), rise])
            place = points[list(OUTER_LIPS)].mean(axis=0) + away
            image = self._film.frames[self._track.first + row]
            picture, mask = pasted(image, self._thing, place, 1.5 * iod)
            yield row, picture, covered_share(points, mask)


def judge(
    tools: Tools, finder: HandFinder, film: Film, track: FaceTrack, thing: Thing | None, start: int
) -> dict[str, int]:
    """Counts for one thing before one face, or for the bare face."""
    canonical = person_canonical(film.person_of(track))
    assert canonical is not None
    geometry = measure_track(track, canonical)
    changed: dict[int, tuple[Image, float]] = {}
    if thing is not None:
        for row, picture, share in Rising(film, track, geometry, thing).frames(start):
            changed[row] = picture, share
            seen = tools.faces.landmarks(picture, box_of(track, track.first + row))
            if seen is not None:
                geometry.points[row] = seen
    watch = Watch(geometry, finder)
    for row in range(geometry.n_frames):
        image = changed[row][0] if row in changed else film.frames[track.first + row]
        watch.see(row, image)
    hidden, by_hand = watch.hidden() > 0.02, watch.by_hand() > 0.02
    if thing is None:
        return {"bare frames": geometry.n_frames, "bare alarms": int(hidden.sum())}
    rows = [row for row, (_, share) in changed.items() if share > COVERED]
    kind = thing[0]
    return {
        f"{kind} covered": len(rows),
        f"{kind} by hands": int(by_hand[rows].sum()),
        f"{kind} either": int(hidden[rows].sum()),
    }


def main() -> None:
    """Parse the command line and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--hands", required=True, help="clip (name without suffix) with bare hands")
    parser.add_argument("--clip", action="append", help="only this one (name without suffix)")
    parser.add_argument("--cache", type=Path, help="folder that keeps the analysis")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    tools, finder = Tools(), HandFinder()
    total: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        cache = options.cache or Path(folder)
        cache.mkdir(parents=True, exist_ok=True)
        source = options.clips / f"{options.hands}.mp4"
        film = open_film(tools, source, cache)
        decode(film, source)
        hands = cut_hands(finder, film)
        for path in sorted(options.clips.glob("*.mp4")):
            if options.clip and path.stem not in options.clip:
                continue
            film = open_film(tools, path, cache)
            decode(film, path)
            for track in film.tracks:
                if track.n_frames < 60:
                    continue
                things: list[Thing | None] = [None, *drawn_things(rng)]
                things += [hands[int(rng.integers(len(hands)))] for _ in range(2)] if hands else []
                for thing in things:
                    start = int(rng.integers(10, track.n_frames - STAY - 10))
                    for name, value in judge(tools, finder, film, track, thing, start).items():
                        total[name] = total.get(name, 0) + value
            film.frames.clear()
            print(f"{path.stem}: so far {total}", flush=True)
    for name, value in total.items():
        of = total.get(f"{name.split()[0]} covered" if "bare" not in name else "bare frames", 0)
        print(f"{name:20} {value:5} {value / max(of, 1):.0%}")


if __name__ == "__main__":
    main()
