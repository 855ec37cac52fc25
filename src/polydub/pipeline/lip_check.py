"""Looks at rendered mouths before they are kept; a bad span falls back to the original pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from polydub.engines.protocols import FaceFinder, FaceIdentifier, FrameReader, LipOutcome, Patch
from polydub.errors import EngineError
from polydub.evaluate import pictures
from polydub.evaluate.articulation import CLOSED, VOWELS, in_order, soundings
from polydub.model import FaceTrack, Image
from polydub.stages.lip_check import LipLimits, Measured, fault, figures, joints

FELL_BACK = "checked after rendering"
"""How the reason of a span that was taken back begins."""
GROUP, EVERY = 2, 8
"""Of so many frames as the second, the first many are looked at, neighbours for their change."""
PRINTS = 3
SQUARE = 64
MIDDLE = ~pictures.ring(SQUARE, inner=0.4, outer=2.0)
"""The part of a square in which the mouth is."""
FADE = 4
"""Frames over which a mouth is dissolved beside a span that was taken back."""
LIPS = (13, 14)
MOUTH = (61, 291, 0, 17)


@dataclass(frozen=True, slots=True, eq=False)
class LipChecker:
    """Measures spans of one person; ``read`` gives the film's own pictures."""

    faces: FaceFinder
    identity: FaceIdentifier
    tracks: Mapping[str, FaceTrack]
    read: FrameReader
    time: Callable[[int], Fraction]
    limits: LipLimits = field(default_factory=LipLimits)

    def checked(self, outcomes: Iterator[LipOutcome]) -> Iterator[LipOutcome]:
        """``outcomes`` in order: bad ones without patches, their neighbours dissolved into them."""
        window: list[LipOutcome] = []  # the one before, the one at hand, the next
        try:
            for outcome in outcomes:
                window.append(self._judged(outcome))
                if len(window) >= 2:
                    yield self._joined(window, len(window) - 2)
                window = window[-2:]
        except EngineError:  # what came before it is good
            if window:
                yield self._joined(window, len(window) - 1)
            raise
        if window:
            yield self._joined(window, len(window) - 1)

    def _judged(self, outcome: LipOutcome) -> LipOutcome:
        if not outcome.patches:
            return outcome
        found = figures(self._measure(outcome))
        scores = outcome.scores | {f"seen_{name}": value for name, value in found.items()}
        reason = fault(found, self.limits)
        if not reason:
            return replace(outcome, scores=scores)
        skipped = dict(outcome.skipped)
        skipped[f"{FELL_BACK}: {reason}"] = len(outcome.patches)
        return LipOutcome(outcome.span, (), skipped, scores)

    def _joined(self, window: Sequence[LipOutcome], at: int) -> LipOutcome:
        drawn = [bool(outcome.patches) for outcome in window]
        touching = [
            a.span.track == b.span.track and a.span.frames[1] == b.span.frames[0]
            for a, b in pairwise(window)
        ]
        starts, ends = joints(drawn, touching)[at]
        outcome = window[at]
        if not starts and not ends:
            return outcome
        first, last = outcome.span.frames
        weights: dict[int, float] = {}
        for step in range(FADE):
            share = (step + 1) / (FADE + 1)
            if starts:
                weights[first + step] = min(share, weights.get(first + step, 1.0))
            if ends:
                weights[last - 1 - step] = min(share, weights.get(last - 1 - step, 1.0))
        patches = tuple(self._dissolved(patch, weights) for patch in outcome.patches)
        return replace(outcome, patches=patches)

    def _dissolved(self, patch: Patch, weights: Mapping[int, float]) -> Patch:
        weight = weights.get(patch.frame)
        if weight is None:
            return patch
        for _, image in self.read(patch.frame, patch.frame + 1):
            own = image[_place(patch)].astype(np.float32)
            mixed = own + weight * (patch.pixels.astype(np.float32) - own)
            return replace(patch, pixels=np.rint(mixed).astype(np.uint8))
        return patch

    def _measure(self, outcome: LipOutcome) -> Measured:
        track = self.tracks[outcome.span.track]
        by_frame = {patch.frame: patch for patch in outcome.patches}
        chosen = _chosen(outcome)
        look = _Look(self, track, outcome)
        prints = set(sorted(chosen)[:: max(1, len(chosen) // PRINTS)][:PRINTS])
        for first, last in _runs(sorted(chosen)):
            for index, image in self.read(first, last):
                if index in chosen:
                    look.at(index, image, by_frame[index], identify=index in prints)
        look.end()
        return look.seen


class _Look:
    """Goes through the frames of one span and notes what is seen."""

    def __init__(self, checker: LipChecker, track: FaceTrack, outcome: LipOutcome) -> None:
        self._checker, self._track, self._outcome = checker, track, outcome
        self._last: tuple[int, Any, Any] | None = None
        self._openings: list[tuple[float, float]] = []
        self.seen = Measured()

    def at(self, index: int, image: Image, patch: Patch, *, identify: bool) -> None:
        """One frame with its patch."""
        track, row = self._track, index - self._track.first
        own = track.landmarks[row]
        if not np.isfinite(own).all():
            return
        after = image.copy()
        after[_place(patch)] = patch.pixels
        self.seen.frames += 1
        box = tuple(float(value) for value in track.boxes[row])
        points = self._checker.faces.landmarks(after, box)  # type: ignore[arg-type]
        if points is None:
            self.seen.lost += 1
            return
        iod = float(track.iod[row])
        gap = float(np.linalg.norm(points[LIPS[0]] - points[LIPS[1]])) / max(iod, 1e-6)
        if index in self._outcome.wanted:
            self.seen.gaps.append((self._outcome.wanted[index], gap))
        span = self._checker.time(index), self._checker.time(index + 1)
        self._openings.append((float(sum(span)) / 2, gap))
        self._compare(index, image, after, own, iod)
        if identify and track.print is not None:
            embed = self._checker.identity.embed
            distances = [np.linalg.norm(embed(i, own) - track.print) for i in (image, after)]
            self.seen.prints.append((float(distances[0]), float(distances[1])))

    def _compare(
        self, index: int, before: Image, after: Image, own: npt.NDArray[np.float32], iod: float
    ) -> None:
        """Seam, fine detail, and change against the frame before."""
        x, y = (float(value) for value in own[list(MOUTH), :2].mean(axis=0))
        pair = [pictures.crop(image, (x, y), 1.1 * iod, SQUARE) for image in (before, after)]
        step = pictures.seam(*pair)
        if step is not None:
            self.seen.seams.append(step)
        own_detail, new_detail = (pictures.detail(square, MIDDLE) for square in pair)
        self.seen.details.append((own_detail, new_detail))
        if self._last is not None and self._last[0] == index - 1:
            ring = pictures.ring(SQUARE)
            first, second = (
                pictures.change(old, new, ring)
                for old, new in zip(self._last[1:], pair, strict=True)
            )
            self.seen.changes.append((first, second))
        self._last = index, pair[0], pair[1]

    def end(self) -> None:
        """Without a wanted gap, the sounds must tell."""
        if self._outcome.wanted or not self._openings:
            return
        times, gaps = np.array(self._openings, np.float64).T
        sounds = soundings(self._outcome.span.phones, times, gaps, gaps)
        self.seen.order = in_order(
            np.array([s.opening for s in sounds if s.letter in CLOSED], np.float64),
            np.array([s.opening for s in sounds if s.letter in VOWELS], np.float64),
        )


def _chosen(outcome: LipOutcome) -> set[int]:
    """Frames to look at; all of them when only the sounds tell what was meant."""
    frames = [patch.frame for patch in outcome.patches]
    if not outcome.wanted:
        return set(frames)
    return {frame for at, frame in enumerate(frames) if at % EVERY < GROUP}


def _runs(frames: Sequence[int], gap: int = 12) -> list[tuple[int, int]]:
    """Half-open ranges that cover sorted ``frames``; shorter holes are read through."""
    runs: list[tuple[int, int]] = []
    for frame in frames:
        if runs and frame - runs[-1][1] < gap:
            runs[-1] = (runs[-1][0], frame + 1)
        else:
            runs.append((frame, frame + 1))
    return runs


def _place(patch: Patch) -> tuple[slice, slice]:
    height, width = patch.pixels.shape[:2]
    return slice(patch.top, patch.top + height), slice(patch.left, patch.left + width)
