"""Cepstra against values that python_speech_features 0.6 computed with its defaults."""

from __future__ import annotations

import numpy as np
import pytest

from polydub.engines.active_speaker.mfcc import N_CEPSTRA, mfcc

KNOWN = {
    0: [
        *(19.364, 23.509, -13.039, -40.182, -34.813, -13.855, -6.922),
        *(-16.835, -18.261, -1.59, 17.493, 19.255, 7.511),
    ],
    5: [
        *(20.398, 2.444, -32.036, 24.547, 0.386, -67.565, -28.042),
        *(12.565, -14.11, -2.902, 29.678, 18.859, 5.947),
    ],
    -1: [
        *(21.186, -11.473, -8.062, 32.045, -62.567, 8.89, -22.659),
        *(-38.656, 26.554, -6.152, 12.097, 30.998, -5.956),
    ],
}


def test_known_values() -> None:
    n = np.arange(2000)
    fading = 8000 * np.sin(2 * np.pi * 440 * n / 16000) * np.exp(-n / 1500)
    rising = 3000 * np.sin(2 * np.pi * (500 + 0.9 * n) * n / 16000)
    samples = np.round(fading + rising).astype(np.int16)
    found = mfcc((samples / 32768).astype(np.float32))
    assert found.shape == (11, N_CEPSTRA)
    for row, values in KNOWN.items():
        assert found[row] == pytest.approx(values, abs=0.001)


@pytest.mark.parametrize(
    ("samples", "rows"), [(0, 0), (1, 1), (400, 1), (401, 2), (560, 2), (561, 3), (16000, 99)]
)
def test_number_of_rows(samples: int, rows: int) -> None:
    assert mfcc(np.zeros(samples, np.float32)).shape == (rows, N_CEPSTRA)


def test_silence_is_finite() -> None:
    assert np.isfinite(mfcc(np.zeros(2000, np.float32))).all()
