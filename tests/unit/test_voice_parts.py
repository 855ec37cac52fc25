"""Overlapping speech: each voice's part is taken out with what is known of the voices."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from polydub.model import Span, Turn, Waveform
from polydub.stages.voice_parts import PartOptions, VoiceParts, learn_voices

RATE = 16000
Sound = npt.NDArray[np.float32]


def voice(hertz: float, formant: float, seconds: float, seed: int) -> Sound:
    """Harmonics of a wavering pitch under one resonance, in syllables."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * RATE)) / RATE
    pitch = hertz * (1 + 0.06 * np.sin(2 * np.pi * (0.7 * times + rng.random())))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    sound = np.zeros(len(times))
    for number in range(1, 25):
        level = np.exp(-(((number * hertz - formant) / 500) ** 2)) + 0.02
        sound += level * np.sin(number * phase)
    syllables = np.abs(np.sin(2 * np.pi * 2 * times + 3 * rng.random()))
    return np.asarray(0.1 * sound * syllables, dtype=np.float32)


def scene() -> tuple[Sound, Sound, list[Turn]]:
    """Two voices of 6 s each, alone for 4 s and together for 2."""
    one, two = np.zeros(10 * RATE, np.float32), np.zeros(10 * RATE, np.float32)
    one[: 6 * RATE] = voice(120, 700, 6, 1)
    two[4 * RATE :] = voice(210, 2200, 6, 2)
    return one, two, [Turn(Span.of(0, 6), "S1"), Turn(Span.of(4, 10), "S2")]


def distance_db(estimate: Sound, true: Sound) -> float:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al. 2019)."""
    target = (estimate @ true) / (true @ true) * true
    rest = estimate - target
    return float(10 * np.log10((target @ target) / (rest @ rest)))


def learnt() -> tuple[VoiceParts, Waveform, Sound, Sound]:
    one, two, turns = scene()
    film = Waveform(one + two, RATE)
    return learn_voices(film, turns), film, one, two


def test_each_part_is_nearer_to_its_voice_than_the_mixture() -> None:
    voices, film, one, two = learnt()
    both = slice(4 * RATE, 6 * RATE)
    for speaker, span, true in (("S1", Span.of(0, 6), one), ("S2", Span.of(4, 10), two)):
        part, failed = voices.part(speaker, span, film)
        assert failed == () and len(part.samples) == 6 * RATE
        begin = round(float(span.start) * RATE)
        inside = part.samples[both.start - begin : both.stop - begin]
        before = distance_db(film.samples[both], true[both])
        assert distance_db(inside, true[both]) > before + 5


def test_what_nobody_else_says_stays_as_it_is() -> None:
    voices, film, *_ = learnt()
    part, _ = voices.part("S1", Span.of(0, 6), film)
    assert np.array_equal(part.samples[: 4 * RATE], film.samples[: 4 * RATE])
    assert voices.overlaps("S1", Span.of(0, 6)) == (Span.of(4, 6),)
    assert voices.overlaps("S1", Span.of(0, 4)) == ()


def test_the_same_sound_gives_the_same_part() -> None:
    (one, film, *_), (two, *_) = learnt(), learnt()
    parts = [voices.part("S2", Span.of(4, 10), film)[0].samples for voices in (one, two)]
    assert np.array_equal(*parts)


def test_a_voice_that_is_never_alone_is_not_taken_out() -> None:
    one, two, _ = scene()
    film = Waveform(one + two, RATE)
    turns = [Turn(Span.of(0, 6), "S1"), Turn(Span.of(4, 6), "S2")]
    voices = learn_voices(film, turns)
    part, failed = voices.part("S1", Span.of(0, 6), film)
    assert failed == (Span.of(4, 6),)
    assert np.array_equal(part.samples, film.samples[: 6 * RATE])


def test_a_very_long_overlap_stays_mixed() -> None:
    one, two, turns = scene()
    film = Waveform(one + two, RATE)
    voices = learn_voices(film, turns, PartOptions(longest_s=1.0, rounds=2))
    assert voices.part("S1", Span.of(0, 6), film)[1] == (Span.of(4, 6),)


@pytest.mark.parametrize("turns", [[], [Turn(Span.of(0, 6), "S1")]])
def test_nothing_is_learnt_where_nobody_overlaps(turns: list[Turn]) -> None:
    one, *_ = scene()
    voices = learn_voices(Waveform(one, RATE), turns)
    assert not voices.patterns and voices.background.shape[1] == 0
    assert voices.overlaps("S1", Span.of(0, 6)) == ()
