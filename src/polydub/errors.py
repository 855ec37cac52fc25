"""Every error that polydub raises on purpose.

::

    PolydubError                 DUB-E000  exit 1
    ├── InputError               DUB-E1xx  exit 3   the given file or value cannot be used
    ├── EngineError              DUB-E2xx  exit 4   an engine is missing, unfit or failed
    ├── ProjectError             DUB-E3xx  exit 5   project folder, script or output on disk
    └── Interrupted              DUB-E900  exit 130 stopped by the user; run again to resume

A message says what happened; ``hint`` says what to do. Codes are stable: users search for them, and
``docs/errors.md`` lists each one. Third-party exceptions are mapped where they are called, with
``from``.
"""

from __future__ import annotations

CODES: dict[str, str] = {
    "DUB-E000": "unexpected failure inside polydub",
    "DUB-E101": "file not found or not readable",
    "DUB-E102": "not a media file, or damaged beyond reading",
    "DUB-E103": "no audio stream",
    "DUB-E104": "no video stream",
    "DUB-E105": "unknown language code",
    "DUB-E107": "subtitle, script or table file cannot be understood",
    "DUB-E108": "invalid option value",
    "DUB-E201": "unknown engine",
    "DUB-E202": "engine not installed",
    "DUB-E203": "language not supported by the engine",
    "DUB-E204": "weights missing",
    "DUB-E205": "weights damaged (checksum differs)",
    "DUB-E206": "engine failed",
    "DUB-E207": "network service failed",
    "DUB-E301": "output exists",
    "DUB-E302": "project folder cannot be used",
    "DUB-E303": "script cannot be used",
    "DUB-E304": "disk full or not writable",
    "DUB-E900": "interrupted",
}
"""Stable code -> what it means; rendered into ``docs/errors.md``. A number is never given twice:
DUB-E106 (no speech found) was one before such films passed through."""


class PolydubError(Exception):
    """Base of all: ``code`` is stable, ``hint`` says what to do, ``exit_code`` is the CLI's."""

    exit_code = 1
    default_code = "DUB-E000"

    def __init__(self, message: str, *, hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or self.default_code
        if self.code not in CODES:
            raise ValueError(f"error code {self.code} is not listed in polydub.errors.CODES")

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InputError(PolydubError):
    """The given file or value cannot be used."""

    exit_code = 3
    default_code = "DUB-E102"


class EngineError(PolydubError):
    """An engine is missing, does not fit the task, or failed."""

    exit_code = 4
    default_code = "DUB-E206"


class ProjectError(PolydubError):
    """The project folder, the script or an output on disk cannot be used."""

    exit_code = 5
    default_code = "DUB-E302"


class Interrupted(PolydubError):
    """The user stopped the run; everything finished so far is kept."""

    exit_code = 130
    default_code = "DUB-E900"
