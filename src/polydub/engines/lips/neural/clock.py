"""From the film's frames to a network's clock and back, by exact presentation times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polydub.engines.lips.geometry import Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Ticks:
    """A run of film frames on a network's clock.

    ``times`` ``[k]`` of the ticks in seconds; ``picture`` ``[k]`` is the frame (counted from the
    run's first) that a tick shows; ``tick`` ``[n]`` is the tick whose mouth each frame gets. Both
    never fall, and every frame is the picture of its own tick wherever it has one to itself.
    """

    times: Floats
    picture: Ints
    tick: Ints


def ticks(frame_times: Floats, rate: int | None) -> Ticks:
    """The clock of ``rate`` Hz over frames that are shown from ``frame_times`` ``[n]`` on.

    Ticks start with the first frame and cover the last. With ``None`` each frame is its own tick.
    A tick shows the frame nearest in time: at most half a tick (20 ms at 25 Hz) away where the film
    is as fast as the clock.
    """
    count = len(frame_times)
    if rate is None or count == 0:
        own = np.arange(count)
        return Ticks(frame_times.astype(np.float64), own, own)
    length = 1 + int(np.floor((frame_times[-1] - frame_times[0]) * rate + 0.5))
    times = frame_times[0] + np.arange(length) / rate
    return Ticks(times, _nearest(times, frame_times), _nearest(frame_times, times))


def _nearest(wanted: Floats, offered: Floats) -> Ints:
    """Index into sorted ``offered`` of what is nearest to each of ``wanted``; the earlier wins."""
    after = np.clip(np.searchsorted(offered, wanted), 0, len(offered) - 1)
    before = np.maximum(after - 1, 0)
    # a microsecond's tolerance keeps a tie, which rounding would decide at random, with the earlier
    earlier = wanted - offered[before] <= offered[after] - wanted + 1e-6
    return np.where(earlier, before, after)
