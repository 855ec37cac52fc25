"""A take is given the original's melody and loudness, within limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from performances import sung

from polydub.engines.protocols import Delivery
from polydub.evaluate.prosody import contour_correlation, energy_correlation
from polydub.model import Waveform
from polydub.model.cues import CUE_STEP_S, LineCues, PitchTrack
from polydub.stages.cues import Usual, take_cues
from polydub.stages.deliver import DeliverOptions, deliver, part_of

Curve = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]


def wave(semitones: float, period: float, base: float = 120.0, at: float = 0.0) -> Curve:
    return lambda t: base * 2 ** (semitones * np.sin(2 * np.pi * (t / period + at)) / 12)


def cues_of(
    hertz: Curve,
    seconds: float = 3.0,
    *,
    usual: float = 120.0,
    silences: tuple[tuple[float, float], ...] = (),
    level: Curve | None = None,
) -> LineCues:
    audio, track = sung(hertz, seconds, silences=silences, level=level)
    return take_cues("L", audio, track, Usual(usual))


def said(delivery: Delivery, like: LineCues, usual: float) -> LineCues:
    """The cues of a take that is said just as it was told to."""
    seconds = CUE_STEP_S * (len(delivery.pitch) - 1)
    audio, _ = sung(lambda t: usual + 0 * t, seconds)
    gains = np.interp(
        np.arange(len(audio.samples)) / audio.rate,
        delivery.step * np.arange(len(delivery.gain)),
        delivery.gain,
    )
    audio = Waveform((audio.samples * 10 ** (gains / 20)).astype(np.float32), audio.rate)
    return take_cues(like.line, audio, PitchTrack(delivery.step, delivery.pitch), Usual(usual))


def test_the_melody_is_carried_over_at_its_own_pace() -> None:
    original = cues_of(wave(4, 2.0), 4.0)
    take = cues_of(wave(2, 1.3, base=200.0, at=0.4), 3.0, usual=200.0)
    before = contour_correlation(original, take)
    told = deliver(original, take, voice_hz=200.0, seconds=3.0, language="es")
    assert told is not None
    after = contour_correlation(original, said(told, take, 200.0))
    assert before is not None and after is not None
    assert before < 0.5 < 0.85 < after


def test_the_take_stays_where_its_voice_is() -> None:
    original = cues_of(wave(4, 1.5, base=110.0), usual=110.0)
    take = cues_of(wave(2, 1.3, base=210.0), usual=210.0)
    told = deliver(original, take, voice_hz=230.0, seconds=3.0, language="es")
    assert told is not None
    assert float(np.median(told.pitch)) == pytest.approx(230.0, rel=0.03)


def test_fast_accents_of_the_take_survive() -> None:
    fast: Curve = lambda t: 120 * 2 ** (1.5 * np.sin(2 * np.pi * t / 0.15) / 12)  # noqa: E731
    original = cues_of(wave(4, 3.0))
    told = deliver(original, cues_of(fast), voice_hz=120.0, seconds=3.0, language="es")
    assert told is not None
    times = CUE_STEP_S * np.arange(len(told.pitch))
    asked = 12 * np.log2(told.pitch / 120)
    accents = 1.5 * np.sin(2 * np.pi * times / 0.15)
    slow = np.convolve(asked, np.ones(15) / 15, mode="same")
    inner = slice(30, -30)
    assert np.corrcoef((asked - slow)[inner], accents[inner])[0, 1] > 0.95


def test_a_high_line_is_said_higher() -> None:
    original = replace(cues_of(wave(1, 2.0)), register_st=4.0)
    take = cues_of(wave(1, 1.0))
    told = deliver(original, take, voice_hz=120.0, seconds=3.0, language="es")
    assert told is not None
    raised = 12 * np.log2(np.median(told.pitch) / 120)
    assert raised == pytest.approx(4.0 * DeliverOptions().register, abs=0.6)


def test_a_tone_language_keeps_its_tones_on_the_melody_of_the_original() -> None:
    original = replace(cues_of(wave(4, 2.6)), range_st=8.0)
    take = cues_of(wave(2, 0.3))
    told = deliver(original, take, voice_hz=120.0, seconds=3.0, language="zh")
    plain = deliver(
        original, take, voice_hz=120.0, seconds=3.0, language="zh",
        options=DeliverOptions(tonal=(0.0, 0.8)),
    )  # fmt: skip
    assert told is not None and plain is not None
    own = take.phrases[0].pitch
    count = len(own)
    asked, kept = (12 * np.log2(x.pitch[:count] / 120) for x in (told, plain))
    assert np.corrcoef(own, kept)[0, 1] > 0.98  # nothing but the range of the original
    assert np.ptp(kept) > np.ptp(own)
    over = np.hanning(62)[1:-1]  # two tones: what is faster is the tones alone
    tones, theirs = (x - np.convolve(x, over / over.sum(), "same") for x in (asked, own))
    inside = slice(60, count - 60)
    assert np.corrcoef(tones[inside], theirs[inside])[0, 1] > 0.95
    assert contour_correlation(original, said(told, take, 120.0)) > 0.6  # type: ignore[operator]
    assert abs(contour_correlation(original, take) or 0.0) < 0.2


def test_a_question_rises_whatever_the_take_did() -> None:
    def rising(t: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return 120 * 2 ** (np.clip(t - 2.6, 0, None) * 15 / 12)

    def falling(t: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return 120 * 2 ** (-np.clip(t - 2.6, 0, None) * 15 / 12)

    original, take = cues_of(rising), cues_of(falling)
    assert original.final == "rise" and take.final == "fall"
    options = DeliverOptions(melody=(0.0, 0.0))
    asked = deliver(
        original, take, voice_hz=120.0, seconds=3.0, language="es", text="¿Sí?", options=options
    )
    plain = deliver(
        original, take, voice_hz=120.0, seconds=3.0, language="es", text="Sí.", options=options
    )
    assert asked is not None and plain is not None
    assert 12 * np.log2(asked.pitch[-5] / asked.pitch[-30]) > 1.5
    assert 12 * np.log2(plain.pitch[-5] / plain.pitch[-30]) < -1.0
    half = deliver(
        original, take, voice_hz=120.0, seconds=3.0, language="es", text="Sí;", options=options
    )
    assert half is not None and np.array_equal(half.pitch, plain.pitch)


def test_pauses_are_mapped_to_pauses() -> None:
    def stepped(t: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.where(t < 1.2, 150.0, 110.0)

    original = cues_of(stepped, 3.0, usual=125.0, silences=((1.0, 1.4),))
    take = cues_of(lambda t: 125 + 0 * t, 3.0, usual=125.0, silences=((1.4, 1.7),))
    told = deliver(original, take, voice_hz=125.0, seconds=3.0, language="es")
    assert told is not None
    assert told.pitch[130] > told.pitch[180] * 1.15  # just before and after the take's own pause
    assert told.pitch[110] == pytest.approx(told.pitch[60], rel=0.05)


def test_a_pause_that_the_translation_moved_far_is_still_the_same_pause() -> None:
    def stepped(t: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.where(t < 1.9, 150.0, 110.0)

    original = cues_of(stepped, 3.0, usual=125.0, silences=((1.7, 2.0),))
    take = cues_of(lambda t: 125 + 0 * t, 3.0, usual=125.0, silences=((0.9, 1.2),))
    told = deliver(original, take, voice_hz=125.0, seconds=3.0, language="es")
    assert told is not None
    assert told.pitch[80] > told.pitch[130] * 1.15
    assert told.pitch[170] == pytest.approx(told.pitch[250], rel=0.05)


def test_loudness_follows_within_its_limit() -> None:
    original = cues_of(wave(1, 2.0), level=lambda t: 12 * np.sin(2 * np.pi * t / 3))
    take = cues_of(wave(1, 2.0))
    options = DeliverOptions(loudness=0.4)
    told = deliver(original, take, voice_hz=120.0, seconds=3.0, language="es", options=options)
    assert told is not None
    assert np.abs(told.gain).max() <= DeliverOptions().energy + 1e-9
    assert told.gain[75] > 3 > -3 > told.gain[225]
    after = energy_correlation(original, said(told, take, 120.0))
    assert after is not None and after > 0.9


def test_a_whisper_is_breathed_and_a_shout_is_raised() -> None:
    take = cues_of(wave(1, 2.0))
    plain = cues_of(wave(1, 2.0))
    whisper = replace(plain, effort="whisper", confidence=0.0)
    told = deliver(whisper, take, voice_hz=120.0, seconds=3.0, language="es")
    assert told is not None
    assert told.breath == 1.0
    assert np.isnan(told.pitch).all()
    assert told.gain.mean() < -3
    shout = deliver(
        replace(plain, effort="shout"), take, voice_hz=120.0, seconds=3.0, language="es"
    )
    assert shout is not None
    assert np.median(shout.pitch) > 125.0 and shout.gain.mean() > 2


def test_nothing_to_go_by_changes_nothing() -> None:
    take = cues_of(wave(1, 2.0))
    empty = LineCues("L", ())
    assert deliver(empty, take, voice_hz=120.0, seconds=3.0, language="es") is None
    assert deliver(take, empty, voice_hz=120.0, seconds=3.0, language="es") is None
    unsure = replace(take, confidence=0.1)
    told = deliver(unsure, take, voice_hz=120.0, seconds=3.0, language="es")
    assert told is not None and np.isnan(told.pitch).all()


@settings(max_examples=12, deadline=None)
@given(
    size=st.floats(0, 20),
    period=st.floats(0.1, 4),
    own=st.floats(0, 10),
    register=st.floats(-12, 12),
    language=st.sampled_from(["es", "zh", "ja"]),
)
def test_pitch_never_leaves_the_voice(
    size: float, period: float, own: float, register: float, language: str
) -> None:
    original = replace(cues_of(wave(size, period)), register_st=register)
    take = cues_of(wave(own, 0.7))
    told = deliver(original, take, voice_hz=180.0, seconds=3.0, language=language, text="a?")
    assert told is not None
    assert len(told.pitch) == len(told.gain)
    away = 12 * np.log2(told.pitch[np.isfinite(told.pitch)] / 180.0)
    assert np.abs(away).max(initial=0.0) <= DeliverOptions().reach + 1e-9
    assert np.isfinite(told.gain).all()


def test_a_phrase_gets_its_part_of_the_delivery() -> None:
    whole = Delivery(0.01, np.linspace(100, 200, 101), np.linspace(-1, 1, 101), 0.3)
    part = part_of(whole, 0.5, 0.2)
    assert part.pitch[0] == pytest.approx(150.0)
    assert part.pitch[20] == pytest.approx(170.0)
    assert part.breath == 0.3 and len(part.gain) == len(part.pitch) >= 21
    assert part_of(whole, 0.95, 0.2).pitch[-1] == 200.0
