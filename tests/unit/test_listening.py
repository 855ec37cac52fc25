"""What was made is listened to once, and a second time only as something else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from polydub.engines import registry
from polydub.engines.fakes import FakeRecognizer, register_fakes
from polydub.model import Transcript, Waveform
from polydub.pipeline.listening import AROUND_S, QUIETER, listen_again, listen_to
from polydub.pipeline.options import DubOptions
from polydub.pipeline.run import Engines, Run
from polydub.project.folder import Project


class Recording(FakeRecognizer):
    """Remembers what it was given."""

    heard: ClassVar[list[Waveform]] = []

    def recognize(
        self,
        audio: Waveform,
        *,
        language: str | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Transcript:
        self.heard.append(audio)
        return super().recognize(audio, language=language, progress=progress)


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
    first, second = Recording.heard  # nothing is heard twice
    assert float(second.duration - first.duration) == pytest.approx(sum(AROUND_S))
    assert np.abs(second.samples).max() == pytest.approx(0.5 * QUIETER, rel=1e-3)
    before = round(AROUND_S[0] * 16_000)
    assert np.allclose(second.samples[before:][: len(take.samples)], QUIETER * take.samples)
    assert not second.samples[:before].any()
