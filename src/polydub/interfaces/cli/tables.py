"""What the commands print: summaries, plans, engines. Rendering only."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from polydub.interfaces.cli.progress import TITLES, duration

if TYPE_CHECKING:
    from polydub.api import DubResult, Output, PlannedStep
    from polydub.engines.registry import EngineInfo
    from polydub.project.folder import Project

MANY = 6
"""Languages of an engine, or units of a list, that are written out; more are counted."""

WIDE = 120
"""Columns of a terminal from which on every fact about an engine has a column of its own."""


def language_title(tag: str) -> str:
    """``"Spanish (es)"``."""
    from polydub.model.language import language_name

    return f"{language_name(tag)} ({tag})"


def near(path: Path) -> str:
    """``path`` from here when it lies below, else as it is."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def show_result(console: Console, result: DubResult) -> None:
    """One panel per language, and what to do next."""
    for output in result.outputs:
        console.print(_output_panel(output))
    project = near(result.project)
    console.print(f"Project: [bold]{escape(project)}[/]", soft_wrap=True)
    console.print(
        "To change a line, a voice or a name: edit "
        f"[bold]{escape(near(result.project / 'script.json'))}[/], then "
        f"[bold]polydub render {escape(quote(project))}[/]",
        soft_wrap=True,
    )


def _output_panel(output: Output) -> Panel:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    grid.add_row("video", f"[bold]{escape(near(output.video))}[/]")
    for number, path in enumerate(output.subtitles):
        grid.add_row("" if number else "subtitles", escape(near(path)))
    grid.add_row("report", escape(near(output.report)))
    grid.add_row("", escape(near(output.report_json)))
    grid.add_row("lines", f"{output.lines} dubbed")
    for name, value in _report_facts(output.report_json):
        grid.add_row(name, value)
    notes = f"[yellow]{output.warnings}[/], see the report" if output.warnings else "nothing"
    grid.add_row("to look at", notes)
    grid.add_row("time", duration(output.seconds))
    title = f"[bold]{language_title(output.language)}[/]"
    return Panel(grid, title=title, title_align="left", border_style="green", expand=False)


def _report_facts(path: Path) -> Iterator[tuple[str, str]]:
    """Rows taken from the report that lies beside the page; none when it cannot be read."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    cast = report.get("cast", [])
    seen = sum(member.get("person") is not None for member in cast)
    yield "speakers", f"{len(cast)} ({seen} seen on screen)"
    entries = report.get("lines", [])
    unseen = sum(entry["line"].get("visibility") != "on-screen" for entry in entries)
    if unseen:
        yield "off screen", f"{unseen} of {len(entries)} lines: heard only, no lips to move"
    decisions = report.get("decisions", [])
    yield from _kept([d for d in decisions if d["kind"] == "pass-through"])
    drafts = sum(
        translation["status"] == "draft"
        for entry in entries
        for language, translation in entry["line"]["translations"].items()
        if language == entry["language"]
    )
    if drafts:
        yield "translation", f"[yellow]{drafts} lines are drafts: read them before you publish[/]"


def _kept(passed: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    """Rows for what keeps its original: the film, lines, and mouths, mostly in a few frames."""
    for decision in passed:
        if decision["unit"] == "film":
            yield "film", f"[yellow]{escape(decision['reason'])}[/]"
    lines = [d for d in passed if d["unit"] != "film"]
    for name, where, chosen in (
        ("passed through", "", [d["unit"] for d in lines if d["stage"] != "lips"]),
        (
            "mouths kept",
            " (some frames or all)",
            [d["unit"] for d in lines if d["stage"] == "lips"],
        ),
    ):
        if units := list(dict.fromkeys(chosen)):
            shown = ", ".join(units[:MANY]) + (" …" if len(units) > MANY else "")
            yield name, f"[yellow]{len(units)}[/]: {escape(shown)}{where}"


def result_json(result: DubResult) -> str:
    """The result as one line of JSON: ``{"result": {...}}``."""
    return json.dumps({"result": asdict(result)}, ensure_ascii=False, default=str)


def show_project(console: Console, project: Project) -> None:
    """Where the script is, and what to do next."""
    console.print(f"Script: [bold]{escape(near(project.script_path))}[/]", soft_wrap=True)
    console.print(
        f"Look it through, edit what is wrong, then [bold]polydub render "
        f"{escape(quote(near(project.root)))}[/]",
        soft_wrap=True,
    )


def project_json(project: Project) -> str:
    """The analysed project as one line of JSON: ``{"result": {...}}``."""
    paths = {"project": str(project.root), "script": str(project.script_path)}
    return json.dumps({"result": paths}, ensure_ascii=False)


def show_plan(console: Console, steps: Sequence[PlannedStep]) -> None:
    """What a run would do, stage by stage."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("stage", "engine", "for"):
        table.add_column(heading)
    table.add_column("estimate", justify="right")
    for step in steps:
        table.add_row(
            TITLES.get(step.stage, step.stage),
            escape(step.engine or "–"),
            ", ".join(step.languages) or "the film",
            "[green]done already[/]" if step.cached else duration(step.seconds_estimate),
        )
    open_steps = [step for step in steps if not step.cached]
    seconds = duration(sum(step.seconds_estimate for step in open_steps))
    if not open_steps:
        total = "Everything is done already."
    elif len(open_steps) < len(steps):
        total = f"At most about {seconds}: parts of a stage that did not change are reused."
    else:
        total = f"About {seconds} in all."
    console.print(Group(table, f"\n{total} Nothing was done: this is a dry run."))


def plan_json(steps: Sequence[PlannedStep]) -> str:
    """The plan as one line of JSON: ``{"plan": [...]}``."""
    return json.dumps({"plan": [asdict(step) for step in steps]}, ensure_ascii=False)


def engine_rows(engines: Sequence[EngineInfo], origins: dict[str, str]) -> list[dict[str, Any]]:
    """Engines as plain values; ``origins`` maps weight names to where they are (empty: missing)."""
    from polydub.engines.registry import DEFAULTS, install_hint

    rows: list[dict[str, Any]] = []
    for engine in engines:
        known = engine.capabilities
        row: dict[str, Any] = {
            "kind": engine.kind,
            "name": engine.name,
            "default": DEFAULTS.get(engine.kind) == engine.name,
            "problem": engine.problem,
            "missing_packages": list(engine.missing),
            "missing_weights": [],
            "missing_settings": [],
        }
        if known is not None:
            row["missing_weights"] = [name for name in known.weights if not origins.get(name)]
            if not any(os.environ.get(name) for name in known.brings):
                row["missing_settings"] = list(known.brings)
            row.update(
                version=known.version,
                summary=known.summary,
                languages=list(known.languages),
                code_licence=known.code_licence,
                weights_licence=known.weights_licence,
                network=known.network,
                gpu=known.gpu,
                draft=known.draft,
                extra=known.extra,
                install=install_hint(known),
                clones=known.clones,
                pace=known.pace if known.kind == "speak" else "",
                noncommercial=known.noncommercial,
            )
        row["ready"] = engine_state(row) == "ready"
        rows.append(row)
    return rows


def engine_state(row: dict[str, Any]) -> str:
    """Why an engine cannot run here, in words; ``"ready"`` when it can."""
    if row["problem"]:
        return f"cannot be loaded: {row['problem']}"
    parts = []
    if row["missing_packages"]:
        parts.append("needs " + ", ".join(row["missing_packages"]))
    if row["missing_weights"]:
        parts.append("no weights: " + ", ".join(row["missing_weights"]))
    if row["missing_settings"]:
        parts.append("set " + " or ".join(row["missing_settings"]))
    return "; ".join(parts) or "ready"


def show_engines(console: Console, rows: Sequence[dict[str, Any]]) -> None:
    """The table of ``polydub engines``, and below it why some cannot run here."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("kind", "name", "here"):
        table.add_column(heading, no_wrap=True)
    wide = console.width >= WIDE
    for heading in ("languages", "licence: code", "weights", "notes") if wide else ("what",):
        table.add_column(heading)
    previous = ""
    for row in rows:
        table.add_row(
            "" if row["kind"] == previous else row["kind"],
            f"[bold]{escape(row['name'])}[/]{' *' if row['default'] else ''}",
            "[green]✓[/]" if row["ready"] else "[yellow]✗[/]",
            *(_facts(row) if wide else (_facts_in_lines(row),)),
        )
        previous = row["kind"]
    console.print(table)
    console.print(
        "[dim]* default. Choose with --engine kind=name. draft: check what it makes.\n"
        "clones: speaks in the original speaker's voice; ask for consent before you publish.[/]"
    )
    for row in rows:
        if not row["ready"]:
            state = escape(engine_state(row))
            console.print(f"[yellow]✗[/] [bold]{row['kind']}.{escape(row['name'])}[/] {state}")


def _facts(row: dict[str, Any]) -> tuple[str, str, str, str]:
    """Languages, licences of code and weights, notes."""
    return (
        _languages(row.get("languages", [])),
        escape(row.get("code_licence", "?")),
        escape(row.get("weights_licence") or "–"),
        _notes(row),
    )


def _facts_in_lines(row: dict[str, Any]) -> str:
    """The same below one another: four columns do not fit beside the names."""
    languages, code, weights, notes = _facts(row)
    first = "; ".join(filter(None, (f"languages: {languages}", notes)))
    return f"{first}\n[dim]code {code}; weights {weights}[/]"


def _notes(row: dict[str, Any]) -> str:
    notes = [flag for flag in ("network", "gpu", "draft", "clones") if row.get(flag)]
    if row.get("noncommercial"):
        notes.append("[bold red]no commercial use[/]")
    return ", ".join(notes)


def _languages(tags: Sequence[str]) -> str:
    if not tags:
        return "any"
    return " ".join(tags) if len(tags) <= MANY else f"{len(tags)}: {' '.join(tags[:MANY])} …"
