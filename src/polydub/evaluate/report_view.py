"""What the report shows, worked out from a :class:`~polydub.model.Report`: no markup here."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polydub.evaluate import grades
from polydub.evaluate.scores import normalise, summarise
from polydub.evaluate.timing_chart import clock
from polydub.model import Decision, Line, LineReport, Report, Speaker, Translation, VoiceChoice
from polydub.model.language import is_spaced, language_name
from polydub.model.terms import without_marks

STATUS_TEXT: dict[str, tuple[str, grades.Grade]] = {
    "ok": ("translated", "good"),
    "given": ("given", "good"),
    "draft": ("draft", "fair"),
    "untranslated": ("untranslated", "poor"),
}
KIND_TEXT: dict[str, tuple[str, grades.Grade]] = {
    "pass-through": ("passed through", "poor"),
    "fallback": ("fallback", "fair"),
    "warning": ("warning", "fair"),
    "draft": ("draft", "fair"),
}


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure at the top."""

    value: str
    label: str
    detail: str
    grade: grades.Grade = "plain"


@dataclass(frozen=True, slots=True)
class Chip:
    """One score of one line."""

    label: str
    value: str
    grade: grades.Grade
    meaning: str


@dataclass(frozen=True, slots=True)
class Card:
    """One member of the cast."""

    speaker: Speaker
    colour: int
    voice: VoiceChoice | None
    similarity: Chip | None
    n_lines: int
    seconds: float

    @property
    def initials(self) -> str:
        """Up to two letters for the drawn avatar."""
        words = self.speaker.name.split() or [self.speaker.id]
        return "".join(word[0] for word in words[:2]).upper()


@dataclass(frozen=True, slots=True)
class MiniBar:
    """Source and take of one line inside a common window, in percent of its width."""

    source: tuple[float, float]
    take: tuple[float, float] | None
    late: str


@dataclass(frozen=True, slots=True)
class TakeRow:
    """The scores of one of several takes of a line, and whether it is the one that is heard."""

    chips: tuple[Chip, ...]
    kept: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the script with everything about it.

    ``takes`` are all that were made when there were several, ``wordings`` the translations that
    were not chosen.
    """

    line: Line
    start: str
    speaker: str
    colour: int
    translation: Translation | None
    status: str
    status_grade: grades.Grade
    chips: tuple[Chip, ...]
    takes: tuple[TakeRow, ...]
    wordings: tuple[str, ...]
    heard: tuple[tuple[str, bool], ...]
    bar: MiniBar
    decisions: tuple[Decision, ...]
    concern: float


@dataclass(frozen=True, slots=True)
class Cost:
    """One stage: seconds, seconds per second of video, peak memory; ``share`` of the total."""

    stage: str
    seconds: float
    per_second: float
    peak_mib: float
    units: int
    cached: int
    share: float


def tiles(report: Report) -> tuple[Tile, ...]:
    """The figures at the top; what was not measured has no tile."""
    summary = summarise(report.lines)
    dubbed, lines = int(summary["dubbed"]), int(summary["lines"])
    all_dubbed: grades.Grade = "good" if dubbed == lines else "fair"
    seen = sum(speaker.person is not None for speaker in report.cast)
    shown = [
        Tile(f"{dubbed}/{lines}", "lines dubbed", "", all_dubbed),
        Tile(str(len(report.cast)), "speakers", f"{seen} seen on screen"),
    ]
    for name in ("wer", "cer", "similarity", "speed"):
        value = summary.get(f"median_{name}")
        if value is not None:
            scale = grades.SCALES[name]
            shown.append(Tile(scale.show(value), scale.label, "median", scale.grade(value)))
    if "coverage" in summary:
        share, scale = summary["coverage"], grades.SCALES["overlap"]
        detail = f"largest shift {summary.get('late_s', 0.0):.2f} s"
        shown.append(Tile(scale.show(share), scale.label, detail, scale.grade(share)))
    passed = sum(decision.kind == "pass-through" for decision in report.decisions)
    shown.append(Tile(str(passed), "passed through", "original kept", "fair" if passed else "good"))
    if report.timings and report.duration_s > 0:
        pace = sum(timing.seconds for timing in report.timings) / report.duration_s
        cached = sum(timing.cached for timing in report.timings)
        units = sum(timing.units for timing in report.timings)
        made = f"this run: {cached / units:.0%} reused" if cached else "time to make it"
        shown.append(Tile(f"{pace:.1f} s", "per second of video", made))
    return tuple(shown)


def cards(report: Report) -> tuple[Card, ...]:
    """The cast, in order."""
    made = []
    for index, speaker in enumerate(report.cast):
        own = [entry for entry in report.lines if entry.line.speaker == speaker.id]
        used = next((entry.voice for entry in own if entry.voice is not None), None)
        voice = speaker.voices.get(report.target) or used
        chip = None
        if voice is not None and voice.similarity is not None:
            chip = _chip("similarity", voice.similarity)
        seconds = float(sum(entry.line.span.duration for entry in own))
        made.append(Card(speaker, index, voice, chip, len(own), seconds))
    return tuple(made)


def rows(report: Report) -> tuple[Row, ...]:
    """The lines, in film order."""
    names = {speaker.id: speaker.name for speaker in report.cast}
    colours = {speaker.id: index for index, speaker in enumerate(report.cast)}
    by_unit: dict[str, list[Decision]] = {}
    for decision in report.decisions:
        by_unit.setdefault(decision.unit, []).append(decision)
    made = []
    for entry in report.lines:
        line = entry.line
        translation = line.translations.get(entry.language)
        status, status_grade = STATUS_TEXT[translation.status if translation else "untranslated"]
        own = by_unit.get(line.id, [])
        shown = tuple(d for d in own if d.kind != "draft" or status != "draft")
        made.append(
            Row(
                line=line,
                start=clock(float(line.span.start)),
                speaker=names.get(line.speaker, line.speaker),
                colour=colours.get(line.speaker, 0),
                translation=translation,
                status=status,
                status_grade=status_grade,
                chips=chips(entry.scores),
                takes=take_rows(entry),
                wordings=tuple(
                    text
                    for text in (translation.alternatives if translation else ())
                    if translation and text != translation.text
                ),
                heard=compare(
                    without_marks(translation.text) if translation else "",
                    entry.heard,
                    entry.language,
                ),
                bar=mini_bar(entry),
                decisions=shown,
                concern=grades.concern(entry, own),
            )
        )
    return tuple(made)


def chips(scores: Mapping[str, float]) -> tuple[Chip, ...]:
    """The scores of a line or take: known ones in their order, then others by name."""
    known = [name for name in grades.SCALES if name in scores]
    others = sorted(set(scores) - set(known))
    return tuple(_chip(name, scores[name]) for name in (*known, *others))


def take_rows(entry: LineReport) -> tuple[TakeRow, ...]:
    """All takes of a line; the kept one is the one with the line's own scores."""
    kept = [take.items() <= entry.scores.items() for take in entry.takes]
    first = kept.index(True) if True in kept else -1
    return tuple(TakeRow(chips(x), kept=n == first) for n, x in enumerate(entry.takes))


def length_text(seconds: float) -> str:
    """``"28.6 s"``, ``"6:15 min"``, ``"2:00:00 h"``: how long something is."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{clock(seconds)} {'h' if seconds >= 3600 else 'min'}"


def _chip(name: str, value: float) -> Chip:
    label, meaning = grades.label(name)
    return Chip(label, grades.show(name, value), grades.grade(name, value), meaning)


def mini_bar(entry: LineReport) -> MiniBar:
    """Both spans inside their union, padded by a tenth of it on each side."""
    source = entry.line.span
    window = source | entry.placement.span if entry.placement else source
    pad = max(0.05, float(window.duration) * 0.1)
    start, length = float(window.start) - pad, float(window.duration) + 2 * pad

    def percent(begin: float, seconds: float) -> tuple[float, float]:
        return round(100 * (begin - start) / length, 2), round(100 * seconds / length, 2)

    take, late = None, "no take"
    if entry.placement is not None:
        span = entry.placement.span
        take = percent(float(span.start), float(span.duration))
        shift = float(span.start - source.start)
        late = "on time" if abs(shift) < 0.05 else f"{shift:+.2f} s"
    return MiniBar(percent(float(source.start), float(source.duration)), take, late)


def compare(reference: str, heard: str, language: str) -> tuple[tuple[str, bool], ...]:
    """``heard`` in pieces; ``True`` marks those that differ from ``reference``.

    Words for spaced languages, characters for the others; case and punctuation do not count.
    """
    if not heard:
        return ()
    spaced = is_spaced(language)
    pieces = heard.split() if spaced else list(heard)
    wanted = reference.split() if spaced else list(reference)
    matcher = difflib.SequenceMatcher(
        None, [normalise(w) for w in wanted], [normalise(p) for p in pieces], autojunk=False
    )
    gap = " " if spaced else ""
    marked: list[tuple[str, bool]] = []
    for tag, _, _, first, last in matcher.get_opcodes():
        if first < last:
            text = gap.join(pieces[first:last])
            differs = tag != "equal" and bool(normalise(text))
            marked.append((text + gap, differs))
    return tuple(marked)


def costs(report: Report) -> tuple[Cost, ...]:
    """Time and memory per stage, in the order of the report."""
    total = sum(timing.seconds for timing in report.timings) or 1.0
    length = report.duration_s or 1.0
    return tuple(
        Cost(
            t.stage, t.seconds, t.seconds / length, t.peak_mib, t.units, t.cached, t.seconds / total
        )
        for t in report.timings
    )


def total_cost(made: Sequence[Cost]) -> Cost:
    """The sum of all stages; memory is the highest peak."""
    return Cost(
        "all",
        sum(cost.seconds for cost in made),
        sum(cost.per_second for cost in made),
        max((cost.peak_mib for cost in made), default=0.0),
        sum(cost.units for cost in made),
        sum(cost.cached for cost in made),
        1.0,
    )


def language_title(tag: str) -> str:
    """English name of a language."""
    return language_name(tag)
