"""The Script: cast and lines of one source, all target languages. The seam of the whole design."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from polydub.model.faces import Person
from polydub.model.speech import Line, Speaker, Turn

SCHEMA = "polydub.script/1"


@dataclass(frozen=True, slots=True)
class Script:
    """Cast and lines of one source; unknown JSON fields live in ``extra``.

    ``wordless`` are turns of the cast in which no word was recognised, mostly where two speak at
    once; their ``voice`` is a speaker's id.
    """

    source: str
    digest: str
    duration: Fraction
    language: str
    cast: tuple[Speaker, ...]
    lines: tuple[Line, ...]
    people: tuple[Person, ...] = ()
    wordless: tuple[Turn, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)

    def speaker(self, speaker_id: str) -> Speaker:
        """The cast member with that id. Raises ``KeyError`` when there is none."""
        for speaker in self.cast:
            if speaker.id == speaker_id:
                return speaker
        raise KeyError(speaker_id)

    def lines_of(self, speaker_id: str) -> tuple[Line, ...]:
        """The lines of one speaker, in script order."""
        return tuple(line for line in self.lines if line.speaker == speaker_id)

    def with_lines(self, lines: tuple[Line, ...]) -> Script:
        """The same script with other lines."""
        return replace(self, lines=lines)

    def with_cast(self, cast: tuple[Speaker, ...]) -> Script:
        """The same script with another cast."""
        return replace(self, cast=cast)
