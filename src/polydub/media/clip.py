"""Short sound clips for listening in a page."""

from __future__ import annotations

import io

import av
import numpy as np

from polydub.media.wave import resample
from polydub.model import Waveform

RATE = 24_000
BITRATE = 40_000
"""Opus at 40 kbit/s mono is transparent for speech (RFC 6716 gives 28-40 for fullband speech)."""


def opus_clip(waveform: Waveform) -> bytes:
    """``waveform`` as mono Ogg Opus, for a player in a page; no bytes for no sound."""
    if len(waveform.samples) == 0:
        return b""
    audio = resample(waveform.mono(), RATE)
    samples = np.clip(np.asarray(audio.samples, np.float32), -1, 1)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=RATE, layout="mono")
        stream.bit_rate = BITRATE
        size = RATE // 50
        for start in range(0, len(samples), size):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples[None, start : start + size]), "flt", "mono"
            )
            frame.sample_rate, frame.pts = RATE, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return buffer.getvalue()
