"""The generated pages are what the code says; run scripts/render_docs.py when this fails."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def render_docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "render_docs", ROOT / "scripts" / "render_docs.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["render_docs"] = module
    spec.loader.exec_module(module)
    return module


def test_pages_are_fresh(render_docs: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert render_docs.main(["--check"]) == 0, capsys.readouterr().out


def test_check_finds_stale_pages_and_a_run_writes_them(
    render_docs: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render_docs, "DOCS", tmp_path / "docs")
    assert render_docs.main(["--check"]) == 1
    assert not (tmp_path / "docs").exists()
    assert render_docs.main([]) == 0
    assert render_docs.main(["--check"]) == 0
    (tmp_path / "docs" / "errors.md").write_text("old")
    assert render_docs.main(["--check"]) == 1


def test_every_code_and_command_is_documented(render_docs: ModuleType) -> None:
    from polydub.errors import CODES

    errors, cli = render_docs.errors_page(), render_docs.cli_page()
    assert all(f"`{code}`" in errors for code in CODES)
    assert "| `DUB-E301` | output exists | `ProjectError` | 5 |" in errors
    for command in ("dub", "analyze", "render", "demo", "engines", "engines pull", "doctor"):
        assert f"## `polydub {command}`" in cli
    for option in ("--to", "--engine", "--max-speed", "--dry-run", "--json", "--no-lips"):
        assert f"`{option}`" in cli
