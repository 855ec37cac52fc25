"""Renders the sound of a planned conversation: dry stems, a room, music and noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from polydub.model import Samples, Waveform, merge
from polydub.simulate.conversation import CastMember, Conversation
from polydub.simulate.voices import RATE, sounding

PEAK = 0.84  # -1.5 dBFS


@dataclass(frozen=True, slots=True, eq=False)
class RenderedSound:
    """Mono at 24 kHz, all of the film's length: ``film`` is what is heard, ``voices`` dry, mixed.

    ``stems`` are the dry voices by speaker, ``background`` is music and noise. The levels of all
    are those in ``film``; without reverberation, ``voices + background = film``.
    """

    film: Waveform
    voices: Waveform
    background: Waveform
    stems: Mapping[str, Waveform]


def render_sound(plan: Conversation) -> RenderedSound:
    """The sound of ``plan``; the same plan gives the same samples."""
    length = round(plan.duration * RATE)
    stems = {member.id: _stem(plan, member, length) for member in plan.cast}
    voices = np.sum(list(stems.values()), axis=0, dtype=np.float32)
    heard = np.zeros(length, np.float32)
    for member in plan.cast:
        heard += _in_room(stems[member.id], member, plan.spec.sound.reverberation, plan.spec.seed)
    background = _background(plan, heard)
    film = heard + background
    scale = np.float32(min(1.0, PEAK / max(1e-6, float(np.abs(film).max(initial=0.0)))))
    return RenderedSound(
        Waveform(film * scale, RATE),
        Waveform(voices * scale, RATE),
        Waveform(background * scale, RATE),
        {name: Waveform(stem * scale, RATE) for name, stem in stems.items()},
    )


def _stem(plan: Conversation, member: CastMember, length: int) -> Samples:
    out = np.zeros(length, np.float32)
    gain = np.float32(10 ** (member.gain_db / 20))
    for turn in plan.turns:
        if turn.speaker == member.id:
            at = round(turn.span.start * RATE)
            samples = turn.utterance.audio.samples[: length - at]
            out[at : at + len(samples)] += gain * samples
    return out


def _in_room(stem: Samples, member: CastMember, amount: float, seed: int) -> Samples:
    """Add the tail of a room, more of it the farther away the speaker is."""
    if amount <= 0 or not stem.any():
        return stem
    rng = np.random.default_rng((seed, 9))
    seconds = 0.15 + 0.9 * amount  # time to fall by 60 dB
    time = np.arange(round(seconds * RATE)) / RATE
    tail = rng.normal(size=len(time)) * 10 ** (-3 * time / seconds) * (time > 0.004)
    tail *= amount * (0.25 + 0.75 * member.distance) / np.sqrt(np.sum(tail**2))
    size = 1 << (len(stem) + len(tail)).bit_length()
    wet = np.fft.irfft(np.fft.rfft(stem, size) * np.fft.rfft(tail, size), size)[: len(stem)]
    return np.asarray(stem + wet, np.float32)


def _background(plan: Conversation, voices: Samples) -> Samples:
    """Music and noise at their levels against the speech; a faint hiss is always there."""
    sound, length = plan.spec.sound, len(voices)
    spoken = merge(
        span.shift(turn.span.start)
        for turn in plan.turns
        for span in sounding(turn.utterance.audio)
    )
    active = np.concatenate([voices[span.samples(RATE)] for span in spoken] or [voices[:0]])
    level = float(np.sqrt(np.mean(active**2))) if len(active) else 0.05
    rng = np.random.default_rng((plan.spec.seed, 10))
    out = 1e-4 * rng.normal(size=length)
    for samples, below in ((music, sound.music_db), (noise, sound.noise_db)):
        if below is not None:
            made = samples(length, rng)
            power = float(np.sqrt(np.mean(made**2))) or 1.0
            out += made * (level * 10 ** (-below / 20) / power)
    return np.asarray(out, np.float32)


def noise(length: int, rng: np.random.Generator) -> Samples:
    """Room and street: pink noise that swells and falls."""
    spectrum = np.fft.rfft(rng.normal(size=length))
    frequency = np.maximum(np.fft.rfftfreq(length, 1 / RATE), 40.0)
    pink = np.fft.irfft(spectrum / np.sqrt(frequency), length)
    time = np.arange(length) / RATE
    swell = 1 + 0.3 * np.sin(2 * np.pi * (0.11 * time + rng.random()))
    return np.asarray(pink * swell, np.float32)


def music(length: int, rng: np.random.Generator) -> Samples:
    """Slow chords of a soft keyboard with a melody above."""
    out = np.zeros(length)
    beat = 60 / float(rng.uniform(66, 96))
    root = int(rng.integers(45, 57))
    chords = [(0, 3, 7, 10), (-4, 0, 3, 7), (3, 7, 10, 14), (-2, 2, 5, 8)]
    for bar in range(int(length / RATE / (4 * beat)) + 1):
        chord = chords[bar % 4]
        for tone in chord:
            _note(out, bar * 4 * beat, 4 * beat, root + tone, 0.12)
        for step in range(8):
            tone = chord[int(rng.integers(4))] + 12
            if rng.random() < 0.6:
                _note(out, (bar * 4 + step / 2) * beat, 1.5 * beat, root + tone, 0.2)
    return np.asarray(out, np.float32)


def _note(
    out: np.ndarray[tuple[int], np.dtype[np.float64]],
    start: float,
    length: float,
    key: int,
    level: float,
) -> None:
    first, last = round(start * RATE), round((start + length) * RATE)
    last = min(last, len(out))
    if first >= last:
        return
    time = np.arange(last - first) / RATE
    hertz = 440.0 * 2 ** ((key - 69) / 12)
    tone = sum(np.sin(2 * np.pi * hertz * h * time) / h**2 for h in range(1, 5))
    fade = np.clip(time / 0.01, 0, 1) * np.clip((length - time) / 0.1, 0, 1)
    out[first:last] += level * tone * fade * np.exp(-1.6 * time / length)
