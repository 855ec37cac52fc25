"""Plans what the camera shows: shots that tile the film, who is where, who moves a silent mouth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from polydub.model import Span
from polydub.simulate.conversation import (
    CastMember,
    Conversation,
    Framing,
    Gesture,
    Place,
    PlannedShot,
    PlannedTurn,
)
from polydub.simulate.spec import PictureSpec

SHORTEST_S = 0.5
USUAL_SHORTEST_S = 0.9
REACTION_S = (0.6, 1.3)
LONG_LINE_S = 2.0
"""A reaction is only cut into lines at least this long."""
GROUP_SHARE = 0.3
"""Of the pictures with several people, so many show everybody (three or more)."""
ROOMS = 6


@dataclass(frozen=True, slots=True)
class _View:
    """What one camera sees: people from the left, seen from behind in the foreground."""

    framing: Framing
    front: tuple[str, ...]
    back: tuple[str, ...] = ()


def plan_shots(plan: Conversation, rng: np.random.Generator) -> tuple[PlannedShot, ...]:
    """Shots for the turns of ``plan``; they tile the film without gaps, each at least 0.5 s."""
    picture = plan.spec.picture or PictureSpec()
    wishes = _wishes(plan, picture, rng)
    count = math.ceil(plan.duration * picture.rate)
    shortest = SHORTEST_S if picture.short_shots else USUAL_SHORTEST_S
    cuts = _spaced(wishes, count, math.ceil(shortest * picture.rate), picture.rate)
    seats = {member.id: number for number, member in enumerate(plan.cast)}
    aspect = picture.size[0] / picture.size[1]
    shots: list[PlannedShot] = []
    for (first, view), last in zip(cuts, [c for c, _ in cuts[1:]] + [count], strict=True):
        span = Span(first / picture.rate, last / picture.rate)
        room = _room(view, seats)
        places = _places(view, seats, aspect, np.random.default_rng((plan.spec.seed, first)))
        shots.append(PlannedShot(len(shots), first, last, span, view.framing, room, places))
    return tuple(shots)


def plan_gestures(plan: Conversation, rng: np.random.Generator) -> tuple[Gesture, ...]:
    """Chewing and laughing of visible listeners, during half of the others' lines."""
    picture = plan.spec.picture
    if picture is None or not picture.chewing:
        return ()
    found = []
    for turn in plan.turns:
        inside = [shot for shot in plan.shots if shot.span.overlap(turn.span) > Fraction(1, 2)]
        seen = sorted({name for shot in inside for name in shot.faces()} - {turn.speaker})
        seen = [name for name in seen if not _speaks(plan, name, turn.span.pad(Fraction(1, 4)))]
        if seen and rng.random() < 0.6:
            kind = "chew" if rng.random() < 0.65 else "laugh"
            who = seen[int(rng.integers(len(seen)))]
            found.append(Gesture(who, "chew" if kind == "chew" else "laugh", turn.span))
    return tuple(found)


def _speaks(plan: Conversation, speaker: str, span: Span) -> bool:
    return any(t.speaker == speaker and t.span.overlap(span) > 0 for t in plan.turns)


def _wishes(
    plan: Conversation, picture: PictureSpec, rng: np.random.Generator
) -> list[tuple[Fraction, _View]]:
    """Wanted cuts: ``(time, view)`` by time; the first is at 0."""
    wishes: list[tuple[Fraction, _View]] = []
    lines = [turn for turn in plan.turns if turn.kind != "backchannel"]
    for number, turn in enumerate(lines):
        before = lines[number - 1] if number else None
        view = _view(plan, turn, before, rng)
        wishes.append((_cut_time(turn, before, picture, rng), view))
        wishes += _reaction(plan, turn, view, rng)
    wishes.sort(key=lambda wish: wish[0])
    return [(Fraction(0), wishes[0][1]), *wishes[1:]]


def _cut_time(
    turn: PlannedTurn, before: PlannedTurn | None, picture: PictureSpec, rng: np.random.Generator
) -> Fraction:
    """In the pause before the turn, moved by the jitter."""
    if before is None:
        return Fraction(0)
    pause = (before.span.end + turn.span.start) / 2 if before.span.end < turn.span.start else None
    at = pause if pause is not None else turn.span.start
    jitter = picture.cut_jitter_s
    moved = at + Fraction(round(1000 * float(rng.uniform(-jitter, jitter))), 1000)
    return max(Fraction(0), moved)


def _view(
    plan: Conversation, turn: PlannedTurn, before: PlannedTurn | None, rng: np.random.Generator
) -> _View:
    picture = plan.spec.picture or PictureSpec()
    speaker = plan.member(turn.speaker)
    listeners = _seen(plan, turn, before)
    away, together, chance = rng.random(), rng.random(), rng.random()
    if speaker.role == "from behind":
        front = listeners[:1]
        return _View("over-shoulder", front, (speaker.id,)) if front else _View("empty room", ())
    if speaker.role != "seen" or away < picture.off_screen:
        if listeners and chance < 0.75:
            return _View("single", listeners[:1])
        return _View("empty room", ())
    if together < picture.two_shots and listeners:
        everybody = tuple(m.id for m in plan.cast if m.role == "seen")
        if len(everybody) == 3 and chance < GROUP_SHARE:
            return _View("group", everybody)
        return _View("two-shot", (speaker.id, listeners[0]))
    behind = [m.id for m in plan.cast if m.role in ("from behind", "seen") and m.id != speaker.id]
    if behind and chance < 0.15:
        return _View("over-shoulder", (speaker.id,), (behind[0],))
    return _View("single", (speaker.id,))


def _seen(plan: Conversation, turn: PlannedTurn, before: PlannedTurn | None) -> tuple[str, ...]:
    """Who else can be shown during ``turn``: the last speaker first."""
    names = [m.id for m in plan.cast if m.role == "seen" and m.id != turn.speaker]
    last = before.speaker if before else ""
    return tuple(sorted(names, key=lambda name: (name != last, name)))


def _reaction(
    plan: Conversation, turn: PlannedTurn, view: _View, rng: np.random.Generator
) -> list[tuple[Fraction, _View]]:
    """A cut to the listener and back in the middle of a long line, now and then."""
    picture = plan.spec.picture or PictureSpec()
    wanted = rng.random() < picture.reactions
    low, high = (SHORTEST_S, 0.7) if picture.short_shots else REACTION_S
    length, at = float(rng.uniform(low, high)), float(rng.uniform(0.3, 0.6))
    listeners = [name for name in _seen(plan, turn, None) if view.front != (name,)]
    if not wanted or turn.span.duration < LONG_LINE_S or not listeners:
        return []
    start = turn.span.start + Fraction(round(1000 * at * float(turn.span.duration)), 1000)
    back = start + Fraction(round(1000 * length), 1000)
    return [(start, _View("single", (listeners[0],))), (back, view)]


def _spaced(
    wishes: Sequence[tuple[Fraction, _View]], count: int, least: int, rate: Fraction
) -> list[tuple[int, _View]]:
    """Cuts as frame numbers, at least ``least`` frames apart; equal neighbours are one shot."""
    cuts: list[tuple[int, _View]] = []
    for time, view in wishes:
        frame = round(time * rate)
        if cuts and frame - cuts[-1][0] < least:
            instead = len(cuts) == 1 or frame <= cuts[-1][0]
            frame = cuts.pop()[0] if instead else cuts[-1][0] + least
        cuts.append((frame, view))
    cuts = [cut for cut in cuts if cut[0] <= count - least] or cuts[:1]
    joined = cuts[:1]
    for (_, shown), cut in pairwise(cuts):
        if cut[1] != shown:
            joined.append(cut)
    return joined


def _room(view: _View, seats: dict[str, int]) -> int:
    """One camera direction per view: the same people are always seen before the same wall."""
    return (sum(3 * seats[name] + 1 for name in view.front) + 2 * len(view.front)) % ROOMS


def _places(
    view: _View, seats: dict[str, int], aspect: float, rng: np.random.Generator
) -> tuple[Place, ...]:
    """Positions for the framing; who sits further left in the room is further left here."""
    front = sorted(view.front, key=lambda name: seats[name])
    wobble = rng.uniform(-1, 1, 3)
    places = []
    if view.framing in ("single", "over-shoulder"):
        name = front[0]
        side = 1.0 if seats[name] % 2 else -1.0
        size = {"single": 0.21, "over-shoulder": 0.165}[view.framing] * (1 + 0.12 * wobble[0])
        x = aspect * (0.5 + side * (0.07 if view.framing == "single" else 0.13))
        places.append(Place(name, x, 0.46 + 0.02 * wobble[1], size, -side * (9 + 5 * wobble[2])))
        for behind in view.back:
            places.append(Place(behind, aspect * (0.5 - side * 0.27), 0.62, 0.30, 0.0, True))
        return tuple(places)
    count = len(front)
    size = {2: 0.165, 3: 0.135}.get(count, 0.12) * (1 + 0.08 * wobble[0])
    for number, name in enumerate(front):
        x = aspect * (number + 0.5) / count
        x += (aspect / 2 - x) * 0.22
        lean = (number - (count - 1) / 2) / max(1, count - 1)
        places.append(Place(name, x, 0.48 + 0.015 * wobble[1], size, -22 * lean))
    return tuple(places)


def people_of(cast: Sequence[CastMember]) -> tuple[CastMember, ...]:
    """The members of ``cast`` that can appear in the picture."""
    return tuple(member for member in cast if member.role in ("seen", "from behind"))
