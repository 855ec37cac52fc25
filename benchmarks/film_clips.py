"""Dubs every clip of a folder and prints what a user would ask about: one table, as measured.

The folder holds ``NAME.mp4`` clips and ``annotations.jsonl`` with, per clip, ``text`` and ``turns``
(seconds and speaker), as in the public demonstration data of Fun-CineForge::

    python benchmarks/film_clips.py CLIPS --out results/clips

English clips are dubbed into Spanish, Chinese ones into English. Each dub is one run of the command
``polydub dub``; then one line's translation is changed by hand and ``polydub render`` runs again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from polydub.media.probe import probe
from polydub.model import Span, merge

TARGETS = {"en": "es", "zh": "en"}


@dataclass
class Result:
    clip: str
    target: str
    ok: bool = False
    seconds: float = 0.0
    again: float = 0.0
    film: float = 0.0
    frames: tuple[int, int] = (0, 0)
    shift_frames: float = 0.0
    speakers: tuple[int, int] = (0, 0)
    covered: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    margins: list[float] = field(default_factory=list)
    similarities: list[float] = field(default_factory=list)
    lips: list[float] = field(default_factory=list)
    timings: list[dict[str, Any]] = field(default_factory=list)
    passed: int = 0
    problem: str = ""


def command(*args: str | Path) -> tuple[int, float, str]:
    """Exit code, seconds and last error lines of one polydub command."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "polydub", *map(str, args)], capture_output=True, text=True
    )
    return done.returncode, time.perf_counter() - started, done.stderr.strip()[-300:]


def measure(clip: Path, truth: dict[str, Any], out: Path, extra: list[str]) -> Result:
    language = truth["clip"].split("_")[0]
    target = TARGETS[language]
    result = Result(truth["clip"], target)
    folder = out / truth["clip"]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    dub = folder / f"{truth['clip']}.{target}.mp4"
    project = folder / "project"
    code, result.seconds, problem = command(
        "dub", clip, "--to", target, "-o", dub, "--project", project, "--quiet", *extra
    )
    if code != 0 or not dub.exists():
        result.problem = problem or f"exit code {code}"
        return result
    report = json.loads((project / target / "report.json").read_text())
    shutil.copy(project / target / "report.json", folder / "report.json")
    read_report(result, report, truth)
    compare_media(result, clip, dub)
    edit_one_line(project, target)
    code, result.again, problem = command("render", project, "-o", dub, "--quiet")
    result.ok = code == 0
    result.problem = problem if code else ""
    return result


def read_report(result: Result, report: dict[str, Any], truth: dict[str, Any]) -> None:
    lines = report["lines"]
    takes = [Span.of(*_times(x["placement"]["span"])) for x in lines if x["placement"]]
    for turn in truth["turns"]:
        span = Span.of(turn["start"], turn["end"])
        inside = [take & span for take in takes]
        common = sum((x.duration for x in merge([x for x in inside if x])), Fraction(0))
        result.covered.append(float(common / span.duration))
    found = {x["line"]["speaker"] for x in lines}
    result.speakers = (len(found), len({turn["speaker"] for turn in truth["turns"]}))
    for name, values in (
        ("wer", result.errors),
        ("cer", result.errors),
        ("margin", result.margins),
        ("similarity", result.similarities),
        ("lips_rendered", result.lips),
    ):
        values += [x["scores"][name] for x in lines if name in x["scores"]]
    result.timings = report["timings"]
    result.film = report["duration_s"]
    result.passed = sum(1 for d in report["decisions"] if d["kind"] == "pass-through")


def _times(span: dict[str, Any]) -> tuple[float, float]:
    return float(span["start"]), float(span["end"])


def compare_media(result: Result, before: Path, after: Path) -> None:
    one, two = probe(before), probe(after)
    assert one.video is not None and two.video is not None
    result.frames = (one.video.n_frames, two.video.n_frames)
    result.shift_frames = float((two.duration - one.duration) * one.video.average_rate)


def edit_one_line(project: Path, target: str) -> None:
    """Change the first translated line by hand, as a user would."""
    path = project / "script.json"
    script = json.loads(path.read_text())
    for line in script["lines"]:
        translation = line.get("translations", {}).get(target)
        if translation and translation["text"]:
            words = translation["text"].rstrip(".?!").split()
            translation["text"] = " ".join(words[:-1]) + "."  # one word less: the smallest edit
            break
    path.write_text(json.dumps(script, ensure_ascii=False, indent=2))


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def show(results: list[Result]) -> None:
    print(
        "| clip | ok | frames | length diff (frames) | speakers found/true | least turn covered "
        "| round-trip error | similarity | margin | lips rendered | first run | after an edit | "
        "peak MiB |"
    )
    print("|" + "---|" * 13)
    for r in results:
        peak = max((t["peak_mib"] for t in r.timings), default=0)
        margin = f"{min(r.margins):.2f}" if r.margins else "-"
        lips = f"{mean(r.lips):.0%}" if r.lips else "-"
        print(
            f"| {r.clip} → {r.target} | {'yes' if r.ok else 'NO: ' + r.problem} "
            f"| {r.frames[0]} → {r.frames[1]} | {r.shift_frames:+.2f} "
            f"| {r.speakers[0]}/{r.speakers[1]} | {min(r.covered, default=0):.0%} "
            f"| {mean(r.errors):.1%} | {mean(r.similarities):.2f} | {margin} | {lips} "
            f"| {r.seconds:.0f} s ({r.seconds / max(r.film, 1e-9):.1f}x) "
            f"| {r.again:.0f} s ({r.again / max(r.seconds, 1e-9):.0%}) | {peak:.0f} |"
        )
    stages: dict[str, list[tuple[float, float]]] = {}
    for r in results:
        for t in r.timings:
            stages.setdefault(t["stage"], []).append((t["seconds"] / r.film, t["peak_mib"]))
    print("\n| stage | seconds per second of film | peak MiB |\n|---|---|---|")
    for stage, values in stages.items():
        print(f"| {stage} | {mean([v for v, _ in values]):.2f} | {max(m for _, m in values):.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--out", type=Path, default=Path("results/clips"))
    parser.add_argument("--only", nargs="*", help="names of clips")
    parser.add_argument("extra", nargs="*", help="further options for `polydub dub`, after --")
    options = parser.parse_args()
    rows = (options.clips / "annotations.jsonl").read_text(encoding="utf-8").splitlines()
    results = []
    for truth in map(json.loads, rows):
        if options.only and truth["clip"] not in options.only:
            continue
        clip = options.clips / f"{truth['clip']}.mp4"
        results.append(measure(clip, truth, options.out, options.extra))
        print(f"{truth['clip']}: {results[-1].seconds:.0f} s", file=sys.stderr, flush=True)
    show(results)
    if not all(r.ok for r in results):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
