"""Right of the Script, part one: translations, casting, takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from polydub.engines.protocols import (
    Speech,
    StylePrint,
)
from polydub.errors import EngineError
from polydub.media.audio import open_waveform, resample, write_waveform
from polydub.model import (
    Decision,
    Line,
    Phone,
    Placement,
    Script,
    Span,
    Speaker,
    Take,
    VoiceChoice,
    Voiceprint,
    Waveform,
)
from polydub.pipeline.analysis import SPEECH_RATE, VERSION, Analysis
from polydub.pipeline.listening import listen_to
from polydub.pipeline.run import Run, StageProgress
from polydub.project.artifacts import load, save
from polydub.project.cache import digest
from polydub.stages.cast import (
    VoiceProfile,
    assign_styles,
    best_audition,
    shortlist,
    tune_voice,
)
from polydub.stages.fit import (
    Fit,
    FitOptions,
    Slot,
    find_slots,
    fit_decisions,
    fit_lines,
    place,
    talked_over,
)
from polydub.stages.speak import Phrase, plan_phrases, speak_phrases


@dataclass(frozen=True, slots=True, eq=False)
class Spoken:
    """One line as it will be heard: where, the finished take, the folder it is cached in."""

    take: Take
    placement: Placement
    folder: Path


@dataclass(frozen=True, slots=True, eq=False)
class Profiles:
    """What every speaker sounds like, each with clean reference sound (16 kHz mono)."""

    by_speaker: dict[str, VoiceProfile]
    references: dict[str, Waveform]
    key: str

    def others(self, speaker: str) -> list[Voiceprint]:
        """The voiceprints of everybody else."""
        return [p.voiceprint for name, p in self.by_speaker.items() if name != speaker]


def speaker_profiles(run: Run, analysis: Analysis, script: Script) -> Profiles:
    """Voiceprints of the cast from their reference spans."""
    audio = open_waveform(analysis.sound.speech)
    spans = {speaker.id: _reference_spans(speaker, script) for speaker in script.cast}

    def make(work: Path) -> None:
        embedder = run.engines.get("voiceprint")
        prints = {
            speaker: embedder.embed(_joined(audio, own)) for speaker, own in spans.items() if own
        }
        save(work / "prints.json", {name: value.tolist() for name, value in prints.items()})

    identity = run.engines.identity("voiceprint")
    key = digest(VERSION, analysis.key, identity, spans)
    folder, _ = run.ensure("profiles", key, make=make)
    stored: dict[str, list[float]] = load(folder / "prints.json", dict[str, list[float]])
    profiles = {
        speaker.id: VoiceProfile(
            speaker.id,
            np.asarray(stored[speaker.id], np.float32),
            speaker.pitch_hz,
            speaker.gender,
        )
        for speaker in script.cast
        if speaker.id in stored
    }
    references = {name: _joined(audio, own) for name, own in spans.items() if own}
    return Profiles(profiles, references, key)


def _reference_spans(speaker: Speaker, script: Script) -> tuple[Span, ...]:
    if speaker.references:
        return speaker.references
    lines = sorted(script.lines_of(speaker.id), key=lambda line: -line.span.duration)
    return tuple(line.span for line in lines[:4] if line.span.duration > 0)


def _joined(audio: Waveform, spans: Sequence[Span]) -> Waveform:
    parts = [audio.cut(span).samples for span in spans]
    joined = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return Waveform(np.ascontiguousarray(joined, np.float32), audio.rate)


def cast_stage(
    run: Run, analysis: Analysis, script: Script, language: str
) -> tuple[Profiles, dict[str, VoiceChoice]]:
    """What every speaker sounds like, and the voice that each one gets."""
    with run.stage("cast", total=len(script.cast)) as progress:
        profiles = speaker_profiles(run, analysis, script)
        return profiles, cast_voices(run, script, profiles, language, progress)


def cast_voices(
    run: Run, script: Script, profiles: Profiles, language: str, progress: StageProgress
) -> dict[str, VoiceChoice]:
    """One voice per speaker. A voice that the script already names for this engine stays."""
    engine = run.engines.name("speak")
    named = {
        speaker.id: speaker.voices[language]
        for speaker in script.cast
        if language in speaker.voices and speaker.voices[language].engine == engine
    }
    speaking = [s.id for s in script.cast if script.lines_of(s.id)]
    wanted = [p for name, p in profiles.by_speaker.items() if name in speaking]
    if all(profile.speaker in named for profile in wanted):
        return named
    taken = {name: choice.style for name, choice in named.items()}
    bank = run.engines.get("speak").bank(language)
    styles = assign_styles(wanted, bank, taken=taken)
    identities = [run.engines.identity(kind) for kind in ("speak", "convert", "voiceprint")]
    chosen: dict[str, VoiceChoice] = dict(named)
    for name, style in styles.items():
        used = {choice.style for choice in chosen.values()}
        used |= {other.name for speaker, other in styles.items() if speaker not in (*chosen, name)}
        profile = profiles.by_speaker[name]
        candidates = shortlist(profile, wanted, bank, first=style, taken=used)
        chosen[name] = _cached_tuning(
            run, script, profiles, (name, language), candidates, identities
        )
        progress.step(name)
    for name in speaking:
        if name not in chosen:
            chosen[name] = _default_voice(run, script.speaker(name), chosen, language)
    return chosen


def _default_voice(
    run: Run, speaker: Speaker, chosen: Mapping[str, VoiceChoice], language: str
) -> VoiceChoice:
    """The best free style for a speaker of whom there is too little sound to match a voice."""
    styles = run.engines.get("speak").styles(language)
    taken = {choice.style for choice in chosen.values()}
    free = [style for style in styles if style.name not in taken] or list(styles)
    fitting = [style for style in free if speaker.gender in (None, style.gender)] or free
    note = "too little clean speech to match a voice: a default voice was given"
    run.decide(Decision("speak", speaker.id, "fallback", note))
    return VoiceChoice(run.engines.name("speak"), fitting[0].name)


def _cached_tuning(
    run: Run,
    script: Script,
    profiles: Profiles,
    who: tuple[str, str],
    candidates: Sequence[StylePrint],
    identities: list[str],
) -> VoiceChoice:
    name, language = who

    def make(work: Path) -> None:
        try:
            choice = _tuned(run, script, profiles, who, candidates)
        except EngineError as error:  # an audition that fails must not cost the film
            note = f"the audition failed, so the voice is not tuned: {error.message}"
            run.decide(Decision("speak", name, "fallback", note))
            choice = VoiceChoice(run.engines.name("speak"), candidates[0].name)
        save(work / "voice.json", choice)

    names = [style.name for style in candidates]
    folder, _ = run.ensure(
        "cast", VERSION, profiles.key, identities, language, name, names, make=make
    )
    choice: VoiceChoice = load(folder / "voice.json", VoiceChoice)
    return choice


AUDITION_LENGTH = 90
"""Letters of an audition, about five seconds: voiceprints of shorter pieces are unsure."""


def _tuned(
    run: Run,
    script: Script,
    profiles: Profiles,
    who: tuple[str, str],
    candidates: Sequence[StylePrint],
) -> VoiceChoice:
    """The nearest of the candidate styles, heard reading the speaker's own lines, then tuned."""
    name, language = who
    engine = run.engines.name("speak")
    text = _audition_text(script, name, language)
    if not text:
        return VoiceChoice(engine, candidates[0].name)
    synthesizer, embedder = run.engines.get("speak"), run.engines.get("voiceprint")
    auditions = [
        speak_phrases(synthesizer, [Phrase(text)], language=language, style=style.name).audio
        for style in candidates
    ]
    keys = [digest("audition", engine, style.name, language, text) for style in candidates]
    heard = [
        listen_to(run, key, audio, language) for key, audio in zip(keys, auditions, strict=True)
    ]
    profile, others = profiles.by_speaker[name], profiles.others(name)
    errors = [item.error(text, language) for item in heard]
    best = best_audition([item.voiceprint for item in heard], errors, profile, others)
    converter = run.engines.get("convert")
    return tune_voice(
        VoiceChoice(engine, candidates[best].name),
        auditions[best],
        audition_pitch=converter.median_pitch(auditions[best]),
        reference=profiles.references[name],
        profile=profile,
        others=others,
        converter=converter,
        embedder=embedder,
        resample=lambda audio: resample(audio, SPEECH_RATE),
    )


def _audition_text(script: Script, name: str, language: str) -> str:
    """Whole lines of the speaker, the longest first, until there is enough to judge a voice by."""
    texts = [spoken_text(line, language) for line in script.lines_of(name)]
    chosen: list[str] = []
    for text in sorted(texts, key=lambda text: (-len(text), text)):
        if text and sum(map(len, chosen)) < AUDITION_LENGTH:
            chosen.append(text)
    return " ".join(chosen)[: 2 * AUDITION_LENGTH]


def spoken_text(line: Line, language: str) -> str:
    """What is to be spoken for a line; empty when it has no usable translation."""
    translation = line.translations.get(language)
    return translation.text if translation and translation.status != "untranslated" else ""


UNDERSTOOD = 0.1
"""Round-trip error up to which a take is kept without another attempt: within what the recogniser
itself gets wrong (WER 5.7 % on film, 11 % on short Spanish lines of a native voice)."""


def is_neutral(choice: VoiceChoice) -> bool:
    """Whether the voice is used as it comes from the synthesiser."""
    return choice.pitch == 1.0 and choice.warp == 1.0 and choice.envelope == 0.0


class TakeMaker:
    """Makes the takes of one language: natural speech, fitted speech, converted voice."""

    def __init__(
        self, run: Run, language: str, choices: Mapping[str, VoiceChoice], profiles: Profiles
    ) -> None:
        self._run = run
        self._language = language
        self._choices = choices
        self._profiles = profiles
        self._identity = run.engines.identity("speak")
        self._pause_scale: dict[str, float] = {}

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
        if not pause or natural <= room:
            return natural
        scale = max(Fraction(0), (room - (natural - pause)) / pause)
        self._pause_scale[line.id] = round(float(scale), 2)
        return self.speech(line, 1.0)[0].audio.duration

    def speech(self, line: Line, speed: float) -> tuple[Speech, str, bool]:
        """``(speech, key, cached)`` of a line at an engine rate, in the plain style."""
        phrases = self.phrases(line)
        style = self._choices[line.speaker].style
        speed = round(speed, 2)
        parts = (VERSION, self._identity, self._language, style, phrases, speed)

        def make(work: Path) -> None:
            speech = speak_phrases(
                self._run.engines.get("speak"),
                phrases,
                language=self._language,
                style=style,
                speed=speed,
            )
            write_waveform(work / "speech.wav", speech.audio)
            save(work / "phones.json", speech.phones)

        folder, cached = self._run.ensure("speech", *parts, make=make)
        phones: tuple[Phone, ...] = load(folder / "phones.json", tuple[Phone, ...])
        return Speech(open_waveform(folder / "speech.wav"), phones), digest(*parts), cached

    def fitted(self, line: Line, fit: Fit, natural: Fraction) -> tuple[Speech, str, float]:
        """``(speech, key, speed)`` that fits the room, asking for more speed until it does.

        Raises ``EngineError`` when four attempts are not enough: the caller passes the line
        through.
        """
        speed = fit.speed if abs(fit.speed - 1) > 0.02 else 1.0
        for _ in range(4):
            speech, key, _ = self.speech(line, speed)
            if speech.audio.duration <= fit.room:
                return speech, key, speed
            speed = min(2.0, speed * float(speech.audio.duration / fit.room) + 0.02)
        raise EngineError(f"line {line.id} does not fit into {float(fit.room):.2f} s")

    def take(self, line: Line, fit: Fit, natural: Fraction) -> Spoken:
        """The finished take of a line and where it lies."""
        text = spoken_text(line, self._language)
        first = self._choices[line.speaker]
        best, least = self._one_take(line, fit, first, natural), float("inf")
        for choice, faster in self._attempts(first):
            try:
                faster_fit = replace(fit, speed=fit.speed + faster)
                spoken = self._one_take(line, faster_fit, choice, natural)
            except EngineError:  # the first take stands
                break
            heard = listen_to(self._run, spoken.folder.name, spoken.take.audio, self._language)
            error = heard.error(text, self._language)
            if error < least - 0.01:
                best, least = spoken, error
            if least <= UNDERSTOOD:
                break
        return best

    @staticmethod
    def _attempts(choice: VoiceChoice) -> Iterator[tuple[VoiceChoice, float]]:
        """``(voice, more speed)``: as cast; a touch faster, twice; without conversion.

        The 8-bit model answers small changes of rate with quite different takes, so a take that
        came out garbled is often clear at the next rate.
        """
        yield choice, 0.0
        yield choice, 0.03
        yield choice, 0.06
        if not is_neutral(choice):
            yield replace(choice, pitch=1.0, warp=1.0, envelope=0.0), 0.0

    def _one_take(self, line: Line, fit: Fit, choice: VoiceChoice, natural: Fraction) -> Spoken:
        speech, key, speed = self.fitted(line, fit, natural)
        reference = self._profiles.references.get(line.speaker)
        shape = (choice.pitch, choice.warp, choice.envelope)
        converter = self._run.engines.identity("convert")

        def make(work: Path) -> None:
            audio = speech.audio
            if not is_neutral(choice) and reference is not None:
                audio = self._run.engines.get("convert").convert(audio, reference, choice)
            write_waveform(work / "take.wav", audio)

        folder, _ = self._run.ensure(
            "take", VERSION, key, converter, shape, self._profiles.key, line.speaker, make=make
        )
        audio = open_waveform(folder / "take.wav")
        take = Take(line.id, audio, speech.phones, choice, speed=round(speed, 2))
        return Spoken(take, place(fit, audio.duration, natural), folder)


def speak_lines(run: Run, script: Script, maker: TakeMaker, language: str) -> dict[str, Spoken]:
    """A take for every line that has a usable translation; the others keep their original sound."""
    lines = [x for x in script.lines if spoken_text(x, language) and x.span.duration > 0]
    natural: dict[str, Fraction] = {}
    with run.stage("speak", total=2 * len(lines)) as progress:
        for line in lines:
            _natural_length(run, maker, line, natural, progress)
        options = FitOptions(max_speed=run.options.max_speed)
        by_id = {line.id: line for line in lines}
        for slot in find_slots([by_id[name] for name in natural], script.duration, options):
            length = maker.tighten(by_id[slot.line], slot, natural[slot.line], options)
            natural[slot.line] = length
        fits = fit_lines(lines, natural, script.duration, options)
        run.decide(*fit_decisions(fits, {line.id: line.span for line in lines}))
        spoken: dict[str, Spoken] = {}
        for line in lines:
            fit = fits.get(line.id)
            if fit is not None and fit.fits:
                _finish(run, maker, line, (fit, natural[line.id]), spoken)
            progress.step(line.id)
        run.decide(*talked_over(lines, {name: item.placement for name, item in spoken.items()}))
    return spoken


def _natural_length(
    run: Run, maker: TakeMaker, line: Line, natural: dict[str, Fraction], progress: StageProgress
) -> None:
    try:
        speech, _, cached = maker.speech(line, 1.0)
    except EngineError as error:
        _pass_through(run, line, error.message)
        progress.step(line.id)
        return
    if speech.audio.duration > 0:
        natural[line.id] = speech.audio.duration
    else:
        _pass_through(run, line, "the voice engine returned silence")
    progress.step(line.id, cached=cached)


def _finish(
    run: Run,
    maker: TakeMaker,
    line: Line,
    fitting: tuple[Fit, Fraction],
    spoken: dict[str, Spoken],
) -> None:
    try:
        spoken[line.id] = maker.take(line, *fitting)
    except EngineError as error:
        _pass_through(run, line, error.message)


def _pass_through(run: Run, line: Line, reason: str) -> None:
    run.decide(Decision("speak", line.id, "pass-through", reason, line.span))
