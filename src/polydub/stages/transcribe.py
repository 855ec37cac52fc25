"""Words with times one can trust: the recogniser's words, set against the voice activity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import langcodes
from langcodes.tag_parser import LanguageTagError

from polydub.engines.protocols import Recognizer
from polydub.errors import InputError
from polydub.model import Decision, Span, Transcript, Waveform, Word, merge, text_of, without
from polydub.stages.voice_activity import missed_share

SHORTEST = Fraction(1, 50)
"""No word is shorter than 20 ms: the resolution of Whisper's own times."""


@dataclass(frozen=True, slots=True)
class WordOptions:
    """When a word is not believed, and when its time is not.

    A word of which less than ``heard`` lies in detected speech was invented if it is also less
    likely than ``probability``; else it stays as it is, for the detector is not always right.
    """

    heard: float = 0.25
    probability: float = 0.4


@dataclass(frozen=True, slots=True)
class AskOptions:
    """When the recogniser is asked again about speech of which it wrote nothing down.

    About stretches of ``least`` seconds or more, with ``margin`` around them; the ``few`` longest
    and one more per ``every`` seconds of film, for each costs as much as 30 s of film. Answers less
    likely than ``probability`` on the mean are not believed. A word counts with its last
    ``longest`` seconds: recognisers stretch words over what they did not understand.

    Of 73 simulated films and seven clips eight stretches were asked about, six of them in one film
    (14 of its 27 s were missing); all eight answers were right but for two words at their edges.
    """

    least: Fraction = Fraction(8, 10)
    margin: Fraction = Fraction(15, 100)
    few: int = 8
    every: Fraction = Fraction(30)
    probability: float = 0.5
    longest: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class Transcription:
    """The words of a source, and what was dropped and why."""

    transcript: Transcript
    decisions: tuple[Decision, ...]


def transcribe(
    recognizer: Recognizer,
    audio: Waveform,
    speech: Sequence[Span],
    *,
    language: str | None = None,
    progress: Callable[[float], None] | None = None,
    options: WordOptions | None = None,
) -> Transcription:
    """Words of mono 16 kHz ``audio`` with times inside ``speech``, in order and apart.

    Speech without any word is recognised once more, alone.

    ``language`` (BCP-47) is detected when ``None``; without speech the recogniser is not asked and
    the language is ``und``. Raises ``InputError`` DUB-E105 for an unknown language.
    """
    given = standard_tag(language) if language else None
    if not speech:
        return Transcription(Transcript(given or "und", float(given is not None), ()), ())
    raw = recognizer.recognize(audio, language=given, progress=progress)
    kept, decisions = drop_invented(join_marks(raw.words), speech, options or WordOptions())
    tag = given or standard_tag(raw.language)
    kept = ask_again(recognizer, audio, speech, kept, tag)
    words = in_order([clamp(word, speech) for word in kept], audio.duration)
    return Transcription(Transcript(tag, raw.language_probability, words), decisions)


def ask_again(
    recognizer: Recognizer,
    audio: Waveform,
    speech: Sequence[Span],
    words: Sequence[Word],
    language: str,
    *,
    options: AskOptions | None = None,
) -> list[Word]:
    """``words`` and those of the stretches of ``speech`` without any, each recognised by itself.

    By time. In the context of other speech a recogniser sometimes leaves out whole sentences that
    it understands when it hears nothing else.
    """
    chosen = options or AskOptions()
    found: list[Word] = []
    for span in unwritten(speech, words, audio.duration, chosen):
        padded = span.pad(chosen.margin)
        part = Span(padded.start, min(padded.end, audio.duration))
        answer = recognizer.recognize(audio.cut(part), language=language)
        said = [replace(w, span=w.span.shift(part.start)) for w in join_marks(answer.words)]
        inside = [word for word in said if word.span.middle in span]
        sure = sum(word.probability for word in inside)
        if inside and sure >= chosen.probability * len(inside):
            found += inside
    return sorted([*words, *found], key=lambda word: word.span) if found else list(words)


def unwritten(
    speech: Sequence[Span], words: Sequence[Word], duration: Fraction, options: AskOptions
) -> list[Span]:
    """The stretches of ``speech`` that are worth asking about, by time."""
    written = [
        Span(max(word.span.start, word.span.end - options.longest), word.span.end)
        for word in words
        if word.span.duration > 0
    ]
    free = [s for s in without(merge(speech), merge(written)) if s.duration >= options.least]
    most = options.few + int(duration / options.every)
    return sorted(sorted(free, key=lambda span: (-span.duration, span))[:most])


def standard_tag(language: str) -> str:
    """``language`` as a standard BCP-47 tag. Raises ``InputError`` DUB-E105 when it is none."""
    try:
        if langcodes.tag_is_valid(language):
            return langcodes.standardize_tag(language)
        problem = None
    except LanguageTagError as error:
        problem = error
    raise InputError(
        f"'{language}' is not a language tag.",
        hint="Use BCP-47, for example en, zh or pt-BR.",
        code="DUB-E105",
    ) from problem


def join_marks(words: Iterable[Word]) -> list[Word]:
    """Words, with those that are punctuation alone given to the word before."""
    joined: list[Word] = []
    for word in words:
        if any(mark.isalnum() for mark in word.text):
            joined.append(word)
        elif joined:
            last = joined[-1]
            text = last.text + (" " if word.spaced else "") + word.text
            joined[-1] = replace(last, text=text)
    return joined


def drop_invented(
    words: Iterable[Word], speech: Sequence[Span], options: WordOptions
) -> tuple[list[Word], tuple[Decision, ...]]:
    """Words without those invented where nobody speaks, and one decision per run of such words."""
    kept: list[Word] = []
    runs: list[list[Word]] = []
    running = False
    for word in words:
        unheard = missed_share(_at_least(word.span), speech) > 1.0 - options.heard
        invented = unheard and word.probability < options.probability
        if not invented:
            kept.append(word)
        elif running:
            runs[-1].append(word)
        else:
            runs.append([word])
        running = invented
    return kept, tuple(_dropped(run) for run in runs)


def _dropped(run: Sequence[Word]) -> Decision:
    reason = f"words dropped, recognised where nobody speaks: “{text_of(run)}”"
    return Decision("transcribe", "film", "warning", reason, run[0].span | run[-1].span)


def clamp(word: Word, speech: Sequence[Span]) -> Word:
    """``word`` cut to the speech it lies in; unchanged when hardly any of it lies in speech.

    A recogniser stretches the first word after a pause back over the pause, and the last one
    before it forward: of two pieces of speech the longer part of the word is it, of equal ones the
    later.
    """
    parts = [common for span in speech if (common := word.span & span) is not None]
    if not parts:
        return word
    best = max(parts, key=lambda part: (part.duration, part.start))
    return replace(word, span=best) if best.duration >= SHORTEST else word


def in_order(words: Sequence[Word], end: Fraction) -> tuple[Word, ...]:
    """``words`` one after the other, each at least 20 ms, none after ``end``.

    A word gives up what it shares with the word before; the last ones move forward to make room.
    When ``end`` is too early for 20 ms each, they share the time equally.
    """
    if not words:
        return ()
    shortest = min(SHORTEST, end / len(words))
    spans: list[Span] = []
    clock = Fraction(0)
    for word in words:
        start = max(word.span.start, clock)
        clock = max(word.span.end, start + shortest)
        spans.append(Span(start, clock))
    limit = end
    for index in range(len(spans) - 1, -1, -1):
        last = min(spans[index].end, limit)
        spans[index] = Span(min(spans[index].start, last - shortest), last)
        limit = spans[index].start
    return tuple(replace(word, span=span) for word, span in zip(words, spans, strict=True))


def _at_least(span: Span) -> Span:
    """A span of no length has no share anywhere: count it as the shortest word."""
    return span if span.duration else Span(span.start, span.start + SHORTEST)
