"""What every test stands on."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

from polydub.engines import registry


@pytest.fixture(autouse=True)
def _registry_is_restored() -> Iterator[None]:
    """Engines that a test registers are gone after it."""
    before = dict(registry._registered)
    yield
    registry._registered.clear()
    registry._registered.update(before)
