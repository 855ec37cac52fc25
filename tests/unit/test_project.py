from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from polydub.errors import InputError, ProjectError
from polydub.model import Shot, Span, VideoStream
from polydub.pipeline.options import DubOptions, store_options, stored_options
from polydub.pipeline.outputs import (
    check_output,
    is_current,
    is_untouched,
    output_paths,
    record_output,
)
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
    record_output(project, out, "key")
    check_output(project, out, overwrite=False)
    assert is_current(project, out, "key")
    assert not is_current(project, out, "another key")
    out.write_bytes(b"recut by somebody")
    with pytest.raises(ProjectError):
        check_output(project, out, overwrite=False)


def test_the_source_is_never_an_output(video: Path) -> None:
    project = Project.for_source(video)
    with pytest.raises(ProjectError, match="replace the source"):
        check_output(project, video, overwrite=True)


def test_a_copied_project_knows_its_outputs_and_its_translation(
    video: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    film = video.rename(home / "film.mp4")
    project = Project.for_source(film)
    out, srt = home / "film.es.mp4", home / "film.es.srt"
    out.write_bytes(b"our dub")
    srt.write_text("1")
    record_output(project, out, "key")
    store_options(project, DubOptions(targets=("es",), translations={"es": srt}))
    project.save()
    copy = tmp_path / "copy"
    shutil.copytree(home, copy, copy_function=shutil.copyfile)  # the copies have times of their own
    os.utime(copy / "film.es.mp4", (1, 1))
    shutil.rmtree(home)
    again = Project.open(copy / "film.polydub")
    check_output(again, copy / "film.es.mp4", overwrite=False)
    assert is_current(again, copy / "film.es.mp4", "key")
    assert stored_options(again).translations == {"es": copy / "film.es.srt"}
    (copy / "film.es.mp4").write_bytes(b"her dub")
    assert not is_untouched(again, copy / "film.es.mp4")


def test_a_project_elsewhere_remembers_absolute_paths(video: Path, tmp_path: Path) -> None:
    project = Project.for_source(video, tmp_path / "work" / "p")
    assert Path(project.state.source).is_absolute()
    (tmp_path / "far").mkdir()
    moved = (tmp_path / "work" / "p").rename(tmp_path / "far" / "p")
    opened = Project.open(moved)
    opened.refresh_digest()
    assert opened.source == video.resolve()


def test_a_moved_source_is_known_by_its_content(video: Path, tmp_path: Path) -> None:
    Project.for_source(video)
    moved = video.rename(tmp_path / "renamed.mp4")
    with pytest.raises(InputError, match="is gone") as caught:
        Project.open(tmp_path / "film.polydub").refresh_digest()
    assert "--project" in caught.value.hint
    project = Project.for_source(moved, tmp_path / "film.polydub")
    assert project.source == moved.resolve()


def test_a_source_that_lies_beside_the_project_is_found(video: Path, tmp_path: Path) -> None:
    far = tmp_path / "far" / "film.polydub"
    Project.for_source(video, far)
    video.rename(far.with_name("film.mp4"))
    project = Project.open(far)
    project.refresh_digest()
    assert project.source == far.with_name("film.mp4").resolve()


def test_finding_a_project_writes_nothing(video: Path, tmp_path: Path) -> None:
    Project.find(video)
    assert os.listdir(tmp_path) == ["film.mp4"]


@pytest.mark.parametrize("existed", [False, True])
def test_a_project_without_work_is_discarded_but_never_its_folder(
    video: Path, tmp_path: Path, existed: bool
) -> None:
    root = tmp_path / "work"
    if existed:
        root.mkdir()
    project = Project.for_source(video, root)
    with project.cache.make("probe", "k") as work:
        (work / "source.json").write_text("{}")
    project.discard_if_empty()
    assert root.exists() is existed
    assert not existed or not any(root.iterdir())


def test_a_project_with_work_or_an_old_one_is_kept(video: Path) -> None:
    project = Project.for_source(video)
    Project.for_source(video).discard_if_empty()
    assert (project.root / "project.json").exists()
    with project.cache.make("shots", "k"):
        pass
    project.discard_if_empty()
    assert (project.root / "project.json").exists()


def test_what_is_no_video_is_told_in_words_that_fit(video: Path, tmp_path: Path) -> None:
    project = Project.for_source(video)
    for path, text, hint in (
        (tmp_path, "is a folder", "Name a video"),
        (project.root, "is a project", f"polydub render {project.root}"),
        (tmp_path / "flim.mp4", "no file", "Did you mean"),
        (Path("https://example.org/film.mp4"), "no file", "download"),
        (tmp_path / "absent" / "x.mp4", "no file", "Check the path"),
    ):
        with pytest.raises(InputError, match=text) as caught:
            Project.find(path)
        assert caught.value.code == "DUB-E101" and hint in caught.value.hint
    with pytest.raises(ProjectError, match="is a file"):
        Project.open(video)


def test_where_outputs_go(video: Path, tmp_path: Path) -> None:
    project = Project.for_source(video)
    one, two = DubOptions(targets=("es",)), DubOptions(targets=("es", "ja"))
    beside = {"es": video.with_name("film.es.mp4")}
    assert output_paths(project, one, None) == beside
    new = tmp_path / "new"
    assert output_paths(project, one, f"{new}/") == {"es": new / "film.es.mp4"}
    assert output_paths(project, one, new) == {"es": tmp_path / "new.mp4"}
    assert output_paths(project, one, tmp_path) == {"es": tmp_path / "film.es.mp4"}
    assert set(output_paths(project, two, new)) == {"es", "ja"}
    assert not new.exists()
    with pytest.raises(InputError, match="must be a folder"):
        output_paths(project, two, tmp_path / "x.mp4")
    with pytest.raises(ProjectError, match="does not exist"):
        output_paths(project, one, new / "x.mp4")
    project.state.outputs["es"] = project.remember(tmp_path / "dubs" / "x.mkv")
    assert output_paths(project, one, None) == beside
    kept = output_paths(project, two, None, as_before=True)
    assert kept == {"es": tmp_path / "dubs" / "x.mkv", "ja": video.with_name("film.ja.mp4")}


def test_a_place_that_cannot_be_written_is_told_early(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project.for_source(video)
    with pytest.raises(ProjectError, match="is a file"):
        check_output(project, video / "new" / "x.mp4", overwrite=False)
    with pytest.raises(InputError, match=r"writes \.mp4 and \.mkv"):
        check_output(project, tmp_path / "x.avi", overwrite=False)
    monkeypatch.setattr(os, "access", lambda *_: False)  # tests may run as root
    with pytest.raises(ProjectError, match="may not write") as caught:
        check_output(project, tmp_path / "new" / "x.mp4", overwrite=True)
    assert caught.value.code == "DUB-E304"
