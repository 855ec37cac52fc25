"""The JSONL of Fun-CineForge: one sample (a clip of dialogue) per row.

Two shapes are read. The model's input has ``messages`` with the roles ``text``, ``clue``,
``face``, ``dialogue``, ``vocal``, ``video``; turns have ``start``, ``duration``, ``spk``,
``gender``, ``age``. Annotations have ``clip``, ``text`` and ``turns`` with ``start``, ``end``,
``speaker``. Both give one text per sample, not per turn: it is shared out over the turns at
sentence ends. Our own files also hold what the format lacks: ``offset`` of the sample in the film,
``text`` and ``name`` of each turn; the model ignores them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from polydub.model import Span, to_milliseconds
from polydub.project.converters.given_lines import GivenLine, is_narrator, shared_text
from polydub.project.text_files import unreadable

LONGEST_S = Fraction(30)
"""The official program takes samples of 2 to 30 s; its tables end at 60 s."""
FRAMES_PER_SECOND = 25
SCENES = {0: "旁白", 1: "独白", 2: "对话"}
MANY = "多人"

_NAMES = ("utt", "clip", "key")
_MAX_SECONDS = 10**9


def lines_from_funcineforge(
    text: str, name: str = "JSONL", *, sample: str | None = None, language: str = "en"
) -> tuple[GivenLine, ...]:
    """The lines of JSONL ``text``, by time; ``name`` is what errors call the text.

    ``sample`` picks one sample by its name; all are read when they hold an ``offset``, or when
    there is only one. ``language`` tells how text is cut. Unknown fields are ignored. Raises
    ``InputError`` DUB-E107 with the first bad line.
    """
    rows: list[tuple[int, dict[str, Any]]] = []
    for number, row in enumerate(text.splitlines(), 1):
        if not row.strip():
            continue
        try:
            data = json.loads(row)
        except (ValueError, RecursionError) as error:
            raise unreadable(name, f"not JSON ({error})", number) from error
        if not isinstance(data, dict):
            raise unreadable(name, "an object is expected", number)
        if sample is None or any(data.get(key) == sample for key in _NAMES):
            rows.append((number, data))
    if not rows:
        raise unreadable(
            name, f"there is no sample '{sample}'" if sample else "there are no samples"
        )
    if len(rows) > 1 and not all("offset" in data for _, data in rows):
        raise unreadable(name, "there are several samples: say which one belongs to the film")
    lines = [
        line for number, data in rows for line in _Sample(data, name, number, language).lines()
    ]
    return tuple(sorted(lines, key=lambda line: (line.span, line.speaker)))


class _Sample:
    """One row being read."""

    def __init__(self, data: Mapping[str, Any], name: str, number: int, language: str) -> None:
        self._data, self._name, self._number, self._language = data, name, number, language
        messages = data.get("messages")
        self._roles: dict[str, Any] = {}
        for message in messages if isinstance(messages, list) else ():
            if isinstance(message, dict) and isinstance(message.get("role"), str):
                self._roles[message["role"]] = message.get("content")

    def lines(self) -> list[GivenLine]:
        """A line per turn; a sample without turns is one line of its own length."""
        text = self._text("text", self._roles.get("text", self._data.get("text", "")))
        offset = self._time("offset", self._data.get("offset", 0))
        turns = self._turns()
        spans = [self._span(turn) for turn in turns]
        own = [turn.get("text") for turn in turns]
        if not all(isinstance(part, str) for part in own):
            own = list(shared_text(text, [span.duration for span in spans], self._language))
        return [
            GivenLine(
                speaker=self._speaker(turn),
                span=span.shift(offset),
                text=str(said),
                gender=self._hint(turn, "gender"),
                age=self._hint(turn, "age"),
            )
            for turn, span, said in zip(turns, spans, own, strict=True)
        ]

    def _turns(self) -> list[dict[str, Any]]:
        turns = self._roles.get("dialogue", self._data.get("turns"))
        if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
            raise self._error("'dialogue' (or 'turns') is missing or no list of turns")
        if turns:
            return list(turns)
        frames = self._data.get("speech_length")
        if not isinstance(frames, int) or isinstance(frames, bool) or frames <= 0:
            raise self._error("there are no turns, and 'speech_length' does not tell the length")
        length = {"start": 0, "duration": frames / FRAMES_PER_SECOND}
        return [{**length, "name": "NARRATOR" if self._data.get("type") == SCENES[0] else "1"}]

    def _span(self, turn: Mapping[str, Any]) -> Span:
        start = self._time("start", turn.get("start"))
        if "duration" in turn:
            end = start + self._time("duration", turn["duration"])
        else:
            end = self._time("end", turn.get("end"))
        if end < start:
            raise self._error("a turn ends before it starts")
        return Span(start, end)

    def _speaker(self, turn: Mapping[str, Any]) -> str:
        for key in ("name", "spk", "speaker"):
            value = turn.get(key)
            if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
                return str(value)
        raise self._error("a turn has no 'spk'")

    def _time(self, key: str, value: Any) -> Fraction:
        known = isinstance(value, int | float) and not isinstance(value, bool)
        if not known or not 0 <= value <= _MAX_SECONDS:
            raise self._error(f"'{key}' is not a time in seconds: {value!r:.40}")
        return to_milliseconds(value)

    def _text(self, key: str, value: Any) -> str:
        if not isinstance(value, str):
            raise self._error(f"'{key}' is not a text")
        return value

    @staticmethod
    def _hint(turn: Mapping[str, Any], key: str) -> str | None:
        value = turn.get(key)
        known = isinstance(value, str) and value.strip().casefold() not in _UNKNOWN
        return value if known else None

    def _error(self, what: str) -> Exception:
        return unreadable(self._name, what, self._number)


_UNKNOWN = ("", "unknown", "uncertain", "不确定", "未知")


def funcineforge(
    lines: Sequence[GivenLine],
    film: str,
    *,
    translated: bool = False,
    longest: Fraction = LONGEST_S,
) -> str:
    """``lines`` as JSONL, cut into samples of at most ``longest`` seconds at the widest pauses.

    ``film`` names the samples: ``film_001`` with ``film_001.wav`` (reference voice), ``.mp4`` and
    ``.pkl`` (faces), which the user provides. A line longer than ``longest`` is a sample of its
    own. ``translated`` has the translations spoken instead of the texts.
    """
    ordered = sorted(lines, key=lambda line: (line.span, line.speaker))
    numbers: dict[str, int] = {}
    for line in ordered:
        numbers.setdefault(line.speaker, len(numbers) + 1)
    groups = _samples(ordered, longest)
    rows = [
        json.dumps(_sample(group, f"{film}_{n:03d}", numbers, translated), ensure_ascii=False)
        for n, group in enumerate(groups, 1)
    ]
    return "".join(f"{row}\n" for row in rows)


def _samples(lines: Sequence[GivenLine], longest: Fraction) -> list[list[GivenLine]]:
    """Halved at the widest pause until every part is short enough or cannot be cut."""
    if not lines:
        return []
    end = max(line.span.end for line in lines)
    if end - lines[0].span.start <= longest or len(lines) == 1:
        return [list(lines)]
    ends = [lines[0].span.end]
    for line in lines[1:]:
        ends.append(max(ends[-1], line.span.end))
    at = max(range(1, len(lines)), key=lambda i: (lines[i].span.start - ends[i - 1], -i))
    return [*_samples(lines[:at], longest), *_samples(lines[at:], longest)]


def _sample(
    lines: Sequence[GivenLine], utt: str, numbers: Mapping[str, int], translated: bool
) -> dict[str, Any]:
    start = to_milliseconds(lines[0].span.start)
    length = max(line.span.end for line in lines) - start
    said = [line.translation if translated else line.text for line in lines]
    speakers = {line.speaker for line in lines}
    narrated = all(is_narrator(line.speaker) for line in lines)
    dialogue = [
        {
            "start": _seconds(line.span.start - start),
            "duration": _seconds(to_milliseconds(line.span.end) - to_milliseconds(line.span.start)),
            "spk": str(numbers[line.speaker]),
            "gender": line.gender or "unknown",
            "age": line.age or "unknown",
            "name": line.speaker,
            "text": text,
        }
        for line, text in zip(lines, said, strict=True)
    ]
    roles = {
        "text": " ".join(part for part in said if part),
        "clue": "",
        "face": f"{utt}.pkl",
        "dialogue": dialogue,
        "vocal": f"{utt}.wav",
        "video": f"{utt}.mp4",
    }
    return {
        "utt": utt,
        "type": SCENES.get(0 if narrated else len(speakers), MANY),
        "speech_length": math.ceil(length * FRAMES_PER_SECOND),
        "offset": _seconds(start),
        "messages": [{"role": role, "content": content} for role, content in roles.items()],
    }


def _seconds(time: Fraction) -> float:
    return float(to_milliseconds(time))
