"""What a person asks to be pinned, in the ids of the script, and the pins that it amounts to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import NoReturn

from polydub.errors import InputError
from polydub.model import Line, Script, Span, Speaker
from polydub.pipeline.pinning import adopted, free_handle, handles_of
from polydub.project.folder import Project
from polydub.stages.carry_over import same_speakers
from polydub.stages.pins import LinePin, MergePin, PersonPin, Pins, SplitPin, surest_lines

SOMEBODY_NEW = "new"


@dataclass(frozen=True, slots=True)
class PinRequest:
    """What to pin; ids are those of the project's script.

    ``same``: pairs of speakers who are one. ``lines``: line -> the speaker who says it; all lines
    given to ``"new"`` are said by one speaker whom the script does not know. ``split``: lines, each
    of them said by somebody new of his own. ``faces``: speaker -> his person, ``None`` for nobody
    who is seen. ``speakers``: how many people speak. ``from_edits``: also what was changed by hand
    in the script. ``clear``: forget all earlier pins first.
    """

    same: tuple[tuple[str, str], ...] = ()
    lines: Mapping[str, str] = field(default_factory=dict)
    split: tuple[str, ...] = ()
    faces: Mapping[str, str | None] = field(default_factory=dict)
    speakers: int | None = None
    from_edits: bool = False
    clear: bool = False

    def __bool__(self) -> bool:
        return self != PinRequest()

    def names_voices(self) -> bool:
        """Whether it says who speaks, and not only who is seen."""
        return bool(self.same or self.lines or self.split or self.speakers)


@dataclass(frozen=True, slots=True)
class PinResult:
    """What was pinned, and what came of it.

    ``effects`` say in words what was asked for, ``pins`` are all that hold now. ``before`` is the
    script as it was, ``script`` as it is after a run, ``warnings`` tell what could not be kept.
    """

    project: Project
    pins: Pins
    effects: tuple[str, ...]
    before: Script
    script: Script | None = None
    warnings: tuple[str, ...] = ()

    def moved(self) -> tuple[tuple[Line, str], ...]:
        """Lines of ``script`` that have another speaker now, each with the former one's id."""
        if self.script is None:
            return ()
        twins = same_speakers(self.before, self.script)
        found = []
        for line in self.script.lines:
            shared: dict[str, Fraction] = {}
            for old in self.before.lines:
                if common := old.span.overlap(line.span):
                    shared[old.speaker] = shared.get(old.speaker, Fraction(0)) + common
            was = max(shared, key=lambda name: shared[name], default=None)
            if was is not None and twins.get(line.speaker) != was:
                found.append((line, was))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Pinned:
    """``pins`` that a request amounts to, and in words what they will do."""

    pins: Pins
    effects: tuple[str, ...]


def requested(script: Script, request: PinRequest, known: Pins) -> Pinned:
    """The new pins of ``request``; ``known`` are those in force, whose handles are used again.

    Raises ``InputError`` DUB-E108 for an id that the script does not have, and for a line that is
    given to two speakers.
    """
    if both := [line for line in request.split if line in request.lines]:
        raise InputError(
            f"{both[0]} cannot be said by somebody new (--split) and by "
            f"{request.lines[both[0]]} (--line).",
            hint="Give one of the two.",
            code="DUB-E108",
        )
    if request.speakers is not None and request.speakers < 1:
        raise InputError("--speakers must be 1 or more.", code="DUB-E108")
    script_ids = _Ids(script)
    names = handles_of(script, known)
    taken = {*names.values(), *(pin.speaker for pin in known.lines)}
    pins = Pins(request.speakers)
    effects: list[str] = []
    for one, other in request.same:
        pins += Pins(merges=(_merge(script_ids, one, other),))
        effects.append(f"{_who(script, one)} and {_who(script, other)} are one speaker")
    for line_id in request.split:
        pins += Pins(splits=(_split(script, script_ids.line(line_id)),))
        effects.append(f"{line_id} is said by somebody new")
    moved = _moved(script, script_ids, request.lines, free_handle("new 1", taken))
    pins += adopted(moved, names)
    for line_id, speaker in request.lines.items():
        who = "somebody new" if speaker == SOMEBODY_NEW else _who(script, speaker)
        effects.append(f"{line_id} is said by {who}")
    for speaker, person in request.faces.items():
        pins += Pins(people=(_face(script_ids, speaker, person),))
        seen = f"is the face {person}" if person else "is never seen"
        effects.append(f"{_who(script, speaker)} {seen}")
    if request.speakers:
        many = request.speakers
        effects.append(f"{many} people speak" if many > 1 else "one person speaks")
    return Pinned(pins, tuple(effects))


def combined(old: Pins, new: Pins) -> Pins:
    """Both, the new ones first in case of doubt: a face has one speaker, a speaker one face."""
    kept = tuple(pin for pin in old.people if not any(_about_same(pin, x) for x in new.people))
    splits = tuple(pin for pin in old.splits if not _undone(pin, new))
    return replace(old, people=kept, splits=splits) + new


def _about_same(one: PersonPin, other: PersonPin) -> bool:
    same_face = one.person is not None and (
        one.track == other.track if one.track and other.track else one.person == other.person
    )
    return same_face or any(a.overlap(b) for a in one.spans for b in other.spans)


def _undone(split: SplitPin, new: Pins) -> bool:
    """Whether ``new`` says anew who speaks in what was split off, or joins it again."""
    spans = [*(pin.span for pin in new.lines), *(pin.span for pin in new.splits)]
    if any(2 * split.span.overlap(other) >= split.span.duration for other in spans):
        return True
    sides = [pair for pin in new.merges for pair in ((pin.one, pin.other), (pin.other, pin.one))]
    return any(
        any(split.span.overlap(x) for x in one)
        and any(rest.overlap(x) for x in other for rest in split.rest)
        for one, other in sides
    )


class _Ids:
    """Looks ids up, and says which there are when one is wrong."""

    def __init__(self, script: Script) -> None:
        self._speakers = {speaker.id: speaker for speaker in script.cast}
        self._lines = {line.id: line for line in script.lines}
        self._people = {person.id: person for person in script.people}

    def speaker(self, name: str) -> Speaker:
        """The speaker with that id."""
        return self._speakers.get(name) or _unknown("speaker", name, self._speakers)

    def lines_of(self, name: str) -> tuple[Line, ...]:
        """The lines of that speaker, who must have some."""
        own = tuple(x for x in self._lines.values() if x.speaker == self.speaker(name).id)
        if not own:
            raise InputError(f"{name} has no lines.", code="DUB-E108")
        return own

    def line(self, name: str) -> Line:
        """The line with that id."""
        return self._lines.get(name) or _unknown("line", name, self._lines)

    def track_of(self, name: str) -> str | None:
        """A face track of the person with that id."""
        person = self._people.get(name) or _unknown("person", name, self._people)
        return person.tracks[0] if person.tracks else None


def _unknown(kind: str, name: str, known: Iterable[str]) -> NoReturn:
    there = list(known)
    shown = ", ".join(there[:12]) + (f" … {there[-1]}" if len(there) > 12 else "")
    raise InputError(
        f"The script has no {kind} '{name}'.",
        hint=f"It has: {shown}." if there else f"It has no {kind} at all.",
        code="DUB-E108",
    )


def _who(script: Script, speaker: str) -> str:
    name = script.speaker(speaker).name
    return speaker if name in (speaker, f"Speaker {speaker[1:]}") else f"{speaker} ({name})"


def _merge(ids: _Ids, one: str, other: str) -> MergePin:
    if ids.speaker(one) == ids.speaker(other):
        raise InputError(
            f"{one} and {other} are the same speaker already.",
            hint="Name two speakers of the script: --same S1=S3",
            code="DUB-E108",
        )
    return MergePin(_spans(ids.lines_of(one)), _spans(ids.lines_of(other)))


def _split(script: Script, line: Line) -> SplitPin:
    rest = tuple(x for x in script.lines_of(line.speaker) if x.id != line.id)
    if not rest:
        raise InputError(
            f"{line.id} is the only line of {line.speaker}: nobody can be split off.",
            hint=f"Give it to another speaker: --line {line.id}=S2",
            code="DUB-E108",
        )
    return SplitPin(line.span, _spans(surest_lines(rest)))


def _moved(script: Script, ids: _Ids, lines: Mapping[str, str], new: str) -> Pins:
    """Line pins that speak of script ids; whoever gains or loses lines is held by his surest."""
    wanted: dict[str, str] = {}
    touched: set[str] = set()
    for line_id, speaker in lines.items():
        wanted[line_id] = new if speaker == SOMEBODY_NEW else ids.speaker(speaker).id
        touched |= {ids.line(line_id).speaker, wanted[line_id]}
    pins = [LinePin(x.span, wanted[x.id]) for x in script.lines if x.id in wanted]
    for speaker in sorted(touched):
        kept = [x for x in script.lines_of(speaker) if x.id not in wanted]
        pins += [LinePin(line.span, speaker) for line in surest_lines(kept)]
    return Pins(lines=tuple(pins))


def _face(ids: _Ids, speaker: str, person: str | None) -> PersonPin:
    track = ids.track_of(person) if person else None
    return PersonPin(_spans(surest_lines(ids.lines_of(speaker))), person, track)


def _spans(lines: Iterable[Line]) -> tuple[Span, ...]:
    return tuple(line.span for line in lines)
