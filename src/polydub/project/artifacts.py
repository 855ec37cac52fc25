"""JSON for intermediate results: exact fractions, NumPy arrays, the vocabulary's dataclasses."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from polydub.errors import ProjectError

T = TypeVar("T")


def _encode(value: Any) -> Any:
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, np.ndarray):
        shape = list(value.shape)
        return {"dtype": str(value.dtype), "shape": shape, "data": value.ravel().tolist()}
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(f"cannot store {type(value).__name__}")


def _decode(kind: Any, value: Any) -> Any:
    if kind is Fraction:
        return Fraction(value)
    if getattr(kind, "__origin__", kind) is np.ndarray:
        return np.array(value["data"], value["dtype"]).reshape(value["shape"])
    raise NotImplementedError(f"cannot read {kind}")


def to_json(value: Any) -> bytes:
    """``value`` (dataclasses, containers, fractions, arrays) as JSON."""
    return msgspec.json.encode(value, enc_hook=_encode, order="deterministic")


def to_builtins(value: Any) -> Any:
    """``value`` as plain dicts, lists, strings and numbers; fractions become ``"n/d"`` strings."""
    return msgspec.to_builtins(value, enc_hook=_encode)


def save(path: Path, value: Any) -> None:
    """Write ``value`` as JSON to ``path``."""
    path.write_bytes(to_json(value))


def load(path: Path, kind: type[T] | Any) -> T:
    """Read what :func:`save` wrote; raises ``ProjectError`` DUB-E302 when it does not fit."""
    try:
        result: T = msgspec.json.decode(path.read_bytes(), type=kind, dec_hook=_decode)
    except (msgspec.DecodeError, KeyError, ValueError) as error:
        raise ProjectError(
            f"A cached result cannot be read: {path}.",
            hint="Delete that folder and run again; it will be made anew.",
        ) from error
    return result
