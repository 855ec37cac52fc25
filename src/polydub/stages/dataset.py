"""Training clips out of an analysed film: which stretches are good enough, and their rows. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from polydub.model import Line, Span, Speaker, merge, total
from polydub.model.scene import SceneLine
from polydub.stages.scenes import SceneOptions, plan_scenes

VERSION = "dataset-2"
"""Part of every key: raise it when clips or rows come out otherwise."""

FRAMES_PER_SECOND = 25
SCENES = {1: "独白", 2: "对话"}
NARRATION, MANY = "旁白", "多人"
ANY = 39
"""Speakers of one clip that the format can number."""


@dataclass(frozen=True, slots=True)
class DatasetOptions:
    """What makes a good clip; times in seconds, the rest shares from 0 to 1.

    ``shortest`` and ``longest`` bound it (the model's clock ends at 60 s), ``pause`` is the longest
    silence inside. ``margin`` of film is kept before and after. ``confidence`` is how sure it must
    be who speaks, ``probability`` how sure the words, on average. At most ``overlap`` of its speech
    may be said at once, at least ``speech`` of it must be speech.
    """

    shortest: float = 2.0
    longest: float = 30.0
    pause: float = 2.0
    margin: float = 0.1
    confidence: float = 0.6
    probability: float = 0.6
    overlap: float = 0.1
    speech: float = 0.3


@dataclass(frozen=True, slots=True)
class DatasetParts:
    """What is written beside voices and faces.

    ``tokens``: speech tokens, which the language model and the flow are trained on. ``cut``: the
    film of each clip at 25 frames a second with its sound, and the sound behind the voices.
    """

    tokens: bool = False
    cut: bool = False

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that these parts need."""
        return ("token",) * self.tokens + ("video", "instrumental") * self.cut


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """A stretch of film to learn from; ``reason`` says why it is left out (empty: it is not)."""

    name: str
    span: Span
    lines: tuple[Line, ...]
    reason: str = ""


def plan_clips(
    film: str, lines: Sequence[Line], duration: Fraction, options: DatasetOptions | None = None
) -> tuple[ClipPlan, ...]:
    """``lines`` in clips, each judged; ``film`` names them ``film_001`` and so on."""
    options = options or DatasetOptions()
    scenes = SceneOptions(
        longest=Fraction(options.longest).limit_denominator(1000),
        pause=Fraction(options.pause).limit_denominator(1000),
        shortest=Fraction(0),
        overlap=None,
    )
    said = [
        SceneLine(line.id, line.speaker, line.text, line.span)
        for line in lines
        if line.text.strip() and line.span.duration > 0
    ]
    by_id = {line.id: line for line in lines}
    plans = plan_scenes(said, duration, most_voices=ANY, options=scenes)
    spans = _widened([plan.span for plan in plans], duration, options.margin)
    return tuple(
        _judged(f"{film}_{number:03d}", span, tuple(by_id[x.id] for x in plan.lines), options)
        for number, (plan, span) in enumerate(zip(plans, spans, strict=True), start=1)
    )


def _widened(spans: Sequence[Span], duration: Fraction, margin: float) -> list[Span]:
    """Spans with a margin that does not reach into their neighbours."""
    edge = Fraction(margin).limit_denominator(1000)
    found = []
    for number, span in enumerate(spans):
        before = spans[number - 1].end if number else Fraction(0)
        after = spans[number + 1].start if number + 1 < len(spans) else duration
        start = max(span.start - edge, min(before, span.start), Fraction(0))
        end = min(span.end + edge, max(after, span.end))
        found.append(Span(start, end))
    return found


def _judged(name: str, span: Span, lines: tuple[Line, ...], options: DatasetOptions) -> ClipPlan:
    return ClipPlan(name, span, lines, _reason(span, lines, options))


def _reason(span: Span, lines: Sequence[Line], options: DatasetOptions) -> str:
    seconds = float(span.duration)
    spans = [line.span for line in lines]
    spoken = float(total(merge(spans)))
    several = float(sum((s.duration for s in spans), Fraction(0))) - spoken
    words = [word.probability for line in lines for word in line.words]
    if seconds < options.shortest:
        return "too short"
    if seconds > options.longest + 2 * options.margin:
        return "too long"
    if spoken < options.speech * seconds:
        return "too little speech"
    if several > options.overlap * spoken:
        return "too much at once"
    if sum(line.confidence for line in lines) / len(lines) < options.confidence:
        return "not sure who speaks"
    if words and sum(words) / len(words) < options.probability:
        return "not sure what is said"
    return ""


def clip_row(
    plan: ClipPlan,
    cast: Mapping[str, Speaker],
    clue: str,
    *,
    spaced: bool = True,
    parts: DatasetParts | None = None,
) -> dict[str, Any]:
    """The clip as a row of Fun-CineForge's training data; paths count from the dataset's folder.

    Those of tokens and video are named even where they were not asked for: the format wants them.
    ``offset``, and ``name`` and ``text`` of the turns, are ours: the model ignores them.
    """
    numbers: dict[str, int] = {}
    for line in plan.lines:
        numbers.setdefault(line.speaker, len(numbers) + 1)
    roles = {
        "text": (" " if spaced else "").join(line.text.strip() for line in plan.lines),
        "clue": clue,
        "face": f"face/{plan.name}.npz",
        "dialogue": [_turn(plan, line, numbers, cast) for line in plan.lines],
        "vocal": f"vocal/{plan.name}.wav",
        "video": f"video/{plan.name}.mp4",
        "token": f"token/{plan.name}.npy",
    }
    if parts is not None and parts.cut:
        roles["instrumental"] = f"instrumental/{plan.name}.wav"
    return {
        "utt": plan.name,
        "type": _type(plan.lines, len(numbers)),
        "speech_length": math.ceil(plan.span.duration * FRAMES_PER_SECOND),
        "offset": round(float(plan.span.start), 3),
        "messages": [{"role": role, "content": content} for role, content in roles.items()],
    }


def _turn(
    plan: ClipPlan, line: Line, numbers: Mapping[str, int], cast: Mapping[str, Speaker]
) -> dict[str, Any]:
    speaker = cast.get(line.speaker)
    gender = speaker.gender if speaker is not None else None
    return {
        "start": round(float(line.span.start - plan.span.start), 3),
        "duration": round(float(line.span.duration), 3),
        "spk": str(numbers[line.speaker]),
        "gender": gender or "unknown",
        "age": "unknown",
        "name": line.speaker,
        "text": line.text.strip(),
    }


def _type(lines: Sequence[Line], speakers: int) -> str:
    if all(line.visibility == "narration" for line in lines):
        return NARRATION
    return SCENES.get(speakers, MANY)


@dataclass(frozen=True, slots=True)
class FilmSheet:
    """What the datasheet says of one film. ``rejected`` counts clips by reason.

    ``tokens`` and ``cut`` tell which :class:`DatasetParts` its clips have.
    """

    film: str
    digest: str
    language: str
    licence: str
    clips: int
    seconds: float
    speakers: int
    faces: int
    rejected: dict[str, int]
    tokens: bool = False
    cut: bool = False


def film_sheet(
    film: tuple[str, str, str, str],
    plans: Sequence[ClipPlan],
    faces: Mapping[str, int],
    parts: DatasetParts | None = None,
) -> FilmSheet:
    """The sheet of ``film`` (name, digest, language, licence); ``faces`` counts them by clip."""
    parts = parts or DatasetParts()
    kept = [plan for plan in plans if not plan.reason]
    reasons = sorted(plan.reason for plan in plans if plan.reason)
    return FilmSheet(
        *film,
        clips=len(kept),
        seconds=round(sum(float(plan.span.duration) for plan in kept), 2),
        speakers=len({line.speaker for plan in kept for line in plan.lines}),
        faces=sum(faces.get(plan.name, 0) for plan in kept),
        rejected={reason: reasons.count(reason) for reason in dict.fromkeys(reasons)},
        tokens=parts.tokens,
        cut=parts.cut,
    )


def datasheet(
    films: Sequence[FilmSheet], options: DatasetOptions, engines: Mapping[str, str]
) -> str:
    """The datasheet as Markdown: what is in it, what made it, what is missing."""
    rows = [
        f"| {x.film} | {x.licence} | {x.language} | {x.clips} | {x.seconds:.1f} | {x.speakers} "
        f"| {x.faces} | {', '.join(f'{n} {why}' for why, n in x.rejected.items()) or '–'} |"
        for x in films
    ]
    settings = ", ".join(f"{name} {value}" for name, value in asdict(options).items())
    made = ", ".join(f"{kind}: {name}" for kind, name in sorted(engines.items()))
    hours = sum(film.seconds for film in films) / 3600
    return "\n".join(
        [
            "# Datasheet",
            "",
            f"{sum(film.clips for film in films)} clips, {hours:.2f} hours, "
            f"{len(films)} films; format: Fun-CineForge JSONL (`train.jsonl`).",
            "",
            "| film | licence | language | clips | seconds | speakers | faces | left out |",
            "|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            "A licence is what whoever built the dataset said of the film; nothing was checked.",
            "",
            f"Filters: {settings}.",
            "",
            f"Made by polydub with {made}. Words, turns, genders and clues are the work of models:",
            "expect errors. Ages are not estimated. Voices are separated from music and noise, and",
            "may be damaged by it.",
            "",
            "Every clip has voices, faces, turns and a clue. Speech tokens (CosyVoice3's tokenizer",
            f"version 3): {_share([x.tokens for x in films])}. Cut film at 25 frames a second and",
            f"its other sound: {_share([x.cut for x in films])}.",
            "",
        ]
    )


def _share(have: Sequence[bool]) -> str:
    """In how many films something is."""
    return {0: "none", len(have): "all films"}.get(sum(have), f"{sum(have)} of {len(have)} films")
