"""What was made is listened to once, and a second time only as something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from polydub.engines import registry
from polydub.engines.fakes import FakeRecognizer, register_fakes
from polydub.model import Transcript, Waveform
from polydub.pipeline.listening import AGAIN, listen_again, listen_to
from polydub.pipeline.options import DubOptions
from polydub.pipeline.run import Engines, Run
from polydub.project.folder import Project


class Recording(FakeRecognizer):
    """Remembers what it was given."""

    heard: ClassVar[list[Waveform]] = []

    def recognize(self, audio: Waveform, **how: Any) -> Transcript:
        self.heard.append(audio)
        return super().recognize(audio, **how)


def test_a_take_that_is_heard_again_sounds_a_little_different(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = tmp_path / "film.mp4"
    video.write_bytes(b"x")
    options = DubOptions(targets=("zh",), engines=register_fakes())
    registry.register("recognize", "fake", Recording)
    monkeypatch.setattr(Recording, "heard", [])
    run = Run(Project.for_source(video), options, Engines(options))
    times = np.arange(16_000) / 16_000
    take = Waveform(np.float32(0.5) * np.sin(2 * np.pi * 200 * times).astype(np.float32), 16_000)
    for _ in range(2):
        listen_to(run, "take", take, "zh")
        listen_again(run, "take", take, "zh")
    before, after, gain = AGAIN
    first, second = Recording.heard  # nothing is heard twice
    assert float(second.duration - first.duration) == pytest.approx(before + after)
    assert np.abs(second.samples).max() == pytest.approx(0.5 * gain, rel=1e-3)
    start = round(before * 16_000)
    assert np.allclose(second.samples[start:][: len(take.samples)], gain * take.samples)
    assert not second.samples[:start].any()
