"""Pose, expression, gaps and gates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from polydub.engines.lips import gates
from polydub.engines.lips.bank import good_rows, pick_frames
from polydub.engines.lips.gates import GateOptions, combine, fade, frame_gates, soften
from polydub.engines.lips.geometry import (
    CHIN,
    LEFT_EYE,
    NOSE_BASE,
    OUTER_LIPS,
    STABLE,
    TrackGeometry,
    fill_gaps,
    fit_similarities,
    measure_track,
    mouth_weights,
    person_canonical,
    smooth,
)
from tests.lip_models import HEIGHT, WIDTH, Head

SIZE = (HEIGHT, WIDTH)


def measured(head: Head) -> TrackGeometry:
    track = head.track()
    canonical = person_canonical([track])
    assert canonical is not None
    return measure_track(track, canonical)


def test_similarity_is_recovered_exactly() -> None:
    random = np.random.default_rng(1)
    points = random.normal(size=(30, 3))
    turn, _ = np.linalg.qr(random.normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    moved = 2.5 * points @ turn.T + np.array([3.0, -1.0, 7.0])
    found = fit_similarities(points, moved[None])
    assert found.scale[0] == pytest.approx(2.5)
    assert found.rotation[0] == pytest.approx(turn)
    assert found.apply(points, 0) == pytest.approx(moved)
    assert found.invert(moved[None], slice(None))[0] == pytest.approx(points)


def test_pose_aperture_and_size_are_those_of_the_head() -> None:
    geometry = measured(Head(60, yaw=lambda f: 20 * np.sin(f / 20)))
    wanted = np.radians([20 * np.sin(f / 20) for f in range(60)])
    found = geometry.pose[:, 1]
    sign = np.sign(np.corrcoef(found, wanted)[0, 1])
    assert np.abs(sign * found - wanted).max() < np.radians(3)
    assert geometry.iod == pytest.approx(np.full(60, 60.0), rel=0.03)
    gaps = [0.12 + 0.11 * np.sin(f * 0.9) for f in range(60)]
    assert np.corrcoef(geometry.aperture, gaps)[0, 1] > 0.99


def test_short_gaps_are_filled_and_long_ones_are_not_used() -> None:
    landmarks = Head(40).track().landmarks.copy()
    truth = landmarks[11].copy()
    landmarks[10:13] = np.nan
    landmarks[20:26] = np.nan
    landmarks[38:] = np.nan
    points, usable = fill_gaps(landmarks)
    assert np.isfinite(points).all()
    assert usable[10:13].all()
    assert not usable[20:26].any() and not usable[38:].any()
    assert np.abs(points[11] - truth).max() < 6
    empty, none = fill_gaps(np.full((3, 478, 3), np.nan, np.float32))
    assert np.isfinite(empty).all() and not none.any()


def test_smoothing_calms_a_resting_head() -> None:
    random = np.random.default_rng(2)
    still = np.repeat(Head(1).points(0)[None], 30, axis=0)
    noisy = still + random.normal(scale=0.5, size=still.shape)
    before = np.diff(noisy, axis=0)[:, STABLE].std()
    after = np.diff(smooth(noisy), axis=0)[:, STABLE].std()
    assert after < 0.5 * before


def test_weights_are_one_on_the_lips_and_zero_at_nose_and_eyes() -> None:
    canonical = person_canonical([Head(10).track()])
    assert canonical is not None
    weights = mouth_weights(canonical)
    assert (weights[list(OUTER_LIPS)] == 1).all() and weights[CHIN] == 1
    assert weights[NOSE_BASE] == 0 and weights[LEFT_EYE] == 0


def test_no_face_gives_no_canonical_head() -> None:
    assert person_canonical([]) is None
    track = Head(5).track()
    blind = replace(
        track,
        landmarks=np.full_like(track.landmarks, np.nan),
        accepted=np.zeros(5, bool),
    )
    assert person_canonical([blind]) is None


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (Head(30, yaw=lambda f: 50.0), gates.PROFILE),
        (Head(30, iod=20.0), gates.SMALL),
        (Head(30, place=lambda f: (240.0 + 14.0 * f, 120.0)), gates.MOTION),
        (Head(30, place=lambda f: (240.0, 275.0)), gates.EDGE),
    ],
)
def test_each_gate_closes_for_its_reason(head: Head, reason: str) -> None:
    frontal = measured(Head(30))
    open_gates = frame_gates(frontal, SIZE, GateOptions())
    assert all(gate.min() == 1.0 for gate in open_gates.values())
    # the canonical head comes from frontal frames of the same person
    canonical = person_canonical([Head(30).track()])
    assert canonical is not None
    closed = frame_gates(measure_track(head.track(), canonical), SIZE, GateOptions())
    assert closed[reason][5:25].max() == 0.0
    strength, reasons = combine(closed)
    assert strength[10:20].max() == 0.0
    assert reason in {reasons[at] for at in range(10, 20)} or reason != gates.EDGE


def test_missing_landmarks_close_the_gate() -> None:
    track = Head(40).track()
    landmarks = track.landmarks.copy()
    landmarks[10:20] = np.nan
    canonical = person_canonical([track])
    assert canonical is not None
    geometry = measure_track(replace(track, landmarks=landmarks), canonical)
    strength, reasons = combine(frame_gates(geometry, SIZE, GateOptions()))
    assert strength[12:18].max() == 0.0
    assert reasons[15] == gates.NO_LANDMARKS
    assert strength[30] == pytest.approx(1.0)


def test_strength_fades_before_a_fault() -> None:
    raw = np.ones(40)
    raw[20] = 0.0
    soft = soften(raw)
    assert soft[18:23].max() < 0.35
    assert (soft <= raw + 1e-12).all()
    assert np.abs(np.diff(soft)).max() < 0.45
    assert soft[5] == pytest.approx(1.0)


def test_fades_only_at_open_edges() -> None:
    assert fade(20, False, False).min() == 1.0
    both = fade(20, True, True)
    assert both[0] == pytest.approx(0.2) == both[-1]
    assert (both[4:16] == 1).all()
    assert fade(20, True, False)[-1] == 1.0


def test_exemplars_are_bounded_and_keep_the_variety() -> None:
    geometry = measured(Head(300, gap=lambda f: 0.3 if f == 150 else 0.05))
    picks = pick_frames([geometry], 0, 80, SIZE)
    assert len(picks) == 80
    assert 150 in {pick.row for pick in picks}
    assert picks == sorted(picks, key=lambda pick: (pick.track, pick.row))
    assert len(good_rows(measured(Head(20, iod=20.0)))) == 0


def test_other_tracks_help_a_short_one() -> None:
    short, long_ = measured(Head(20)), measured(Head(200))
    picks = pick_frames([short, long_], 0, 100, SIZE)
    assert sum(pick.track == 0 for pick in picks) == 20
    assert sum(pick.track == 1 for pick in picks) == 30
    assert {pick.track for pick in pick_frames([short, long_], 1, 100, SIZE)} == {1}


def test_long_tracks_are_measured_block_by_block_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    head = Head(100)
    canonical = person_canonical([head.track()])
    assert canonical is not None
    whole = measure_track(head.track(), canonical)
    monkeypatch.setattr("polydub.engines.lips.geometry._BLOCK", 30)
    parts = measure_track(head.track(), canonical)
    assert np.abs(parts.points - whole.points).max() < 0.02
    assert parts.aperture == pytest.approx(whole.aperture, abs=1e-4)
    assert (parts.usable == whole.usable).all()
