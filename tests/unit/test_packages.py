"""What stands in for a package that does not load, and torch's threads."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from polydub.model.packages import one_thread, without_broken


def test_a_package_that_does_not_load_is_stood_in_for_only_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_sound.py").write_text("raise OSError('built for another torch')")
    (tmp_path / "sound_that_loads.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    with without_broken("broken_sound"):
        assert importlib.import_module("broken_sound") is not None
        assert importlib.util.find_spec("broken_sound") is not None  # else it raises: no spec
    with pytest.raises(OSError, match="another torch"):
        importlib.import_module("broken_sound")
    with without_broken("sound_that_loads"):
        assert importlib.util.find_spec("sound_that_loads") is not None
    monkeypatch.delitem(sys.modules, "sound_that_loads")


def test_one_that_is_loaded_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    real = SimpleNamespace()
    monkeypatch.setitem(sys.modules, "torchaudio", real)
    with without_broken("torchaudio"):
        assert sys.modules["torchaudio"] is real
    assert sys.modules["torchaudio"] is real


def test_one_that_is_not_installed_is_stood_in_for() -> None:
    with without_broken("polydub_has_no_such_package"):
        importlib.import_module("polydub_has_no_such_package")
    with pytest.raises(ImportError):
        importlib.import_module("polydub_has_no_such_package")


def test_torch_takes_one_thread_only_inside() -> None:
    threads = [4]
    torch = SimpleNamespace(
        get_num_threads=lambda: threads[-1], set_num_threads=lambda count: threads.append(count)
    )
    with pytest.raises(RuntimeError, match="inside"), one_thread(torch):
        assert threads[-1] == 1
        raise RuntimeError("inside")
    assert threads == [4, 1, 4]
