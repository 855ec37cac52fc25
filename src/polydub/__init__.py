"""polydub dubs whole conversations: every speaker, every cut.

``dub`` makes a finished video, ``analyze`` stops at the editable script, ``render`` goes on from
it. They load nothing heavy until they are called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polydub.errors import PolydubError

if TYPE_CHECKING:
    from polydub.api import (
        DubOptions,
        DubResult,
        EvaluationResult,
        LipsResult,
        Output,
        PinRequest,
        PinResult,
        PlannedStep,
        Project,
        analyze,
        demo,
        dub,
        evaluate_dub,
        export,
        lips,
        pin,
        plan,
        plan_render,
        render,
    )

__all__ = [
    "DubOptions",
    "DubResult",
    "EvaluationResult",
    "LipsResult",
    "Output",
    "PinRequest",
    "PinResult",
    "PlannedStep",
    "PolydubError",
    "Project",
    "analyze",
    "demo",
    "dub",
    "evaluate_dub",
    "export",
    "lips",
    "pin",
    "plan",
    "plan_render",
    "render",
]


def __getattr__(name: str) -> Any:
    """The public API, imported when it is first used."""
    if name in __all__:
        from polydub import api

        return getattr(api, name)
    raise AttributeError(f"module 'polydub' has no attribute '{name}'")
