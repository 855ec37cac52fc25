"""Moves a synthetic voice towards a reference with the WORLD vocoder: matching, not cloning.

Pitch, vocal-tract length and the mean spectral envelope are changed by the amounts of a
``VoiceChoice``; nothing is learnt. Measured on 4 outputs for 2 film speakers (CAM++ cosine to a
part of the speaker's clip that was not used): nearest voice 0.14, always converted 0.14, converted
only where the similarity to the reference rises 0.16; the speaker's own other part 0.67. So it
often does not help: callers must keep the result only when the similarity rises.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from polydub.engines.convert.delivered import (
    breathy,
    delivered_pitch,
    limited,
    louder,
    only_gain,
    says_nothing,
)
from polydub.engines.protocols import Capabilities, Delivery
from polydub.errors import EngineError
from polydub.model import VoiceChoice, Waveform
from polydub.model.cues import PitchTrack

Spectrum = npt.NDArray[np.float64]
"""WORLD's power spectral envelope ``[frames, bins]``."""

_PERIOD_MS = 5.0
_FLOOR_HZ, _CEILING_HZ = 65.0, 500.0
_SHOUT_HZ = 600.0  # the highest F0 that is looked for in film speech
_SMOOTH_HZ = 300.0  # the envelope ratio is smoothed over this: colour, not channel detail
_LIMIT_DB = 12.0  # the envelope ratio is kept within this: recordings differ in channel as well
_TOP_HZ = 7_500.0  # above it a 16 kHz reference says nothing
_FADE_HZ = 500.0  # over which the ratio fades out below that
_PITCH = (0.5, 2.0)
_WARP = (0.8, 1.25)


class WorldConverter:
    """Pitch, vocal-tract and envelope matching. Raises ``EngineError`` when WORLD is absent."""

    capabilities = Capabilities(
        kind="convert",
        name="world",
        version="2",
        summary="WORLD: pitch, vocal tract and mean envelope (matching, not cloning)",
        code_licence="MIT (WORLD: BSD-3-Clause)",
        weights_licence="none",
        requires=("pyworld",),
        extra="voice",
    )

    def __init__(self) -> None:
        self._world = _import_world()
        self._last: tuple[bytes, tuple[Spectrum, Spectrum, Spectrum]] | None = None

    def convert(
        self,
        audio: Waveform,
        reference: Waveform,
        choice: VoiceChoice,
        delivery: Delivery | None = None,
    ) -> Waveform:
        """Mono ``audio`` changed by ``choice`` and ``delivery``; same length, rate and loudness.

        ``choice.pitch`` multiplies F0, ``choice.warp`` > 1 raises the formants (a shorter vocal
        tract), ``choice.envelope`` in 0..1 moves the mean log envelope that far towards that of
        ``reference`` (any rate). ``delivery`` sets the finished F0 where it has one, adds its gain
        and breath. All in one analysis and synthesis; gain alone needs neither, and with nothing to
        change ``audio`` is returned itself.
        """
        source = audio.mono()
        samples = source.samples.astype(np.float64)
        quiet = len(samples) < source.rate // 20 or not np.any(samples)
        if quiet or (choice.is_neutral and says_nothing(delivery)):
            return audio
        made = samples
        if not choice.is_neutral or not (delivery is None or only_gain(delivery)):
            made = _as_loud(self._vocoded(source, reference, choice, delivery), samples)
        if delivery is not None:
            made = louder(made, source.rate, delivery)
        return Waveform(limited(made, source.rate).astype(np.float32), source.rate)

    def _vocoded(
        self,
        source: Waveform,
        reference: Waveform,
        choice: VoiceChoice,
        delivery: Delivery | None,
    ) -> Spectrum:
        """Samples ``[n]`` of ``source`` analysed, changed and put together again."""
        samples = source.samples.astype(np.float64)
        f0, spectrum, aperiodicity = self._analysed(samples, source.rate)
        warp = float(np.clip(choice.warp, *_WARP))
        strength = float(np.clip(choice.envelope, 0.0, 1.0))
        if warp != 1.0:
            spectrum, aperiodicity = warped(spectrum, warp), warped(aperiodicity, warp)
        if strength > 0.0:
            gain = self._gain(f0, spectrum, source.rate, reference)
            spectrum = spectrum * np.exp(strength * gain)
        f0 = f0 * float(np.clip(choice.pitch, *_PITCH))
        if delivery is not None:
            f0 = delivered_pitch(delivery, f0, _PERIOD_MS / 1000)
            f0, spectrum, aperiodicity = breathy(
                f0, spectrum, aperiodicity, source.rate, delivery.breath
            )
        made = self._world.synthesize(
            f0,
            np.ascontiguousarray(spectrum),
            np.ascontiguousarray(aperiodicity),
            source.rate,
            _PERIOD_MS,
        )
        return _sized(made, len(samples))

    def _analysed(self, samples: Spectrum, rate: int) -> tuple[Spectrum, Spectrum, Spectrum]:
        """The analysis of ``samples``; the last one is kept, for casting tries one take in many
        ways and the analysis is three quarters of the cost."""
        key = hashlib.sha256(samples.tobytes() + str(rate).encode()).digest()
        if self._last is None or self._last[0] != key:
            self._last = (key, _analyse(self._world, samples, rate))
        return self._last[1]

    def median_pitch(self, audio: Waveform) -> float | None:
        """See :func:`median_pitch`."""
        return median_pitch(audio)

    def pitch_track(self, audio: Waveform) -> PitchTrack:
        """F0 of mono ``audio`` every 5 ms (Harvest, refined by StoneMask), 0 where unvoiced."""
        samples = np.ascontiguousarray(audio.mono().samples, np.float64)
        step = _PERIOD_MS / 1000
        if len(samples) < audio.rate // 20 or not np.any(samples):
            return PitchTrack(step, np.zeros(int(len(samples) / audio.rate / step) + 1))
        f0, times = self._world.harvest(
            samples, audio.rate, f0_floor=_FLOOR_HZ, f0_ceil=_SHOUT_HZ, frame_period=_PERIOD_MS
        )
        return PitchTrack(step, self._world.stonemask(samples, f0, times, audio.rate))

    def _gain(
        self, f0: Spectrum, spectrum: Spectrum, rate: int, reference: Waveform
    ) -> npt.NDArray[np.float64]:
        """Log ratio ``[bins]`` of the reference's mean voiced envelope to that of ``spectrum``."""
        other = reference.mono()
        samples = other.samples.astype(np.float64)
        bins = spectrum.shape[1]
        if len(samples) < other.rate // 5:
            return np.zeros(bins)
        other_f0, other_spectrum, _ = _analyse(self._world, samples, other.rate)
        own, wanted = _mean_envelope(f0, spectrum), _mean_envelope(other_f0, other_spectrum)
        if own is None or wanted is None:
            return np.zeros(bins)
        hertz = np.linspace(0, rate / 2, bins)
        wanted = np.interp(hertz, np.linspace(0, other.rate / 2, len(wanted)), wanted)
        return envelope_gain(own, wanted, hertz, min(_TOP_HZ, other.rate / 2))


def median_pitch(audio: Waveform) -> float | None:
    """Median F0 in Hz over the voiced frames of ``audio``, ``None`` when hardly any is voiced.

    WORLD's DIO refined by StoneMask; RTF about 0.05 on one core. Raises ``EngineError`` DUB-E202
    without pyworld.
    """
    world = _import_world()
    mono = audio.mono()
    samples = np.ascontiguousarray(mono.samples, np.float64)
    if len(samples) < mono.rate // 10 or not np.any(samples):
        return None
    f0, times = world.dio(
        samples, mono.rate, f0_floor=_FLOOR_HZ, f0_ceil=_CEILING_HZ, frame_period=_PERIOD_MS
    )
    f0 = world.stonemask(samples, f0, times, mono.rate)
    voiced = f0[(f0 > _FLOOR_HZ) & (f0 < _CEILING_HZ)]
    if len(voiced) < 10:  # 50 ms
        return None
    return float(np.median(voiced))


def warped(spectrum: Spectrum, ratio: float) -> Spectrum:
    """``spectrum`` ``[frames, bins]`` with every formant moved to ``ratio`` times its frequency."""
    bins = spectrum.shape[1]
    source = np.clip(np.arange(bins) / ratio, 0, bins - 1)
    low = np.floor(source).astype(int)
    high = np.minimum(low + 1, bins - 1)
    part = source - low
    made: Spectrum = spectrum[:, low] * (1 - part) + spectrum[:, high] * part
    return made


def envelope_gain(
    own: npt.NDArray[np.float64],
    wanted: npt.NDArray[np.float64],
    hertz: npt.NDArray[np.float64],
    top_hz: float,
) -> npt.NDArray[np.float64]:
    """Smoothed, bounded log-power ratio ``[bins]`` from ``own`` to ``wanted`` (log envelopes).

    Its mean is zero below ``top_hz``, and it fades to nothing there.
    """
    below = hertz < top_hz
    ratio = wanted - own
    ratio = ratio - ratio[below].mean()
    width = max(1, round(_SMOOTH_HZ / (hertz[1] - hertz[0])))
    padded = np.pad(ratio, (width, width), mode="edge")
    smooth = np.convolve(padded, np.ones(width) / width, mode="same")[width:-width]
    bound = _LIMIT_DB * np.log(10) / 10
    fade: npt.NDArray[np.float64] = np.clip((top_hz - hertz) / _FADE_HZ, 0.0, 1.0)
    made: npt.NDArray[np.float64] = np.clip(smooth, -bound, bound) * fade
    return made


def _import_world() -> Any:
    try:
        import pyworld
    except ImportError as error:
        raise EngineError(
            "Voice matching needs pyworld, which is not installed.",
            hint='Install it with: pip install -c constraints.txt -e ".[voice]"',
            code="DUB-E202",
        ) from error
    return pyworld


def _analyse(world: Any, samples: Spectrum, rate: int) -> tuple[Spectrum, Spectrum, Spectrum]:
    """F0 ``[frames]``, envelope and aperiodicity ``[frames, bins]``."""
    samples = np.ascontiguousarray(samples)
    f0, times = world.harvest(
        samples, rate, f0_floor=_FLOOR_HZ, f0_ceil=_CEILING_HZ, frame_period=_PERIOD_MS
    )
    spectrum = world.cheaptrick(samples, f0, times, rate)
    return f0, spectrum, world.d4c(samples, f0, times, rate)


def _mean_envelope(f0: Spectrum, spectrum: Spectrum) -> npt.NDArray[np.float64] | None:
    """Mean log envelope ``[bins]`` of the voiced frames, ``None`` when there are too few."""
    voiced = spectrum[f0 > 0]
    if len(voiced) < 10:
        return None
    mean: npt.NDArray[np.float64] = np.log(voiced + 1e-16).mean(axis=0)
    return mean


def _sized(samples: Spectrum, n: int) -> Spectrum:
    """``samples`` cut or padded with silence to ``n``: WORLD rounds to whole frames."""
    made = np.zeros(n)
    made[: min(n, len(samples))] = samples[:n]
    return made


def _as_loud(samples: Spectrum, like: Spectrum) -> Spectrum:
    """``samples`` at the RMS of ``like``."""
    rms = np.sqrt(np.mean(samples**2))
    if rms == 0:
        return samples
    made: Spectrum = samples * (np.sqrt(np.mean(like**2)) / rms)
    return made
