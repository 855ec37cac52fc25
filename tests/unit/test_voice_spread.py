"""How steady a film's voices are, and what that decides."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from polydub.model import Span, Transcript, Word
from polydub.stages.attribute import AttributeOptions, attribute
from polydub.stages.joint_evidence import VoiceEvidence
from polydub.stages.voice_spread import SpreadOptions, alike_in_film

Floats = npt.NDArray[np.float64]
WIDTH = 192
LENGTH, HOP = 0.9, 0.15
NEVER = SpreadOptions(most=0.0)


def voice(rng: np.random.Generator, like: Floats | None = None, cosine: float = 0.0) -> Floats:
    """A unit vector, at ``cosine`` to ``like``."""
    made = rng.normal(size=WIDTH)
    if like is not None:
        made -= (made @ like) * like
    made /= np.linalg.norm(made)
    return made if like is None else cosine * like + np.sqrt(1 - cosine**2) * made


def heard(
    rng: np.random.Generator, voices: list[Floats], turns: list[int], *, turn_s: float, alike: float
) -> VoiceEvidence:
    """Windows of turns one after the other, two of one voice at a mean cosine of ``alike``."""
    spans, prints, clean = [], [], []
    for number, who in enumerate(turns):
        for at in np.arange(0.0, turn_s - LENGTH + 1e-6, HOP).tolist():
            start = number * turn_s + at
            spans.append(Span.of(round(start, 2), round(start + LENGTH, 2)))
            noise = rng.normal(size=WIDTH)
            made = np.sqrt(alike) * voices[who] + np.sqrt(1 - alike) * noise / np.sqrt(WIDTH)
            prints.append(made / np.linalg.norm(made))
            clean.append(1.0)
    speech = (Span.of(0, len(turns) * turn_s),)
    return VoiceEvidence(
        tuple(spans), np.array(prints, np.float32), np.array(clean, np.float32), speech=speech
    )


@pytest.mark.parametrize("turn_s", [3.0, 20.0])
@pytest.mark.parametrize("alike", [0.35, 0.5, 0.65, 0.9])
def test_steadiness_is_measured_whoever_speaks(alike: float, turn_s: float) -> None:
    rng = np.random.default_rng(1)
    pair = [voice(rng), voice(rng)]
    evidence = heard(rng, pair, [0, 1] * 5, turn_s=turn_s, alike=alike)
    expected = min(0.7, max(0.5, alike))
    assert alike_in_film(evidence, 0.5, SpreadOptions()) == pytest.approx(expected, abs=0.05)


def test_too_little_or_mixed_sound_tells_nothing() -> None:
    rng = np.random.default_rng(2)
    evidence = heard(rng, [voice(rng)], [0], turn_s=20.0, alike=0.9)
    half = np.full(len(evidence.windows), 0.5, np.float32)
    mixed = VoiceEvidence(evidence.windows, evidence.prints, half)
    short = VoiceEvidence(evidence.windows[:9], evidence.prints[:9], half[:9] * 2)
    unknown = VoiceEvidence(evidence.windows, evidence.prints)
    silent = VoiceEvidence((), np.zeros((0, WIDTH), np.float32), np.zeros(0, np.float32))
    for other in (mixed, short, unknown, silent):
        assert alike_in_film(other, 0.5, SpreadOptions()) == 0.5
    assert alike_in_film(evidence, 0.5, SpreadOptions()) == 0.7


def test_neighbours_are_all_pairs_within_reach() -> None:
    rng = np.random.default_rng(3)
    evidence = heard(rng, [voice(rng), voice(rng)], [0, 1, 0], turn_s=4.0, alike=0.6)
    options = SpreadOptions(quantile=0.5)
    pairs = [
        float(one @ two)
        for first, one in zip(evidence.windows, evidence.prints, strict=True)
        for second, two in zip(evidence.windows, evidence.prints, strict=True)
        if -1e-6 <= float(second.start - first.end) <= options.gap_s
    ]
    assert len(pairs) > 100
    assert alike_in_film(evidence, 0.0, options) == pytest.approx(np.quantile(pairs, 0.5), abs=1e-6)


def speakers_found(evidence: VoiceEvidence, spread: SpreadOptions) -> int:
    words = [
        Word("word", Span.of(at / 2 + 0.02, at / 2 + 0.48))
        for at in range(round(float(evidence.speech[0].end) * 2))
    ]
    found = attribute(
        Transcript("en", 1.0, tuple(words)),
        (),
        {},
        (),
        (),
        (),
        frame_time=lambda index: Span.of(0, index + 1).end / 25,
        rate=25,
        options=AttributeOptions(spread=spread),
        evidence=evidence,
    )
    return len(found.cast)


def test_rather_alike_voices_are_two_where_voices_are_steady() -> None:
    """Two voices whose means have a cosine of 0.77: two where neither varies, one where both do."""
    rng = np.random.default_rng(4)
    first = voice(rng)
    pair = [first, voice(rng, first, 0.77)]
    steady = heard(rng, pair, [0, 1, 0, 1], turn_s=4.0, alike=0.7)
    varied = heard(rng, pair, [0, 1, 0, 1], turn_s=4.0, alike=0.45)
    assert speakers_found(steady, SpreadOptions()) == 2
    assert speakers_found(steady, NEVER) == 1
    assert speakers_found(varied, SpreadOptions()) == speakers_found(varied, NEVER) == 1
