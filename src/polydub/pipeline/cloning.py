"""Right of the Script, for synthesisers that clone: what each speaker sounds like, in sound."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from polydub.engines.protocols import VoicePiece, VoiceReference
from polydub.media.audio import open_waveform, resample
from polydub.model import Samples, Script, Span, Waveform, Word, text_of, to_seconds
from polydub.pipeline.analysis import Sound

CLONE_RATE = 24_000
"""Sample rate of references in Hz: what the models listen to is 16 to 24 kHz."""

LONGEST_S = 8.0
"""Pieces of a reference are no longer: a model that takes less can take fewer of them."""

ENOUGH_S = 3.0
"""Less speech than this makes a poor clone: the models ask for 3 to 15 s."""

MANNER_S = 15.0
"""What is listened to of a line at most to hear how it is said."""


def voice_references(
    sound: Sound, script: Script, spans: Mapping[str, Sequence[Span]]
) -> dict[str, VoiceReference]:
    """The clean speech of every speaker who has ``spans`` of it, with its words."""
    found: dict[str, VoiceReference] = {}
    for speaker, own in spans.items():
        words = sorted(
            (word for line in script.lines_of(speaker) for word in line.words),
            key=lambda word: word.span,
        )
        pieces = [
            VoicePiece(part_of_dialogue(sound, part), said_in(part, words))
            for span in own
            for part in short_parts(span, words)
        ]
        pieces = [piece for piece in pieces if np.any(piece.audio.samples)]
        if pieces:
            found[speaker] = VoiceReference(script.language, tuple(pieces))
    return found


def part_of_dialogue(sound: Sound, span: Span) -> Waveform:
    """The voices in ``span`` of the film, mono at :data:`CLONE_RATE`."""
    part = open_waveform(sound.dialogue).cut(span).mono()
    samples: Samples = np.ascontiguousarray(part.samples, np.float32)
    return resample(Waveform(samples, part.rate), CLONE_RATE)


def short_parts(span: Span, words: Sequence[Word]) -> list[Span]:
    """``span`` in parts of at most :data:`LONGEST_S`, cut between words."""
    longest, parts, start = to_seconds(LONGEST_S), [], span.start
    gaps = [
        (one.span.end + other.span.start) / 2
        for one, other in itertools.pairwise(words)
        if one.span.end <= other.span.start
    ]
    while span.end - start > longest:
        inside = [gap for gap in gaps if start < gap <= start + longest]
        end = max(inside, default=start + longest)
        parts.append(Span(start, end))
        start = end
    return [*parts, Span(start, span.end)]


def said_in(span: Span, words: Sequence[Word]) -> str:
    """The ``words`` whose middle lies in ``span``, as they are written."""
    return text_of(word for word in words if word.span.middle in span)


def reference_key(reference: VoiceReference) -> str:
    """A fingerprint of all that a model hears and reads of ``reference``."""
    state = hashlib.sha256(reference.language.encode())
    for piece in reference.pieces:
        state.update(f"{piece.audio.rate} {piece.text}".encode())
        state.update(np.ascontiguousarray(piece.audio.samples, np.float32).tobytes())
    return state.hexdigest()[:24]
