"""Packages beside us: ones that do not load, and how many threads torch takes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


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


@contextmanager
def one_thread(torch: Any) -> Iterator[None]:
    """While the block runs, torch takes one thread, for more on busy cores wait for each other.

    Two on two busy cores were 48 times slower (CAM++, 12.9 s against 0.27 s per call).
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
