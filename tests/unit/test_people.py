"""People from tracks, the mouth speed, thumbnails, and tracks on disk."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from polydub.errors import ProjectError
from polydub.model import FaceTrack, Person, Span
from polydub.project.track_store import load_tracks, save_tracks
from polydub.stages.active_speaker import SPEAKING, mouth_speed
from polydub.stages.people import best_thumbnail, can_be_same, group_people, merge_people
from tests.face_models import make_track


def face(**at: float) -> np.ndarray:
    print_ = np.zeros(128, np.float32)
    for axis, value in at.items():
        print_[int(axis[1:])] = value
    return print_


ANNA, BORIS = face(a1=0.5), face(a2=0.5)


def seconds(frame: int) -> Fraction:
    return Fraction(frame, 25)


def people(*tracks: FaceTrack, threshold: float = 0.42) -> list[tuple[str, ...]]:
    found = group_people(tracks, frame_time=seconds, threshold=threshold)
    assert [person.id for person in found] == [f"P{n}" for n in range(1, len(found) + 1)]
    return [person.tracks for person in found]


def test_shot_and_reverse_shot_are_two_people() -> None:
    tracks = [
        make_track("F000.1", 0, 50, ANNA),
        make_track("F001.1", 50, 80, BORIS),
        make_track("F002.1", 130, 50, ANNA + face(a3=0.3)),
        make_track("F003.1", 180, 10, BORIS + face(a4=0.2)),
    ]
    assert people(*tracks) == [("F000.1", "F002.1"), ("F001.1", "F003.1")]


def test_faces_in_one_picture_are_never_one_person() -> None:
    twins = make_track("F000.1", 0, 50, ANNA), make_track("F000.2", 49, 50, ANNA)
    assert len(people(*twins)) == 2
    apart = make_track("F000.1", 0, 50, ANNA), make_track("F000.2", 50, 50, ANNA)
    assert len(people(*apart)) == 1


def test_cannot_link_reaches_through_a_third_track() -> None:
    left, right = make_track("F000.1", 0, 50, ANNA), make_track("F000.2", 0, 50, ANNA)
    third = make_track("F001.1", 50, 50, ANNA)
    assert sorted(map(len, people(left, right, third))) == [1, 2]


def test_threshold_decides() -> None:
    tracks = make_track("F000.1", 0, 50, ANNA), make_track("F001.1", 50, 50, ANNA + face(a5=0.5))
    assert len(people(*tracks, threshold=0.42)) == 2
    assert len(people(*tracks, threshold=0.51)) == 1


def test_a_track_without_a_print_stays_alone() -> None:
    assert len(people(make_track("F000.1", 0, 9), make_track("F001.1", 9, 9))) == 2
    assert people() == []


def test_seen_spans_are_exact_and_joined() -> None:
    tracks = [
        make_track("F000.1", 10, 15, ANNA),
        make_track("F001.1", 25, 25, ANNA),
        make_track("F003.1", 90, 10, ANNA),
    ]
    (person,) = group_people(tracks, frame_time=seconds)
    assert person.seen == (Span.of(Fraction(10, 25), 2), Span.of(Fraction(90, 25), 4))


def test_merging_people_numbers_them_anew() -> None:
    spans = {
        name: (Span.of(at, at + n),) for name, at, n in (("a", 0, 5), ("b", 5, 4), ("c", 9, 3))
    }
    cast = [
        Person("P1", ("F000.1",), spans["a"]),
        Person("P2", ("F001.1",), spans["b"], thumbnail="b.jpg", extra={"note": "b"}),
        Person("P3", ("F002.1",), spans["c"], extra={"note": "c"}),
    ]
    merged = merge_people(cast, "P3", "P2")
    assert [(p.id, p.tracks) for p in merged] == [
        ("P1", ("F002.1", "F001.1")),
        ("P2", ("F000.1",)),
    ]
    assert merged[0].seen == (Span.of(5, 12),)
    assert merged[0].thumbnail == "b.jpg"
    assert merged[0].extra == {"note": "c"}
    assert merge_people(cast, "P1", "P1") == tuple(cast)
    with pytest.raises(KeyError):
        merge_people(cast, "P1", "P9")


def test_can_be_same() -> None:
    early, late = make_track("F000.1", 0, 10), make_track("F000.2", 10, 10)
    across = make_track("F000.3", 5, 10)
    assert can_be_same([early], [late])
    assert not can_be_same([early, late], [across])


def test_thumbnail_is_frontal_large_and_still() -> None:
    pose = np.zeros((20, 3), np.float32)
    pose[:10, 0] = 60
    iod = np.linspace(40, 60, 20).astype(np.float32)
    iod[18:] = np.nan
    accepted = np.ones(20, bool)
    accepted[18:] = False
    near = make_track("F000.1", 100, 20, pose=pose, iod=iod, accepted=accepted)
    far = make_track("F001.1", 200, 20, iod=np.full(20, 20, np.float32))
    found = best_thumbnail([far, near])
    assert found is not None
    assert found == (117, (10.0, 10.0, 60.0, 60.0))


def test_no_thumbnail_without_a_mesh() -> None:
    assert best_thumbnail([make_track("F000.1", 0, 5, accepted=np.zeros(5, bool))]) is None
    assert best_thumbnail([]) is None
    assert best_thumbnail([make_track("F000.1", 7, 1)]) == (7, (10.0, 10.0, 60.0, 60.0))


def talking(step: float, n: int = 20, **arrays: np.ndarray) -> FaceTrack:
    aperture = (np.arange(n) % 2 * step).astype(np.float32)
    return make_track("F000.1", 100, n, aperture=aperture, **arrays)


def test_mouth_speed_is_gap_change_per_second() -> None:
    assert mouth_speed(talking(0.02), range(0, 999), 25.0) == pytest.approx(0.5, rel=1e-5)
    assert mouth_speed(talking(0.02), range(105, 115), 50.0) == pytest.approx(1.0, rel=1e-5)
    still = mouth_speed(talking(0.0), range(100, 120), 25.0)
    assert still is not None and still < SPEAKING


def test_mouth_speed_needs_five_usable_frames() -> None:
    assert mouth_speed(talking(0.02), range(116, 130), 25.0) is None
    assert mouth_speed(talking(0.02), range(115, 130), 25.0) is not None
    assert mouth_speed(talking(0.02), range(0, 100), 25.0) is None
    profile = np.full((20, 3), 50, np.float32)
    assert mouth_speed(talking(0.02, pose=profile), range(100, 120), 25.0) is None


def test_mouth_speed_ignores_steps_over_missing_frames() -> None:
    track = talking(0.02)
    track.aperture[10:] += 5.0
    track.aperture[9] = track.pose[9] = np.nan
    track.accepted[9] = False
    assert mouth_speed(track, range(100, 120), 25.0) == pytest.approx(0.5, rel=1e-4)


def test_tracks_survive_the_disk(tmp_path: Path) -> None:
    landmarks = np.random.default_rng(1).normal(size=(6, 478, 3)).astype(np.float32)
    landmarks[2] = np.nan
    tracks = [
        make_track("F000.1", 4, 6, ANNA, landmarks=landmarks),
        make_track("F000.2", 5, 3),
    ]
    path = tmp_path / "deep" / "tracks.npz"
    save_tracks(path, tracks)
    one, two = load_tracks(path)
    assert (one.id, one.shot, one.first, one.score) == ("F000.1", 0, 4, 0.9)
    assert one.print is not None and (one.print == ANNA).all() and two.print is None
    for name in ("boxes", "landmarks", "accepted", "pose", "iod", "aperture"):
        assert np.array_equal(getattr(one, name), getattr(tracks[0], name), equal_nan=True)
        assert getattr(one, name).dtype == getattr(tracks[0], name).dtype
    again = tmp_path / "again.npz"
    save_tracks(again, (one, two))
    assert again.read_bytes() == path.read_bytes()
    save_tracks(again, ())
    assert load_tracks(again) == ()
    assert [entry.name for entry in path.parent.iterdir()] == ["tracks.npz"]


def test_damaged_and_missing_track_files_say_so(tmp_path: Path) -> None:
    path = tmp_path / "tracks.npz"
    with pytest.raises(ProjectError, match="cannot be read"):
        load_tracks(path)
    save_tracks(path, [make_track("F000.1", 0, 5)])
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ProjectError, match="cannot be read"):
        load_tracks(path)
    np.savez(path, head=np.frombuffer(b'{"schema": "other/9"}', np.uint8))
    with pytest.raises(ProjectError, match="other/9"):
        load_tracks(path)
    np.savez(path, head=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ProjectError):
        load_tracks(path)


def test_unwritable_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ProjectError) as caught:
        save_tracks(tmp_path / "file" / "tracks.npz", [])
    assert caught.value.code == "DUB-E304"
