"""On-screen, off-screen or narration, for every line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from polydub.model import Span, Visibility, to_seconds
from polydub.stages.face_evidence import Faces


@dataclass(frozen=True, slots=True)
class VisibilityOptions:
    """When a line is on screen, and who is a narrator.

    A line is on screen when its speaker's face covers ``on_screen_share`` of it: a mouth that is
    seen for a second of a long line has to follow the dub for that second. A speaker without a face
    is a narrator unless ``dialogue_share`` of his lines has another speaker's line within
    ``exchange_s`` before or after, or unless a mouth in the picture clearly speaks one of his lines
    (``speaks``: that many nats in favour).
    """

    on_screen_share: float = 0.2
    dialogue_share: float = 0.5
    exchange_s: float = 2.5
    speaks: float = 1.5


@dataclass(frozen=True, slots=True)
class SpokenLine:
    """A line as far as visibility goes; ``mouths``: the most that any visible mouth says for it."""

    speaker: str
    span: Span
    mouths: float


def visibility_of(
    lines: Sequence[SpokenLine],
    persons: Mapping[str, str | None],
    faces: Faces,
    options: VisibilityOptions,
) -> list[Visibility]:
    """One answer per line, in order; ``persons``: the face of each speaker."""
    unseen = sorted({line.speaker for line in lines if persons[line.speaker] is None})
    narrators = {speaker for speaker in unseen if _narrates(lines, speaker, options)}
    found: list[Visibility] = []
    for line in lines:
        if line.speaker in narrators:
            found.append("narration")
        elif _on_screen(line, persons[line.speaker], faces, options):
            found.append("on-screen")
        else:
            found.append("off-screen")
    return found


def _on_screen(
    line: SpokenLine, person: str | None, faces: Faces, options: VisibilityOptions
) -> bool:
    if person is None:
        return False
    covered = faces.seen(person, line.span)
    return covered > 0 and covered >= line.span.duration * to_seconds(options.on_screen_share)


def _narrates(lines: Sequence[SpokenLine], speaker: str, options: VisibilityOptions) -> bool:
    own = [at for at, line in enumerate(lines) if line.speaker == speaker]
    if any(lines[at].mouths > options.speaks for at in own):
        return False
    near = to_seconds(options.exchange_s)
    return sum(_answers(lines, at, near) for at in own) < options.dialogue_share * len(own)


def _answers(lines: Sequence[SpokenLine], index: int, near: Fraction) -> bool:
    """Whether another speaker's line lies close to this one."""
    line = lines[index]
    for step in (-1, 1):
        other = index + step
        while 0 <= other < len(lines):
            if lines[other].span.gap(line.span) > near:
                break
            if lines[other].speaker != line.speaker:
                return True
            other += step
    return False
