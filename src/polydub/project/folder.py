"""The project folder: a source, its script, its cache, its outputs."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import filelock
import msgspec

from polydub.errors import InputError, ProjectError
from polydub.project.cache import Cache, disk_error

SCHEMA = "polydub.project/1"
SUFFIX = ".polydub"


@dataclass(slots=True)
class ProjectFile:
    """``project.json``: which source, which options, and what the machine last wrote."""

    source: str
    digest: str = ""
    size: int = 0
    modified_ns: int = 0
    script_digest: str = ""
    analysis_key: str = ""
    options: dict[str, Any] = field(default_factory=dict)
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
    time) and ``<language>/`` folders with the report. ``fresh``: this object made the folder.
    """

    def __init__(self, root: Path, state: ProjectFile) -> None:
        self.root = root
        self.state = state
        self.cache = Cache(root / "cache")
        self.fresh = False

    @classmethod
    def for_source(cls, source: Path, root: Path | None = None) -> Project:
        """The project of ``source``: opened when its folder exists, else made beside the source."""
        if not source.is_file():
            raise InputError(f"There is no file {source}.", hint="Check the path.", code="DUB-E101")
        folder = root or source.with_name(source.stem + SUFFIX)
        if (folder / "project.json").exists():
            project = cls.open(folder)
            project._require_same_source(source)
            return project
        if folder.exists() and any(folder.iterdir()):
            raise ProjectError(
                f"{folder} exists and is not a polydub project.",
                hint="Give another folder with --project.",
            )
        project = cls(
            folder, ProjectFile(source=os.path.relpath(source.resolve(), folder.resolve()))
        )
        project.refresh_digest()
        project.fresh = not folder.exists()
        project.save()
        return project

    @classmethod
    def open(cls, root: Path) -> Project:
        """Open a project folder. Raises ``ProjectError`` DUB-E302 when it is none."""
        path = root / "project.json"
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
        """Remove a folder that was made just now and in which no work was finished.

        A mistyped option or a file that is no video leaves nothing behind.
        """
        if self.fresh and not any(self.root.glob("cache/*/*")) and not self.script_path.exists():
            shutil.rmtree(self.root, ignore_errors=True)

    @property
    def source(self) -> Path:
        """The source video."""
        return Path(os.path.normpath(self.root / self.state.source))

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
        """Fingerprint the source again when its size or time changed."""
        if not self.source.is_file():
            raise InputError(
                f"The source video is gone: {self.source}.",
                hint="Put it back, or change `source` in project.json.",
                code="DUB-E101",
            )
        status = self.source.stat()
        known = (self.state.size, self.state.modified_ns)
        if self.state.digest and known == (status.st_size, status.st_mtime_ns):
            return
        self.state.digest = file_digest(self.source)
        self.state.size, self.state.modified_ns = status.st_size, status.st_mtime_ns

    def _require_same_source(self, source: Path) -> None:
        if source.resolve() != self.source.resolve():
            raise ProjectError(
                f"{self.root} belongs to another source ({self.source}).",
                hint="Give another folder with --project.",
            )

    def lock(self) -> filelock.FileLock:
        """A lock against two runs on one project; the system releases it on a crash."""
        return filelock.FileLock(self.root / ".lock", timeout=0)
