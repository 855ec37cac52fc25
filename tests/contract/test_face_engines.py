"""What every engine of the kinds ``shots``, ``faces`` and ``identify-face`` must do."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from polydub.engines import registry
from polydub.engines.native import native_stderr_silenced
from polydub.engines.protocols import FaceFinder, FaceIdentifier, ShotDetector
from polydub.errors import EngineError
from polydub.model import Image, Shot, Span
from polydub.stages.active_speaker import SPEAKING, mouth_speed
from polydub.stages.faces import track_faces
from polydub.stages.people import group_people
from tests.drawn_face import OTHER, blank, draw_face

for package in ("mediapipe", "dlib", "scenedetect", "face_recognition_models"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed", allow_module_level=True)

weights = pytest.mark.weights


@pytest.fixture(scope="module")
def finder() -> Iterator[FaceFinder]:
    engine = registry.load("faces", "mediapipe")
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def identifier() -> FaceIdentifier:
    engine: FaceIdentifier = registry.load("identify-face", "dlib")
    return engine


def middle(box: tuple[float, float, float, float]) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


@pytest.mark.parametrize(
    ("kind", "name", "protocol"),
    [
        ("shots", "pyscenedetect", ShotDetector),
        ("faces", "mediapipe", FaceFinder),
        ("identify-face", "dlib", FaceIdentifier),
    ],
)
def test_capabilities_are_readable_without_loading(kind: str, name: str, protocol: type) -> None:
    cls = registry.engine_class(kind, name)
    capabilities = cls.capabilities
    assert (capabilities.kind, capabilities.name) == (kind, name)
    assert capabilities.extra == "picture"
    assert capabilities.code_licence and capabilities.requires
    assert not capabilities.network
    assert all(callable(getattr(cls, m)) for m in protocol.__dict__ if m in ("cuts", "detect"))


@weights
def test_a_face_is_found_where_it_is(finder: FaceFinder) -> None:
    (found,) = finder.detect(draw_face(blank(), (220, 170), 60))
    x, y = middle(found.box)
    assert abs(x - 220) < 10 and abs(y - 190) < 20
    assert 90 < found.box[2] - found.box[0] < 150
    assert found.score > 0.7


@weights
@pytest.mark.parametrize("thorough", [False, True])
def test_an_empty_room_has_no_face(finder: FaceFinder, thorough: bool) -> None:
    assert finder.detect(blank(), thorough=thorough) == []
    assert finder.detect(np.zeros((4, 4, 3), np.uint8), thorough=thorough) == []


@weights
def test_thorough_finds_the_small_face_too_and_each_once(finder: FaceFinder) -> None:
    picture = draw_face(blank(1920, 1080), (1500, 500), 300)
    picture = draw_face(picture, (300, 400), 30, look=OTHER)
    found = finder.detect(picture, thorough=True)
    assert sorted(round(middle(d.box)[0], -2) for d in found) == [300, 1500]
    assert found[0].score >= found[1].score


@weights
def test_landmarks_lie_on_the_face_in_picture_pixels(finder: FaceFinder) -> None:
    for x, y, radius in ((150.0, 170.0, 60.0), (430.0, 200.0, 110.0)):
        picture = draw_face(blank(), (x, y), radius)
        points = finder.landmarks(picture, finder.detect(picture)[0].box)
        assert points is not None
        assert points.shape == (478, 3) and points.dtype == np.float32
        mouth = points[[13, 14], :2].mean(axis=0)
        assert mouth == pytest.approx((x, y + 0.53 * radius), abs=0.12 * radius)
        assert points[33, 0] < x < points[263, 0]
        eyes = np.linalg.norm(points[33, :2] - points[263, :2])
        assert eyes == pytest.approx(0.9 * radius, rel=0.15)


@weights
def test_lip_gap_follows_the_drawn_gap(finder: FaceFinder) -> None:
    gaps = []
    for gap in (0.0, 0.1, 0.2):
        picture = draw_face(blank(), gap=gap)
        points = finder.landmarks(picture, finder.detect(picture)[0].box)
        assert points is not None
        gaps.append(float(np.linalg.norm(points[13] - points[14])) / 70)
    assert gaps[0] < 0.03
    assert gaps[1] == pytest.approx(0.1, abs=0.05)
    assert gaps[2] == pytest.approx(0.2, abs=0.06)


@weights
def test_a_face_cut_by_the_border_is_no_error(finder: FaceFinder) -> None:
    picture = draw_face(blank(), (20, 180), 70)
    finder.landmarks(picture, (-60.0, 110.0, 90.0, 260.0))
    assert finder.landmarks(picture, (-500.0, -500.0, -300.0, -300.0)) is None
    assert finder.landmarks(picture, (10.0, 10.0, 12.0, 12.0)) is None
    assert finder.landmarks(picture, (float("nan"),) * 4) is None


@weights
def test_no_mesh_where_no_face_is(finder: FaceFinder) -> None:
    assert finder.landmarks(blank(), (200.0, 100.0, 300.0, 200.0)) is None


@weights
def test_identity_tells_two_people_apart(finder: FaceFinder, identifier: FaceIdentifier) -> None:
    def embed(picture: Image) -> np.ndarray:
        points = finder.landmarks(picture, finder.detect(picture)[0].box)
        assert points is not None
        return identifier.embed(picture, points)

    one, same, other = (
        embed(draw_face(blank())),
        embed(draw_face(blank(), (400, 190), 90, gap=0.1)),
        embed(draw_face(blank(), look=OTHER)),
    )
    assert one.shape == (128,) and one.dtype == np.float32
    assert np.linalg.norm(one - same) < np.linalg.norm(one - other)
    assert (embed(draw_face(blank())) == one).all()


@weights
def test_identity_without_landmarks_is_an_error(identifier: FaceIdentifier) -> None:
    with pytest.raises(EngineError):
        identifier.embed(blank(), np.full((478, 3), np.nan, np.float32))


@weights
def test_a_closed_finder_says_so() -> None:
    engine = registry.load("faces", "mediapipe")
    with engine:
        pass
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.detect(blank())


@weights
def test_the_native_library_is_quiet() -> None:
    code = (
        "from tests.drawn_face import *; from polydub.engines import registry;"
        "f = registry.load('faces', 'mediapipe'); p = draw_face(blank());"
        "f.landmarks(p, f.detect(p, thorough=True)[0].box)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_only_the_native_messages_are_kept_back(capfd: pytest.CaptureFixture[str]) -> None:
    with native_stderr_silenced():
        os.write(2, b"W0000 00:00:1 graph.cc:1] noise\nfinding cuts: started\n")
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n")
        assert capfd.readouterr().err == ""
    assert capfd.readouterr().err == "finding cuts: started\n"


@weights
def test_speaker_and_listener_are_tracked_and_told_apart(
    finder: FaceFinder, identifier: FaceIdentifier
) -> None:
    listener = draw_face(blank(), (460, 180), 60, look=OTHER)
    pictures = [
        draw_face(listener, (160 + at, 180), 60, gap=0.09 + 0.09 * np.sin(2 * np.pi * at / 6))
        for at in range(30)
    ]

    def read(first: int, last: int) -> Iterator[tuple[int, Image]]:
        yield from ((at, pictures[at]) for at in range(first, last))

    shot = Shot(0, 0, 30, Span(Fraction(0), Fraction(30, 25)))
    tracks = track_faces(finder, identifier, shot, read)
    assert [t.n_frames for t in tracks] == [30, 30]
    assert all(t.accepted.all() for t in tracks)
    speeds = [mouth_speed(track, range(30), 25.0) for track in tracks]
    assert speeds[0] is not None and speeds[0] > 3 * SPEAKING
    assert speeds[1] is not None and speeds[1] < SPEAKING
    assert np.abs(tracks[1].pose).max() < 15
    people = group_people(tracks, frame_time=lambda frame: Fraction(frame, 25))
    assert [person.tracks for person in people] == [("F000.1",), ("F000.2",)]
