"""Painted rooms out of focus, and the grain of a camera."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from polydub.model import Image

_GRAIN = 2.2  # grey levels, about a film at ISO 800
_FIELDS = 7


def room(number: int, size: tuple[int, int], seed: int) -> Image:
    """Room ``number`` of film ``seed``: ``[height, width, 3]``, always the same."""
    import cv2

    rng = np.random.default_rng((seed, 5, number))
    width, height = size
    wall = rng.uniform(70, 165) * np.array(rng.uniform(0.85, 1.12, 3))
    slope = np.linspace(1.12, 0.72, height)[:, None, None]
    sides = rng.permutation([0.85, 1.1])
    across = np.linspace(float(sides[0]), float(sides[1]), width)[None, :, None]
    canvas = np.ascontiguousarray(slope * across * wall, np.float32)
    for _ in range(int(rng.integers(4, 9))):
        w, h = rng.uniform(0.05, 0.22) * width, rng.uniform(0.12, 0.45) * height
        x, y = rng.uniform(0, width - w), rng.uniform(0, 0.8 * height)
        tone = tuple(float(c) for c in rng.uniform(30, 215) * rng.uniform(0.8, 1.2, 3))
        cv2.rectangle(canvas, (int(x), int(y)), (int(x + w), int(y + h)), tone, -1)
    lamp = (int(rng.uniform(0, width)), int(rng.uniform(0.05, 0.4) * height))
    cv2.circle(canvas, lamp, int(0.06 * height), (255.0, 236.0, 200.0), -1)
    blurred = cv2.GaussianBlur(canvas, (0, 0), 0.03 * height)
    return np.asarray(np.clip(blurred, 0, 255), np.uint8)


def grain(size: tuple[int, int], seed: int) -> Callable[[Image, int], Image]:
    """A function that adds the noise of frame ``n`` to a picture."""
    rng = np.random.default_rng((seed, 6))
    fields: list[tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]] = []
    for _ in range(_FIELDS):
        noise = np.round(rng.normal(0, _GRAIN, (size[1], size[0], 3)))
        fields.append((noise.clip(0).astype(np.uint8), (-noise).clip(0).astype(np.uint8)))

    def add(image: Image, frame: int) -> Image:
        import cv2

        brighter, darker = fields[(frame * 3) % _FIELDS]
        if frame % 2:
            brighter, darker = brighter[::-1], darker[::-1]
        return np.asarray(cv2.subtract(cv2.add(image, brighter), darker), np.uint8)

    return add
