"""CSV tables: the columns that dubbing services use, and our own ``id,text``."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from polydub.model import Script, Span
from polydub.model.time import timecode
from polydub.project.script_file import write_text
from polydub.project.text_files import read_text, unreadable

COLUMNS = ("speaker", "start_time", "end_time", "transcription", "translation")
"""Columns of the table that dubbing services exchange."""

_SECONDS = re.compile(r"\d{1,7}(?:\.\d{1,9})?")
_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2}(?:[.,]\d{1,9})?)")
_FRAMES = re.compile(r"(\d{1,3}):(\d{1,2}):(\d{1,2}):(\d{1,3})")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a dubbing table."""

    speaker: str
    span: Span
    transcription: str
    translation: str


def parse_timecode(text: str, rate: Fraction | None = None) -> Fraction:
    """Exact seconds of ``"1.88"``, ``"0:00:01,880"`` (or ``.``) or ``"00:00:01:22"``.

    The last style counts frames at ``rate`` per second. Raises ``ValueError`` with the reason.
    """
    text = text.strip()
    if _SECONDS.fullmatch(text):
        return Fraction(text)
    if match := _CLOCK.fullmatch(text):
        hours, minutes, seconds = match[1] or "0", match[2], match[3].replace(",", ".")
        return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)
    if match := _FRAMES.fullmatch(text):
        if rate is None:
            raise ValueError(f"'{text}' counts frames, but the frame rate is not known")
        hours_f, minutes_f, seconds_f, frames = (int(part) for part in match.groups())
        if frames >= rate:
            raise ValueError(f"'{text}' has more frames than a second")
        return hours_f * 3600 + minutes_f * 60 + seconds_f + Fraction(frames) / rate
    raise ValueError(f"'{text}' is not a time: use 1.88, 0:00:01,880 or 00:00:01:22")


def read_table(path: str | Path, *, rate: Fraction | None = None) -> tuple[Row, ...]:
    """The rows of a dubbing table, by time.

    Only ``start_time`` and ``end_time`` must be there; column order, case and further columns do
    not matter. ``rate`` is the frame rate for times that count frames. Raises ``InputError``
    DUB-E101 or DUB-E107 with the line number.
    """
    rows = []
    for number, record in _records(path, ("start_time", "end_time")):
        try:
            start, end = (parse_timecode(record[name], rate) for name in ("start_time", "end_time"))
        except ValueError as error:
            raise unreadable(path, str(error), number) from error
        if end < start:
            raise unreadable(path, "end_time is before start_time", number)
        texts = (record.get(name, "").strip() for name in ("transcription", "translation"))
        rows.append(Row(record.get("speaker", "").strip(), Span(start, end), *texts))
    return tuple(sorted(rows, key=lambda row: row.span))


def write_table(path: str | Path, script: Script, language: str | None = None) -> None:
    """Write the lines of ``script`` as a dubbing table; ``language`` fills ``translation``."""
    names = {speaker.id: speaker.name for speaker in script.cast}
    records = []
    for line in script.lines:
        translation = line.translations.get(language) if language else None
        start, end = (timecode(t, separator=",") for t in (line.span.start, line.span.end))
        text = translation.text if translation else ""
        records.append((names.get(line.speaker, line.speaker), start, end, line.text, text))
    _write(path, COLUMNS, records)


def read_texts(path: str | Path) -> dict[str, str]:
    """Line id -> text of an ``id,text`` table (``translation`` may stand for ``text``).

    Raises ``InputError`` DUB-E101 or DUB-E107 with the line number, also for an id used twice.
    """
    texts: dict[str, str] = {}
    for number, record in _records(path, ("id",)):
        identifier = record["id"].strip()
        text = record.get("text", record.get("translation"))
        if text is None:
            raise unreadable(path, "the column 'text' is missing", 1)
        if not identifier:
            raise unreadable(path, "the id is empty", number)
        if identifier in texts:
            raise unreadable(path, f"the id '{identifier}' is used twice", number)
        texts[identifier] = text.strip()
    return texts


def write_texts(path: str | Path, texts: Mapping[str, str]) -> None:
    """Write an ``id,text`` table."""
    _write(path, ("id", "text"), list(texts.items()))


def columns(path: str | Path) -> tuple[str, ...]:
    """The column names of a table, lower case. Raises ``InputError`` DUB-E101 or DUB-E107."""
    return _open(path)[0]


def _open(path: str | Path) -> tuple[tuple[str, ...], Iterator[tuple[int, list[str]]]]:
    text = read_text(path)
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)

    def numbered() -> Iterator[tuple[int, list[str]]]:
        try:
            for cells in reader:
                yield reader.line_num, cells
        except csv.Error as error:
            raise unreadable(path, f"not a table ({error})", reader.line_num) from error

    rows = numbered()
    header = next(rows, (0, []))[1]
    names = tuple(name.strip().lower().replace(" ", "_") for name in header)
    if not any(names):
        raise unreadable(path, "the table is empty")
    return names, rows


def _records(path: str | Path, required: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    names, rows = _open(path)
    missing = [name for name in required if name not in names]
    if missing:
        raise unreadable(path, f"the column '{missing[0]}' is missing", 1)
    for number, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(names):
            what = f"{len(names)} columns are expected, found {len(cells)}"
            raise unreadable(path, what, number)
        yield number, dict(zip(names, cells, strict=True))


def _write(path: str | Path, header: tuple[str, ...], records: Sequence[tuple[str, ...]]) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(records)
    write_text(path, buffer.getvalue())
