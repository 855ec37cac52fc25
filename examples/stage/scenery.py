"""Backgrounds: a painted room, thrown out of focus with a disc-shaped blur."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
RGB = tuple[float, float, float]


def _canvas(size: tuple[int, int], top: RGB, bottom: RGB) -> Picture:
    width, height = size
    t = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    out = np.array(top, np.float32) * (1 - t) + np.array(bottom, np.float32) * t
    return np.asarray(np.repeat(out, width, axis=1), np.float32)


def _box(img: Picture, x0: float, y0: float, x1: float, y1: float, rgb: RGB) -> None:
    """Filled rectangle; coordinates are fractions of the picture."""
    h, w = img.shape[:2]
    a, b = (int(x0 * w), int(y0 * h)), (int(x1 * w), int(y1 * h))
    cv2.rectangle(img, a, b, rgb, -1, cv2.LINE_AA)


def _disc(img: Picture, x: float, y: float, r: float, rgb: RGB) -> None:
    h, w = img.shape[:2]
    cv2.circle(img, (int(x * w), int(y * h)), int(r * h), rgb, -1, cv2.LINE_AA)


def _glow(img: Picture, x: float, y: float, r: float, rgb: RGB) -> None:
    """Soft light added round a lamp."""
    h, w = img.shape[:2]
    yy, xx = np.mgrid[:h, :w].astype(np.float32)
    d = ((xx - x * w) ** 2 + (yy - y * h) ** 2) / (r * h) ** 2
    img += np.exp(-d)[..., None] * np.array(rgb, np.float32)


def _books(img: Picture, x0: float, x1: float, y: float, rng: np.random.Generator) -> None:
    _box(img, x0 - 0.01, y, x1 + 0.01, y + 0.018, (0.10, 0.062, 0.035))
    x = x0
    colours: list[RGB] = [
        (0.30, 0.06, 0.045),
        (0.05, 0.10, 0.18),
        (0.36, 0.25, 0.11),
        (0.07, 0.15, 0.10),
        (0.40, 0.36, 0.29),
        (0.16, 0.07, 0.12),
    ]
    while x < x1:
        wide = rng.uniform(0.010, 0.022)
        tall = rng.uniform(0.09, 0.15)
        if rng.random() < 0.9:
            _box(img, x, y - tall, x + wide, y, colours[int(rng.integers(len(colours)))])
        x += wide + 0.002


def _plant(img: Picture, x: float, y: float, size: float, rng: np.random.Generator) -> None:
    h, w = img.shape[:2]
    _box(img, x - 0.05 * size, y, x + 0.05 * size, y + 0.16 * size, (0.30, 0.13, 0.075))
    for _ in range(46):
        ang = rng.uniform(-1.25, 1.25)
        reach = rng.uniform(0.12, 0.34) * size
        tip = (x + np.sin(ang) * reach * 0.62, y - np.cos(ang) * reach)
        green = rng.uniform(0.6, 1.4)
        centre = (int(tip[0] * w), int(tip[1] * h))
        axes = (int(0.055 * size * h), int(0.020 * size * h))
        colour = (0.035 * green, 0.105 * green, 0.030 * green)
        cv2.ellipse(img, centre, axes, np.degrees(ang) - 90, 0, 360, colour, -1, cv2.LINE_AA)


def _window(
    img: Picture, x0: float, x1: float, y0: float, y1: float, rng: np.random.Generator
) -> None:
    """Daylight with blurred trees, a white frame and curtains."""
    _box(img, x0, y0, x1, y1, (1.25, 1.45, 1.7))
    for _ in range(70):
        px, py = rng.uniform(x0, x1), y1 - abs(rng.normal(0, 0.2)) * (y1 - y0)
        g = rng.uniform(0.5, 1.3)
        if py > y0:
            _disc(img, px, py, rng.uniform(0.015, 0.05), (0.22 * g, 0.40 * g, 0.14 * g))
    frame = (0.62, 0.60, 0.56)
    for x in (x0, (x0 + x1) / 2, x1):
        _box(img, x - 0.008, y0, x + 0.008, y1, frame)
    for y in (y0, y0 + 0.45 * (y1 - y0), y1):
        _box(img, x0, y - 0.012, x1, y + 0.012, frame)
    for side, x in ((-1, x0), (1, x1)):
        for k in range(9):
            s = 0.75 + 0.35 * np.sin(k * 2.1)
            a = x + side * (k - 2.5) * 0.011
            _box(img, a, y0 - 0.08, a + 0.013, y1 + 0.10, (0.42 * s, 0.36 * s, 0.29 * s))


def _lamp(img: Picture, x: float, y: float) -> None:
    _box(img, x - 0.004, y, x + 0.004, 1.0, (0.06, 0.045, 0.03))
    h, w = img.shape[:2]
    shade = np.array([[x - 0.035, y - 0.13], [x + 0.035, y - 0.13], [x + 0.06, y], [x - 0.06, y]])
    cv2.fillPoly(img, [(shade * (w, h)).astype(np.int32)], (2.6, 1.75, 0.95), cv2.LINE_AA)


def _picture(img: Picture, x0: float, y0: float, x1: float, y1: float, rgb: RGB) -> None:
    _box(img, x0, y0, x1, y1, (0.07, 0.05, 0.035))
    _box(img, x0 + 0.008, y0 + 0.014, x1 - 0.008, y1 - 0.014, (0.55, 0.52, 0.46))
    _box(img, x0 + 0.03, y0 + 0.05, x1 - 0.03, y1 - 0.05, rgb)


def _lens(img: Picture, radius: float) -> Picture:
    """Disc blur, as an open lens gives."""
    r = int(np.ceil(radius))
    yy, xx = np.mgrid[-r : r + 1, -r : r + 1]
    kernel = np.clip(radius + 0.5 - np.hypot(xx, yy), 0, 1).astype(np.float32)
    return np.asarray(cv2.filter2D(img, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT))


def room(view: str, size: tuple[int, int], seed: int) -> Picture:
    """Linear-light background of one camera direction."""
    rng = np.random.default_rng(seed)
    paint = {"shelf": _shelf_view, "window": _window_view, "wall": _wall_view, "wide": _wide_view}
    img = paint[view](size, rng)
    blur = size[0] / 960 * (9.0 if view == "wide" else 15.0)
    img = _lens(img, blur)
    grain = rng.normal(0, 0.0025, (*img.shape[:2], 1)).astype(np.float32)
    return np.asarray(np.maximum(img * (1 + 8 * grain), 0), np.float32)


def _shelf_view(size: tuple[int, int], rng: np.random.Generator) -> Picture:
    img = _canvas(size, (0.30, 0.235, 0.17), (0.20, 0.15, 0.105))
    for y in (0.20, 0.46, 0.72):
        _books(img, 0.02, 0.34, y, rng)
    _lamp(img, 0.86, 0.42)
    _plant(img, 0.985, 0.78, 1.2, rng)
    _glow(img, 0.86, 0.36, 0.55, (0.40, 0.25, 0.11))
    return img


def _window_view(size: tuple[int, int], rng: np.random.Generator) -> Picture:
    img = _canvas(size, (0.165, 0.195, 0.20), (0.115, 0.13, 0.13))
    _window(img, 0.60, 0.93, 0.06, 0.74, rng)
    _picture(img, 0.07, 0.16, 0.25, 0.46, (0.30, 0.15, 0.08))
    _plant(img, 0.12, 0.86, 1.1, rng)
    _glow(img, 0.77, 0.4, 0.7, (0.10, 0.12, 0.14))
    return img


def _wall_view(size: tuple[int, int], rng: np.random.Generator) -> Picture:
    img = _canvas(size, (0.12, 0.185, 0.165), (0.085, 0.125, 0.11))
    _picture(img, 0.66, 0.14, 0.80, 0.42, (0.10, 0.17, 0.26))
    _picture(img, 0.83, 0.20, 0.96, 0.40, (0.33, 0.20, 0.06))
    _box(img, 0.0, 0.80, 1.0, 0.83, (0.16, 0.10, 0.055))
    _box(img, 0.0, 0.83, 1.0, 1.0, (0.085, 0.052, 0.030))
    _lamp(img, 0.14, 0.46)
    _plant(img, 0.90, 0.80, 0.9, rng)
    _glow(img, 0.14, 0.40, 0.5, (0.42, 0.27, 0.12))
    return img


def _wide_view(size: tuple[int, int], rng: np.random.Generator) -> Picture:
    img = _canvas(size, (0.25, 0.205, 0.155), (0.16, 0.125, 0.09))
    _window(img, 0.40, 0.62, 0.08, 0.66, rng)
    for y in (0.22, 0.42, 0.62):
        _books(img, 0.015, 0.17, y, rng)
    _picture(img, 0.83, 0.12, 0.95, 0.38, (0.12, 0.19, 0.17))
    _lamp(img, 0.735, 0.40)
    _plant(img, 0.30, 0.72, 0.8, rng)
    _glow(img, 0.735, 0.35, 0.45, (0.34, 0.21, 0.09))
    return img
