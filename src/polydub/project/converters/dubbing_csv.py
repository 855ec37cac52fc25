"""The table of dubbing services: ``speaker,start_time,end_time,transcription,translation``."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from polydub.model.time import timecode
from polydub.project.converters.given_lines import GivenLine
from polydub.project.tables import COLUMNS, Row


def lines_from_rows(rows: Sequence[Row]) -> tuple[GivenLine, ...]:
    """The lines of a table that :func:`polydub.project.tables.read_table` has read.

    A row without a speaker goes on with the one before it.
    """
    lines: list[GivenLine] = []
    for row in rows:
        speaker = row.speaker or (lines[-1].speaker if lines else "")
        lines.append(GivenLine(speaker, row.span, row.transcription, row.translation))
    return tuple(lines)


def dubbing_csv(lines: Sequence[GivenLine]) -> str:
    """``lines`` as a table, by time; times to the millisecond (``0:00:01,880``)."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in sorted(lines, key=lambda line: (line.span, line.speaker)):
        times = (timecode(time, separator=",") for time in (line.span.start, line.span.end))
        writer.writerow((line.speaker, *times, line.text, line.translation))
    return buffer.getvalue()
