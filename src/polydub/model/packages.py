"""Packages beside us that do not load."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType


@contextmanager
def without_broken(name: str) -> Iterator[None]:
    """While the block runs, an empty module stands in for a package that cannot be loaded.

    Libraries import torchaudio wherever they find one, also a build for another torch, and remember
    that they did.
    """
    stand_in: ModuleType | None = None
    try:
        import_module(name)
    except (ImportError, OSError, RuntimeError):
        stand_in = ModuleType(name)
        stand_in.__spec__ = ModuleSpec(name, None)
        sys.modules[name] = stand_in
    try:
        yield
    finally:
        if stand_in is not None and sys.modules.get(name) is stand_in:
            del sys.modules[name]
