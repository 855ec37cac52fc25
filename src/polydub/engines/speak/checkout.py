"""Libraries that their authors give as a source checkout, not as a package."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from polydub.errors import EngineError


def require_library(module: str, variable: str, address: str, *inside: str) -> None:
    """Make ``module`` importable: installed, or in the checkout that ``variable`` names.

    ``inside`` are folders of the checkout that must be importable too. Raises ``EngineError``
    DUB-E202 when it is in neither.
    """
    if _found(module):
        return
    named = os.environ.get(variable, "")
    folder = Path(named).expanduser()
    if named and folder.joinpath(*module.split(".")).with_suffix(".py").is_file():
        sys.path.extend(str(folder.joinpath(part)) for part in ("", *inside))
        importlib.invalidate_caches()
        return
    raise EngineError(
        f"There is no {module.partition('.')[0]} in '{named}'."
        if named
        else f"{module.partition('.')[0]} is not installed.",
        hint=f"Get it (git clone --recursive {address}) with its requirements, and set {variable} "
        "to its folder; see 'Engines from the hub' in docs/engines.md.",
        code="DUB-E202",
    )


def _found(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
