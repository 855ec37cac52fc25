from __future__ import annotations

import numpy as np
import pytest

from polydub.model import Samples, Voiceprint, Waveform
from polydub.stages.shape import ShapeOptions, Shift, Target, shape_voice

RATE = 16_000
SIZE = 6


class Linear:
    """A probe whose sound is the shift itself, and what it was asked."""

    size = SIZE

    def __init__(self) -> None:
        self.said: list[Shift] = []

    def say(self, shift: Shift) -> Waveform:
        self.said.append(shift.copy())
        return Waveform(shift.astype(np.float32), RATE)

    def slope(self, weights: Samples) -> Shift:
        return weights.astype(np.float32)


class Direction:
    """An embedder whose print is the direction from a fixed point to the sound."""

    def __init__(self, start: np.ndarray) -> None:
        self.start = start

    def slope(self, audio: Waveform, towards: Voiceprint) -> tuple[Voiceprint, Samples]:
        point = self.start + audio.samples
        size = np.linalg.norm(point)
        heard = point / size
        slope = (towards - (towards @ heard) * heard) / size
        return heard.astype(np.float32), slope.astype(np.float32)


def axis(index: int) -> np.ndarray:
    return np.eye(SIZE, dtype=np.float32)[index]


def as_it_is(audio: Waveform, rate: int) -> Waveform:
    return audio


def shaped(own: np.ndarray, others: list[np.ndarray], start: np.ndarray, **options: float):
    probe = Linear()
    target = Target(Direction(start), own, others, as_it_is, RATE)
    found = shape_voice(probe, target, options=ShapeOptions(**options))  # type: ignore[arg-type]
    return found, probe


def likeness(shift: np.ndarray, start: np.ndarray, to: np.ndarray) -> float:
    point = start + shift
    return float(point @ to / np.linalg.norm(point))


def test_the_voice_comes_nearer_step_by_step() -> None:
    start = 3 * axis(1)
    found, _ = shaped(axis(0), [], start)
    assert list(found.likeness) == sorted(found.likeness)
    assert found.likeness[0] == pytest.approx(0.0)
    assert likeness(found.shift, start, axis(0)) > 0.6


def test_it_starts_from_the_plain_voice() -> None:
    _, probe = shaped(axis(0), [], 3 * axis(1))
    assert not probe.said[0].any()


def test_it_keeps_away_from_another_speaker() -> None:
    start = axis(1) + axis(2)
    own, other = (axis(0) + axis(1)) / np.sqrt(2), axis(1)
    near, _ = shaped(own, [], start, enough=2.0)
    away, _ = shaped(own, [other], start, enough=2.0)
    assert likeness(away.shift, start, other) < likeness(near.shift, start, other)
    assert likeness(away.shift, start, own) > 0.5


def test_it_stops_when_near_enough() -> None:
    found, probe = shaped(axis(0), [], 3 * axis(1), enough=0.3, steps=20)
    assert found.likeness[-1] >= 0.3
    assert len(probe.said) == len(found.likeness) < 20


def test_it_does_not_go_far() -> None:
    found, probe = shaped(axis(0), [], 30 * axis(1), reach=1.5, steps=12)
    assert np.linalg.norm(found.shift) <= 1.5 + 1e-5
    assert max(np.linalg.norm(shift) for shift in probe.said) <= 1.5 + 1e-5


def test_no_slope_no_step() -> None:
    start = 3 * axis(0)
    found, probe = shaped(axis(0), [], start, enough=2.0)
    assert len(probe.said) == 1
    assert not found.shift.any()


def test_the_slope_is_taken_at_the_rate_of_the_voice() -> None:
    """The embedder hears half the rate: its slope comes back at the probe's length."""

    class Halved(Linear):
        def say(self, shift: Shift) -> Waveform:
            self.said.append(shift.copy())
            return Waveform(np.repeat(shift, 2).astype(np.float32), 2 * RATE)

        def slope(self, weights: Samples) -> Shift:
            assert weights.shape == (2 * SIZE,)
            return weights.reshape(SIZE, 2).sum(1)

    def other_rate(audio: Waveform, rate: int) -> Waveform:
        if rate < audio.rate:
            return Waveform(audio.samples.reshape(-1, 2).mean(1), rate)
        return Waveform(np.repeat(audio.samples, 2)[:-1], rate)  # a sample short, as filters are

    start = 3 * axis(1)
    found = shape_voice(Halved(), Target(Direction(start), axis(0), [], other_rate, RATE))
    assert likeness(found.shift, start, axis(0)) > 0.6


class Smooth:
    """A judge that finds sound the less natural, the more there is of one sample."""

    def __init__(self, best: float = 4.0) -> None:
        self.best = best

    def slope(self, audio: Waveform) -> tuple[float, Samples]:
        return self.best - float(audio.samples[3]) ** 2, -2 * audio.samples[3] * axis(3)


def test_naturalness_is_kept_on_the_way() -> None:
    start, own = 3 * axis(1), (axis(0) + axis(3)) / np.float32(np.sqrt(2))
    alone = Target(Direction(start), own, [], as_it_is, RATE)
    judged = Target(Direction(start), own, [], as_it_is, RATE, Smooth())
    rough = shape_voice(Linear(), alone)
    found = shape_voice(Linear(), judged)
    assert abs(found.shift[3]) < abs(rough.shift[3]) / 2
    assert likeness(found.shift, start, own) > 0.6
    assert len(found.mos) == len(found.likeness)
    assert found.mos[0] == 4.0
    assert rough.mos == ()


def test_what_is_natural_enough_is_left_as_it_is() -> None:
    start, own = 3 * axis(1), (axis(0) + axis(3)) / np.float32(np.sqrt(2))
    target = Target(Direction(start), own, [], as_it_is, RATE, Smooth(best=5000.0))
    plain = Target(Direction(start), own, [], as_it_is, RATE)
    assert np.array_equal(shape_voice(Linear(), target).shift, shape_voice(Linear(), plain).shift)
