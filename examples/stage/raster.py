"""A small z-buffered software rasteriser (numba): triangles, strands and shadow maps."""

from __future__ import annotations

import numpy as np
from numba import njit

FAR = 1e9


@njit(cache=True, fastmath=True)
def fill_triangles(xy, z, tris, depth, owner, bary, base):  # type: ignore[no-untyped-def]
    """Rasterise triangles; ``owner`` gets the triangle number + base, ``bary`` two weights."""
    height, width = depth.shape
    for t in range(tris.shape[0]):
        a, b, c = tris[t, 0], tris[t, 1], tris[t, 2]
        ax, ay, bx, by, cx, cy = xy[a, 0], xy[a, 1], xy[b, 0], xy[b, 1], xy[c, 0], xy[c, 1]
        if z[a] <= 0.1 or z[b] <= 0.1 or z[c] <= 0.1:
            continue
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0.0:
            continue
        x0 = max(0, int(np.ceil(min(ax, bx, cx) - 0.5)))
        x1 = min(width - 1, int(np.floor(max(ax, bx, cx) - 0.5)))
        y0 = max(0, int(np.ceil(min(ay, by, cy) - 0.5)))
        y1 = min(height - 1, int(np.floor(max(ay, by, cy) - 0.5)))
        inv = 1.0 / area
        for y in range(y0, y1 + 1):
            py = y + 0.5
            for x in range(x0, x1 + 1):
                px = x + 0.5
                u = ((bx - px) * (cy - py) - (by - py) * (cx - px)) * inv
                v = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) * inv
                w = 1.0 - u - v
                if u < 0.0 or v < 0.0 or w < 0.0:
                    continue
                d = u * z[a] + v * z[b] + w * z[c]
                if d < depth[y, x]:
                    depth[y, x] = d
                    owner[y, x] = base + t
                    bary[y, x, 0] = u
                    bary[y, x, 1] = v


@njit(cache=True, fastmath=True)
def fill_strands(xy, z, size, depth, owner, along, base):  # type: ignore[no-untyped-def]
    """Rasterise polylines ``xy[s, k]``; ``size`` is the half width in pixels at each point."""
    height, width = depth.shape
    count, points = z.shape
    for s in range(count):
        for k in range(points - 1):
            if z[s, k] <= 0.1 or z[s, k + 1] <= 0.1:
                continue
            xa, ya = xy[s, k, 0], xy[s, k, 1]
            dx, dy = xy[s, k + 1, 0] - xa, xy[s, k + 1, 1] - ya
            steps = int(max(abs(dx), abs(dy))) + 1
            for i in range(steps):
                f = i / steps
                half = size[s, k] * (1 - f) + size[s, k + 1] * f
                d = z[s, k] * (1 - f) + z[s, k + 1] * f
                px, py = xa + dx * f, ya + dy * f
                x0, x1 = int(np.floor(px - half + 0.5)), int(np.floor(px + half + 0.5))
                y0, y1 = int(np.floor(py - half + 0.5)), int(np.floor(py + half + 0.5))
                if x1 == x0:
                    x1 = x0 + 1
                if y1 == y0:
                    y1 = y0 + 1
                for y in range(max(0, y0), min(height, y1)):
                    for x in range(max(0, x0), min(width, x1)):
                        if d < depth[y, x]:
                            depth[y, x] = d
                            owner[y, x] = base + s
                            along[y, x] = (k + f) / (points - 1)
