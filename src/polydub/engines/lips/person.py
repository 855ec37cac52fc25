"""Renders all spans of one person: targets, exemplars, frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from polydub.engines.lips.bank import Bank, BankBuilder, pick_frames
from polydub.engines.lips.gates import (
    FAILED,
    FEW_EXAMPLES,
    MIN_STRENGTH,
    NO_LANDMARKS,
    POOR,
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
from polydub.engines.lips.mapping import MouthRange, MouthTargets, QuantileMap, mouth_range
from polydub.engines.lips.options import ExemplarOptions
from polydub.engines.lips.stretch import (
    Stretch,
    StretchPlan,
    group_spans,
    plan_stretch,
)
from polydub.engines.lips.synthesis import FrameSynthesizer, layers
from polydub.engines.lips.visemes import MouthCurve, mouth_curve, sounds, speech_energy
from polydub.engines.protocols import FrameReader, LipOutcome, LipSpan, Patch
from polydub.errors import EngineError, InputError
from polydub.model import FaceTrack, Image, Shot, Span, Waveform

_AUDIO_MARGIN = Fraction(1, 2)  # seconds of sound around a stretch, for its loudness


@dataclass(frozen=True, slots=True, eq=False)
class _Material:
    """What is known about one track while its spans are rendered."""

    geometry: TrackGeometry
    bank: Bank
    mouth: MouthRange
    surfaces: dict[int, tuple[Floats, float]]
    size: tuple[int, int]


class PersonRenderer:
    """Renders the spans of one person; built anew for each call of the engine."""

    def __init__(
        self,
        spans: Sequence[LipSpan],
        tracks: Sequence[FaceTrack],
        shots: Sequence[Shot],
        options: ExemplarOptions,
    ) -> None:
        self._spans = spans
        self._options = options
        self._stretches = group_spans(spans, shots)
        self._geometries: list[TrackGeometry] = []
        self._weights = np.zeros(0)
        self._mouth: MouthRange | None = None
        self._measure(tracks)

    def _measure(self, tracks: Sequence[FaceTrack]) -> None:
        try:
            canonical = person_canonical(tracks)
        except np.linalg.LinAlgError:
            return
        if canonical is None:
            return
        self._weights = mouth_weights(canonical)
        for track in sorted(tracks, key=lambda track: (track.first, track.id)):
            try:
                self._geometries.append(measure_track(track, canonical))
            except np.linalg.LinAlgError:  # this track is left alone, the others are not
                continue
        self._mouth = mouth_range(self._geometries)

    def render(
        self, read: FrameReader, frame_time: Callable[[int], Fraction], audio: Waveform
    ) -> Iterator[LipOutcome]:
        """One outcome per span, in order."""
        targets = self.targets(frame_time, audio)
        material: tuple[str, _Material | str] | None = None
        for stretch, wanted in targets:
            if material is None or material[0] != stretch.track:
                material = (stretch.track, self._prepare(stretch.track, read))
            known = material[1]
            if isinstance(known, str):
                yield from (_left_alone(span, known) for span in stretch.spans)
            elif wanted is not None:
                yield from self._render_stretch(stretch, wanted, known, read)

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
        names = [geometry.track for geometry in self._geometries]
        if track not in names or self._mouth is None:
            return NO_LANDMARKS
        target = names.index(track)
        geometry = self._geometries[target]
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
            picks = pick_frames(self._geometries, target, self._options.max_exemplars, size)
            if len(picks) < self._options.min_exemplars:
                return FEW_EXAMPLES
            builder = BankBuilder(self._geometries, target)
            builder.collect(picks, wanted, read)
        except (InputError, EngineError) as error:
            return f"{UNREADABLE}: {error.message}"
        bank = builder.build(self._mouth)
        if bank is None or len(bank) < self._options.min_exemplars:
            return FEW_EXAMPLES
        return _Material(geometry, bank, self._mouth, builder.surfaces, size)

    def _render_stretch(
        self,
        stretch: Stretch,
        wanted: MouthTargets,
        known: _Material,
        read: FrameReader,
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
                size=known.size,
                edges=(stretch.fade_in, stretch.fade_out),
                options=self._options,
            )
        except np.linalg.LinAlgError:
            yield from (_left_alone(span, FAILED) for span in stretch.spans)
            return
        artist = FrameSynthesizer(geometry, known.bank, self._weights)
        for span in stretch.spans:
            part = range(span.frames[0] - stretch.first, span.frames[1] - stretch.first)
            drawing = _Drawing(plan, known, artist, self._options, stretch.first, inside)
            yield drawing.span(span, part, read)


@dataclass(slots=True, eq=False)
class _Drawing:
    """Draws the frames of one span after its stretch is planned.

    ``first`` is the source frame of the plan's first row; ``inside`` ``[n]`` says which rows the
    track covers.
    """

    plan: StretchPlan
    known: _Material
    artist: FrameSynthesizer
    options: ExemplarOptions
    first: int
    inside: npt.NDArray[np.bool_]
    residuals: list[float] = field(default_factory=list)

    def span(self, span: LipSpan, part: range, read: FrameReader) -> LipOutcome:
        """Patches for the frames ``part`` (indices into the plan)."""
        patches: list[Patch] = []
        skipped: Counter[str] = Counter()
        seen = 0
        plan = self.plan
        drawable = [at for at in part if self.inside[at] and plan.strength[at] >= MIN_STRENGTH]
        for at in sorted(set(part) - set(drawable)):
            skipped[plan.reasons[at] if self.inside[at] else NO_LANDMARKS] += 1
        try:
            if drawable:
                first, last = drawable[0] + self.first, drawable[-1] + 1 + self.first
                wanted = set(drawable)
                for index, image in read(first, last):
                    at = index - self.first
                    if at not in wanted:
                        self.artist.skip()
                        continue
                    seen += 1
                    self._frame(at, image, patches, skipped)
        except (InputError, EngineError) as error:
            skipped[f"{UNREADABLE}: {error.message}"] += len(drawable) - seen
            seen = len(drawable)
        if len(drawable) > seen:
            skipped[UNREADABLE] += len(drawable) - seen
        scores = self._scores(part, len(patches))
        if patches and self._poor(scores):
            skipped[POOR] += len(patches)
            patches = []
        return LipOutcome(span, tuple(patches), dict(skipped), scores)

    def _poor(self, scores: dict[str, float]) -> bool:
        limits = self.options
        return scores["unary"] > limits.max_cost or scores["ring"] > limits.max_residual

    def _frame(self, at: int, image: Image, patches: list[Patch], skipped: Counter[str]) -> None:
        plan, bank = self.plan, self.known.bank
        row = at + self.first - self.known.geometry.first
        shown = layers(plan.path, bank.follows, at)
        try:
            patch = self.artist.render(image, row, plan.shapes[at], float(plan.strength[at]), shown)
        except np.linalg.LinAlgError:
            skipped[FAILED] += 1
            self.artist.skip()
            return
        self.residuals.append(self.artist.residual)
        patches.append(patch)

    def _scores(self, part: range, rendered: int) -> dict[str, float]:
        plan, bank = self.plan, self.known.bank
        at = np.arange(part.start, part.stop)
        jumps = sum(
            1
            for frame in at[1:]
            if plan.path[frame] != plan.path[frame - 1]
            and plan.path[frame] != bank.follows[plan.path[frame - 1]]
        )
        scores = {
            "rendered": rendered / max(len(at), 1),
            "strength": float(plan.strength[at].mean()) if len(at) else 0.0,
            "unary": float(plan.cost[at].mean()) if len(at) else 0.0,
            "jumps": jumps / max(len(at), 1),
            "exemplars": float(len(bank)),
        }
        if self.residuals:
            scores["ring"] = float(np.mean(self.residuals))
        return scores


def _picture_size(read: FrameReader, frame: int) -> tuple[int, int]:
    for _, image in read(frame, frame + 1):
        return (image.shape[0], image.shape[1])
    raise InputError(f"frame {frame} cannot be decoded", code="DUB-E102")


def _left_alone(span: LipSpan, reason: str) -> LipOutcome:
    return LipOutcome(span, (), {reason: span.frames[1] - span.frames[0]}, {})
