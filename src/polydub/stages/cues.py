"""Measures how a line is said, in the film or in a take: pitch, loudness, pace, effort. Pure.

The same measurement serves both, so that a take can be compared with the line it replaces. Pitch
and loudness are kept relative to what is usual for the voice: a dub should rise where the original
rose, not sound as high.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from polydub.model import Line, Phone, Span, Waveform, merge, to_seconds
from polydub.model.cues import (
    CUE_STEP_S,
    Effort,
    FinalContour,
    LineCues,
    PhraseCues,
    PitchTrack,
)
from polydub.stages.pitch_cleaning import clean_pitch, levels_db
from polydub.stages.speaker_attributes import count_syllables

Floats = npt.NDArray[np.float64]

PitchTracker = Callable[[Waveform], PitchTrack]
"""Measures the F0 of mono sound; raises ``EngineError`` when it cannot."""

VERSION = "2"
"""Part of the key of everything made here: raise it when the measurements change."""


@dataclass(frozen=True, slots=True)
class CueOptions:
    """Settings; seconds, dB and semitones.

    Sound more than ``floor`` dB below the loudest twentieth is no speech, and a gap of ``pause`` in
    it ends a phrase; phrases shorter than ``least`` are none. The final contour is read from the
    last ``final`` seconds of voiced sound: it moves from ``moving`` semitones on. A line is
    whispered when less than ``whisper`` of its speech is voiced and it is not louder than usual, a
    shout when it is ``shout_db`` louder and ``shout_st`` higher than usual.
    """

    floor: float = 30.0
    pause: float = 0.2
    least: float = 0.1
    final: float = 0.4
    moving: float = 2.0
    whisper: float = 0.15
    shout_db: float = 5.0
    shout_st: float = 3.5


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual for one voice: median pitch in Hz, speech level and tilt in dB."""

    pitch_hz: float | None = None
    level_db: float | None = None
    tilt_db: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One performance before it is compared with what is usual for the voice."""

    line: str
    start: Fraction
    pitch: PitchTrack
    levels: Floats
    phrases: tuple[tuple[int, int], ...]
    tilt_db: float
    syllables: int | None

    @property
    def speech(self) -> npt.NDArray[np.int64]:
        """Indices of the points inside phrases."""
        return np.concatenate([np.zeros(0, int), *(np.arange(a, b) for a, b in self.phrases)])

    @property
    def level_db(self) -> float:
        """Mean level (of the power) inside the phrases."""
        levels = self.levels[self.speech]
        return float(10 * np.log10(np.mean(10 ** (levels / 10)))) if len(levels) else -120.0


def line_cues(
    lines: Sequence[Line],
    dialogue: Waveform,
    track: PitchTracker,
    *,
    language: str,
    usual_hz: Mapping[str, float | None] | None = None,
    foreign: Mapping[str, Sequence[Span]] | None = None,
    parts: Mapping[str, Waveform] | None = None,
    options: CueOptions | None = None,
) -> dict[str, LineCues]:
    """The cues of every line with sound, by line id, relative to its speaker's other lines.

    ``dialogue`` is the film's dialogue stem. ``usual_hz`` maps speakers to a known median pitch
    (used to mend octave errors), ``foreign`` lines to spans in which somebody else is heard as
    well: pitch is not believed there. ``parts``: lines to the sound of their span in which only
    their own voice is left, which is measured instead.
    """
    options = options or CueOptions()
    measured: dict[str, dict[str, Measured]] = {}
    for line in lines:
        part = (parts or {}).get(line.id)
        audio = part or dialogue.cut(line.span).mono()
        if line.span.duration <= 0 or not len(audio.samples) or not np.any(audio.samples):
            continue
        known = (usual_hz or {}).get(line.speaker)
        words = [word.span.shift(-line.span.start) for word in line.words]
        found = measure(
            line.id,
            audio,
            track(audio),
            within=words,
            syllables=count_syllables(line.text, language),
            usual_hz=known,
            options=options,
        )
        others = [span.shift(-line.span.start) for span in (foreign or {}).get(line.id, ())]
        found = replace(found, start=line.span.start, pitch=_without(found.pitch, others))
        measured.setdefault(line.speaker, {})[line.id] = found
    cues: dict[str, LineCues] = {}
    for own in measured.values():
        usual = usual_of(list(own.values()))
        cues |= {name: relative(item, usual, options) for name, item in own.items()}
    return {line.id: cues[line.id] for line in lines if line.id in cues}


def take_cues(
    line: str,
    audio: Waveform,
    pitch: PitchTrack,
    usual: Usual,
    *,
    phones: Sequence[Phone] = (),
    syllables: int | None = None,
    options: CueOptions | None = None,
) -> LineCues:
    """The cues of one take, relative to what is ``usual`` for the dubbed voice; times from 0."""
    options = options or CueOptions()
    spoken = [phone.span for phone in phones if phone.symbol != " "]
    item = measure(
        line,
        audio.mono(),
        pitch,
        within=spoken,
        syllables=syllables,
        usual_hz=usual.pitch_hz,
        options=options,
    )
    own = usual_of([item])
    known = Usual(
        usual.pitch_hz or own.pitch_hz,
        own.level_db if usual.level_db is None else usual.level_db,
        own.tilt_db if usual.tilt_db is None else usual.tilt_db,
    )
    return relative(item, known, options)


def measure(
    line: str,
    audio: Waveform,
    pitch: PitchTrack,
    *,
    within: Sequence[Span] = (),
    syllables: int | None = None,
    usual_hz: float | None = None,
    options: CueOptions | None = None,
) -> Measured:
    """One performance in mono ``audio``; ``within`` are the spans of its words or phones."""
    options = options or CueOptions()
    levels = levels_db(audio.samples, audio.rate)
    cleaned = clean_pitch(pitch, levels, usual_hz=usual_hz)
    phrases = spoken_phrases(levels, within, options)
    return Measured(
        line,
        Fraction(0),
        cleaned,
        levels,
        phrases,
        tilt_db(audio, cleaned),
        syllables,
    )


def spoken_phrases(
    levels: Floats, within: Sequence[Span], options: CueOptions
) -> tuple[tuple[int, int], ...]:
    """``[first, last)`` points of the stretches between pauses; all of the sound if none is found.

    A pause is silence, or a hole between the spans ``within``.
    """
    if not len(levels):
        return ()
    speech = levels > max(-90.0, float(np.quantile(levels, 0.95)) - options.floor)
    if within:
        pause = to_seconds(options.pause)
        inside = np.zeros(len(levels), bool)
        for span in merge(within, gap=pause):
            first, last = (round(float(t) / CUE_STEP_S) for t in (span.start, span.end))
            inside[max(0, first) : max(0, last) + 1] = True
        speech &= inside
    points = np.flatnonzero(speech)
    if not len(points):
        return ()
    cuts = np.flatnonzero(np.diff(points) * CUE_STEP_S > options.pause) + 1
    parts = [(int(part[0]), int(part[-1]) + 1) for part in np.split(points, cuts)]
    long = [(a, b) for a, b in parts if (b - a) * CUE_STEP_S >= options.least]
    return tuple(long or parts)


def usual_of(items: Sequence[Measured]) -> Usual:
    """What is usual in several performances of one voice, each weighing as much as it lasts."""
    voiced = np.concatenate([np.zeros(0), *(x.pitch.hz[x.pitch.hz > 0] for x in items)])
    spoken = [(x, len(x.speech)) for x in items if len(x.speech)]
    if not spoken:
        return Usual(float(np.median(voiced)) if len(voiced) else None)
    weights = np.array([count for _, count in spoken], np.float64)
    return Usual(
        float(np.median(voiced)) if len(voiced) else None,
        float(np.average([x.level_db for x, _ in spoken], weights=weights)),
        float(np.average([x.tilt_db for x, _ in spoken], weights=weights)),
    )


def relative(item: Measured, usual: Usual, options: CueOptions | None = None) -> LineCues:
    """The cues of one performance of a voice."""
    options = options or CueOptions()
    own_hz = item.pitch.median_hz()
    base = usual.pitch_hz or own_hz or 1.0
    voiced = item.pitch.hz > 0
    semitones = _filled(12.0 * np.log2(np.where(voiced, item.pitch.hz, base) / base), voiced)
    level0 = item.level_db if usual.level_db is None else usual.level_db
    phrases = tuple(
        PhraseCues(
            Span.of(a * CUE_STEP_S, b * CUE_STEP_S).shift(item.start),
            _phrase_pitch(semitones, voiced, a, b),
            voiced[a:b].astype(np.float64),
            item.levels[a:b] - level0,
        )
        for a, b in item.phrases
    )
    heard = semitones[voiced]
    low, high = np.quantile(heard, (0.05, 0.95)) if len(heard) else (0.0, 0.0)
    final, final_st = final_contour(semitones, voiced, options)
    levels = item.levels[item.speech]
    quiet, loud = np.quantile(levels, (0.1, 0.9)) if len(levels) else (0.0, 0.0)
    register = 12.0 * float(np.log2(own_hz / base)) if own_hz else 0.0
    spoken_s = len(levels) * CUE_STEP_S
    share = item.pitch.voiced_s / spoken_s if spoken_s else 0.0
    cues = LineCues(
        item.line,
        phrases,
        pitch_hz=own_hz,
        register_st=register,
        range_st=float(high - low),
        final=final,
        final_st=final_st,
        level_db=item.level_db - level0,
        swing_db=float(loud - quiet),
        tilt_db=item.tilt_db - (item.tilt_db if usual.tilt_db is None else usual.tilt_db),
        syllables_per_s=item.syllables / spoken_s if item.syllables and spoken_s > 0.3 else None,
        pause_share=_pause_share(item.phrases),
        voiced_s=item.pitch.voiced_s,
        confidence=_confidence(item.pitch.voiced_s, share),
    )
    return replace(cues, effort=_effort(cues, share, spoken_s, options))


def _phrase_pitch(semitones: Floats, voiced: npt.NDArray[np.bool_], a: int, b: int) -> Floats:
    """Pitch of one phrase; its own voiced points decide, if it has any."""
    return _filled(semitones[a:b], voiced[a:b]) if voiced[a:b].any() else semitones[a:b]


def _filled(values: Floats, known: npt.NDArray[np.bool_]) -> Floats:
    """Straight lines between the known points, ends held; zeros when none is known."""
    at = np.flatnonzero(known)
    if not len(at):
        return np.zeros(len(values))
    filled: Floats = np.interp(np.arange(len(values)), at, values[at])
    return filled


def final_contour(
    semitones: Floats, voiced: npt.NDArray[np.bool_], options: CueOptions | None = None
) -> tuple[FinalContour, float]:
    """Where pitch goes at the end, and by how many semitones: a straight line through the end."""
    options = options or CueOptions()
    at = np.flatnonzero(voiced)
    if len(at) * CUE_STEP_S < 0.1:
        return "flat", 0.0
    ending = at[at > at[-1] - round(options.final / CUE_STEP_S)]
    if len(ending) * CUE_STEP_S < 0.08:
        return "flat", 0.0
    slope = float(np.polyfit(ending, semitones[ending], 1)[0])
    moved = slope * (ending[-1] - ending[0])
    last = at[at > at[-1] - round(0.15 / CUE_STEP_S)]
    end = float(np.mean(semitones[last]) - np.median(semitones[at]))
    if moved >= options.moving and end > -1.0:
        return "rise", moved
    if moved <= -options.moving or end <= -1.5 * options.moving:
        return "fall", moved
    return "flat", moved


def tilt_db(audio: Waveform, pitch: PitchTrack) -> float:
    """Level in dB of 1-4 kHz against 80-1000 Hz in the voiced sound: more when voice is raised."""
    size, rate = round(0.032 * audio.rate), audio.rate
    middles = np.flatnonzero(pitch.hz > 0) * CUE_STEP_S * rate
    first = np.round(middles - size / 2).astype(int)
    first = first[(first >= 0) & (first + size <= len(audio.samples))]
    if not len(first):
        return 0.0
    frames = np.asarray(audio.samples, np.float64)[first[:, None] + np.arange(size)]
    power = (np.abs(np.fft.rfft(frames * np.hanning(size))) ** 2).mean(axis=0)
    hertz = np.fft.rfftfreq(size, 1.0 / rate)
    low = power[(hertz >= 80) & (hertz < 1000)].sum()
    high = power[(hertz >= 1000) & (hertz < 4000)].sum()
    return float(10.0 * np.log10(max(high, 1e-12) / max(low, 1e-12)))


def _pause_share(phrases: Sequence[tuple[int, int]]) -> float:
    if not phrases:
        return 0.0
    whole = phrases[-1][1] - phrases[0][0]
    return 1.0 - sum(b - a for a, b in phrases) / whole if whole else 0.0


def _confidence(voiced_s: float, share: float) -> float:
    """Half a second of voiced sound, a third of the speech voiced: below that pitch is a guess."""
    return float(np.clip(voiced_s / 0.5, 0.0, 1.0) * np.clip(share / 0.35, 0.0, 1.0))


def _effort(cues: LineCues, share: float, spoken_s: float, options: CueOptions) -> Effort:
    if spoken_s >= 0.5 and share < options.whisper and cues.level_db < 1.0:
        return "whisper"
    loud = cues.level_db >= options.shout_db and cues.register_st >= options.shout_st
    return "shout" if loud else "normal"


def _without(pitch: PitchTrack, others: Sequence[Span]) -> PitchTrack:
    hertz = pitch.hz.copy()
    for span in others:
        first, last = (round(float(t) / pitch.step) for t in (span.start, span.end))
        hertz[max(0, first) : max(0, last)] = 0.0
    return replace(pitch, hz=hertz)
