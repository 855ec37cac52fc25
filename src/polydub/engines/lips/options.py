"""Options of the exemplar renderer."""

from __future__ import annotations

from dataclasses import dataclass, field

from polydub.engines.lips.gates import GateOptions


@dataclass(frozen=True, slots=True)
class ExemplarOptions:
    """How the renderer works.

    ``max_exemplars`` bounds the memory per face (about 0.2 MB each at 200 px IOD). Fewer than
    ``min_exemplars`` usable frames, or a mouth range under ``min_range`` (IOD), leave the face
    alone; so do, per span, exemplars that cost more than ``max_cost`` or leave ``max_residual``
    levels on the skin around them (spans that look right measured 0.5 to 0.9, and 2 to 6).
    ``jump_cost`` above 2 gives fewer jumps but pastes closed mouths on open targets. ``mesh_only``
    moves the frame's own pixels and pastes nothing, to tell what the exemplars bring.
    """

    max_exemplars: int = 400
    min_exemplars: int = 40
    min_range: float = 0.03
    jump_cost: float = 0.8
    max_cost: float = 4.0
    max_residual: float = 15.0
    fade_frames: int = 4
    mesh_only: bool = False
    gates: GateOptions = field(default_factory=GateOptions)
