"""Between analysis and takes: how every line of the original is said. Cached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from polydub.engines.protocols import Delivery, Foreseen
from polydub.errors import EngineError
from polydub.media.audio import open_waveform
from polydub.model import Decision, Phone, Script, Span, Turn, Waveform
from polydub.model.cues import CUE_STEP_S, LineCues, PitchTrack
from polydub.pipeline.analysis import VERSION, Analysis
from polydub.pipeline.run import Run
from polydub.project.artifacts import load, save
from polydub.stages import cues as cue_stage
from polydub.stages import deliver as deliver_stage
from polydub.stages import nonverbal as nonverbal_stage
from polydub.stages.cues import CueOptions, PitchTracker, Usual, line_cues, take_cues
from polydub.stages.deliver import DeliverOptions, deliver
from polydub.stages.nonverbal import Nonverbal, find_nonverbal
from polydub.stages.voice_parts import learn_voices


def cues_of_lines(run: Run, analysis: Analysis, script: Script) -> dict[str, LineCues]:
    """How every line is said, by line id; empty (with a decision) when pitch cannot be measured."""
    said = [(x.id, x.speaker, x.span, x.text, x.words) for x in script.lines]
    turns = _turns(script)
    usual = {speaker.id: speaker.pitch_hz for speaker in script.cast}
    parts = (VERSION, cue_stage.VERSION, analysis.key, said, turns, usual, script.language)

    def make(work: Path) -> None:
        dialogue, mix = (open_waveform(x) for x in (analysis.sound.speech, analysis.sound.mix))
        parts, foreign = own_parts(script, dialogue, mix, turns)
        found = line_cues(
            script.lines,
            dialogue,
            pitch_tracker(run),
            language=script.language,
            usual_hz=usual,
            foreign=foreign,
            parts=parts,
        )
        save(work / "cues.json", found)

    with run.stage("cues") as progress:
        try:
            folder, cached = run.ensure("cues", *parts, run.engines.identity("convert"), make=make)
        except EngineError as error:
            why = f"the original's delivery is not taken over: {error.message}"
            run.decide(Decision("cues", "film", "fallback", why))
            return {}
        progress.step("film", cached=cached)
    cues: dict[str, LineCues] = load(folder / "cues.json", dict[str, LineCues])
    return cues


def nonverbal_sounds(run: Run, analysis: Analysis, script: Script) -> tuple[Nonverbal, ...]:
    """Laughs, breaths and sighs of the cast outside their words; empty when pitch cannot be
    measured."""
    said = [(x.id, x.speaker, x.span, x.words) for x in script.lines]
    parts = (VERSION, nonverbal_stage.VERSION, analysis.key, said, script.wordless)

    def make(work: Path) -> None:
        audio = open_waveform(analysis.sound.speech)
        tracker = pitch_tracker(run)
        found = find_nonverbal(script.lines, audio, tracker, wordless=script.wordless)
        save(work / "nonverbal.json", found)

    try:
        folder, _ = run.ensure("nonverbal", *parts, run.engines.identity("convert"), make=make)
    except EngineError as error:
        run.decide(
            Decision("cues", "film", "fallback", f"laughs are not looked for: {error.message}")
        )
        return ()
    found: tuple[Nonverbal, ...] = load(folder / "nonverbal.json", tuple[Nonverbal, ...])
    return found


FORESEEN_PAUSE_S = 0.11
"""A hole between foreseen phones from which on a phrase ends.

Kokoro counts in 25 ms: five of them and more at a comma, four at most between words. What is heard
at a comma is longer by the closures around it (0.18 s foreseen, 0.31 s of silence in the take).
"""


SLOWER = 1.25
"""Less melody is in a tone language first a slower one: this times the share of what is slower than
the usual width by the share. Half of it is 5/8 of what is slower than twice that width."""


def wanted_melody(
    cues: LineCues, foreseen: Foreseen, *, language: str, text: str, share: float = 1.0
) -> Delivery | None:
    """The pitch with which a line is to be said, on the clock of ``foreseen``; ``None``: as it is.

    Of the original's melody ``share`` times as much is taken over as usual. Nothing is heard yet,
    so every phone counts as sounding, and a pause of :data:`FORESEEN_PAUSE_S` ends a phrase.
    """
    sounding = _sounding(foreseen)
    own = take_cues(
        cues.line,
        sounding,
        foreseen.pitch,
        Usual(),
        phones=foreseen.phones,
        options=CueOptions(pause=FORESEEN_PAUSE_S),
    )
    if own.pitch_hz is None:
        return None
    return deliver(
        cues,
        own,
        voice_hz=own.pitch_hz,
        seconds=foreseen.seconds,
        language=language,
        text=text,
        options=_melody_options(share),
    )


def _melody_options(share: float) -> DeliverOptions:
    """``share`` of the melody as it is usually taken over (:data:`SLOWER`)."""
    usual = DeliverOptions()
    short, long = (share * part for part in usual.melody)
    tonal, width = usual.tonal
    tonal, width = (min(1.0, SLOWER * share) * tonal, width / share) if share else (0.0, width)
    return replace(usual, melody=(short, long), tonal=(tonal, width))


def wanted_loudness(
    cues: LineCues, audio: Waveform, phones: Sequence[Phone], *, language: str, text: str
) -> Delivery | None:
    """The gain and breath with which a finished take is to be heard; its pitch stays."""
    mute = PitchTrack(CUE_STEP_S, np.zeros(int(float(audio.duration) / CUE_STEP_S) + 1))
    own = take_cues(cues.line, audio, mute, Usual(), phones=phones)
    seconds = float(audio.duration)
    return deliver(cues, own, voice_hz=1.0, seconds=seconds, language=language, text=text)


def _sounding(foreseen: Foreseen) -> Waveform:
    """Even noise where a phone is, silence in the pauses."""
    rate = 8000
    samples = np.zeros(round(foreseen.seconds * rate), np.float32)
    for phone in foreseen.phones:
        if phone.symbol != " ":
            first, last = (round(float(t) * rate) for t in (phone.span.start, phone.span.end))
            samples[first:last] = 0.1
    samples[1::2] *= -1
    return Waveform(samples, rate)


def delivery_version() -> str:
    """Part of the key of every take that was delivered."""
    return f"{cue_stage.VERSION}.{deliver_stage.VERSION}"


def pitch_tracker(run: Run) -> PitchTracker:
    """What measures F0: the converter. Raises ``EngineError`` when it cannot."""
    converter = run.engines.get("convert")
    tracker: PitchTracker | None = getattr(converter, "pitch_track", None)
    if tracker is None:
        name = run.engines.name("convert")
        raise EngineError(f"the converter '{name}' does not measure pitch", code="DUB-E202")
    return tracker


def _turns(script: Script) -> tuple[Turn, ...]:
    """All that the cast is heard to say, with words and without."""
    return (*(Turn(line.span, line.speaker) for line in script.lines), *script.wordless)


def own_parts(
    script: Script, dialogue: Waveform, mix: Waveform, turns: Sequence[Turn]
) -> tuple[dict[str, Waveform], dict[str, tuple[Span, ...]]]:
    """By line, where somebody else is heard as well: its own voice alone, and where that failed.

    Taken out of the ``mix``: separation from the background leaves little of the quieter voice.
    """
    voices = learn_voices(mix, turns)
    parts: dict[str, Waveform] = {}
    foreign: dict[str, tuple[Span, ...]] = {}
    for line in script.lines:
        if voices.overlaps(line.speaker, line.span):
            found, foreign[line.id] = voices.part(line.speaker, line.span, dialogue)
            parts[line.id] = found
    return parts, foreign
