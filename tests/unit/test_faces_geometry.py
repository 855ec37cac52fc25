"""Pose and mouth opening are recovered from points with a known pose."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polydub.model.umeyama import fit_similarities
from polydub.stages.face_geometry import (
    CHIN_LEAN,
    angles,
    head_poses,
    lip_gap,
    quick_yaw,
    upright,
)
from tests.face_models import face_shape, rotated


def film(poses: list[tuple[float, float, float]], gaps: list[float], iod: float) -> np.ndarray:
    shapes = []
    for pose, gap in zip(poses, gaps, strict=True):
        shapes.append(rotated(face_shape(gap), pose) * iod + np.array([300.0, 200.0, 0.0]))
    return np.array(shapes, np.float32)


def test_known_angles_are_found() -> None:
    poses = [(0.0, 0.0, 0.0), (25.0, 0.0, 0.0), (-25.0, 5.0, 0.0), (0.0, -12.0, 8.0), (0, 0, -20)]
    found = head_poses(film(poses, [0.05] * 5, 80.0))
    assert found.angles == pytest.approx(np.array(poses, float), abs=0.6)
    assert found.iod == pytest.approx(np.full(5, 80.0), rel=0.01)


@pytest.mark.parametrize(
    ("axis", "pose", "moved"),
    [
        ("yaw turns the nose to the right", (30.0, 0.0, 0.0), lambda tip: tip[0] > 0.1),
        ("pitch lifts the nose", (0.0, 30.0, 0.0), lambda tip: tip[1] < -0.05),
        ("roll lowers the eye on the right", (0.0, 0.0, 30.0), None),
    ],
)
def test_signs(axis: str, pose: tuple[float, float, float], moved: object) -> None:
    turned = rotated(face_shape(0.0), pose)
    if moved is None:
        assert turned[263, 1] > turned[33, 1]
    else:
        assert moved(turned[4] - rotated(face_shape(0.0), (0, 0, 0))[4])  # type: ignore[operator]


def test_lip_gap_is_the_same_near_far_and_turned() -> None:
    poses = [(0.0, 0.0, 0.0), (30.0, 10.0, 5.0), (-30.0, 0.0, 0.0)]
    gaps = [0.2, 0.2, 0.2]
    for iod in (40.0, 160.0):
        faces = film(poses, gaps, iod)
        assert lip_gap(faces, head_poses(faces).iod) == pytest.approx(np.full(3, 0.2), rel=0.02)


def test_talking_does_not_turn_the_head() -> None:
    still = film([(10.0, 0.0, 0.0)] * 7, [0.0, 0.1, 0.2, 0.3, 0.2, 0.1, 0.0], 90.0)
    found = head_poses(still)
    assert np.ptp(found.angles, axis=0).max() < 0.5
    assert np.ptp(found.iod) < 0.5


def test_upright_levels_the_eyes() -> None:
    face = upright(rotated(face_shape(0.1), (20.0, 10.0, -15.0)) * 50 + 7)
    across = face[263] - face[33]
    down = face[152] - face[168]
    assert across == pytest.approx([1.0, 0.0, 0.0], abs=1e-9)
    assert down[0] == pytest.approx(0.0, abs=1e-9)
    assert np.arctan2(down[2], down[1]) == pytest.approx(CHIN_LEAN)


@settings(deadline=None)
@given(
    st.floats(0.1, 500),
    st.tuples(st.floats(-80, 80), st.floats(-80, 80), st.floats(-170, 170)),
    st.tuples(st.floats(-900, 900), st.floats(-900, 900), st.floats(-900, 900)),
)
def test_similarities_invert_any_similarity(
    scale: float, pose: tuple[float, float, float], shift: tuple[float, float, float]
) -> None:
    source = face_shape(0.1)
    target = rotated(source, pose) * scale + np.array(shift)
    found = fit_similarities(source, np.stack([source, target]))
    got_scale, rotation, got_shift = (part[1] for part in found)
    assert got_scale == pytest.approx(scale, rel=1e-6)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    assert got_scale * source @ rotation.T + got_shift == pytest.approx(target, abs=1e-5)
    assert angles(rotation[None])[0] == pytest.approx(pose, abs=1e-3)


def test_similarity_of_a_single_point_has_no_scale() -> None:
    assert fit_similarities(np.ones((3, 3)), np.zeros((2, 3, 3)))[0].tolist() == [0.0, 0.0]


def test_quick_yaw_tells_frontal_from_turned() -> None:
    frontal, turned = (rotated(face_shape(0.0), (yaw, 0.0, 0.0)) for yaw in (0.0, 40.0))
    assert abs(quick_yaw(frontal.astype(np.float32))) < 1
    assert abs(quick_yaw(turned.astype(np.float32))) == pytest.approx(40.0, abs=1)
