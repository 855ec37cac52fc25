"""What every test stands on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

from polydub.engines import registry
from polydub.pipeline import audition, casting, listening


@pytest.fixture(autouse=True)
def _registry_is_restored() -> Iterator[None]:
    """Engines that a test registers are gone after it."""
    before = dict(registry._registered)
    yield
    registry._registered.clear()
    registry._registered.update(before)


@pytest.fixture(autouse=True)
def _no_naturalness(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-in voices are tones: a second of prediction a take would only call each one rough."""
    if request.node.get_closest_marker("slow") is None:
        for module in (audition, casting, listening):
            monkeypatch.setattr(module, "predictor", lambda: None)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How near the parity tests came to what was recorded."""
    reports = [r for kind in ("passed", "failed") for r in terminalreporter.stats.get(kind, ())]
    rows = [row for r in reports for name, row in r.user_properties if name == "parity"]
    if not rows:
        return
    terminalreporter.section("parity: largest difference reached, and what is allowed")
    for name, reached, tolerance in sorted(rows):
        allowed = f"{tolerance:.0e}" if tolerance else "exact"
        terminalreporter.write_line(f"{name:52} {reached:9.2e}  {allowed:>6}")
