"""Where a network runs, and how its failures are told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from polydub.engines.lips.neural.network import Crops
from polydub.errors import EngineError

Precision = Literal["auto", "float32", "float16", "bfloat16"]


@dataclass(frozen=True, slots=True)
class Running:
    """``device`` ``"auto"`` takes a GPU where there is one; ``precision`` ``"auto"`` is float16 on
    it and float32 elsewhere."""

    device: str = "auto"
    precision: Precision = "auto"

    def place(self, torch: Any) -> tuple[Any, Any]:
        """The torch device and the number format for it."""
        device = self.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        kind = self.precision
        if kind == "auto":
            kind = "float16" if device.startswith("cuda") else "float32"
        return torch.device(device), getattr(torch, kind)


@contextmanager
def failures_of(torch: Any, name: str) -> Iterator[None]:
    """Inside it no gradient is kept, and what torch raises becomes an ``EngineError``."""
    try:
        with torch.inference_mode():
            yield
    except RuntimeError as error:  # out of memory among them
        text = str(error).strip().splitlines()
        raise EngineError(f"{name} failed: {text[0] if text else 'RuntimeError'}") from error


def to_pictures(torch: Any, values: Any, name: str) -> Crops:
    """``values`` ``[n, 3, size, size]`` in 0..1 as ``[n, size, size, 3]`` bytes.

    Raises ``EngineError`` when some are not numbers: half precision overflows on some cards.
    """
    if not bool(torch.isfinite(values).all()):
        raise EngineError(
            f"{name} drew something that is not a picture.",
            hint="Run it with precision float32 or bfloat16.",
        )
    scaled = (values.clamp(0, 1) * 255).round().to(torch.uint8)
    return np.ascontiguousarray(scaled.permute(0, 2, 3, 1).cpu().numpy())
