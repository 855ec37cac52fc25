"""Arrays out of ``.npz`` archives, from any thread."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import IO, Any

import numpy as np
import numpy.typing as npt

_ONE_AT_A_TIME = Lock()
"""NumPy parses an array's header as Python source, and CPython before 3.11.8 and 3.12.2 raises
``SystemError`` where two threads do that at once (python/cpython#106905)."""


def read_arrays(file: Path | IO[bytes]) -> dict[str, npt.NDArray[Any]]:
    """All arrays of an ``.npz`` archive by name; never unpickles.

    Raises what ``numpy.load`` does: ``OSError``, ``ValueError``, ``EOFError``, ``BadZipFile``.
    """
    with _ONE_AT_A_TIME, np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def read_array(file: Path | IO[bytes]) -> npt.NDArray[Any]:
    """The array of an ``.npy`` file; raises what :func:`read_arrays` does."""
    with _ONE_AT_A_TIME:
        array: npt.NDArray[Any] = np.load(file, allow_pickle=False)
        return array
