"""Moves a synthetic voice's timbre until its voiceprint comes near to a speaker's.

The synthesiser says a text, the voiceprint network tells which change of the sound would bring it
nearer, and the synthesiser's decoder which change of its timbre makes that change. A few steps of
fixed length along that slope are enough. This is matching, not cloning: what a voiceprint network
does not hear stays as it was.

A voiceprint network does not hear roughness either, and is led there. So a predictor of naturalness
is followed as well: what pleases one network without being a voice seldom pleases both. Seven film
voices in four languages, 14 steps of 3.5, their own lines / a sentence not used to shape:

=================  ============  ===========  ===========  ===========
..                 CAM++ (ReLU)  GE2E         DistillMOS   P.808
=================  ============  ===========  ===========  ===========
CAM++ alone        0.63 / 0.62   0.64 / 0.63  3.99 / 4.05  3.60 / 3.74
with DistillMOS    0.65 / 0.63   0.65 / 0.63  4.40 / 4.46  3.78 / 3.84
=================  ============  ===========  ===========  ===========

GE2E and DNSMOS P.808 were followed by nobody. The worst line went from 3.29 to 4.05.

Without it, measured with Kokoro and CAM++ on five film speakers in Spanish, French and Mandarin,
each on the sentence used to shape / on three others (CAM++ with ReLU, which was followed; GE2E,
which was not; DistillMOS; misheard by sound):

====================  ===========  ===========  ===========  ===========
..                    CAM++        GE2E         DistillMOS   misheard
====================  ===========  ===========  ===========  ===========
voice at its pitch    0.40 / 0.36  0.55 / 0.49  4.31 / 4.35   2 / 20 %
14 steps of 2.5       0.67 / 0.57  0.64 / 0.56  4.30 / 4.35   3 / 23 %
14 steps of 4.0       0.70 / 0.59  0.65 / 0.58  4.29 / 4.34   3 / 29 %
====================  ===========  ===========  ===========  ===========

Three of them, 14 steps: with every part of the decoder shaped 0.60 / 0.54, 0.64 / 0.58, 4.44 /
4.30, 32 / 34 %; with the generator alone 0.71 / 0.59, 0.68 / 0.62, 4.46 / 4.42, 3 / 19 %.

Tried and dropped: steps measured by how the voices' timbres vary together (the natural gradient of
their correlation). Two film speakers in Spanish, two sentences not used to shape, CAM++ with ReLU
and DistillMOS after ten steps 0.56 and 4.05 (here: 0.61, 4.17) and after twelve longer ones 0.62
and 3.19 (here: 0.59, 3.95).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from polydub.engines.protocols import SpeechRequest
from polydub.model import Samples, Voiceprint, Waveform

Shift = npt.NDArray[np.float32]
"""How far a voice's timbre is moved ``[d]``, in spreads of the timbres of all voices."""


class VoiceProbe(Protocol):
    """A text that a synthesiser says, in stretches perhaps, with its timbre moved."""

    size: int

    def say(self, shift: Shift) -> Waveform:
        """The next stretch of a second or more, mono."""
        ...

    def slope(self, weights: Samples) -> Shift:
        """Derivative of ``weights @ samples`` by the shift that was said last."""
        ...


@runtime_checkable
class ShapeableSynthesizer(Protocol):
    """A synthesiser whose voices can be moved."""

    def probe(self, request: SpeechRequest) -> VoiceProbe:
        """The beginning of a text, to be said with a moved timbre."""
        ...

    def shaped(self, voice: str, *, pitch: float = 1.0, shift: Shift | None = None) -> str:
        """The style name of ``voice`` with pitch and timbre moved."""
        ...

    def less_shaped(self, style: str, share: float) -> str:
        """The name of ``style`` with its timbre moved by ``share`` of what it is."""
        ...


@runtime_checkable
class SlopingEmbedder(Protocol):
    """A voiceprint network that can be run backwards."""

    def slope(self, audio: Waveform, towards: Voiceprint) -> tuple[Voiceprint, Samples]:
        """The voiceprint, and the derivative ``[n]`` of ``print @ towards`` by the samples."""
        ...


@runtime_checkable
class SlopingJudge(Protocol):
    """A predictor of naturalness that can be run backwards."""

    def slope(self, audio: Waveform) -> tuple[float, Samples]:
        """Predicted MOS 1..5, and its derivative ``[n]`` by the samples."""
        ...


@dataclass(frozen=True, slots=True)
class ShapeOptions:
    """``steps`` of ``length`` each, at most ``reach`` from the start; ``inertia`` of the direction.

    ``other_weight`` is how much likeness to the most similar other speaker costs. It ends early
    where the likeness to the own one was ``enough`` twice: beyond it only the network is pleased.

    With a judge of naturalness, a point of MOS is worth ``natural_weight`` of likeness while the
    voice has less than ``natural`` of it.
    """

    steps: int = 16
    length: float = 4.0
    inertia: float = 0.5
    reach: float = 60.0
    other_weight: float = 0.5
    enough: float = 0.75
    natural_weight: float = 0.1
    natural: float = 4.6


SURE_AFTER = 2.0
"""Seconds of a speaker after which a voiceprint is worth following all the way."""


def options_for(seconds: float) -> ShapeOptions:
    """How far to go for a speaker of whom there are ``seconds`` of sound.

    A print of little sound is that of its words as well: a voice that follows it all the way loses
    naturalness (1.2 s of shouting: DistillMOS 4.2 -> 3.5) and gains less on other words.
    """
    plain = ShapeOptions()
    share = min(1.0, max(0.3, seconds / SURE_AFTER))
    steps = max(2, round(share * plain.steps))
    return replace(plain, steps=steps, reach=round(share * plain.reach, 2))


@dataclass(frozen=True, slots=True, eq=False)
class Shaped:
    """The ``shift`` that was found, and what was heard of the probe before every step.

    ``likeness`` to the speaker, and the ``mos`` that a judge found.
    """

    shift: Shift
    likeness: tuple[float, ...]
    mos: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """What a voice is moved to: ``own``, not ``others``, and what the ``judge`` finds natural.

    ``resample`` brings audio to a rate; ``rate`` is the embedder's and the judge's in Hz.
    """

    embedder: SlopingEmbedder
    own: Voiceprint
    others: Sequence[Voiceprint]
    resample: Callable[[Waveform, int], Waveform]
    rate: int
    judge: SlopingJudge | None = None


def shape_voice(
    probe: VoiceProbe, target: Target, *, options: ShapeOptions | None = None
) -> Shaped:
    """The shift that brings ``probe`` near to ``target``."""
    options = options or ShapeOptions()
    shift = np.zeros(probe.size, np.float32)
    direction = np.zeros(probe.size, np.float32)
    reached: list[float] = []
    judged: list[float] = []
    for _ in range(options.steps):
        heard, mos, weights = _pull(probe.say(shift), target, options)
        reached.append(round(float(heard @ target.own), 4))
        judged += mos
        slope = probe.slope(weights)
        size = float(np.linalg.norm(slope))
        near = len(reached) > 1 and min(reached[-2:]) >= options.enough
        if near or not np.isfinite(size) or size == 0.0:
            break
        direction = options.inertia * direction + slope / size
        shift = shift + options.length * direction / max(float(np.linalg.norm(direction)), 1e-9)
        shift *= min(1.0, options.reach / float(np.linalg.norm(shift)))
    return Shaped(shift.astype(np.float32), tuple(reached), tuple(judged))


def _pull(
    said: Waveform, target: Target, options: ShapeOptions
) -> tuple[Voiceprint, tuple[float, ...], Samples]:
    """Voiceprint and MOS of ``said`` and the wanted change of its samples, at its own rate.

    Taking the rate down is a matrix; going back up is its transpose, up to a factor that does not
    matter, for both filters are the same symmetric low pass.
    """
    sound = target.resample(said, target.rate)
    heard, weights = target.embedder.slope(sound, target.own)
    rival = max(target.others, key=lambda other: float(heard @ other), default=None)
    if rival is not None and options.other_weight > 0 and float(heard @ rival) > 0:
        heard, weights = target.embedder.slope(sound, target.own - options.other_weight * rival)
    mos: tuple[float, ...] = ()
    if target.judge is not None and options.natural_weight > 0:
        found, rising = target.judge.slope(sound)
        mos = (found,)
        if found < options.natural:
            weights = weights + np.float32(options.natural_weight) * rising
    back = target.resample(Waveform(weights, target.rate), said.rate).samples
    made = np.zeros(len(said.samples), np.float32)
    used = min(len(made), len(back))
    made[:used] = back[:used]
    return heard, mos, made
