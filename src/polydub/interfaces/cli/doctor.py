"""``polydub doctor``: what this machine has, and what the default engines miss."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from polydub.errors import PolydubError
from polydub.interfaces.cli.tables import engine_rows, engine_state

State = Literal["ok", "note", "problem"]

FREE_GB = 2.0
"""Below this much free disk a film's stems and outputs may not fit (1 h of 48 kHz stereo stems in
float is 2.8 GB): worth a note."""

NOT_NEEDED = frozenset({"translate"})
"""Kinds whose default engine may be missing: a given translation does as well."""

_MARKS: dict[State, str] = {"ok": "[green]✓[/]", "note": "[yellow]![/]", "problem": "[red]✗[/]"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. Only a ``problem`` makes the exit code 1."""

    group: str
    name: str
    state: State
    detail: str
    hint: str = ""


def examine() -> tuple[Check, ...]:
    """All checks, in the order in which they are shown."""
    return (*machine_checks(), *engine_checks())


def machine_checks() -> tuple[Check, ...]:
    """Python, platform, cores, memory, FFmpeg libraries, cache folder and its disk."""
    version = platform.python_version()
    python: State = "ok" if sys.version_info >= (3, 10) else "problem"
    memory = _memory_gb()
    return (
        Check("machine", "python", python, f"{version} ({platform.python_implementation()})"),
        Check("machine", "platform", "ok", platform.platform(terse=True)),
        Check("machine", "cores", "ok", str(os.cpu_count() or "?")),
        Check("machine", "memory", "ok", f"{memory:.1f} GB" if memory else "not known"),
        _media_check(),
        _cache_check(),
    )


def _media_check() -> Check:
    try:
        import av
    except ImportError as error:
        return Check("machine", "PyAV", "problem", str(error), "pip install av")
    codec = ".".join(map(str, av.library_versions.get("libavcodec", ())))
    return Check("machine", "PyAV", "ok", f"{av.__version__}, libavcodec {codec}")


def _cache_check() -> Check:
    from polydub.engines.weights import cache_dir

    try:
        folder = cache_dir()
    except PolydubError as error:
        return Check("machine", "cache", "problem", error.message, error.hint)
    free = shutil.disk_usage(folder).free / 1e9
    state: State = "ok" if free >= FREE_GB else "note"
    return Check("machine", "cache", state, f"{folder} ({free:.1f} GB free)")


def _memory_gb() -> float | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return None


def engine_checks() -> tuple[Check, ...]:
    """Every registered engine: packages and weights."""
    from polydub.engines import registry, weights

    known = {status.weight.name: status for status in weights.status()}
    origins = {name: status.origin for name, status in known.items()}
    hints = {name: status.hint for name, status in known.items()}
    rows = engine_rows(registry.all_engines(), origins)
    checks = [_engine_check(row, hints) for row in rows]
    present = {row["kind"] for row in rows}
    for kind in sorted(set(registry.DEFAULTS) - present):
        hint = "Install polydub again: its entry points are missing."
        checks.append(Check("engines", kind, "problem", "no engine is registered", hint))
    return tuple(checks)


def _engine_check(row: dict[str, Any], hints: dict[str, str]) -> Check:
    name = f"{row['kind']}.{row['name']}"
    if row["ready"]:
        return Check("engines", name, "ok", row.get("summary", ""))
    needed = row["default"] and row["kind"] not in NOT_NEEDED
    if row["missing_packages"]:
        hint = row["install"]
    elif row["missing_settings"]:
        hint = "What it holds: docs/engines.md"
    else:
        hint = "; ".join(_shortest(hints.get(name, "")) for name in row["missing_weights"])
    return Check("engines", name, "problem" if needed else "note", engine_state(row), hint)


def _shortest(hint: str) -> str:
    """Of several ways (``a; or b``) the one that is said in the fewest words."""
    return min(hint.split("; or "), key=len)


def show(console: Console, checks: Sequence[Check]) -> None:
    """Print the checks and a verdict."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    previous = checks[0].group if checks else ""
    for check in checks:
        if check.group != previous:
            table.add_row("", "", "")
        previous = check.group
        detail = escape(check.detail)
        if check.hint and check.state != "ok":
            detail += f"\n[dim]{escape(check.hint)}[/]"
        table.add_row(_MARKS[check.state], check.name, detail)
    console.print(table)
    problems = sum(check.state == "problem" for check in checks)
    verdict = (
        f"[red]{problems} to fix before polydub can dub with its default engines[/]"
        if problems
        else "[green]ready to dub[/]"
    )
    console.print(f"\n{verdict}")


def as_values(checks: Sequence[Check]) -> dict[str, Any]:
    """The checks for ``--json``."""
    return {"ok": healthy(checks), "checks": [asdict(check) for check in checks]}


def healthy(checks: Sequence[Check]) -> bool:
    """Whether nothing that is needed is missing."""
    return not any(check.state == "problem" for check in checks)
