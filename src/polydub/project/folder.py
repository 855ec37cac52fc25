"""The project folder: a source, its script, its cache, its outputs."""

from __future__ import annotations

import difflib
import hashlib
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any, Literal

import filelock
import msgspec

from polydub.errors import InputError, ProjectError
from polydub.project.cache import Cache, disk_error

SCHEMA = "polydub.project/1"
SUFFIX = ".polydub"
LOCK = ".lock"


@dataclass(slots=True)
class ProjectFile:
    """``project.json``: which source, which options, and what the machine last wrote.

    ``outputs`` maps a language to the video that it was last dubbed into, ``finished`` to a
    fingerprint of what that dub was made from. Paths are as :meth:`Project.remember` spells them.
    """

    source: str
    digest: str = ""
    size: int = 0
    modified_ns: int = 0
    script_digest: str = ""
    analysis_key: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    finished: dict[str, str] = field(default_factory=dict)
    schema: str = SCHEMA


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, streamed."""
    state = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            state.update(block)
    return state.hexdigest()


class Project:
    """One source with everything made from it.

    ``root`` holds ``project.json``, ``script.json`` (edit it), ``cache/`` (may be deleted at any
    time) and ``<language>/`` folders with the report. ``fresh``: this object made the project, in a
    folder that it made too (``"folder"``) or that was there and empty (``"inside"``).
    """

    def __init__(self, root: Path, state: ProjectFile) -> None:
        self.root = root
        self.state = state
        self.cache = Cache(root / "cache")
        self.fresh: Literal["", "folder", "inside"] = ""

    @classmethod
    def for_source(cls, source: Path, root: Path | None = None) -> Project:
        """The project of ``source``: opened when its folder exists, else made beside the source."""
        project = cls.find(source, root)
        if not (project.root / "project.json").exists():
            project.refresh_digest()
            require_writable(project.root, hint="Give another folder with --project.")
            project.fresh = "inside" if project.root.exists() else "folder"
            project.save()
        return project

    @classmethod
    def find(cls, source: Path, root: Path | None = None) -> Project:
        """As :meth:`for_source`, but nothing is written: a new project is in memory only."""
        _require_video_file(source)
        folder = root or source.with_name(source.stem + SUFFIX)
        if (folder / "project.json").exists():
            project = cls.open(folder)
            project._require_same_source(source)
            return project
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ProjectError(
                f"{folder} exists and is not a polydub project.",
                hint="Give another folder with --project.",
            )
        project = cls(folder, ProjectFile(source=""))
        project.state.source = project.remember(source)
        return project

    @classmethod
    def open(cls, root: Path) -> Project:
        """Open a project folder. Raises ``ProjectError`` DUB-E302 when it is none."""
        path = root / "project.json"
        if root.is_file():
            raise ProjectError(
                f"{root} is a file, not a project folder.",
                hint="Give the .polydub folder, or dub a video with: polydub dub VIDEO --to LANG",
            )
        try:
            state = msgspec.json.decode(path.read_bytes(), type=ProjectFile)
        except FileNotFoundError as error:
            raise ProjectError(
                f"{root} is not a polydub project: it has no project.json.",
                hint="Make one with: polydub analyze VIDEO",
            ) from error
        except (msgspec.DecodeError, OSError) as error:
            raise ProjectError(f"{path} cannot be read: {error}.") from error
        if state.schema != SCHEMA:
            raise ProjectError(
                f"{path} was written by another version ({state.schema}).",
                hint="Update polydub, or make a new project with --project.",
            )
        return cls(root, state)

    def discard_if_empty(self) -> None:
        """Remove a project that was made just now and in which no work was finished.

        A mistyped option or a film that cannot be dubbed leaves nothing behind. A folder that was
        there before stays.
        """
        work = any(path.parent.name != "probe" for path in self.root.glob("cache/*/*"))
        if not self.fresh or work or self.script_path.exists():
            return
        if self.fresh == "folder":
            shutil.rmtree(self.root, ignore_errors=True)
            return
        shutil.rmtree(self.cache.root, ignore_errors=True)
        for name in ("project.json", LOCK):
            (self.root / name).unlink(missing_ok=True)

    def remember(self, path: Path) -> str:
        """How ``path`` is written down in the project's files.

        Relative to the project folder when it lies in it or beside it, so that both may be moved
        or copied together; else absolute.
        """
        whole, root = path.resolve(), self.root.resolve()
        if whole.is_relative_to(root.parent):
            return Path(os.path.relpath(whole, root)).as_posix()
        return str(whole)

    def recall(self, text: str) -> Path:
        """The path that :meth:`remember` wrote down."""
        return Path(os.path.normpath(self.root / text))

    @property
    def source(self) -> Path:
        """The source video."""
        return self.recall(self.state.source)

    @property
    def script_path(self) -> Path:
        """The editable script."""
        return self.root / "script.json"

    def folder(self, language: str) -> Path:
        """The folder of one target language, made when absent."""
        path = self.root / language
        path.mkdir(parents=True, exist_ok=True)
        return path

    def save(self) -> None:
        """Write ``project.json`` atomically."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            work = self.root / ".project.json"
            content = msgspec.json.format(msgspec.json.encode(asdict(self.state)), indent=2)
            work.write_bytes(content)
            os.replace(work, self.root / "project.json")
        except OSError as error:
            raise disk_error(error, self.root) from error

    def refresh_digest(self) -> None:
        """Fingerprint the source again when its size or time changed.

        A source that is gone is looked for beside the project folder, where a copied or moved pair
        has it.
        """
        if not self.source.is_file() and not self._adopt(self.root.parent / self.source.name):
            raise InputError(
                f"The source video is gone: {self.source}.",
                hint="Put it back, or name its new place: "
                f"polydub dub VIDEO --to LANG --project {quote(str(self.root))}",
                code="DUB-E101",
            )
        status = self.source.stat()
        known = (self.state.size, self.state.modified_ns)
        if self.state.digest and known == (status.st_size, status.st_mtime_ns):
            return
        try:
            self.state.digest = file_digest(self.source)
        except OSError as error:
            raise InputError(
                f"{self.source} cannot be read: {error.strerror}.",
                hint="Check that you may read the file and that its disk is there.",
                code="DUB-E101",
            ) from error
        self.state.size, self.state.modified_ns = status.st_size, status.st_mtime_ns

    def _adopt(self, source: Path) -> bool:
        """Take ``source`` for the project's own when it has the same content."""
        if not source.is_file() or file_digest(source) != self.state.digest:
            return False
        self.state.source = self.remember(source)
        return True

    def _require_same_source(self, source: Path) -> None:
        if source.resolve() != self.source.resolve() and not self._adopt(source):
            raise ProjectError(
                f"{self.root} belongs to another source ({self.source}).",
                hint="Give another folder with --project.",
            )

    def lock(self) -> filelock.FileLock:
        """A lock against two runs on one project; the system releases it on a crash."""
        return filelock.FileLock(self.root / LOCK, timeout=0)


def require_writable(folder: Path, *, hint: str) -> None:
    """Raise ``ProjectError`` DUB-E304 when nothing can be written into ``folder``, made or not."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return
    reason = "you may not write there" if there.is_dir() else f"{there} is a file"
    raise ProjectError(
        f"Nothing can be written into {folder}: {reason}.",
        hint=hint,
        code="DUB-E304",
    )


def _require_video_file(source: Path) -> None:
    """Raise ``InputError`` DUB-E101, in words that fit what was given instead of a file."""
    if source.is_file():
        return
    if (source / "project.json").exists():
        text, hint = (
            f"{source} is a project, not a video.",
            f"Try: polydub render {quote(str(source))}",
        )
    elif source.is_dir():
        text = f"{source} is a folder: polydub dubs one video file at a time."
        hint = "Name a video in it."
    else:
        text, hint = f"There is no file {source}.", "Check the path."
        if str(source).startswith(("http:", "https:")):
            hint = "polydub reads files only: download the video first."
        elif source.parent.is_dir():
            names = [path.name for path in source.parent.iterdir() if path.is_file()]
            near = difflib.get_close_matches(source.name, names, 1)
            hint = f"Did you mean {source.with_name(near[0])}?" if near else hint
    raise InputError(text, hint=hint, code="DUB-E101")
