"""A whispered, a shouted and a laughed line, made from Kokoro's speech, are told and dubbed so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from scipy.linalg import solve_toeplitz
from scipy.signal import lfilter

from polydub.engines.convert.world import WorldConverter
from polydub.engines.protocols import SpeechRequest
from polydub.engines.registry import missing_requirements
from polydub.engines.speak.kokoro import KokoroSynthesizer
from polydub.media.audio import resample
from polydub.model import Line, Span, VoiceChoice, Waveform
from polydub.model.cues import LineCues
from polydub.pipeline.cueing import wanted_loudness
from polydub.stages.cues import line_cues
from polydub.stages.nonverbal import find_nonverbal
from polydub.stages.pitch_cleaning import clean_pitch, levels_db

pytestmark = [
    pytest.mark.slow,
    pytest.mark.weights,
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

Floats = npt.NDArray[np.float64]
RATE = 16_000
GAP = Fraction(1, 2)
SAID = {
    "calm": "She left the keys on the kitchen table.",
    "usual": "I told them that we would be there at noon.",
    "whisper": "Don't move, they are right behind the door.",
    "shout": "Get out of my house right now!",
}
LEVELS = {"calm": 0.07, "usual": 0.07, "whisper": 0.03, "shout": 0.2, "laugh": 0.06}


@pytest.fixture(scope="module")
def kokoro() -> Iterator[KokoroSynthesizer]:
    if missing_requirements(KokoroSynthesizer.capabilities):
        pytest.skip("not installed")
    made = KokoroSynthesizer()
    yield made
    made.close()


@pytest.fixture(scope="module")
def world() -> WorldConverter:
    if missing_requirements(WorldConverter.capabilities):
        pytest.skip("not installed")
    return WorldConverter()


def whispered(samples: Floats) -> Floats:
    """The same mouth without the voice: noise through the linear prediction of each 30 ms."""
    size, order = round(0.03 * RATE), 18
    window, noise = np.hanning(size), np.random.default_rng(0)
    made = np.zeros(len(samples) + size)
    for first in range(0, len(samples) - size, size // 2):
        frame = samples[first : first + size] * window
        own = np.correlate(frame, frame, "full")[size - 1 : size + order]
        if own[0] < 1e-7:
            continue
        own[0] *= 1.0001
        filter_ = np.r_[1.0, -solve_toeplitz(own[:-1], own[1:])]
        loud = float(np.sqrt(np.mean(lfilter(filter_, [1.0], frame) ** 2)))
        made[first : first + size] += (
            lfilter([1.0], filter_, loud * noise.normal(size=size)) * window
        )
    return np.asarray(lfilter([1.0, -0.6], [1.0], made[: len(samples)]))


@pytest.fixture(scope="module")
def film(kokoro: KokoroSynthesizer) -> tuple[list[Line], Waveform, Span]:
    """Four lines of one man and a laugh behind the second, over a quiet background."""
    lines, parts, at = [], [], Fraction(0)
    laugh = Span.of(0, 0)
    for name, text in {**SAID, "laugh": "ha ha ha ha ha"}.items():
        voice = kokoro.shaped("am_michael", pitch=1.35) if name == "shout" else "am_michael"
        speech = kokoro.speak(SpeechRequest(text, "en", voice)).audio
        samples = resample(speech, RATE).samples.astype(np.float64)
        samples = whispered(samples) if name == "whisper" else samples
        samples = lfilter([1.0, -0.5], [1.0], samples) if name == "shout" else samples
        samples *= LEVELS[name] / np.sqrt(np.mean(samples**2))
        length = Fraction(len(samples), RATE)
        if name == "laugh":
            laugh = Span(at, at + length)
        else:
            lines.append(Line(name, "S1", Span(at, at + length), text))
        parts += [samples, np.zeros(int(GAP * RATE))]
        at += length + GAP
    sound = np.concatenate(parts)
    sound += 3e-4 * np.random.default_rng(1).normal(size=len(sound))
    return lines, Waveform(sound.astype(np.float32), RATE), laugh


@pytest.fixture(scope="module")
def cues(film: tuple[list[Line], Waveform, Span], world: WorldConverter) -> dict[str, LineCues]:
    lines, sound, _ = film
    return line_cues(lines, sound, world.pitch_track, language="en")


def test_effort_is_told(cues: dict[str, LineCues]) -> None:
    told = {name: own.effort for name, own in cues.items()}
    assert told == {"calm": "normal", "usual": "normal", "whisper": "whisper", "shout": "shout"}


def test_a_laugh_beside_the_words_is_told(
    film: tuple[list[Line], Waveform, Span], world: WorldConverter
) -> None:
    lines, sound, laugh = film
    found = find_nonverbal(lines, sound, world.pitch_track)
    (kept,) = [item for item in found if item.span & laugh]
    assert (kept.kind, kept.speaker) == ("laugh", "S1")
    assert 2 * kept.span.overlap(laugh) > laugh.duration


@pytest.mark.parametrize("voice", ["em_alex", "ef_dora"])
def test_a_whisper_is_dubbed_without_a_voice(
    kokoro: KokoroSynthesizer, world: WorldConverter, cues: dict[str, LineCues], voice: str
) -> None:
    text = "No te muevas, están justo detrás de la puerta."
    speech = kokoro.speak(SpeechRequest(text, "es", voice))

    def dubbed(own: LineCues) -> float:
        told = wanted_loudness(own, speech.audio, speech.phones, language="es", text=text)
        choice = VoiceChoice("kokoro", voice)
        return voiced(world, world.convert(speech.audio, speech.audio, choice, told))

    assert dubbed(cues["whisper"]) < 0.15
    assert dubbed(replace(cues["whisper"], effort="normal")) > 0.5


def voiced(world: WorldConverter, audio: Waveform) -> float:
    """Share of the sound in which a pitch is heard."""
    track = clean_pitch(world.pitch_track(audio), levels_db(audio.samples, audio.rate))
    return track.voiced_s / float(audio.duration)
