"""Outputs that this project wrote: nobody else's file is ever overwritten without being asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from polydub.errors import ProjectError
from polydub.project.artifacts import load, save
from polydub.project.cache import digest
from polydub.project.folder import Project


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """A file as this project left it: what it was made from, and its size and time on disk."""

    path: str = ""
    key: str = ""
    size: int = -1
    modified_ns: int = -1

    @classmethod
    def of(cls, path: Path, key: str) -> OutputRecord:
        """The record of a file that was just written."""
        status = path.stat()
        return cls(str(path.resolve()), key, status.st_size, status.st_mtime_ns)

    def save(self, project: Project) -> None:
        """Remember it in the project."""
        folder = project.root / "outputs"
        folder.mkdir(parents=True, exist_ok=True)
        save(folder / f"{digest(self.path)}.json", self)

    @property
    def untouched(self) -> bool:
        """Whether the file still is as the project left it."""
        path = Path(self.path)
        if not self.path or not path.is_file():
            return False
        status = path.stat()
        return (status.st_size, status.st_mtime_ns) == (self.size, self.modified_ns)

    def is_current(self, key: str) -> bool:
        """Whether the file is there, untouched, and made from the same things."""
        return self.untouched and self.key == key


def record_output(project: Project, path: Path) -> OutputRecord:
    """What the project remembers about ``path``; an empty record when nothing."""
    file = project.root / "outputs" / f"{digest(str(path.resolve()))}.json"
    record: OutputRecord = load(file, OutputRecord) if file.exists() else OutputRecord()
    return record


def check_output(project: Project, path: Path, *, overwrite: bool) -> None:
    """Raise ``ProjectError`` DUB-E301 when ``path`` exists and is not this project's own work."""
    if path.resolve() == project.source.resolve():
        raise ProjectError(
            "The output would replace the source video.",
            hint="Give another name with -o.",
            code="DUB-E301",
        )
    if not path.exists() or overwrite or record_output(project, path).untouched:
        return
    raise ProjectError(
        f"{path} exists already.",
        hint="Use --overwrite to replace it, or give another name with -o.",
        code="DUB-E301",
    )
