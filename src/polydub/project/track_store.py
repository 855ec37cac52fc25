"""Face tracks on disk: one compressed ``.npz`` per file, without pickle."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from polydub.errors import ProjectError
from polydub.model import FaceTrack
from polydub.model.arrays import read_arrays

SCHEMA = "polydub.tracks/1"
ARRAYS = ("boxes", "landmarks", "accepted", "pose", "iod", "aperture")


def save_tracks(path: Path, tracks: Sequence[FaceTrack]) -> None:
    """Write ``tracks`` to ``path``, all or nothing; the same tracks give the same bytes.

    Raises ``ProjectError`` DUB-E304 when the file cannot be written.
    """
    head = {
        "schema": SCHEMA,
        "tracks": [
            {"id": t.id, "shot": t.shot, "first": t.first, "score": t.score} for t in tracks
        ],
    }
    arrays: dict[str, Any] = {"head": np.frombuffer(json.dumps(head).encode(), np.uint8)}
    for number, track in enumerate(tracks):
        for name in ARRAYS:
            arrays[f"{number}.{name}"] = getattr(track, name)
        if track.print is not None:
            arrays[f"{number}.print"] = track.print
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez_compressed(file, **arrays)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ProjectError(
            f"Cannot write {path}: {error.strerror or error}.",
            hint="Check free space and permissions.",
            code="DUB-E304",
        ) from error


def load_tracks(path: Path) -> tuple[FaceTrack, ...]:
    """The tracks saved at ``path``.

    Raises ``ProjectError`` DUB-E302 when the file is missing, damaged or of another version.
    """
    try:
        # opened here: NumPy leaves the file open when the archive is damaged
        with path.open("rb") as file:
            arrays = read_arrays(file)
        head = json.loads(arrays["head"].tobytes().decode())
        if head["schema"] != SCHEMA:
            raise ValueError(f"schema {head['schema']!r}, expected {SCHEMA!r}")
        return tuple(_track(arrays, at, entry) for at, entry in enumerate(head["tracks"]))
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ProjectError(
            f"The face tracks in {path} cannot be read: {error}.",
            hint="Delete the file; the analysis makes it again.",
        ) from error


def _track(arrays: Any, number: int, entry: dict[str, Any]) -> FaceTrack:
    values = {name: arrays[f"{number}.{name}"] for name in ARRAYS}
    return FaceTrack(
        id=str(entry["id"]),
        shot=int(entry["shot"]),
        first=int(entry["first"]),
        score=float(entry["score"]),
        print=arrays.get(f"{number}.print"),
        **values,
    )
