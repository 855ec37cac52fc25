from __future__ import annotations

import errno
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from polydub.errors import InputError, ProjectError
from polydub.model import Shot, Span, VideoStream
from polydub.pipeline.outputs import OutputRecord, check_output, record_output
from polydub.project.artifacts import load, save
from polydub.project.cache import Cache, digest
from polydub.project.folder import Project


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"not really a film")
    return path


def test_artifacts_keep_fractions_and_arrays_exact(tmp_path: Path) -> None:
    shots = (Shot(0, 0, 7, Span(Fraction(0), Fraction(7 * 1001, 30000))),)
    save(tmp_path / "s.json", shots)
    assert load(tmp_path / "s.json", tuple[Shot, ...]) == shots
    stream = VideoStream(
        0,
        "h264",
        4,
        4,
        "yuv420p",
        Fraction(1),
        0,
        Fraction(1, 90000),
        np.arange(3),
        3,
        Fraction(25),
    )
    save(tmp_path / "v.json", stream)
    back = load(tmp_path / "v.json", VideoStream)
    assert back.pts.tolist() == [0, 1, 2] and back.pts.dtype == np.int64
    assert back.time_base == Fraction(1, 90000)


def test_a_damaged_artifact_gives_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('[{"index": "x"}]')
    with pytest.raises(ProjectError, match="cached result"):
        load(tmp_path / "s.json", tuple[Shot, ...])


def test_the_digest_tells_values_apart_and_repeats() -> None:
    assert digest(1, {"b": 2, "a": Fraction(1, 3)}) == digest(1, {"a": Fraction(1, 3), "b": 2})
    assert digest("1") != digest(1)
    assert digest(["a", "b"]) != digest(["ab"])


def test_an_artifact_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    @dataclass
    class Killed(BaseException):
        pass

    with pytest.raises(Killed), cache.make("speak", "k") as work:
        (work / "half.wav").write_bytes(b"x")
        raise Killed
    assert not cache.has("speak", "k")
    assert list(tmp_path.glob("speak/*")) == []
    with cache.make("speak", "k") as work:
        (work / "whole.wav").write_bytes(b"x")
    assert cache.has("speak", "k")


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    left = tmp_path / "lips" / ".abc-123"
    left.mkdir(parents=True)
    assert Cache(tmp_path).sweep() == 1
    assert not left.exists()


def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ProjectError) as caught, Cache(tmp_path).make("mix", "k"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.code == "DUB-E304"
    assert "disk is full" in str(caught.value)


def test_a_project_is_made_beside_the_video_and_opened_again(video: Path) -> None:
    made = Project.for_source(video)
    assert made.root.name == "film.polydub"
    assert made.source == video.resolve()
    again = Project.for_source(video)
    assert again.state.digest == made.state.digest


def test_a_project_moves_with_its_video(video: Path, tmp_path: Path) -> None:
    Project.for_source(video)
    new = tmp_path / "elsewhere"
    new.mkdir()
    (tmp_path / "film.polydub").rename(new / "film.polydub")
    video.rename(new / "film.mp4")
    moved = Project.open(new / "film.polydub")
    moved.refresh_digest()
    assert moved.source == (new / "film.mp4").resolve()


def test_the_digest_follows_the_content(video: Path) -> None:
    project = Project.for_source(video)
    before = project.state.digest
    video.write_bytes(b"another film altogether")
    project.refresh_digest()
    assert project.state.digest != before


def test_missing_video_foreign_folder_and_other_source_are_refused(
    video: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as missing:
        Project.for_source(tmp_path / "none.mp4")
    assert missing.value.code == "DUB-E101"
    foreign = tmp_path / "holiday"
    foreign.mkdir()
    (foreign / "photo.jpg").write_bytes(b"x")
    with pytest.raises(ProjectError, match="not a polydub project"):
        Project.for_source(video, foreign)
    Project.for_source(video)
    other = tmp_path / "other.mp4"
    other.write_bytes(b"y")
    with pytest.raises(ProjectError, match="another source"):
        Project.for_source(other, tmp_path / "film.polydub")
    with pytest.raises(ProjectError, match=r"no project\.json"):
        Project.open(foreign)


def test_damaged_project_file_is_refused(video: Path) -> None:
    project = Project.for_source(video)
    (project.root / "project.json").write_text("{")
    with pytest.raises(ProjectError, match="cannot be read"):
        Project.open(project.root)


def test_outputs_of_others_are_never_overwritten(video: Path, tmp_path: Path) -> None:
    project = Project.for_source(video)
    out = tmp_path / "film.es.mp4"
    check_output(project, out, overwrite=False)
    out.write_bytes(b"somebody's work")
    with pytest.raises(ProjectError) as caught:
        check_output(project, out, overwrite=False)
    assert caught.value.code == "DUB-E301"
    check_output(project, out, overwrite=True)


def test_the_projects_own_output_may_be_renewed_until_somebody_changes_it(
    video: Path, tmp_path: Path
) -> None:
    project = Project.for_source(video)
    out = tmp_path / "film.es.mp4"
    out.write_bytes(b"our dub")
    OutputRecord.of(out, "key").save(project)
    check_output(project, out, overwrite=False)
    assert record_output(project, out).is_current("key")
    assert not record_output(project, out).is_current("another key")
    out.write_bytes(b"recut by somebody")
    with pytest.raises(ProjectError):
        check_output(project, out, overwrite=False)


def test_the_source_is_never_an_output(video: Path) -> None:
    project = Project.for_source(video)
    with pytest.raises(ProjectError, match="replace the source"):
        check_output(project, video, overwrite=True)
