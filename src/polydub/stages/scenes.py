"""Lines that are dubbed in one go: grouped to scenes, and their speech cut into lines again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np

from polydub.model import Phone, Samples, Span, Waveform
from polydub.model.scene import SceneLine

VERSION = "scenes-1"
"""Part of every key: raise it when scenes or cuts come out otherwise."""


@dataclass(frozen=True, slots=True)
class SceneOptions:
    """Times in seconds.

    ``longest`` bounds a scene (ports report garbled speech beyond 15 to 20 s); a longer line is a
    scene of its own. ``pause`` is the longest silence inside one, ``shortest`` what a scene is
    widened to: the model does not end before 2 s. Lines that overlap by more than ``overlap`` are
    kept apart, for one sound cannot be cut into both. ``frame`` is the step of the search for quiet
    places, ``audible`` the level below the peak (dB) from which sound counts.
    """

    longest: Fraction = Fraction(15)
    pause: Fraction = Fraction(3, 2)
    shortest: Fraction = Fraction(2)
    overlap: Fraction | None = Fraction(1, 5)
    frame: Fraction = Fraction(1, 50)
    audible: float = -45.0


@dataclass(frozen=True, slots=True)
class ScenePlan:
    """Lines of one scene, in order; ``room`` is the film time that their speech may fill."""

    span: Span
    lines: tuple[SceneLine, ...]
    room: Fraction


def plan_scenes(
    lines: Sequence[SceneLine],
    duration: Fraction,
    *,
    most_voices: int = 1,
    options: SceneOptions | None = None,
) -> tuple[ScenePlan, ...]:
    """``lines`` in scenes of at most ``most_voices`` speakers, by time; each line in just one.

    A film of ``duration`` seconds bounds the room of the last one.
    """
    options = options or SceneOptions()
    groups: list[list[SceneLine]] = []
    for line in sorted(lines, key=lambda line: (line.span, line.id)):
        if groups and _belongs(line, groups[-1], most_voices, options):
            groups[-1].append(line)
        else:
            groups.append([line])
    starts = [group[0].span.start for group in groups]
    return tuple(
        _scene(group, following, duration, options)
        for group, following in zip(groups, [*starts, duration][1:], strict=True)
    )


def _belongs(
    line: SceneLine, group: Sequence[SceneLine], most_voices: int, options: SceneOptions
) -> bool:
    end = max(member.span.end for member in group)
    voices = {member.speaker for member in group} | {line.speaker}
    return (
        len(voices) <= most_voices
        and line.span.start - end <= options.pause
        and (options.overlap is None or end - line.span.start <= options.overlap)
        and max(end, line.span.end) - group[0].span.start <= options.longest
    )


def _scene(
    group: Sequence[SceneLine], following: Fraction, duration: Fraction, options: SceneOptions
) -> ScenePlan:
    """A short scene is widened into the silence behind it, else before it, within the film."""
    start = group[0].span.start
    end = max(line.span.end for line in group)
    until = max(end, min(following, duration))
    end = min(max(end, start + options.shortest), max(duration, end))
    start = max(Fraction(0), min(start, end - options.shortest))
    return ScenePlan(Span(start, end), tuple(group), until - start)


@dataclass(frozen=True, slots=True, eq=False)
class LinePart:
    """The audible speech of one line; ``start`` is film time."""

    line: str
    start: Fraction
    audio: Waveform


def cut_scene(
    audio: Waveform, scene: ScenePlan, options: SceneOptions | None = None
) -> tuple[LinePart, ...]:
    """The speech of each line of ``scene`` out of mono ``audio``, which starts with its span.

    Between two lines the cut is at the quietest place from the middle of one to the middle of the
    other. Silence at both ends of a part is left out; a line of which nothing is heard is left out.
    """
    options = options or SceneOptions()
    hop = max(1, round(options.frame * audio.rate))
    levels = _levels(audio.samples, hop)
    edges = [0]
    for line, after in pairwise(scene.lines):
        first, last = (
            int((one.span.middle - scene.span.start) / options.frame) for one in (line, after)
        )
        edges.append(_quietest(levels, max(first, edges[-1]), last))
    edges.append(len(levels))
    floor = 10 ** (options.audible / 20) * levels.max(initial=0.0)
    parts = []
    for line, begin, end in zip(scene.lines, edges, edges[1:], strict=False):
        heard = begin + np.flatnonzero(levels[begin:end] > floor)
        if not len(heard):
            continue
        first, last = int(heard[0]) * hop, min((int(heard[-1]) + 1) * hop, len(audio.samples))
        samples = np.ascontiguousarray(audio.samples[first:last])
        start = scene.span.start + Fraction(first, audio.rate)
        parts.append(LinePart(line.id, start, Waveform(samples, audio.rate)))
    return tuple(parts)


def _levels(samples: Samples, hop: int) -> Samples:
    """RMS of every whole or last partial frame of ``hop`` samples."""
    padded = np.pad(samples, (0, -len(samples) % hop)).reshape(-1, hop)
    return np.asarray(np.sqrt((padded.astype(np.float64) ** 2).mean(axis=1)), np.float32)


def _quietest(levels: Samples, first: int, last: int) -> int:
    """The middle of the quietest frames from ``first`` to ``last``."""
    first = min(max(0, first), len(levels))
    within = levels[first : max(first, last)]
    if not len(within):
        return first
    return first + int(np.median(np.flatnonzero(within <= within.min())))


_SOUNDS = {"c": "k", "q": "k", "x": "s", "y": "j", "r": "ɹ", "á": "a", "é": "e", "í": "i", "ü": "y"}


def spread_phones(
    text: str, audio: Waveform, options: SceneOptions | None = None
) -> tuple[Phone, ...]:
    """Mouth shapes for a part of which only the words are known: its letters, evenly in its time.

    A guess for lips, good where sound and letters run alike; silence inside is a pause. A letter of
    a script without vowels and consonants is an open mouth.
    """
    options = options or SceneOptions()
    hop = max(1, round(options.frame * audio.rate))
    levels = _levels(audio.mono().samples, hop)
    loud = np.flatnonzero(levels > 10 ** (-30 / 20) * levels.max(initial=0.0))
    letters = [_SOUNDS.get(c, c) for c in text.lower() if c.isalpha()]
    if not letters or not len(loud):
        return ()
    phones: list[Phone] = []
    own = [letters[n * len(letters) // len(loud)] for n in range(len(loud))]
    for frame, letter in zip(loud.tolist(), own, strict=True):
        symbol = letter if letter.isascii() or letter in _SOUNDS.values() else "a"
        start = frame * options.frame
        if phones and phones[-1].span.end < start:
            phones.append(Phone(" ", Span(phones[-1].span.end, start)))
        if phones and phones[-1].symbol == symbol and phones[-1].span.end == start:
            phones[-1] = replace(
                phones[-1], span=Span(phones[-1].span.start, start + options.frame)
            )
        else:
            phones.append(Phone(symbol, Span(start, start + options.frame)))
    return tuple(phones)


def best_speed(seconds: Fraction, room: Fraction, most: float) -> Fraction | None:
    """By how much speech of ``seconds`` must be sped up for ``room``; ``None`` when too much."""
    if seconds <= room:
        return Fraction(1)
    if room <= 0 or seconds / room > Fraction(most):
        return None
    return seconds / room
