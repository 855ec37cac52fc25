"""From the voices of atoms to turns, overlap included, and what changed against diarization."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from polydub.model import Decision, Line, Span, Turn, merge, total, without

JOIN = Fraction(1, 4)
"""A voice that goes on after such a pause stays in one turn."""


def turns_of(spoken: Sequence[tuple[Span, str]]) -> tuple[Turn, ...]:
    """Turns from spans with their speakers, by time; turns of one speaker never overlap."""
    by_speaker: dict[str, list[Span]] = {}
    for span, speaker in spoken:
        if span.duration > 0:
            by_speaker.setdefault(speaker, []).append(span)
    spans_of = {speaker: merge(spans) for speaker, spans in by_speaker.items()}
    edges = sorted((span.start, speaker) for speaker, own in spans_of.items() for span in own)
    found = []
    for speaker, spans in spans_of.items():
        joined: list[Span] = []
        for span in spans:
            if joined and span.start - joined[-1].end <= JOIN:
                between = [who for start, who in edges if joined[-1].end <= start < span.start]
                if not between:
                    joined[-1] = joined[-1] | span
                    continue
            joined.append(span)
        found += [Turn(span, speaker) for span in joined]
    return tuple(sorted(found, key=lambda turn: (turn.span, turn.voice)))


def wordless_turns(
    turns: Sequence[Turn], lines: Sequence[Line], *, least: Fraction = Fraction(1, 5)
) -> tuple[Turn, ...]:
    """The parts of ``turns``, ``least`` seconds or more, that no line of their speaker covers.

    Shorter ones are the half pauses around words, unless another speaker talks: what begins or goes
    on under his words counts, however short. The voices of ``turns`` are speaker ids; those who
    have no line are left out.
    """
    found = []
    for speaker in sorted({line.speaker for line in lines}):
        said = merge(line.span for line in lines if line.speaker == speaker)
        others = merge(line.span for line in lines if line.speaker != speaker)
        ends = {time for span in said for time in (span.start, span.end)}
        spans = [turn.span for turn in turns if turn.voice == speaker]
        free = without(merge(spans), said)
        starts = [span.start for span in free]
        alone = {bisect_right(starts, part.start) - 1 for part in without(free, others)}
        for at, span in enumerate(free):
            beside = span.start in ends or span.end in ends
            if span.duration >= least or (beside and at not in alone):
                found.append(Turn(span, speaker))
    return tuple(sorted(found, key=lambda turn: (turn.span, turn.voice)))


def voices_by_speaker(
    before: Sequence[Turn], after: Sequence[Turn], speakers: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """The diarization voices of each speaker, the one with most time first.

    A voice belongs to the speaker with most of its time; a speaker whom no voice belongs to, since
    diarization took him for another, gets the voice that he shares.
    """
    shared = shared_time(before, after)
    voices = sorted({turn.voice for turn in before})
    owner = {
        voice: max(speakers, key=lambda who: shared.get((voice, who), Fraction(0)))
        for voice in voices
        if any(shared.get((voice, who)) for who in speakers)
    }
    found: dict[str, tuple[str, ...]] = {}
    for who in speakers:

        def share(voice: str, who: str = who) -> Fraction:
            return -shared.get((voice, who), Fraction(0))

        own = sorted((voice for voice in owner if owner[voice] == who), key=share)
        found[who] = tuple(own or sorted((v for v in voices if share(v) < 0), key=share)[:1])
    return found


def shared_time(before: Sequence[Turn], after: Sequence[Turn]) -> dict[tuple[str, str], Fraction]:
    """Seconds that each voice of ``before`` shares with each of ``after``."""
    shared: dict[tuple[str, str], Fraction] = {}
    ordered = sorted(after, key=lambda turn: turn.span)
    longest = max((turn.span.duration for turn in ordered), default=Fraction(0))
    starts = np.array([float(turn.span.start) for turn in ordered])
    for turn in before:
        low = float(turn.span.start - longest) - 1e-3
        for at in range(*np.searchsorted(starts, [low, float(turn.span.end) + 1e-3]).tolist()):
            common = turn.span.overlap(ordered[at].span)
            if common > 0:
                key = (turn.voice, ordered[at].voice)
                shared[key] = shared.get(key, Fraction(0)) + common
    return shared


def compared(
    before: Sequence[Turn],
    after: Sequence[Turn],
    voices_of: Mapping[str, tuple[str, ...]],
    persons: Mapping[str, str | None],
) -> list[Decision]:
    """What the joint decision changed: voices that were joined, and voices that were divided."""
    decisions = []
    for speaker, voices in voices_of.items():
        mouth = f"; the same mouth ({persons[speaker]}) speaks them" if persons[speaker] else ""
        for voice in voices[1:]:
            reason = f"voices {voices[0]} and {voice} are one speaker ({speaker}){mouth}"
            decisions.append(Decision("attribute", voice, "warning", reason))
    shared = shared_time(before, after)
    for voice in sorted({turn.voice for turn in before}):
        parts = {who: time for (old, who), time in shared.items() if old == voice and time >= 1}
        if len(parts) > 1 and sum(voice in own for own in voices_of.values()) > 1:
            names = " and ".join(sorted(parts))
            reason = f"voice {voice} of the diarization is more than one speaker: {names}"
            decisions.append(Decision("attribute", voice, "warning", reason))
    return decisions


def silent_voices(turns: Sequence[Turn], speakers: set[str]) -> list[Decision]:
    """Voices heard for a second or more in which no word was recognised."""
    decisions = []
    for voice in sorted({turn.voice for turn in turns} - speakers):
        spans = sorted(turn.span for turn in turns if turn.voice == voice)
        if total(spans) >= 1:
            reason = f"a voice is heard for {float(total(spans)):.1f} s but no word was recognised"
            decisions.append(Decision("attribute", voice, "pass-through", reason, spans[0]))
    return decisions
