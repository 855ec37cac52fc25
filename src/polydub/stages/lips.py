"""Which mouths must follow the dub, and in which frames. Pure planning: no pixels here."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from polydub.engines.protocols import LipSpan
from polydub.model import (
    Decision,
    FaceTrack,
    Line,
    Person,
    Phone,
    Placement,
    Shot,
    Span,
    VideoStream,
    merge,
)

STAGE = "lips"

OFF_SCREEN = "the speaker is not on screen: no mouth to move"
NARRATION = "narration: no mouth to move"
SINGING = "singing: the original mouth stays"
NO_TAKE = "nothing is said in its place: the original mouth stays"
UNLINKED = "the speaker is not linked to a face"
NO_TRACK = "the speaker's face is not visible during the line"


_SUNG = re.compile(r"[♪♫♬]|[\[(](?:sings|singing|canta|cantando|chante|唱)[^\])]*[\])]", re.I)
"""How subtitles and scripts mark what is sung; nobody here hears it."""


@dataclass(frozen=True, slots=True)
class LipPlanOptions:
    """Times in seconds.

    ``lead`` and ``tail`` are added before and after speech so that the mouth can fade in and come
    to rest. ``bridge`` is the longest silence between two lines of one person in which the mouth
    stays ours. ``longest`` bounds a span, and with it the pixels held in memory. ``context`` is how
    far beyond a span its phones are listed: neighbours shape a mouth.
    """

    lead: Fraction = Fraction(3, 20)
    tail: Fraction = Fraction(1, 4)
    bridge: Fraction = Fraction(1, 2)
    longest: Fraction = Fraction(8)
    context: Fraction = Fraction(3, 10)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of film time in which one line moves its speaker's mouth."""

    line: str
    core: Span
    span: Span
    phones: tuple[Phone, ...]


def plan_lip_spans(
    lines: Sequence[Line],
    placements: Mapping[str, Placement],
    takes_phones: Mapping[str, tuple[Phone, ...]],
    speaker_person: Mapping[str, str | None],
    tracks: Sequence[FaceTrack],
    people: Sequence[Person],
    shots: Sequence[Shot],
    video: VideoStream,
    *,
    options: LipPlanOptions | None = None,
) -> tuple[dict[str, tuple[LipSpan, ...]], tuple[Decision, ...]]:
    """Spans to render by person id, and why other lines keep the original mouth.

    A line needs its original span, in which the old mouth moved, and its placement, in which the
    new one speaks. ``placements`` and ``takes_phones`` (times inside the take) go by line id. Spans
    of one track never overlap; those of neighbouring lines touch. They are ordered by track, then
    by time.
    """
    options = options or LipPlanOptions()
    pieces: dict[str, list[_Piece]] = {}
    decisions: list[Decision] = []
    for line in lines:
        placement = placements.get(line.id)
        person = speaker_person.get(line.speaker)
        reason = _reason_against(line, placement, person)
        if reason or placement is None or person is None:
            decisions.append(_kept(line, reason))
            continue
        phones = tuple(p.shift(placement.start) for p in takes_phones.get(line.id, ()))
        pieces.setdefault(person, []).extend(_pieces(line, placement, phones, options))
    names = {person.id: frozenset(person.tracks) for person in people}
    plan: dict[str, tuple[LipSpan, ...]] = {}
    seen: set[str] = set()
    for person in sorted(pieces):
        own = [track for track in tracks if track.id in names.get(person, frozenset())]
        spans = _cut(_joined(pieces[person], options), own, shots, video, options)
        seen |= {span.line for span in spans}
        if spans:
            plan[person] = tuple(spans)
    planned = {piece.line for of_person in pieces.values() for piece in of_person}
    decisions += [_kept(line, NO_TRACK) for line in lines if line.id in planned - seen]
    return plan, tuple(decisions)


def _reason_against(line: Line, placement: Placement | None, person: str | None) -> str:
    if line.visibility == "narration":
        return NARRATION
    if line.visibility == "off-screen":
        return OFF_SCREEN
    if _SUNG.search(line.text):
        return SINGING
    if placement is None:
        return NO_TAKE
    return UNLINKED if person is None else ""


def _kept(line: Line, reason: str) -> Decision:
    return Decision(STAGE, line.id, "pass-through", reason, line.span)


def _pieces(
    line: Line, placement: Placement, phones: tuple[Phone, ...], options: LipPlanOptions
) -> list[_Piece]:
    cores = merge((line.span, placement.span), gap=options.bridge)
    return [
        _Piece(
            line.id,
            core,
            Span(max(Fraction(0), core.start - options.lead), core.end + options.tail),
            phones,
        )
        for core in cores
    ]


def _joined(pieces: list[_Piece], options: LipPlanOptions) -> list[_Piece]:
    """Pieces in time order, none overlapping; short silences are shared between neighbours."""
    done: list[_Piece] = []
    for piece in sorted(pieces, key=lambda piece: (piece.core, piece.line)):
        if done:
            before = done[-1]
            near = before.core.gap(piece.core) <= options.bridge
            if near or before.span.end > piece.span.start:
                border = (before.core.end + piece.core.start) / 2
                border = min(max(border, before.span.start), piece.span.end)
                phones = before.phones, piece.phones
                if before.core.overlap(piece.core):  # two takes of one mouth: both are heard
                    phones = (before.phones + piece.phones,) * 2
                end = max(border, piece.span.end, before.span.end)
                done[-1] = replace(before, span=Span(before.span.start, border), phones=phones[0])
                core = Span(piece.core.start, max(piece.core.end, before.core.end))
                piece = replace(piece, core=core, span=Span(border, end), phones=phones[1])
        done.append(piece)
    return [piece for piece in done if piece.span.duration > 0]


def _cut(
    pieces: list[_Piece],
    tracks: list[FaceTrack],
    shots: Sequence[Shot],
    video: VideoStream,
    options: LipPlanOptions,
) -> list[LipSpan]:
    """Spans inside one track and one shot each, none longer than ``options.longest``."""
    limits = {shot.index: (shot.first, shot.last) for shot in shots}
    spans: list[LipSpan] = []
    for track in sorted(tracks, key=lambda track: (track.first, track.id)):
        first, last = limits.get(track.shot, (track.frames.start, track.frames.stop))
        for piece in pieces:
            frames = video.frames_in(piece.span)
            start = max(frames.start, track.frames.start, first)
            stop = min(frames.stop, track.frames.stop, last)
            for part in _split(start, stop, video, options.longest):
                spans.append(_span(track.id, piece, part, video, options.context))
    return spans


def _split(start: int, stop: int, video: VideoStream, longest: Fraction) -> list[tuple[int, int]]:
    if stop <= start:
        return []
    length = video.frame_time(stop) - video.frame_time(start)
    parts = min(max(1, math.ceil(length / longest)), stop - start)
    borders = [start + (stop - start) * part // parts for part in range(parts + 1)]
    return [(borders[part], borders[part + 1]) for part in range(parts)]


def _span(
    track: str, piece: _Piece, frames: tuple[int, int], video: VideoStream, context: Fraction
) -> LipSpan:
    span = Span(video.frame_time(frames[0]), video.frame_time(frames[1]))
    near = span.pad(context)
    phones = tuple(phone for phone in piece.phones if near.overlap(phone.span) > 0)
    return LipSpan(track, piece.line, frames, span, phones)
