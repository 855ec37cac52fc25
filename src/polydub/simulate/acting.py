"""What a face does over time: lips that follow phones, blinks, glances, a head that is never still.

The mouth shapes of phone classes are blended by how much each class insists on its shape (closures
of p, b, m most). Numbers are openings in head units (0.9 head units = one inter-ocular distance).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polydub.model import Phone
from polydub.simulate.conversation import Conversation, Gesture, PlannedTurn

Curve = npt.NDArray[np.float64]

_SHAPES: tuple[tuple[str, float, float, float], ...] = (
    ("pbm", 0.0, 0.96, 4.0),
    ("fvβ", 0.02, 1.00, 2.4),
    ("wɥ", 0.03, 0.72, 1.8),
    ("uʊyɯʉ", 0.05, 0.72, 1.4),
    ("oɔɒɤø", 0.13, 0.80, 1.2),
    ("aɑæʌɐ", 0.20, 1.00, 1.3),
    ("ɛeəɜɚœ", 0.12, 1.03, 1.0),
    ("iɪjɨ", 0.07, 1.12, 1.0),
    ("ʃʒɹrɾɕʂʁ", 0.06, 0.84, 1.1),
    ("tdnszlθðɲʈɖ", 0.05, 1.04, 0.8),
    ("kɡgŋhxɣqc", 0.08, 1.00, 0.5),
)
"""Phones, opening, width against rest, insistence. Every symbol counts by its first character."""

_OTHER = (0.08, 1.0, 0.5)
_REACH_S = 0.045
_EARLY_S = 0.03  # a mouth moves about a frame before its sound
_FADE_S = 0.12


@dataclass(frozen=True, slots=True, eq=False)
class Acting:
    """One curve per frame of the film: opening, width and smile of the mouth, chin, lids, head.

    ``gap`` and ``jaw`` in head units, ``lid`` 1 open .. 0 shut, ``gaze`` -1 .. 1, angles in
    degrees, ``sway`` in head units.
    """

    gap: Curve
    width: Curve
    smile: Curve
    jaw: Curve
    lid: Curve
    gaze: Curve
    yaw: Curve
    pitch: Curve
    roll: Curve
    sway: Curve


def act(plan: Conversation, speaker: str, times: Curve) -> Acting:
    """The performance of ``speaker`` at ``times`` (frame times in seconds)."""
    number = [member.id for member in plan.cast].index(speaker)
    rng = np.random.default_rng((plan.spec.seed, 77, number))
    effort = float(rng.uniform(0.6, 1.1))
    gap, width = np.zeros(len(times)), np.ones(len(times))
    talk = np.zeros(len(times))
    for turn in plan.turns:
        if turn.speaker != speaker:
            continue
        opening, wide, active = mouth_curves(_phones(turn), times)
        gap += effort * opening
        width += (wide - 1) * effort
        talk = np.maximum(talk, active)
    gap *= 1 + 0.12 * drift(times, rng, 0.9)
    gap += 0.004 * (1 + drift(times, rng, 2.5)) * (1 - talk)
    smile, jaw = 0.25 * np.clip(drift(times, rng, 5.0), 0, 1), np.zeros(len(times))
    for gesture in plan.gestures:
        if gesture.speaker == speaker:
            _gesture(gesture, times, rng, gap, smile, jaw)
    lively = 0.35 + 0.65 * talk
    return Acting(
        gap=np.clip(gap, 0, 0.32),
        width=np.clip(width + 0.02 * drift(times, rng, 3.0), 0.68, 1.2),
        smile=smile,
        jaw=jaw,
        lid=1 - blinks(times, rng),
        gaze=_glances(times, rng),
        yaw=4.5 * lively * drift(times, rng, 2.6),
        pitch=2.6 * lively * drift(times, rng, 2.0),
        roll=2.4 * lively * drift(times, rng, 3.1),
        sway=0.05 * lively * drift(times, rng, 3.7),
    )


def mouth_curves(phones: Sequence[Phone], times: Curve) -> tuple[Curve, Curve, Curve]:
    """Opening, width and activity (0..1) of a mouth that says ``phones`` at ``times``."""
    rest = np.full(len(times), 0.02)
    opening, wide = np.zeros(len(times)), np.full(len(times), 0.02)
    if not phones:
        return opening, np.ones(len(times)), np.zeros(len(times))
    for phone in phones:
        gap, width, weight = _shape(phone.symbol)
        middle, half = float(phone.span.middle) - _EARLY_S, float(phone.span.duration) / 2
        share = weight * np.exp(-np.maximum(0, np.abs(times - middle) - 0.7 * half) / _REACH_S)
        rest += share
        opening += share * gap
        wide += share * width
    first, last = float(phones[0].span.start), float(phones[-1].span.end)
    edge = np.minimum((times - first + _FADE_S) / _FADE_S, (last + _FADE_S - times) / _FADE_S)
    active = np.clip(edge, 0, 1)
    active = active * active * (3 - 2 * active)
    return opening / rest * active, 1 + (wide / rest - 1) * active, active


def _shape(symbol: str) -> tuple[float, float, float]:
    head = symbol[:1]
    if not head.strip():
        return 0.0, 1.0, 1.0
    for symbols, gap, width, weight in _SHAPES:
        if head in symbols:
            return gap, width, weight
    return _OTHER


def _phones(turn: PlannedTurn) -> Sequence[Phone]:
    """The phones of the turn, or the letters of its words spread over their times."""
    if turn.phones:
        return turn.phones
    found = []
    for word in turn.words:
        letters = [c for c in word.text.lower() if c.isalnum()] or ["a"]
        step = word.span.duration / len(letters)
        for k, letter in enumerate(letters):
            start = word.span.start + k * step
            found.append(Phone(letter, type(word.span)(start, start + step)))
    return found


def _gesture(
    gesture: Gesture,
    times: Curve,
    rng: np.random.Generator,
    gap: Curve,
    smile: Curve,
    jaw: Curve,
) -> None:
    """Add chewing (1.5 Hz, lips nearly shut) or laughing (4.5 Hz, wide) in place."""
    start, end = float(gesture.span.start), float(gesture.span.end)
    inside = np.clip(np.minimum(times - start, end - times) / 0.25, 0, 1)
    if gesture.kind == "chew":
        phase = 2 * np.pi * (rng.uniform(1.3, 1.8) * times + 0.15 * drift(times, rng, 1.0))
        bite = 0.5 - 0.5 * np.cos(phase)
        gap += inside * 0.055 * bite
        jaw += inside * 0.07 * bite
        return
    phase = 2 * np.pi * rng.uniform(4.0, 5.2) * times
    gap += inside * (0.10 + 0.045 * np.sin(phase) + 0.03 * drift(times, rng, 0.6))
    smile += inside * 0.9


def drift(times: Curve, rng: np.random.Generator, period: float) -> Curve:
    """Smooth random motion, about -1 .. 1."""
    out = np.zeros(len(times))
    for k in range(4):
        out += np.sin(2 * np.pi * ((0.6 + 0.47 * k) / period * times + rng.random())) / (
            1 + 0.7 * k
        )
    return np.asarray(out / 1.8)


def blinks(times: Curve, rng: np.random.Generator) -> Curve:
    """How far the lids are shut: every two to five seconds for about 0.2 s."""
    out = np.zeros(len(times))
    at = float(rng.uniform(0.3, 2.5))
    while len(times) and at < times[-1]:
        x = (times - at) / np.where(times < at, 0.06, 0.10)
        out = np.maximum(out, np.exp(-(x**2)))
        at += float(rng.uniform(1.8, 4.8))
    return out


def _glances(times: Curve, rng: np.random.Generator) -> Curve:
    """Eyes jump now and then instead of drifting."""
    hold = np.cumsum(rng.random(len(times)) < 0.03)
    return np.asarray(rng.normal(0, 0.35, hold[-1] + 1 if len(hold) else 1)[hold].clip(-1, 1))
