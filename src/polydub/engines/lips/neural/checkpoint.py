"""Reads the tensors of published checkpoints and fits them into networks, strictly."""

from __future__ import annotations

import hashlib
import json
import pickle
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from polydub.engines.weights import find
from polydub.errors import EngineError

_MOST_NAMED = 3  # tensors that a message lists


def read_tensors(torch: Any, path: Path, *, inside: tuple[str, ...] = ()) -> dict[str, Any]:
    """Tensors by name of a torch file; ``inside`` are keys that may wrap their table.

    A prefix ``module.``, which training on several GPUs leaves, is taken off. Nothing but tensors
    is unpickled; of a network saved as TorchScript only the tensors are used. Raises
    ``EngineError`` DUB-E205 when the file is damaged or holds none.
    """
    try:
        table = (
            torch.jit.load(path, map_location="cpu").state_dict()
            if _is_script(path)
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except (
        RuntimeError,
        KeyError,
        EOFError,
        OSError,
        ValueError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
    ) as error:
        text = str(error).strip().splitlines() or [type(error).__name__]
        raise EngineError(
            f"The weights at {path} cannot be read: {text[0]}",
            hint="The file is incomplete or of another kind: download it again.",
            code="DUB-E205",
        ) from error
    for key in inside:
        if isinstance(table, Mapping) and key in table:
            table = table[key]
    named = {
        str(name).removeprefix("module."): value
        for name, value in (table.items() if isinstance(table, Mapping) else ())
        if hasattr(value, "shape")
    }
    if not named:
        raise unfit(path, "it holds no tensors")
    return named


def _is_script(path: Path) -> bool:
    """Whether the file is a TorchScript archive: Wav2Lip is given in that form since 2025."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def fill(network: Any, state: Mapping[str, Any], path: Path) -> None:
    """Load ``state`` into ``network``: every tensor, with the right shape, and no other.

    Raises ``EngineError`` DUB-E205 when ``state`` is of another network; ``path`` is named in it.
    """
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    missing = [name for name in wanted if name not in state]
    if missing:
        raise unfit(path, f"it lacks {_some(missing)}")
    odd = [
        f"{name} {tuple(state[name].shape)} instead of {shape}"
        for name, shape in wanted.items()
        if tuple(state[name].shape) != shape
    ]
    if odd:
        raise unfit(path, f"other sizes: {_some(odd)}")
    unknown = [name for name in state if name not in wanted]
    if unknown:
        raise unfit(path, f"it holds {_some(unknown)}, which this network has no place for")
    network.load_state_dict(dict(state), strict=True, assign=True)


def width(state: Mapping[str, Any], name: str, path: Path, axis: int = 0) -> int:
    """Size of the tensor ``name`` along ``axis``. Raises ``EngineError`` DUB-E205 without it."""
    if name not in state or state[name].ndim <= axis:
        raise unfit(path, f"it lacks {name}")
    return int(state[name].shape[axis])


def mark(names: Iterable[str]) -> str:
    """What tells the weights found here from other ones, without reading them.

    Raises ``EngineError`` as :func:`polydub.engines.weights.find` does.
    """
    stats = [(path, path.stat()) for path in (find(name).path for name in names)]
    rows = [[str(path.resolve()), stat.st_size, stat.st_mtime_ns] for path, stat in stats]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:8]


def unfit(path: Path, why: str) -> EngineError:
    """The error for a file that holds other weights than were asked for."""
    return EngineError(
        f"The weights at {path} are not those of this engine: {why}.",
        hint="See 'Lips from the hub' in docs/engines.md for the files that fit.",
        code="DUB-E205",
    )


def _some(names: list[str]) -> str:
    listed = ", ".join(names[:_MOST_NAMED])
    rest = len(names) - _MOST_NAMED
    return f"{listed} and {rest} more" if rest > 0 else listed
