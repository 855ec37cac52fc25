"""What is known about one dub after it was measured, and how it is written down as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean, median
from typing import Any

import msgspec

from polydub.evaluate.metrics import HEADLINES, METRICS, Metric
from polydub.evaluate.naturalness import NotMeasured

SCHEMA = "polydub.evaluation/1"


@dataclass(frozen=True, slots=True)
class EvaluatedLine:
    """One line of the original and how it is said in the dub; times in seconds of the film.

    ``wanted`` is the intended text (empty: not known), ``heard`` what a recogniser heard;
    ``source`` and ``dub`` are the audible speech. ``voice`` is the speaker whom the dubbed voice
    stands for. A value that could not be measured is absent from ``values``.
    """

    id: str
    speaker: str
    visibility: str
    start: float
    end: float
    text: str
    wanted: str
    heard: str
    source: tuple[tuple[float, float], ...] = ()
    dub: tuple[tuple[float, float], ...] = ()
    voice: str | None = None
    values: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EvaluatedShot:
    """One shot: seconds, and the figures of its picture."""

    index: int
    start: float
    end: float
    values: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric over all lines (or of the film: ``count`` 1, ``worst`` as ``mean``)."""

    mean: float
    median: float
    worst: float
    count: int


@dataclass(frozen=True, slots=True)
class ShotFigures:
    """One shot, the ids of the lines that lie mostly in it, and the figures of both."""

    shot: EvaluatedShot
    lines: tuple[str, ...]
    figures: dict[str, Figure]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One dub, measured. ``film`` holds figures of the whole, which no line has.

    ``speakers`` maps an id to name and mean figures; ``environment`` says by what it was measured
    (versions, engines, weights, machine); ``cost`` lists the stages of making it, when known.
    """

    source: str
    dub: str
    source_language: str
    target: str
    duration_s: float
    lines: tuple[EvaluatedLine, ...]
    shots: tuple[EvaluatedShot, ...]
    names: dict[str, str]
    film: dict[str, float]
    not_measured: tuple[NotMeasured, ...]
    environment: dict[str, Any]
    cost: tuple[dict[str, Any], ...] = ()

    @property
    def summary(self) -> dict[str, Figure]:
        """Every metric that was measured: of the lines where lines have it, else of the film."""
        return summary_of(self.lines, self.film)

    def of_speakers(self) -> dict[str, dict[str, Figure]]:
        """Figures of every speaker's lines."""
        return {
            speaker: summary_of([line for line in self.lines if line.speaker == speaker], {})
            for speaker in self.names
        }

    def of_shots(self) -> tuple[ShotFigures, ...]:
        """Every shot with its lines and figures, in order."""
        lines: dict[int, list[EvaluatedLine]] = {}
        for line in self.lines:
            most = max(self.shots, key=lambda shot: _shared(line, shot), default=None)
            if most is not None and _shared(line, most) > 0:
                lines.setdefault(most.index, []).append(line)
        return tuple(
            ShotFigures(
                shot,
                tuple(line.id for line in lines.get(shot.index, ())),
                summary_of(lines.get(shot.index, ()), shot.values),
            )
            for shot in self.shots
        )


def summary_of(lines: Iterable[EvaluatedLine], film: Mapping[str, float]) -> dict[str, Figure]:
    """Mean, median, worst tenth and count of every metric, in the order of the metrics.

    Lines count alike, long or short; a film's own figure wins over the mean of the lines.
    """
    known = list(lines)
    found: dict[str, Figure] = {}
    for name, metric in METRICS.items():
        values = [line.values[name] for line in known if name in line.values]
        if name in film:
            worst = metric.worst(values) if values else film[name]
            count = len(values) or 1
            found[name] = Figure(film[name], film[name], _known(worst), count)
        elif values:
            found[name] = figure(metric, values)
    return found


def figure(metric: Metric, values: Sequence[float]) -> Figure:
    """The :class:`Figure` of ``values``, at least one."""
    return Figure(fmean(values), median(values), _known(metric.worst(list(values))), len(values))


def _shared(line: EvaluatedLine, shot: EvaluatedShot) -> float:
    """Seconds that a line and a shot have in common; negative when they are apart."""
    return min(line.end, shot.end) - max(line.start, shot.start)


def concern(line: EvaluatedLine) -> float:
    """How much a line wants a look: 4 per poor figure, 1 per fair one, 20 when it is not said."""
    points = 20.0 if line.values.get("said") == 0 else 0.0
    weight = {"good": 0.0, "plain": 0.0, "fair": 1.0, "poor": 4.0}
    for name, value in line.values.items():
        if name in METRICS and name != "said":
            points += weight[METRICS[name].grade(value)]
    error = line.values.get("wer", line.values.get("cer", 0.0))
    return points + min(1.0, error)


def evaluation_json(evaluation: Evaluation) -> str:
    """``evaluation`` as indented JSON with ``"schema": "polydub.evaluation/1"``."""
    summary = evaluation.summary
    used = set(summary) | {name for shot in evaluation.shots for name in shot.values}
    values = asdict(evaluation)
    names = values.pop("names")
    result = {
        "schema": SCHEMA,
        "source": values.pop("source"),
        "dub": values.pop("dub"),
        "source_language": values.pop("source_language"),
        "target": values.pop("target"),
        "duration_s": values.pop("duration_s"),
        "axes": {
            axis: {name: asdict(summary[name]) for name in found if name in summary}
            for axis, found in HEADLINES.items()
        },
        "summary": {name: asdict(figure) for name, figure in summary.items()},
        "speakers": {
            speaker: {
                "name": names[speaker],
                "values": {name: figure.mean for name, figure in own.items()},
                "worst": {name: figure.worst for name, figure in own.items()},
            }
            for speaker, own in evaluation.of_speakers().items()
        },
        **values,
        "shots": [
            {
                "index": found.shot.index,
                "start": found.shot.start,
                "end": found.shot.end,
                "lines": list(found.lines),
                "values": {name: figure.mean for name, figure in found.figures.items()},
                "worst": {name: figure.worst for name, figure in found.figures.items()},
            }
            for found in evaluation.of_shots()
        ],
        "protocols": {name: METRICS[name].protocol for name in METRICS if name in used},
    }
    text = msgspec.json.encode(_rounded(result))
    return msgspec.json.format(text, indent=1).decode() + "\n"


def _known(value: float | None) -> float:
    assert value is not None
    return value


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 5)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list | tuple) else value
