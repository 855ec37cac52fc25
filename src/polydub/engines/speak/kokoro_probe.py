"""A sentence that Kokoro says stretch by stretch while its timbre is moved."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from polydub.engines.speak.kokoro_decoder import Decoder
from polydub.engines.speak.kokoro_phones import FRAME, RATE
from polydub.engines.speak.shaped_style import MIXING, SIZE, VOICED, Shift
from polydub.model import Samples, Waveform

_PER_FRAME = (120, 1, 2, 2)  # values of each decoder input per 25 ms
_EXTRA = (1, 0, 0, 0)  # and what closes it
_SILENT = 12  # frames: Kokoro's silence before and after a sentence


class KokoroProbe:
    """Sound for a shift of the timbre, and how the shift changes the sound.

    Every saying is the next stretch of the sentence, and after the last the first again: what is
    found on one text only fits that text, and the cost is that of a stretch.
    """

    size = VOICED * SIZE

    def __init__(
        self,
        decoder: Decoder,
        inputs: Sequence[npt.NDArray[np.float32]],
        timbre: npt.NDArray[np.float32],
        spread: npt.NDArray[np.float32],
        *,
        stretch: float = 2.1,
    ) -> None:
        """``timbre`` ``[11, 128]`` is where the shift starts, ``spread`` ``[128]`` its unit.

        ``inputs`` are the decoder's for the whole sentence, ``stretch`` is in seconds.
        """
        import torch

        self._torch: Any = torch
        self._decoder = decoder
        self._stretches = [
            tuple(
                torch.from_numpy(np.ascontiguousarray(part[..., first * per : last * per + extra]))
                for part, per, extra in zip(inputs, _PER_FRAME, _EXTRA, strict=True)
            )
            for first, last in _stretches(inputs[1].shape[-1], stretch)
        ]
        self._timbre = torch.from_numpy(np.array(timbre, np.float32))
        self._spread = torch.from_numpy(np.array(spread, np.float32))
        self._mixing = torch.from_numpy(MIXING)
        self._articulated: dict[int, Any] = {}
        self._next = 0
        self._said: tuple[Any, Any] | None = None

    def say(self, shift: Shift) -> Waveform:
        """The next stretch at 24 kHz with the timbres moved by ``shift`` ``[8 * 128]``."""
        moved = self._torch.from_numpy(np.array(shift, np.float32)).requires_grad_()
        moves = self._mixing @ moved.reshape(VOICED, SIZE) * self._spread
        kept, voiced = self._timbre[:-VOICED], self._timbre[-VOICED:]
        timbre = self._torch.cat([kept, voiced + moves])
        stretch = self._stretches[self._next]
        sound = self._decoder.voiced(self._unvoiced(self._next), timbre, stretch)
        self._next = (self._next + 1) % len(self._stretches)
        self._said = (moved, sound)
        return Waveform(np.array(sound.detach().numpy(), np.float32), RATE)

    def _unvoiced(self, index: int) -> Any:
        """The stretch as it is before a shift counts: made once."""
        if index not in self._articulated:
            with self._torch.no_grad():
                made = self._decoder.articulated(self._timbre, self._stretches[index])
            self._articulated[index] = made
        return self._articulated[index]

    def slope(self, weights: Samples) -> Shift:
        """Derivative ``[8 * 128]`` of ``weights @ samples`` by the shift that was said last.

        It can be asked for once per saying: the way back is thrown away with it.
        """
        if self._said is None:
            raise ValueError("nothing was said since the last slope")
        moved, sound = self._said
        self._said = None
        target = self._torch.from_numpy(np.ascontiguousarray(weights, np.float32))
        (slope,) = self._torch.autograd.grad(sound @ target, moved)
        return np.asarray(slope.numpy(), np.float32)


def _stretches(frames: int, seconds: float) -> list[tuple[int, int]]:
    """First and last frame of each stretch: equal, side by side, without the silence around."""
    silent = min(_SILENT, frames // 4)
    first, last = silent, frames - silent
    count = max(1, round((last - first) * FRAME / RATE / seconds))
    edges = np.linspace(first, last, count + 1).round().astype(int).tolist()
    return list(itertools.pairwise(edges))
