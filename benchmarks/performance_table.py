"""Tables of the performance benchmark, made from its JSON alone."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from polydub.evaluate.timing import drift, speech_overlap, speed_shares, spread
from polydub.evaluate.worst import Better, worst_decile
from polydub.model import Span

Film = Mapping[str, Any]
Cell = tuple[float | None, float | None]
"""A figure over all lines, and the mean of the worst tenth of them."""

NO_SHIFT = 10_000  # seconds between films laid end to end


def _of_lines(
    name: str, better: Better, *, of: Callable[[Sequence[float]], float] = statistics.fmean
) -> Callable[[Sequence[Film]], Cell]:
    def cell(films: Sequence[Film]) -> Cell:
        values = values_of(films, name)
        return (of(values) if values else None), worst_decile(values, better)

    return cell


def _absolute(name: str, *, percentile: bool = False) -> Callable[[Sequence[Film]], Cell]:
    def cell(films: Sequence[Film]) -> Cell:
        found = spread(values_of(films, name))
        if found is None:
            return None, None
        worst = worst_decile([abs(x) for x in values_of(films, name)], "low")
        return (found.p90 if percentile else found.median), worst

    return cell


def _bias(films: Sequence[Film]) -> Cell:
    found = spread(values_of(films, "onset_ms"))
    return (found.bias if found else None), None


def _overlap(films: Sequence[Film]) -> Cell:
    """All films end to end, so that long ones weigh more; the worst tenth is of lines."""
    dub: list[Span] = []
    source: list[Span] = []
    for number, film in enumerate(films):
        shift = NO_SHIFT * number
        dub += [_span(x, shift) for line in film["lines"] for x in line["dub"]]
        source += [_span(x, shift) for x in film["source_speech"]]
    return speech_overlap(dub, source), worst_decile(values_of(films, "overlap"), "high")


def _speed(which: str) -> Callable[[Sequence[Film]], Cell]:
    def cell(films: Sequence[Film]) -> Cell:
        speeds = values_of(films, "speed")
        shares = speed_shares(speeds)
        if shares is None:
            return None, None
        worst = worst_decile(speeds, "low") if which in ("median", "fast") else None
        if which == "slow":
            worst = worst_decile(speeds, "high")
        return float(getattr(shares, which)), worst

    return cell


def _of_films(
    name: str, of: Callable[[Sequence[float]], float], worst: Callable[[Sequence[float]], float]
) -> Callable[[Sequence[Film]], Cell]:
    def cell(films: Sequence[Film]) -> Cell:
        values = [film[name] for film in films if film.get(name) is not None]
        return (of(values), worst(values)) if values else (None, None)

    return cell


def _drift(films: Sequence[Film]) -> Cell:
    slopes = []
    for film in films:
        lines = [line for line in film["lines"] if "onset_ms" in line["values"]]
        errors = [line["values"]["onset_ms"] for line in lines]
        slopes.append(drift([line["start"] for line in lines], errors))
    known = [abs(slope) for slope in slopes if slope is not None]
    return (statistics.fmean(known), max(known)) if known else (None, None)


def _undubbed(films: Sequence[Film]) -> Cell:
    return float(sum(film["source_lines"] - len(film["lines"]) for film in films)), None


ROWS: tuple[tuple[str, str, str, Callable[[Sequence[Film]], Cell]], ...] = (
    ("lines not dubbed", "0", ".0f", _undubbed),
    ("round-trip error", "<= 5 %", ".1%", _of_lines("error", "low")),
    ("error in phones", "", ".1%", _of_lines("phone_error", "low")),
    ("error in syllables with tones", "", ".1%", _of_lines("syllable_error", "low")),
    ("last word cut (share of lines)", "0", ".0%", _of_lines("clipped", "low")),
    ("CAM++ similarity, own", "", ".2f", _of_lines("campplus_own", "high")),
    ("CAM++ similarity, other", "", ".2f", _of_lines("campplus_other", "low")),
    ("CAM++ margin", "", ".2f", _of_lines("campplus_margin", "high")),
    (
        "CAM++, two closest dub voices",
        "",
        ".2f",
        _of_films("campplus_closest", statistics.fmean, max),
    ),
    ("CAM++ with ReLU similarity, own", ">= 0.60", ".2f", _of_lines("campplus_relu_own", "high")),
    ("CAM++ with ReLU similarity, other", "", ".2f", _of_lines("campplus_relu_other", "low")),
    ("CAM++ with ReLU margin", ">= 0.15", ".2f", _of_lines("campplus_relu_margin", "high")),
    (
        "CAM++ with ReLU, two closest dub voices",
        "",
        ".2f",
        _of_films("campplus_relu_closest", statistics.fmean, max),
    ),
    ("GE2E similarity, own", "", ".2f", _of_lines("ge2e_own", "high")),
    ("GE2E similarity, other", "", ".2f", _of_lines("ge2e_other", "low")),
    ("GE2E margin", "", ".2f", _of_lines("ge2e_margin", "high")),
    ("GE2E, two closest dub voices", "", ".2f", _of_films("ge2e_closest", statistics.fmean, max)),
    ("DistillMOS", ">= 4.0", ".2f", _of_lines("distillmos", "high")),
    ("DNSMOS overall", "", ".2f", _of_lines("dnsmos", "high")),
    ("DNSMOS voice", "", ".2f", _of_lines("dnsmos_sig", "high")),
    ("DNSMOS P.808", "", ".2f", _of_lines("dnsmos_p808", "high")),
    ("speech overlap", ">= 0.75", ".2f", _overlap),
    ("onset error, median (ms)", "<= 120", ".0f", _absolute("onset_ms")),
    ("onset error, 90 % (ms)", "", ".0f", _absolute("onset_ms", percentile=True)),
    ("onset bias, + late (ms)", "", "+.0f", _bias),
    ("offset error, median (ms)", "", ".0f", _absolute("offset_ms")),
    ("drift (ms per minute)", "0", ".0f", _drift),
    ("speed, median (worst: fastest)", "", ".2f", _speed("median")),
    ("speed, 90 %", "", ".2f", _speed("p90")),
    ("lines over 1.2x", "<= 3 %", ".0%", _speed("fast")),
    ("lines under 0.85x (worst: slowest)", "", ".0%", _speed("slow")),
    ("collisions (s, all films; worst film)", "0", ".2f", _of_films("collisions_s", sum, max)),
    ("pitch contour correlation", ">= 0.5", ".2f", _of_lines("contour", "high")),
    ("energy correlation", "", ".2f", _of_lines("energy", "high")),
    ("final contour agrees", "", ".0%", _of_lines("final_agrees", "high")),
    ("cue distance", "", ".2f", _of_lines("cue_distance", "low")),
    ("loudness error, median (LU)", "", ".1f", _absolute("loudness_lu")),
    ("true peak (dBTP, highest)", "<= -1", ".1f", _of_films("true_peak_db", max, max)),
    ("voice leak (dB)", "", ".1f", _of_films("leak_db", statistics.fmean, max)),
    (
        "voice leak, floor of the measure (dB)",
        "",
        ".1f",
        _of_films("leak_floor_db", statistics.fmean, max),
    ),
)
"""Title, target, format, figure."""
SHARES = {"lines over 1.2x", "lines under 0.85x (worst: slowest)"}


def show(films: Sequence[Film]) -> None:
    """Print a table per language pair and one of the time per stage, as Markdown."""
    for pair in dict.fromkeys(film["pair"] for film in films):
        of_pair = [film for film in films if film["pair"] == pair]
        systems = {
            name: [film for film in of_pair if film["system"] == name]
            for name in dict.fromkeys(film["system"] for film in of_pair)
        }
        counts = {len(own) for own in systems.values()}
        lines = {name: sum(len(f["lines"]) for f in own) for name, own in systems.items()}
        of = ", ".join(f"{name}: {count} lines" for name, count in lines.items())
        print(f"\n### {pair.replace('-', ' -> ')}: {max(counts)} films ({of})\n")
        print("| figure | target |" + "".join(f" {name} | worst |" for name in systems))
        print("|---|---|" + "---|---|" * len(systems))
        for title, target, form, figure in ROWS:
            cells = [figure(own) for own in systems.values()]
            if all(cell[0] is None for cell in cells):
                continue
            shown = "".join(f" {_text(a, form)} | {_worst(b, title, form)} |" for a, b in cells)
            print(f"| {title} | {target} |{shown}")
    _show_times(films)


def _show_times(films: Sequence[Film]) -> None:
    systems = [s for s in dict.fromkeys(f["system"] for f in films) if s != "naive"]
    stages = dict.fromkeys(stage for film in films for stage in film["rtf"])
    if not stages:
        return
    print(
        "\n### Seconds of work per second of film, by stage (mean of the runs that had to do it)\n"
    )
    print("| stage |" + "".join(f" {name} |" for name in systems))
    print("|---|" + "---|" * len(systems))
    for stage in stages:
        cells = []
        for name in systems:
            own = [f["rtf"][stage] for f in films if f["system"] == name and stage in f["rtf"]]
            cells.append(_text(statistics.fmean(own) if own else None, ".2f"))
        print(f"| {stage} |" + "".join(f" {cell} |" for cell in cells))


def values_of(films: Sequence[Film], name: str) -> list[float]:
    """All lines' values of that name that were measured."""
    return [
        line["values"][name]
        for film in films
        for line in film["lines"]
        if line["values"].get(name) is not None
    ]


def _span(value: Sequence[float], shift: int) -> Span:
    return Span.of(value[0] + shift, value[1] + shift)


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _worst(value: float | None, title: str, form: str) -> str:
    return _text(value, ".2f" if title in SHARES else form)
