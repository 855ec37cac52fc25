"""What a run would do, for ``--dry-run``: nothing is loaded and nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from polydub.errors import InputError
from polydub.media.probe import probe
from polydub.pipeline.options import DubOptions
from polydub.project.folder import SUFFIX, Project

COST: dict[str, tuple[tuple[str, ...], float]] = {
    "probe": ((), 0.02),
    "separate": (("separate",), 0.4),
    "shots": (("shots",), 0.3),
    "faces": (("faces", "identify-face"), 2.5),
    "transcribe": (("vad", "recognize"), 0.5),
    "diarize": (("voiceprint",), 0.5),
    "attribute": ((), 0.05),
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


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One stage as it would run; ``cached`` means that a finished result is there already."""

    stage: str
    engine: str
    units: int
    cached: bool
    seconds_estimate: float | None


def planned_steps(
    video: Path, options: DubOptions, folder: Path | None = None
) -> tuple[PlannedStep, ...]:
    """The stages of a dub of ``video``. Raises ``InputError`` as the run itself would."""
    if not video.is_file():
        raise InputError(f"There is no file {video}.", hint="Check the path.", code="DUB-E101")
    source = probe(video)
    root = folder or video.with_name(video.stem + SUFFIX)
    known = Project.open(root) if (root / "project.json").exists() else None
    same = known is not None and known.state.digest == source.digest
    done = {path.name for path in (root / "cache").glob("*")} if same else set()
    steps = []
    for stage, (kinds, cost) in COST.items():
        if stage == "lips" and not options.lips:
            continue
        repeats = max(1, len(options.targets)) if stage in PER_TARGET else 1
        language = options.targets[0] if options.targets else None
        engines = ", ".join(options.engine(kind, language) for kind in kinds)
        cached = stage in done and stage not in PER_TARGET
        seconds = 0.0 if cached else cost * float(source.duration) * repeats
        steps.append(PlannedStep(stage, engines, repeats, cached, seconds))
    return tuple(steps)
