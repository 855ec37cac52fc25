"""Who spoke when and who said what, against a known truth: pure functions, protocol in each.

=======================  ==================================================================
score                    protocol
=======================  ==================================================================
diarization error (DER)  NIST md-eval definition as in DIHARD: no collar, overlap scored,
                         the whole file; equal to ``pyannote.metrics`` (held by a test)
Jaccard error (JER)      DIHARD II: mean over the true speakers of ``1 - shared / union`` with
                         the voice mapped to them; equal to ``pyannote.metrics``
speaker count            voices found less voices there
cpWER, cpCER             concatenated minimum-permutation word (character) error rate, CHiME-6;
                         equal to ``meeteval`` on the same tokens
boundary error           see :func:`boundary_errors`
=======================  ==================================================================

Turns of one voice that overlap or touch count once: a voice cannot talk over itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from polydub.evaluate.numbers import spell_numbers
from polydub.evaluate.scores import edit_distance, normalise
from polydub.model import Script, Span, Turn, Word, merge, total
from polydub.model.language import is_spaced

PAUSE = Fraction(1, 2)
"""Seconds of silence within which a voice that goes on is still in the same turn."""
SILENCE = Fraction(3, 10)
"""Seconds without a word inside a line that count as silence where the truth is audible speech."""


@dataclass(frozen=True, slots=True)
class DiarizationErrors:
    """Seconds of speech and of each kind of error; ``mapping`` is found voice -> true speaker.

    ``speech_s`` counts every speaker: two at once are two seconds per second.
    """

    speech_s: float
    miss_s: float
    false_alarm_s: float
    confusion_s: float
    mapping: dict[str, str]

    @property
    def rate(self) -> float:
        """DER: all errors per second of true speech. 1 when there is only false alarm."""
        return self.share(self.miss_s + self.false_alarm_s + self.confusion_s)

    def share(self, seconds: float) -> float:
        """``seconds`` of errors per second of true speech; 1 when there is no true speech."""
        if self.speech_s == 0:
            return 1.0 if seconds else 0.0
        return seconds / self.speech_s


def diarization_errors(truth: Sequence[Turn], found: Sequence[Turn]) -> DiarizationErrors:
    """Miss, false alarm and confusion of ``found`` against ``truth``: no collar, overlap scored.

    In every moment with ``r`` true and ``f`` found voices, of which ``c`` are mapped to each other,
    ``max(0, r - f)`` voices are missed, ``max(0, f - r)`` are false alarms and ``min(r, f) - c``
    are confused. The one-to-one mapping shares the most seconds (Hungarian method).
    """
    true, ours = _by_voice(truth), _by_voice(found)
    mapping = _mapping(true, ours)
    speech = miss = alarm = confusion = Fraction(0)
    for seconds, speakers, voices in _cells(true, ours):
        right = sum(1 for voice in voices if mapping.get(voice) in speakers)
        there, heard = len(speakers), len(voices)
        speech += there * seconds
        miss += max(0, there - heard) * seconds
        alarm += max(0, heard - there) * seconds
        confusion += (min(there, heard) - right) * seconds
    return DiarizationErrors(float(speech), float(miss), float(alarm), float(confusion), mapping)


def jaccard_error_rate(truth: Sequence[Turn], found: Sequence[Turn]) -> float:
    """Mean over the true speakers of (miss + false alarm) / union with the mapped voice, 0..1.

    The mapping is that of :func:`diarization_errors`; a speaker without a voice counts 1. Without
    true speakers: 0 when nothing was found, else 1.
    """
    true, ours = _by_voice(truth), _by_voice(found)
    if not true:
        return 1.0 if ours else 0.0
    voice_of = {speaker: voice for voice, speaker in _mapping(true, ours).items()}
    errors = []
    for speaker, spans in true.items():
        if speaker not in voice_of:
            errors.append(1.0)
            continue
        theirs = ours[voice_of[speaker]]
        shared = _shared(spans, theirs)
        union = total(spans) + total(theirs) - shared
        errors.append(float(1 - shared / union))
    return sum(errors) / len(errors)


def speaker_count_error(truth: Sequence[Turn], found: Sequence[Turn]) -> int:
    """Voices found less voices there: positive when somebody was split, negative when merged."""
    return len(_by_voice(found)) - len(_by_voice(truth))


def _by_voice(turns: Iterable[Turn]) -> dict[str, tuple[Span, ...]]:
    """The merged spans of every voice that is heard at all, voices sorted by name."""
    spans: dict[str, list[Span]] = {}
    for turn in turns:
        if turn.span.duration > 0:
            spans.setdefault(turn.voice, []).append(turn.span)
    return {voice: merge(spans[voice]) for voice in sorted(spans)}


def _shared(one: Sequence[Span], two: Sequence[Span]) -> Fraction:
    """Seconds that two sorted lists of disjoint spans have in common."""
    seconds, first = Fraction(0), 0
    for span in one:
        while first < len(two) and two[first].end <= span.start:
            first += 1
        at = first
        while at < len(two) and two[at].start < span.end:
            seconds += span.overlap(two[at])
            at += 1
    return seconds


def _mapping(
    true: Mapping[str, Sequence[Span]], found: Mapping[str, Sequence[Span]]
) -> dict[str, str]:
    """Found voice -> true speaker, one to one, with the most common seconds."""
    from scipy.optimize import linear_sum_assignment

    if not true or not found:
        return {}
    shared = np.array([[float(_shared(a, b)) for b in found.values()] for a in true.values()])
    rows, columns = linear_sum_assignment(shared, maximize=True)
    speakers, voices = list(true), list(found)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return {voices[j]: speakers[i] for i, j in pairs if shared[i, j] > 0}


def _cells(
    true: Mapping[str, Sequence[Span]], found: Mapping[str, Sequence[Span]]
) -> Iterable[tuple[Fraction, frozenset[str], frozenset[str]]]:
    """Stretches in which nobody starts or stops: seconds, true speakers, found voices."""
    changes: dict[Fraction, list[tuple[int, str, bool]]] = {}
    for side, voices in enumerate((true, found)):
        for voice, spans in voices.items():
            for span in spans:
                changes.setdefault(span.start, []).append((side, voice, True))
                changes.setdefault(span.end, []).append((side, voice, False))
    active: tuple[set[str], set[str]] = (set(), set())
    before = Fraction(0)
    for time in sorted(changes):
        if active[0] or active[1]:
            yield time - before, frozenset(active[0]), frozenset(active[1])
        for side, voice, starts in changes[time]:
            (active[side].add if starts else active[side].discard)(voice)
        before = time


@dataclass(frozen=True, slots=True)
class SpeakerWordErrors:
    """Token errors under the best mapping (found voice -> true speaker), and true tokens."""

    errors: int
    tokens: int
    mapping: dict[str, str]

    @property
    def rate(self) -> float:
        """Errors per true token; an empty truth counts as one token. May exceed 1."""
        return self.errors / max(1, self.tokens)


def tokens_of(text: str, language: str) -> tuple[str, ...]:
    """What is compared: words, or characters in languages written without spaces.

    After :func:`polydub.evaluate.scores.normalise`, whole numbers spelled out in spaced languages.
    """
    if is_spaced(language):
        return tuple(normalise(spell_numbers(text, language)).split())
    return tuple(normalise(text).replace(" ", ""))


def cp_word_errors(
    truth: Mapping[str, Sequence[str]], found: Mapping[str, Sequence[str]]
) -> SpeakerWordErrors:
    """cpWER (cpCER for characters): each side maps a speaker to all his tokens in time order.

    The sum of the edit distances under the one-to-one mapping of speakers that makes it least; a
    speaker without a partner is compared with nothing. That sum is least over all permutations,
    which is the definition of CHiME-6 and of ``meeteval.wer.cpwer``, found without trying all.
    """
    from scipy.optimize import linear_sum_assignment

    speakers, voices = sorted(truth), sorted(found)
    tokens = sum(len(truth[speaker]) for speaker in speakers)
    size = max(len(speakers), len(voices))
    costs = np.zeros((size, size), dtype=np.int64)
    for i in range(size):
        said = truth[speakers[i]] if i < len(speakers) else ()
        for j in range(size):
            costs[i, j] = edit_distance(said, found[voices[j]] if j < len(voices) else ())
    rows, columns = linear_sum_assignment(costs)
    pairs = [(i, j) for i, j in zip(rows.tolist(), columns.tolist(), strict=True)]
    mapping = {voices[j]: speakers[i] for i, j in pairs if i < len(speakers) and j < len(voices)}
    return SpeakerWordErrors(int(costs[rows, columns].sum()), tokens, mapping)


@dataclass(frozen=True, slots=True)
class BoundaryErrors:
    """Distances in seconds of the boundaries that were found, and how many there are in all."""

    errors_s: tuple[float, ...]
    boundaries: int

    @property
    def lost(self) -> float:
        """Share of the true boundaries with no found one in reach."""
        return 1 - len(self.errors_s) / self.boundaries if self.boundaries else 0.0

    def quantile_ms(self, share: float) -> float:
        """The error in ms that ``share`` of the found boundaries do not exceed; NaN without any."""
        if not self.errors_s:
            return float("nan")
        return 1000 * float(np.quantile(self.errors_s, share))


def boundary_errors(
    truth: Sequence[Turn],
    found: Sequence[Turn],
    *,
    pause: Fraction = PAUSE,
    reach: Fraction = Fraction(1),
) -> BoundaryErrors:
    """How far the starts and ends of turns lie from the true ones.

    On both sides, turns of a voice at most ``pause`` apart are one turn first: a breath is no
    boundary. Each true start (end) is compared with the nearest start (end) of the voice mapped to
    that speaker; if none is within ``reach`` seconds, the boundary is lost. Starts count with
    starts only: the end of one's turn says nothing about when he begins.
    """
    true, ours = _by_voice(truth), _by_voice(found)
    voice_of = {speaker: voice for voice, speaker in _mapping(true, ours).items()}
    errors: list[float] = []
    boundaries = 0
    for speaker, spans in true.items():
        theirs = merge(ours[voice_of[speaker]], gap=pause) if speaker in voice_of else ()
        for span in merge(spans, gap=pause):
            boundaries += 2
            for time, others in (
                (span.start, [other.start for other in theirs]),
                (span.end, [other.end for other in theirs]),
            ):
                nearest = min((abs(other - time) for other in others), default=None)
                if nearest is not None and nearest <= reach:
                    errors.append(float(nearest))
    return BoundaryErrors(tuple(errors), boundaries)


def turns_of(script: Script, *, pause: Fraction | None = None) -> tuple[Turn, ...]:
    """The lines of a script, and its turns without words; the voice is the speaker's id.

    With ``pause``, a line is split where none of its words is spoken for that many seconds or more,
    for truths that tell the audible speech and not the whole line.
    """
    found = []
    for line in script.lines:
        spans = [line.span]
        if pause is not None and line.words:
            spoken = merge(word.span for word in line.words)
            gaps = [
                Span(one.end, two.start)
                for one, two in itertools.pairwise(spoken)
                if two.start - one.end >= pause
            ]
            edges = [line.span.start, *(t for gap in gaps for t in (gap.start, gap.end))]
            edges.append(line.span.end)
            spans = [Span(*ends) for ends in zip(edges[::2], edges[1::2], strict=True)]
        found += [Turn(span, line.speaker) for span in spans]
    return (*found, *script.wordless)


def comparable_turns(script: Script, *, pauses: bool) -> tuple[Turn, ...]:
    """The turns of a script in the terms of a truth: for all figures of who speaks.

    ``pauses``: its turns include their pauses, so those up to :data:`PAUSE` are closed here too;
    else it tells the audible speech, and lines are split at :data:`SILENCE` and more.
    """
    return join_pauses(turns_of(script)) if pauses else turns_of(script, pause=SILENCE)


def join_pauses(turns: Sequence[Turn], pause: Fraction = PAUSE) -> tuple[Turn, ...]:
    """Turns of one voice that are at most ``pause`` apart as one, by time.

    For truths whose turns include their pauses.
    """
    joined = [
        Turn(span, voice)
        for voice, spans in _by_voice(turns).items()
        for span in merge(spans, gap=pause)
    ]
    return tuple(sorted(joined, key=lambda turn: (turn.span, turn.voice)))


def tokens_by_speaker(script: Script, language: str | None = None) -> dict[str, tuple[str, ...]]:
    """Everything that each speaker says, in script order, as :func:`tokens_of` compares it.

    ``language`` is that of the truth, by default the script's own.
    """
    said: dict[str, list[str]] = {}
    for line in script.lines:
        said.setdefault(line.speaker, []).extend(tokens_of(line.text, language or script.language))
    return {speaker: tuple(tokens) for speaker, tokens in said.items()}


def words_by_turn(words: Sequence[Word], turns: Sequence[Turn]) -> dict[str, list[Word]]:
    """Each word with the voice it shares the most time with, else with the nearest turn's.

    Gives words to a diarization that knows no words, so that systems with one recogniser can be
    compared by cpWER.
    """
    said: dict[str, list[Word]] = {}
    for word in sorted(words, key=lambda word: word.span):
        if not turns:
            break
        best = min(
            turns, key=lambda turn: (-turn.span.overlap(word.span), turn.span.gap(word.span))
        )
        said.setdefault(best.voice, []).append(word)
    return said
