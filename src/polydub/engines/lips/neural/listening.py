"""The sound that a network hears: the dub around a stretch, silent where this person is silent."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from polydub.engines.lips.neural.network import RATE, Sound
from polydub.engines.lips.visemes import is_pause
from polydub.media.wave import resample
from polydub.model import Phone, Span, Waveform, merge

MARGIN_S = Fraction(1)
"""Sound before and after: more than any network's window looks beyond its frame."""

_AROUND_S = Fraction(2, 25)  # of each phone that stays audible: phones of guessed times are rough
_FADE = RATE // 100  # samples of the fade at the edges of what stays audible


def sound_around(audio: Waveform, span: Span, phones: Iterable[Phone]) -> Sound:
    """Mono 16 kHz sound of ``span`` and a second on either side, silence beyond the dub's ends.

    Only what lies at one of ``phones`` is heard. ``audio`` holds the voices of everybody, and
    breath: without this a mouth moves to its neighbour's words, and in pauses.
    """
    wanted = span.pad(MARGIN_S)
    heard = resample(audio.cut(wanted).mono(), RATE)
    samples = np.zeros(int(wanted.duration * RATE), np.float32)
    part = np.asarray(heard.samples, np.float32).reshape(-1)[: len(samples)]
    samples[: len(part)] = part
    return Sound(samples * _audible(len(samples), wanted.start, phones), float(wanted.start))


def _audible(length: int, start: Fraction, phones: Iterable[Phone]) -> npt.NDArray[np.float32]:
    """Gain ``[length]``: 1 at the phones, 0 away from them."""
    gain = np.zeros(length, np.float32)
    ramp = np.linspace(0, 1, _FADE, dtype=np.float32)
    for span in merge([x.span.pad(_AROUND_S) for x in phones if not is_pause(x.symbol)]):
        first = max(0, int((span.start - start) * RATE))
        last = min(length, int((span.end - start) * RATE))
        if last - first < 2 * _FADE:  # all but outside of what was cut
            continue
        gain[first:last] = 1
        gain[first : first + _FADE] = ramp
        gain[last - _FADE : last] = ramp[::-1]
    return gain
