"""A face drawn with ellipses that real detectors accept: known place, size, colours and lip gap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EYE_DISTANCE = 0.90
"""Distance of the outer eye corners against ``radius``."""


@dataclass(frozen=True)
class Look:
    """Colours and proportions; two looks are two people."""

    skin: tuple[float, float, float] = (222, 172, 146)
    hair: tuple[float, float, float] = (52, 36, 28)
    width: float = 0.74
    eyes: float = 0.31
    nose: float = 0.29
    fringe: float = 0.30


OTHER = Look((150, 104, 78), (18, 16, 20), width=0.84, eyes=0.36, nose=0.24, fringe=0.12)


class _Canvas:
    """A picture in head units: ``u`` right, ``v`` down, 1 = ``radius`` pixels."""

    def __init__(self, picture: np.ndarray, middle: tuple[float, float], radius: float) -> None:
        rows, columns = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]].astype(np.float32)
        self.u, self.v = (columns - middle[0]) / radius, (rows - middle[1]) / radius
        self.picture = picture.astype(np.float32)

    def ellipse(self, u: float, v: float, wide: float, high: float, soft: float) -> np.ndarray:
        """Coverage 0 .. 1 with a soft edge."""
        distance = np.hypot((self.u - u) / wide, (self.v - v) / high)
        edge = soft / min(wide, high)
        covered: np.ndarray = np.clip((1 + edge / 2 - distance) / edge, 0, 1)
        return covered

    def paint(self, mask: np.ndarray, colour: object) -> None:
        """Blend ``colour`` in."""
        alpha = mask[..., None]
        self.picture = self.picture * (1 - alpha) + np.asarray(colour, np.float32) * alpha


def blank(width: int = 640, height: int = 360) -> np.ndarray:
    """An empty room ``[height, width, 3]``."""
    return np.full((height, width, 3), (92, 104, 118), np.uint8)


def draw_face(
    picture: np.ndarray,
    middle: tuple[float, float] = (200.0, 180.0),
    radius: float = 70.0,
    *,
    gap: float = 0.0,
    look: Look | None = None,
) -> np.ndarray:
    """``picture`` with a frontal face; ``gap`` is the lip opening against ``radius``."""
    look = look or Look()
    left, top = (max(0, round(middle[axis] - 1.8 * radius)) for axis in (0, 1))
    right, bottom = (round(middle[axis] + 1.8 * radius) for axis in (0, 1))
    around = (slice(top, bottom), slice(left, right))
    canvas = _Canvas(picture[around], (middle[0] - left, middle[1] - top), radius)
    skin = np.array(look.skin)
    canvas.paint(canvas.ellipse(0, 0.95, 0.42, 0.75, 0.06), skin * 0.78)
    canvas.paint(canvas.ellipse(0, -0.25, 0.92, 1.05, 0.06), look.hair)
    for side in (-1, 1):
        canvas.paint(canvas.ellipse(side * (look.width + 0.04), 0.05, 0.12, 0.2, 0.06), skin * 0.85)
    face = canvas.ellipse(0, 0.08, look.width, 1.0, 0.06)
    nose = np.exp(-(canvas.u**2 / 0.02 + (canvas.v - 0.2) ** 2 / 0.08))
    light = 1.0 - 0.22 * canvas.u**2 - 0.08 * np.clip(canvas.v, 0, 2) + 0.05 * nose
    canvas.paint(face, np.clip(skin * light[..., None], 0, 255))
    canvas.paint(canvas.ellipse(0, -0.72, 0.66, look.fringe, 0.06) * face, look.hair)
    for side in (-1, 1):
        _eye(canvas, side * look.eyes, skin)
        canvas.paint(0.8 * canvas.ellipse(side * 0.075, look.nose, 0.035, 0.022, 0.03), skin / 2)
        canvas.paint(
            0.35 * canvas.ellipse(side * 0.11, look.nose - 0.09, 0.03, 0.12, 0.06), skin / 2
        )
    canvas.paint(canvas.ellipse(0, 0.53, 0.25, 0.075 + gap / 2, 0.04), (176, 84, 80))
    canvas.paint(canvas.ellipse(0, 0.53, 0.2, 0.008 + gap / 2, 0.02), (70, 24, 26))
    canvas.paint(0.25 * canvas.ellipse(0, 0.7 + gap / 2, 0.16, 0.04, 0.08), skin * 0.6)
    drawn = picture.copy()
    drawn[around] = canvas.picture.clip(0, 255).astype(np.uint8)
    return drawn


def _eye(canvas: _Canvas, u: float, skin: np.ndarray) -> None:
    canvas.paint(0.35 * canvas.ellipse(u, -0.1, 0.2, 0.14, 0.15), skin / 2)
    canvas.paint(canvas.ellipse(u, -0.32, 0.19, 0.035, 0.05), (60, 40, 32))
    canvas.paint(canvas.ellipse(u, -0.08, 0.14, 0.07, 0.03), (240, 236, 232))
    canvas.paint(canvas.ellipse(u, -0.08, 0.065, 0.068, 0.02), (70, 48, 36))
    canvas.paint(canvas.ellipse(u, -0.08, 0.03, 0.03, 0.02), (10, 8, 8))
    canvas.paint(canvas.ellipse(u + 0.02, -0.1, 0.012, 0.012, 0.01), (250, 250, 250))
    canvas.paint(0.9 * canvas.ellipse(u, -0.15, 0.16, 0.02, 0.03), (70, 44, 36))
