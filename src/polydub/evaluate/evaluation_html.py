"""An evaluation as one self-contained page: the worst lines first, to be listened to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from polydub.evaluate.evaluation import (
    EvaluatedLine,
    EvaluatedShot,
    Evaluation,
    Figure,
    concern,
)
from polydub.evaluate.metrics import AXES, HEADLINES, METRICS, Axis, Grade, Metric, metrics_of
from polydub.evaluate.report_html import Clip, data_url, embedded_players
from polydub.evaluate.report_view import compare, language_title, length_text
from polydub.evaluate.timing_chart import LANE, clock, timing_chart
from polydub.model import Line, LineReport, Placement, Span, Speaker, Translation

WORST = 10
CHART_W, CHART_H = 300.0, 64.0
TITLES: dict[Axis, str] = {
    "who": "Who", "what": "What", "when": "When", "voice": "Voice",
    "lips": "Lips", "picture": "Picture", "mix": "Mix", "run": "Run",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shown:
    """One metric as text: over the lines, and its worst tenth; ``of`` says of what it is."""

    metric: Metric
    value: str
    grade: Grade
    worst: str
    worst_grade: Grade
    count: int
    of: str


@dataclass(frozen=True, slots=True)
class AxisView:
    """One axis: headline figures, all figures, the metrics that are missing."""

    name: Axis
    title: str
    question: str
    grade: Grade
    headlines: tuple[Shown, ...]
    figures: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Dot:
    """One line in a chart of one metric; ``x``, ``y`` in pixels."""

    line: str
    x: float
    y: float
    colour: int
    title: str


@dataclass(frozen=True, slots=True)
class Spread:
    """How the lines spread over one metric: dots, the mean, and the ends of the scale as text."""

    metric: Metric
    dots: tuple[Dot, ...]
    mean_x: float
    low: str
    high: str
    mean: str


@dataclass(frozen=True, slots=True)
class LineView:
    """One line with everything about it."""

    line: EvaluatedLine
    start: str
    speaker: str
    colour: int
    chips: tuple[tuple[Metric, str, Grade], ...]
    heard: tuple[tuple[str, bool], ...]
    stands_for: str
    concern: float


def render_evaluation(
    evaluation: Evaluation,
    *,
    clips: Mapping[str, tuple[Clip, Clip]],
    strips: Mapping[str, bytes],
    faces: Mapping[str, bytes],
) -> str:
    """The page, as text.

    ``clips``: sound of the dub and of the original by line; ``strips``: pictures of the face before
    (above) and after (below) by line; ``faces``: a picture of every speaker who is seen.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(clock=clock, length_text=length_text)
    template = environment.from_string(_resource("evaluation.html.jinja"))
    lines = line_views(evaluation)
    worst = sorted(lines, key=lambda view: -view.concern)[:WORST]
    chosen = {view.line.id for view in worst}
    return template.render(
        evaluation=evaluation,
        source_language=language_title(evaluation.source_language),
        target_language=language_title(evaluation.target),
        style=Markup(_resource("report.css") + _resource("evaluation.css")),
        script=Markup(_resource("report.js")),
        axes=axis_views(evaluation),
        chart=_timing(evaluation),
        lane=LANE,
        spreads=spreads(evaluation),
        size=(CHART_W, CHART_H),
        worst=worst,
        others=[view for view in lines if view.line.id not in chosen],
        players=embedded_players(clips),
        strips={line: data_url(data) for line, data in strips.items()},
        faces={speaker: data_url(data) for speaker, data in faces.items()},
        speakers=speaker_rows(evaluation),
        shots=shot_rows(evaluation),
        metrics=METRICS,
    )


def _resource(name: str) -> str:
    return files("polydub.evaluate").joinpath(name).read_text(encoding="utf-8")


def axis_views(evaluation: Evaluation) -> tuple[AxisView, ...]:
    """The axes in order; the grade of one is the worst of its headline figures."""
    summary = evaluation.summary
    lines = {name for line in evaluation.lines for name in line.values}
    views = []
    for axis, question in AXES.items():
        shown = {
            m.name: _shown(m, summary[m.name], of_lines=m.name in lines)
            for m in metrics_of(axis)
            if m.name in summary
        }
        headlines = tuple(shown[name] for name in HEADLINES[axis] if name in shown)
        views.append(
            AxisView(
                axis,
                TITLES[axis],
                question,
                _worst_grade([x.grade for x in headlines]),
                headlines,
                tuple(shown.values()),
            )
        )
    return tuple(views)


def _worst_grade(grades: Sequence[Grade]) -> Grade:
    order: tuple[Grade, ...] = ("poor", "fair", "good")
    return next((grade for grade in order if grade in grades), "plain")


def _shown(metric: Metric, figure: Figure, *, of_lines: bool) -> Shown:
    lines = f"{figure.count} line{'s' if figure.count > 1 else ''}"
    return Shown(
        metric,
        metric.show(figure.mean),
        metric.grade(figure.mean),
        metric.show(figure.worst),
        metric.grade(figure.worst),
        figure.count,
        lines if of_lines else "film",
    )


def line_views(evaluation: Evaluation) -> tuple[LineView, ...]:
    """The lines in film order."""
    colours = {speaker: index for index, speaker in enumerate(evaluation.names)}
    made = []
    for line in evaluation.lines:
        chips = tuple(
            (METRICS[name], METRICS[name].show(value), METRICS[name].grade(value))
            for name, value in line.values.items()
            if name in METRICS and not (name == "said" and value)
        )
        stands = ""
        if line.voice is not None and line.voice != line.speaker:
            stands = evaluation.names.get(line.voice, line.voice)
        made.append(
            LineView(
                line,
                clock(line.start),
                evaluation.names.get(line.speaker, line.speaker),
                colours.get(line.speaker, 0),
                chips,
                compare(line.wanted, line.heard, evaluation.target)
                if line.wanted
                else (((line.heard, False),) if line.heard else ()),
                stands,
                concern(line),
            )
        )
    return tuple(made)


def spreads(evaluation: Evaluation) -> tuple[Spread, ...]:
    """One small chart per metric that at least three lines have."""
    colours = {speaker: index for index, speaker in enumerate(evaluation.names)}
    found = []
    for name, metric in METRICS.items():
        known = [line for line in evaluation.lines if name in line.values]
        values = [line.values[name] for line in known]
        if len(values) < 3 or max(values) - min(values) < 1e-9:
            continue
        low, high = min(values), max(values)
        scale = (CHART_W - 16) / (high - low)
        rows = max(1, len(evaluation.names))
        dots = tuple(
            Dot(
                line.id,
                round(8 + (value - low) * scale, 1),
                round(10 + 28 * colours.get(line.speaker, 0) / max(1, rows - 1), 1),
                colours.get(line.speaker, 0),
                f"{line.id}: {metric.show(value)}",
            )
            for line, value in zip(known, values, strict=True)
        )
        mean = sum(values) / len(values)
        found.append(
            Spread(
                metric,
                dots,
                round(8 + (mean - low) * scale, 1),
                metric.show(low),
                metric.show(high),
                metric.show(mean),
            )
        )
    return tuple(found)


def speaker_rows(
    evaluation: Evaluation,
) -> tuple[tuple[str, str, int, tuple[tuple[Metric, str, Grade], ...]], ...]:
    """``(id, name, lines, figures)`` of everybody who speaks."""
    rows = []
    for speaker, values in evaluation.of_speakers().items():
        count = sum(line.speaker == speaker for line in evaluation.lines)
        if count:
            rows.append((speaker, evaluation.names[speaker], count, _mean_chips(values)))
    return tuple(rows)


def shot_rows(
    evaluation: Evaluation,
) -> tuple[tuple[EvaluatedShot, tuple[str, ...], tuple[tuple[Metric, str, Grade], ...]], ...]:
    """``(shot, its lines, figures)`` of every shot of which anything is known."""
    return tuple(
        (found.shot, found.lines, _mean_chips(found.figures))
        for found in evaluation.of_shots()
        if found.figures
    )


def _mean_chips(figures: Mapping[str, Figure]) -> tuple[tuple[Metric, str, Grade], ...]:
    return tuple(
        (METRICS[name], METRICS[name].show(figure.mean), METRICS[name].grade(figure.mean))
        for name, figure in figures.items()
        if not (name == "said" and figure.mean == 1)
    )


def _timing(evaluation: Evaluation) -> object:
    """The chart of the dub report, with the audible speech of both films."""
    cast = [Speaker(speaker, name) for speaker, name in evaluation.names.items()]
    entries = []
    for line in evaluation.lines:
        told = {evaluation.target: Translation(line.wanted or line.heard)}
        plain = Line(
            line.id, line.speaker, Span.of(line.start, line.end), line.text, translations=told
        )
        span = Span.of(line.dub[0][0], line.dub[-1][1]) if line.dub else None
        placed = Placement(line.id, span) if span is not None else None
        entries.append(LineReport(plain, evaluation.target, placed, None))
    cuts = [shot.start for shot in evaluation.shots]
    return timing_chart(entries, cast, evaluation.duration_s, cuts)
