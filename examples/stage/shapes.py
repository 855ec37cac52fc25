"""Simple solids: spheres, tubes, spectacles, and directions for sampling the sky."""

from __future__ import annotations

import numpy as np

from .mesh import Array, Ints


def directions(count: int) -> Array:
    """Directions spread evenly over the upper three quarters of the sphere."""
    i = np.arange(count) + 0.5
    y = 1 - 1.6 * i / count
    turn = np.pi * (1 + 5**0.5) * i
    r = np.sqrt(np.maximum(0, 1 - y * y))
    return np.stack([r * np.cos(turn), y, r * np.sin(turn)], 1)


def view(direction: Array) -> Array:
    """Orthonormal frame whose third axis is ``direction``."""
    side = np.cross([0.13, 1.0, 0.07], direction)
    side /= np.linalg.norm(side)
    return np.stack([side, np.cross(direction, side), direction])


def sphere(around: int, up: int) -> tuple[Array, Ints]:
    """Unit sphere with its pole along +z."""
    theta = np.linspace(0, np.pi, up + 1)
    phi = np.linspace(0, 2 * np.pi, around, endpoint=False)
    t, p = np.meshgrid(theta, phi, indexing="ij")
    verts = np.stack([np.sin(t) * np.cos(p), np.sin(t) * np.sin(p), np.cos(t)], -1).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(up), np.arange(around), indexing="ij")
    a, b = i * around + j, i * around + (j + 1) % around
    quads = np.stack([a, a + around, b + around, b], -1).reshape(-1, 4)
    return verts, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def tube(path: Array, radius: float, closed: bool) -> tuple[Array, Ints]:
    """Round tube along a polyline."""
    ahead = np.roll(path, -1, 0) - np.roll(path, 1, 0)
    if not closed:
        ahead[0], ahead[-1] = path[1] - path[0], path[-1] - path[-2]
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    side = np.cross(ahead, np.array([0.05, 0.11, 1.0]))
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(ahead, side)
    ang = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    ring = np.cos(ang)[None, :, None] * side[:, None] + np.sin(ang)[None, :, None] * other[:, None]
    verts = (path[:, None] + radius * ring).reshape(-1, 3)
    n = len(path)
    i, j = np.meshgrid(np.arange(n if closed else n - 1), np.arange(8), indexing="ij")
    a, b = i * 8 + j, i * 8 + (j + 1) % 8
    c, d = ((i + 1) % n) * 8 + (j + 1) % 8, ((i + 1) % n) * 8 + j
    quads = np.stack([a, b, c, d], -1).reshape(-1, 4)
    return verts, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def glasses(centres: list[Array], over_ear: Array) -> list[tuple[Array, Ints]]:
    """Round-cornered frame: two rims, a bridge and the temples."""
    out = []
    front = max(c[2] for c in centres) + 0.30
    ang = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    power = 2 / 3.2
    across, upward = (np.sign(f(ang)) * np.abs(f(ang)) ** power for f in (np.cos, np.sin))
    for c in centres:
        side = np.sign(c[0])
        x = c[0] + 0.015 * side + 0.265 * across
        y = c[1] - 0.035 + 0.205 * upward
        z = front - 0.22 * (np.abs(x) - 0.1).clip(0) ** 1.6
        out.append(tube(np.stack([x, y, z], 1), 0.019, True))
        hinge = np.array([c[0] + 0.28 * side, c[1] + 0.06, front - 0.10])
        ear = over_ear * np.array([side, 1.0, 1.0])
        path = np.linspace(0, 1, 10)[:, None]
        bow = hinge * (1 - path) + ear * path
        bow[:, 0] += side * 0.06 * np.sin(np.pi * path[:, 0])
        out.append(tube(bow, 0.017, False))
    t = np.linspace(-1, 1, 9)
    half = abs(centres[0][0]) - 0.245
    bridge = np.stack([t * half, centres[0][1] + 0.05 + 0.03 * (1 - t**2), 0 * t + front], 1)
    out.append(tube(bridge, 0.018, False))
    return out
