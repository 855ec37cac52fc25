"""What each kind of engine does: one method each, values in, values out.

An engine is a class whose constructor takes only keyword options, imports its heavy library inside
the constructor, and carries ``capabilities``. Nothing is inherited: any class with the right method
fits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from polydub.model import (
    Detection,
    FacePrint,
    FaceTrack,
    Image,
    Landmarks,
    Phone,
    Samples,
    Shot,
    Span,
    Transcript,
    VoiceChoice,
    Voiceprint,
    Waveform,
)
from polydub.model.cues import PitchTrack
from polydub.model.scene import Scene, SceneSpeech

Kind = Literal[
    "separate",
    "shots",
    "faces",
    "identify-face",
    "vad",
    "segment",
    "voiceprint",
    "active-speaker",
    "recognize",
    "translate",
    "speak",
    "convert",
    "dubbing",
    "lips",
]
KINDS: tuple[Kind, ...] = (
    "separate",
    "shots",
    "faces",
    "identify-face",
    "vad",
    "segment",
    "voiceprint",
    "active-speaker",
    "recognize",
    "translate",
    "speak",
    "convert",
    "dubbing",
    "lips",
)


Pace = Literal["speed", "seconds", "none"]
"""What a synthesiser goes by: a rate; a rate and a length in seconds; neither of them."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do and what it costs, readable without loading it.

    ``languages`` are BCP-47 tags (empty: any), ``rate`` is its audio sample rate in Hz (0: none).
    ``version`` enters every cache key: raise it when the engine's output changes. It needs the
    imports ``requires``, the ``weights`` (:mod:`polydub.engines.weights`) and one of the variables
    ``brings`` or its option; ``extra`` is the pip extra, ``install`` what else to do. A synthesiser
    that ``clones`` speaks in the voice of ``SpeechRequest.voice``, one that ``acts`` takes over how
    ``SpeechRequest.manner`` is said; ``pace`` is how its length is steered.
    """

    kind: Kind
    name: str
    version: str
    summary: str
    code_licence: str
    weights_licence: str
    languages: tuple[str, ...] = ()
    rate: int = 0
    network: bool = False
    gpu: bool = False
    draft: bool = False
    requires: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    extra: str = ""
    install: str = ""
    brings: tuple[str, ...] = ()
    clones: bool = False
    acts: bool = False
    pace: Pace = "speed"

    @property
    def noncommercial(self) -> bool:
        """Whether the weights' licence, or one of them, forbids commercial use."""
        return bool(re.search(r"(?:^|[^A-Za-z])NC(?:[^A-Za-z]|$)", self.weights_licence))


class Engine(Protocol):
    """What the registry can hold."""

    capabilities: Capabilities


@runtime_checkable
class Separator(Protocol):
    """Splits dialogue from everything else."""

    capabilities: Capabilities

    def separate(self, blocks: Iterator[Samples], rate: int) -> Iterator[tuple[Samples, Samples]]:
        """Stream ``(dialogue, background)`` blocks, each ``[n, channels]``, at the same rate.

        Total length equals the input's exactly, time-aligned, and dialogue + background = input.
        """
        ...


@runtime_checkable
class ShotDetector(Protocol):
    """Finds cuts."""

    capabilities: Capabilities

    def cuts(self, frames: Iterator[Image], rate: float) -> list[int]:
        """Index of the first frame of every shot but the first; ``frames`` may be small."""
        ...


@runtime_checkable
class FaceFinder(Protocol):
    """Detects faces in a picture and fits landmarks to one of them."""

    capabilities: Capabilities

    def detect(self, image: Image, *, thorough: bool = False) -> list[Detection]:
        """Faces in the picture; ``thorough`` also searches tiles for small ones."""
        ...

    def landmarks(self, image: Image, box: tuple[float, float, float, float]) -> Landmarks | None:
        """The 478 mesh points of the face in ``box``, or ``None`` when no face fits."""
        ...


@runtime_checkable
class FaceIdentifier(Protocol):
    """Turns a face into an identity embedding."""

    capabilities: Capabilities

    def embed(self, image: Image, landmarks: Landmarks) -> FacePrint:
        """Embedding ``[128]``; Euclidean distance compares two."""
        ...


@runtime_checkable
class VoiceActivityDetector(Protocol):
    """Finds speech."""

    capabilities: Capabilities

    def detect(self, audio: Waveform) -> list[Span]:
        """Speech spans of mono 16 kHz ``audio``, sorted, not overlapping."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class LocalActivity:
    """Who talks in one window of the film, by speakers that are local to the window.

    ``activity`` ``[frames, speakers]``: probability (0..1) that a local speaker talks; frame ``i``
    is centred at ``span.start + (i + 1/2) * step``. Column order means nothing across windows, and
    windows may overlap in time.
    """

    span: Span
    step: Fraction
    activity: npt.NDArray[np.float32]


@runtime_checkable
class SpeechSegmenter(Protocol):
    """Tells apart simultaneous and consecutive speakers inside short windows."""

    capabilities: Capabilities

    def segment(self, audio: Waveform) -> Iterator[LocalActivity]:
        """Windows over all of mono 16 kHz ``audio``, by time; streamed."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class TalkingFace:
    """One face track with the sound of its time, to be judged.

    ``audio`` is mono 16 kHz and starts with the track's first frame; ``times`` are the frame times
    ``[frames]`` in seconds from there; ``crops(size)`` gives RGB face crops
    ``[frames, size, size, 3]`` uint8, decoded only when called.
    """

    track: FaceTrack
    audio: Waveform
    times: npt.NDArray[np.float64]
    crops: Callable[[int], npt.NDArray[np.uint8]]


@runtime_checkable
class ActiveSpeakerScorer(Protocol):
    """Tells whether the face that is seen is the one that is heard."""

    capabilities: Capabilities

    def score(self, face: TalkingFace) -> npt.NDArray[np.float32]:
        """Log-odds ``[frames]`` that this face utters the speech heard then; NaN = cannot tell.

        Calibrated: where it says ``x``, the share of talking frames is ``1 / (1 + exp(-x))``.
        """
        ...


@runtime_checkable
class VoiceEmbedder(Protocol):
    """Turns a piece of speech into a voiceprint."""

    capabilities: Capabilities

    def embed(self, audio: Waveform) -> Voiceprint:
        """Unit-length voiceprint of mono 16 kHz ``audio`` of at least 0.4 s."""
        ...


@runtime_checkable
class Recognizer(Protocol):
    """Speech to words."""

    capabilities: Capabilities

    def recognize(
        self,
        audio: Waveform,
        *,
        language: str | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Transcript:
        """Words with times for mono 16 kHz ``audio``; detects the language when ``None``.

        ``progress`` receives the seconds done.
        """
        ...


@dataclass(frozen=True, slots=True)
class LineToTranslate:
    """One line of a translation request; ``seconds`` is the time that the translation has.

    ``longest`` are the letters that can comfortably be said in it (spaces and punctuation do not
    count), 0 when that is not known.
    """

    id: str
    text: str
    speaker: str
    seconds: float
    span: Span
    longest: int = 0


Formality = Literal["auto", "formal", "informal"]
"""How people are addressed: ``tú`` or ``usted``, ``tu`` or ``vous``; ``auto`` asks for nothing."""

Profanity = Literal["keep", "soften"]


@dataclass(frozen=True, slots=True)
class TranslationRequest:
    """Lines to translate, with their neighbours as context only. Languages are BCP-47.

    ``shorten`` holds translations by id that were made before and take too long to say: the answer
    should say the same in ``longest`` letters. ``lengthen`` holds those that leave much of their
    time silent: the answer should say the same in more words, in about ``longest`` letters.
    ``attempt`` counts these requests, from 1 (0 = the plain translation). A translator that cannot
    do it may leave the lines out.

    ``glossary`` maps source terms to what must stand for them (the term itself: keep it as it is).
    ``remarks`` say by id which rule an earlier answer broke; the new one must heed it. ``film`` is
    what the user says of the film, in a sentence.
    """

    source: str
    target: str
    lines: tuple[LineToTranslate, ...]
    before: tuple[LineToTranslate, ...] = ()
    after: tuple[LineToTranslate, ...] = ()
    glossary: dict[str, str] = field(default_factory=dict)
    shorten: dict[str, str] = field(default_factory=dict)
    attempt: int = 0
    lengthen: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    formality: Formality = "auto"
    profanity: Profanity = "keep"
    film: str = ""


@runtime_checkable
class Translator(Protocol):
    """Text to text, by line id."""

    capabilities: Capabilities

    def translate(self, request: TranslationRequest) -> dict[str, str]:
        """Translation by line id; ids may be missing or wrong: the stage validates and retries."""
        ...


@dataclass(frozen=True, slots=True)
class Wordings:
    """One line said in several lengths; ``shorter`` from the most to the least faithful."""

    literal: str
    shorter: tuple[str, ...] = ()
    longer: str = ""


@runtime_checkable
class WordingTranslator(Protocol):
    """A translator that says each line in several lengths at once."""

    def wordings(self, request: TranslationRequest) -> dict[str, Wordings]:
        """As :meth:`Translator.translate`, with shorter and longer ones beside the faithful one."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class VoicePiece:
    """A piece of clean mono speech and its words; ``text`` is empty when they are not known."""

    audio: Waveform
    text: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class VoiceReference:
    """What a person sounds like who is to be cloned: pieces of speech, the best first.

    All pieces have one sample rate and are in ``language`` (BCP-47).
    """

    language: str
    pieces: tuple[VoicePiece, ...]

    @property
    def seconds(self) -> float:
        """Length of all pieces."""
        return float(sum(piece.audio.duration for piece in self.pieces))


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """Text to speak; every synthesiser takes the same.

    ``style`` names a voice of the engine, ``speed`` 1 is natural. ``seconds`` is how long it is to
    last instead, for an engine whose ``pace`` is ``"seconds"``. ``voice`` is who is to be heard,
    for one that ``clones`` and a ``style`` that says so (``polydub.model.CLONE``). ``manner`` is
    mono speech of the same person, said as this is to be said, for one that ``acts``.
    """

    text: str
    language: str
    style: str
    speed: float = 1.0
    seconds: float | None = None
    voice: VoiceReference | None = None
    manner: Waveform | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """Synthesised mono speech; ``phones`` are timed from the start of ``audio``."""

    audio: Waveform
    phones: tuple[Phone, ...]


@dataclass(frozen=True, slots=True)
class Style:
    """A voice that an engine offers: ``language`` BCP-47, ``gender`` ``"female"`` or ``"male"``."""

    name: str
    language: str
    gender: str
    quality: float = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class StylePrint:
    """A voice as measured; ``quality``: how natural in the language asked for, (MOS - 1) / 4."""

    name: str
    language: str
    gender: str
    quality: float
    pitch_hz: float
    voiceprint: Voiceprint


@runtime_checkable
class Synthesizer(Protocol):
    """Text to speech."""

    capabilities: Capabilities

    def speak(self, request: SpeechRequest) -> Speech:
        """Audio and phone times. Raises ``EngineError`` DUB-E203 for an unknown language."""
        ...

    def styles(self, language: str) -> Sequence[Style]:
        """The voices usable for ``language``, best first."""
        ...


@runtime_checkable
class LengthPredictor(Protocol):
    """A synthesiser that knows how long its speech will be without making it."""

    def seconds(self, request: SpeechRequest) -> float:
        """About how long ``speak`` would take to say this (a few per cent), in seconds.

        Raises as ``speak`` does.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """How a take is to be said: a pitch and a loudness curve along its own time.

    Values lie ``step`` seconds apart, the first at the take's start, the last value holds to its
    end. ``pitch`` ``[n]``: the wanted F0 in Hz, NaN = as the voice says it; it is the finished F0,
    so ``VoiceChoice.pitch`` does not multiply it. ``gain`` ``[n]``: dB added. ``breath`` (0..1)
    moves voiced sound towards a whisper.
    """

    step: float
    pitch: npt.NDArray[np.float64]
    gain: npt.NDArray[np.float64]
    breath: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Foreseen:
    """How a text would be said: length, phones and F0, all on one clock from its start.

    The sound itself may begin and end a few hundredths of a second earlier or later.
    """

    seconds: float
    phones: tuple[Phone, ...]
    pitch: PitchTrack


@runtime_checkable
class Performer(Protocol):
    """A synthesiser that tells its melody beforehand and can say the text with another one."""

    def foresee(self, request: SpeechRequest) -> Foreseen:
        """How ``speak`` would say this, without saying it. Raises as ``speak`` does."""
        ...

    def perform(self, request: SpeechRequest, delivery: Delivery) -> Speech:
        """As ``speak``, with the pitch of ``delivery`` on the clock of :meth:`foresee`.

        Gain and breath are not the synthesiser's. Lengths and phones stay those of ``speak``, but
        for the trimming of silence.
        """
        ...


@runtime_checkable
class VoiceConverter(Protocol):
    """Moves a synthetic voice towards a reference voice, keeping the timing."""

    capabilities: Capabilities

    def convert(
        self,
        audio: Waveform,
        reference: Waveform,
        choice: VoiceChoice,
        delivery: Delivery | None = None,
    ) -> Waveform:
        """``audio`` changed by the pitch, warp and envelope strength of ``choice``; same length.

        ``delivery`` changes how it is said as well; it keeps the voice's loudness where its gain is
        0 dB.
        """
        ...


@runtime_checkable
class Dubber(Protocol):
    """Speaks a whole scene in the voices of its references: text, timing and acting at once."""

    capabilities: Capabilities
    most_voices: int
    """How many voices it can give to one scene."""

    def dub(self, scene: Scene) -> SceneSpeech:
        """The scene's speech. Raises ``EngineError`` when it cannot be made."""
        ...


@dataclass(frozen=True, slots=True)
class LipSpan:
    """A stretch in which one track's mouth must follow new speech.

    ``phones`` and ``span`` are in film time. ``frames`` are source frame indices ``[first, last)``.
    """

    track: str
    line: str
    frames: tuple[int, int]
    span: Span
    phones: tuple[Phone, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """New pixels of one frame: ``pixels`` ``[h, w, 3]`` RGB with corner ``(left, top)``."""

    frame: int
    left: int
    top: int
    pixels: Image


@dataclass(frozen=True, slots=True, eq=False)
class LipOutcome:
    """Result for one span: patches for the frames that changed, and why the others did not.

    ``skipped`` maps a reason to the number of frames passed through for it. ``wanted`` is the inner
    lip gap, in inter-ocular distances, that the engine meant to draw in a frame; an engine that
    does not know leaves it empty.
    """

    span: LipSpan
    patches: tuple[Patch, ...]
    skipped: dict[str, int]
    scores: dict[str, float]
    wanted: dict[int, float] = field(default_factory=dict)


FrameReader = Callable[[int, int], Iterator[tuple[int, Image]]]
"""``reader(first, last)`` streams ``(index, picture)`` for the frames ``[first, last)``."""


@runtime_checkable
class LipRenderer(Protocol):
    """Makes mouths follow new speech."""

    capabilities: Capabilities

    def render(
        self,
        spans: Sequence[LipSpan],
        tracks: Sequence[FaceTrack],
        shots: Sequence[Shot],
        read: FrameReader,
        frame_time: Callable[[int], Fraction],
        *,
        audio: Waveform,
    ) -> Iterator[LipOutcome]:
        """Render the ``spans`` of one person, in order; ``tracks`` are all tracks of that person.

        ``audio`` is the dub track (mono). Every span gets exactly one outcome, even if empty.
        """
        ...


@dataclass(frozen=True, slots=True)
class WeightFile:
    """Where a verified weight lies; ``origin`` is ``"path"``, ``"hub"`` or ``"package"``."""

    name: str
    path: Path
    origin: str
