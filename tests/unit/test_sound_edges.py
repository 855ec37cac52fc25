"""Words and speech end where the sound ends, to 10 ms, and background is no voice."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polydub.model import Span, Waveform, Word
from polydub.stages.overlap import spans_where
from polydub.stages.sound_edges import (
    SoundLevels,
    drop_hidden,
    open_pauses,
    quiet_frames,
    settle_to_sound,
    sound_levels,
    voice_band_levels,
)

RATE = 16_000
VOICE = 0.1


def sound(
    *bursts: tuple[float, float], seconds: float = 5.0, level: float = VOICE, hertz: float = 300.0
) -> np.ndarray:
    """A tone in the ``bursts``, over a hiss of -86 dB."""
    time = np.arange(round(seconds * RATE)) / RATE
    rng = np.random.default_rng(1)
    out = 5e-5 * rng.normal(size=len(time))
    for start, end in bursts:
        inside = (time >= start) & (time < end)
        out[inside] += level * np.sin(2 * np.pi * hertz * time[inside])
    return out.astype(np.float32)


def heard(dialogue: np.ndarray, whole: np.ndarray | None = None) -> SoundLevels:
    return sound_levels(
        Waveform(dialogue, RATE), Waveform(dialogue if whole is None else whole, RATE)
    )


def words(*spans: tuple[float, float], probability: float = 1.0) -> tuple[Word, ...]:
    return tuple(Word(f"w{n}", Span.of(*span), probability) for n, span in enumerate(spans))


def settled(told: tuple[Word, ...], dialogue: np.ndarray) -> list[tuple[float, float]]:
    found = settle_to_sound(told, quiet_frames(heard(dialogue)))
    return [(float(word.span.start), float(word.span.end)) for word in found]


def near(found: list[tuple[float, float]], *wanted: tuple[float, float]) -> bool:
    return np.allclose(found, wanted, atol=0.021)


def test_levels_are_those_of_the_voice_band() -> None:
    loud = voice_band_levels(Waveform(sound((0, 5)), RATE))
    assert len(loud) == 500
    assert loud[100:400] == pytest.approx(-23, abs=0.2)  # a sine of 0.1
    rumble = voice_band_levels(Waveform(sound((0, 5), hertz=25.0), RATE))
    assert rumble[100:400].max() < -55


def test_levels_do_not_depend_on_the_blocks() -> None:
    long = np.tile(sound((1, 2), (3, 4)), 26)  # 130 s: three blocks
    found = voice_band_levels(Waveform(long, RATE))
    assert found[500:1000] == pytest.approx(found[6000:6500], abs=1.5)
    assert found[6100:6200].min() > -24


def test_quiet_is_between_the_sounds() -> None:
    quiet = spans_where(quiet_frames(heard(sound((1, 2), (2.5, 4)))))
    edges = [(float(span.start), float(span.end)) for span in quiet]
    assert near(edges, (0, 1), (2, 2.5), (4, 5))


def test_the_closure_of_a_stop_is_not_quiet() -> None:
    assert not quiet_frames(heard(sound((1, 2), (2.08, 3))))[150:250].any()


def test_a_tail_under_the_background_is_not_heard() -> None:
    dialogue = sound((1, 2)) + sound((2, 2.5), level=0.002)
    assert not quiet_frames(heard(dialogue))[205:245].any()
    loud = dialogue + sound((0, 5), level=0.05, hertz=900)
    assert quiet_frames(heard(dialogue, loud))[205:245].all()


def test_nothing_heard_at_all() -> None:
    assert len(quiet_frames(heard(np.zeros(0, np.float32)))) == 0
    assert settle_to_sound(words((1, 2)), np.zeros(0, dtype=bool)) == words((1, 2))


def test_a_word_ends_where_its_sound_ends() -> None:
    assert near(settled(words((1, 1.8), (3, 4)), sound((1, 2), (3, 4))), (1, 2), (3, 4))
    assert near(settled(words((1, 2.3), (3, 4)), sound((1, 2), (3, 4))), (1, 2), (3, 4))


def test_a_word_begins_where_its_sound_begins() -> None:
    assert near(settled(words((1, 2), (2.7, 4)), sound((1, 2), (3, 4))), (1, 2), (3, 4))
    assert near(settled(words((1, 2), (3.05, 4)), sound((1, 2), (3, 4))), (1, 2), (3, 4))


def test_first_and_last_words() -> None:
    assert near(settled(words((0.6, 2)), sound((1, 2))), (1, 2))
    assert near(settled(words((1, 2.9)), sound((1, 2))), (1, 2))


def test_sound_that_the_film_cuts_off_goes_up_to_its_ends() -> None:
    found = settled(words((0.08, 2), (3, 4.8)), sound((0, 2), (3, 5)))
    assert near(found, (0, 2), (3, 4.99))


def test_speech_that_was_not_recognised_stays_free() -> None:
    told = words((1, 1.3), (3.5, 4))
    assert near(settled(told, sound((1, 2), (3, 4))), (1, 1.3), (3.5, 4))


def test_a_brief_silence_stays_with_the_word_that_reached_into_it() -> None:
    told = words((1, 2.15), (2.15, 3))
    assert near(settled(told, sound((1, 2), (2.2, 3))), (1, 2.15), (2.2, 3))


def test_words_without_a_pause_stay() -> None:
    told = words((1, 1.5), (1.5, 2), (2, 2.9))
    assert near(settled(told, sound((1, 2.9))), (1, 1.5), (1.5, 2), (2, 2.9))


def test_a_pause_inside_a_word_stays_inside() -> None:
    assert near(settled(words((1, 3)), sound((1, 1.9), (2.1, 3))), (1, 3))


@given(
    st.lists(st.integers(2, 60), min_size=1, max_size=12),
    st.lists(st.integers(0, 40), min_size=12, max_size=12),
    st.lists(st.booleans(), min_size=20, max_size=20),
)
def test_words_keep_their_order_and_never_overlap(
    lengths: list[int], gaps: list[int], quiet: list[bool]
) -> None:
    clock, told = Fraction(0), []
    for length, gap in zip(lengths, gaps, strict=False):
        start = clock + Fraction(gap, 100)
        clock = start + Fraction(length, 100)
        told.append(Word("w", Span(start, clock)))
    mask = np.repeat(np.array(quiet), 15)
    found = settle_to_sound(told, mask)
    assert [word.text for word in found] == [word.text for word in told]
    assert all(word.span.duration >= Fraction(1, 50) for word in found)
    for one, two in itertools.pairwise(found):
        assert one.span.end <= two.span.start
    for before, after in zip(told, found, strict=True):
        assert before.span.start - after.span.start <= Fraction(1, 10)
        assert after.span.end - before.span.end <= Fraction(1, 4)


def test_speech_is_opened_where_it_is_quiet() -> None:
    speech = [Span.of(1, 3), Span.of(4, 5)]
    opened = open_pauses(speech, [Span.of(0, 1.2), Span.of(2, 2.5)])
    assert list(opened) == [Span.of(1.2, 2), Span.of(2.5, 3), Span.of(4, 5)]


def test_a_word_of_the_background_is_dropped() -> None:
    dialogue = sound((1, 2)) + sound((2.2, 2.4), level=0.003)
    whole = dialogue + sound((2.1, 4), level=0.05, hertz=900)
    doubtful = words((1, 2), (2.2, 2.4), probability=0.1)
    kept, decisions = drop_hidden(doubtful, heard(dialogue, whole))
    assert [word.text for word in kept] == ["w0"]
    assert [decision.span for decision in decisions] == [Span.of(2.2, 2.4)]
    assert drop_hidden(doubtful, heard(dialogue))[0] == doubtful  # whispered, over no background
    likely = words((1, 2), (2.2, 2.4), probability=0.6)
    assert drop_hidden(likely, heard(dialogue, whole))[0] == likely
