"""Runs a network over a long run of crops, window by window, without a seam between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from polydub.engines.lips.neural.network import Crops, MouthNetwork
from polydub.errors import EngineError
from polydub.model import Image


def redrawn(
    network: MouthNetwork, supply: Callable[[int, int], Crops], heard: Any, count: int
) -> Iterator[tuple[int, Image | str]]:
    """``(index, crop)`` for all ``count`` crops, in order; the reason instead where it failed.

    ``supply(first, last)`` gives crops; nothing beyond one window is held. The last window is moved
    back so that it is full: attention over time does worse on a few frames. Crops that two windows
    share fade from the first to the second.
    """
    waiting: dict[int, Image | str] = {}
    done = 0
    for first, last, sure in windows(count, network.window, network.overlap):
        for index, crop in _window(network, supply, heard, first, last):
            if index < done:
                continue
            before = waiting.get(index)
            if isinstance(before, np.ndarray) and isinstance(crop, np.ndarray):
                shared = min(network.overlap, last - done)
                crop = _mixed(before, crop, (index - done + 1) / (shared + 1))
            elif isinstance(before, np.ndarray):
                crop = before
            waiting[index] = crop
        for index in range(done, sure):
            yield index, waiting.pop(index)
        done = sure


def windows(count: int, window: int, overlap: int) -> list[tuple[int, int, int]]:
    """``(first, last, sure)`` of every window: up to ``sure`` no later window changes anything."""
    if count == 0:
        return []
    found = []
    first = 0
    while first + window < count:
        found.append((first, first + window, first + window - overlap))
        first += window - overlap
    if overlap:
        first = max(0, count - window)
    found.append((first, count, count))
    return found


def _window(
    network: MouthNetwork, supply: Callable[[int, int], Crops], heard: Any, first: int, last: int
) -> list[tuple[int, Image | str]]:
    try:
        made = network.redraw(supply(first, last), heard[first:last])
    except EngineError as error:
        return [(index, error.message) for index in range(first, last)]
    return [(first + number, crop) for number, crop in enumerate(made)]


def _mixed(before: Image, after: Image, share: float) -> Image:
    mixed = before.astype(np.float32) * (1 - share) + after.astype(np.float32) * share
    return np.rint(mixed).astype(np.uint8)
