"""Who says each line, and is the speaker seen? Voices and faces are joined once, over the film.

For every turn of a voice that nobody else talks into, and every shot it crosses, each face with a
usable mouth gives evidence: seconds times how far its mouth speed lies above or below the threshold
between speakers and listeners. A listener's still mouth counts against. The sums decide the whole
film in one assignment, in which a voice may stay unseen. One turn alone is wrong too often, since a
laughing listener moves his mouth more than the speaker (27 of 29 film segments right per turn).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from statistics import fmean

from polydub.model import (
    Decision,
    FaceTrack,
    Line,
    Person,
    Shot,
    Span,
    Speaker,
    Transcript,
    Turn,
    Visibility,
    Voiceprint,
    total,
)
from polydub.stages.active_speaker import SPEAKING
from polydub.stages.face_evidence import (
    EvidenceOptions,
    Faces,
    Link,
    gather_evidence,
    join_split_voices,
    link,
)
from polydub.stages.lines import LineOptions, VoiceLine, build_lines


@dataclass(frozen=True, slots=True)
class AttributeOptions:
    """Settings of :func:`attribute`.

    A line is on screen when its speaker's face covers ``on_screen_share`` of it: a mouth that is
    seen for a second of a long line has to follow the dub for that second. An unseen speaker
    is a narrator unless ``dialogue_share`` of his lines has another speaker's line within
    ``exchange_s`` before or after.
    """

    lines: LineOptions = field(default_factory=LineOptions)
    evidence: EvidenceOptions = field(default_factory=EvidenceOptions)
    on_screen_share: float = 0.2
    dialogue_share: float = 0.5
    exchange_s: float = 2.5


@dataclass(frozen=True, slots=True)
class Attribution:
    """Cast and lines of a film; ``voice_of`` maps a speaker id to the diarization voice.

    ``voices_of`` has every voice of a speaker: more than one when diarization had split it.
    """

    cast: tuple[Speaker, ...]
    lines: tuple[Line, ...]
    decisions: tuple[Decision, ...]
    voice_of: dict[str, str]
    voices_of: dict[str, tuple[str, ...]]


def attribute(
    transcript: Transcript,
    turns: Sequence[Turn],
    voiceprints: Mapping[str, Voiceprint],
    tracks: Sequence[FaceTrack],
    people: Sequence[Person],
    shots: Sequence[Shot],
    *,
    frame_time: Callable[[int], Fraction],
    rate: float,
    options: AttributeOptions | None = None,
) -> Attribution:
    """Cast and lines; ids ``S1``, ``L001`` by time.

    ``frame_time`` gives the film time of a frame, ``rate`` frames per second. A speaker's
    ``confidence`` says how sure the link to his face is (or that he has none), a line's how clearly
    the line belongs to its speaker.
    """
    options = options or AttributeOptions()
    faces = Faces(tracks, people, shots, frame_time, rate)
    evidence = gather_evidence(turns, faces, options.evidence)
    same, decisions = join_split_voices(evidence, turns, voiceprints, options.evidence)
    turns = [Turn(turn.span, same.get(turn.voice, turn.voice)) for turn in turns]
    voice_lines = build_lines(transcript, turns, options=options.lines)
    spoken = list(dict.fromkeys(line.voice for line in voice_lines))  # by first appearance
    links = link(evidence.renamed(same), spoken, options.evidence)
    ids = {voice: f"S{number}" for number, voice in enumerate(spoken, 1)}
    return Attribution(
        cast=tuple(_speaker(ids[voice], links[voice]) for voice in spoken),
        lines=tuple(_lines(voice_lines, ids, links, turns, faces, options)),
        decisions=(*decisions, *_silent_voices(turns, spoken)),
        voice_of={ids[voice]: voice for voice in spoken},
        voices_of={
            ids[voice]: (voice, *sorted(old for old, new in same.items() if new == voice))
            for voice in spoken
        },
    )


def _speaker(identifier: str, found: Link) -> Speaker:
    return Speaker(
        id=identifier,
        name=f"Speaker {identifier[1:]}",
        person=found.person,
        confidence=round(found.confidence, 3),
    )


def _lines(
    voice_lines: Sequence[VoiceLine],
    ids: Mapping[str, str],
    links: Mapping[str, Link],
    turns: Sequence[Turn],
    faces: Faces,
    options: AttributeOptions,
) -> Iterator[Line]:
    persons = {voice: found.person for voice, found in links.items()}
    visibility = _Visibility(voice_lines, persons, faces, options).all()
    for number, (line, seen) in enumerate(zip(voice_lines, visibility, strict=True), 1):
        confidence = _line_confidence(line, turns, persons[line.voice], seen, faces)
        yield Line(
            id=f"L{number:03d}",
            speaker=ids[line.voice],
            span=line.span,
            text=line.text,
            words=line.words,
            visibility=seen,
            confidence=round(confidence, 3),
        )


def _silent_voices(turns: Sequence[Turn], spoken: Sequence[str]) -> list[Decision]:
    """Voices heard for a second or more in which no word was recognised."""
    decisions = []
    for voice in sorted({turn.voice for turn in turns} - set(spoken)):
        spans = sorted(turn.span for turn in turns if turn.voice == voice)
        if total(spans) >= 1:
            reason = f"a voice is heard for {float(total(spans)):.1f} s but no word was recognised"
            decisions.append(Decision("attribute", voice, "pass-through", reason, spans[0]))
    return decisions


class _Visibility:
    """On-screen, off-screen or narration, for every line.

    * on-screen: the speaker has a face, and it is visible for a fifth of the line or more.
    * narration: the speaker is never seen; in none of his lines another face's mouth moves like a
      speaker's; and he talks to nobody: in less than half of his lines another speaker's line lies
      within 2.5 s before or after. So a voice from behind or off the picture that takes part in a
      conversation is not narration.
    * off-screen: everything else.
    """

    def __init__(
        self,
        lines: Sequence[VoiceLine],
        persons: Mapping[str, str | None],
        faces: Faces,
        options: AttributeOptions,
    ) -> None:
        self._lines = lines
        self._persons = persons
        self._faces = faces
        self._options = options

    def all(self) -> list[Visibility]:
        """One answer per line, in order."""
        unseen = sorted({line.voice for line in self._lines if not self._persons[line.voice]})
        narrators = {voice for voice in unseen if self._narrates(voice)}
        return [
            "narration"
            if line.voice in narrators
            else "on-screen"
            if self._on_screen(line)
            else "off-screen"
            for line in self._lines
        ]

    def _on_screen(self, line: VoiceLine) -> bool:
        person = self._persons[line.voice]
        if person is None:
            return False
        least = line.span.duration * Fraction(self._options.on_screen_share).limit_denominator(1000)
        covered = self._faces.seen(person, line.span)
        return covered >= least and covered > 0

    def _narrates(self, voice: str) -> bool:
        own = [index for index, line in enumerate(self._lines) if line.voice == voice]
        for index in own:
            span = self._lines[index].span
            speeds = (self._faces.speed(track, span) for track in self._faces.tracks_in(span))
            if any(speed is not None and speed > SPEAKING for speed in speeds):
                return False
        talking = sum(self._answers(index) for index in own)
        return talking < self._options.dialogue_share * len(own)

    def _answers(self, index: int) -> bool:
        """Whether another speaker's line lies close to this one."""
        line = self._lines[index]
        near = Fraction(self._options.exchange_s)
        for step in (-1, 1):
            other = index + step
            while 0 <= other < len(self._lines):
                if self._lines[other].span.gap(line.span) > near:
                    break
                if self._lines[other].voice != line.voice:
                    return True
                other += step
        return False


def _line_confidence(
    line: VoiceLine, turns: Sequence[Turn], person: str | None, seen: Visibility, faces: Faces
) -> float:
    """How clearly the line is its speaker's.

    The mean over its words of the speaker's share in the turns that the word lies in, 0.5 for a
    word outside every turn. A speaker whose visible mouth is still halves it.
    """
    near = [turn for turn in turns if turn.span.overlap(line.span) > 0]
    shares = []
    for word in line.words:
        own = total(_common(word.span, near, line.voice, same=True))
        other = total(_common(word.span, near, line.voice, same=False))
        shares.append(float(own / (own + other)) if own + other else 0.5)
    confidence = fmean(shares)
    if person is None or seen != "on-screen":
        return confidence
    speeds = [
        speed
        for track in faces.tracks_of(person, line.span)
        if (speed := faces.speed(track, line.span)) is not None
    ]
    return confidence / 2 if speeds and max(speeds) <= SPEAKING else confidence


def _common(span: Span, turns: Sequence[Turn], voice: str, *, same: bool) -> list[Span]:
    chosen = (turn.span & span for turn in turns if (turn.voice == voice) is same)
    return [common for common in chosen if common is not None]
