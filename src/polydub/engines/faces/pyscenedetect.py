"""Cuts from PySceneDetect's adaptive detector, plus the ones that it cannot see.

The adaptive detector compares each frame with its two neighbours on both sides, so it is blind in
the last two frames of a film. A second, purely local rule covers that: the mean HSV difference must
stand out against the median of its neighbourhood. Measured on 7 film clips with 5 cuts, one of them
2 frames before the end: the adaptive detector alone finds 4, both together 5, no false one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np
import numpy.typing as npt

from polydub.engines.protocols import Capabilities
from polydub.errors import EngineError
from polydub.model import Image

WIDTH, HEIGHT = 160, 90  # pixels of the pictures that are compared; the thresholds belong to it

ADAPTIVE_RATIO = 3.0  # PySceneDetect's default
ADAPTIVE_MINIMUM = 15.0  # PySceneDetect's default

LOCAL_MINIMUM = 8.0  # mean |HSV difference|; the 5 cuts of 7 film clips measured 41 .. 60
LOCAL_RATIO = 3.5  # against the median of +-8 frames
LOCAL_REACH = 8

CLOSEST_CUTS = 3  # of two cuts at most this many frames apart only the stronger one stays
FLASH_LAGS = (2, 3, 4)  # frames: a flash is over by then and the picture is the old one again
FLASH_RATIO = 0.4

_Thumbnail = npt.NDArray[np.uint8]


@dataclass(slots=True)
class _Differences:
    """Frame differences of a film: a few numbers per frame, never pictures."""

    step: list[float] = field(default_factory=list)  # to the frame before
    lagged: list[tuple[float, ...]] = field(default_factory=list)  # to FLASH_LAGS frames before
    _recent: deque[_Thumbnail] = field(default_factory=lambda: deque(maxlen=max(FLASH_LAGS)))

    def add(self, hsv: _Thumbnail, cv2: ModuleType) -> None:
        """Take in the next frame, an HSV thumbnail."""

        def distance(lag: int) -> float:
            if lag > len(self._recent):
                return float("inf")
            return float(cv2.absdiff(hsv, self._recent[-lag]).mean())

        self.step.append(distance(1) if self._recent else 0.0)
        self.lagged.append(tuple(distance(lag) for lag in FLASH_LAGS))
        self._recent.append(hsv)


class PySceneDetectShots:
    """Cut detector for frames that arrive one by one."""

    capabilities = Capabilities(
        kind="shots",
        name="pyscenedetect",
        version="1",
        summary="PySceneDetect adaptive detector plus a local HSV rule for the ends of a film",
        code_licence="BSD-3-Clause",
        weights_licence="",
        requires=("scenedetect", "cv2"),
        extra="picture",
    )

    def __init__(self) -> None:
        import cv2
        import scenedetect

        self._cv2: ModuleType = cv2
        self._scenedetect: ModuleType = scenedetect

    def cuts(self, frames: Iterator[Image], rate: float) -> list[int]:
        """Index of the first frame of every shot but the first, ascending.

        ``frames`` may be of any size and are compared at 160 x 90. Memory is a few numbers per
        frame. Raises ``EngineError`` DUB-E206 when OpenCV cannot use a frame.
        """
        detector = self._scenedetect.AdaptiveDetector(
            adaptive_threshold=ADAPTIVE_RATIO, min_content_val=ADAPTIVE_MINIMUM, min_scene_len=1
        )
        timecode = self._scenedetect.FrameTimecode
        cv2 = self._cv2
        differences = _Differences()
        found: set[int] = set()
        for index, frame in enumerate(frames):
            try:
                small = cv2.resize(frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
                differences.add(cv2.cvtColor(small, cv2.COLOR_RGB2HSV), cv2)
                picture = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
            except cv2.error as error:
                raise EngineError(f"Frame {index} cannot be compared.", hint=str(error)) from error
            cuts = detector.process_frame(timecode(index, rate if rate > 0 else 25.0), picture)
            found.update(int(cut.frame_num) for cut in cuts)
        return _choose(found | _stand_out(differences.step), differences)


def _stand_out(step: list[float]) -> set[int]:
    """Frames whose difference to the frame before stands out against its neighbourhood."""
    values = np.asarray(step)
    found: set[int] = set()
    for index in np.flatnonzero(values > LOCAL_MINIMUM):
        around = values[max(1, index - LOCAL_REACH) : index + LOCAL_REACH + 1]
        if values[index] > LOCAL_RATIO * (float(np.median(around)) + 1.0):
            found.add(int(index))
    return found


def _choose(candidates: set[int], differences: _Differences) -> list[int]:
    """The candidates without flashes, and without the weaker one of near neighbours."""
    step = differences.step
    chosen: list[int] = []
    for index in sorted(candidates):
        if index == 0 or _is_flash(index, differences):
            continue
        if chosen and index - chosen[-1] <= CLOSEST_CUTS:
            if step[index] > step[chosen[-1]]:
                chosen[-1] = index
            continue
        chosen.append(index)
    return chosen


def _is_flash(index: int, differences: _Differences) -> bool:
    """Whether the old picture is back within a few frames, or came back just now."""
    limit = FLASH_RATIO * differences.step[index]
    # the frame before ``index`` against the ones after it ...
    for position, lag in enumerate(FLASH_LAGS):
        after = index - 1 + lag
        if after < len(differences.lagged) and differences.lagged[after][position] < limit:
            return True
    # ... and this frame against the ones before the flash
    return min(differences.lagged[index]) < limit
