"""The command ``evaluate``: its options, what it prints, its exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from polydub.interfaces.cli.options import MAKING, OUTPUT
from polydub.interfaces.cli.tables import near

if TYPE_CHECKING:
    from polydub.api import DubResult, EvaluationResult
    from polydub.evaluate.gate import Condition, Verdict

GATE_NOT_PASSED = 6

Dub = Annotated[
    Path,
    typer.Argument(
        metavar="DUB", help="The dubbed video, or a project that was dubbed.", show_default=False
    ),
]
Reference = Annotated[
    Path | None,
    typer.Option(
        "--reference",
        metavar="VIDEO|PROJECT",
        help="What DUB is a dub of: the original video, or a project folder, whose script says "
        "what was to be said.",
        show_default=False,
    ),
]
Language = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="LANG",
        help="Language of the dub; found out by listening when not given.",
        show_default=False,
    ),
]
Intended = Annotated[
    Path | None,
    typer.Option(
        "--translation",
        metavar="FILE",
        help="What the dub should say (subtitles, table or script in the language of --to).",
        show_default=False,
    ),
]
ReferenceTranslation = Annotated[
    Path | None,
    typer.Option(
        "--reference-translation",
        metavar="FILE",
        help="Another translation (a professional's, say) to compare what is heard with: chrF, "
        "BLEU.",
        show_default=False,
    ),
]
OutputFolder = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FOLDER",
        help="Folder for evaluation.html and evaluation.json; in the project when not given.",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
Gate = Annotated[
    str | None,
    typer.Option(
        "--gate",
        metavar="CONDITIONS",
        help="Figures that every line (or the film) must reach, as 'wer<=0.1,overlap>=0.6'; exit "
        "code 6 when one does not.",
        show_default=False,
    ),
]
LineGate = Annotated[
    str | None,
    typer.Option(
        "--gate",
        metavar="CONDITIONS",
        help="Figures that every line must reach, as 'wer<=0.1,overlap>=0.6': a line that does "
        "not is said up to eight times; exit code 6 when no take will do.",
        rich_help_panel=MAKING,
        show_default=False,
    ),
]


def show(console: Console, result: EvaluationResult) -> None:
    """One table with the headline figures of every axis, and where the page is."""
    from polydub.evaluate.metrics import AXES, HEADLINES, METRICS

    colours = {"good": "green", "fair": "yellow", "poor": "red", "plain": "default"}
    summary = result.evaluation.summary
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=True, header_style="dim")
    for title, justify in (("", "left"), ("", "left"), ("mean", "right"), ("worst tenth", "right")):
        table.add_column(title, justify=justify)  # type: ignore[arg-type]
    for axis in AXES:
        shown = [name for name in HEADLINES[axis] if name in summary]
        if not shown:
            table.add_row(f"[bold]{axis}[/]", "[dim]not measured[/]", "", "")
        for number, name in enumerate(shown):
            metric, figure = METRICS[name], summary[name]
            values = [
                f"[{colours[metric.grade(value)]}]{metric.show(value)}[/]"
                for value in (figure.mean, figure.worst)
            ]
            head = f"[bold]{axis}[/]" if number == 0 else ""
            table.add_row(head, metric.title, values[0], values[1] if figure.count > 1 else "")
    console.print(table)
    console.print(f"Page: [bold]{escape(near(result.page))}[/]", soft_wrap=True)
    console.print(f"JSON: {escape(near(result.values))}", soft_wrap=True)


def show_verdict(console: Console, verdict: Verdict) -> None:
    """Which conditions of the gate failed, where."""
    if verdict.passed:
        console.print("[green]gate passed[/]")
        return
    for failure in verdict.failures:
        console.print(
            f"[red]gate[/] {failure.condition}: {failure.unit} has {failure.value:.3g}",
            soft_wrap=True,
        )
    for condition in verdict.unmeasured:
        console.print(f"[red]gate[/] {condition}: not measured")


def verdict_values(verdict: Verdict | None) -> dict[str, Any]:
    """A verdict for JSON; empty without a gate."""
    if verdict is None:
        return {}
    return {
        "gate": {
            "passed": verdict.passed,
            "failures": [
                {"unit": x.unit, "condition": str(x.condition), "value": x.value}
                for x in verdict.failures
            ],
            "unmeasured": [str(condition) for condition in verdict.unmeasured],
        }
    }


def leave_by_gate(result: DubResult) -> None:
    """Leave with the exit code of the gate when lines of a dub did not pass it."""
    failures = [f"{output.language} {text}" for output in result.outputs for text in output.gate]
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    for text in failures:
        console.print(f"[red]gate[/] {escape(text)}")
    if failures:
        raise typer.Exit(GATE_NOT_PASSED)


def finish(
    result: EvaluationResult,
    gate: tuple[Condition, ...],
    *,
    json_lines: bool,
    quiet: bool,
) -> None:
    """Print the result and leave with the exit code of the gate."""
    from polydub.evaluate.gate import judge

    verdict = judge(result.evaluation, gate) if gate else None
    console = Console(highlight=False)
    if json_lines:
        summary = {name: figure.mean for name, figure in result.evaluation.summary.items()}
        values = {"page": str(result.page), "json": str(result.values), "summary": summary}
        values |= verdict_values(verdict)
        print(json.dumps({"result": values}, ensure_ascii=False))
    elif not quiet:
        show(console, result)
    if verdict is not None:
        if not json_lines:
            show_verdict(console, verdict)
        if not verdict.passed:
            raise typer.Exit(GATE_NOT_PASSED)
