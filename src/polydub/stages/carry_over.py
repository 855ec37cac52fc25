"""What a person wrote into a script stays when the film is analysed again."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from fractions import Fraction
from typing import Any

from polydub.model import Line, Script, Span, Speaker, Translation, Turn
from polydub.model.language import is_spaced
from polydub.stages.joint_turns import shared_time

SAME = Fraction(1, 2)
"""Lines with equal words share at least this part of the longer one."""

JOINED = "joined"
"""Key of a line's ``extra`` that keeps what its parts were before they became one line."""

Places = dict[str, tuple[Line, ...]]
"""Id of a new line -> the old lines that it is made of."""


def restructured(before: Script, after: Script) -> bool:
    """Whether lines were added, removed or retimed between two states of one script."""
    old = {line.id: line.span for line in before.lines}
    return old != {line.id: line.span for line in after.lines}


def carry_over(old: Script, new: Script, *, before: Script | None = None) -> Script:
    """``new`` with what a person wrote into ``old``: texts, translations, names, voices.

    A line is the same when it has the same words at about the same time; a new line that is made
    of several old ones gets their texts one after the other, and they get them back when they are
    lines of their own again. A speaker is the same as the one with
    whom he shares most time. ``before`` is ``old`` as the machine wrote it: with it, hints
    (gender, references) and visibility that were changed are carried over as well, and what nobody
    changed is as ``new`` has it. Translations count as a person's when their status is ``given``.
    """
    places = _places(old, new)
    was = {line.id: line for line in before.lines} if before else {}
    parts = {span: part for line in old.lines for span, part in _parts(line).items()}
    lines = tuple(
        _carried(places[x.id], x, was, new.language)
        if x.id in places
        else _told_again(x, parts.get(x.span.whole_milliseconds()))
        for x in new.lines
    )
    twins = same_speakers(old, new)
    known = {speaker.id: speaker for speaker in before.cast} if before else {}
    cast = tuple(
        _described(old.speaker(twins[x.id]), x, known.get(twins[x.id])) if x.id in twins else x
        for x in new.cast
    )
    return replace(new, cast=cast, lines=lines, extra={**new.extra, **old.extra})


def lost_edits(old: Script, new: Script, before: Script) -> tuple[Line, ...]:
    """Lines of ``old`` with a text or translation of a person's that no line of ``new`` can take.

    ``before`` is ``old`` as the machine wrote it.
    """
    kept = {line.id for lines in _places(old, new).values() for line in lines}
    spans = {line.span.whole_milliseconds() for line in new.lines}
    kept |= {line.id for line in old.lines if (parts := _parts(line)) and parts.keys() <= spans}
    was = {line.id: line.text for line in before.lines}
    return tuple(
        line
        for line in old.lines
        if line.id not in kept
        and (line.text != was.get(line.id) or any(_is_given(x) for x in line.translations.values()))
    )


def same_speakers(old: Script, new: Script) -> dict[str, str]:
    """New speaker -> old speaker with whom he shares most time; each old one at most once."""
    turns = [[Turn(line.span, line.speaker) for line in script.lines] for script in (new, old)]
    shared = shared_time(*turns)
    twins: dict[str, str] = {}
    for one, other in sorted(shared, key=lambda pair: (-shared[pair], pair)):
        if one not in twins and other not in twins.values():
            twins[one] = other
    return twins


def _places(old: Script, new: Script) -> Places:
    lines = sorted(old.lines, key=lambda line: (line.span, line.id))
    starts = [line.span.start for line in lines]
    longest = max((line.span.duration for line in lines), default=Fraction(0))
    taken: set[str] = set()
    places: Places = {}
    for line in new.lines:
        first, last = line.span.start - longest, line.span.end
        near = lines[bisect_left(starts, first) : bisect_left(starts, last)]
        own = _made_of(line, [x for x in near if x.id not in taken and x.span.overlap(line.span)])
        if own:
            places[line.id] = own
            taken |= {part.id for part in own}
    return places


def _made_of(line: Line, near: Sequence[Line]) -> tuple[Line, ...]:
    """The old line that ``line`` is, or the run of old lines whose words are its words."""
    for other in near:
        if _words(other) == _words(line) and _close(other, line):
            return (other,)
    wanted = [word.span for word in line.words]
    inside = [x for x in near if x.words and all(word.span in wanted for word in x.words)]
    spans = [word.span for x in inside for word in x.words]
    return tuple(inside) if spans == wanted and len(inside) > 1 else ()


def _words(line: Line) -> tuple[str, ...]:
    return tuple(word.text for word in line.words) or (line.text.strip(),)


def _close(one: Line, other: Line) -> bool:
    longer = max(one.span.duration, other.span.duration)
    return one.span.overlap(other.span) >= SAME * longer


def _carried(own: Sequence[Line], new: Line, was: Mapping[str, Line], language: str) -> Line:
    if len(own) > 1:
        return _joined(own, new, was, language)
    (old,) = own
    seen = was.get(old.id)
    known = seen.translations if seen else {}
    fresh = {
        tag: x for tag, x in new.translations.items() if known.get(tag) == old.translations.get(tag)
    }
    return replace(
        new,
        text=new.text if seen and seen.text == old.text else old.text,
        translations={**new.translations, **old.translations, **(fresh if seen else {})},
        notes=tuple(dict.fromkeys((*new.notes, *old.notes))),
        extra={**new.extra, **old.extra},
        visibility=old.visibility if seen and seen.visibility != old.visibility else new.visibility,
    )


def _joined(own: Sequence[Line], new: Line, was: Mapping[str, Line], language: str) -> Line:
    """``new`` with the texts of several old lines, where a person had changed one of them."""
    edited = any(x.id not in was or was[x.id].text != x.text for x in own)
    texts = [x.text.strip() for x in own]
    translations = dict(new.translations)
    for tag in own[0].translations:
        parts = [x.translations.get(tag) for x in own]
        told = [part for part in parts if part is not None and part.status != "untranslated"]
        if len(told) == len(own) and any(_is_given(part) for part in told):
            note = f"joined from {', '.join(x.id for x in own)}"
            text = _joint(tag).join(part.text.strip() for part in told)
            translations[tag] = Translation(text, "given", note=note)
    extra: dict[str, Any] = {key: value for x in own for key, value in x.extra.items()}
    made = replace(
        new,
        text=_joint(language).join(texts) if edited else new.text,
        translations=translations,
        notes=tuple(dict.fromkeys(note for x in (new, *own) for note in x.notes)),
        extra={**new.extra, **extra},
    )
    kept = [part for x in own for part in (list(_parts(x).values()) or [_part_of(x, was)])]
    said = {tag: x.text for tag, x in made.translations.items()}
    joined = {"text": made.text, "said": said, "parts": kept}
    return replace(made, extra={**made.extra, JOINED: joined})


def _part_of(line: Line, was: Mapping[str, Line]) -> dict[str, Any]:
    """What a person wrote into a line, to be kept while it is a part of another one."""
    changed = line.id not in was or was[line.id].text != line.text
    given = {tag: asdict(x) for tag, x in line.translations.items() if _is_given(x)}
    start, end = (round(float(time), 3) for time in (line.span.start, line.span.end))
    part = {"start": start, "end": end, "translations": given}
    return {**part, "text": line.text} if changed else part


def _parts(line: Line) -> dict[Span, dict[str, Any]]:
    """What the parts of a joined line were, by time; nothing when it was worded anew since."""
    joined: Any = line.extra.get(JOINED)
    try:
        said = {tag: line.translations[tag].text for tag in joined["said"]}
        if joined["text"] != line.text or joined["said"] != said:
            return {}
        return {Span.of(str(x["start"]), str(x["end"])): x for x in joined["parts"]}
    except (TypeError, KeyError, ValueError):  # none, or a person's own field of that name
        return {}


def _told_again(new: Line, part: Mapping[str, Any] | None) -> Line:
    """``new`` with what a person had written into it before it became a part of another line."""
    if part is None:
        return new
    given = {
        tag: Translation(**{**x, "alternatives": tuple(x["alternatives"])})
        for tag, x in part["translations"].items()
    }
    return replace(new, text=part.get("text", new.text), translations={**new.translations, **given})


def _joint(language: str) -> str:
    return " " if is_spaced(language) else ""


def _is_given(translation: Translation) -> bool:
    return translation.status == "given" and bool(translation.text.strip())


def _described(old: Speaker, new: Speaker, before: Speaker | None) -> Speaker:
    """``new`` with what a person said of ``old``."""
    made_up = old.name == (before.name if before else f"Speaker {old.id[1:]}")
    changed = before is not None and (old.gender, old.pitch_hz) != (before.gender, before.pitch_hz)
    heard = before is not None and old.references != before.references
    return replace(
        new,
        name=new.name if made_up else old.name,
        name_confidence=new.name_confidence if made_up else None,
        gender=old.gender if changed else new.gender,
        gender_confidence=old.gender_confidence if changed else new.gender_confidence,
        pitch_hz=old.pitch_hz if changed else new.pitch_hz,
        references=old.references if heard else new.references,
        reference_scores=old.reference_scores if heard else new.reference_scores,
        voices={**new.voices, **old.voices},
        extra={**new.extra, **old.extra},
    )
