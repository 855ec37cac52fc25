"""Where weights come from: explicit path, hub cache, installed package, hub download on request.

Every weight has a name, a licence and ordered sources. Weights that arrive as Python packages are
community mirrors of open models: they are joined into polydub's own cache when split, verified once
against a SHA-256 per file, and never trusted by name alone. A package is located, never imported.
Those that only the hub has (:mod:`polydub.engines.weights_hub`) are taken as its cache holds them.
Nothing is downloaded but by :func:`pull`; libraries that would do so are kept :func:`offline`.

::

    find("whisper-base")      1. path=..., or $POLYDUB_WEIGHT_WHISPER_BASE
                              2. the local hub cache (no network)
                              3. the installed package
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from polydub.engines.protocols import WeightFile
from polydub.engines.weights_hub import HUB_WEIGHTS
from polydub.engines.weights_table import PINNED, Part, PinnedFile, Weight
from polydub.errors import EngineError, ProjectError

__all__ = [
    "WEIGHTS",
    "Part",
    "PinnedFile",
    "Weight",
    "WeightStatus",
    "cache_dir",
    "find",
    "offline",
    "pull",
    "status",
    "write_atomically",
]

_log = logging.getLogger(__name__)
_BLOCK = 1 << 20

WEIGHTS: dict[str, Weight] = {**PINNED, **{weight.name: weight for weight in HUB_WEIGHTS}}
"""Every weight by name."""


@dataclass(frozen=True, slots=True)
class WeightStatus:
    """What is known about a weight here without hashing: ``origin`` is empty when it is missing.

    ``verified`` says that an earlier run checked these very bytes. ``hint`` says how to get it.
    """

    weight: Weight
    origin: str
    path: Path | None
    verified: bool
    hint: str = ""


def cache_dir(*parts: str) -> Path:
    """polydub's cache folder (``$POLYDUB_CACHE`` or the platform's), with ``parts`` below, made.

    Raises ``ProjectError`` DUB-E304 when it cannot be written.
    """
    root = os.environ.get("POLYDUB_CACHE") or platformdirs.user_cache_dir("polydub")
    folder = Path(root).joinpath(*parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return folder


def find(name: str, *, path: Path | None = None) -> WeightFile:
    """The verified weight ``name``: its file, or its folder when it has several files.

    ``path`` (or ``$POLYDUB_WEIGHT_<NAME>``) is used instead of every other source; its bytes must
    match too. Raises ``EngineError`` DUB-E204 when the weight is missing, DUB-E205 when a checksum
    differs.
    """
    weight = _named(name)
    explicit = path or _from_environment(weight)
    if explicit is not None:
        return _verified(weight, _paths_under(weight, explicit), "path")
    damaged: EngineError | None = None
    for origin, paths in (("hub", _hub_paths(weight)), ("package", _cached_paths(weight))):
        try:
            if paths is not None:
                return _verified(weight, paths, origin)
        except EngineError as error:  # the next source may hold the right bytes
            _log.warning("%s", error.message)
            damaged = error
    located = _located(weight)
    if located is not None:
        return _from_package(weight, located)
    raise damaged or _missing(weight)


def pull(name: str) -> WeightFile:
    """Download the weight ``name`` from the model hub into the hub's own cache and verify it.

    A weight whose authors ask for consent needs a token in ``HF_TOKEN`` of somebody who gave it.
    Raises ``EngineError`` DUB-E204 when no hub holds it, DUB-E207 when the download fails, DUB-E205
    when the bytes differ.
    """
    weight = _named(name)
    if not weight.hub:
        raise EngineError(
            f"The weight '{name}' is on no model hub that polydub knows.",
            hint=_install_hint(weight),
            code="DUB-E204",
        )
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import GatedRepoError, HfHubHTTPError
    except ImportError as error:
        raise EngineError(
            "Downloading from the hub needs the package huggingface_hub.",
            hint="Install it with: pip install huggingface_hub",
            code="DUB-E202",
        ) from error
    try:
        paths = [
            Path(hf_hub_download(weight.hub, file.name, revision=weight.revision or None))
            for file in weight.files
        ]
    except GatedRepoError as error:
        raise EngineError(
            f"The authors of '{name}' give it only to those who accept their terms.",
            hint=_terms_hint(weight),
            code="DUB-E207",
        ) from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise EngineError(
            f"Could not download '{name}' from {weight.hub}: {error}",
            hint="Check the connection and run it again.",
            code="DUB-E207",
        ) from error
    return _verified(weight, paths, "hub")


@contextmanager
def offline() -> Iterator[None]:
    """Inside it no library fetches anything from the model hub; its cache is still read."""
    try:
        from huggingface_hub import constants
    except ImportError:  # then nothing here can reach it either
        yield
        return
    before, told = constants.HF_HUB_OFFLINE, os.environ.get("HF_HUB_OFFLINE")
    constants.HF_HUB_OFFLINE = True
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
        if told is None:
            os.environ.pop("HF_HUB_OFFLINE", None)
        else:
            os.environ["HF_HUB_OFFLINE"] = told


def status() -> tuple[WeightStatus, ...]:
    """Every known weight with where it lies here, by name; hashes nothing, downloads nothing."""
    return tuple(_status_of(WEIGHTS[name]) for name in sorted(WEIGHTS))


def write_atomically(target: Path, blocks: Iterable[bytes]) -> str:
    """Write ``blocks`` to ``target`` so that it is whole or absent; returns their SHA-256.

    Raises ``ProjectError`` DUB-E304 when the disk is full or not writable.
    """
    digest = hashlib.sha256()
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "wb") as stream:
            for block in blocks:
                digest.update(block)
                stream.write(block)
        os.replace(temporary, target)
        temporary = None
    except OSError as error:
        raise _unwritable(target, error) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
    return digest.hexdigest()


def _named(name: str) -> Weight:
    if name not in WEIGHTS:
        raise EngineError(
            f"There is no weight named '{name}'.",
            hint=f"Known: {', '.join(sorted(WEIGHTS))}.",
            code="DUB-E204",
        )
    return WEIGHTS[name]


def _variable(weight: Weight) -> str:
    letters = "".join(c if c.isalnum() else "_" for c in weight.name)
    return f"POLYDUB_WEIGHT_{letters.upper()}"


def _from_environment(weight: Weight) -> Path | None:
    value = os.environ.get(_variable(weight))
    return Path(value).expanduser() if value else None


def _paths_under(weight: Weight, path: Path) -> list[Path]:
    """Files of the weight for an explicit file or folder; raises DUB-E204 when one is absent."""
    single = len(weight.files) == 1 and path.is_file()
    paths = [path] if single else [path / file.name for file in weight.files]
    for candidate in paths:
        if not candidate.is_file():
            raise EngineError(
                f"The weight '{weight.name}' is not at {candidate}.",
                hint=f"Check the path, or unset {_variable(weight)}.",
                code="DUB-E204",
            )
    return paths


def _hub_paths(weight: Weight) -> list[Path] | None:
    """The weight's files in the local hub cache, ``None`` unless all are there."""
    if not weight.hub:
        return None
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    paths = []
    for file in weight.files:
        found = try_to_load_from_cache(weight.hub, file.name, revision=weight.revision or None)
        if not isinstance(found, str):
            return None
        paths.append(Path(found))
    return paths


def _cached_paths(weight: Weight) -> list[Path] | None:
    """The weight's joined files in polydub's own cache, ``None`` unless all are there."""
    if not weight.joined:
        return None
    folder = cache_dir("weights", weight.name)
    paths = [folder / file.name for file in weight.files]
    return paths if all(path.is_file() for path in paths) else None


def _located(weight: Weight) -> list[list[Path]] | None:
    """Paths of the parts of each file inside installed packages, ``None`` unless all are there."""
    located = []
    for file in weight.files:
        parts = [_inside_package(part) for part in file.parts]
        present = [part for part in parts if part is not None]
        if not parts or len(present) < len(parts):
            return None
        located.append(present)
    return located


def _inside_package(part: Part) -> Path | None:
    """Path of a file of an installed package, found without importing the package."""
    try:
        spec = importlib.util.find_spec(part.module)
    except (ImportError, ValueError):
        return None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder, part.path)
        if path.is_file():
            return path
    return None


def _from_package(weight: Weight, located: list[list[Path]]) -> WeightFile:
    """Verify the packaged files where they lie, or join them into the cache first."""
    if not weight.joined:
        return _verified(weight, [parts[0] for parts in located], "package")
    folder = cache_dir("weights", weight.name)
    paths = [folder / file.name for file in weight.files]
    for file, path, parts in zip(weight.files, paths, located, strict=True):
        _check(weight, file, path, write_atomically(path, _blocks(parts)))
    _stamp(weight, paths)
    return _weight_file(weight, paths, "package")


def _blocks(paths: Iterable[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                yield block


def _verified(weight: Weight, paths: list[Path], origin: str) -> WeightFile:
    """The weight at ``paths`` after its bytes were checked, now or by an earlier run."""
    if any(file.sha256 for file in weight.files) and not _is_stamped(weight, paths):
        for file, path in zip(weight.files, paths, strict=True):
            digest = hashlib.sha256()
            try:
                for block in _blocks([path]):
                    digest.update(block)
            except OSError as error:
                raise EngineError(
                    f"The weight '{weight.name}' cannot be read at {path}: {error}",
                    code="DUB-E204",
                ) from error
            _check(weight, file, path, digest.hexdigest())
        _stamp(weight, paths)
    return _weight_file(weight, paths, origin)


def _check(weight: Weight, file: PinnedFile, path: Path, found: str) -> None:
    if found != file.sha256:
        raise EngineError(
            f"The weight '{weight.name}' at {path} has SHA-256 {found}, not {file.sha256}.",
            hint=f"Delete that file. {_install_hint(weight)}",
            code="DUB-E205",
        )


def _weight_file(weight: Weight, paths: list[Path], origin: str) -> WeightFile:
    path = paths[0]
    if len(paths) > 1:  # the folder that the names of its files start from
        path = path.parents[weight.files[0].name.count("/")]
    return WeightFile(weight.name, path, origin)


def _identity(weight: Weight, paths: list[Path]) -> list[list[str | int]]:
    """What tells these very files apart from changed ones, without reading them."""
    rows: list[list[str | int]] = []
    for file, path in zip(weight.files, paths, strict=True):
        stat = path.stat()
        rows.append([str(path.resolve()), stat.st_size, stat.st_mtime_ns, file.sha256])
    return rows


def _stamp_path(weight: Weight, paths: list[Path]) -> Path:
    place = hashlib.sha256(str(paths[0].resolve()).encode()).hexdigest()[:12]
    return cache_dir("weights") / f"{weight.name}.{place}.stamp.json"


def _is_stamped(weight: Weight, paths: list[Path]) -> bool:
    try:
        stamp = json.loads(_stamp_path(weight, paths).read_text())
        return bool(stamp == _identity(weight, paths))
    except (OSError, ValueError, ProjectError):
        return False


def _stamp(weight: Weight, paths: list[Path]) -> None:
    """Remember that ``paths`` were verified; without a writable cache every run hashes again."""
    text = json.dumps(_identity(weight, paths))
    try:
        write_atomically(_stamp_path(weight, paths), [text.encode()])
    except ProjectError as error:
        _log.warning("cannot remember that '%s' is verified: %s", weight.name, error.message)


def _status_of(weight: Weight) -> WeightStatus:
    explicit = _from_environment(weight)
    origin, paths = "path", None
    if explicit is not None:
        try:
            paths = _paths_under(weight, explicit)
        except EngineError as error:
            return WeightStatus(weight, "", explicit, False, f"{error.message} {error.hint}")
    if paths is None:
        origin, paths = "hub", _hub_paths(weight)
    if paths is None:
        origin, paths = "package", _cached_paths(weight)
    if paths is None and (located := _located(weight)) is not None:
        paths = [parts[0] for parts in located]
    if paths is None:
        return WeightStatus(weight, "", None, False, _install_hint(weight))
    path = _weight_file(weight, paths, origin).path
    return WeightStatus(weight, origin, path, _is_stamped(weight, paths))


def _install_hint(weight: Weight) -> str:
    ways = []
    if weight.pip:
        pins = " ".join(f'"{requirement}"' for requirement in weight.pip)
        ways.append(f"Install it with: pip install {pins}")
    if weight.hub:
        ways.append(f"Download it with: polydub engines pull {weight.name}")
    if weight.terms:
        ways.append(_terms_hint(weight))
    return "; or ".join(ways) or f"Get it from {weight.upstream}."


def _terms_hint(weight: Weight) -> str:
    return (
        f"Accept the terms at {weight.terms} with your own account, make a token that may read it, "
        "and set HF_TOKEN to it"
    )


def _missing(weight: Weight) -> EngineError:
    return EngineError(
        f"The weight '{weight.name}' is not installed.",
        hint=f"{_install_hint(weight)}; or set {_variable(weight)} to its path.",
        code="DUB-E204",
    )


def _unwritable(path: Path, error: OSError) -> ProjectError:
    return ProjectError(
        f"Cannot write {path}: {error.strerror or error}.",
        hint="Free some space, or set POLYDUB_CACHE to a folder that can be written.",
        code="DUB-E304",
    )
