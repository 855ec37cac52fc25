"""Renders all spans of one person: targets, exemplars, frames."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from polydub.engines.lips.bank import Bank, BankBuilder, nearest_tracks, pick_frames
from polydub.engines.lips.drawing import Drawing
from polydub.engines.lips.gates import (
    FAILED,
    FEW_EXAMPLES,
    NO_LANDMARKS,
    STILL_MOUTH,
    UNREADABLE,
)
from polydub.engines.lips.geometry import (
    Floats,
    TrackGeometry,
    measure_track,
    mouth_weights,
    person_canonical,
)
from polydub.engines.lips.mapping import (
    MouthMoves,
    MouthRange,
    MouthTargets,
    QuantileMap,
    mouth_range,
)
from polydub.engines.lips.occlusion import HandFinder
from polydub.engines.lips.options import ExemplarOptions
from polydub.engines.lips.stretch import Stretch, group_spans, plan_stretch
from polydub.engines.lips.synthesis import FrameSynthesizer
from polydub.engines.lips.visemes import MouthCurve, mouth_curve, sounds, speech_energy
from polydub.engines.lips.watch import Watch
from polydub.engines.protocols import FrameReader, LipOutcome, LipSpan
from polydub.errors import EngineError, InputError
from polydub.model import FaceTrack, Shot, Span, Waveform

_WORKERS = min(4, os.cpu_count() or 1)  # threads that draw; warps let go of the interpreter
_AUDIO_MARGIN = Fraction(1, 2)  # seconds of sound around a stretch, for its loudness


@dataclass(frozen=True, slots=True, eq=False)
class _Material:
    """What is known about one track while its spans are rendered."""

    geometry: TrackGeometry
    bank: Bank
    mouth: MouthRange
    surfaces: dict[int, tuple[Floats, float]]
    watch: Watch
    size: tuple[int, int]


class PersonRenderer:
    """Renders the spans of one person; built anew for each call of the engine."""

    def __init__(
        self,
        spans: Sequence[LipSpan],
        tracks: Sequence[FaceTrack],
        shots: Sequence[Shot],
        options: ExemplarOptions,
        hands: HandFinder | None = None,
    ) -> None:
        self._spans = spans
        self._options = options
        self._hands = hands or HandFinder()
        self._stretches = group_spans(spans, shots)
        self._tracks: list[FaceTrack] = []
        self._canonical = np.zeros((478, 3))
        self._mouth: MouthRange | None = None
        self._measure(tracks)

    def _measure(self, tracks: Sequence[FaceTrack]) -> None:
        """The head, the tracks that show it, and how its mouth moves; no landmarks are kept."""
        try:
            canonical = person_canonical(tracks)
        except np.linalg.LinAlgError:
            return
        if canonical is None:
            return
        self._canonical = canonical
        moves = []
        for track in sorted(tracks, key=lambda track: (track.first, track.id)):
            try:
                measured = measure_track(track, canonical)
            except np.linalg.LinAlgError:  # this track is left alone, the others are not
                continue
            self._tracks.append(track)
            moves.append(MouthMoves(measured.aperture, measured.width, measured.usable))
        self._mouth = mouth_range(moves)

    def render(
        self, read: FrameReader, frame_time: Callable[[int], Fraction], audio: Waveform
    ) -> Iterator[LipOutcome]:
        """One outcome per span, in order."""
        targets = self.targets(frame_time, audio)
        material: tuple[str, _Material | str] | None = None
        with ThreadPoolExecutor(_WORKERS, "polydub-lips") as pool:
            for stretch, wanted in targets:
                if material is None or material[0] != stretch.track:
                    material = (stretch.track, self._prepare(stretch.track, read))
                known = material[1]
                if isinstance(known, str):
                    yield from (_left_alone(span, known) for span in stretch.spans)
                elif wanted is not None:
                    yield from self._render_stretch(stretch, wanted, known, read, pool)

    def targets(
        self, frame_time: Callable[[int], Fraction], audio: Waveform
    ) -> list[tuple[Stretch, MouthTargets | None]]:
        """What the mouth should do in each stretch; ``None`` when the face was never seen."""
        if self._mouth is None:
            return [(stretch, None) for stretch in self._stretches]
        quantiles = QuantileMap(self._mouth)
        return [
            (stretch, quantiles.targets(self._curve(stretch, frame_time, audio)))
            for stretch in self._stretches
        ]

    def _curve(
        self, stretch: Stretch, frame_time: Callable[[int], Fraction], audio: Waveform
    ) -> MouthCurve:
        edges = [frame_time(frame) for frame in range(stretch.first, stretch.last + 1)]
        middles = np.array([float(a + b) / 2 for a, b in pairwise(edges)])
        span = Span(edges[0], max(edges[-1], edges[0]))
        phones = list(dict.fromkeys(phone for part in stretch.spans for phone in part.phones))
        spoken = sounds(phones, float(span.start), float(span.end))
        heard = span.pad(_AUDIO_MARGIN)
        part = audio.cut(heard).mono()
        energy = None
        if len(part.samples):
            energy = speech_energy(part.samples, part.rate, middles - float(heard.start))
        return mouth_curve(spoken, middles, energy)

    def _prepare(self, track: str, read: FrameReader) -> _Material | str:
        """Exemplars and light for ``track``, or the reason why there are none."""
        names = [known.id for known in self._tracks]
        if track not in names or self._mouth is None:
            return NO_LANDMARKS
        near = nearest_tracks(self._tracks, names.index(track))
        geometries = [measure_track(self._tracks[at], self._canonical) for at in near]
        target = near.index(names.index(track))
        geometry = geometries[target]
        if self._mouth.high - self._mouth.low < self._options.min_range:
            return STILL_MOUTH
        wanted = sorted(
            {
                frame
                for span in self._spans
                if span.track == track
                for frame in range(*span.frames)
                if 0 <= frame - geometry.first < geometry.n_frames
            }
        )
        if not wanted:
            return NO_LANDMARKS
        try:
            size = _picture_size(read, wanted[0])
            picks = pick_frames(geometries, target, self._options.max_exemplars, size)
            if len(picks) < self._options.min_exemplars:
                return FEW_EXAMPLES
            builder = BankBuilder(geometries, target, self._hands)
            builder.collect(picks, wanted, read)
        except (InputError, EngineError) as error:
            return f"{UNREADABLE}: {error.message}"
        bank = builder.build(self._mouth)
        if bank is None or len(bank) < self._options.min_exemplars:
            return FEW_EXAMPLES
        return _Material(geometry, bank, self._mouth, builder.surfaces, builder.watch, size)

    def _render_stretch(
        self,
        stretch: Stretch,
        wanted: MouthTargets,
        known: _Material,
        read: FrameReader,
        pool: ThreadPoolExecutor,
    ) -> Iterator[LipOutcome]:
        geometry, mouth = known.geometry, known.mouth
        rows = np.arange(stretch.first, stretch.last) - geometry.first
        inside = (rows >= 0) & (rows < geometry.n_frames)
        clipped = np.clip(rows, 0, geometry.n_frames - 1)
        surfaces = [known.surfaces[frame] for frame in sorted(known.surfaces)]
        usual = (
            np.median([light for light, _ in surfaces], axis=0),
            float(np.median([sharpness for _, sharpness in surfaces])),
        )
        seen = [known.surfaces.get(int(row) + geometry.first, usual) for row in clipped]
        surface = (np.array([light for light, _ in seen]), np.array([sharp for _, sharp in seen]))
        try:
            plan = plan_stretch(
                clipped,
                geometry,
                known.bank,
                wanted,
                mouth,
                surface=surface,
                hidden=known.watch.hidden()[clipped],
                size=known.size,
                edges=(stretch.fade_in, stretch.fade_out),
                options=self._options,
            )
        except np.linalg.LinAlgError:
            yield from (_left_alone(span, FAILED) for span in stretch.spans)
            return
        weights = mouth_weights(self._canonical)
        artist = FrameSynthesizer(geometry, known.bank, weights, paste=not self._options.mesh_only)
        drawing = Drawing(
            plan, known.bank, artist, self._options, stretch.first, inside, pool, known.watch
        )
        for span in stretch.spans:
            yield drawing.span(span, geometry.first, read)


def _picture_size(read: FrameReader, frame: int) -> tuple[int, int]:
    for _, image in read(frame, frame + 1):
        return (image.shape[0], image.shape[1])
    raise InputError(f"frame {frame} cannot be decoded", code="DUB-E102")


def _left_alone(span: LipSpan, reason: str) -> LipOutcome:
    return LipOutcome(span, (), {reason: span.frames[1] - span.frames[0]}, {})
