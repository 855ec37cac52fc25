"""Where somebody speaks: the detector's spans, and the words that it did not hear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from polydub.engines.protocols import VoiceActivityDetector
from polydub.model import Span, Waveform, Word, merge, to_seconds, total


@dataclass(frozen=True, slots=True)
class UnionOptions:
    """When a recognised word adds speech that the detector missed.

    ``probability``: the word must be as likely as this (an invented word in noise seldom is);
    ``missed``: at least this share of it lies outside the detected speech; ``longest_s``: a longer
    word is stretched over a pause by the recogniser and counts with its last ``longest_s`` only;
    ``gap_s``: spans closer than this become one.
    """

    probability: float = 0.5
    missed: float = 0.5
    longest_s: float = 0.8
    gap_s: float = 0.1


def find_speech(
    vad: VoiceActivityDetector,
    audio: Waveform,
    *,
    words: Sequence[Word] | None = None,
    options: UnionOptions | None = None,
) -> tuple[Span, ...]:
    """Speech spans of mono 16 kHz ``audio``: the detector's, and those of ``words`` it missed."""
    return unite(vad.detect(audio), words or (), options=options)


def unite(
    speech: Sequence[Span], words: Sequence[Word], *, options: UnionOptions | None = None
) -> tuple[Span, ...]:
    """``speech`` and the spans of the likely ``words`` outside it, sorted and not overlapping."""
    chosen = options or UnionOptions()
    found = merge(speech)
    longest = to_seconds(chosen.longest_s)
    added: list[Span] = []
    for word in words:
        span = Span(max(word.span.start, word.span.end - longest), word.span.end)
        if word.probability < chosen.probability or span.duration == 0:
            continue
        if missed_share(span, found) >= chosen.missed:
            added.append(span)
    if not added:
        return found
    return merge([*found, *added], gap=to_seconds(chosen.gap_s))


def missed_share(span: Span, speech: Sequence[Span]) -> float:
    """The share of ``span``, 0 to 1, that no span of ``speech`` covers."""
    if span.duration == 0:
        return 0.0
    covered = total(common for one in speech if (common := span & one) is not None)
    return float(1 - covered / span.duration)
