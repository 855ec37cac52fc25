"""Right of the Script: the voice that each speaker gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from polydub.engines.protocols import StylePrint
from polydub.errors import EngineError, ProjectError
from polydub.model import CLONE, Decision, Script, Speaker, VoiceChoice
from polydub.pipeline.analysis import VERSION, Analysis
from polydub.pipeline.audition import Audition, audition_text, tuned_voice
from polydub.pipeline.cloning import ENOUGH_S, reference_key
from polydub.pipeline.listening import predictor
from polydub.pipeline.profiles import Profiles, speaker_profiles
from polydub.pipeline.run import Run, StageProgress
from polydub.pipeline.series import with_series_voices
from polydub.project.artifacts import load, save
from polydub.stages.cast import assign_styles, shortlist, similarity

CASTING = 16
"""Raise when a voice would be chosen otherwise than before: choices are cached under it."""


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
    text = audition_text(script, name, language)
    plain = VoiceChoice(run.engines.name("speak"), CLONE)

    def make(work: Path) -> None:
        choice = plain
        if text and name in profiles.by_speaker:
            audition = Audition(run, profiles, name, language, text)
            try:
                _, heard, _ = audition.read(CLONE)
                choice = replace(plain, similarity=similarity(heard, audition.profile))
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
            choice = tuned_voice(run, script, profiles, who, candidates)
        except EngineError as error:  # an audition that fails must not cost the film
            note = f"the audition failed, so the voice is not tuned: {error.message}"
            run.decide(Decision("speak", name, "fallback", note))
            choice = VoiceChoice(run.engines.name("speak"), candidates[0].name)
        save(work / "voice.json", choice)

    names = [style.name for style in candidates]
    judge = predictor()
    judged = (judge.name, judge.version) if judge else ()
    parts = (VERSION, CASTING, profiles.key, identities, *judged, language, name, names)
    folder, _ = run.ensure("cast", *parts, make=make)
    choice: VoiceChoice = load(folder / "voice.json", VoiceChoice)
    return choice
