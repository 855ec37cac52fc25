"""Where networks run: which device is meant, and what is said when its memory does not suffice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from polydub.errors import EngineError


def device_of(wanted: str) -> str:
    """The device that ``"auto"`` means here: CUDA when there is one.

    Raises ``EngineError`` for CUDA where there is none, and for what is no device.
    """
    import torch

    there = torch.cuda.is_available()
    if wanted not in ("auto", "cpu", "cuda"):
        raise EngineError(f"There is no device '{wanted}'.", hint="Use auto, cpu or cuda.")
    if wanted == "cuda" and not there:
        raise EngineError(
            "CUDA is asked for, but PyTorch finds none here.",
            hint="Use the device auto or cpu, or install a PyTorch that is built for your GPU.",
        )
    if wanted == "auto":
        return "cuda" if there else "cpu"
    return wanted


@contextmanager
def room_on_device(advice: str) -> Iterator[None]:
    """Inside it a GPU that is full raises ``EngineError`` with ``advice``; its cache is freed."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        told = str(error).split(". ")[0]
        torch.cuda.empty_cache()
        raise EngineError(f"The GPU's memory does not suffice: {told}.", hint=advice) from error
