"""Measures a finished dub and writes the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from polydub.evaluate.gate import judge_values, parse_gate
from polydub.evaluate.report_html import render_report
from polydub.evaluate.report_json import report_json
from polydub.evaluate.scores import summarise
from polydub.media.audio import open_waveform
from polydub.media.clip import opus_clip
from polydub.model import Decision, LineReport, Report, Script
from polydub.pipeline.analysis import Analysis
from polydub.pipeline.profiles import Profiles
from polydub.pipeline.run import Run
from polydub.pipeline.scoring import take_scores
from polydub.pipeline.takes import Spoken

GATE = "gate"
"""Where decisions about the user's gate come from."""


def build_report(
    run: Run,
    analysis: Analysis,
    script: Script,
    language: str,
    spoken: Mapping[str, Spoken],
    profiles: Profiles,
    other_scores: Mapping[str, dict[str, float]],
) -> Report:
    """Everything measured on the dub; ``other_scores`` by line come from the mix and the lips."""
    lines: list[LineReport] = []
    with run.stage("report", total=len(script.lines)) as progress:
        for line in script.lines:
            item = spoken.get(line.id)
            scores: dict[str, float] = {}
            heard, voice = "", None
            if item is not None:
                scores, found = take_scores(run, line, item.made, profiles, language)
                heard, voice = found.text, item.take.voice
            scores = {**scores, **other_scores.get(line.id, {})}
            placement = item.placement if item else None
            takes = item.takes if item else ()
            lines.append(LineReport(line, language, placement, voice, scores, heard, takes))
            progress.step(line.id)
    run.decide(*_gate_decisions(run, lines))
    return Report(
        source=script.source,
        language=script.language,
        target=language,
        duration_s=float(script.duration),
        cast=script.cast,
        lines=tuple(lines),
        decisions=tuple(d for d in run.decisions if not _needs_no_lips(d, script)),
        timings=tuple(run.timings.values()),
        engines=run.engines.chosen(language),
        summary=summarise(lines),
        extra={
            "version": version("polydub"),
            "shots": [[float(s.span.start), float(s.span.end)] for s in analysis.picture.shots],
        },
    )


def _gate_decisions(run: Run, lines: Sequence[LineReport]) -> list[Decision]:
    """What the user's gate demands and a line does not reach."""
    if not run.options.gate:
        return []
    scores = {entry.line.id: entry.scores for entry in lines if entry.placement is not None}
    spans = {entry.line.id: entry.line.span for entry in lines}
    return [
        Decision(
            GATE, x.unit, "warning", f"{x.condition} is not reached: {x.value:.3g}", spans[x.unit]
        )
        for x in judge_values(scores, {}, parse_gate(run.options.gate)).failures
    ]


def _needs_no_lips(decision: Decision, script: Script) -> bool:
    """Whether the lips were left alone because nobody is seen speaking: nothing was missed there.

    The report shows for every line whether it is on screen.
    """
    unseen = {line.id for line in script.lines if line.visibility != "on-screen"}
    return decision.stage == "lips" and decision.unit in unseen


def line_clips(
    analysis: Analysis, script: Script, spoken: Mapping[str, Spoken]
) -> dict[str, tuple[bytes | None, bytes | None]]:
    """``(dub, original)`` of every line as small sound files for the report's players."""
    dialogue = open_waveform(analysis.sound.dialogue)
    clips: dict[str, tuple[bytes | None, bytes | None]] = {}
    for line in script.lines:
        item = spoken.get(line.id)
        original = opus_clip(dialogue.cut(line.span)) or None
        clips[line.id] = (opus_clip(item.take.audio) if item else None, original)
    return clips


def write_report(
    folder: Path,
    report: Report,
    thumbnails: Mapping[str, bytes],
    clips: Mapping[str, tuple[bytes | None, bytes | None]],
) -> Path:
    """``report.html`` and ``report.json`` in ``folder``; returns the HTML file."""
    (folder / "report.json").write_text(report_json(report), encoding="utf-8")
    page = folder / "report.html"
    page.write_text(render_report(report, thumbnails=thumbnails, players=clips), encoding="utf-8")
    return page
