"""Stretches: neighbouring spans of one face that are rendered together, without a seam."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polydub.engines.lips.bank import Bank
from polydub.engines.lips.choose import (
    MouthStates,
    cheapest_path,
    light_distance,
    transition_costs,
    unary_costs,
)
from polydub.engines.lips.gates import (
    FOCUS,
    LIGHT,
    OCCLUDED,
    blur,
    combine,
    cover_gate,
    fade,
    focus_gate,
    frame_gates,
)
from polydub.engines.lips.geometry import Floats, Ints, TrackGeometry
from polydub.engines.lips.mapping import MouthRange, MouthTargets
from polydub.engines.lips.options import ExemplarOptions
from polydub.engines.lips.shape import ShapeModel
from polydub.engines.protocols import LipSpan
from polydub.model import Shot

_MAX_FRAMES = 600  # longest stretch that is planned at once: bounds the path search
_ADAPT_FRAMES = 60


@dataclass(frozen=True, slots=True)
class Stretch:
    """Spans of one track whose frames touch; ``fade_in`` / ``fade_out`` where the mouth goes on."""

    track: str
    spans: tuple[LipSpan, ...]
    fade_in: bool
    fade_out: bool

    @property
    def first(self) -> int:
        """First source frame."""
        return self.spans[0].frames[0]

    @property
    def last(self) -> int:
        """One past the last source frame."""
        return self.spans[-1].frames[1]


def group_spans(spans: Sequence[LipSpan], shots: Sequence[Shot]) -> list[Stretch]:
    """Stretches in the order of ``spans``; a stretch never grows beyond 600 frames."""
    groups: list[list[LipSpan]] = []
    for span in spans:
        last = groups[-1][-1] if groups else None
        touches = last is not None and (last.track, last.frames[1]) == (span.track, span.frames[0])
        if touches and span.frames[1] - groups[-1][0].frames[0] <= _MAX_FRAMES:
            groups[-1].append(span)
        else:
            groups.append([span])
    starts = {shot.first for shot in shots}
    ends = {shot.last for shot in shots}
    begun = {(span.track, span.frames[0]) for span in spans}
    ended = {(span.track, span.frames[1]) for span in spans}
    stretches = []
    for group in groups:
        track, first, last_frame = group[0].track, group[0].frames[0], group[-1].frames[1]
        stretches.append(
            Stretch(
                track,
                tuple(group),
                fade_in=first not in starts and (track, first) not in ended,
                fade_out=last_frame not in ends and (track, last_frame) not in begun,
            )
        )
    return stretches


@dataclass(frozen=True, slots=True, eq=False)
class StretchPlan:
    """Everything decided before pixels are drawn, one row per frame of the stretch.

    ``strength`` 0..1; ``reasons`` what weighs most where it is small; ``path`` exemplar of each
    frame; ``shapes`` ``[n, 478, 3]`` target shapes; ``targets`` as drawn; ``cost`` of the exemplar;
    ``blurred`` 0..1, how far the frame is out of focus.
    """

    strength: Floats
    reasons: list[str]
    path: Ints
    shapes: Floats
    targets: MouthTargets
    cost: Floats
    blurred: Floats


def plan_stretch(
    rows: Ints,
    geometry: TrackGeometry,
    bank: Bank,
    wanted: MouthTargets,
    mouth: MouthRange,
    *,
    surface: tuple[Floats, Floats],
    hidden: Floats,
    size: tuple[int, int],
    edges: tuple[bool, bool],
    options: ExemplarOptions,
) -> StretchPlan:
    """Strength, exemplars and shapes for the track ``rows`` of one stretch.

    ``surface`` is the light ``[n, 6]`` and the sharpness ``[n]`` around the mouth, ``hidden``
    ``[n]`` the share of it that something covers, ``size`` picture height and width.
    """
    gates = {
        reason: gate[rows] for reason, gate in frame_gates(geometry, size, options.gates).items()
    }
    lights, sharpness = surface
    gates[FOCUS] = focus_gate(sharpness, bank.states.sharpness)
    gates[OCCLUDED] = cover_gate(hidden)
    ramp = fade(len(rows), edges[0], edges[1], options.fade_frames)
    strength: Floats = combine(gates)[0] * ramp
    model = ShapeModel(bank.states, bank.shapes.astype(np.float64), mouth)
    wanted = MouthTargets(wanted.aperture, model.reachable(wanted.aperture, wanted.width))
    # Match exemplars to what will be drawn: part of the way only where the strength is small.
    drawn = MouthTargets(
        geometry.aperture[rows] * (1 - strength) + wanted.aperture * strength,
        geometry.width[rows] * (1 - strength) + wanted.width * strength,
    )
    states = MouthStates(drawn.aperture, drawn.width, geometry.pose[rows], lights, sharpness)
    unary = unary_costs(states, bank.states, mouth, bank.penalty)
    path = cheapest_path(unary, transition_costs(bank.patches, bank.follows, options.jump_cost))
    away = light_distance(lights, bank.states.light)[np.arange(len(rows)), path]
    gates[LIGHT] = np.clip((18 - away) / 6, 0, 1)
    strength, reasons = combine(gates)
    sample = rows[geometry.usable[rows]][:: max(1, len(rows) // _ADAPT_FRAMES)]
    model.adapt(geometry.shapes(sample), geometry.aperture[sample], geometry.width[sample])
    return StretchPlan(
        strength=strength * ramp,
        reasons=reasons,
        path=path,
        shapes=model(wanted.aperture, wanted.width),
        targets=drawn,
        cost=unary[np.arange(len(rows)), path],
        blurred=blur(sharpness, bank.states.sharpness),
    )
