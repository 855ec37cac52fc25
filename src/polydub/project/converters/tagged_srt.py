"""SRT subtitles that say who speaks: ``Olivia: ...``, ``[NARRATOR] ...``.

The tag stands before the text. ``[...]`` may hold any name; ``Name:`` starts with a letter that is
not lower case. A subtitle without a tag goes on with the speaker before it, as subtitles do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from polydub.model import Span
from polydub.model.time import timecode
from polydub.project.converters.given_lines import GivenLine, is_narrator
from polydub.project.cue_text import join_rows
from polydub.project.tables import parse_timecode
from polydub.project.text_files import unreadable

_NAME = r"[^\W\d_a-z][\w .'’-]{0,30}?"
_PLAIN = re.compile(rf"({_NAME})\s?[:：]\s*(\S.*)", re.DOTALL)
_BRACKETS = re.compile(r"\[([^\]\n]{1,80})\]\s*[:：]?\s*(\S.*)", re.DOTALL)
_SOUND = re.compile(r"[\[(][^\])]*[\])]")
_DASH = re.compile(r"^[-–—]\s*")
_MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>|\{\\[^}]*\}")


@dataclass(frozen=True, slots=True)
class _Block:
    """One subtitle: its rows, and the number of its time row in the file."""

    line: int
    span: Span
    rows: tuple[str, ...]


def lines_from_tagged_srt(text: str, name: str = "subtitles") -> tuple[GivenLine, ...]:
    """The lines of SRT ``text``, by time; ``name`` is what errors call the text.

    A subtitle in which two rows have tags of known speakers becomes two lines that share its time
    in proportion to their text. Sounds, ``[door slams]``, are left out. Raises ``InputError``
    DUB-E107 with the first bad line; also when the first subtitle, or none at all, has a tag.
    """
    blocks = sorted(_blocks(text, name), key=lambda block: (block.span, block.line))
    known = {tag[0].casefold() for block in blocks if (tag := _tag(block.rows[0]))}
    lines: list[GivenLine] = []
    for block in blocks:
        pieces = _pieces(block, known)
        weights = [len(said) for _, said in pieces]
        done = 0
        for (speaker, said), weight in zip(pieces, weights, strict=True):
            who = speaker or (lines[-1].speaker if lines else "")
            if not who:
                what = "the first subtitle does not say who speaks ('Olivia: ...')"
                raise unreadable(name, what, block.line + 1)
            times = (
                block.span.start + block.span.duration * part / sum(weights)
                for part in (done, done + weight)
            )
            lines.append(GivenLine(who, Span(*times), said))
            done += weight
    if not lines:
        raise unreadable(name, "no subtitles found")
    return tuple(lines)


def _blocks(text: str, name: str) -> Iterator[_Block]:
    rows = text.removeprefix("\ufeff").splitlines()
    at = 0
    while at < len(rows):
        if not rows[at].strip() or _is_number(rows, at):
            at += 1
            continue
        span = _span(rows[at], name, at + 1)
        end = at + 1
        while end < len(rows) and rows[end].strip():
            if "-->" in rows[end] or _is_number(rows, end):  # the empty row before it is missing
                break
            end += 1
        own = tuple(row for line in rows[at + 1 : end] if (row := _MARKUP.sub("", line).strip()))
        if own:
            yield _Block(at + 1, span, own)
        at = end


def _is_number(rows: Sequence[str], at: int) -> bool:
    """Whether a row is the number of the subtitle whose time row follows."""
    return rows[at].strip().isdigit() and at + 1 < len(rows) and "-->" in rows[at + 1]


def _span(row: str, name: str, number: int) -> Span:
    parts = row.split("-->")
    if len(parts) != 2:
        raise unreadable(name, f"'{row.strip()[:60]}' is not a time range", number)
    try:
        start, end = parse_timecode(parts[0]), parse_timecode(parts[1])
    except ValueError as error:
        raise unreadable(name, str(error), number) from error
    if end < start:
        raise unreadable(name, "the subtitle ends before it starts", number)
    return Span(start, end)


def _tag(row: str) -> tuple[str, str] | None:
    """Name and text of a row that starts with a tag."""
    row = _DASH.sub("", row)
    match = _BRACKETS.fullmatch(row) or _PLAIN.fullmatch(row)
    return (" ".join(match[1].split()), match[2].strip()) if match else None


def _pieces(block: _Block, known: set[str]) -> list[tuple[str, str]]:
    """Speaker (empty: as before) and text of each part of a subtitle."""
    pieces: list[tuple[str, list[str]]] = []
    for row in block.rows:
        tag = _tag(row)
        if tag and (not pieces or tag[0].casefold() in known):
            pieces.append((tag[0], [tag[1]]))
        elif pieces:
            pieces[-1][1].append(row)
        else:
            pieces.append(("", [row]))
    joined = [(speaker, join_rows("\n".join(rows))) for speaker, rows in pieces]
    return [(speaker, said) for speaker, said in joined if not _SOUND.fullmatch(said)]


def tagged_srt(lines: Sequence[GivenLine], *, translated: bool = False) -> str:
    """``lines`` as SRT, by time, every one with its tag in one row; those without text left out.

    ``translated`` shows the translations instead of the texts.
    """
    blocks: list[str] = []
    for line in sorted(lines, key=lambda line: (line.span, line.speaker)):
        said = join_rows(line.translation if translated else line.text).replace("-->", "→")
        if not said:
            continue
        start, end = (timecode(time, separator=",") for time in (line.span.start, line.span.end))
        number = len(blocks) + 1
        blocks.append(f"{number}\n{start} --> {end}\n{_tagged(line.speaker, said)}\n")
    return "\n".join(blocks)


def _tagged(speaker: str, said: str) -> str:
    """``Olivia: ...``; brackets where the plain tag would not be understood."""
    name = " ".join(speaker.split()) or "?"
    plain = f"{name}: {said}"
    if not is_narrator(name) and _tag(plain) == (name, said):
        return plain
    return f"[{name.replace(']', ')')[:80]}] {said}"
