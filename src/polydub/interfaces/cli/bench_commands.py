"""The commands ``bench simulated``, ``folder``, ``compare`` and ``runs``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from polydub.interfaces.cli import options as o
from polydub.interfaces.cli import texts
from polydub.interfaces.cli.progress import progress
from polydub.interfaces.cli.tables import near

if TYPE_CHECKING:
    from polydub.bench.cases import Case
    from polydub.bench.running import BenchOptions, BenchRun
    from polydub.evaluate.compare import Difference

bench_app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")

ClipFolder = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="Films and what is known of them.")
]
Work = Annotated[
    Path,
    typer.Option("--work", metavar="FOLDER", help="Where films, dubs and the history are kept."),
]
Count = Annotated[int, typer.Option("--count", metavar="N", min=1, help="How many films.")]
MaybeCount = Annotated[
    int | None,
    typer.Option("--count", metavar="N", min=1, help="At most so many.", show_default=False),
]
Seed = Annotated[int, typer.Option("--seed", min=1, help="Another number makes other films.")]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only", metavar="NAME", help="Films whose name begins so; repeat it.", show_default=False
    ),
]
Name = Annotated[
    str | None,
    typer.Option("--name", help="What the run is called; suite and time when not given."),
]
WithLips = Annotated[bool, typer.Option("--lips", help="Make the lips follow as well (slower).")]
CorpusLayout = Annotated[
    str | None,
    typer.Option(
        "--layout",
        metavar="NAME",
        help="The folder is a public corpus as its owners hand it out: grid, v2c, hdtf or iwslt; "
        "found out when it holds no annotations.",
        show_default=False,
    ),
]
Run1 = Annotated[str, typer.Argument(metavar="A", help="Name of a run, or -2.")]
Run2 = Annotated[str, typer.Argument(metavar="B", help="Name of a run, or -1.")]

WORK = Path("polydub-bench")


@bench_app.command("simulated", help=texts.BENCH_SIMULATED, epilog=texts.EPILOG)
def simulated(
    count: Count = 2,
    seed: Seed = 1,
    only: Only = None,
    to: o.MaybeTo = None,
    lips: WithLips = False,
    engine: o.Engines = None,
    llm_model: o.LlmModel = None,
    takes: o.Takes = 1,
    name: Name = None,
    work: Work = WORK,
    json_lines: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Run the simulated suite."""
    from polydub.bench.running import BenchOptions
    from polydub.bench.suites import simulated_cases

    cases = simulated_cases(
        work / f"simulated-{seed}",
        count=count,
        seed=seed,
        into=o.split_targets(to or ()),
        only=only or (),
        progress=None if quiet or json_lines else _note,
    )
    options = BenchOptions(lips, o.parse_engines(engine or ()), takes, llm_model)
    _run("simulated", cases, (work, name, options), json_lines=json_lines, quiet=quiet)


@bench_app.command("folder", help=texts.BENCH_FOLDER, epilog=texts.EPILOG)
def folder(
    clips: ClipFolder,
    layout: CorpusLayout = None,
    count: MaybeCount = None,
    only: Only = None,
    to: o.MaybeTo = None,
    lips: WithLips = False,
    engine: o.Engines = None,
    llm_model: o.LlmModel = None,
    takes: o.Takes = 1,
    name: Name = None,
    work: Work = WORK,
    json_lines: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Run a suite of one's own."""
    from polydub.bench.layouts import corpus_cases, layout_of, named
    from polydub.bench.running import BenchOptions
    from polydub.bench.suites import folder_cases, is_annotated

    targets, names = o.split_targets(to or ()), only or ()
    if layout is None and not is_annotated(clips):
        layout = layout_of(clips)
    if layout is None:
        cases, suite = folder_cases(clips, into=targets, only=names, count=count), ""
    else:
        suite = named(layout).name
        cases = corpus_cases(clips, suite, into=targets, only=names, count=count)
    options = BenchOptions(lips, o.parse_engines(engine or ()), takes, llm_model)
    how = (work, name, options)
    _run(suite or clips.resolve().name, cases, how, json_lines=json_lines, quiet=quiet)
    if suite and not (json_lines or quiet):
        _say_protocol(suite)


@bench_app.command(
    "compare",
    help=texts.BENCH_COMPARE,
    epilog=texts.EPILOG,
    context_settings={"ignore_unknown_options": True},
)
def compare(first: Run1, second: Run2, work: Work = WORK, json_table: o.JsonTable = False) -> None:
    """Compare two runs."""
    from polydub.bench import history
    from polydub.evaluate.compare import compare as compared

    runs = history.read(work / history.FILE)
    one, two = history.find(runs, first), history.find(runs, second)
    found = compared(one["films"], two["films"])
    if json_table:
        print(json.dumps([_plain(x) for x in found], ensure_ascii=False, indent=2))
        return
    console = Console(highlight=False)
    console.print(f"A: {escape(one['name'])} ({one['created']})")
    console.print(f"B: {escape(two['name'])} ({two['created']})")
    console.print(_table(found))
    console.print(
        "[dim]B - A with its 95 % interval (bootstrap over pairs of lines, or of films). Of thirty "
        "figures one or two leave their interval by chance.[/]"
    )


@bench_app.command("runs", help=texts.BENCH_RUNS)
def runs(work: Work = WORK, json_table: o.JsonTable = False) -> None:
    """List the runs."""
    from polydub.bench import history

    found = history.read(work / history.FILE)
    if json_table:
        print(json.dumps([_head(run) for run in found], ensure_ascii=False, indent=2))
        return
    console = Console(highlight=False)
    for run in found:
        head = _head(run)
        console.print(
            f"[bold]{escape(head['name'])}[/]  {head['created']}  {head['films']} films, "
            f"{head['lines']} lines, {head['problems']} problems  [dim]{head['code']}[/]"
        )
    if not found:
        console.print(f"No runs yet in {near(work)}.")


def _run(
    suite: str,
    cases: list[Case],
    how: tuple[Path, str | None, BenchOptions],
    *,
    json_lines: bool,
    quiet: bool,
) -> None:
    from polydub.bench import history
    from polydub.bench.running import run_suite

    work, name, options = how
    silent = json_lines or quiet
    with progress(json_lines=json_lines, quiet=quiet) as sink:
        run = run_suite(
            suite,
            cases,
            work / "dubs",
            name=name,
            options=options,
            on_event=sink,
            note=None if silent else _note,
        )
    history.append(run, work / history.FILE)
    if json_lines:
        print(json.dumps({"result": run.record()}, ensure_ascii=False))
    elif not quiet:
        _show(Console(highlight=False), run, work / history.FILE)
    if run.problems:
        raise typer.Exit(1)


def _show(console: Console, run: BenchRun, path: Path) -> None:
    """The figures of a run over all films, axis by axis."""
    from polydub.evaluate.metrics import METRICS

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("axis", "figure", "mean", "worst tenth", "of"):
        table.add_column(title, justify="left" if title in ("axis", "figure") else "right")
    for name, metric in METRICS.items():
        lines = [x["values"][name] for f in run.films for x in f["lines"] if name in x["values"]]
        films = [film["values"][name] for film in run.films if name in film["values"]]
        values, of = (lines, "lines") if lines else (films, "films")
        worst = metric.worst(list(values))
        if worst is not None:
            mean = metric.show(sum(values) / len(values))
            table.add_row(
                metric.axis, metric.title, mean, metric.show(worst), f"{len(values)} {of}"
            )
    console.print(table)
    for problem in run.problems:
        console.print(f"[red]failed[/] {escape(problem)}", soft_wrap=True)
    console.print(f"Run [bold]{escape(run.name)}[/] is in {escape(near(path))}", soft_wrap=True)


def _say_protocol(suite: str) -> None:
    """How the figures of a corpus are to be understood beside those of its literature."""
    from polydub.bench.layouts import named
    from polydub.evaluate.metrics import METRICS

    layout = named(suite)
    figures = ", ".join(METRICS[name].title for name in layout.figures)
    console = Console(highlight=False)
    console.print(f"[bold]{escape(layout.title)}[/]: {escape(layout.protocol)}", soft_wrap=True)
    console.print(f"[dim]Its literature reports: {escape(figures)}.[/]", soft_wrap=True)


def _table(found: list[Difference]) -> Table:
    colours = {"better": "green", "worse": "red"}
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("figure", "A", "B", "B - A", "95 %", "pairs", ""):
        table.add_column(title, justify="left" if title in ("figure", "") else "right")
    for x in found:
        form = "+.3f" if abs(x.change) < 10 else "+.1f"
        title = x.metric.title
        if x.metric.better in ("zero", "one"):
            title += f", off {'0' if x.metric.better == 'zero' else '1'}"
        colour = colours.get(x.verdict, "dim")
        table.add_row(
            title,
            f"{x.first:.3f}",
            f"{x.second:.3f}",
            f"{x.change:{form}}",
            f"{x.low:{form}} .. {x.high:{form}}",
            f"{x.count} {x.of}",
            f"[{colour}]{x.verdict}[/]",
        )
    return table


def _plain(x: Difference) -> dict[str, Any]:
    return {
        "metric": x.metric.name,
        "a": x.first,
        "b": x.second,
        "change": x.change,
        "low": x.low,
        "high": x.high,
        "pairs": x.count,
        "of": x.of,
        "verdict": x.verdict,
    }


def _head(run: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": run["name"],
        "suite": run["suite"],
        "created": run["created"],
        "films": len(run["films"]),
        "lines": sum(len(film["lines"]) for film in run["films"]),
        "problems": len(run["problems"]),
        "code": run["environment"].get("code", ""),
    }


def _note(text: str) -> None:
    Console(stderr=True, highlight=False).print(f"[bold]{escape(text)}[/]")
