"""Fixtures of the parity tests: each one says which difference it reached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Check = Callable[..., None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/parity/" in item.path.as_posix():
            item.add_marker(pytest.mark.parity)


@pytest.fixture
def same(request: pytest.FixtureRequest) -> Check:
    """``same(name, got, expected, tolerance)``: the largest difference is told and held."""

    def check(name: str, got: Any, expected: Any, tolerance: float = 0.0) -> None:
        got, expected = np.asarray(got), np.asarray(expected)
        assert got.shape == expected.shape, f"{name}: {got.shape}, expected {expected.shape}"
        difference = np.abs(got.astype(np.float64) - expected.astype(np.float64))
        reached = float(difference.max(initial=0.0))
        request.node.user_properties.append(("parity", [name, reached, tolerance]))
        assert reached <= tolerance, f"{name}: differs by {reached:.3g}, allowed {tolerance:.3g}"

    return check
