"""What a lip network is to the shell around it: crops in, crops out.

A network never sees a whole picture, never tracks and never pastes. The shell
(:mod:`polydub.engines.lips.neural.renderer`) gives it upright crops of one face without gaps, on
the network's own clock, and the sound of their time; it takes back crops of the same size and
number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from polydub.engines.lips.geometry import Floats, TrackGeometry

Crops = npt.NDArray[np.uint8]
"""``[n, size, size, 3]`` RGB."""

Affines = npt.NDArray[np.float64]
"""``[n, 2, 3]``: each takes a pixel of the film's picture to a pixel of the crop."""

RATE = 16_000
"""Hz of the sound that networks hear: all of them were trained at it."""


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """Mono sound at 16 kHz; ``start`` is the film time of its first sample, in seconds."""

    samples: npt.NDArray[np.float32]
    start: float


class Framing(Protocol):
    """How a network wants its faces cut."""

    @property
    def size(self) -> int:
        """Pixels of a crop's side."""
        ...

    def affines(self, geometry: TrackGeometry, canonical: Floats) -> Affines:
        """From picture to crop, for every frame of a track.

        ``canonical`` ``[478, 3]`` is the person's mean head. Its place in each frame decides, not
        the frame's own lips and chin: a crop that follows the old jaw would tell the network what
        the old mouth did.
        """
        ...


@runtime_checkable
class MouthNetwork(Protocol):
    """Redraws the mouths of upright face crops.

    ``clock`` is the rate in Hz at which crops must follow each other, ``None`` when every crop is
    drawn for itself at any moment. At most ``window`` crops are given at once; neighbouring windows
    share ``overlap`` crops, which the shell cross-fades.
    """

    @property
    def framing(self) -> Framing:
        """How faces are cut."""
        ...

    @property
    def clock(self) -> int | None:
        """Crops a second, or ``None``."""
        ...

    @property
    def window(self) -> int:
        """Most crops at once."""
        ...

    @property
    def overlap(self) -> int:
        """Crops that two windows share."""
        ...

    def listen(self, sound: Sound, times: Floats) -> Any:
        """What is heard at film ``times`` ``[n]``: an array or tensor with ``n`` rows.

        Raises ``EngineError`` when the network fails.
        """
        ...

    def redraw(self, crops: Crops, heard: Any) -> Crops:
        """``crops`` with new mouths; ``heard`` are the rows of :meth:`listen` for them.

        Raises ``EngineError`` when the network fails.
        """
        ...
