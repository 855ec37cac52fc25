"""Writes docs/errors.md, cli.md and metrics.md from the code; ``--check`` only says what is stale.

python scripts/render_docs.py
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from polydub.errors import CODES, PolydubError
from polydub.evaluate.metrics import AXES, HEADLINES, metrics_of
from polydub.interfaces.cli.app import app
from polydub.interfaces.cli.texts import EXIT_CODES
from polydub.pipeline.events import EVALUATION_STAGES, STAGES

DOCS = Path(__file__).resolve().parents[1] / "docs"
NOTE = "<!-- Written by scripts/render_docs.py: change the code, then run it. -->\n"

JSON_SECTION = """## Output for programs

With `--json`, stdout carries one JSON object per line. Progress is
`{"stage": "speak", "unit": "L003", "done": 3, "total": 12, "message": "", "at": 1767606000.1,
"cached": 1}`: `done` of `total` units of the stage are finished, `cached` of them were found
finished from an earlier run, `at` is Unix time. Every stage announces itself with `done` 0 and
ends with `done` equal to `total`; a stage with nothing to do is left out. Stages run in this order:
STAGES. `evaluate` runs those of the analysis, then: EVALUATION.

The last line is `{"result": {...}}` with the paths of all that was made (with `--dry-run` it is
`{"plan": [...]}`: per stage the engine, the languages that it works for, whether it is done already
and the estimated seconds). Errors go to stderr and into the exit code.
"""


def errors_page() -> str:
    """docs/errors.md: every code, what it means, the exit code of the command line."""
    families = {cls.default_code[:6]: cls for cls in PolydubError.__subclasses__()}
    rows = []
    for code, meaning in CODES.items():
        family = families.get(code[:6], PolydubError)
        rows.append(f"| `{code}` | {meaning} | `{family.__name__}` | {family.exit_code} |")
    return "\n".join(
        [
            NOTE,
            "# Errors",
            "",
            "Every error that polydub raises on purpose has a stable code. The message says what",
            "happened, the hint below it says what to do. In Python they are the classes of",
            "`polydub.errors`; all derive from `PolydubError` and carry `code`, `message`, `hint`.",
            "",
            "Units that cannot be dubbed (a shot with no usable face, a line that fits no voice)",
            "are not errors: the original passes through and the report lists them with a reason.",
            "A film in which nobody speaks is such a unit as a whole: it comes out unchanged, the",
            "summary and the report say so, and the exit code is 0.",
            "",
            "| code | meaning | class | exit code |",
            "|---|---|---|---|",
            *rows,
            "",
            "`POLYDUB_DEBUG=1` keeps the traceback of every error.",
            "",
        ]
    )


def cli_page() -> str:
    """docs/cli.md: every command with its options, and the exit codes."""
    command = typer.main.get_command(app)
    parts = [NOTE, "# Command line", "", (command.help or "").strip(), ""]
    parts += [*_parameters(command), ""]
    for path, child in _commands(command, ("polydub",)):
        parts += [f"## `{' '.join(path)}`", "", (child.help or "").strip(), ""]
        parts += [*_parameters(child), ""]
    parts += [
        JSON_SECTION.replace("STAGES", ", ".join(STAGES)).replace(
            "EVALUATION", ", ".join(EVALUATION_STAGES)
        ),
        "## Exit codes",
        "",
        "| code | meaning |",
        "|---|---|",
    ]
    parts += [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    parts += ["", "All error codes: [errors.md](errors.md).", ""]
    return "\n".join(parts)


def metrics_page() -> str:
    """docs/metrics.md: every figure of an evaluation, its protocol and what it hides."""
    parts = [
        NOTE,
        "# Figures of an evaluation",
        "",
        "What `polydub evaluate` and `polydub bench` measure, axis by axis. Headlines are bold. A",
        "value earns *good* or *fair* up to the limit given (for figures that are best near 0 or",
        "1: up to that distance); the limits are ours, for a first look. How things are measured,",
        "and our own figures: [evaluation](evaluation.md).",
        "",
    ]
    for axis, question in AXES.items():
        parts += [f"## {axis.capitalize()}", "", question, ""]
        columns = "figure | name for gates and JSON | best | good, fair | what it is, and hides"
        parts.append(f"| {columns} |")
        parts += ["|---|---|---|---|---|"]
        for metric in metrics_of(axis):
            title = f"**{metric.title}**" if metric.name in HEADLINES[axis] else metric.title
            unit = " (share)" if metric.unit == "%" else f" ({metric.unit})" if metric.unit else ""
            best = {"zero": "0", "one": "1"}.get(metric.better, metric.better)
            limits = "" if metric.good is None else f"{metric.good:g}, {metric.fair:g}"
            cells = [f"{title}{unit}", f"`{metric.name}`", best, limits, _cell(metric.meaning)]
            parts.append(f"| {' | '.join(cells)} |")
        parts.append("")
    return "\n".join(parts)


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, child in command.commands.items():
        yield (*path, name), child
        if hasattr(child, "commands"):
            yield from _commands(child, (*path, name))


def _parameters(command: Any) -> Iterator[str]:
    shown = [p for p in command.params if p.name != "help" and getattr(p, "help", None)]
    if not shown:
        return
    yield "| option | meaning | default |"
    yield "|---|---|---|"
    for parameter in shown:
        yield f"| {_spelling(parameter)} | {_cell(parameter.help)} | {_default(parameter)} |"


def _spelling(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar}`"
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    return f"{names} `{_cell(parameter.metavar)}`" if parameter.metavar else names


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    if isinstance(value, bool):
        return "on" if value else "off"
    return "" if value in (None, 0, [], ()) else f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main(arguments: list[str]) -> int:
    """Write the pages, or with ``--check`` return 1 and name those that are stale."""
    pages = {"errors.md": errors_page(), "cli.md": cli_page(), "metrics.md": metrics_page()}
    stale = []
    for name, text in pages.items():
        path = DOCS / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in arguments:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
    if stale:
        verb = "stale, run scripts/render_docs.py" if "--check" in arguments else "written"
        print(f"{', '.join(stale)}: {verb}")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
