"""Arrays from disk: exact, without pickle, one header at a time."""

from __future__ import annotations

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polydub.model.arrays import read_array, read_arrays


def test_arrays_come_back_by_name(tmp_path: Path) -> None:
    path = tmp_path / "some.npz"
    np.savez_compressed(path, a=np.arange(3), b=np.float32([[0.1]]))
    stored = read_arrays(path)
    assert sorted(stored) == ["a", "b"]
    assert stored["a"].tolist() == [0, 1, 2]
    assert stored["b"].dtype == np.float32
    buffer = io.BytesIO()
    np.save(buffer, np.arange(4).reshape(2, 2))
    buffer.seek(0)
    assert read_array(buffer).tolist() == [[0, 1], [2, 3]]


def test_pickles_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "pickled.npz"
    np.savez(path, thing=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        read_arrays(path)


def test_threads_parse_headers_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CPython 3.11.7 fails now and then where two do (python/cpython#106905)."""
    path = tmp_path / "some.npz"
    np.savez(path, a=np.arange(3))
    inside, most, load, count = 0, 0, np.load, threading.Lock()

    def watched(*args: Any, **options: Any) -> Any:
        nonlocal inside, most
        with count:
            inside += 1
            most = max(most, inside)
        time.sleep(0.01)
        with count:
            inside -= 1
        return load(*args, **options)

    monkeypatch.setattr(np, "load", watched)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: read_arrays(path), range(8)))
    assert len(found) == 8
    assert most == 1
