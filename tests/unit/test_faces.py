"""Face tracks of one shot, on a stage where everything is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import median_filter

from polydub.model import Detection, FaceTrack, Shot, Span
from polydub.stages.face_tracking import MEDIAN_FRAMES, Followed
from polydub.stages.faces import FaceOptions, track_faces
from tests.face_models import Actor, Stage


def shot_of(n: int, first: int = 0, index: int = 0) -> Shot:
    return Shot(index, first, first + n, Span(Fraction(first, 25), Fraction(first + n, 25)))


def track(stage: Stage, shot: Shot, options: FaceOptions | None = None) -> tuple[FaceTrack, ...]:
    return track_faces(stage, stage, shot, stage.read, options=options)


def test_two_faces_give_two_tracks_over_the_whole_shot() -> None:
    left = Actor(lambda f: (150.0, 180.0), range(100, 161))
    right = Actor(lambda f: (450.0, 180.0), range(100, 161), identity=lambda f: 2)
    one, two = track(Stage([right, left]), shot_of(61, first=100, index=3))
    assert (one.id, two.id) == ("F003.1", "F003.2")
    assert one.frames == two.frames == range(100, 161)
    assert one.shot == 3
    assert one.boxes[30, 0] < two.boxes[30, 0]
    assert one.accepted.all()
    assert one.score == pytest.approx(0.9)
    assert one.print is not None and two.print is not None
    assert np.linalg.norm(one.print - two.print) > 0.6


def test_pose_iod_and_aperture_are_those_of_the_actor() -> None:
    actor = Actor(
        lambda f: (200.0 + 3 * f, 180.0),
        range(40),
        iod=50,
        yaw=lambda f: f - 20.0,
        gap=lambda f: 0.1 + 0.1 * (f % 2),
    )
    (found,) = track(Stage([actor]), shot_of(40))
    assert found.pose[:, 0] == pytest.approx(np.arange(40) - 20.0, abs=1.0)
    assert found.iod == pytest.approx(np.full(40, 50.0), rel=0.02)
    assert found.aperture[::2].mean() == pytest.approx(0.1, rel=0.05)
    assert found.aperture[1::2].mean() == pytest.approx(0.2, rel=0.05)


def test_boxes_between_searched_frames_are_interpolated() -> None:
    stage = Stage([Actor(lambda f: (100.0 + 4 * f, 180.0), range(50))])
    (found,) = track(stage, shot_of(50), FaceOptions(stride=2))
    middles = (found.boxes[:, 0] + found.boxes[:, 2]) / 2
    assert middles[2:-3] == pytest.approx(100.0 + 4 * np.arange(2, 47), abs=0.1)
    assert {frame for frame, _ in stage.looked} == set(range(0, 50, 2))
    assert [frame for frame, thorough in stage.looked if thorough] == list(range(0, 50, 8))


def test_beside_a_close_up_small_faces_are_searched_less_often() -> None:
    actors = [Actor(lambda f: (320.0, 180.0), range(16, 50), iod=45)]  # 99 of 360 pixels
    stage = Stage(actors)
    (found,) = track(stage, shot_of(50), FaceOptions(thorough_every_close=24))
    assert found.frames == range(16, 50)
    assert [frame for frame, thorough in stage.looked if thorough] == [0, 8, 16, 24, 48]
    wide = Stage([replace(actors[0], iod=40)])
    track(wide, shot_of(50), FaceOptions(thorough_every_close=24))
    assert [frame for frame, thorough in wide.looked if thorough] == list(range(0, 50, 8))


@given(
    steps=st.lists(st.integers(1, 12), max_size=20),
    tail=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_a_box_is_the_median_of_the_interpolated_ones_around_it(
    steps: list[int], tail: int, seed: int
) -> None:
    frames = np.cumsum([7, *steps]).tolist()
    boxes = np.random.default_rng(seed).uniform(0, 300, (len(frames), 4))
    face = Followed()
    for frame, box in zip(frames, boxes.tolist(), strict=True):
        face.add(frame, Detection(tuple(box), 0.9))
    rows = np.arange(frames[0], frames[-1] + tail)
    every = np.stack([np.interp(rows, frames, boxes[:, side]) for side in range(4)], axis=1)
    wanted = median_filter(every, size=(MEDIAN_FRAMES, 1), mode="nearest")
    found = [face.box_at(int(row), int(rows[-1]) + 1) for row in rows]
    assert np.array(found) == pytest.approx(wanted)


def test_a_face_is_fitted_while_the_shot_is_still_read() -> None:
    """Pictures wait no longer than a face may go unseen; those of one pass are enough."""
    options = FaceOptions(stride=2, gap=12)
    steady = Actor(lambda f: (150.0, 180.0), range(120))
    blinking = Actor(lambda f: (450.0, 180.0), range(120), detected=lambda f: f % 40 > 9)
    stage = Stage([steady, blinking])
    fitted: list[int] = []
    behind: list[int] = []

    class Watched:
        def __getattr__(self, name: str) -> Any:
            return getattr(stage, name)

        def landmarks(self, image: Any, box: Any) -> Any:
            fitted.append(int(image[0, 0, 2]))
            return stage.landmarks(image, box)

    def read(first: int, last: int) -> Iterator[tuple[int, Any]]:
        for index, picture in stage.read(first, last):
            yield index, picture
            behind.append(index - max(fitted, default=first - 1))

    finder: Any = Watched()
    one, two = track_faces(finder, stage, shot_of(120), read, options=options)
    assert one.n_frames == 120 and one.accepted.all()
    assert two.n_frames == 110
    assert stage.reads == 1
    assert 10 <= max(behind) <= options.gap + options.stride + MEDIAN_FRAMES // 2 + 1


def test_a_face_that_is_not_seen_for_a_while_keeps_its_track() -> None:
    actor = Actor(lambda f: (300.0 + 2 * f, 180.0), range(60), detected=lambda f: not 20 <= f < 30)
    (found,) = track(Stage([actor]), shot_of(60))
    assert found.n_frames == 60


def test_a_long_absence_ends_the_track() -> None:
    gone = Actor(lambda f: (300.0, 180.0), range(80), detected=lambda f: not 30 <= f < 50)
    first, second = track(Stage([gone]), shot_of(80))
    assert first.frames.stop <= 32
    assert second.frames.start == 50


def test_frames_without_a_mesh_are_marked_and_empty() -> None:
    actor = Actor(lambda f: (300.0, 180.0), range(40), meshed=lambda f: f not in (10, 11, 12))
    (found,) = track(Stage([actor]), shot_of(40))
    assert found.n_frames == 40
    assert np.flatnonzero(~found.accepted).tolist() == [10, 11, 12]
    assert np.isnan(found.landmarks[11]).all()
    assert np.isnan(found.pose[11]).all() and np.isnan(found.aperture[11])
    assert np.isfinite(found.landmarks[found.accepted]).all()


def test_a_face_that_turns_away_keeps_its_good_part() -> None:
    actor = Actor(lambda f: (300.0, 180.0), range(80), meshed=lambda f: f < 40 or f in (55, 70))
    (found,) = track(Stage([actor]), shot_of(80))
    assert found.frames == range(0, 40)


@pytest.mark.parametrize(
    "junk",
    [
        {"score": 0.45},
        {"score": 0.6, "meshed": lambda f: f % 9 > 0},
        {"frames": range(20, 26)},
        {"meshed": lambda f: f % 2 == 0},
        {"meshed": lambda f: False},
    ],
    ids=["weak", "doubtful", "short", "half a mesh", "no mesh"],
)
def test_junk_is_no_track(junk: dict[str, object]) -> None:
    actor = Actor(lambda f: (300.0, 180.0), range(60))
    assert len(track(Stage([actor]), shot_of(60))) == 1
    assert track(Stage([replace(actor, **junk)]), shot_of(60)) == ()  # type: ignore[arg-type]


def test_the_mesh_vouches_for_a_face_that_the_detector_doubts() -> None:
    actor = Actor(lambda f: (300.0, 180.0), range(60), score=0.6)
    (found,) = track(Stage([actor]), shot_of(60))
    assert found.score == pytest.approx(0.6)


def test_a_new_identity_inside_a_shot_is_a_hidden_cut() -> None:
    actor = Actor(
        lambda f: (300.0, 180.0) if f < 50 else (310.0, 184.0),
        range(100),
        identity=lambda f: 1 if f < 50 else 2,
    )
    before, after = track(Stage([actor]), shot_of(100))
    assert before.frames == range(0, 50)
    assert after.frames == range(50, 100)
    assert before.print is not None and after.print is not None
    assert before.print[1] == pytest.approx(0.6)
    assert after.print[2] == pytest.approx(0.6)


def test_faces_that_cross_keep_their_own_tracks() -> None:
    low = Actor(lambda f: (100.0 + 5 * f, 120.0), range(80), iod=35)
    high = Actor(lambda f: (500.0 - 5 * f, 230.0), range(80), iod=35)
    tracks = track(Stage([low, high]), shot_of(80))
    assert len(tracks) == 2
    for found in tracks:
        x = (found.boxes[:, 0] + found.boxes[:, 2]) / 2
        assert np.ptp(np.sign(np.diff(x[3:-3]))) == 0


def test_an_empty_shot_reads_once() -> None:
    stage = Stage([])
    assert track(stage, shot_of(30)) == ()
    assert stage.reads == 1


def test_the_same_shot_gives_the_same_tracks() -> None:
    actors = [Actor(lambda f, x=x: (x, 180.0), range(40)) for x in (120.0, 320.0, 520.0)]
    first, second = (track(Stage(list(actors)), shot_of(40)) for _ in range(2))
    assert [t.id for t in first] == [t.id for t in second]
    assert all((a.landmarks == b.landmarks).all() for a, b in zip(first, second, strict=True))
