"""The shell around every lip network: what is drawn where, and why not elsewhere.

The gates, reasons and fades are those of the exemplar renderer. A network gets runs of frames
without a gap; what it draws is laid into the picture by :mod:`polydub.engines.lips.neural.blend`.
Pictures are read twice, once to measure and once to draw; nothing but one window is held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from polydub.engines.lips.appearance import look
from polydub.engines.lips.gates import (
    FOCUS,
    MIN_STRENGTH,
    NO_LANDMARKS,
    UNREADABLE,
    GateOptions,
    combine,
    fade,
    focus_gate,
    frame_gates,
)
from polydub.engines.lips.geometry import (
    Floats,
    TrackGeometry,
    measure_track,
    person_canonical,
)
from polydub.engines.lips.neural.listening import sound_around
from polydub.engines.lips.neural.network import MouthNetwork, Sound
from polydub.engines.lips.neural.runs import Drawn, RunArtist
from polydub.engines.lips.stretch import Stretch, group_spans
from polydub.engines.protocols import FrameReader, LipOutcome, LipSpan, Patch
from polydub.errors import EngineError, InputError
from polydub.model import FaceTrack, Shot, Span, Waveform

UNFIT = "what the network drew does not fit its surroundings"


@dataclass(frozen=True, slots=True)
class NeuralOptions:
    """``max_residual``: levels of difference that may be left on the skin around the mouth, after
    its light was matched (the exemplar renderer's limit; a good patch leaves 0.5 to 1)."""

    max_residual: float = 15.0
    fade_frames: int = 4
    gates: GateOptions = field(default_factory=GateOptions)


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """One stretch before it is drawn, a row per frame.

    ``strength`` 0..1; ``reasons`` what stands against the frames that are not drawn.
    """

    stretch: Stretch
    geometry: TrackGeometry
    strength: Floats
    reasons: list[str]

    def runs(self) -> list[tuple[int, int]]:
        """Frames ``[first, last)`` of the film that are drawn, in pieces without a gap."""
        edges = np.diff((self.strength >= MIN_STRENGTH).astype(int), prepend=0, append=0)
        starts, ends = np.flatnonzero(edges > 0), np.flatnonzero(edges < 0)
        first = self.stretch.first
        return [(first + int(a), first + int(b)) for a, b in zip(starts, ends, strict=True)]


class NeuralRenderer:
    """Renders the spans of one person with a network; built anew for each call of the engine."""

    def __init__(
        self,
        spans: Sequence[LipSpan],
        tracks: Sequence[FaceTrack],
        shots: Sequence[Shot],
        network: MouthNetwork,
        options: NeuralOptions,
    ) -> None:
        self._network, self._options = network, options
        self._stretches = group_spans(spans, shots)
        self._geometries: dict[str, TrackGeometry] = {}
        try:
            canonical = person_canonical(tracks)
        except np.linalg.LinAlgError:
            canonical = None
        if canonical is not None:
            self._measure(tracks, canonical)

    def _measure(self, tracks: Sequence[FaceTrack], canonical: Floats) -> None:
        self._canonical = canonical
        wanted = {stretch.track for stretch in self._stretches}
        for track in (track for track in tracks if track.id in wanted):
            try:
                self._geometries[track.id] = measure_track(track, canonical)
            except np.linalg.LinAlgError:  # this track is left alone, the others are not
                continue

    def render(
        self, read: FrameReader, frame_time: Callable[[int], Fraction], audio: Waveform
    ) -> Iterator[LipOutcome]:
        """One outcome per span, in order."""
        for stretch in self._stretches:
            geometry = self._geometries.get(stretch.track)
            if geometry is None:
                yield from (_left_alone(span, NO_LANDMARKS) for span in stretch.spans)
                continue
            plan = self._plan(stretch, geometry, read)
            sound = _sound(stretch, frame_time, audio)
            drawn = self._drawn(plan, sound, read, frame_time)
            for span in stretch.spans:
                yield self._outcome(span, plan, drawn)

    def _plan(self, stretch: Stretch, geometry: TrackGeometry, read: FrameReader) -> _Plan:
        frames = np.arange(stretch.first, stretch.last)
        inside = (frames >= geometry.first) & (frames < geometry.first + geometry.n_frames)
        rows = np.clip(frames - geometry.first, 0, geometry.n_frames - 1)
        seen = _look_at(stretch, geometry, read, rows, inside)
        gates = {
            reason: gate[rows]
            for reason, gate in frame_gates(geometry, seen.size, self._options.gates).items()
        }
        known = np.isfinite(seen.sharpness)
        usual = seen.sharpness[known] if known.any() else np.zeros(1)
        gates[FOCUS] = focus_gate(np.where(known, seen.sharpness, usual.max()), usual)
        strength, reasons = combine(gates)
        strength = strength * fade(
            len(rows), stretch.fade_in, stretch.fade_out, self._options.fade_frames
        )
        strength[~known] = 0
        reasons = [
            NO_LANDMARKS if not inside[at] else (reason if known[at] else seen.unreadable)
            for at, reason in enumerate(reasons)
        ]
        return _Plan(stretch, geometry, strength, reasons)

    def _drawn(
        self,
        plan: _Plan,
        sound: Sound,
        read: FrameReader,
        frame_time: Callable[[int], Fraction],
    ) -> Iterator[tuple[int, Drawn | str]]:
        """Every frame of a stretch in order: its patch, or why it has none."""
        stretch, geometry = plan.stretch, plan.geometry
        artist = RunArtist(self._network, geometry, self._canonical, sound)
        at = stretch.first
        for first, last in [*plan.runs(), (stretch.last, stretch.last)]:
            yield from ((frame, plan.reasons[frame - stretch.first]) for frame in range(at, first))
            strength = plan.strength[first - stretch.first : last - stretch.first]
            times = np.array([float(frame_time(frame)) for frame in range(first, last)])
            yield from artist.draw(first, times, strength, read)
            at = last

    def _outcome(
        self, span: LipSpan, plan: _Plan, drawn: Iterator[tuple[int, Drawn | str]]
    ) -> LipOutcome:
        """Takes the frames of ``span`` off ``drawn``."""
        patches: list[Patch] = []
        residuals: list[float] = []
        skipped: Counter[str] = Counter()
        for _ in range(*span.frames):
            _, result = next(drawn)
            if isinstance(result, str):
                skipped[result] += 1
            else:
                patches.append(result.patch)
                residuals.append(result.residual)
        part = slice(*(frame - plan.stretch.first for frame in span.frames))
        scores = {
            "rendered": len(patches) / max(1, span.frames[1] - span.frames[0]),
            "strength": float(plan.strength[part].mean()) if len(plan.strength[part]) else 0.0,
        }
        if residuals:
            scores["ring"] = float(np.mean(residuals))
            if scores["ring"] > self._options.max_residual:
                skipped[UNFIT] += len(patches)
                patches = []
        return LipOutcome(span, tuple(patches), dict(skipped), scores)


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """``sharpness`` ``[n]`` (NaN: not seen), picture height and width, why some are not seen."""

    sharpness: Floats
    size: tuple[int, int]
    unreadable: str


def _look_at(
    stretch: Stretch,
    geometry: TrackGeometry,
    read: FrameReader,
    rows: npt.NDArray[np.int64],
    inside: npt.NDArray[np.bool_],
) -> _Seen:
    """Measures the frames of a stretch; those from the first one that cannot be read on are not."""
    sharpness = np.full(len(rows), np.nan)
    size, unreadable = (0, 0), UNREADABLE
    wanted = np.flatnonzero(inside)
    if not len(wanted):
        return _Seen(sharpness, size, unreadable)
    try:
        first, last = int(wanted[0]), int(wanted[-1]) + 1
        for index, image in read(stretch.first + first, stretch.first + last):
            at = index - stretch.first
            size = (image.shape[0], image.shape[1])
            row = int(rows[at])
            if geometry.usable[row]:
                points = geometry.points[row, :, :2].astype(np.float64)
                iod, roll = float(geometry.iod[row]), float(geometry.pose[row, 2])
                sharpness[at] = look(image, points, iod, roll).sharpness
            else:
                sharpness[at] = 0.0
    except (InputError, EngineError) as error:
        unreadable = f"{UNREADABLE}: {error.message}"
    return _Seen(sharpness, size, unreadable)


def _sound(stretch: Stretch, frame_time: Callable[[int], Fraction], audio: Waveform) -> Sound:
    start = frame_time(stretch.first)
    span = Span(start, max(start, frame_time(stretch.last)))
    phones = dict.fromkeys(phone for part in stretch.spans for phone in part.phones)
    return sound_around(audio, span, phones)


def _left_alone(span: LipSpan, reason: str) -> LipOutcome:
    return LipOutcome(span, (), {reason: span.frames[1] - span.frames[0]}, {})
