"""Tables of the attribution benchmark: every film, means per group, and differences with doubt."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from polydub.evaluate.calibration import reliability

COLUMNS = {
    "der": "DER",
    "miss": "miss",
    "fa": "FA",
    "conf": "conf",
    "jer": "JER",
    "spk": "spk",
    "cpwer": "cpWER",
    "face": "face",
    "off_f1": "offF1",
    "edge": "edge",
    "edge90": "edge90",
    "lost": "lost",
    "ece": "ECE",
    "rtf": "RTF",
}
DIGITS = {"edge": 0, "edge90": 0, "rtf": 2, "ece": 3}
RESAMPLES = 10_000


@dataclass
class Row:
    """One system on one film; what cannot be measured is missing from ``values``.

    ``speakers`` found and true; ``lines``: confidence of each line and whether it has its speaker.
    """

    film: str
    group: str
    system: str
    speakers: tuple[int, int] = (0, 0)
    values: dict[str, float] = field(default_factory=dict)
    lines: list[tuple[float, bool]] = field(default_factory=list)
    problem: str = ""


def show(rows: Sequence[Row]) -> None:
    """Print everything as Markdown tables."""
    print("| film | system |" + "".join(f" {title} |" for title in COLUMNS.values()))
    print("|---|---|" + "---|" * len(COLUMNS))
    for row in rows:
        if row.problem:
            print(f"| {row.film} | {row.system} | {row.problem} |")
        else:
            print(_line((row.film, row.system), [row], f"{row.speakers[0]}/{row.speakers[1]}"))
    good = [row for row in rows if not row.problem]
    systems = list(dict.fromkeys(row.system for row in good))
    print(
        "\nMeans over films; `spk`: films with the right count. ECE over all lines of the group.\n"
    )
    print("| group | system | films |" + "".join(f" {title} |" for title in COLUMNS.values()))
    print("|---|---|---|" + "---|" * len(COLUMNS))
    for group, members in _groups(good):
        for system in systems:
            own = [row for row in members if row.system == system]
            right = sum(row.speakers[0] == row.speakers[1] for row in own)
            if own:
                print(_line((group, system, str(len(own))), own, f"{right}/{len(own)}"))
    _show_differences(good, systems)


def _groups(rows: Sequence[Row]) -> Iterable[tuple[str, list[Row]]]:
    names = list(dict.fromkeys(row.group for row in rows))
    for name in names:
        yield name, [row for row in rows if row.group == name]
    if len(names) > 1:
        yield "all", list(rows)


def _line(head: Sequence[str], rows: Sequence[Row], speakers: str) -> str:
    cells = []
    for name in COLUMNS:
        if name == "spk":
            cells.append(speakers)
            continue
        if name == "ece":
            lines = [line for row in rows for line in row.lines]
            made = reliability([c for c, _ in lines], [right for _, right in lines])
            cells.append(f"{made.ece:.3f}" if lines else "-")
            continue
        values = [row.values[name] for row in rows if name in row.values]
        cells.append(f"{statistics.fmean(values):.{DIGITS.get(name, 1)}f}" if values else "-")
    return "| " + " | ".join([*head, *cells]) + " |"


def _show_differences(rows: Sequence[Row], systems: Sequence[str]) -> None:
    """The first system less each other one, per group, with a bootstrap interval over films."""
    if len(systems) < 2:
        return
    ours = systems[0]
    print(
        f"\n{ours} less the other system: mean over films [95 % interval, {RESAMPLES} bootstrap "
        "resamples of films]; below 0 = fewer errors. Ratio: errors of all films, ours / theirs.\n"
    )
    print("| group | against | DER | confusion | cpWER | DER ratio | confusion ratio |")
    print("|---|---|---|---|---|---|---|")
    for group, members in _groups(rows):
        for other in systems[1:]:
            cells = [interval_text(*paired(members, ours, other, n)) for n in _COMPARED]
            cells += [_ratio(*paired(members, ours, other, name)) for name in ("der", "conf")]
            print(f"| {group} | {other} | " + " | ".join(cells) + " |")


_COMPARED = ("der", "conf", "cpwer")


def paired(
    rows: Sequence[Row], ours: str, other: str, name: str
) -> tuple[list[float], list[float]]:
    """The values of two systems on the films that have both, film by film."""
    first = {
        row.film: row.values[name] for row in rows if row.system == ours and name in row.values
    }
    second = {
        row.film: row.values[name] for row in rows if row.system == other and name in row.values
    }
    films = [film for film in first if film in second]
    return [first[film] for film in films], [second[film] for film in films]


def interval(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """Mean difference and its 95 % percentile bootstrap interval; films are the units."""
    differences = np.subtract(ours, theirs)
    random = np.random.default_rng(0)
    picks = random.integers(0, len(differences), (RESAMPLES, len(differences)))
    low, high = np.quantile(differences[picks].mean(axis=1), [0.025, 0.975])
    return float(differences.mean()), float(low), float(high)


def interval_text(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """``"-3.1 [-4.0, -2.2]"``; a dash without films."""
    if not ours:
        return "-"
    mean, low, high = interval(ours, theirs)
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> str:
    return f"{sum(ours) / sum(theirs):.2f}" if sum(theirs) else "-"
