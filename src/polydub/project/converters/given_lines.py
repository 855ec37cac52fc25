"""Lines that a user brings instead of our analysis, and the way from them to a Script and back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from polydub.model import Line, Script, Span, Speaker, Translation, Turn, Word, text_of
from polydub.model.language import is_spaced

NARRATOR = "NARRATOR"
_NARRATOR = re.compile(
    r"(?:narrator|narration|voice[ -]?over|v\.?o\.?|旁白|ナレーター|ナレーション)(?: \d+)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class GivenLine:
    """What somebody says when, as any of the formats tells it; ``speaker`` is a name.

    ``translation`` is in the target language of the file. ``gender`` and ``age`` are the file's own
    words for them.
    """

    speaker: str
    span: Span
    text: str
    translation: str = ""
    gender: str | None = None
    age: str | None = None


def is_narrator(name: str) -> bool:
    """Whether a speaker's name only says that a narrator speaks."""
    return _NARRATOR.fullmatch(name.strip()) is not None


def script_from(
    lines: Sequence[GivenLine],
    *,
    source: str,
    language: str,
    digest: str = "",
    duration: Fraction | None = None,
    target: str | None = None,
) -> Script:
    """The script that says exactly these ``lines``, by time; the cast by first appearance.

    Names that differ in case or spaces are one speaker. Lines of a narrator are narration, all
    others off-screen until faces are known. Translations count as given, in ``target``; without a
    ``target`` they are left out. ``duration`` of the film, by default the end of the last line.
    """
    ordered = sorted(lines, key=lambda line: (line.span, line.speaker))
    cast: dict[str, Speaker] = {}
    made = []
    for number, line in enumerate(ordered, 1):
        name = " ".join(line.speaker.split())
        key = name.casefold()
        if key not in cast:
            cast[key] = Speaker(id=f"S{len(cast) + 1}", name=name or f"Speaker {len(cast) + 1}")
        cast[key] = _described(cast[key], line)
        given = {target: Translation(line.translation, "given")} if target else {}
        made.append(
            Line(
                id=f"L{number:03d}",
                speaker=cast[key].id,
                span=line.span,
                text=line.text,
                visibility="narration" if is_narrator(name) else "off-screen",
                translations=given if line.translation else {},
            )
        )
    end = max((line.span.end for line in lines), default=Fraction(0))
    return Script(
        source=source,
        digest=digest,
        duration=end if duration is None else duration,
        language=language,
        cast=tuple(cast.values()),
        lines=tuple(made),
    )


def _described(speaker: Speaker, line: GivenLine) -> Speaker:
    """With the first gender and age that the file gives."""
    if line.gender and speaker.gender is None:
        speaker = replace(speaker, gender=line.gender)
    if line.age and "age" not in speaker.extra:
        speaker = replace(speaker, extra={**speaker.extra, "age": line.age})
    return speaker


def lines_of(script: Script, language: str | None = None) -> tuple[GivenLine, ...]:
    """The lines of a script as any format can hold them, with translations into ``language``.

    Every speaker gets a name of his own: a speaker without one is called by his id, one of two with
    the same name has his id behind it, and one who only narrates is the ``NARRATOR``.
    """
    names = _names(script)
    cast = {speaker.id: speaker for speaker in script.cast}
    made = []
    for line in script.lines:
        translation = line.translations.get(language) if language else None
        told = translation is not None and translation.status != "untranslated"
        speaker = cast.get(line.speaker)
        age = speaker.extra.get("age") if speaker else None
        made.append(
            GivenLine(
                speaker=names.get(line.speaker, line.speaker),
                span=line.span,
                text=line.text,
                translation=translation.text if translation and told else "",
                gender=speaker.gender if speaker else None,
                age=age if isinstance(age, str) else None,
            )
        )
    return tuple(made)


def _names(script: Script) -> dict[str, str]:
    narrators = [
        speaker.id
        for speaker in script.cast
        if (own := script.lines_of(speaker.id))
        and all(line.visibility == "narration" for line in own)
    ]
    names: dict[str, str] = {}
    taken: set[str] = set()
    for speaker in script.cast:
        name = " ".join(speaker.name.split()) or speaker.id
        if speaker.id in narrators and not is_narrator(name):
            number = narrators.index(speaker.id) + 1
            name = NARRATOR if number == 1 else f"{NARRATOR} {number}"
        if name.casefold() in taken:
            name = f"{name} ({speaker.id})"
        taken.add(name.casefold())
        names[speaker.id] = name
    return names


def turns_from(lines: Sequence[GivenLine]) -> tuple[Turn, ...]:
    """When each speaker speaks, by time: what ``--turns`` takes from a file with lines."""
    return tuple(sorted((Turn(line.span, line.speaker) for line in lines), key=_by_time))


def _by_time(turn: Turn) -> tuple[Span, str]:
    return turn.span, turn.voice


def with_words(script: Script, words: Sequence[Word]) -> Script:
    """``script`` with recognised ``words`` in the lines that they are spoken in.

    A word belongs to the line that it shares the most time with, if that is half of it or more (the
    earlier line when two share as much). A line's text stays as it was given; only a line without
    text takes that of its words.
    """
    own: dict[str, list[Word]] = {}
    for word in sorted(words, key=lambda word: word.span):
        best = max(
            script.lines, key=lambda line: line.span.overlap(word.span), default=None
        )  # the first of equals
        if best is None or best.span.overlap(word.span) * 2 < word.span.duration:
            continue
        if best.span.overlap(word.span) > 0:
            own.setdefault(best.id, []).append(word)
    return script.with_lines(tuple(_worded(line, own.get(line.id, ())) for line in script.lines))


def _worded(line: Line, words: Sequence[Word]) -> Line:
    if not words:
        return line
    text = line.text if line.text.strip() else text_of(words)
    return replace(line, words=tuple(words), text=text)


def shared_text(text: str, shares: Sequence[Fraction], language: str) -> list[str]:
    """``text`` cut into ``len(shares)`` parts, about as long as the shares (any unit), in order.

    Cuts fall at the sentence ends, else clause ends, else words that fit best overall. With too few
    places, parts stay empty. Nothing but spaces between the parts is lost.
    """
    pieces: list[str] = []
    for pattern in _CUTS:
        pieces = [piece for piece in pattern.split(text.strip()) if piece]
        if len(pieces) >= len(shares):
            break
    else:
        if not is_spaced(language):
            pieces = [char for char in text if not char.isspace()]
    joint = " " if is_spaced(language) else ""
    return [joint.join(part) for part in _divided(pieces, shares)]


_CUTS = (
    re.compile(r"(?<=[.!?…])\s+|(?<=[。！？…])\s*(?![”’」』）])"),
    re.compile(r"(?<=[.!?…,;:—–])\s+|(?<=[。！？…，、；：])\s*(?![”’」』）])"),
    re.compile(r"\s+"),
)


def _divided(pieces: Sequence[str], shares: Sequence[Fraction]) -> list[list[str]]:
    """Runs of ``pieces``, none empty if there are enough, whose lengths fit the shares best."""
    size = sum(len(piece) for piece in pieces) or 1
    whole = sum(shares) or Fraction(1)
    at = [0]
    for piece in pieces:
        at.append(at[-1] + len(piece))
    least = 1 if len(pieces) >= len(shares) else 0
    best: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}
    for share in shares:
        wanted = float(share / whole)
        reached: dict[int, tuple[float, tuple[int, ...]]] = {}
        for begin, (cost, cuts) in best.items():
            for end in range(begin + least, len(pieces) + 1):
                worse = cost + ((at[end] - at[begin]) / size - wanted) ** 2
                if end not in reached or worse < reached[end][0]:
                    reached[end] = (worse, (*cuts, end))
        best = reached
    ends = best[len(pieces)][1] if shares else ()
    return [list(pieces[i:j]) for i, j in zip((0, *ends), ends, strict=False)]
