"""Speaks a line: phrases at the source's pauses, one take per line."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from polydub.engines.protocols import (
    Delivery,
    Foreseen,
    LengthPredictor,
    Performer,
    Speech,
    SpeechRequest,
    Synthesizer,
    VoiceReference,
)
from polydub.model import Line, Phone, Samples, Span, Waveform
from polydub.model.cues import PitchTrack
from polydub.stages.deliver import part_of

_CLAUSE = re.compile(r"(?<=[,;:.!?…、，。！？；：—])\s*(?=\S)")


@dataclass(frozen=True, slots=True)
class SpeakOptions:
    """``pause`` is the shortest inner silence of the source that is kept, ``longest`` its cap (s).

    ``tolerance`` is how far (share of the text) a clause end may lie from the source's pause.
    """

    pause: Fraction = Fraction(35, 100)
    longest: Fraction = Fraction(2)
    tolerance: float = 0.22


@dataclass(frozen=True, slots=True)
class Phrase:
    """A piece of a line and the silence (s) before it."""

    text: str
    pause: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True, eq=False)
class Voicing:
    """What a cloning synthesiser is told besides the text: see :class:`SpeechRequest`.

    ``seconds`` is how long the line is to last with its pauses, where the synthesiser can be told.
    """

    voice: VoiceReference | None = None
    manner: Waveform | None = None
    seconds: Fraction | None = None


def plan_phrases(line: Line, text: str, options: SpeakOptions | None = None) -> tuple[Phrase, ...]:
    """``text`` cut at the clause ends nearest to the pauses of the source line.

    A source pause that has no clause end near it is not kept: a pause inside a clause sounds
    broken.
    """
    options = options or SpeakOptions()
    clauses = [clause for clause in _CLAUSE.split(text) if clause.strip()]
    if len(clauses) < 2:
        return (Phrase(text.strip()),)
    sizes = np.cumsum([len(clause) for clause in clauses])
    ends = sizes[:-1] / sizes[-1]
    breaks: dict[int, Fraction] = {}
    for position, pause in _source_pauses(line, options):
        nearest = int(np.abs(ends - position).argmin())
        if abs(ends[nearest] - position) <= options.tolerance and nearest not in breaks:
            breaks[nearest] = min(pause, options.longest)
    return _grouped(clauses, breaks)


def _source_pauses(line: Line, options: SpeakOptions) -> list[tuple[float, Fraction]]:
    """``(relative position in the text, seconds)`` of every long inner silence, longest first."""
    length = sum(len(word.text) for word in line.words) or 1
    spoken, found = 0, []
    for word, following in zip(line.words, line.words[1:], strict=False):
        spoken += len(word.text)
        gap = following.span.start - word.span.end
        if gap >= options.pause:
            found.append((spoken / length, gap))
    return sorted(found, key=lambda item: -item[1])


def _grouped(clauses: Sequence[str], breaks: dict[int, Fraction]) -> tuple[Phrase, ...]:
    phrases: list[Phrase] = []
    text, pause = "", Fraction(0)
    for index, clause in enumerate(clauses):
        joint = " " if text and clause[:1].isascii() else ""
        text = f"{text}{joint}{clause.strip()}"
        if index in breaks:
            phrases.append(Phrase(text, pause))
            text, pause = "", breaks[index]
    if text:
        phrases.append(Phrase(text, pause))
    return tuple(phrases)


def speak_phrases(
    synthesizer: Synthesizer,
    phrases: Sequence[Phrase],
    *,
    language: str,
    style: str,
    speed: float = 1.0,
    voicing: Voicing | None = None,
) -> Speech:
    """One piece of speech with the pauses in it; pauses shrink with ``speed`` like the words do."""
    plain = SpeechRequest("", language, style, speed)
    requests = _requests(phrases, plain, voicing or Voicing())
    if voicing is not None and voicing.seconds is not None:
        requests = _lasting(requests, phrases, voicing.seconds, synthesizer)
    return _joined([synthesizer.speak(request) for request in requests], phrases, speed)


def _requests(
    phrases: Sequence[Phrase], plain: SpeechRequest, voicing: Voicing
) -> list[SpeechRequest]:
    asked = replace(plain, voice=voicing.voice, manner=voicing.manner)
    return [replace(asked, text=phrase.text) for phrase in phrases]


def _lasting(
    requests: list[SpeechRequest],
    phrases: Sequence[Phrase],
    seconds: Fraction,
    synthesizer: Synthesizer,
) -> list[SpeechRequest]:
    """``requests`` with the time that is left beside the pauses, shared as they would take it."""
    if not requests:
        return requests
    pauses = sum((phrase.pause for phrase in phrases), Fraction(0))
    pauses /= Fraction(requests[0].speed).limit_denominator(1000)
    room = max(0.05 * len(requests), float(seconds - pauses))
    if isinstance(synthesizer, LengthPredictor):
        shares = [synthesizer.seconds(request) for request in requests]
    else:
        shares = [float(len(request.text)) for request in requests]
    whole = sum(shares) or 1.0
    return [
        replace(request, seconds=room * share / whole)
        for request, share in zip(requests, shares, strict=True)
    ]


def perform_phrases(
    performer: Performer,
    phrases: Sequence[Phrase],
    tell: Callable[[Foreseen], Delivery | None],
    *,
    language: str,
    style: str,
    speed: float = 1.0,
) -> Speech | None:
    """As :func:`speak_phrases`, said as ``tell`` wants the whole line to be said.

    ``tell`` is given how the line would be said, its pauses included. ``None`` when it wants
    nothing: then the line is to be spoken plainly.
    """
    requests = [SpeechRequest(phrase.text, language, style, speed) for phrase in phrases]
    parts = [performer.foresee(request) for request in requests]
    offsets, whole = _foreseen(parts, phrases, speed)
    delivery = tell(whole)
    if delivery is None or not np.isfinite(delivery.pitch).any():
        return None
    speeches = [
        performer.perform(request, part_of(delivery, offset, part.seconds))
        for request, part, offset in zip(requests, parts, offsets, strict=True)
    ]
    return _joined(speeches, phrases, speed)


def _foreseen(
    parts: Sequence[Foreseen], phrases: Sequence[Phrase], speed: float
) -> tuple[list[float], Foreseen]:
    """Where every phrase starts, in seconds, and the line as a whole."""
    offsets: list[float] = []
    phones: list[Phone] = []
    tracks: list[npt.NDArray[np.float64]] = []
    at = 0.0
    for part, phrase in zip(parts, phrases, strict=True):
        pause = float(phrase.pause) / speed
        if pause:
            phones.append(Phone(" ", Span.of(at, at + pause)))
        at += pause
        offsets.append(at)
        start = Fraction(at).limit_denominator(100_000)
        phones += [phone.shift(start) for phone in part.phones]
        tracks.append(at + part.pitch.step * np.arange(len(part.pitch.hz)))
        at += part.seconds
    step = parts[0].pitch.step if parts else 0.01
    hz = np.zeros(int(at / step) + 1)
    for times, part in zip(tracks, parts, strict=True):
        index = np.round(times / step).astype(int)
        inside = index < len(hz)
        hz[index[inside]] = part.pitch.hz[inside]
    return offsets, Foreseen(at, tuple(phones), PitchTrack(step, hz))


def _joined(speeches: Sequence[Speech], phrases: Sequence[Phrase], speed: float) -> Speech:
    parts: list[Samples] = []
    phones: list[Phone] = []
    rate, offset = 0, Fraction(0)
    for speech, phrase in zip(speeches, phrases, strict=True):
        rate = speech.audio.rate
        silence = round(phrase.pause / Fraction(speed).limit_denominator(1000) * rate)
        if silence:
            parts.append(np.zeros(silence, np.float32))
            gap = Fraction(silence, rate)
            phones.append(Phone(" ", Span(offset, offset + gap)))
            offset += gap
        phones += [phone.shift(offset) for phone in speech.phones]
        parts.append(speech.audio.samples)
        offset += speech.audio.duration
    audio = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return Speech(Waveform(audio, rate or 24000), tuple(phones))


def measure_phrases(
    predictor: LengthPredictor,
    phrases: Sequence[Phrase],
    *,
    language: str,
    style: str,
    speed: float = 1.0,
    voicing: Voicing | None = None,
) -> Fraction:
    """About how long :func:`speak_phrases` would be, in whole milliseconds (s)."""
    plain = SpeechRequest("", language, style, speed)
    requests = _requests(phrases, plain, voicing or Voicing())
    spoken = sum(predictor.seconds(request) for request in requests)
    pauses = sum((phrase.pause for phrase in phrases), Fraction(0))
    pauses /= Fraction(speed).limit_denominator(1000)
    return Fraction(round(1000 * (spoken + float(pauses))), 1000)
