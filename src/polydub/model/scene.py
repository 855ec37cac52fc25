"""Lines that are dubbed in one go: the request, and the speech that comes back."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from polydub.model.media import Image, Waveform
from polydub.model.time import Span


@dataclass(frozen=True, slots=True)
class SceneLine:
    """One line of a scene to dub: what is said, by whom, and in which span of film time.

    ``gender`` is ``"female"``, ``"male"`` or ``None``, ``age`` an English word like ``"adult"``.
    """

    id: str
    speaker: str
    text: str
    span: Span
    gender: str | None = None
    age: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SceneFace:
    """The face of whoever speaks at a moment of film time: RGB pixels of its box."""

    time: Fraction
    pixels: Image


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Lines that are spoken in one go, with all that tells how.

    ``span`` is film time and holds the spans of all ``lines``. ``clue`` describes voices and
    emotion in a sentence. ``faces`` are sorted by time, about five a second, none where nobody is
    seen. ``references`` are mono recordings of the voices by speaker. ``narrated`` tells that
    nobody of the scene is part of the picture. ``room`` is how many seconds the speech may last at
    most, a little more where speech can be sped up; ``None``: as long as it likes. ``attempt``
    counts takes of one scene from 0: each is another one.
    """

    span: Span
    language: str
    lines: tuple[SceneLine, ...]
    references: dict[str, Waveform]
    clue: str = ""
    faces: tuple[SceneFace, ...] = ()
    narrated: bool = False
    room: Fraction | None = None
    attempt: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class SceneSpeech:
    """A scene as it was spoken: mono ``audio`` from the scene's start, shorter or longer than it.

    ``notes`` say what of the request could not be heeded.
    """

    audio: Waveform
    notes: tuple[str, ...] = ()
