"""Formats in which others say who speaks when: text in, values out, and back."""

from polydub.project.converters.dubbing_csv import dubbing_csv, lines_from_rows
from polydub.project.converters.formats import (
    EXPORT_FORMATS,
    export,
    read_lines,
    read_turns,
)
from polydub.project.converters.funcineforge import funcineforge, lines_from_funcineforge
from polydub.project.converters.given_lines import (
    GivenLine,
    lines_of,
    script_from,
    turns_from,
    with_words,
)
from polydub.project.converters.rttm import read_rttm, rttm
from polydub.project.converters.tagged_srt import lines_from_tagged_srt, tagged_srt

__all__ = [
    "EXPORT_FORMATS",
    "GivenLine",
    "dubbing_csv",
    "export",
    "funcineforge",
    "lines_from_funcineforge",
    "lines_from_rows",
    "lines_from_tagged_srt",
    "lines_of",
    "read_lines",
    "read_rttm",
    "read_turns",
    "rttm",
    "script_from",
    "tagged_srt",
    "turns_from",
    "with_words",
]
