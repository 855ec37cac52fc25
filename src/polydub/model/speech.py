"""Who speaks, what and when: words, turns, speakers, lines, takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from polydub.model.media import Waveform
from polydub.model.time import Span

Voiceprint = npt.NDArray[np.float32]
"""Unit-length speaker embedding ``[d]``; cosine similarity is the dot product."""

Visibility = Literal["on-screen", "off-screen", "narration"]
TranslationStatus = Literal["ok", "draft", "given", "untranslated"]


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word; ``text`` carries its punctuation, ``spaced`` a space before it."""

    text: str
    span: Span
    probability: float = 1.0
    spaced: bool = True


def text_of(words: Iterable[Word]) -> str:
    """The ``words`` as they are written, one after the other."""
    return "".join((" " if word.spaced else "") + word.text for word in words).strip()


@dataclass(frozen=True, slots=True)
class Transcript:
    """All words of a source, in time order; ``language`` is BCP-47."""

    language: str
    language_probability: float
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """A span in which one voice speaks; ``voice`` names the diarization cluster."""

    span: Span
    voice: str


@dataclass(frozen=True, slots=True)
class Phone:
    """One IPA phone (or ``" "`` for a pause) with its time inside a take."""

    symbol: str
    span: Span

    def shift(self, seconds: Fraction) -> Phone:
        """The same phone ``seconds`` later."""
        return Phone(self.symbol, self.span.shift(seconds))


CLONE = "clone"
"""The style of an engine that clones: the speaker's own voice, after a piece of his speech."""


@dataclass(frozen=True, slots=True)
class VoiceChoice:
    """The synthetic voice of one speaker in one language: matched by measurement, or cloned.

    ``style`` names a voice of ``engine``; what follows a colon in it shapes that voice, in the
    engine's own words. ``pitch`` (ratio), ``warp`` (vocal-tract ratio) and
    ``envelope`` (0..1 strength) are applied after synthesis. ``similarity`` is the cosine between
    the voiceprints of the voice and of the speaker.
    """

    engine: str
    style: str
    pitch: float = 1.0
    warp: float = 1.0
    envelope: float = 0.0
    similarity: float | None = None
    pinned: bool = False

    @property
    def voice(self) -> str:
        """The engine's voice that the style starts from."""
        return self.style.partition(":")[0]

    @property
    def is_cloned(self) -> bool:
        """Whether the engine imitates the speaker's own voice; else one of its own is used."""
        return self.voice == CLONE

    @property
    def is_neutral(self) -> bool:
        """Whether the voice is used as it comes from the synthesiser."""
        return self.pitch == 1.0 and self.warp == 1.0 and self.envelope <= 0.0

    def neutral(self) -> VoiceChoice:
        """The same voice without conversion after synthesis."""
        return replace(self, pitch=1.0, warp=1.0, envelope=0.0)


@dataclass(frozen=True, slots=True)
class Speaker:
    """A member of the cast. ``name`` is a hint from the text when ``name_confidence`` is set, else
    made up or a user's. ``person`` links to a :class:`~polydub.model.faces.Person` when seen.

    ``references`` are spans of the source in which this voice speaks alone, ``reference_scores``
    why each was chosen (``score`` and its parts, 0 to 1; empty when a user chose them). ``gender``
    (with ``gender_confidence``), ``pitch_hz`` (median), ``pitch_range_hz`` (5 to 95 %) and
    ``syllables_per_s`` are hints that a user may change. ``voices`` maps a target language to the
    chosen voice.
    """

    id: str
    name: str
    person: str | None = None
    gender: str | None = None
    pitch_hz: float | None = None
    references: tuple[Span, ...] = ()
    reference_scores: tuple[dict[str, float], ...] = ()
    pitch_range_hz: tuple[float, float] | None = None
    syllables_per_s: float | None = None
    gender_confidence: float | None = None
    name_confidence: float | None = None
    voices: dict[str, VoiceChoice] = field(default_factory=dict)
    confidence: float = 1.0
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Translation:
    """A line in one target language; ``note`` says why when ``status`` is not ``ok``.

    ``origin`` fingerprints the source text and the machine's answer, so that a later run can tell a
    translation that went stale, or that a person edited, from one that is still the machine's.
    ``alternatives`` are all the wordings that a machine offered, the most faithful first: the one
    that fits the moment best is ``text``, and a person may take another.
    """

    text: str
    status: TranslationStatus = "ok"
    engine: str = ""
    note: str = ""
    origin: str = ""
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """What one speaker says in one go."""

    id: str
    speaker: str
    span: Span
    text: str
    words: tuple[Word, ...] = ()
    visibility: Visibility = "off-screen"
    confidence: float = 1.0
    translations: dict[str, Translation] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """One synthesis of one line: mono audio, phone times inside it, and how it was made.

    ``speed`` is the engine's own rate (1 = natural). ``pauses`` are silences inserted at the
    source's pauses, already part of ``audio``. ``scores`` hold measured values by name.
    """

    line: str
    audio: Waveform
    phones: tuple[Phone, ...]
    voice: VoiceChoice
    speed: float = 1.0
    scores: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a take lies on the timeline; ``speed`` is its total rate against natural speech."""

    line: str
    span: Span
    speed: float = 1.0
    notes: tuple[str, ...] = ()

    @property
    def start(self) -> Fraction:
        """First audible moment in seconds."""
        return self.span.start
