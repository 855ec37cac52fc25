"""What a run would do, for ``--dry-run``: nothing is loaded and nothing is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from polydub.media.probe import probe_film
from polydub.model import Line, Script, Source
from polydub.pipeline import checks
from polydub.pipeline.given import read_given
from polydub.pipeline.hearing import HEARING
from polydub.pipeline.options import DubOptions, stored_options, told_digest
from polydub.pipeline.outputs import is_untouched, request_key
from polydub.pipeline.run import Run
from polydub.project.artifacts import load
from polydub.project.script_file import read_script

COST: dict[str, tuple[tuple[str, ...], float]] = {
    "probe": ((), 0.02),
    "separate": (("separate",), 0.4),
    "shots": (("shots",), 0.3),
    "faces": (("faces", "identify-face"), 2.5),
    "transcribe": (("segment", "vad", "recognize"), 0.6),
    "diarize": (("voiceprint",), 0.5),
    "attribute": (("active-speaker",), 0.1),
    "translate": (("translate",), 2.0),
    "cast": (("speak", "convert", "voiceprint", "recognize"), 0.0),
    "cues": (("convert",), 0.3),
    "speak": (("speak", "convert", "recognize"), 2.5),
    "mix": ((), 0.1),
    "lips": (("lips",), 2.5),
    "master": ((), 1.5),
    "report": (("recognize", "voiceprint"), 1.0),
}
"""Engine kinds and seconds of work per second of film of each stage (two cores, 1080p, measured on
film clips of 5-9 s by ``benchmarks/film_clips.py``; a rough guide, not a promise). Casting costs
:data:`CAST_S` per speaker instead."""

CAST_S = 30.0
"""Seconds of work to find a voice for one speaker, however long the film is."""

USUAL_CAST = 2
"""Speakers of a film of which nothing is known yet, for the estimate."""

PER_TARGET = ("translate", "cast", "cues", "speak", "mix", "lips", "master", "report")

UPSTREAM: dict[str, tuple[str, ...]] = {
    "separate": ("separate",),
    "shots": ("shots",),
    "faces": ("shots", "faces", "identify-face"),
    "transcribe": HEARING,
    "diarize": (*HEARING, "voiceprint"),
    "attribute": (
        *(*HEARING, "voiceprint", "shots", "faces", "identify-face"),
        "active-speaker",
    ),
}
"""Kinds of engines that had a hand in the result of a stage of the analysis."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One stage as it would run; ``cached`` means that a finished result is there already.

    ``languages`` are those that the stage works for; a stage for the whole film has none.
    """

    stage: str
    engine: str
    languages: tuple[str, ...]
    cached: bool
    seconds_estimate: float


def planned_steps(
    run: Run, outputs: Mapping[str, Path], *, overwrite: bool
) -> tuple[PlannedStep, ...]:
    """The stages of a dub into ``outputs`` (by language). Raises as the run itself would."""
    checks.check_request(run, outputs, overwrite=overwrite)
    source = probe_film(run.project.source)
    given = read_given(run.options, source)
    untold = given.to_translate(outputs)
    checks.check_means(run, untold)
    left = _WorkLeft(run, source, outputs)
    steps = []
    for stage, (kinds, cost) in COST.items():
        if stage == "lips" and not run.options.lips:
            continue
        languages = tuple(outputs) if stage in PER_TARGET else ()
        open_languages = tuple(tag for tag in languages if left.of_language(stage, tag))
        share = len(open_languages) if languages else left.of_film(stage)
        paid = [tag for tag in open_languages if _translator(run, tag, untold) != "given"]
        work = len(paid) if stage == "translate" else share
        names = [
            _translator(run, tag, untold) if kind == "translate" else run.options.engine(kind, tag)
            for kind in _kinds(run, stage, kinds)
            for tag in languages or (None,)
        ]
        steps.append(
            PlannedStep(
                stage,
                ", ".join(dict.fromkeys([*_given_files(run, stage), *names])),
                open_languages or languages,
                cached=not share,
                seconds_estimate=round(
                    left.casting(open_languages)
                    if stage == "cast"
                    else cost * float(source.duration) * work,
                    1,
                ),
            )
        )
    return tuple(steps)


def _kinds(run: Run, stage: str, kinds: tuple[str, ...]) -> tuple[str, ...]:
    """The kinds of engines that work in a stage; scenes need no cast and no voice engine."""
    if not run.options.dubs_scenes or stage not in ("cast", "speak"):
        return kinds
    return ("voiceprint",) if stage == "cast" else ("dubbing",)


def _translator(run: Run, language: str | None, untold: list[str]) -> str:
    """The engine that translates; ``given`` when the lines bring their translation."""
    if language is not None and language not in untold:
        return "given"
    return run.options.engine("translate", language)


def _given_files(run: Run, stage: str) -> list[str]:
    """Names of the user's files that a stage goes by."""
    options = run.options
    known = {
        "diarize": (options.turns, options.script_from),
        "attribute": (options.script_from,),
    }
    return [path.name for path in known.get(stage, ()) if path is not None]


class _WorkLeft:
    """How much of each stage is still to be done, as far as the project folder tells."""

    def __init__(self, run: Run, source: Source, outputs: Mapping[str, Path]) -> None:
        self._run = run
        self._outputs = outputs
        project = run.project
        self._same = project.state.digest == source.digest
        self._before = stored_options(project)
        self._given = run.options.turns is not None or run.options.script_from is not None
        path = project.script_path
        self._script = read_script(path) if self._same and path.exists() else None

    def of_film(self, stage: str) -> float:
        """Share 0..1 of a stage for the whole film."""
        if not self._same or not self._made_alike(stage):
            return 1.0
        if stage == "attribute":
            return 0.0 if self._script is not None else 1.0
        made = self._artifacts(stage)
        if stage != "faces" or not made:
            return 0.0 if made else 1.0
        shots = max(len(load(path / "shots.json", list)) for path in self._artifacts("shots"))
        return max(0.0, 1 - len(made) / shots)

    def of_language(self, stage: str, language: str) -> bool:
        """Whether a stage has work for ``language``; parts of it may be there all the same."""
        script, project, options = self._settled(), self._run.project, self._run.options
        if script is None:
            return True
        if stage == "translate" and options.engine("translate", language) != "given":
            done = {line.id for line in script.lines if _is_translated(line, language)}
            return len(done) < len(script.lines)
        if stage == "cast" and not self._without_voice(language):
            return False
        finished = project.state.finished.get(language)
        return not (
            finished == request_key(script, language, options.of_dub())
            and is_untouched(project, self._outputs[language])
        )

    def casting(self, languages: Sequence[str]) -> float:
        """Seconds of work for the voices that are not found yet."""
        wanted = (self._without_voice(tag) for tag in languages)
        return CAST_S * sum(USUAL_CAST if names is None else len(names) for names in wanted)

    def _without_voice(self, language: str) -> list[str] | None:
        """Speakers who say something and have no voice of the engine; ``None``: not known yet."""
        script, engine = self._settled(), self._run.options.engine("speak", language)
        if script is None:
            return None
        return [
            x.id
            for x in script.cast
            if script.lines_of(x.id)
            and (language not in x.voices or x.voices[language].engine != engine)
        ]

    def _settled(self) -> Script | None:
        """The script, when no stage before it has work left."""
        return None if any(self.of_film(name) for name in UPSTREAM) else self._script

    def _made_alike(self, stage: str) -> bool:
        now, before = self._run.options, self._before
        same = all(now.engine(k) == before.engine(k) for k in UPSTREAM.get(stage, ()))
        if "recognize" in UPSTREAM.get(stage, ()):
            same = same and now.source_language == before.source_language
        if "voiceprint" in UPSTREAM.get(stage, ()):
            same = same and now.speakers == before.speakers and self._given_alike()
        if stage == "attribute" or (stage == "diarize" and self._given):
            told = told_digest(self._run.project, now)
            same = same and told == self._run.project.state.options.get("told", told)
        return same

    def _given_alike(self) -> bool:
        def names(options: DubOptions) -> list[str | None]:
            files = (options.turns, options.script_from)
            return [self._run.project.remember(x) if x is not None else None for x in files]

        return names(self._run.options) == names(self._before)

    def _artifacts(self, stage: str) -> list[Path]:
        folder = "given-turns" if stage == "diarize" and self._given else stage
        folders = (self._run.cache.root / folder).glob("[!.]*")
        return [path for path in folders if path.is_dir()]


def _is_translated(line: Line, language: str) -> bool:
    translation = line.translations.get(language)
    return translation is not None and translation.status != "untranslated"
