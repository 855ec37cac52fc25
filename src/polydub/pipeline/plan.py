"""What a run would do, for ``--dry-run``: nothing is loaded and nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from polydub.media.probe import probe_film
from polydub.model import Line, Source
from polydub.pipeline import checks
from polydub.pipeline.hearing import HEARING
from polydub.pipeline.options import stored_options
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
    "cast": (("speak", "convert", "voiceprint", "recognize"), 2.0),
    "speak": (("speak", "convert", "recognize"), 2.5),
    "mix": ((), 0.1),
    "lips": (("lips",), 2.5),
    "master": ((), 1.5),
    "report": (("recognize", "voiceprint"), 1.0),
}
"""Engine kinds and seconds of work per second of film of each stage (two cores, 1080p, measured on
film clips of 5-9 s by ``benchmarks/film_clips.py``; a rough guide, not a promise)."""

PER_TARGET = ("translate", "cast", "speak", "mix", "lips", "master", "report")

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
    checks.check_means(run, outputs)
    left = _WorkLeft(run, source, outputs)
    steps = []
    for stage, (kinds, cost) in COST.items():
        if stage == "lips" and not run.options.lips:
            continue
        languages = tuple(outputs) if stage in PER_TARGET else ()
        open_languages = tuple(tag for tag in languages if left.of_language(stage, tag))
        share = len(open_languages) if languages else left.of_film(stage)
        paid = [tag for tag in open_languages if run.options.engine("translate", tag) != "given"]
        work = len(paid) if stage == "translate" else share
        names = [run.options.engine(kind, tag) for kind in kinds for tag in languages or (None,)]
        steps.append(
            PlannedStep(
                stage,
                ", ".join(dict.fromkeys(names)),
                open_languages or languages,
                cached=not share,
                seconds_estimate=round(cost * float(source.duration) * work, 1),
            )
        )
    return tuple(steps)


class _WorkLeft:
    """How much of each stage is still to be done, as far as the project folder tells."""

    def __init__(self, run: Run, source: Source, outputs: Mapping[str, Path]) -> None:
        self._run = run
        self._outputs = outputs
        project = run.project
        self._same = project.state.digest == source.digest
        self._before = stored_options(project)
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
        script, project, options = self._script, self._run.project, self._run.options
        if script is None or any(self.of_film(name) for name in UPSTREAM):
            return True
        if stage == "translate" and options.engine("translate", language) != "given":
            done = {line.id for line in script.lines if _is_translated(line, language)}
            return len(done) < len(script.lines)
        finished = project.state.finished.get(language)
        return not (
            finished == request_key(script, language, options)
            and is_untouched(project, self._outputs[language])
        )

    def _made_alike(self, stage: str) -> bool:
        now, before = self._run.options, self._before
        same = all(now.engine(k) == before.engine(k) for k in UPSTREAM.get(stage, ()))
        if "recognize" in UPSTREAM.get(stage, ()):
            same = same and now.source_language == before.source_language
        if "voiceprint" in UPSTREAM.get(stage, ()):
            same = same and now.speakers == before.speakers
        return same

    def _artifacts(self, stage: str) -> list[Path]:
        folders = (self._run.cache.root / stage).glob("[!.]*")
        return [path for path in folders if path.is_dir()]


def _is_translated(line: Line, language: str) -> bool:
    translation = line.translations.get(language)
    return translation is not None and translation.status != "untranslated"
