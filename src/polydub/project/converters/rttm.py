"""RTTM, the format of diarization programs: one turn per row, no text.

::

    SPEAKER film 1 12.340 2.100 <NA> <NA> Olivia <NA> <NA>

Fields: type, file, channel, start and duration in seconds, two unused, speaker, two unused.
"""

from __future__ import annotations

from collections.abc import Sequence

from polydub.model import Span, Turn, to_milliseconds
from polydub.project.tables import parse_timecode
from polydub.project.text_files import unreadable

_FIELDS = 8
"""A row is understood up to the speaker's name; older programs leave the last fields out."""


def read_rttm(text: str, name: str = "RTTM", *, file: str | None = None) -> tuple[Turn, ...]:
    """The turns of RTTM ``text``, by time; ``name`` is what errors call the text.

    Rows of other types than ``SPEAKER``, comments (``;;``) and turns without length are skipped.
    ``file`` picks the turns of one recording; without it the text must be of one only. Raises
    ``InputError`` DUB-E107 with the first bad line.
    """
    turns: list[tuple[str, Turn]] = []
    for number, row in enumerate(text.splitlines(), 1):
        fields = row.split()
        if not fields or fields[0].startswith(";"):
            continue
        if fields[0] != fields[0].upper():  # all types of rows are upper case
            raise unreadable(name, f"'{row.strip()[:40]}' is not an RTTM row", number)
        if fields[0] != "SPEAKER":
            continue
        if len(fields) < _FIELDS:
            what = f"{_FIELDS} fields or more are expected, found {len(fields)}"
            raise unreadable(name, what, number)
        try:
            start, duration = parse_timecode(fields[3]), parse_timecode(fields[4])
        except ValueError as error:
            raise unreadable(name, str(error), number) from error
        if duration > 0:
            turns.append((fields[1], Turn(Span(start, start + duration), fields[7])))
    chosen = _of_file(turns, file, name)
    return tuple(sorted(chosen, key=lambda turn: (turn.span, turn.voice)))


def _of_file(turns: Sequence[tuple[str, Turn]], file: str | None, name: str) -> list[Turn]:
    files = sorted({recording for recording, _ in turns})
    if file is not None:
        chosen = [turn for recording, turn in turns if recording == file]
        if not chosen:
            raise unreadable(name, f"there are no turns of '{file}' (of {', '.join(files)})")
        return chosen
    if len(files) > 1:
        raise unreadable(name, f"there are turns of several files ({', '.join(files[:5])})")
    if not files:
        raise unreadable(name, "there are no SPEAKER rows")
    return [turn for _, turn in turns]


def rttm(turns: Sequence[Turn], file: str) -> str:
    """``turns`` as RTTM, by time, to the millisecond; spaces in names become underscores."""
    recording = _word(file)
    rows = []
    for turn in sorted(turns, key=lambda turn: (turn.span, turn.voice)):
        start, end = to_milliseconds(turn.span.start), to_milliseconds(turn.span.end)
        times = f"{float(start):.3f} {float(end - start):.3f}"
        rows.append(f"SPEAKER {recording} 1 {times} <NA> <NA> {_word(turn.voice)} <NA> <NA>\n")
    return "".join(rows)


def _word(text: str) -> str:
    """Without spaces, which separate the fields; never empty."""
    return "_".join(text.split()) or "<NA>"
