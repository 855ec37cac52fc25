"""What is known about a folder of films: who speaks when, what is said, whose face is where.

Two formats, both in seconds of film time; a folder may hold either.

``annotations.jsonl``: one object per film ``CLIP.mp4`` with ``clip`` and ``turns`` (``start``,
``end``, ``speaker``; ``text`` if known), as in the public demonstration data of Fun-CineForge.

``NAME.json`` beside ``NAME.mp4``: an object with ``turns`` as above and, as far as known,
``language``, ``group`` (else the name without its number), ``speech`` in each turn (the audible
parts as start and end; without it turns are taken to include their pauses), ``words`` (``text``,
``start``, ``end``, ``speaker``), and who is seen: ``faces`` (``speaker``, ``box`` as left, top,
right, bottom in pixels, ``start``, ``end``), or ``shots`` with ``start``, ``end`` and such
``faces`` without times. Without either, faces are not judged. ``NAME.background.wav``, where it
lies beside the film, is its sound without the voices.
"""

from __future__ import annotations

import bisect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from polydub.evaluate.visible import FacesAt
from polydub.evaluate.who import tokens_of
from polydub.model import Box, Span, Turn


@dataclass(frozen=True)
class FilmTruth:
    """One film. ``said`` maps a speaker to his tokens; ``None`` = not known.

    ``pauses``: the turns include the pauses in them; else they are the audible speech.
    ``background`` is a sound file with all but the voices, where there is one.
    """

    name: str
    group: str
    film: Path
    language: str
    turns: tuple[Turn, ...]
    said: dict[str, tuple[str, ...]] | None
    faces: FacesAt | None
    pauses: bool
    background: Path | None = None


def read_truths(folder: Path, extra: Path | None = None) -> list[FilmTruth]:
    """All films of ``folder`` with a truth, by name.

    A ``NAME.json`` in the folder stands for itself; one in ``extra`` adds to what is known.
    """
    known: dict[str, dict[str, Any]] = {}
    table = folder / "annotations.jsonl"
    if table.is_file():
        for row in table.read_text(encoding="utf-8").splitlines():
            if row.strip():
                data = json.loads(row)
                known[data["clip"]] = {"group": folder.resolve().name, **data}
    for place in (folder, *([extra] if extra else [])):
        for path in sorted(place.glob("*.json")):
            data = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(data, dict) and "turns" in data:
                more = known.get(path.stem, {}) if place == extra else {}
                known[path.stem] = {**more, **data}
    found = []
    for name, data in sorted(known.items()):
        film = next(
            (p for s in ("mp4", "mkv", "mov") if (p := folder / f"{name}.{s}").is_file()), None
        )
        if film is not None:
            found.append(_truth(name, film, data))
    return found


def _truth(name: str, film: Path, data: Mapping[str, Any]) -> FilmTruth:
    prefix = re.match(r"[a-z]{2}(?=_)", name)
    language = str(data.get("language") or (prefix[0] if prefix else "en"))
    background = film.with_name(f"{name}.background.wav")
    return FilmTruth(
        name=name,
        group=str(data.get("group") or re.sub(r"[-_]?\d+$", "", name)),
        film=film,
        language=language,
        turns=tuple(
            Turn(span, str(turn["speaker"])) for turn in data["turns"] for span in _spans(turn)
        ),
        said=_said(data, language),
        faces=faces_at(_faces(data)) if "faces" in data or data.get("shots") else None,
        pauses=not all("speech" in turn for turn in data["turns"]),
        background=background if background.is_file() else None,
    )


def _spans(turn: Mapping[str, Any]) -> list[Span]:
    parts = turn.get("speech", [(turn["start"], turn["end"])])
    return [Span.of(float(start), float(end)) for start, end in parts if end > start]


def _faces(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if "faces" in data:
        return list(data["faces"])
    return [
        {**face, "start": shot["start"], "end": shot["end"]}
        for shot in data["shots"]
        for face in shot["faces"]
    ]


def _span(entry: Mapping[str, Any]) -> Span:
    return Span.of(float(entry["start"]), float(entry["end"]))


def _said(data: Mapping[str, Any], language: str) -> dict[str, tuple[str, ...]] | None:
    """Every speaker's tokens in time order, from turns with texts, else from the words."""
    turns: Sequence[Mapping[str, Any]] = data["turns"]
    entries = turns if turns and all("text" in turn for turn in turns) else data.get("words")
    if not entries:
        return None
    said: dict[str, list[str]] = {}
    for entry in sorted(entries, key=lambda entry: float(entry["start"])):
        said.setdefault(str(entry["speaker"]), []).extend(tokens_of(entry["text"], language))
    return {speaker: tuple(tokens) for speaker, tokens in said.items()}


def faces_at(entries: Sequence[Mapping[str, Any]]) -> FacesAt:
    """Faces by time from ``speaker``, ``start``, ``end``, ``box`` entries, in any order."""
    rows: dict[str, list[tuple[Fraction, Fraction, Box]]] = {}
    for entry in entries:
        span = _span(entry)
        left, top, right, bottom = (float(value) for value in entry["box"])
        rows.setdefault(str(entry["speaker"]), []).append(
            (span.start, span.end, (left, top, right, bottom))
        )
    for own in rows.values():
        own.sort()
    starts = {speaker: [start for start, _, _ in own] for speaker, own in rows.items()}

    def at(time: Fraction) -> Mapping[str, Box]:
        return dict(_now(rows, starts, time))

    return at


def _now(
    rows: Mapping[str, list[tuple[Fraction, Fraction, Box]]],
    starts: Mapping[str, list[Fraction]],
    time: Fraction,
) -> Iterator[tuple[str, Box]]:
    for speaker, own in rows.items():
        index = bisect.bisect_right(starts[speaker], time) - 1
        if index >= 0 and time < own[index][1]:
            yield speaker, own[index][2]
