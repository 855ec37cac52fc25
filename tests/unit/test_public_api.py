from __future__ import annotations

import polydub
from polydub import api


def test_everything_that_is_announced_is_there() -> None:
    for name in polydub.__all__:
        assert getattr(polydub, name) is not None
    assert set(api.__all__) <= set(polydub.__all__)


def test_the_export_list_is_what_users_rely_on() -> None:
    assert polydub.__all__ == [
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
