"""Finds engines by kind and name through the entry-point group ``polydub.engines``.

An entry point is named ``<kind>.<name>`` and points at an engine class, for example
``speak.kokoro = "polydub.engines.speak.kokoro:KokoroSynthesizer"``. Third parties add theirs the
same way.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from polydub.engines.protocols import KINDS, Capabilities
from polydub.errors import EngineError

GROUP = "polydub.engines"

DEFAULTS: dict[str, str] = {
    "separate": "deepfilternet",
    "shots": "pyscenedetect",
    "faces": "mediapipe",
    "identify-face": "dlib",
    "vad": "silero",
    "segment": "pyannote",
    "voiceprint": "campplus",
    "active-speaker": "mouth-motion",
    "recognize": "whisper",
    "translate": "llm-local",
    "speak": "kokoro",
    "convert": "world",
    "lips": "exemplar",
}
"""The offline profile: the engine of each kind that runs from packages alone (docs/engines.md)."""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """An engine that is registered; ``missing`` lists what it needs and does not find here."""

    kind: str
    name: str
    capabilities: Capabilities | None
    missing: tuple[str, ...]
    problem: str = ""


@lru_cache(maxsize=1)
def _found() -> dict[tuple[str, str], EntryPoint]:
    found: dict[tuple[str, str], EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        kind, _, name = entry.name.partition(".")
        found[kind, name] = entry
    return found


_registered: dict[tuple[str, str], Any] = {}


def register(kind: str, name: str, cls: Any) -> None:
    """Make an engine class known in this process, without an entry point; it wins over one."""
    _registered[kind, name] = cls


def names(kind: str) -> tuple[str, ...]:
    """Names of the registered engines of ``kind``, sorted."""
    return tuple(sorted({name for k, name in [*_found(), *_registered] if k == kind}))


def engine_class(kind: str, name: str) -> Any:
    """The class registered as ``kind.name``. Raises ``EngineError`` DUB-E201 when there is none."""
    if (kind, name) in _registered:
        return _registered[kind, name]
    entry = _found().get((kind, name))
    if entry is None:
        known = ", ".join(names(kind)) or "none is installed"
        raise EngineError(
            f"There is no {kind} engine named '{name}'.",
            hint=f"Known: {known}. See `polydub engines`.",
            code="DUB-E201",
        )
    return entry.load()


def missing_requirements(capabilities: Capabilities) -> tuple[str, ...]:
    """Import names that the engine needs and that are not installed."""
    return tuple(name for name in capabilities.requires if importlib.util.find_spec(name) is None)


def install_hint(capabilities: Capabilities) -> str:
    """What brings the packages that an engine needs."""
    extra = capabilities.extra or "offline"
    return (
        capabilities.install
        or f'Install it in the checkout: pip install -c constraints.txt -e ".[{extra}]"'
    )


def describe(kind: str, name: str) -> EngineInfo:
    """What is known about an engine without loading its heavy library."""
    try:
        capabilities: Capabilities = engine_class(kind, name).capabilities
    except (ImportError, AttributeError) as error:  # a broken plug-in must not hide others
        return EngineInfo(kind, name, None, (), problem=str(error))
    return EngineInfo(kind, name, capabilities, missing_requirements(capabilities))


def all_engines() -> tuple[EngineInfo, ...]:
    """Every registered engine, by kind and name."""
    order: dict[str, int] = {kind: position for position, kind in enumerate(KINDS)}
    keys = sorted(
        {**_found(), **_registered}, key=lambda key: (order.get(key[0], len(order)), key[1])
    )
    return tuple(describe(kind, name) for kind, name in keys)


def load(kind: str, name: str, **options: Any) -> Any:
    """Build the engine ``kind.name``. Raises ``EngineError`` DUB-E202 when packages are absent."""
    cls = engine_class(kind, name)
    missing = missing_requirements(cls.capabilities)
    if missing:
        raise EngineError(
            f"The {kind} engine '{name}' needs {', '.join(missing)}, which is not installed.",
            hint=install_hint(cls.capabilities),
            code="DUB-E202",
        )
    return cls(**options)
