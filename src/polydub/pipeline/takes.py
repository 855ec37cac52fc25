"""Right of the Script: natural speech, fitted speech, finished takes. All cached."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from polydub.engines.protocols import (
    Delivery,
    Foreseen,
    LengthPredictor,
    Performer,
    Speech,
    VoiceReference,
)
from polydub.errors import EngineError
from polydub.evaluate.prosody import LEAST_VOICED_S, contour_correlation
from polydub.evaluate.scores import normalise
from polydub.media.audio import open_waveform, write_waveform
from polydub.model import (
    Line,
    Phone,
    Placement,
    Span,
    Take,
    VoiceChoice,
    Waveform,
)
from polydub.model.cues import LineCues
from polydub.model.language import primary
from polydub.model.terms import spoken_text
from polydub.pipeline.analysis import VERSION
from polydub.pipeline.cloning import MANNER_S, part_of_dialogue, reference_key
from polydub.pipeline.cueing import delivery_version, wanted_loudness, wanted_melody
from polydub.pipeline.evaluating_voice import cues_of
from polydub.pipeline.lasting import apart, lasting
from polydub.pipeline.listening import Heard, listen_again
from polydub.pipeline.profiles import Profiles
from polydub.pipeline.run import Run
from polydub.pipeline.scoring import Made, take_scores
from polydub.project.artifacts import load, save
from polydub.project.cache import digest
from polydub.stages.best_take import (
    AS_USUAL,
    MANNERS,
    TONAL_MANNERS,
    Attempt,
    TakeOptions,
    attempts,
    best_take,
    wants_another,
)
from polydub.stages.deliver import TONAL
from polydub.stages.fit import (
    Fit,
    FitOptions,
    Slot,
    place,
)
from polydub.stages.shape import ShapeableSynthesizer
from polydub.stages.speak import (
    Phrase,
    Voicing,
    measure_phrases,
    perform_phrases,
    plan_phrases,
    speak_phrases,
)


@dataclass(frozen=True, slots=True)
class Length:
    """How long a line takes to say; ``foretold`` when nobody said it."""

    seconds: Fraction
    foretold: bool


@dataclass(frozen=True, slots=True, eq=False)
class Spoken:
    """One line as it will be heard: where, the finished take, the folder it is cached in.

    ``takes`` are the scores of all takes it was chosen from, when there was a choice; ``melody`` is
    how far its pitch follows the original's (correlation), where both can be told.
    """

    take: Take
    placement: Placement
    folder: Path
    takes: tuple[dict[str, float], ...] = ()
    melody: float | None = None

    @property
    def made(self) -> Made:
        """What it is scored by."""
        return self.take, self.placement, self.folder.name, self.melody


SLACK = Fraction(6, 100)
"""Seconds by which sped-up speech is aimed shorter than its room: what a forecast may be wrong
beyond what ``TOUCH`` makes good. Kokoro's is too long by 1 to 5 % (ten sentences at five rates)."""


TOUCH = Fraction(106, 100)
"""How much the tempo of finished speech may be changed either way, at most: on a line of 5 s five
per cent took DistillMOS from 4.27 to 4.04 (DNSMOS P.808 from 3.75 to 3.91)."""


CLOSE = Fraction(2, 100)
"""A take as near as this (share) to the wanted length keeps its tempo."""


EDGE = Fraction(1, 100)
"""By how much (share) a take at the edge of the comfortable rates stays inside: its length is right
to a hundredth of a second, and its forecast is one per cent off."""


FASTEST_TEMPO = 1.9
"""How far the tempo of an engine that follows no rate is changed at most; twice is the limit of
what FFmpeg's filter does at once."""


SHORT = Fraction(5, 100)
"""Share of the room that pauses leave to a forecast: some speech is longer than foretold."""


ATTEMPTS = 4
"""Times that a line is said at most until its length is right."""


class TakeMaker:
    """Makes the takes of one language: natural speech, fitted speech, converted voice."""

    def __init__(
        self,
        run: Run,
        language: str,
        choices: Mapping[str, VoiceChoice],
        profiles: Profiles,
        cues: Mapping[str, LineCues] | None = None,
    ) -> None:
        """``cues`` tell how the original lines are said; without them nothing is taken over."""
        self._run = run
        self._cues = dict(cues or {})
        version = delivery_version()
        self._told = {line: (version, digest(own)) for line, own in self._cues.items()}
        self._language = language
        self._choices = choices
        self._profiles = profiles
        self._identity = run.engines.identity("speak")
        self._speaks = run.engines.capabilities("speak")
        self._clones = {name: reference_key(voice) for name, voice in profiles.voices.items()}
        self._pause_scale: dict[str, float] = {}
        self._bias: dict[tuple[str, str], float] = {}  # seconds spoken / seconds foretold

    def phrases(self, line: Line) -> tuple[Phrase, ...]:
        """The line's phrases, their pauses as short as :meth:`tighten` made them."""
        scale = Fraction(self._pause_scale.get(line.id, 1.0)).limit_denominator(100)
        planned = plan_phrases(line, spoken_text(line, self._language))
        return tuple(Phrase(phrase.text, phrase.pause * scale) for phrase in planned)

    def tighten(self, line: Line, slot: Slot, natural: Fraction, options: FitOptions) -> Fraction:
        """The line's natural length after its pauses gave way, as far as it does not fit.

        A shorter pause is heard less than faster speech, so pauses shrink before speech speeds up.
        """
        pause = sum((phrase.pause for phrase in self.phrases(line)), Fraction(0))
        room = (slot.soft_end - slot.span.start) * Fraction(options.max_speed)
        room *= 1 - SHORT if pause and self.length(line)[0].foretold else 1
        if not pause or natural <= room:
            return natural
        scale = max(Fraction(0), (room - (natural - pause)) / pause)
        self._pause_scale[line.id] = round(float(scale), 2)
        return self.length(line)[0].seconds

    def length(self, line: Line, speed: float = 1.0) -> tuple[Length, bool]:
        """``(length, cached)`` of a line at an engine rate.

        A synthesiser that can tell the length beforehand is only asked; another one has to speak.
        """
        phrases = self.phrases(line)
        style = self._choice(line).style
        speed = round(speed, 2)
        parts = (VERSION, self._identity, self._language, style, phrases, speed)
        parts += self._voice_key(line)

        def make(work: Path) -> None:
            synthesizer = self._run.engines.get("speak")
            if isinstance(synthesizer, LengthPredictor):
                seconds = measure_phrases(
                    synthesizer,
                    phrases,
                    language=self._language,
                    style=style,
                    speed=speed,
                    voicing=self._voicing(line),
                )
                length = Length(seconds, foretold=True)
            else:
                length = Length(self.speech(line, speed)[0].audio.duration, foretold=False)
            save(work / "length.json", length)

        folder, cached = self._run.ensure("length", *parts, make=make)
        length: Length = load(folder / "length.json", Length)
        return length, cached

    def speech(
        self,
        line: Line,
        speed: float,
        attempt: Attempt = AS_USUAL,
        *,
        seconds: Fraction | None = None,
        other: float = 0.0,
    ) -> tuple[Speech, str]:
        """``(speech, key)`` of a line at an engine rate, or ``seconds`` long where it can be told.

        It has the original's melody where that is known and the synthesiser can be told, and as
        much of it and of the voice's shape as ``attempt`` says. Of an engine that follows no rate
        the tempo is changed; it says the line in another way for each ``other``.
        """
        if self._speaks.pace != "none":
            return self._speech(line, speed, attempt, seconds=seconds)
        said, key = self._speech(line, 1.0 + other, attempt)
        rate = Fraction(min(round(speed, 2), FASTEST_TEMPO)).limit_denominator(100)
        return (said, key) if rate == 1 else lasting(said, said.audio.duration / rate, key)

    def _speech(
        self, line: Line, speed: float, attempt: Attempt, *, seconds: Fraction | None = None
    ) -> tuple[Speech, str]:
        phrases = self.phrases(line)
        style = self._shaped(self._choice(line), attempt.shape).style
        manner = attempt.manner
        speed = round(speed, 2)
        cues = None if manner == 0 or self._speaks.clones else self._cues.get(line.id)
        told = (*self._told[line.id], *((manner,) if manner != 1 else ())) if cues else ()
        parts = (VERSION, self._identity, self._language, style, phrases, speed, *told)
        if seconds is not None and self._speaks.pace == "seconds":
            parts += (seconds,)
        else:
            seconds = None
        parts += self._voice_key(line)

        def make(work: Path) -> None:
            self._run.engines.prepare("recognize", "voiceprint")  # the take is listened to next
            how = (cues, manner, self._voicing(line, seconds))
            speech = self._said(phrases, style, speed, how)
            write_waveform(work / "speech.wav", speech.audio)
            save(work / "phones.json", speech.phones)

        folder, _ = self._run.ensure("speech", *parts, make=make)
        phones: tuple[Phone, ...] = load(folder / "phones.json", tuple[Phone, ...])
        return Speech(open_waveform(folder / "speech.wav"), phones), digest(*parts)

    def _choice(self, line: Line) -> VoiceChoice:
        """The line's voice. Raises ``EngineError`` when its speaker has none."""
        choice = self._choices.get(line.speaker)
        if choice is None:
            raise EngineError("the speaker has no voice")
        if choice.is_cloned and line.speaker not in self._profiles.voices:
            raise EngineError("there is no speech to clone the voice from")
        return choice

    def _voice_key(self, line: Line) -> tuple[Any, ...]:
        """What the line's sound depends on besides text and rate, with a voice that is cloned."""
        if not self._choice(line).is_cloned:
            return ()
        key = self._clones[line.speaker]
        return (key, self._profiles.key, line.span) if self._speaks.acts else (key,)

    def _voicing(self, line: Line, seconds: Fraction | None = None) -> Voicing | None:
        voice: VoiceReference | None = None
        manner: Waveform | None = None
        if self._choice(line).is_cloned:
            voice = self._profiles.voices[line.speaker]
            if self._speaks.acts and self._profiles.sound is not None:
                end = min(line.span.end, line.span.start + Fraction(MANNER_S))
                manner = part_of_dialogue(self._profiles.sound, Span(line.span.start, end))
        if voice is None and seconds is None:
            return None
        return Voicing(voice, manner, seconds)

    def _said(
        self,
        phrases: Sequence[Phrase],
        style: str,
        speed: float,
        told: tuple[LineCues | None, float, Voicing | None],
    ) -> Speech:
        cues, manner, voicing = told
        synthesizer = self._run.engines.get("speak")
        how: dict[str, Any] = {"language": self._language, "style": style, "speed": speed}
        if cues is not None and isinstance(synthesizer, Performer):
            text = " ".join(phrase.text for phrase in phrases)

            def tell(foreseen: Foreseen) -> Delivery | None:
                return wanted_melody(
                    cues, foreseen, language=self._language, text=text, share=manner
                )

            speech = perform_phrases(synthesizer, phrases, tell, **how)
            if speech is not None:
                return speech
        return speak_phrases(synthesizer, phrases, **how, voicing=voicing)

    def fitted(
        self,
        line: Line,
        fit: Fit,
        natural: Fraction,
        attempt: Attempt = AS_USUAL,
    ) -> tuple[Speech, str, float]:
        """``(speech, key, speed)`` that fits the room, asking for more speed until it does.

        Speech that came out otherwise than foretold is made again at the rate that it needs, for
        that costs less quality than a change of tempo, and nobody is hurried for nothing. What is
        still missing then is tempo; so a take that is spoken a touch ``faster``, to be another
        one, lasts no less long. Raises ``EngineError`` when no attempt fits: the caller passes the
        line through.
        """
        faster = attempt.faster
        other = faster if self._speaks.pace == "none" else 0.0
        speed = round(self._rate(line, fit, natural) + faster - other, 2)
        best: tuple[float, Fraction, Speech, str, float] | None = None
        tried: list[float] = []
        while len(tried) < ATTEMPTS and speed not in tried:
            tried.append(speed)
            wanted = self._wanted(line, fit, natural)
            speech, key = self.speech(line, speed, attempt, seconds=wanted, other=other)
            length = speech.audio.duration
            if wanted is not None and not faster:
                self._learn(line, speed, length)
                wanted = self._wanted(line, fit, natural)
            target = wanted or min(length, fit.room)
            near = max(length / TOUCH, min(target, length * TOUCH))
            close = abs(length - target) <= CLOSE * target and length <= fit.room
            if close and self._is_comfortable(line, fit, natural, length):
                near = length
            if near > fit.room:
                speed = round(min(2.0, speed * float(length / fit.room) + 0.02), 2)
                continue
            cost = apart(near, target) + apart(near, length)
            if best is None or cost < best[0]:
                best = cost, near, speech, key, speed
            if cost <= CLOSE or faster or self._speaks.pace != "speed":
                break
            if wanted is not None and self._text_of(line) in self._bias:
                again = self._rate(line, fit, natural)
            else:
                again = round(speed * float(length / target), 2)
            speed = max(min(1.0, speed), again)
        if best is None:
            raise EngineError(f"line {line.id} does not fit into {float(fit.room):.2f} s")
        _, near, speech, key, speed = best
        return (*lasting(speech, near, key), speed)

    def _wanted(self, line: Line, fit: Fit, natural: Fraction) -> Fraction | None:
        """The seconds that a take should last; ``None`` where its natural length is right.

        The limits of comfort hold for what the line really takes, where that is known.
        """
        if abs(fit.speed - 1) <= 0.02:
            return None
        wanted = natural / Fraction(fit.speed).limit_denominator(1000)
        slow, fast = self._comfort(fit)
        real = self._real(line, natural)
        wanted = max(real / (fast * (1 - EDGE)), min(wanted, real / (slow * (1 + EDGE))))
        return min(wanted, fit.room)

    def _is_comfortable(self, line: Line, fit: Fit, natural: Fraction, length: Fraction) -> bool:
        slow, fast = self._comfort(fit)
        return slow * length <= self._real(line, natural) <= fast * length

    def _comfort(self, fit: Fit) -> tuple[Fraction, Fraction]:
        """The slowest and the fastest rate for a line, which may have to be faster than is good."""
        slow, fast = FitOptions().min_speed, max(self._run.options.max_speed, fit.speed)
        return Fraction(slow).limit_denominator(1000), Fraction(fast).limit_denominator(1000)

    def _real(self, line: Line, natural: Fraction) -> Fraction:
        """The seconds that a line takes at rate 1, by its forecast and by what was said."""
        bias = self._bias.get(self._text_of(line), 1.0)
        return natural * Fraction(bias).limit_denominator(1000)

    def _learn(self, line: Line, speed: float, length: Fraction) -> None:
        """Remember how far the forecast was wrong, for the line's next takes and its pace."""
        text = self._text_of(line)
        if self._speaks.pace == "speed" and text not in self._bias:
            foretold = self.length(line, speed)[0]
            if foretold.foretold and foretold.seconds > 0:
                self._bias[text] = float(length / foretold.seconds)

    def _text_of(self, line: Line) -> tuple[str, str]:
        """What a forecast is about: the line in its present wording."""
        return line.id, spoken_text(line, self._language)

    def _rate(self, line: Line, fit: Fit, natural: Fraction) -> float:
        """The engine rate at which the line should take ``natural / fit.speed``.

        Twice the rate is not half the length, for no phone is shorter than one step of the model,
        and many lose one at once (seven syllables: 1.23 s at 1.3, 0.86 s at 1.35). So it is
        searched for where lengths can be foretold; ``SLACK`` is for an unknown forecast's error.
        """
        speed = fit.speed if abs(fit.speed - 1) > 0.02 else 1.0
        wanted = natural / Fraction(speed).limit_denominator(1000)
        bias = self._bias.get(self._text_of(line))
        wanted = max(wanted / 2, min(wanted, fit.room - (SLACK if bias is None else 0)))
        slow, fast = 0.5, 2.0
        nearest, best = math.inf, speed
        for _ in range(6 if speed != 1.0 else 0):
            length = self.length(line, speed)[0]
            ratio = float(length.seconds / wanted) * (bias or 1.0)
            if abs(ratio - 1) < nearest:
                nearest, best = abs(ratio - 1), speed
            if not length.foretold or nearest <= float(CLOSE) / 2:
                break
            slow, fast = (speed, fast) if ratio > 1 else (slow, speed)
            following = speed * ratio
            speed = following if slow < following < fast else (slow * fast) ** 0.5
        return round(best, 2)

    def take(self, line: Line, fit: Fit, natural: Fraction) -> Spoken:
        """The best take of a line, heard and scored, and where it lies.

        Raises ``EngineError`` when not even the first one can be made.
        """
        wanted = self._run.options
        options = TakeOptions(
            count=wanted.takes, max_speed=wanted.max_speed, accepts=wanted.accepts_take()
        )
        made: list[Spoken] = []
        scores: list[dict[str, float]] = []
        judged: list[dict[str, float]] = []
        texts: list[str] = []
        # two takes that the melody covers alike say nothing about the text: tones are pitch too
        covered = len(self._melodies(line)) if self._is_tonal() else 0
        for attempt in self._attempts(line):
            alike = texts if len(made) > covered else []
            if not wants_another(judged, options, alike):
                break
            try:
                spoken = self._one_take(line, fit, natural, attempt)
            except EngineError:
                if not made:
                    raise
                break  # the takes so far stand
            if spoken.folder in [other.folder for other in made]:
                continue  # a line at the edge of its rates is not said otherwise
            made.append(spoken)
            score, heard = take_scores(self._run, line, spoken.made, self._profiles, self._language)
            scores.append(score)
            judged.append(score | self._by_sound(line, spoken, heard, options))
            texts.append(normalise(heard.text))
        best = made[best_take(judged, options)]
        return replace(best, takes=tuple(scores) if len(scores) > 1 else ())

    def _by_sound(
        self, line: Line, spoken: Spoken, heard: Heard, options: TakeOptions
    ) -> dict[str, float]:
        """How much of a take is misheard by its sound, in a tone language.

        The melody may have covered a tone, which a recogniser then guesses, right by chance: what
        it understood it hears again.
        """
        if not self._is_tonal():
            return {}
        wanted = spoken_text(line, self._language)
        error = heard.misheard(wanted, self._language)
        if error <= options.understood:
            again = listen_again(self._run, spoken.folder.name, spoken.take.audio, self._language)
            error = (error + again.misheard(wanted, self._language)) / 2
        return {"misheard": error}

    def _melody_of(self, line: Line, audio: Waveform, key: str) -> float | None:
        """How far the pitch of a take follows that of its line, ``None`` when one is unknown."""
        original = self._cues.get(line.id)
        if original is None or audio.duration < LEAST_VOICED_S or not audio.samples.any():
            return None

        def make(work: Path) -> None:
            contour = contour_correlation(original, cues_of(audio))
            save(work / "contour.json", None if contour is None else round(contour, 4))

        folder, _ = self._run.ensure("contour", VERSION, key, *self._told[line.id], make=make)
        found: float | None = load(folder / "contour.json", float | None)
        return found

    def _attempts(self, line: Line) -> Iterator[Attempt]:
        """The ways to say a line, in turn: what its voice and its engine leave open."""
        choice = self._choice(line)
        return attempts(
            manners=self._melodies(line),
            shaped=self._shaped(choice, 0.5) != choice,
            converted=not choice.is_neutral,
            tonal=self._is_tonal(),
        )

    def _shaped(self, choice: VoiceChoice, share: float) -> VoiceChoice:
        """The voice with ``share`` of its shape, where the synthesiser shapes voices."""
        synthesizer = self._run.engines.get("speak")
        if share == 1.0 or not isinstance(synthesizer, ShapeableSynthesizer):
            return choice
        return replace(choice, style=synthesizer.less_shaped(choice.style, share))

    def _melodies(self, line: Line) -> tuple[float, ...]:
        """Shares of its original's melody that make other takes of a line."""
        return self._manners() if line.id in self._cues else ()

    def _manners(self) -> tuple[float, ...]:
        """Shares of the melody that make other takes.

        A voice that is cloned, or whose engine is told no melody, has its own in any case.
        """
        if self._speaks.clones or not isinstance(self._run.engines.get("speak"), Performer):
            return ()
        return TONAL_MANNERS if self._is_tonal() else MANNERS

    def _is_tonal(self) -> bool:
        return primary(self._language) in TONAL

    def _one_take(
        self,
        line: Line,
        fit: Fit,
        natural: Fraction,
        attempt: Attempt,
    ) -> Spoken:
        choice = self._shaped(self._choice(line), attempt.shape)
        choice = choice if attempt.converted else choice.neutral()
        speech, key, speed = self.fitted(line, fit, natural, attempt)
        cues = self._cues.get(line.id) if attempt.manner else None
        shape = (choice.pitch, choice.warp, choice.envelope)
        converter = self._run.engines.identity("convert")
        told = self._told[line.id] if cues else ()

        def make(work: Path) -> None:
            write_waveform(work / "take.wav", self._voiced(line, speech, choice, cues))

        parts = (VERSION, key, converter, shape, self._profiles.key, line.speaker, *told)
        folder, _ = self._run.ensure("take", *parts, make=make)
        audio = open_waveform(folder / "take.wav")
        take = Take(line.id, audio, speech.phones, choice, speed=round(speed, 2))
        placed = place(fit, audio.duration, self._real(line, natural))
        melody = self._melody_of(line, audio, folder.name)
        return Spoken(take, placed, folder, melody=melody)

    def _voiced(
        self, line: Line, speech: Speech, choice: VoiceChoice, cues: LineCues | None
    ) -> Waveform:
        """The speech in the speaker's voice, as loud along its way as the original."""
        reference = self._profiles.references.get(line.speaker)
        delivery = None
        if cues is not None:
            text = spoken_text(line, self._language)
            delivery = wanted_loudness(
                cues, speech.audio, speech.phones, language=self._language, text=text
            )
        if reference is None:
            choice = choice.neutral()
        if choice.is_neutral and delivery is None:
            return speech.audio
        converter = self._run.engines.get("convert")
        made: Waveform = converter.convert(
            speech.audio, reference or speech.audio, choice, delivery
        )
        return made
