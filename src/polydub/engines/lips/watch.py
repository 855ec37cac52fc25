"""Watches one track for things in front of the mouth while its frames are read."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d, median_filter

from polydub.engines.lips.geometry import OUTER_LIPS, Floats, TrackGeometry
from polydub.engines.lips.occlusion import HandFinder, hidden_share, lower_face, surprise
from polydub.model import Image

EVERY = 4
"""Frames from one search for hands to the next: a hand takes longer to come and go."""
BLOCK = 1000
"""Frames that are compared at once: bounds the memory of long shots."""
LEAST_SURPRISE = 0.1
"""Share of unexplained pixels that is nothing: bare faces of three film clips measured 0.00 to
0.05, turning ones up to 0.2; pasted cups over 0.4, nine of ten pasted microphones over 0.07."""
TIMES_USUAL = 3.0
"""... and so many times what three quarters of the track's frames stay under: turning heads are
explained worse."""


class Watch:
    """Frames of one track, seen in any order."""

    def __init__(self, geometry: TrackGeometry, hands: HandFinder) -> None:
        self._geometry = geometry
        self._hands = hands
        self._patches: dict[int, npt.NDArray[np.uint8]] = {}
        self._hidden: dict[int, float] = {}
        self._near: set[int] = set()
        self._alarms: tuple[int, Floats] | None = None

    def see(self, row: int, image: Image) -> None:
        """Frame ``row`` of the track."""
        if row in self._patches or not self._geometry.usable[row]:
            return
        points, iod = self.points(row)
        self._patches[row] = lower_face(image, points, iod)
        if row % EVERY == 0:
            hands = self.hands(row, image)
            self._hidden[row] = hidden_share(hands, points, iod)
            if hands:
                self._near.add(row)

    def points(self, row: int) -> tuple[Floats, float]:
        """Landmarks ``[478, 2]`` and IOD in pixels."""
        points = self._geometry.points[row, :, :2].astype(np.float64)
        return points, float(self._geometry.iod[row])

    def hands(self, row: int, image: Image) -> list[Floats]:
        """Hands near the mouth in frame ``row``."""
        points, iod = self.points(row)
        return self._hands.find(image, points[list(OUTER_LIPS)].mean(axis=0), iod)

    def near(self) -> npt.NDArray[np.bool_]:
        """Frames ``[n]`` in which a hand may be near the mouth."""
        flags = np.zeros(self._geometry.n_frames, np.uint8)
        flags[list(self._near)] = 1
        near: npt.NDArray[np.bool_] = maximum_filter1d(flags, 2 * EVERY + 1, mode="constant") > 0
        return near

    def by_hand(self) -> Floats:
        """How much of the mouth hands hide ``[n]``, 0..1."""
        shares = np.zeros(self._geometry.n_frames)
        for row, share in self._hidden.items():
            shares[row] = share
        found: Floats = maximum_filter1d(shares, 2 * EVERY + 1, mode="constant")
        return found

    def hidden(self) -> Floats:
        """How much of the mouth anything hides ``[n]``, 0..1; 0 where nothing was seen."""
        found = self.by_hand()
        seen = sorted(self._patches)
        if self._alarms is None or self._alarms[0] != len(seen):
            parts = max(1, -(-len(seen) // BLOCK))
            alarms = [self._strange(part) for part in np.array_split(np.array(seen, int), parts)]
            self._alarms = len(seen), np.concatenate([np.zeros(0), *alarms])
        found[seen] = np.maximum(found[seen], self._alarms[1])
        return found

    def _strange(self, rows: npt.NDArray[np.int64]) -> Floats:
        """1 where pixels are unexplained in at least two of three frames running, else 0."""
        if not len(rows):
            return np.zeros(0)
        patches = np.stack([self._patches[int(row)] for row in rows])
        strange = surprise(patches, self._geometry, rows)
        limit = max(LEAST_SURPRISE, TIMES_USUAL * float(np.percentile(strange, 75)))
        alarm: Floats = median_filter((strange > limit).astype(np.float64), 3, mode="nearest")
        return alarm
