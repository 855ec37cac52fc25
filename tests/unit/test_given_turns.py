from __future__ import annotations

from fractions import Fraction

import numpy as np

from polydub.engines.fakes import FakeVoiceEmbedder
from polydub.model import Span, Turn, Waveform
from polydub.stages.given_turns import given_diarization


def tones(*parts: tuple[float, float]) -> Waveform:
    """``(seconds, hertz)`` one after the other, 16 kHz."""
    pieces = [np.sin(2 * np.pi * hz * np.arange(round(s * 16000)) / 16000) for s, hz in parts]
    return Waveform(np.concatenate(pieces).astype(np.float32), 16000)


def test_every_voice_sounds_like_its_own_turns() -> None:
    audio = tones((3, 150), (3, 420))
    turns = (Turn(Span.of(0, 3), "Anna"), Turn(Span.of(3, 6), "Bob"))
    found = given_diarization(audio, turns, FakeVoiceEmbedder())
    assert found.turns == turns and set(found.voiceprints) == {"Anna", "Bob"}
    embedder = FakeVoiceEmbedder()
    own = embedder.embed(audio.cut(Span.of(0, 1)))
    assert float(found.voiceprints["Anna"] @ own) > 0.99
    assert float(found.voiceprints["Bob"] @ own) < 0.1
    assert found.prints.shape[0] == len(found.windows) == len(found.clean)


def test_overlap_is_no_clean_speech_and_nothing_lies_after_the_end() -> None:
    audio = tones((4, 150))
    turns = (
        Turn(Span.of(0, 3), "Anna"),
        Turn(Span.of(2, 4), "Bob"),
        Turn(Span.of(3, 9), "Bob"),
        Turn(Span.of(8, 9), "Carl"),
    )
    turns = tuple(turn for turn in turns if turn.span.start < audio.duration)
    found = given_diarization(audio, turns, FakeVoiceEmbedder())
    assert found.overlap == (Span.of(2, 4),)  # Bob's two turns share time as well
    assert max(turn.span.end for turn in found.turns) == Fraction(4)
    inside = [c for w, c in zip(found.windows, found.clean, strict=True) if w.start >= 2]
    assert max(inside) < 0.5
    assert given_diarization(audio, (), FakeVoiceEmbedder()).turns == ()
