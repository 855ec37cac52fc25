"""Faces that the clustering left apart and one voice shows to be one person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from polydub.model import Decision, FaceTrack, Person, merge
from polydub.stages.joint_model import Floats, Labels
from polydub.stages.people import can_be_same


@dataclass(frozen=True, slots=True)
class PeopleOptions:
    """When a second face of a voice is the same person's.

    It has no voice of its own, its mouth speaks the voice with ``clear`` nats, no other voice with
    more than ``others``, the two are never seen together, and their identities are at most ``far``
    apart where both are known: a profile is 0.49 from the same face seen from the front, different
    people 0.72 in the median.
    """

    clear: float = 4.0
    others: float = 1.0
    far: float = 0.6


def join_people(
    totals: Floats,
    linked: Labels,
    ids: Sequence[str],
    tracks: Sequence[FaceTrack],
    people: Sequence[Person],
    options: PeopleOptions,
) -> tuple[tuple[Person, ...], list[Decision]]:
    """``people`` with such faces joined under the id of the voice's person, and why.

    ``totals [voices, people]``: evidence of the mouths; ``linked [voices]``: person of each voice,
    -1 = none; ``ids``: the people of the columns.
    """
    by_id = {person.id: person for person in people}
    known = {track.id: track for track in tracks}
    decisions: list[Decision] = []
    for column, name in enumerate(ids):
        voice = int(np.argmax(totals[:, column])) if len(totals) else -1
        if voice < 0 or column in linked or linked[voice] < 0:
            continue
        rest = np.delete(totals[:, column], voice)
        if totals[voice, column] < options.clear or rest.max(initial=0.0) > options.others:
            continue
        kept = ids[int(linked[voice])]
        one, other = _tracks(by_id[kept], known), _tracks(by_id[name], known)
        if not can_be_same(one, other) or _distance(one, other) > options.far:
            continue
        by_id[kept] = _joined(by_id[kept], by_id.pop(name))
        reason = f"{kept} and {name} are one person: one voice speaks with both faces"
        decisions.append(Decision("attribute", name, "warning", reason))
    return tuple(person for person in by_id.values()), decisions


def _tracks(person: Person, known: Mapping[str, FaceTrack]) -> list[FaceTrack]:
    return [known[name] for name in person.tracks if name in known]


def _joined(person: Person, other: Person) -> Person:
    return replace(
        person,
        tracks=(*person.tracks, *other.tracks),
        seen=merge((*person.seen, *other.seen)),
        thumbnail=person.thumbnail or other.thumbnail,
        extra={**other.extra, **person.extra},
    )


def _distance(one: Sequence[FaceTrack], other: Sequence[FaceTrack]) -> float:
    """Mean distance of the known identities, 0 when none are."""
    pairs = [
        float(np.linalg.norm(a.print - b.print))
        for a in one
        for b in other
        if a.print is not None and b.print is not None
    ]
    return sum(pairs) / len(pairs) if pairs else 0.0
