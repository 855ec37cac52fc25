"""What the user has said about who speaks: kept in ``pins.json`` of the project."""

from __future__ import annotations

import json
from pathlib import Path

from polydub.errors import ProjectError
from polydub.pipeline.run import Run
from polydub.project.folder import Project
from polydub.stages.pins import Pins, pins_from_data, pins_to_data


def pins_path(project: Project) -> Path:
    """Where a project keeps its pins."""
    return project.root / "pins.json"


def read_pins(project: Project) -> Pins:
    """The project's pins, none when there is no file. Raises ``ProjectError`` DUB-E303."""
    path = pins_path(project)
    if not path.exists():
        return Pins()
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ProjectError(
            f"{path} cannot be read: {error}.",
            hint="Mend it, or delete it to forget what was pinned.",
            code="DUB-E303",
        ) from error
    return pins_from_data(data)


def write_pins(project: Project, pins: Pins) -> None:
    """Keep ``pins``; none at all removes the file."""
    path = pins_path(project)
    if not pins:
        path.unlink(missing_ok=True)
        return
    text = json.dumps(pins_to_data(pins), indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def project_pins(run: Run) -> Pins:
    """The project's pins and the number of speakers that the run was told."""
    pins = read_pins(run.project)
    return pins + Pins(speakers=run.options.speakers) if run.options.speakers else pins
