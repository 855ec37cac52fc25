"""A painted head that moves: the mouth and eyes of every frame, turned and put into a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from polydub.model import Box, Image
from polydub.simulate.acting import Acting
from polydub.simulate.face_paint import (
    BODY,
    BOTTOM,
    CHIN,
    LEFT,
    RIGHT,
    TOP,
    Canvas,
    Floats,
    MouthState,
    paint_back,
    paint_body,
    paint_eyes,
    paint_head,
    paint_mouth,
)
from polydub.simulate.looks import Look

Texture = npt.NDArray[np.uint8]
"""Colours times coverage, and coverage: ``[rows, columns, 4]``."""

GAP_STEP, WIDTH_STEP, SMILE_STEP = 0.008, 0.05, 0.25
LID_STEPS, GAZE_STEPS = 4, 3
JAW_SHARE = 0.55
"""How much of the lips' opening is the chin's."""
FINE = 1.2
"""Texture pixels per picture pixel."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a head is in a picture: the middle and half the height of its face in pixels."""

    x: float
    y: float
    size: float
    yaw: float = 0.0


class Puppet:
    """One person at one size, from the front or (``back``) from behind.

    Mouths and eyes are painted once per state and kept; a frame costs one look-up and one warp.
    """

    def __init__(self, look: Look, size: float, *, back: bool = False) -> None:
        self.look, self.back = look, back
        self.density = max(24.0, FINE * size)
        head = (paint_back if back else paint_head)(look, self.density)
        self._rgb, self._alpha = head.rgb, head.alpha
        self._depth = _smooth(head.depth, 0.05 * self.density)
        self._shifted: dict[int, tuple[Floats, Floats]] = {}
        self._whole: dict[int, Texture] = {}
        self._mouths: dict[tuple[int, int, int, int], Texture] = {}
        self._eyes: dict[tuple[int, int], Texture] = {}

    def texture(self, acting: Acting, frame: int) -> Texture:
        """The head at ``frame`` of ``acting``, not yet turned."""
        if self.back:
            return self._jaw(0)
        gap = round(float(acting.gap[frame]) / GAP_STEP)
        chin = JAW_SHARE * gap * GAP_STEP + float(acting.jaw[frame])
        jaw = round(chin / GAP_STEP)
        out = self._jaw(jaw).copy()
        key = (
            gap,
            round(float(acting.width[frame]) / WIDTH_STEP),
            round(float(acting.smile[frame]) / SMILE_STEP),
            jaw,
        )
        rows, columns = self._window(*self._mouth_window())
        out[rows, columns] = self._mouth(key)
        lid = round(float(acting.lid[frame]) * LID_STEPS)
        gaze = round(float(acting.gaze[frame]) * GAZE_STEPS)
        rows, columns = self._window(*self._eye_window())
        out[rows, columns] = self._eye((lid, gaze))
        return out

    def draw(self, picture: Image, spot: Spot, acting: Acting, frame: int) -> None:
        """Put the head into ``picture`` (changed in place)."""
        import cv2

        height, width = picture.shape[:2]
        left, top, right, bottom = head_box(spot)
        x0, y0 = max(0, int(left)), max(0, int(top))
        x1, y1 = min(width, int(right) + 1), min(height, int(bottom) + 1)
        if x1 <= x0 or y1 <= y0:
            return
        map_x, map_y = self._map(spot, acting, frame, (x0, y0, x1, y1))
        layer = cv2.remap(self.texture(acting, frame), map_x, map_y, cv2.INTER_LINEAR)
        part = picture[y0:y1, x0:x1]
        cover = 255 - layer[..., 3].astype(np.uint16)
        part[:] = layer[..., :3] + ((part * cover[..., None] + 127) // 255).astype(np.uint8)

    def draw_body(self, picture: Image, spot: Spot) -> None:
        """Put neck and shoulders into ``picture`` (changed in place)."""
        import cv2

        rgb, alpha = paint_body(self.look, self.density, back=self.back)
        texture = _premultiplied(rgb, alpha)
        scale = spot.size / self.density
        matrix = np.array(
            [[scale, 0, spot.x + BODY[0] * spot.size], [0, scale, spot.y + BODY[1] * spot.size]]
        )
        size = (picture.shape[1], picture.shape[0])
        layer = cv2.warpAffine(texture, matrix, size, flags=cv2.INTER_AREA)
        cover = 255 - layer[..., 3].astype(np.uint16)
        picture[:] = layer[..., :3] + ((picture * cover[..., None] + 127) // 255).astype(np.uint8)

    def _map(
        self, spot: Spot, acting: Acting, frame: int, window: tuple[int, int, int, int]
    ) -> tuple[Floats, Floats]:
        """Texture coordinates of the picture's pixels: roll, then yaw and pitch by the depth."""
        x0, y0, x1, y1 = window
        roll = np.radians(float(acting.roll[frame]))
        yaw = np.radians(spot.yaw + float(acting.yaw[frame]))
        pitch = np.radians(float(acting.pitch[frame]))
        y, x = np.mgrid[y0:y1, x0:x1].astype(np.float32)
        x = (x - spot.x) / spot.size - float(acting.sway[frame])
        y = (y - spot.y) / spot.size
        u = np.cos(roll) * x + np.sin(roll) * (y - 1.0)
        v = -np.sin(roll) * x + np.cos(roll) * (y - 1.0) + 1.0
        depth = self._depth_at(u, v)
        depth = self._depth_at(*_turned(u, v, depth, yaw, pitch))
        u, v = _turned(u, v, depth, yaw, pitch)
        return self._columns(u), self._rows(v)

    def _depth_at(self, u: Floats, v: Floats) -> Floats:
        import cv2

        found = cv2.remap(self._depth, self._columns(u), self._rows(v), cv2.INTER_LINEAR)
        return np.asarray(found, np.float32)

    def _columns(self, u: Floats) -> Floats:
        return np.asarray((u - LEFT) * self.density - 0.5, np.float32)

    def _rows(self, v: Floats) -> Floats:
        return np.asarray((v - TOP) * self.density - 0.5, np.float32)

    def _jaw(self, jaw: int) -> Texture:
        if jaw not in self._whole:
            self._whole[jaw] = _premultiplied(*self._lowered(jaw))
        return self._whole[jaw]

    def _lowered(self, jaw: int) -> tuple[Floats, Floats]:
        """Colours and coverage with the chin moved down by ``jaw`` steps."""
        if jaw not in self._shifted:
            rows = np.arange(len(self._rgb))
            v = TOP + (rows + 0.5) / self.density
            ramp = np.clip((v - self.look.mouth_height) / 0.22, 0, 1)
            fall = np.clip((1.9 - v) / 0.6, 0, 1) if self.look.hair in ("long", "bob") else 1.0
            source = rows - jaw * GAP_STEP * self.density * ramp**2 * (3 - 2 * ramp) * fall
            low = np.clip(np.floor(source).astype(int), 0, len(rows) - 2)
            share = np.clip(source - low, 0, 1).astype(np.float32)[:, None]
            alpha = self._alpha[low] * (1 - share) + self._alpha[low + 1] * share
            share = share[..., None]
            rgb = self._rgb[low] * (1 - share) + self._rgb[low + 1] * share
            self._shifted[jaw] = (rgb, alpha)
        return self._shifted[jaw]

    def _mouth_window(self) -> tuple[float, float, float, float]:
        return (-0.46, self.look.mouth_height - 0.16, 0.46, self.look.mouth_height + 0.42)

    def _eye_window(self) -> tuple[float, float, float, float]:
        high = self.look.eye_height
        return (-0.66, high - 0.22, 0.66, high + 0.22)

    def _window(self, left: float, top: float, right: float, bottom: float) -> tuple[slice, slice]:
        d = self.density
        return (
            slice(round((top - TOP) * d), round((bottom - TOP) * d)),
            slice(round((left - LEFT) * d), round((right - LEFT) * d)),
        )

    def _patch(self, jaw: int, box: tuple[float, float, float, float]) -> Canvas:
        """A canvas over ``box`` of the head, aligned with its pixels."""
        rows, columns = self._window(*box)
        d = self.density
        canvas = Canvas(
            (
                LEFT + columns.start / d,
                TOP + rows.start / d,
                LEFT + columns.stop / d,
                TOP + rows.stop / d,
            ),
            d,
        )
        rgb, alpha = self._lowered(jaw)
        canvas.rgb, canvas.alpha = rgb[rows, columns].copy(), alpha[rows, columns].copy()
        return canvas

    def _mouth(self, key: tuple[int, int, int, int]) -> Texture:
        if key not in self._mouths:
            gap, width, smile, jaw = key
            canvas = self._patch(jaw, self._mouth_window())
            state = MouthState(gap * GAP_STEP, width * WIDTH_STEP, smile * SMILE_STEP)
            paint_mouth(canvas, self.look, state)
            self._mouths[key] = _premultiplied(canvas.rgb, canvas.alpha)
        return self._mouths[key]

    def _eye(self, key: tuple[int, int]) -> Texture:
        if key not in self._eyes:
            canvas = self._patch(0, self._eye_window())
            paint_eyes(canvas, self.look, key[0] / LID_STEPS, key[1] / GAZE_STEPS)
            self._eyes[key] = _premultiplied(canvas.rgb, canvas.alpha)
        return self._eyes[key]


def head_box(spot: Spot) -> Box:
    """Everything that the head may cover, in pixels."""
    s = spot.size * 1.02
    return (
        spot.x + LEFT * s,
        spot.y + TOP * s,
        spot.x + RIGHT * s,
        spot.y + BOTTOM * s,
    )


def face_box(look: Look, spot: Spot) -> Box:
    """The face from brows to chin and ear to ear, in pixels, when the head is at rest."""
    wide = look.width * spot.size
    return (spot.x - wide, spot.y - 0.55 * spot.size, spot.x + wide, spot.y + CHIN * spot.size)


def _turned(u: Floats, v: Floats, depth: Floats, yaw: float, pitch: float) -> tuple[Floats, Floats]:
    """Where on the flat head the point is that is seen at ``(u, v)`` after turning."""
    lift = depth - 0.25
    return (
        np.asarray((u - lift * np.sin(yaw)) / np.cos(yaw), np.float32),
        np.asarray((v + lift * np.sin(pitch)) / np.cos(pitch), np.float32),
    )


def _premultiplied(rgb: Floats, alpha: Floats) -> Texture:
    cover = np.clip(alpha, 0, 1)[..., None]
    colours = np.clip(rgb, 0, 255) * cover
    return np.asarray(np.concatenate([colours, 255 * cover], -1), np.uint8)


def _smooth(field: Floats, sigma: float) -> Floats:
    import cv2

    blurred: Any = cv2.GaussianBlur(field, (0, 0), max(0.8, sigma))
    return np.asarray(blurred, np.float32)
