"""Strands: scalp hair, beard, eyebrows and lashes, grown over a head's surface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .mesh import Array, Ints

# Hairline of the base head (dm): height of the line at each depth, front to back.
_LINE_Z = (-1.2, -0.45, -0.1, 0.12, 0.30, 0.52, 0.62, 0.80, 1.0, 1.2, 1.6)
_LINE_Y = (7.55, 7.62, 7.85, 8.10, 8.42, 8.36, 8.10, 8.52, 8.72, 8.84, 8.93)


@dataclass
class Strands:
    """Polylines of one kind of hair; ``root`` says which vertex carries each strand."""

    points: Array
    root: Ints
    tone: Array
    occlusion: Array
    colour: Array
    width: float
    gloss: float


@dataclass(frozen=True)
class Surface:
    """What strands grow on: fine vertices with base-space twins, normals and triangles."""

    verts: Array
    base: Array
    normals: Array
    triangles: Ints

    def sample(self, weight: Array, count: int, rng: np.random.Generator) -> tuple[Ints, Array]:
        """``count`` random (triangle, barycentric) pairs, dense where ``weight`` is high."""
        tri = self.triangles
        a, b, c = (self.verts[tri[:, i]] for i in range(3))
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1) * weight[tri].mean(1)
        chosen = rng.choice(len(tri), count, p=area / area.sum())
        w = rng.dirichlet((1, 1, 1), count)
        return chosen, w

    def at(self, values: Array, chosen: Ints, w: Array) -> Array:
        """Interpolated vertex values at samples."""
        return np.asarray(np.einsum("nk,nk...->n...", w, values[self.triangles[chosen]]))


def hairline(base: Array, raise_by: float = 0.0) -> Array:
    """Signed height above the hairline (dm) of base-space points."""
    line = np.interp(base[:, 2], _LINE_Z, _LINE_Y)
    front = np.clip((base[:, 2] - 0.75) / 0.3, 0, 1)
    temple = np.clip((np.abs(base[:, 0]) - 0.35) / 0.4, 0, 1) * 0.10 * front
    return np.asarray(base[:, 1] - line - temple - raise_by * front)


def _unit(v: Array) -> Array:
    return np.asarray(v / (np.linalg.norm(v, axis=-1, keepdims=True) + 1e-9))


def grow(
    roots: Array,
    normal: Array,
    length: Array,
    comb: Callable[[Array, float], Array],
    lift: Array,
    points: int,
    body: tuple[cKDTree, Array, Array],
    stand: float,
    hug: Callable[[Array], Array],
) -> tuple[Array, Array]:
    """Grow strands step by step along ``comb``, pushed out of the ``body`` to height ``lift``.

    Returns the points and, for shading, the height of each above the surface.
    """
    tree, verts, normals = body
    out = np.empty((len(roots), points, 3))
    high = np.zeros((len(roots), points))
    p, heading = roots.copy(), normal.copy()
    out[:, 0] = p
    step = (length / (points - 1))[:, None]
    for k in range(1, points):
        t = k / (points - 1)
        mix = np.clip(t * 3.2 / (1 + stand), 0, 1)
        heading = _unit(heading * 0.55 + 0.45 * _unit((1 - mix) * normal + mix * comb(p, t)))
        p = p + heading * step
        _, near = tree.query(p, k=4)
        n = _unit(normals[near].mean(1))
        gap = ((p - verts[near].mean(1)) * n).sum(1)
        wanted = lift * min(1.0, t * 4 + 0.1)
        # Out of the skin at once; back down to the wanted height only where hair lies on the head.
        push = np.clip(wanted - gap, 0, 0.12) - hug(p) * np.clip(gap - wanted, 0, 0.06)
        p = p + n * push[:, None]
        gap = gap + push
        out[:, k] = p
        high[:, k] = gap
    return out, high


def clump(points: Array, groups: int, strength: float, rng: np.random.Generator) -> Array:
    """Pull strands towards their nearest guide strand, more and more towards the tip."""
    guides = rng.choice(len(points), groups, replace=False)
    _, near = cKDTree(points[guides, 0]).query(points[:, 0])
    t = np.linspace(0, 1, points.shape[1])[None, :, None] ** 0.8
    target = points[guides][near]
    offset = rng.normal(0, 0.012, (len(points), 1, 3))
    return np.asarray(points + strength * t * (target + offset - points))


def scalp(
    surface: Surface,
    style: str,
    count: int,
    body: tuple[cKDTree, Array, Array],
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Points and occlusion of the scalp hair in one of the known styles."""
    above = hairline(surface.base, {"long": -0.02, "side": 0.0, "crop": 0.03}[style])
    jitter = rng.normal(0, 0.03, len(above))
    weight = np.clip((above + jitter) / 0.06, 0, 1) * not_ear(surface.base)
    weight = np.where(surface.base[:, 1] > 7.4, weight, 0.0)
    chosen, w = surface.sample(weight + 1e-12, count, rng)
    roots, normal = surface.at(surface.verts, chosen, w), surface.at(surface.normals, chosen, w)
    base = surface.at(surface.base, chosen, w)
    build = {"long": _long, "side": _side, "crop": _crop}[style]
    points, high, thick = build(roots, _unit(normal), base, body, rng)
    t = np.linspace(0, 1, points.shape[1])
    occlusion = np.clip(0.22 + 0.7 * high / thick, 0.2, 1.0) * (0.55 + 0.45 * np.minimum(1, 3 * t))
    return points, occlusion


def not_ear(base: Array) -> Array:
    """Zero on the outer ear."""
    ear = (np.abs(base[:, 0]) > 0.74) & (base[:, 1] < 8.45) & (base[:, 1] > 7.8)
    return np.asarray(np.where(ear & (base[:, 2] < 0.62) & (base[:, 2] > -0.05), 0.0, 1.0))


Grown = tuple[Array, Array, float]


def _long(
    roots: Array,
    normal: Array,
    base: Array,
    body: tuple[cKDTree, Array, Array],
    rng: np.random.Generator,
) -> Grown:
    """Parted off-centre, combed down behind the cheeks to the collar bones."""
    side = np.where(base[:, 0] > 0.12, 1.0, -1.0)

    def comb(p: Array, t: float) -> Array:
        down = np.clip((8.95 - p[:, 1]) / 0.5, 0, 1)
        out = np.stack([side * (1.0 - 0.92 * down), -0.25 - 1.3 * down, -0.50 * (1 - down)], 1)
        # Keep the curtain off the face: strands that fall in front are swept back.
        face = np.clip((p[:, 2] - 0.75) / 0.3, 0, 1) * (p[:, 1] < 8.75) * (p[:, 1] > 7.3)
        out[:, 2] -= 1.1 * face
        out[:, 0] += 0.8 * side * face
        # Ends turn in a little.
        out[:, 0] -= 0.25 * side * np.clip((7.2 - p[:, 1]) / 0.6, 0, 1)
        return _unit(out)

    length = np.clip(3.05 - 1.05 * (9.3 - base[:, 1]), 1.2, 3.1) + rng.normal(0, 0.07, len(roots))
    lift = rng.uniform(0.03, 0.21, len(roots))
    points, high = grow(
        roots,
        normal,
        length,
        comb,
        lift,
        34,
        body,
        0.0,
        lambda p: np.clip((p[:, 1] - 7.2) / 1.2, 0, 1),
    )
    points = clump(points, 520, 0.45, rng)
    wave = np.linspace(0, 1, 34)[None] * 6.5 + rng.normal(0, 0.5, len(roots))[:, None]
    ramp = np.linspace(0, 1, 34)[None] ** 1.5
    points[..., 0] += 0.022 * ramp * np.sin(wave)
    points[..., 2] += 0.022 * ramp * np.cos(wave)
    return points, high, 0.20


def _side(
    roots: Array,
    normal: Array,
    base: Array,
    body: tuple[cKDTree, Array, Array],
    rng: np.random.Generator,
) -> Grown:
    """Short sides, longer top swept from a side parting."""
    top = np.clip((base[:, 1] - 8.75) / 0.35, 0, 1)

    def comb(p: Array, t: float) -> Array:
        sweep = np.stack([np.full(len(p), -0.85), np.full(len(p), 0.15), 0.35 - 0.9 * t * top], 1)
        down = np.stack([np.zeros(len(p)), np.full(len(p), -1.0), np.full(len(p), -0.45)], 1)
        return _unit(top[:, None] * sweep + (1 - top[:, None]) * down)

    length = 0.16 + 0.52 * top + rng.normal(0, 0.03, len(roots)) * (0.4 + top)
    lift = 0.02 + (0.03 + 0.17 * top) * rng.uniform(0, 1, len(roots))
    points, high = grow(
        roots,
        normal,
        np.maximum(length, 0.08),
        comb,
        lift,
        12,
        body,
        0.5,
        lambda p: np.full(len(p), 0.8),
    )
    return clump(points, 700, 0.55, rng), high, 0.16


def _crop(
    roots: Array,
    normal: Array,
    base: Array,
    body: tuple[cKDTree, Array, Array],
    rng: np.random.Generator,
) -> Grown:
    """Very short, tightly curled."""
    fade = np.clip((base[:, 1] - 8.2) / 0.6, 0.15, 1)
    heading = _unit(normal + rng.normal(0, 0.9, roots.shape))

    def comb(p: Array, t: float) -> Array:
        return heading

    length = (0.05 + 0.13 * fade) * rng.uniform(0.7, 1.2, len(roots))
    lift = 0.01 + 0.05 * fade * rng.uniform(0, 1, len(roots))
    points, high = grow(roots, normal, length, comb, lift, 7, body, 0.5, lambda p: np.zeros(len(p)))
    curl = np.linspace(0, 9, 7)[None] + rng.uniform(0, 6, len(roots))[:, None]
    points[..., 0] += 0.014 * np.sin(curl)
    points[..., 1] += 0.014 * np.cos(curl)
    return points, high, 0.07


def beard_weight(base: Array, style: str) -> Array:
    """Where a beard grows on the base face: ``full`` or ``goatee``."""
    x, y, z = np.abs(base[:, 0]), base[:, 1], base[:, 2]
    if style == "goatee":
        low = np.interp(x, (0.0, 0.1, 0.22, 0.3), (7.41, 7.40, 7.36, 7.30))
        chin = np.clip((0.27 - x) / 0.08, 0, 1) * np.clip((low - y) / 0.03, 0, 1)
        chin *= np.clip((y - 7.14) / 0.06, 0, 1) * (z > 1.0)
        top = np.interp(x, (0.0, 0.12, 0.36), (7.76, 7.76, 7.62))
        lip = np.clip((0.37 - x) / 0.05, 0, 1) * np.clip((top - y) / 0.03, 0, 1) * (z > 1.2)
        lip *= y > np.interp(x, (0.0, 0.25, 0.37), (7.55, 7.55, 7.50))
        return np.asarray(np.maximum(chin, lip), float)
    # Upper edge runs from the moustache along the cheek up to the sideburn.
    edge = np.interp(x, (0.0, 0.2, 0.34, 0.5, 0.66, 0.8), (7.83, 7.82, 7.74, 7.76, 7.97, 8.25))
    low = np.interp(z, (0.3, 0.6, 1.1, 1.5), (7.55, 7.28, 7.08, 7.12))
    out = np.clip((edge - y) / 0.07, 0, 1) * np.clip((y - low) / 0.10, 0, 1)
    return np.asarray(out * np.clip((z - 0.50) / 0.12, 0, 1))


def brow_weight(base: Array, thick: float, side: float) -> Array:
    """Where one eyebrow grows (``side`` +1 or -1)."""
    x, y = base[:, 0] * side, base[:, 1]
    centre = np.interp(x, (0.10, 0.22, 0.40, 0.50, 0.60), (8.375, 8.40, 8.432, 8.415, 8.355))
    half = thick * np.interp(x, (0.10, 0.16, 0.36, 0.60), (0.012, 0.026, 0.022, 0.007))
    inside = np.clip((half - np.abs(y - centre)) / 0.012, 0, 1)
    return np.asarray(inside * (x > 0.115) * (x < 0.60) * (base[:, 2] > 0.9))
