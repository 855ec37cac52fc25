"""A cache with a name: every artifact is a folder stored under a key of all that went into it."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from polydub.errors import ProjectError
from polydub.project.artifacts import to_json


def digest(*parts: Any) -> str:
    """A 24-digit fingerprint of values; what may be in them: :mod:`polydub.project.artifacts`."""
    return hashlib.sha256(to_json(parts)).hexdigest()[:24]


def disk_error(error: OSError, path: Path) -> ProjectError:
    """The error that a user sees when ``path`` cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        text, hint = f"The disk is full while writing {path}.", "Free some space and run again."
    else:
        text, hint = f"Cannot write {path}: {error.strerror}.", "Check the folder's permissions."
    return ProjectError(text, hint=hint + " Finished work is kept.", code="DUB-E304")


class Cache:
    """Folders of artifacts under ``root/<stage>/<key>``.

    A folder appears whole or not at all: it is filled under a temporary name and renamed, so
    killing the process at any moment loses at most the unit in work.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, stage: str, key: str) -> Path:
        """Where the artifact lies or would lie."""
        return self.root / stage / key

    def has(self, stage: str, key: str) -> bool:
        """Whether the artifact is finished."""
        return self.path(stage, key).is_dir()

    @contextmanager
    def make(self, stage: str, key: str) -> Iterator[Path]:
        """A temporary folder to fill; it becomes the artifact when the block ends well."""
        final = self.path(stage, key)
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            work = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=final.parent))
        except OSError as error:
            raise disk_error(error, final.parent) from error
        try:
            yield work
            if final.exists():  # another process finished the same unit first
                shutil.rmtree(work, ignore_errors=True)
            else:
                os.replace(work, final)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
                raise disk_error(error, final) from error
            raise
        finally:
            if work.exists():
                shutil.rmtree(work, ignore_errors=True)

    def sweep(self) -> int:
        """Remove unfinished folders that a killed run left behind; returns how many."""
        stale = [path for path in self.root.glob("*/.*-*") if path.is_dir()]
        for path in stale:
            shutil.rmtree(path, ignore_errors=True)
        return len(stale)
