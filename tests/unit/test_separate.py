import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polydub.engines.fakes import FakeSeparator
from polydub.media.audio import WaveWriter
from polydub.model import Samples
from polydub.pipeline.analysis import RATE as FULL_RATE
from polydub.pipeline.analysis import _separated
from polydub.stages.separate import LevelMeter, StemJudgement, judge, nearly_mono

RATE = 8000


def voice(seconds: float = 6.0) -> np.ndarray:
    """Noise in bursts of 0.8 s with 0.4 s of digital silence between them."""
    n = round(seconds * RATE)
    noise = np.random.default_rng(3).normal(0, 0.1, n)
    on = (np.arange(n) / RATE) % 1.2 < 0.8
    return (noise * on).astype(np.float32)


def judged_stems(dialogue: np.ndarray, background: np.ndarray) -> StemJudgement:
    meter = LevelMeter(RATE)
    meter.add(dialogue, background)
    return judge(meter.dialogue, meter.background)


def down(decibel: float) -> float:
    return 10 ** (-decibel / 20)


def test_a_voice_with_a_faint_copy_as_residual_is_clean() -> None:
    dialogue = voice()
    judged = judged_stems(dialogue, dialogue * down(29))

    assert judged.clean
    assert judged.residual_db == pytest.approx(29, abs=0.2)
    decision = judged.decision()
    assert decision is not None
    assert decision.kind == "pass-through"
    assert "clean voice stem" in decision.reason


def test_a_voice_over_music_is_not_clean() -> None:
    dialogue = voice()
    music = np.random.default_rng(4).normal(0, 0.1 * down(15), len(dialogue)).astype(np.float32)
    judged = judged_stems(dialogue, music)

    assert not judged.clean
    assert judged.residual_db == pytest.approx(15, abs=1)
    assert judged.decision() is None


def test_a_sound_that_lives_in_the_pauses_is_kept() -> None:
    dialogue = voice()
    steps = np.where(dialogue == 0, 0.1 * down(20), 0.0)
    noise = np.random.default_rng(5).normal(0, 1, len(dialogue)) * steps
    judged = judged_stems(dialogue, (noise + dialogue * down(30)).astype(np.float32))

    assert judged.residual_db > 25
    assert judged.between_db == pytest.approx(20, abs=2)
    assert not judged.clean


def test_silence_and_nothing_are_not_clean() -> None:
    silent = np.zeros(RATE, dtype=np.float32)
    assert not judged_stems(silent, silent).clean
    assert not judged_stems(silent[:0], silent[:0]).clean


@given(st.lists(st.integers(0, 3000), max_size=8))
def test_levels_do_not_depend_on_the_blocks(cuts: list[int]) -> None:
    dialogue, background = voice(1.0), voice(1.0) * 0.1
    whole, parts = LevelMeter(RATE), LevelMeter(RATE)
    whole.add(dialogue, background)
    edges = [0, *sorted(cuts), len(dialogue)]
    for start, end in itertools.pairwise(edges):
        stereo = np.stack([dialogue[start:end]] * 2, axis=1)
        parts.add(stereo, background[start:end])

    assert np.allclose(whole.dialogue, parts.dialogue, atol=1e-3)
    assert np.allclose(whole.background, parts.background, atol=1e-3)
    assert len(whole.dialogue) == 20
    assert judge(whole.dialogue, whole.background).clean is False


@pytest.mark.parametrize(("under", "mono"), [(20, False), (39, False), (41, True), (200, True)])
def test_two_channels_with_one_sound_are_known(under: float, mono: bool) -> None:
    middle = voice()
    side = np.roll(middle, 777) * down(under)
    stereo = np.stack([middle + side, middle - side], axis=1)
    assert nearly_mono(np.array_split(stereo, 7)) is mono
    assert not nearly_mono([middle])
    assert not nearly_mono([np.stack([middle] * 6, axis=1)])
    assert nearly_mono([np.zeros((100, 2), np.float32)])


@pytest.mark.parametrize(("under", "channels"), [(20, 2), (50, 1)])
def test_one_sound_in_two_channels_is_separated_once_and_nothing_is_lost(
    tmp_path: Path, under: float, channels: int
) -> None:
    asked = []

    class Watched(FakeSeparator):
        def separate(
            self, blocks: Iterator[Samples], rate: int
        ) -> Iterator[tuple[Samples, Samples]]:
            for block in blocks:
                asked.append(1 if block.ndim == 1 else block.shape[1])
                yield from super().separate(iter([block]), rate)

    middle = np.tile(voice(2.0), 12)
    side = np.roll(middle, 777) * down(under)
    film = np.stack([middle + side, middle - side], axis=1).astype(np.float32)
    with WaveWriter(tmp_path / "film.wav", FULL_RATE, 2) as writer:
        writer.write(film)
    parts = list(_separated(Watched(), tmp_path / "film.wav"))
    dialogue, background = (np.concatenate(stem) for stem in zip(*parts, strict=True))
    assert set(asked) == {channels}
    assert dialogue.shape == background.shape == film.shape
    assert np.abs(dialogue + background - film).max() < 1e-6
    assert np.abs(dialogue).max() > 0
