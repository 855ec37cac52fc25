"""The default active speaker scorer on drawn mouths whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from polydub.engines.active_speaker.mouth_curves import mouth_curves, speed, weighted_mean
from polydub.engines.active_speaker.mouth_motion import MotionModel, MouthMotion, synchrony
from polydub.engines.active_speaker.speech_drive import speech_drive
from polydub.engines.protocols import TalkingFace
from polydub.errors import EngineError
from polydub.model import FaceTrack, Waveform
from tests.face_models import make_track

RATE = 16_000
IOD = 40.0


def opening(seconds: float, seed: int = 1) -> np.ndarray:
    """A syllable-like opening (0..1) at 1 kHz: random peaks, about five a second."""
    rng = np.random.default_rng(seed)
    count = round(seconds * 1000)
    curve = np.zeros(count)
    at = 80.0
    while at < count:
        width, height = rng.uniform(35, 70), rng.uniform(0.4, 1.0)
        curve += height * np.exp(-0.5 * ((np.arange(count) - at) / width) ** 2)
        at += rng.uniform(130, 330)
    return np.minimum(curve, 1.0)


def voice(curve: np.ndarray, seed: int = 2) -> Waveform:
    """Noise as loud as the mouth is open."""
    loud = np.interp(np.arange(len(curve) * 16) / 16, np.arange(len(curve)), curve)
    noise = np.random.default_rng(seed).normal(size=len(loud))
    return Waveform((0.1 * loud * noise).astype(np.float32), RATE)


def mouth(
    curve: np.ndarray, fps: float = 25.0, jitter: float = 0.0
) -> tuple[FaceTrack, np.ndarray]:
    """A face whose lip gap is ``0.25 * curve`` IOD, with landmark noise in IOD."""
    times = np.arange(0, len(curve) / 1000 - 1e-9, 1 / fps)
    gap = 0.25 * np.interp(times * 1000, np.arange(len(curve)), curve)
    points = np.zeros((len(times), 478, 3), np.float32)
    for upper, lower, rest in ((13, 14, 0.0), (82, 87, 0.0), (312, 317, 0.0), (0, 17, 0.3)):
        points[:, upper, 1] = -IOD * (rest + gap) / 2
        points[:, lower, 1] = IOD * (rest + gap) / 2
    points[:, 168, 1] = -IOD
    rng = np.random.default_rng(3)
    points += (IOD * jitter * rng.normal(size=points.shape)).astype(np.float32)
    return make_track("F000.1", 0, len(times), landmarks=points), times


def no_pictures(size: int) -> np.ndarray:
    raise AssertionError("the default scorer looks at no pictures")


def score(
    track: FaceTrack, times: np.ndarray, audio: Waveform, model: MotionModel | None = None
) -> np.ndarray:
    return MouthMotion(model=model).score(TalkingFace(track, audio, times, no_pictures))


def test_a_moving_mouth_talks_and_a_still_one_listens() -> None:
    curve = opening(4)
    talking = score(*mouth(curve), voice(curve))
    listening = score(*mouth(np.zeros(4000), jitter=0.001), voice(curve))
    assert talking.dtype == np.float32 and talking.shape == (100,)
    assert talking.min() > 1
    assert listening.max() < -2
    assert np.abs([talking, listening]).max() <= MotionModel().limit + MotionModel().sync_limit


def test_landmark_noise_alone_is_no_talking() -> None:
    noisy = score(*mouth(np.zeros(4000), jitter=0.004), voice(opening(4)))
    assert noisy.max() < 0


@pytest.mark.parametrize("fps", [12.5, 23.976, 30.0, 50.0, 60.0])
def test_the_frame_rate_hardly_matters(fps: float) -> None:
    curve = opening(6)
    usual = score(*mouth(curve, jitter=0.001), voice(curve))
    other = score(*mouth(curve, fps, jitter=0.001), voice(curve))
    assert len(other) == len(mouth(curve, fps)[1])
    assert np.mean(other) == pytest.approx(np.mean(usual), abs=0.7)
    still = score(*mouth(np.zeros(6000), fps, jitter=0.001), voice(curve))
    assert still.max() < -2


def test_it_changes_when_the_talking_does() -> None:
    curve = opening(8)
    curve[4000:] = 0
    found = score(*mouth(curve, jitter=0.001), voice(opening(8)))
    assert found[:90].min() > 0.5
    assert found[115:].max() < -2


def test_the_own_voice_fits_better_than_another() -> None:
    own, other = opening(6, seed=5), opening(6, seed=6)
    right = score(*mouth(own), voice(own))
    wrong = score(*mouth(own), voice(other))
    assert np.mean(right) > np.mean(wrong) + 0.5
    limit = MotionModel().sync_limit
    assert np.abs(right - wrong).max() <= 2 * limit + 1e-5


def test_loudness_does_not_matter() -> None:
    curve = opening(3)
    sound = voice(curve)
    soft = Waveform((0.1 * sound.samples).astype(np.float32), RATE)
    assert score(*mouth(curve), soft) == pytest.approx(score(*mouth(curve), sound), abs=0.01)


def test_profiles_and_frames_without_a_mesh_cannot_tell() -> None:
    curve = opening(4)
    track, times = mouth(curve)
    track.accepted[10:20] = False
    track.landmarks[10:20] = np.nan
    track.iod[10:20] = np.nan
    track.pose[10:20] = np.nan
    track.pose[60:80, 0] = -50
    found = score(track, times, voice(curve))
    hidden = np.zeros(100, bool)
    hidden[10:20] = hidden[60:80] = True
    assert np.isnan(found[hidden]).all()
    assert np.isfinite(found[~hidden]).all()
    track.accepted[:] = False
    assert np.isnan(score(track, times, voice(curve))).all()


def test_a_few_frames_alone_cannot_tell() -> None:
    curve = opening(4)
    track, times = mouth(curve)
    track.accepted[:] = False
    track.accepted[50:53] = True
    assert np.isnan(score(track, times, voice(curve))).all()


@pytest.mark.parametrize("frames", [1, 2, 8, 30])
def test_short_tracks_are_no_error(frames: int) -> None:
    curve = opening(frames / 25)
    found = score(*mouth(curve), voice(curve))
    assert found.shape == (frames,)
    assert np.isfinite(found).all() == (frames >= 8)


def test_silence_and_missing_sound_are_no_error() -> None:
    curve = opening(2)
    for samples in (np.zeros(0), np.zeros(RATE * 2), np.zeros(100)):
        found = score(*mouth(curve), Waveform(samples.astype(np.float32), RATE))
        assert np.isfinite(found).all()


def test_another_sample_rate_is_an_error() -> None:
    curve = opening(1)
    with pytest.raises(EngineError, match="16000"):
        score(*mouth(curve), Waveform(np.zeros(8000, np.float32), 8000))


def test_curves_are_in_inter_ocular_distances_on_one_clock() -> None:
    track, times = mouth(np.full(2000, 0.4), fps=50)
    curves = mouth_curves(track, times)
    assert curves is not None
    assert np.diff(curves.times) == pytest.approx(0.04)
    assert curves.inner == pytest.approx(0.1, abs=1e-5)
    assert curves.outer == pytest.approx(0.4, abs=1e-5)
    assert curves.nose == pytest.approx(1.0, abs=1e-5)
    steps, both = speed(np.arange(5) * 0.01, np.array([True, True, False, True, True]))
    assert steps == pytest.approx([0, 0.25, 0.25, 0.25, 0.25])
    assert both.tolist() == [False, True, False, False, True]


def test_weighted_mean_uses_what_is_usable() -> None:
    values, flags = np.array([1.0, 100.0, 1.0, 1.0]), np.array([True, False, True, True])
    mean, share = weighted_mean(values, flags, 2)
    assert mean == pytest.approx(1.0)
    assert (share > 0).all() and (share < 1).all()
    mean, share = weighted_mean(values, np.zeros(4, bool), 2)
    assert mean.tolist() == share.tolist() == [0] * 4


def test_synchrony_is_a_correlation() -> None:
    curve = opening(6)
    track, times = mouth(curve)
    curves = mouth_curves(track, times)
    assert curves is not None
    drive = speech_drive(voice(curve), curves.times)
    fit, sure = synchrony(curves, drive, 37)
    against, _ = synchrony(curves, -drive, 37)
    assert fit[75] > 0.6
    assert against == pytest.approx(-fit, abs=1e-6)
    assert np.abs(fit).max() <= 1
    assert sure[75] == pytest.approx(1, abs=0.01) and sure[0] < 0.6
