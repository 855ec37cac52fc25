"""Right of the Script: voices read a speaker's lines, and the best is brought near to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from polydub.engines.protocols import SpeechRequest, StylePrint
from polydub.errors import EngineError
from polydub.media.audio import resample
from polydub.model import CLONE, Decision, Script, VoiceChoice, Voiceprint, Waveform
from polydub.model.language import is_spaced
from polydub.model.terms import spoken_text
from polydub.pipeline.analysis import SPEECH_RATE
from polydub.pipeline.cloning import reference_key
from polydub.pipeline.listening import PronouncingSynthesizer, listen_to, predictor
from polydub.pipeline.profiles import Profiles
from polydub.pipeline.run import Run
from polydub.project.cache import digest
from polydub.stages.cast import VoiceProfile, best_audition, pitch_ratio, similarity, tune_voice
from polydub.stages.shape import (
    ShapeableSynthesizer,
    SlopingEmbedder,
    SlopingJudge,
    Target,
    VoiceProbe,
    options_for,
    shape_voice,
)
from polydub.stages.speak import Phrase, Voicing, speak_phrases

AUDITION_LENGTH = 90
"""Letters of an audition, about five seconds: voiceprints of shorter pieces are unsure."""


UNSPACED_LETTERS = 3
"""Letters that a character counts for in a language without spaces: they are said in its time."""


AUDITIONS, AUDITIONS_TO_SHAPE = 3, 2
"""How many candidates are heard; two where the chosen one is brought nearer afterwards anyway."""


AUDITION_SPEED = 1.15
"""Of natural speech: dubbed lines are often said so fast, and some voices are understood only when
they take their time (a Chinese one in French: 6 to 36 % wrong, at 1.2 times the speed 57 to 71 %;
the one it was preferred to: 7 % at both)."""


UNCLEAR = 0.15
"""Round-trip error from which on another candidate is heard as well."""


PROBE_LENGTH = 80
"""Letters of the text that a voice is shaped on: two or three stretches, said in turn."""


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A ``voice``, its ``style`` at the speaker's pitch or moved, and what was heard in it."""

    voice: StylePrint
    style: str
    sound: Waveform
    voiceprint: Voiceprint
    error: float


@dataclass(frozen=True, slots=True)
class Audition:
    """Whose voice is sought, in which language, on which text."""

    run: Run
    profiles: Profiles
    name: str
    language: str
    text: str

    def read(self, style: str) -> tuple[Waveform, Voiceprint, float]:
        """The text in the engine's voice ``style``: its sound, voiceprint and round-trip error."""
        synthesizer = self.run.engines.get("speak")
        audio = speak_phrases(
            synthesizer,
            [Phrase(self.text)],
            language=self.language,
            style=style,
            speed=self.speed,
            voicing=Voicing(self.profiles.voices.get(self.name)) if style == CLONE else None,
        ).audio
        engine = self.run.engines.identity("speak")
        parts = ["audition", engine, style, self.language, self.text, self.speed]
        if style == CLONE:
            parts.append(reference_key(self.profiles.voices[self.name]))
        found = listen_to(self.run, digest(*parts), audio, self.language)
        phonemes = synthesizer.phonemes if isinstance(synthesizer, PronouncingSynthesizer) else None
        return audio, found.voiceprint, found.misheard(self.text, self.language, phonemes)

    @property
    def speed(self) -> float:
        """At which the text is spoken."""
        pace = self.run.engines.capabilities("speak").pace
        return AUDITION_SPEED if pace == "speed" else 1.0

    def heard(self, voice: StylePrint, style: str) -> Reading:
        """The ``voice`` reading the text in one of its styles."""
        return Reading(voice, style, *self.read(style))

    def best(self, heard: Sequence[Reading]) -> int:
        """Which of them comes nearest to the speaker."""
        return best_audition(
            [one.voiceprint for one in heard],
            [one.error for one in heard],
            self.profile,
            self.others,
            styles=[one.voice for one in heard],
        )

    @property
    def profile(self) -> VoiceProfile:
        """What the speaker sounds like."""
        return self.profiles.by_speaker[self.name]

    @property
    def others(self) -> list[Voiceprint]:
        """The voiceprints of everybody else."""
        return self.profiles.others(self.name)

    @property
    def target(self) -> Target:
        """What a voice is moved to."""
        judge = predictor()
        return Target(
            self.run.engines.get("voiceprint"),
            self.profile.voiceprint,
            self.others,
            resample,
            SPEECH_RATE,
            judge if isinstance(judge, SlopingJudge) else None,
        )

    @property
    def seconds(self) -> float:
        """How much the speaker was heard."""
        return float(self.profiles.references[self.name].duration)

    def probe(self, style: str) -> VoiceProbe:
        """The beginning of the text in a style that can be moved."""
        request = SpeechRequest(_beginning(self.text), self.language, style)
        probe: VoiceProbe = self.run.engines.get("speak").probe(request)
        return probe


def tuned_voice(
    run: Run,
    script: Script,
    profiles: Profiles,
    who: tuple[str, str],
    candidates: Sequence[StylePrint],
) -> VoiceChoice:
    """The candidate that comes nearest, heard reading the speaker's own lines, and then tuned.

    Where the synthesiser's voices can be shaped, the better of the first two is, and stays so if
    that brings it nearer and it is still understood. Others are converted after synthesis. Further
    candidates are heard while nobody is understood.
    """
    name, language = who
    engine = run.engines.name("speak")
    text = audition_text(script, name, language)
    if not text:
        return VoiceChoice(engine, candidates[0].name)
    audition = Audition(run, profiles, name, language, text)
    synthesizer, embedder = run.engines.get("speak"), run.engines.get("voiceprint")
    shapeable = isinstance(synthesizer, ShapeableSynthesizer)
    shapeable = shapeable and isinstance(embedder, SlopingEmbedder)
    wanted = AUDITIONS_TO_SHAPE if shapeable else AUDITIONS
    heard: list[Reading] = []
    best = 0
    for style in candidates:
        if len(heard) >= wanted and heard[best].error <= UNCLEAR:
            break
        at_pitch = _at_pitch(synthesizer, style, audition.profile) if shapeable else style.name
        heard.append(audition.heard(style, at_pitch))
        best = audition.best(heard)
    if shapeable and (shaped := _shaped(audition, heard[best])):
        return shaped
    return _converted(audition, VoiceChoice(engine, heard[best].style), heard[best].sound)


def _at_pitch(synthesizer: ShapeableSynthesizer, style: StylePrint, profile: VoiceProfile) -> str:
    """The style at the speaker's median pitch, as far as it may be moved."""
    return synthesizer.shaped(style.name, pitch=pitch_ratio(style.pitch_hz, profile.pitch_hz))


SHARES = (1.0, 0.8, 0.6, 0.45, 0.3)
"""Shares of a shift that are auditioned in turn: the whole, and less where that costs clearness."""


MISHEARD = 0.08
"""Round-trip error that shaping may add: one word of an audition (one of four sounds in 57 was
misheard in every share). Of thirteen texts shaped all the way one was worse than that (French,
5 % -> 26 % wrong)."""


def _shaped(audition: Audition, plain: Reading) -> VoiceChoice | None:
    """A voice that was heard ``plain``, its timbre moved towards the speaker.

    ``None`` where that cannot be done, or brings nothing to what is heard of the voice as it is.
    """
    synthesizer = audition.run.engines.get("speak")
    options = options_for(audition.seconds)
    try:
        shift = shape_voice(audition.probe(plain.style), audition.target, options=options).shift
    except EngineError as error:
        note = f"the voice is not shaped: {error.message}"
        audition.run.decide(Decision("speak", audition.name, "fallback", note))
        return None
    for share in SHARES:
        moved = audition.heard(plain.voice, synthesizer.shaped(plain.style, shift=share * shift))
        if moved.error <= plain.error + MISHEARD and audition.best([plain, moved]):
            engine = audition.run.engines.name("speak")
            near = similarity(moved.voiceprint, audition.profile)
            return VoiceChoice(engine, moved.style, similarity=near)
    return None


def _beginning(text: str) -> str:
    """The first words of ``text``, about :data:`PROBE_LENGTH` letters."""
    if len(text) <= PROBE_LENGTH * 3 // 2:
        return text
    end = text.find(" ", PROBE_LENGTH)
    return text[: end if 0 < end <= PROBE_LENGTH * 3 // 2 else PROBE_LENGTH]


def _converted(audition: Audition, choice: VoiceChoice, take: Waveform) -> VoiceChoice:
    """``choice`` with the conversion after synthesis that brings it nearest, if one does."""
    converter = audition.run.engines.get("convert")
    return tune_voice(
        choice,
        take,
        audition_pitch=converter.median_pitch(take),
        reference=audition.profiles.references[audition.name],
        profile=audition.profile,
        others=audition.others,
        converter=converter,
        embedder=audition.run.engines.get("voiceprint"),
        resample=lambda audio: resample(audio, SPEECH_RATE),
    )


def audition_text(script: Script, name: str, language: str) -> str:
    """Whole lines, the longest first, until there is enough to judge a voice by.

    The speaker's own, then, of one who says little, those of others: in a line of four words one
    that is misheard would be a quarter. Empty when the speaker has nothing to say.
    """

    def said(*, by_self: bool) -> list[str]:
        lines = [line for line in script.lines if (line.speaker == name) is by_self]
        texts = {spoken_text(line, language) for line in lines} - {""}
        return sorted(texts, key=lambda text: (-len(text), text))

    own, others = said(by_self=True), said(by_self=False)
    long = 1 if is_spaced(language) else UNSPACED_LETTERS
    chosen: list[str] = []
    for text in [*own, *others] if own else []:
        if long * sum(map(len, chosen)) < AUDITION_LENGTH:
            chosen.append(text)
    return " ".join(chosen)[: 2 * AUDITION_LENGTH // long]
