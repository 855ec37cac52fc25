"""Evidence that a voice belongs to a face, from moving and still mouths, and what follows from it.

See :mod:`polydub.stages.attribute` for the idea.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment

from polydub.model import (
    Decision,
    FaceTrack,
    Person,
    Shot,
    Span,
    Turn,
    Voiceprint,
    merge,
    to_seconds,
    total,
)
from polydub.stages.active_speaker import SPEAKING, mouth_speed


@dataclass(frozen=True, slots=True)
class EvidenceOptions:
    """Settings; evidence is in weighted seconds: 1 s of clearly moving mouth counts ``most``.

    ``shortest_s`` is the least stretch that is looked at. A link needs ``least`` evidence, and
    ``least_agreement`` of the time in which the face was usable. Two voices are one speaker's when
    both have ``clear`` evidence for the same face, agreeing for ``clear_agreement`` of the time,
    and their voiceprints are at least ``same_voice`` alike (CAM++ cosine: one speaker's halves 0.76
    on average and 0.63 at least, different speakers 0.38, measured on 23 film clips).
    """

    shortest_s: float = 0.3
    most: float = 2.0
    least: float = 0.25
    least_agreement: float = 0.4
    clear: float = 0.5
    clear_agreement: float = 0.6
    same_voice: float = 0.55


class Faces:
    """The faces of a film, by shot and person, with the times of their frames."""

    def __init__(
        self,
        tracks: Sequence[FaceTrack],
        people: Sequence[Person],
        shots: Sequence[Shot],
        frame_time: Callable[[int], Fraction],
        rate: float,
    ) -> None:
        self.shots = sorted(shots, key=lambda shot: shot.span)
        self._time = frame_time
        self._rate = rate
        self._person = {track: person.id for person in people for track in person.tracks}
        self._tracks = sorted(tracks, key=lambda track: (track.first, track.id))
        self._spans = {
            track.id: Span(frame_time(track.first), frame_time(track.first + track.n_frames))
            for track in self._tracks
        }

    def person_of(self, track: FaceTrack) -> str | None:
        """The id of the person a track shows, if it was clustered."""
        return self._person.get(track.id)

    def tracks_in(self, span: Span) -> list[FaceTrack]:
        """Tracks that share time with ``span``, by first frame."""
        return [track for track in self._tracks if self._spans[track.id].overlap(span) > 0]

    def tracks_of(self, person: str, span: Span) -> list[FaceTrack]:
        """Tracks of one person that share time with ``span``."""
        return [track for track in self.tracks_in(span) if self.person_of(track) == person]

    def seen(self, person: str, span: Span) -> Fraction:
        """Seconds of ``span`` in which the person is on screen."""
        common = (self._spans[track.id] & span for track in self.tracks_of(person, span))
        return total(part for part in common if part is not None)

    def frames(self, track: FaceTrack, span: Span) -> range:
        """Indices of the track's frames whose time lies in ``span``."""
        frames = track.frames
        first, last = (bisect_left(frames, time, key=self._time) for time in (span.start, span.end))
        return frames[first:last]

    def speed(self, track: FaceTrack, span: Span) -> float | None:
        """Mouth speed of a track inside ``span`` in IOD/s, ``None`` when it cannot be told."""
        return mouth_speed(track, self.frames(track, span), self._rate)

    def usable(self, track: FaceTrack, span: Span) -> float:
        """Seconds inside ``span`` in which the mesh fits the face."""
        frames = self.frames(track, span)
        accepted = track.accepted[frames.start - track.first : frames.stop - track.first]
        return float(accepted.sum()) / self._rate


@dataclass(frozen=True, slots=True)
class Support:
    """What speaks for a (voice, person) pair.

    ``evidence`` in weighted seconds, may be negative; ``agreeing`` of ``usable`` seconds the mouth
    moved as a speaker's does.
    """

    evidence: float = 0.0
    agreeing: float = 0.0
    usable: float = 0.0

    def __add__(self, other: Support) -> Support:
        return Support(
            self.evidence + other.evidence,
            self.agreeing + other.agreeing,
            self.usable + other.usable,
        )

    @property
    def agreement(self) -> float:
        """Share of the usable time in which the mouth moved, 0..1."""
        return self.agreeing / self.usable if self.usable else 0.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """Support by ``(voice, person)``; pairs that never met are absent."""

    pairs: dict[tuple[str, str], Support]

    def get(self, voice: str, person: str) -> Support:
        """The support of one pair."""
        return self.pairs.get((voice, person), Support())

    def of(self, voice: str) -> dict[str, Support]:
        """The support of one voice, by person, sorted."""
        return {p: s for (v, p), s in sorted(self.pairs.items()) if v == voice}

    def best(self, voice: str) -> tuple[str, Support] | None:
        """The person with most evidence for a voice."""
        found = self.of(voice)
        return max(found.items(), key=lambda item: item[1].evidence) if found else None

    def renamed(self, names: Mapping[str, str]) -> Evidence:
        """The same with some voices joined: ``names`` maps an old name to its new one."""
        pairs: dict[tuple[str, str], Support] = {}
        for (voice, person), support in sorted(self.pairs.items()):
            key = (names.get(voice, voice), person)
            pairs[key] = pairs.get(key, Support()) + support
        return Evidence(pairs)


def solo_spans(turns: Sequence[Turn]) -> list[tuple[str, Span]]:
    """The parts of all turns in which one voice speaks alone, by time."""
    changes: dict[Fraction, Counter[str]] = {}
    for turn in turns:
        if turn.span.duration > 0:
            changes.setdefault(turn.span.start, Counter())[turn.voice] += 1
            changes.setdefault(turn.span.end, Counter())[turn.voice] -= 1
    active: Counter[str] = Counter()
    alone: dict[str, list[Span]] = {}
    for edge, following in pairwise(sorted(changes)):
        active.update(changes[edge])
        speaking = [voice for voice, count in active.items() if count > 0]
        if len(speaking) == 1:
            alone.setdefault(speaking[0], []).append(Span(edge, following))
    found = [(voice, span) for voice, spans in alone.items() for span in merge(spans)]
    return sorted(found, key=lambda item: (item[1], item[0]))


def gather_evidence(turns: Sequence[Turn], faces: Faces, options: EvidenceOptions) -> Evidence:
    """Support of every (voice, person) pair over the whole film."""
    pairs: dict[tuple[str, str], Support] = {}
    shortest = to_seconds(options.shortest_s)
    for voice, solo in solo_spans(turns):
        for shot in faces.shots:
            segment = shot.span & solo
            if segment is None or segment.duration < shortest:
                continue
            for person, support in _in_segment(segment, shot, faces, options):
                key = (voice, person)
                pairs[key] = pairs.get(key, Support()) + support
    return Evidence(pairs)


def _in_segment(
    segment: Span, shot: Shot, faces: Faces, options: EvidenceOptions
) -> list[tuple[str, Support]]:
    """What the faces of one shot say about who speaks during ``segment``.

    Only the mouth that moves most may be the speaker's: another moving one (somebody chews or
    laughs) is no evidence for its person, and none against.
    """
    moving: list[tuple[str, float, float]] = []
    for track in faces.tracks_in(segment):
        person = faces.person_of(track)
        if person is None or track.shot != shot.index:
            continue
        speed = faces.speed(track, segment)
        if speed is not None:
            moving.append((person, speed, faces.usable(track, segment)))
    most = max((speed for _, speed, _ in moving), default=0.0)
    found = []
    for person, speed, seconds in moving:
        weight = float(np.clip((speed - SPEAKING) / SPEAKING, -1.0, options.most))
        if speed < most:
            weight = min(weight, 0.0)
        agreeing = seconds if weight > 0 else 0.0
        found.append((person, Support(seconds * weight, agreeing, seconds)))
    return found


def join_split_voices(
    evidence: Evidence,
    turns: Sequence[Turn],
    voiceprints: Mapping[str, Voiceprint],
    options: EvidenceOptions,
) -> tuple[dict[str, str], list[Decision]]:
    """Voices that diarization split although one mouth speaks both: old name -> kept name.

    The voice that speaks longer keeps its name. Every join is a recorded decision.
    """
    seconds = {voice: total(t.span for t in turns if t.voice == voice) for voice in voiceprints}
    order = sorted(voiceprints, key=lambda voice: (-seconds[voice], voice))
    same: dict[str, str] = {}
    decisions = []
    for index, voice in enumerate(order):
        person = _clear_person(evidence, voice, options)
        if person is None:
            continue
        for kept in order[:index]:
            if kept in same or _clear_person(evidence, kept, options) != person:
                continue
            likeness = float(voiceprints[voice] @ voiceprints[kept])
            if likeness < options.same_voice:
                continue
            same[voice] = kept
            reason = (
                f"voices {kept} and {voice} are one speaker: the same mouth ({person}) speaks both "
                f"and their voiceprints are alike ({likeness:.2f})"
            )
            decisions.append(Decision("attribute", voice, "warning", reason))
            break
    return same, decisions


def _clear_person(evidence: Evidence, voice: str, options: EvidenceOptions) -> str | None:
    best = evidence.best(voice)
    if best is None:
        return None
    person, support = best
    clear = support.evidence >= options.clear and support.agreement >= options.clear_agreement
    return person if clear else None


@dataclass(frozen=True, slots=True)
class Link:
    """The person a voice belongs to, or none, and how sure that is (0..1)."""

    person: str | None
    confidence: float


def link(evidence: Evidence, voices: Sequence[str], options: EvidenceOptions) -> dict[str, Link]:
    """One link per voice: the assignment with most evidence in all, where "never seen" costs none.

    A link's confidence is the share of the usable time in which the mouth moved, scaled down below
    1 s of such time. An unlinked voice's is how much speaks against its best face, 0.5 when no face
    was ever usable.
    """
    people = sorted({person for _, person in evidence.pairs})
    gain = np.zeros((len(voices), len(people) + len(voices)))  # the last columns: never seen
    for row, voice in enumerate(voices):
        for column, person in enumerate(people):
            gain[row, column] = _gain(evidence.get(voice, person), options)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    chosen = dict(zip(rows.tolist(), columns.tolist(), strict=True))
    links = {}
    for row, voice in enumerate(voices):
        column = chosen[row]
        if column < len(people) and gain[row, column] > 0:
            support = evidence.get(voice, people[column])
            sure = support.agreement * min(1.0, support.usable)
            links[voice] = Link(people[column], sure)
        else:
            best = max((s.agreement for s in evidence.of(voice).values()), default=None)
            links[voice] = Link(None, 0.5 if best is None else max(0.0, 1.0 - best))
    return links


def _gain(support: Support, options: EvidenceOptions) -> float:
    """Evidence beyond the least that a link needs; -1 where a link is not allowed."""
    if support.agreement < options.least_agreement:
        return -1.0
    return support.evidence - options.least
