"""The history of benchmark runs: one JSON object per line, appended, never rewritten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from polydub.bench.running import SCHEMA, BenchRun
from polydub.errors import InputError, ProjectError
from polydub.project.cache import disk_error

FILE = "history.jsonl"


def append(run: BenchRun, path: Path) -> None:
    """Add a run at the end of the history. Raises ``ProjectError`` DUB-E304."""
    text = json.dumps(_rounded(run.record()), ensure_ascii=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError as error:
        raise disk_error(error, path) from error


def read(path: Path) -> list[dict[str, Any]]:
    """All runs, oldest first; none when there is no history yet.

    Raises ``ProjectError`` DUB-E302 for a line that is no run.
    """
    if not path.is_file():
        return []
    runs = []
    for number, row in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not row.strip():
            continue
        try:
            found = json.loads(row)
        except json.JSONDecodeError as error:
            raise ProjectError(f"Line {number} of {path} is not JSON.") from error
        if not isinstance(found, dict) or found.get("schema") != SCHEMA:
            raise ProjectError(f"Line {number} of {path} is not a run of this version.")
        runs.append(found)
    return runs


def find(runs: list[dict[str, Any]], wanted: str) -> dict[str, Any]:
    """The newest run whose name is, or begins with, ``wanted``; ``-1`` is the last run, and so on.

    Raises ``InputError`` DUB-E108 when there is none.
    """
    if wanted.lstrip("-").isdigit() and wanted.startswith("-") and 0 < -int(wanted) <= len(runs):
        return runs[int(wanted)]
    exact = [run for run in runs if run["name"] == wanted]
    near = exact or [run for run in runs if run["name"].startswith(wanted)]
    if not near:
        known = ", ".join(run["name"] for run in runs[-8:]) or "none"
        raise InputError(
            f"There is no run '{wanted}' in the history.",
            hint=f"Known are: {known}. -1 is the last one.",
            code="DUB-E108",
        )
    return near[-1]


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 5)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value
