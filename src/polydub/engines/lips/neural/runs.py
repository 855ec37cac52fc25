"""Draws one run of frames without a gap: crops, network, and back into the pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from polydub.engines.lips.gates import UNREADABLE
from polydub.engines.lips.geometry import Floats, TrackGeometry
from polydub.engines.lips.neural.blend import Blender, Place, masks_of, place_of
from polydub.engines.lips.neural.clock import ticks
from polydub.engines.lips.neural.framing import cut
from polydub.engines.lips.neural.network import Affines, Crops, MouthNetwork, Sound
from polydub.engines.lips.neural.windows import redrawn
from polydub.engines.protocols import FrameReader, Patch
from polydub.errors import EngineError, InputError
from polydub.model import Image

UNCHANGED = "the network changed nothing"


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A frame that changed; ``residual`` is the difference left on the skin around the mouth."""

    patch: Patch
    residual: float


class _Pictures:
    """Crops and places of a run's frames, read as they are asked for and forgotten behind."""

    def __init__(
        self, geometry: TrackGeometry, affines: Affines, size: int, frames: range, read: FrameReader
    ) -> None:
        self._geometry, self._affines, self._size = geometry, affines, size
        self._stream = read(frames.start, frames.stop)
        self._next = frames.start
        self._kept: dict[int, tuple[Image, Place]] = {}

    def at(self, frame: int) -> tuple[Image, Place]:
        """Crop and place of ``frame``. Raises ``InputError`` when it cannot be read."""
        while self._next <= frame:
            index, image = next(self._stream, (-1, None))
            if image is None:
                raise InputError("the film ends here", code="DUB-E102")
            row = index - self._geometry.first
            crop = cut(image, self._affines[row], self._size)
            self._kept[index] = (crop, place_of(image, self._geometry, row))
            self._next = index + 1
        return self._kept[frame]

    def forget(self, before: int) -> None:
        """Frames before ``before`` are not asked for any more."""
        for frame in [frame for frame in self._kept if frame < before]:
            del self._kept[frame]


class RunArtist:
    """Draws the runs of one stretch of one face."""

    def __init__(
        self, network: MouthNetwork, geometry: TrackGeometry, canonical: Floats, sound: Sound
    ) -> None:
        self._network, self._geometry, self._sound = network, geometry, sound
        self._affines = network.framing.affines(geometry, canonical)
        self._size = network.framing.size
        self._blender = Blender()

    def draw(
        self, first: int, times: Floats, strength: Floats, read: FrameReader
    ) -> Iterator[tuple[int, Drawn | str]]:
        """The frames from ``first`` on, one for each of film ``times`` ``[n]``, in order.

        A frame that fails has the reason in place of its patch, and costs no other.
        """
        count, done = len(times), 0
        self._blender.reset()
        try:
            for done, result in enumerate(self._results(first, times, strength, read), 1):
                yield first + done - 1, result
        except EngineError as error:
            reason = error.message
        except InputError as error:
            reason = f"{UNREADABLE}: {error.message}"
        else:
            reason = UNREADABLE
        yield from ((frame, reason) for frame in range(first + done, first + count))

    def _results(
        self, first: int, times: Floats, strength: Floats, read: FrameReader
    ) -> Iterator[Drawn | str]:
        if not len(times):
            return
        clock = ticks(times, self._network.clock)
        heard = self._network.listen(self._sound, clock.times)
        frames = range(first, first + len(times))
        pictures = _Pictures(self._geometry, self._affines, self._size, frames, read)

        def supply(start: int, stop: int) -> Crops:
            shown = clock.picture[start:stop]
            crops = np.stack([pictures.at(first + int(frame))[0] for frame in shown])
            pictures.forget(first + min(int(shown[0]), at))
            return crops

        at = 0
        for tick, crop in redrawn(self._network, supply, heard, len(clock.times)):
            while at < len(times) and clock.tick[at] == tick:
                frame = first + at
                _, place = pictures.at(frame)
                yield self._blended(frame, place, crop, float(strength[at]))
                at += 1

    def _blended(self, frame: int, place: Place, crop: Image | str, strength: float) -> Drawn | str:
        if isinstance(crop, str):
            self._blender.reset()
            return crop
        row = frame - self._geometry.first
        affine = self._affines[row]
        masks = masks_of(place.region, self._geometry, row, affine, self._size)
        patch = self._blender(
            place,
            masks,
            crop,
            affine,
            iod=float(self._geometry.iod[row]),
            strength=strength,
            frame=frame,
        )
        return Drawn(patch, self._blender.residual) if patch.pixels.size else UNCHANGED
