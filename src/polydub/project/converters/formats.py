"""Which format a file has, what it holds, and how a script is written in each of them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from polydub.errors import InputError
from polydub.model import Script, Turn
from polydub.project.converters.dubbing_csv import dubbing_csv, lines_from_rows
from polydub.project.converters.funcineforge import funcineforge, lines_from_funcineforge
from polydub.project.converters.given_lines import GivenLine, lines_of, turns_from
from polydub.project.converters.rttm import read_rttm, rttm
from polydub.project.converters.tagged_srt import lines_from_tagged_srt, tagged_srt
from polydub.project.script_file import read_script
from polydub.project.subtitles import read_subtitles
from polydub.project.tables import read_table
from polydub.project.text_files import read_text, unreadable

EXPORT_FORMATS = {
    "rttm": ".rttm",
    "srt": ".srt",
    "csv": ".csv",
    "funcineforge": ".jsonl",
}
"""Format -> usual ending of its files."""


def read_lines(
    path: str | Path, *, language: str = "en", rate: Fraction | None = None
) -> tuple[GivenLine, ...]:
    """Who says what when, in a tagged SRT, VTT or ASS, dubbing table, JSONL or script JSON file.

    The ending tells the format. ``language`` is that of the text, ``rate`` the frame rate for times
    that count frames. Raises ``InputError`` DUB-E101 or DUB-E107 with the first bad line,
    ``ProjectError`` DUB-E303 for a bad script.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".srt":
        return lines_from_tagged_srt(read_text(path), str(path))
    if suffix in (".vtt", ".ass", ".ssa"):
        return _from_cues(path)
    if suffix in (".csv", ".tsv"):
        return _from_table(path, rate)
    if suffix in (".jsonl", ".ndjson"):
        return lines_from_funcineforge(read_text(path), str(path), language=language)
    if suffix == ".json":
        return lines_of(read_script(path))
    raise unreadable(path, f"lines with speakers cannot be read from a '{suffix}' file")


def _from_cues(path: str | Path) -> tuple[GivenLine, ...]:
    lines: list[GivenLine] = []
    for cue in read_subtitles(path):
        speaker = cue.speaker or (lines[-1].speaker if lines else "")
        if not speaker:
            raise unreadable(path, f"it does not say who speaks ('{cue.text[:40]}')")
        lines.append(GivenLine(speaker, cue.span, cue.text))
    return tuple(lines)


def _from_table(path: str | Path, rate: Fraction | None) -> tuple[GivenLine, ...]:
    rows = read_table(path, rate=rate)
    if not rows:
        raise unreadable(path, "the table has no rows")
    if not rows[0].speaker:
        raise unreadable(path, "the first row does not say who speaks (column 'speaker')")
    return lines_from_rows(rows)


def read_turns(path: str | Path, *, file: str | None = None) -> tuple[Turn, ...]:
    """When each voice speaks, by time: RTTM, or any file that :func:`read_lines` reads.

    ``file`` picks one recording of an RTTM file of several. Raises as :func:`read_lines`.
    """
    if Path(path).suffix.lower() != ".rttm":
        return turns_from(read_lines(path))
    return read_rttm(read_text(path), str(path), file=file)


def _with_beginnings(said: Sequence[Turn], wordless: Sequence[Turn]) -> list[Turn]:
    """``said`` and ``wordless`` turns, one turn where the latter begin or go on the former."""
    turns = list(said)
    ends = {(turn.voice, time): at for at, turn in enumerate(said) for time in _ends(turn)}
    for turn in wordless:
        beside = [(turn.voice, time) for time in _ends(turn) if (turn.voice, time) in ends]
        if beside:
            at = ends[beside[0]]
            turns[at] = Turn(turns[at].span | turn.span, turn.voice)
        else:
            turns.append(turn)
    return turns


def _ends(turn: Turn) -> tuple[Fraction, Fraction]:
    return turn.span.start, turn.span.end


def export(script: Script, format: str, *, language: str | None = None) -> str:
    """``script`` as text in one of :data:`EXPORT_FORMATS`.

    With ``language``, subtitles and samples say the translation into it and the table has it as its
    ``translation``. Raises ``InputError`` DUB-E108 for an unknown format or language.
    """
    if language and not any(language in line.translations for line in script.lines):
        raise InputError(f"The script has no translation into '{language}'.", code="DUB-E108")
    lines = lines_of(script, language)
    translated = language is not None
    if format == "rttm":
        names = {own.speaker: line.speaker for own, line in zip(script.lines, lines, strict=True)}
        wordless = [Turn(x.span, names[x.voice]) for x in script.wordless if x.voice in names]
        return rttm(_with_beginnings(turns_from(lines), wordless), Path(script.source).stem)
    if format == "srt":
        return tagged_srt(lines, translated=translated)
    if format == "csv":
        return dubbing_csv(lines)
    if format == "funcineforge":
        return funcineforge(lines, Path(script.source).stem, translated=translated)
    raise InputError(
        f"There is no export format '{format}'.",
        hint=f"Known: {', '.join(EXPORT_FORMATS)}.",
        code="DUB-E108",
    )
