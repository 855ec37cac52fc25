"""Paints a head once, and its mouth and eyes in every state that is needed.

A head is a picture with depth: colours, coverage and a height field. The height field shades the
skin here, and lets the head turn later (:mod:`polydub.simulate.head`). Everything is in head units:
``u`` to the right, ``v`` down, 1 = half the height of the face, the origin between nose and eyes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polydub.simulate.looks import RGB, Look

Floats = npt.NDArray[np.float32]

LEFT, TOP, RIGHT, BOTTOM = -1.5, -1.65, 1.5, 1.75
"""The part of the head-unit plane that a head picture covers."""
CHIN = 1.08
_LIGHT = np.array([-0.38, -0.55, 0.75]) / np.linalg.norm([-0.38, -0.55, 0.75])


@dataclass(frozen=True, slots=True)
class MouthState:
    """``gap`` between the inner lips in head units, ``width`` against rest, ``smile`` 0..1.

    ``teeth`` 0..1 shows the upper teeth; ``jaw`` moves the chin down without opening the lips.
    """

    gap: float = 0.0
    width: float = 1.0
    smile: float = 0.0
    jaw: float = 0.0


class Canvas:
    """A picture in head units with ``density`` pixels per unit, and brushes with soft edges."""

    def __init__(self, window: tuple[float, float, float, float], density: float) -> None:
        left, top, right, bottom = window
        self.density = density
        columns = round((right - left) * density)
        rows = round((bottom - top) * density)
        v, u = np.mgrid[0:rows, 0:columns].astype(np.float32)
        self.u: Floats = (left + (u + 0.5) / density).astype(np.float32)
        self.v: Floats = (top + (v + 0.5) / density).astype(np.float32)
        self.rgb: Floats = np.zeros((rows, columns, 3), np.float32)
        self.alpha: Floats = np.zeros((rows, columns), np.float32)

    def soft(self, inside: Floats, edge: float = 0.0) -> Floats:
        """Coverage from a signed distance in head units (> 0 inside)."""
        width = max(edge, 1.2 / self.density)
        return np.clip(inside / width + 0.5, 0, 1)

    def ellipse(self, u: float, v: float, wide: float, high: float, edge: float = 0.0) -> Floats:
        """Coverage of an ellipse."""
        distance = np.hypot((self.u - u) / wide, (self.v - v) / high)
        return self.soft(((1 - distance) * min(wide, high)).astype(np.float32), edge)

    def paint(self, mask: Floats, colour: RGB | Floats) -> None:
        """Blend ``colour`` in and extend the coverage."""
        mask = np.asarray(mask, np.float32)
        covered = mask + self.alpha * (1 - mask)
        share = (mask / np.maximum(covered, 1e-6))[..., None]
        self.rgb = self.rgb * (1 - share) + np.asarray(colour, np.float32) * share
        self.alpha = covered

    def tint(self, mask: Floats, factor: float) -> None:
        """Darken (< 1) or lighten by ``factor`` where ``mask`` is."""
        self.rgb = self.rgb * (1 + (factor - 1) * mask[..., None])


def bump(canvas: Canvas, u: float, v: float, wide: float, high: float) -> Floats:
    """A smooth hill of height 1."""
    return np.exp(-(((canvas.u - u) / wide) ** 2) - ((canvas.v - v) / high) ** 2).astype(np.float32)


@dataclass(slots=True, eq=False)
class Head:
    """The painted head without mouth and open eyes: ``rgb`` and ``alpha`` 0..255 / 0..1, ``depth``.

    ``depth`` is in head units, largest at the nose.
    """

    look: Look
    density: float
    rgb: Floats
    alpha: Floats
    depth: Floats


def paint_head(look: Look, density: float) -> Head:
    """The head of ``look`` from the front, mouth shut and eyes unpainted."""
    canvas = Canvas((LEFT, TOP, RIGHT, BOTTOM), density)
    depth = _relief(canvas, look)
    _hair_behind(canvas, look)
    for side in (-1.0, 1.0):
        canvas.paint(
            canvas.ellipse(side * (look.width + 0.03), 0.06, 0.11, 0.21), _x(look.skin, 0.8)
        )
        canvas.tint(0.6 * canvas.ellipse(side * (look.width + 0.04), 0.07, 0.05, 0.12, 0.06), 0.6)
    face = outline(canvas, look)
    canvas.paint(face, _skin(canvas, look, depth))
    _features(canvas, look)
    if look.beard:
        _beard(canvas, look, face)
    _hair_front(canvas, look, face)
    return Head(look, density, canvas.rgb, canvas.alpha, depth)


def paint_back(look: Look, density: float) -> Head:
    """The same head from behind."""
    canvas = Canvas((LEFT, TOP, RIGHT, BOTTOM), density)
    depth = 0.7 * bump(canvas, 0, -0.1, 0.9, 1.1)
    for side in (-1.0, 1.0):
        canvas.paint(
            canvas.ellipse(side * (look.width + 0.05), 0.06, 0.11, 0.2), _x(look.skin, 0.7)
        )
    canvas.paint(canvas.ellipse(0, 0.05, look.width, 0.95), _x(look.skin, 0.75))
    if look.hair != "bald":
        low = 1.2 if look.hair in ("long", "bob") else 0.8
        canvas.paint(
            canvas.soft((low - canvas.v).astype(np.float32), 0.1)
            * canvas.ellipse(0, -0.1, look.width + 0.14, 1.25),
            _strands(canvas, look),
        )
    return Head(look, density, canvas.rgb, canvas.alpha, np.asarray(depth, np.float32))


def outline(canvas: Canvas, look: Look) -> Floats:
    """Coverage of the face: round above, tapering to the chin by ``look.jaw``."""
    up = np.clip((0.08 - canvas.v) / 1.05, 0, 1)
    down = np.clip((canvas.v - 0.08) / (CHIN - 0.08), 0, 1)
    half = look.width * np.sqrt(1 - up**2) * (1 - down**look.jaw) ** 0.62
    inside = np.where((canvas.v > -1) & (canvas.v < CHIN), half - np.abs(canvas.u), -1.0)
    return canvas.soft(inside.astype(np.float32), 0.03)


def _x(colour: RGB, factor: float) -> RGB:
    r, g, b = (min(255.0, c * factor) for c in colour)
    return (r, g, b)


def _relief(canvas: Canvas, look: Look) -> Floats:
    """Height of the face above the plane of the ears."""
    u, v = canvas.u, canvas.v
    body = np.clip(
        1 - 0.85 * (u / (look.width + 0.08)) ** 2 - 0.62 * ((v - 0.02) / 1.12) ** 2, 0, 1
    )
    depth = 0.72 * np.sqrt(body)
    rise = np.clip((v + 0.25) / (look.nose + 0.25), 0, 1) * (v < look.nose + 0.03)
    depth += 0.20 * rise * np.exp(-((u / (0.085 * look.nose_width)) ** 2))
    depth += 0.12 * bump(canvas, 0, look.nose - 0.03, 0.10 * look.nose_width, 0.085)
    for side in (-1.0, 1.0):
        depth += 0.06 * bump(canvas, side * 0.105 * look.nose_width, look.nose, 0.06, 0.06)
        depth -= 0.11 * bump(canvas, side * look.eyes, look.eye_height + 0.01, 0.19, 0.13)
        depth += 0.05 * bump(canvas, side * look.eyes, look.eye_height - 0.22, 0.24, 0.07)
        depth += 0.07 * bump(canvas, side * 0.42, 0.27, 0.20, 0.20)
    depth += 0.07 * bump(canvas, 0, look.mouth_height, 0.30, 0.22)
    depth += 0.08 * bump(canvas, 0, 0.90, 0.22, 0.14)
    depth -= 0.04 * bump(canvas, 0, look.mouth_height + 0.19, 0.18, 0.05)
    return np.asarray(depth, np.float32)


def _skin(canvas: Canvas, look: Look, depth: Floats) -> Floats:
    """Skin lit from the upper left, with blush, pores and lines of age."""
    dv, du = np.gradient(depth * canvas.density)
    normal = np.stack([-du, -dv, np.ones_like(depth)], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    lit = np.clip(normal @ _LIGHT, 0, 1)
    shine = np.clip(normal @ _LIGHT, 0, 1) ** 24
    rng = np.random.default_rng(round(1000 * look.width))
    pores = rng.normal(0, 1, depth.shape)
    shade = 0.50 + 0.62 * lit + 0.012 * pores
    colour = np.asarray(look.skin, np.float32) * shade[..., None].astype(np.float32)
    colour += 26 * shine[..., None]
    for side in (-1.0, 1.0):
        blush = bump(canvas, side * 0.42, 0.30, 0.20, 0.14)[..., None]
        colour *= 1 - 0.12 * blush * np.array([0.0, 1.0, 0.9])
        fold = np.abs(canvas.u - side * (0.17 + 0.22 * (canvas.v - look.nose))) / 0.02
        line = np.exp(-(fold**2)) * ((canvas.v > look.nose) & (canvas.v < look.mouth_height))
        colour *= 1 - (0.04 + 0.14 * look.age) * line[..., None]
    return np.asarray(np.clip(colour, 0, 255), np.float32)


def _features(canvas: Canvas, look: Look) -> None:
    """Nostrils, brows, and what surrounds the eyes."""
    skin = look.skin
    for side in (-1.0, 1.0):
        u = side * 0.065 * look.nose_width
        canvas.paint(0.85 * canvas.ellipse(u, look.nose + 0.035, 0.034, 0.02, 0.03), _x(skin, 0.36))
        wing = canvas.ellipse(side * 0.13 * look.nose_width, look.nose, 0.02, 0.05, 0.05)
        canvas.tint(0.5 * wing, 0.72)
        socket = bump(canvas, side * look.eyes, look.eye_height, 0.20, 0.13)
        canvas.tint(0.30 * socket, 0.62)
        along = (canvas.u * side - look.eyes) / 0.2
        arch = look.eye_height - look.brow_height + 0.05 * along**2 - look.brow_tilt * along * 0.3
        thick = 0.034 * look.brow * np.clip(1.15 - 0.35 * along, 0.3, 1.3)
        inside = np.minimum(thick - np.abs(canvas.v - arch), 0.2 * (1.12 - np.abs(along)))
        brow = canvas.soft(inside.astype(np.float32), 0.03)
        tone = tuple(0.75 * h + 0.12 * s for h, s in zip(look.hair_colour, skin, strict=True))
        canvas.paint(0.85 * brow, np.array(tone, np.float32))
    if look.age > 0.6:
        for k in range(3):
            canvas.tint(0.10 * bump(canvas, 0, -0.52 - 0.11 * k, 0.4, 0.012), 0.5)


def paint_eyes(canvas: Canvas, look: Look, lid: float, gaze: float) -> None:
    """Both eyes; ``lid`` 1 open .. 0 shut, ``gaze`` -1 .. 1 looks sideways."""
    for side in (-1.0, 1.0):
        wide = 0.145 * look.eye_size
        along = (canvas.u - side * look.eyes) / wide
        tilt = look.eye_height - look.eye_tilt * 0.25 * side * (canvas.u - side * look.eyes)
        bow = np.clip(1 - along**2, 0, 1) ** 0.75
        upper = tilt - lid * 0.072 * look.eye_size * bow + (1 - lid) * 0.03 * bow
        lower = tilt + 0.044 * look.eye_size * bow
        inside = np.minimum(canvas.v - upper, lower - canvas.v)
        inside = np.where(np.abs(along) < 1, inside, -1.0)
        white = canvas.soft(inside.astype(np.float32))
        if lid > 0.15:
            canvas.paint(white, (228, 224, 220))
            centre = side * look.eyes + 0.045 * gaze
            ball = canvas.ellipse(centre, look.eye_height - 0.008, 0.068, 0.068) * white
            canvas.paint(ball, look.iris)
            pupil = canvas.ellipse(centre, look.eye_height - 0.008, 0.03, 0.03) * white
            canvas.paint(pupil, (10, 8, 8))
            glint = canvas.ellipse(centre - 0.02, look.eye_height - 0.03, 0.014, 0.014) * white
            canvas.paint(0.9 * glint, (250, 250, 250))
            canvas.tint(white * np.exp(-(((canvas.v - upper) / 0.03) ** 2)), 0.66)
        lash = np.exp(-(((canvas.v - upper) / 0.016) ** 2)) * (np.abs(along) < 1.06)
        canvas.paint((0.85 * lash).astype(np.float32), _x(look.hair_colour, 0.55))
        crease = np.exp(-(((canvas.v - upper + 0.05) / 0.014) ** 2)) * (np.abs(along) < 0.9)
        canvas.tint((0.35 * crease).astype(np.float32), 0.6)
    if look.glasses:
        _glasses(canvas, look)


def _glasses(canvas: Canvas, look: Look) -> None:
    for side in (-1.0, 1.0):
        away = np.hypot((canvas.u - side * look.eyes) / 0.22, (canvas.v - look.eye_height) / 0.17)
        rim = canvas.soft((0.018 - np.abs(away - 1) * 0.19).astype(np.float32))
        canvas.paint(rim, (36, 30, 30))
    bridge = (np.abs(canvas.v - look.eye_height) < 0.016) & (np.abs(canvas.u) < look.eyes - 0.21)
    canvas.paint(bridge.astype(np.float32), (36, 30, 30))


def paint_mouth(canvas: Canvas, look: Look, state: MouthState) -> None:
    """Lips, and between them teeth, tongue and darkness when they are apart."""
    half = look.mouth * state.width
    along = np.clip(canvas.u / half, -1.2, 1.2)
    middle = look.mouth_height + 0.045 * state.smile * (0.4 - along**2)
    bow = np.clip(1 - along**2, 0, 1)
    lens = bow**0.65
    top = middle - 0.28 * state.gap * lens
    low = middle + 0.72 * state.gap * lens
    cupid = 1 - 0.22 * np.exp(-((along / 0.16) ** 2))
    upper = top - 0.062 * look.lip * bow**0.8 * cupid
    lower = low + 0.082 * look.lip * bow**0.62
    end = np.where(np.abs(along) < 1, 1.0, -1.0)
    lips = _between(canvas, upper, lower, end)
    tone = np.where((canvas.v < middle)[..., None], 0.86, 1.0) * np.asarray(look.lips)
    gleam = np.exp(-(((canvas.v - (low + 0.035 * look.lip)) / 0.022) ** 2) - (along / 0.5) ** 2)
    canvas.tint((0.35 * bump(canvas, 0, float(lower.max()) + 0.03, 0.17, 0.035)), 0.7)
    canvas.paint(lips, np.asarray(tone + 26 * gleam[..., None], np.float32))
    hole = _between(canvas, top, low, end)
    cavity = np.full((*canvas.u.shape, 3), (26, 8, 10), np.float32)
    tongue = canvas.ellipse(0, float(low.max()) + 0.01, 0.6 * half, 0.4 * state.gap + 0.005, 0.04)
    cavity += 0.8 * tongue[..., None] * (np.array((138, 62, 64), np.float32) - cavity)
    showing = min(0.050, 0.40 * state.gap)
    row = canvas.soft((top + showing - canvas.v).astype(np.float32))
    teeth = np.where(np.abs(along) < 0.82, row, 0.0).astype(np.float32)
    cavity += teeth[..., None] * (np.array((206, 200, 190), np.float32) - cavity)
    canvas.paint(hole, cavity)
    seam = np.exp(-(((canvas.v - 0.5 * (top + low)) / 0.011) ** 2)) * (np.abs(along) < 1.02)
    canvas.tint((seam * max(0.0, 1 - state.gap / 0.03) * 0.75).astype(np.float32), 0.45)


def _between(canvas: Canvas, upper: Floats, lower: Floats, end: Floats) -> Floats:
    inside = np.minimum(canvas.v - upper, lower - canvas.v)
    return canvas.soft(np.where(end > 0, inside, -1.0).astype(np.float32))


def _strands(canvas: Canvas, look: Look) -> Floats:
    """Hair colour with streaks and a sheen."""
    rng = np.random.default_rng(round(1000 * look.eyes))
    columns = rng.normal(0, 1, (1, canvas.u.shape[1])) + 0.5 * rng.normal(0, 1, canvas.u.shape)
    sheen = bump(canvas, -0.25, -0.85, 0.55, 0.22)
    if look.hair == "curls":
        columns = np.sin(38 * canvas.u + 3 * np.sin(21 * canvas.v)) + np.sin(33 * canvas.v)
    tone = 1 + 0.09 * columns + 0.55 * sheen
    return np.asarray(np.clip(np.asarray(look.hair_colour) * tone[..., None], 0, 255), np.float32)


def _hair_behind(canvas: Canvas, look: Look) -> None:
    if look.hair == "bald":
        return
    colour = 0.8 * _strands(canvas, look)
    wide = look.width + {"short": 0.08, "long": 0.22, "bob": 0.24, "curls": 0.30}[look.hair]
    canvas.paint(canvas.ellipse(0, -0.2, wide, 1.12 + 0.2 * (look.hair == "curls")), colour)
    low = {"long": 1.6, "bob": 0.85, "curls": 0.75}.get(look.hair, -0.1)
    side = np.minimum(wide - 0.02 - np.abs(canvas.u), np.minimum(low - canvas.v, canvas.v + 0.3))
    canvas.paint(canvas.soft(side.astype(np.float32), 0.08), colour)


def _hair_front(canvas: Canvas, look: Look, face: Floats) -> None:
    if look.hair == "bald":
        return
    line = -0.62 + look.fringe * (0.55 - 0.9 * (canvas.u / look.width) ** 2 * (look.fringe < 0.25))
    if look.hair != "short":
        line = line + 0.55 * np.clip(np.abs(canvas.u) / look.width - 0.62, 0, 1) * 3.0
    else:
        line = line + 0.9 * np.clip(np.abs(canvas.u) / look.width - 0.80, 0, 1) * 3.0
    jag = 0.02 * np.sin(47 * canvas.u + 5 * look.width)
    front = canvas.soft((line + jag - canvas.v).astype(np.float32), 0.06)
    cap = canvas.ellipse(0, -0.2, look.width + 0.08, 1.12)
    canvas.paint(front * np.maximum(face, cap), _strands(canvas, look))


def _beard(canvas: Canvas, look: Look, face: Floats) -> None:
    strength = {"stubble": 0.30, "full": 0.86, "moustache": 0.85}[look.beard]
    lip_top = look.mouth_height - 0.06 * look.lip
    out = np.abs(canvas.u) / look.mouth
    tash = np.minimum(lip_top + 0.05 * out**2 - canvas.v, canvas.v - look.nose - 0.06 - 0.08 * out)
    hair = canvas.soft(
        np.minimum(tash, look.mouth + 0.04 - np.abs(canvas.u)).astype(np.float32), 0.06
    )
    if look.beard != "moustache":
        edge = 0.30 + 0.35 * np.clip(1 - np.abs(canvas.u) / look.width, 0, 1)
        cheeks = canvas.soft((canvas.v - edge).astype(np.float32), 0.14)
        bare = canvas.ellipse(0, look.mouth_height + 0.01, look.mouth + 0.03, 0.12, 0.05)
        hair = np.maximum(hair, cheeks * (1 - bare))
    rng = np.random.default_rng(7)
    grain = 1 + 0.16 * rng.normal(0, 1, canvas.u.shape)[..., None]
    canvas.paint(strength * hair * face, np.asarray(look.hair_colour * grain, np.float32))


def paint_body(look: Look, density: float, *, back: bool = False) -> tuple[Floats, Floats]:
    """Neck, shoulders and clothes: colours and coverage of the window :data:`BODY`."""
    canvas = Canvas(BODY, density)
    shade = 0.62 if back else 0.80
    canvas.paint(
        canvas.ellipse(0, 1.0, 0.44 + 0.1 * (look.jaw > 2.6), 0.95, 0.05), _x(look.skin, shade)
    )
    canvas.tint(bump(canvas, 0, 1.02, 0.5, 0.22), 0.68)
    fall = 1.62 + 0.36 * np.clip(np.abs(canvas.u) / 1.5, 0, 1.4) ** 2.2
    neckline = 0.34 * np.clip(1 - (canvas.u / 0.42) ** 2, 0, 1) * (0 if back else 1)
    cloth = canvas.soft((canvas.v - fall - neckline).astype(np.float32), 0.03)
    cloth *= canvas.soft((1.75 - np.abs(canvas.u)).astype(np.float32), 0.2)
    light = 1.05 - 0.18 * (canvas.u + 0.4) ** 2 + 0.05 * np.sin(9 * canvas.u + 4 * canvas.v)
    canvas.paint(cloth, np.asarray(look.cloth * np.clip(light, 0.3, 1.2)[..., None], np.float32))
    return canvas.rgb, canvas.alpha


BODY = (-2.0, 0.3, 2.0, 4.6)
"""Window of the body picture in head units."""
