"""Right of the Script: what every speaker sounds like, and the voice that each one gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from polydub.engines.protocols import SpeechRequest, StylePrint, VoiceEmbedder, VoiceReference
from polydub.errors import EngineError, ProjectError
from polydub.evaluate.likeness import centre
from polydub.media.audio import open_waveform, resample
from polydub.model import (
    CLONE,
    Decision,
    Line,
    Script,
    Span,
    Speaker,
    VoiceChoice,
    Voiceprint,
    Waveform,
    merge,
)
from polydub.model.language import is_spaced
from polydub.model.terms import without_marks
from polydub.model.time import total, without
from polydub.pipeline.analysis import SPEECH_RATE, VERSION, Analysis, Sound
from polydub.pipeline.cloning import ENOUGH_S, reference_key, voice_references
from polydub.pipeline.listening import PronouncingSynthesizer, listen_to
from polydub.pipeline.run import Run, StageProgress
from polydub.pipeline.series import with_series_voices
from polydub.project.artifacts import load, save
from polydub.project.cache import digest
from polydub.stages.cast import (
    VoiceProfile,
    assign_styles,
    best_audition,
    pitch_ratio,
    shortlist,
    tune_voice,
)
from polydub.stages.shape import (
    ShapeableSynthesizer,
    Shift,
    SlopingEmbedder,
    options_for,
    shape_voice,
)
from polydub.stages.speak import Phrase, Voicing, speak_phrases

CASTING = 15
"""Raise when a voice would be chosen otherwise than before: choices are cached under it."""


@dataclass(frozen=True, slots=True, eq=False)
class Profiles:
    """What every speaker sounds like, each with clean reference sound (16 kHz mono).

    ``voices`` are for a synthesiser that clones: the same sound in pieces, with its words.
    ``sound`` is the film's, where it is needed again.
    """

    by_speaker: dict[str, VoiceProfile]
    references: dict[str, Waveform]
    key: str
    voices: dict[str, VoiceReference] = field(default_factory=dict)
    sound: Sound | None = None

    @property
    def prints(self) -> dict[str, Voiceprint]:
        """Voiceprints by speaker id."""
        return {name: profile.voiceprint for name, profile in self.by_speaker.items()}

    def others(self, speaker: str) -> list[Voiceprint]:
        """The voiceprints of everybody else."""
        return [p.voiceprint for name, p in self.by_speaker.items() if name != speaker]


PRINT_S = Fraction(10)
"""Seconds of references that a voiceprint is made of alone; from fewer it is that of their words
as well, and all that the speaker says by themselves is heard with them."""


SAME_VOICE = 0.6
"""Cosine of what is heard in the mix and in the dialogue from which both are the speaker's voice
and not the music beside it: 0.8 to 0.99 in 53 voices over music and noise."""


def speaker_profiles(run: Run, analysis: Analysis, script: Script) -> Profiles:
    """What the cast sounds like: voiceprints, and reference sound from their reference spans.

    A separated voice has lost something of itself, one in the mix has gained something, and the
    print between both is nearer to the voice than either. Eleven speakers of seven film clips
    against their voices recorded alone, CAM++ with ReLU: dialogue stem of the references 0.933,
    with all their lines 0.945, mean with the mix 0.952 (0.86 -> 0.95 where 2.2 s were referred to).
    """
    audio, mix = open_waveform(analysis.sound.speech), open_waveform(analysis.sound.mix)
    spans = {speaker.id: _reference_spans(speaker, script) for speaker in script.cast}
    heard = {
        speaker: _heard_spans(speaker, own, script, analysis.speech)
        for speaker, own in spans.items()
        if own
    }

    def make(work: Path) -> None:
        embedder = run.engines.get("voiceprint")
        prints = {name: _voiceprint(embedder, audio, mix, own) for name, own in heard.items()}
        save(work / "prints.json", {name: value.tolist() for name, value in prints.items()})

    identity = run.engines.identity("voiceprint")
    key = digest(VERSION, analysis.key, identity, spans)
    # a line that the user moves changes what is heard, but makes no take anew
    folder, _ = run.ensure("profiles", key, heard, make=make)
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
    clones = "speak" in run.engines.kinds() and run.engines.capabilities("speak").clones
    voices = voice_references(analysis.sound, script, spans) if clones else {}
    return Profiles(profiles, references, key, voices, analysis.sound)


def _reference_spans(speaker: Speaker, script: Script) -> tuple[Span, ...]:
    if speaker.references:
        return speaker.references
    lines = sorted(script.lines_of(speaker.id), key=lambda line: -line.span.duration)
    return tuple(line.span for line in lines[:4] if line.span.duration > 0)


def _heard_spans(
    speaker: str, references: Sequence[Span], script: Script, speech: Sequence[Span]
) -> tuple[Span, ...]:
    """Speech of ``speaker`` to take a voiceprint of: the references, and lines where they are few.

    Nobody else has a line there, and silence is left out.
    """
    chosen = list(references)
    others = merge(line.span for line in script.lines if line.speaker != speaker)
    alone = without(merge(line.span for line in script.lines_of(speaker)), others)
    for span in sorted(alone, key=lambda span: (-span.duration, span.start)):
        if total(chosen) >= PRINT_S:
            break
        chosen.append(span)
    spoken = [part for span in merge(chosen) for said in speech if (part := span & said)]
    return tuple(spoken or chosen)


def _voiceprint(
    embedder: VoiceEmbedder, dialogue: Waveform, mix: Waveform, spans: Sequence[Span]
) -> Voiceprint:
    alone, among = (embedder.embed(_joined(sound, spans)) for sound in (dialogue, mix))
    return centre([alone, among]) if float(alone @ among) >= SAME_VOICE else alone


def _joined(audio: Waveform, spans: Sequence[Span]) -> Waveform:
    parts = [audio.cut(span).samples for span in spans]
    joined = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return Waveform(np.ascontiguousarray(joined, np.float32), audio.rate)


def cast_stage(
    run: Run,
    analysis: Analysis,
    script: Script,
    language: str,
) -> tuple[Profiles, Script]:
    """What every speaker sounds like, and the script with the voice that each one gets."""
    with run.stage("cast", total=len(script.cast)) as progress:
        profiles = speaker_profiles(run, analysis, script)
        script = with_series_voices(run, script, profiles.prints)
        choices = cast_voices(run, script, profiles, language, progress)
    cast: list[Speaker] = []
    for speaker in script.cast:
        choice = choices.get(speaker.id)
        voices = {**speaker.voices, language: choice} if choice else speaker.voices
        cast.append(replace(speaker, voices=voices))
    return profiles, script.with_cast(tuple(cast))


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
    _check_styles(run, named, language)
    speaking = [s.id for s in script.cast if script.lines_of(s.id)]
    if run.engines.capabilities("speak").clones:
        return named | _clones(run, script, profiles, (speaking, language), named, progress)
    wanted = [p for name, p in profiles.by_speaker.items() if name in speaking]
    if all(profile.speaker in named for profile in wanted):
        return named
    taken = {name: choice.voice for name, choice in named.items()}
    bank = run.engines.get("speak").bank(language)
    styles = assign_styles(wanted, bank, taken=taken)
    identities = [run.engines.identity(kind) for kind in ("speak", "convert", "voiceprint")]
    chosen: dict[str, VoiceChoice] = dict(named)
    for name, style in styles.items():
        used = {choice.voice for choice in chosen.values()}
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


def _clones(
    run: Run,
    script: Script,
    profiles: Profiles,
    asked: tuple[Sequence[str], str],
    named: Mapping[str, VoiceChoice],
    progress: StageProgress,
) -> dict[str, VoiceChoice]:
    """Everybody's own voice, where there is speech to clone it from; else one of the engine's."""
    speaking, language = asked
    identities = [run.engines.identity(kind) for kind in ("speak", "voiceprint")]
    chosen: dict[str, VoiceChoice] = {}
    for name in speaking:
        if name in named:
            continue
        voice = profiles.voices.get(name)
        if voice is not None:
            chosen[name] = _cached_clone(run, script, profiles, (name, language), identities)
            if voice.seconds < ENOUGH_S:
                note = f"cloned from {voice.seconds:.1f} s of clean speech only"
                run.decide(Decision("speak", name, "warning", note))
        elif [x for x in run.engines.get("speak").styles(language) if x.name != CLONE]:
            chosen[name] = _default_voice(run, script.speaker(name), chosen, language)
        else:
            note = "no speech to clone the voice from: the original is kept"
            run.decide(Decision("speak", name, "pass-through", note))
        progress.step(name)
    return chosen


def _cached_clone(
    run: Run,
    script: Script,
    profiles: Profiles,
    who: tuple[str, str],
    identities: list[str],
) -> VoiceChoice:
    """The cloned voice with its measured similarity, heard reading the speaker's own lines."""
    name, language = who
    text = _audition_text(script, name, language)
    plain = VoiceChoice(run.engines.name("speak"), CLONE)

    def make(work: Path) -> None:
        choice = plain
        if text and name in profiles.by_speaker:
            audition = _Audition(run, profiles, name, language, text)
            try:
                heard, _ = audition.heard(CLONE, audition.spoken(CLONE))
                similarity = round(float(heard @ audition.profile.voiceprint), 4)
                choice = replace(plain, similarity=similarity)
            except EngineError as error:  # an audition that fails must not cost the film
                note = f"the clone could not be heard beforehand: {error.message}"
                run.decide(Decision("speak", name, "warning", note))
        save(work / "voice.json", choice)

    voice = reference_key(profiles.voices[name])
    parts = (VERSION, CASTING, profiles.key, identities, language, name, text, voice)
    folder, _ = run.ensure("cast", *parts, make=make)
    choice: VoiceChoice = load(folder / "voice.json", VoiceChoice)
    return choice


def _check_styles(run: Run, named: Mapping[str, VoiceChoice], language: str) -> None:
    """Raise ``ProjectError`` DUB-E303 when the script names a voice that the engine lacks."""
    if not named:
        return
    known = {style.name for style in run.engines.get("speak").styles(language)}
    for speaker, choice in named.items():
        if choice.voice not in known:
            raise ProjectError(
                f"script.json gives {speaker} the voice '{choice.voice}', which "
                f"'{choice.engine}' does not have.",
                hint=f"It has: {', '.join(sorted(known))}.",
                code="DUB-E303",
            )


def _default_voice(
    run: Run, speaker: Speaker, chosen: Mapping[str, VoiceChoice], language: str
) -> VoiceChoice:
    """The best free style for a speaker of whom there is too little sound to match a voice."""
    styles = [x for x in run.engines.get("speak").styles(language) if x.name != CLONE]
    taken = {choice.voice for choice in chosen.values()}
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
        "cast", VERSION, CASTING, profiles.key, identities, language, name, names, make=make
    )
    choice: VoiceChoice = load(folder / "voice.json", VoiceChoice)
    return choice


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


@dataclass(frozen=True, slots=True)
class _Audition:
    """Whose voice is sought, in which language, on which text."""

    run: Run
    profiles: Profiles
    name: str
    language: str
    text: str

    def spoken(self, style: str) -> Waveform:
        """The text in the engine's voice ``style``."""
        synthesizer = self.run.engines.get("speak")
        return speak_phrases(
            synthesizer,
            [Phrase(self.text)],
            language=self.language,
            style=style,
            speed=self.speed,
            voicing=Voicing(self.profiles.voices.get(self.name)) if style == CLONE else None,
        ).audio

    @property
    def speed(self) -> float:
        """At which the text is spoken."""
        pace = self.run.engines.capabilities("speak").pace
        return AUDITION_SPEED if pace == "speed" else 1.0

    def heard(self, style: str, audio: Waveform) -> tuple[Voiceprint, float]:
        """Voiceprint and round-trip error of :meth:`spoken`."""
        engine = self.run.engines.identity("speak")
        parts = ["audition", engine, style, self.language, self.text, self.speed]
        if style == CLONE:
            parts.append(reference_key(self.profiles.voices[self.name]))
        key = digest(*parts)
        found = listen_to(self.run, key, audio, self.language)
        synthesizer = self.run.engines.get("speak")
        read = synthesizer.phonemes if isinstance(synthesizer, PronouncingSynthesizer) else None
        return found.voiceprint, found.misheard(self.text, self.language, read)

    @property
    def profile(self) -> VoiceProfile:
        """What the speaker sounds like."""
        return self.profiles.by_speaker[self.name]

    @property
    def others(self) -> list[Voiceprint]:
        """The voiceprints of everybody else."""
        return self.profiles.others(self.name)


def _tuned(
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
    text = _audition_text(script, name, language)
    if not text:
        return VoiceChoice(engine, candidates[0].name)
    audition = _Audition(run, profiles, name, language, text)
    synthesizer, embedder = run.engines.get("speak"), run.engines.get("voiceprint")
    shapeable = isinstance(synthesizer, ShapeableSynthesizer)
    shapeable = shapeable and isinstance(embedder, SlopingEmbedder)
    wanted = AUDITIONS_TO_SHAPE if shapeable else AUDITIONS
    styles: list[str] = []
    takes: list[Waveform] = []
    heard: list[tuple[Voiceprint, float]] = []
    best = 0
    for style in candidates:
        if len(heard) >= wanted and heard[best][1] <= UNCLEAR:
            break
        at_pitch = _at_pitch(synthesizer, style, audition.profile) if shapeable else style.name
        styles.append(at_pitch)
        takes.append(audition.spoken(at_pitch))
        heard.append(audition.heard(at_pitch, takes[-1]))
        best = _best(heard, audition, candidates[: len(heard)])
    if shapeable and (shaped := _shaped(audition, styles[best], heard[best])):
        return shaped
    return _converted(audition, VoiceChoice(engine, styles[best]), takes[best])


def _best(
    heard: Sequence[tuple[Voiceprint, float]],
    audition: _Audition,
    styles: Sequence[StylePrint] | None = None,
) -> int:
    prints, errors = zip(*heard, strict=True)
    return best_audition(prints, errors, audition.profile, audition.others, styles=styles)


def _at_pitch(synthesizer: ShapeableSynthesizer, style: StylePrint, profile: VoiceProfile) -> str:
    """The style at the speaker's median pitch, as far as it may be moved."""
    return synthesizer.shaped(style.name, pitch=pitch_ratio(style.pitch_hz, profile.pitch_hz))


SHARES = (1.0, 0.8, 0.6, 0.45, 0.3)
"""Shares of a shift that are auditioned in turn: the whole, and less where that costs clearness."""


MISHEARD = 0.08
"""Round-trip error that shaping may add: one word of an audition (one of four sounds in 57 was
misheard in every share). Of thirteen texts shaped all the way one was worse than that (French,
5 % -> 26 % wrong)."""


def _shaped(audition: _Audition, style: str, plain: tuple[Voiceprint, float]) -> VoiceChoice | None:
    """``style`` with its timbre moved towards the speaker.

    ``None`` where that cannot be done, or brings nothing to what is heard ``plain``.
    """
    synthesizer = audition.run.engines.get("speak")
    shift = _found_shift(audition, style)
    if shift is None:
        return None
    for share in SHARES:
        moved = synthesizer.shaped(style, shift=share * shift)
        heard = audition.heard(moved, audition.spoken(moved))
        if heard[1] <= plain[1] + MISHEARD and _best([plain, heard], audition):
            similarity = round(float(heard[0] @ audition.profile.voiceprint), 4)
            return VoiceChoice(audition.run.engines.name("speak"), moved, similarity=similarity)
    return None


def _found_shift(audition: _Audition, style: str) -> Shift | None:
    run = audition.run
    request = SpeechRequest(_beginning(audition.text), audition.language, style)
    seconds = float(audition.profiles.references[audition.name].duration)
    try:
        found = shape_voice(
            run.engines.get("speak").probe(request),
            run.engines.get("voiceprint"),
            audition.profile.voiceprint,
            audition.others,
            resample=resample,
            rate=SPEECH_RATE,
            options=options_for(seconds),
        )
    except EngineError as error:
        note = f"the voice is not shaped: {error.message}"
        run.decide(Decision("speak", audition.name, "fallback", note))
        return None
    return found.shift


def _beginning(text: str) -> str:
    """The first words of ``text``, about :data:`PROBE_LENGTH` letters."""
    if len(text) <= PROBE_LENGTH * 3 // 2:
        return text
    end = text.find(" ", PROBE_LENGTH)
    return text[: end if 0 < end <= PROBE_LENGTH * 3 // 2 else PROBE_LENGTH]


def _converted(audition: _Audition, choice: VoiceChoice, take: Waveform) -> VoiceChoice:
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


def _audition_text(script: Script, name: str, language: str) -> str:
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


def spoken_text(line: Line, language: str) -> str:
    """What is to be spoken for a line; empty when it has no usable translation."""
    translation = line.translations.get(language)
    spoken = translation is not None and translation.status != "untranslated"
    return without_marks(translation.text) if translation and spoken else ""
