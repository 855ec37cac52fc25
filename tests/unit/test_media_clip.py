from __future__ import annotations

import io

import av
import numpy as np
import pytest

from polydub.media.clip import opus_clip
from polydub.model import Waveform


@pytest.mark.parametrize("channels", [1, 2])
def test_a_clip_plays_back_the_same_tone(channels: int) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000).astype(np.float32)
    samples = tone if channels == 1 else np.stack([tone, tone], axis=1)
    data = opus_clip(Waveform(samples, 48_000))
    assert len(data) < 12_000
    with av.open(io.BytesIO(data)) as container:
        heard = np.concatenate([f.to_ndarray().mean(axis=0) for f in container.decode(audio=0)])
    middle = heard[12_000:36_000]
    peak = np.abs(np.fft.rfft(middle)).argmax() * 2
    assert peak == pytest.approx(440, abs=3)
    assert len(heard) == pytest.approx(48_000, rel=0.03)


def test_no_sound_gives_no_clip() -> None:
    assert opus_clip(Waveform(np.zeros(0, np.float32), 24_000)) == b""
