"""A planned conversation: everything that will be heard and seen, before anything is rendered."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from polydub.model import Phone, Span, Word, merge, total
from polydub.simulate.spec import ConversationSpec
from polydub.simulate.voices import Utterance

Role = Literal["seen", "from behind", "never seen", "narrator"]
TurnKind = Literal["line", "interruption", "backchannel"]
Framing = Literal["single", "two-shot", "group", "over-shoulder", "empty room"]


@dataclass(frozen=True, slots=True)
class CastMember:
    """One speaker: the ``voice`` of the bank, and the number of the drawn ``look`` if seen.

    ``gain_db`` and ``distance`` (0 near .. 1 far) are how the voice lies in the room.
    """

    id: str
    voice: str
    language: str
    gender: str
    role: Role
    look: int
    gain_db: float = 0.0
    distance: float = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class PlannedTurn:
    """One thing that one speaker says, in film time; ``gap`` is the pause before it as drawn.

    ``speech`` are the audible parts of ``span``.
    """

    id: str
    speaker: str
    kind: TurnKind
    span: Span
    utterance: Utterance
    gap: Fraction = Fraction(0)

    @property
    def text(self) -> str:
        """What is said."""
        return self.utterance.text

    @property
    def words(self) -> tuple[Word, ...]:
        """Words in film time."""
        at = self.span.start
        return tuple(Word(w.text, w.span.shift(at), 1.0, w.spaced) for w in self.utterance.words)

    @property
    def phones(self) -> tuple[Phone, ...]:
        """Phones in film time; without them the words' letters do."""
        at = self.span.start
        return tuple(Phone(p.symbol, p.span.shift(at)) for p in self.utterance.phones)

    @property
    def speech(self) -> tuple[Span, ...]:
        """The audible parts in film time."""
        return tuple(span.shift(self.span.start) for span in self.utterance.speech)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a speaker is in a shot; everything in picture heights from the top left corner.

    ``x``, ``y`` the middle of the face, ``size`` half the height of the face, ``yaw`` in degrees
    (> 0 looks to the right of the picture); ``behind``: only the back of the head is seen.
    """

    speaker: str
    x: float
    y: float
    size: float
    yaw: float = 0.0
    behind: bool = False


@dataclass(frozen=True, slots=True)
class PlannedShot:
    """Frames ``[first, last)`` from one camera; ``room`` numbers the painted background."""

    index: int
    first: int
    last: int
    span: Span
    framing: Framing
    room: int
    places: tuple[Place, ...]

    def faces(self) -> tuple[str, ...]:
        """Speakers whose face is seen."""
        return tuple(place.speaker for place in self.places if not place.behind)


@dataclass(frozen=True, slots=True)
class Gesture:
    """A mouth that moves without speaking: ``kind`` is ``"chew"`` or ``"laugh"``."""

    speaker: str
    kind: Literal["chew", "laugh"]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Conversation:
    """The plan. ``turns`` by start; ``shots`` tile the film (none without a picture)."""

    spec: ConversationSpec
    cast: tuple[CastMember, ...]
    turns: tuple[PlannedTurn, ...]
    duration: Fraction
    shots: tuple[PlannedShot, ...] = ()
    gestures: tuple[Gesture, ...] = ()

    def member(self, speaker: str) -> CastMember:
        """The cast member with this id."""
        return next(member for member in self.cast if member.id == speaker)

    def visible(self, turn: PlannedTurn) -> Fraction:
        """Seconds of ``turn`` in which its speaker's face is seen."""
        common = (shot.span & turn.span for shot in self.shots if turn.speaker in shot.faces())
        return total(part for part in common if part is not None)

    def on_screen(self, turn: PlannedTurn) -> bool:
        """Whether the face is seen for at least half of what is said."""
        return 2 * self.visible(turn) >= turn.span.duration and bool(self.shots)


def overlaps(turns: tuple[PlannedTurn, ...]) -> tuple[Span, ...]:
    """Where at least two speakers' turns overlap, by time."""
    found = []
    for number, one in enumerate(turns):
        for other in turns[number + 1 :]:
            common = one.span & other.span
            if common is not None and one.speaker != other.speaker:
                found.append(common)
    return merge(found)


def overlap_share(turns: tuple[PlannedTurn, ...]) -> float:
    """Overlapping time over spoken time, 0 without turns."""
    spoken = total(turn.span for turn in turns)
    return float(total(overlaps(turns)) / spoken) if spoken else 0.0
