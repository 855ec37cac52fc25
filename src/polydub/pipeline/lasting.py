"""Speech as long as it has to be: its tempo changed, its phones with it."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

from polydub.engines.protocols import Speech
from polydub.media.tempo import stretched
from polydub.model import Span
from polydub.project.cache import digest


def apart(one: Fraction, other: Fraction) -> float:
    """By what share two lengths differ, either way."""
    return abs(math.log(one / other)) if one > 0 and other > 0 else math.inf


def lasting(speech: Speech, seconds: Fraction, key: str) -> tuple[Speech, str]:
    """``(speech, key)`` with its tempo changed so that it lasts ``seconds``, never longer.

    Speech that is shorter by less than a hundredth, of itself and of a second, stays as it is.
    """
    length, rate = speech.audio.duration, speech.audio.rate
    if seconds - min(Fraction(1), seconds) / 100 < length <= seconds:
        return speech, key
    seconds = Fraction(math.floor(seconds * rate), rate)
    ratio = seconds / length
    phones = tuple(
        replace(phone, span=Span(phone.span.start * ratio, phone.span.end * ratio))
        for phone in speech.phones
    )
    return Speech(stretched(speech.audio, seconds), phones), digest(key, seconds)
