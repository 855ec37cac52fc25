"""Turns posed people into a picture: camera, shadow map, shading, compositing."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from . import raster, shade
from .mesh import Array
from .person import Person, Posed

SHADOW = 640
# dm across that the shadow map covers, centred on the head.
_REACH = 3.4


@dataclass(frozen=True)
class Camera:
    """Pinhole at ``eye`` looking along -z; ``focal`` in widths of the picture."""

    eye: tuple[float, float, float]
    focal: float


@dataclass
class Layer:
    """Linear-light RGB and coverage of the part of the picture that begins at ``left, top``."""

    rgb: NDArray[np.float32]
    alpha: NDArray[np.float32]
    left: int
    top: int


def _lights(scale: tuple[float, float, float], side: float) -> Array:
    flip = np.array([side, 1.0, 1.0])
    return np.stack(
        [
            shade.KEY * flip,
            shade.FILL * flip,
            shade.RIM * flip,
            shade.KEY_RGB * scale[0],
            shade.FILL_RGB * scale[1],
            shade.RIM_RGB * scale[2],
        ]
    )


def _shadow_map(person: Person, posed: Posed, key: Array) -> tuple[Array, Array]:
    """Depth along the key light, and the affine map from world to (u, v, depth)."""
    side = np.cross([0.0, 1.0, 0.0], key)
    side /= np.linalg.norm(side)
    up = np.cross(key, side)
    head = posed.verts[: person.n_skin].max(0)[1]
    centre = posed.verts[: person.n_skin].mean(0)
    centre[1] = head - 1.3
    zoom = SHADOW / _REACH
    frame = np.zeros((3, 4))
    frame[0, :3], frame[1, :3], frame[2, :3] = side * zoom, -up * zoom, -key
    frame[:, 3] = -frame[:, :3] @ centre + np.array([SHADOW / 2, SHADOW / 2, 20.0])
    depth = np.full((SHADOW, SHADOW), raster.FAR)
    owner = np.zeros((SHADOW, SHADOW), np.int32)
    bary = np.zeros((SHADOW, SHADOW, 2), np.float32)
    q = posed.verts @ frame[:, :3].T + frame[:, 3]
    raster.fill_triangles(q[:, :2].copy(), q[:, 2].copy(), person.tris, depth, owner, bary, 0)
    for strands, pts in posed.strands:
        if strands.points.shape[1] < 6:
            continue
        h = pts @ frame[:, :3].T + frame[:, 3]
        size = np.full(h.shape[:2], strands.width * zoom * 0.5)
        raster.fill_strands(
            h[..., :2].copy(), h[..., 2].copy(), size, depth, owner, bary[..., 0], 0
        )
    return depth, frame


def draw(
    person: Person,
    posed: Posed,
    camera: Camera,
    size: tuple[int, int],
    lights: tuple[float, float, float] = (1.0, 1.0, 1.0),
    detail: float = 1.0,
    side: float = 1.0,
) -> Layer:
    """Render one person at ``size`` (width, height); supersampling is the caller's choice.

    ``lights`` scales key, fill and rim light; ``side`` -1 mirrors them left to right.
    """
    width, height = size
    eye = np.array(camera.eye)
    light = _lights(lights, side)
    shadow, frame = _shadow_map(person, posed, light[0])

    def project(p: Array) -> tuple[Array, Array]:
        z = eye[2] - p[..., 2]
        f = camera.focal * width / z
        x = width / 2 + f * (p[..., 0] - eye[0])
        return np.stack([x, height / 2 - f * (p[..., 1] - eye[1])], -1), z

    flat = [project(posed.verts), *(project(pts) for _, pts in posed.strands)]
    # Only the rectangle that the person covers is drawn, on even pixels for the downsampling.
    low = np.min([xy.reshape(-1, 2).min(0) for xy, _ in flat], 0) - 4
    high = np.max([xy.reshape(-1, 2).max(0) for xy, _ in flat], 0) + 4
    left, top = (int(v) // 4 * 4 for v in np.clip(low, 0, (width - 4, height - 4)))
    right, bottom = (int(v) // 4 * 4 + 4 for v in np.clip(high, 4, (width - 4, height - 4)))
    shape = (max(4, bottom - top), max(4, right - left))
    depth = np.full(shape, raster.FAR)
    owner = np.full(shape, -1, np.int32)
    bary = np.zeros((*shape, 2), np.float32)
    shift = np.array([left, top], float)
    raster.fill_triangles(flat[0][0] - shift, flat[0][1], person.tris, depth, owner, bary, 0)
    bases, count = [], len(person.tris)
    for (strands, pts), (hxy, hz) in zip(posed.strands, flat[1:], strict=True):
        half = 0.5 * strands.width * camera.focal * width / hz
        half[:, -1] *= 0.4
        raster.fill_strands(hxy - shift, hz, half, depth, owner, bary[..., 0], count)
        bases.append(count)
        count += len(pts)
    rgb = _surfaces(person, posed, owner, bary, eye, shadow, frame, light, detail, width)
    for (strands, pts), base in zip(posed.strands, bases, strict=True):
        shade.strands(
            owner,
            bary[..., 0],
            base,
            pts,
            strands.colour,
            strands.tone,
            strands.occlusion,
            eye,
            shadow,
            frame,
            light,
            strands.gloss,
            rgb,
        )
    return Layer(rgb, (owner >= 0).astype(np.float32), left, top)


def _surfaces(
    person: Person,
    posed: Posed,
    owner: NDArray[np.int32],
    bary: NDArray[np.float32],
    eye: Array,
    shadow: Array,
    frame: Array,
    lights: Array,
    detail: float,
    width: int,
) -> NDArray[np.float32]:
    """Shade triangles and let light bleed a little under the skin, red furthest."""
    soft, albedo, spec = (np.zeros((*owner.shape, 3), np.float32) for _ in range(3))
    mask = np.zeros(owner.shape, np.float32)
    surface = np.where(owner < len(person.tris), owner, -1).astype(np.int32)
    extra = np.stack([person.ao, person.gloss, person.inside], 1)
    shade.surfaces(
        surface,
        bary,
        person.tris,
        posed.verts,
        posed.normals,
        person.base,
        person.colour,
        extra,
        person.kinds,
        np.array(person.look.iris),
        np.array(person.look.cloth),
        eye,
        shadow,
        frame,
        lights,
        detail,
        soft,
        albedo,
        spec,
        mask,
    )
    # Red travels about a millimetre and a half under skin, green and blue less.
    scale = width / 1920
    for c, sigma in enumerate((3.2, 1.7, 1.1)):
        s = max(0.5, sigma * scale * detail)
        blurred = cv2.GaussianBlur(soft[..., c] * mask, (0, 0), s)
        weight = cv2.GaussianBlur(mask, (0, 0), s) + 1e-4
        soft[..., c] = np.where(mask > 0, blurred / weight, soft[..., c])
    return soft * albedo + spec


def tonemap(linear: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Filmic curve and sRGB gamma, to 8-bit BGR."""
    x = np.maximum(linear * 0.70, 0)
    y = (x * (2.51 * x + 0.03)) / (x * (2.43 * x + 0.59) + 0.14)
    y = np.clip(y, 0, 1)
    srgb = np.where(y < 0.0031308, 12.92 * y, 1.055 * y ** (1 / 2.4) - 0.055)
    return (srgb[..., ::-1] * 255 + 0.5).astype(np.uint8)
