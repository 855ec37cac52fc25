"""The script file on disk: read, written whole or not at all, and looked over for problems."""

from __future__ import annotations

import itertools
import os
import tempfile
from pathlib import Path

from polydub.errors import InputError, ProjectError
from polydub.model import Script
from polydub.model.time import timecode
from polydub.project.codec import script_from_json, script_to_json


def read_script(path: str | Path) -> Script:
    """The script stored at ``path`` (UTF-8, with or without a byte order mark).

    Raises ``InputError`` DUB-E101 when the file cannot be read, ``ProjectError`` DUB-E303 when it
    holds no valid script.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(
            f"The script {path} cannot be read: {error.strerror or error}.",
            hint="Check the path.",
            code="DUB-E101",
        ) from error
    except UnicodeDecodeError as error:
        raise ProjectError(
            f"{path} is not UTF-8 text.",
            hint="Save the script as UTF-8.",
            code="DUB-E303",
        ) from error
    try:
        return script_from_json(text)
    except ProjectError as error:
        raise ProjectError(f"{path}: {error.message}", hint=error.hint, code=error.code) from error


def write_script(path: str | Path, script: Script) -> None:
    """Write ``script`` atomically. Raises ``ProjectError`` DUB-E304 when the disk refuses."""
    write_text(path, script_to_json(script))


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 ``text`` so that a reader sees the old file or the new one, never a part.

    Raises ``ProjectError`` DUB-E304 when the disk refuses.
    """
    target = Path(path)
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _mode(target))
        os.replace(temporary, target)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise ProjectError(
            f"{target} cannot be written: {error.strerror or error}.",
            hint="Free some disk space or choose another folder.",
            code="DUB-E304",
        ) from error


def _mode(target: Path) -> int:
    """The permissions a plain ``open`` would give, or those that the file already has."""
    try:
        return target.stat().st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def script_problems(script: Script) -> list[str]:
    """What a person should look at, as ``"unit: what"``; nothing here stops a run.

    Lines of zero length or without text, lines outside the film, lines of one speaker that overlap,
    lines out of order, cast members without lines.
    """
    problems = []
    for line in script.lines:
        at = timecode(line.span.start)
        if line.span.duration == 0:
            problems.append(f"{line.id}: has no length (at {at}), it cannot be spoken")
        if not line.text.strip():
            problems.append(f"{line.id}: has no text (at {at})")
        if script.duration and line.span.end > script.duration:
            problems.append(f"{line.id}: ends after the film ({timecode(script.duration)})")
    for first, second in itertools.pairwise(script.lines):
        if second.span.start < first.span.start:
            problems.append(f"{second.id}: starts before {first.id}, which is listed first")
    for speaker in script.cast:
        lines = sorted(script.lines_of(speaker.id), key=lambda line: line.span)
        if not lines:
            problems.append(f"{speaker.id}: {speaker.name} has no lines")
        for first, second in itertools.pairwise(lines):
            if first.span.overlap(second.span) > 0:
                problems.append(f"{second.id}: overlaps {first.id} of the same speaker")
    return problems
