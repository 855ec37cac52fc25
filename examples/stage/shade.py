"""Per-pixel shading of the rasterised buffers (numba): skin, cloth, eyes, teeth, hair."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

SKIN, CLOTH, EYE, MOUTH, HARD = 0, 1, 2, 3, 4

# Key light (window, upper left), rim light (lamp, behind right); world space, unit length.
KEY = np.array([-0.52, 0.50, 0.69])
KEY /= np.linalg.norm(KEY)
RIM = np.array([0.72, 0.28, -0.63])
RIM /= np.linalg.norm(RIM)
FILL = np.array([0.62, 0.05, 0.78])
FILL /= np.linalg.norm(FILL)
KEY_RGB = np.array([1.5, 1.46, 1.40])
FILL_RGB = np.array([0.30, 0.26, 0.225])
RIM_RGB = np.array([1.1, 0.80, 0.54])
SKY_RGB = np.array([0.34, 0.36, 0.39])
GROUND_RGB = np.array([0.20, 0.165, 0.14])
# How far each colour channel bleeds past the terminator under skin.
WRAP = np.array([0.38, 0.2, 0.13])


@njit(cache=True, fastmath=True)
def _hash(x, y, z):  # type: ignore[no-untyped-def]
    n = (x * 374761393 + y * 668265263 + z * 1274126177) & 0x7FFFFFFF
    n = ((n ^ (n >> 13)) * 1103515245) & 0x7FFFFFFF
    return ((n ^ (n >> 16)) & 0xFFFF) / 32767.5 - 1.0


@njit(cache=True, fastmath=True)
def noise(x, y, z):  # type: ignore[no-untyped-def]
    """Smooth value noise in -1..1."""
    xi, yi, zi = math.floor(x), math.floor(y), math.floor(z)
    fx, fy, fz = x - xi, y - yi, z - zi
    fx, fy, fz = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy), fz * fz * (3 - 2 * fz)
    out = 0.0
    for i in range(2):
        wx = fx if i else 1 - fx
        for j in range(2):
            wy = fy if j else 1 - fy
            a = _hash(xi + i, yi + j, zi)
            b = _hash(xi + i, yi + j, zi + 1)
            out += wx * wy * (a * (1 - fz) + b * fz)
    return out


@njit(cache=True, fastmath=True)
def light_through(shadow, frame, p, hardness, bias):  # type: ignore[no-untyped-def]
    """Share of the key light that reaches ``p``: soft, and fading with depth behind a blocker."""
    size = shadow.shape[0]
    u = frame[0, 0] * p[0] + frame[0, 1] * p[1] + frame[0, 2] * p[2] + frame[0, 3]
    v = frame[1, 0] * p[0] + frame[1, 1] * p[1] + frame[1, 2] * p[2] + frame[1, 3]
    d = frame[2, 0] * p[0] + frame[2, 1] * p[1] + frame[2, 2] * p[2] + frame[2, 3]
    total = 0.0
    for i in range(-2, 3):
        for j in range(-2, 3):
            if (i + j) & 1:
                continue
            x, y = int(u + 1.6 * i), int(v + 1.6 * j)
            if x < 0 or y < 0 or x >= size or y >= size:
                total += 1.0
                continue
            gap = d - shadow[y, x] - bias
            total += 1.0 if gap <= 0 else math.exp(-hardness * gap)
    return total / 13.0


@njit(cache=True, fastmath=True)
def _ggx(ndl, ndv, ndh, vdh, rough, f0):  # type: ignore[no-untyped-def]
    if ndl <= 0 or ndv <= 0:
        return 0.0
    a2 = rough**4
    d = a2 / (math.pi * (ndh * ndh * (a2 - 1) + 1) ** 2 + 1e-9)
    k = (rough + 1) ** 2 / 8
    g = (ndl / (ndl * (1 - k) + k)) * (ndv / (ndv * (1 - k) + k))
    f = f0 + (1 - f0) * (1 - vdh) ** 5
    return d * g * f / (4 * ndv + 0.05)


@njit(cache=True, fastmath=True)
def _bump(n, rest, scale, strength):  # type: ignore[no-untyped-def]
    """Tilt a normal by the slope of noise at ``rest``."""
    x, y, z = rest[0] * scale, rest[1] * scale, rest[2] * scale
    c = noise(x, y, z)
    n[0] -= strength * (noise(x + 0.6, y, z) - c)
    n[1] -= strength * (noise(x, y + 0.6, z) - c)
    n[2] -= strength * (noise(x, y, z + 0.6) - c)


@njit(cache=True, fastmath=True)
def _unit(v):  # type: ignore[no-untyped-def]
    s = 1.0 / math.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2] + 1e-12)
    v[0] *= s
    v[1] *= s
    v[2] *= s


@njit(cache=True, fastmath=True)
def _eye_colour(rest, col, iris):  # type: ignore[no-untyped-def]
    """Sclera, limbal ring, iris fibres and pupil by the angle from the gaze axis."""
    ang = math.acos(min(1.0, max(-1.0, rest[2])))
    turn = math.atan2(rest[1], rest[0])
    if ang > 0.50:
        t = min(1.0, (ang - 0.50) / 0.05)
        vein = 0.04 * max(0.0, noise(turn * 9, ang * 7, 3.0))
        pink = min(1.0, max(0.0, (ang - 0.7) / 0.6))
        col[0] = 0.10 * (1 - t) + t * (0.52 - 0.02 * pink)
        col[1] = 0.09 * (1 - t) + t * (0.485 - 0.11 * pink - vein)
        col[2] = 0.09 * (1 - t) + t * (0.46 - 0.13 * pink - vein)
        return
    if ang < 0.20:
        col[0] = col[1] = col[2] = 0.006
        return
    fibre = 0.8 + 0.35 * noise(turn * 11, ang * 5, 1.0) + 0.2 * noise(turn * 29, ang * 3, 5.0)
    ring = 1.0 - 0.75 * max(0.0, (ang - 0.40) / 0.10)
    inner = 1.0 + 0.5 * max(0.0, (0.34 - ang) / 0.14)
    for c in range(3):
        col[c] = iris[c] * fibre * ring * inner


@njit(cache=True, fastmath=True)
def _texture(kind, rest, n, col, gloss, iris, detail):  # type: ignore[no-untyped-def]
    """Procedural colour and relief of one surface point; returns its roughness."""
    if kind == 0:
        blotch = noise(rest[0] * 5, rest[1] * 5, rest[2] * 5)
        fine = noise(rest[0] * 34, rest[1] * 34, rest[2] * 34)
        freckle = max(0.0, noise(rest[0] * 21, rest[1] * 21, rest[2] * 21) - 0.5)
        col[0] *= 1 + 0.045 * blotch + 0.03 * fine - 0.10 * freckle
        col[1] *= 1 - 0.015 * blotch + 0.04 * fine - 0.22 * freckle
        col[2] *= 1 - 0.02 * blotch + 0.04 * fine - 0.25 * freckle
        _bump(n, rest, 46.0, 0.055 * detail)
        _bump(n, rest, 17.0, 0.035 * detail)
        return 0.50 - 0.17 * gloss + 0.05 * fine
    if kind == 1:
        knit = math.sin(rest[1] * 74 + 1.6 * math.sin(rest[0] * 74))
        shade = 1 + 0.08 * knit * detail + 0.07 * noise(rest[0] * 40, rest[1] * 40, rest[2] * 40)
        for c in range(3):
            col[c] *= shade
        _bump(n, rest, 3.1, 0.30)
        _bump(n, rest, 30.0, 0.10 * detail)
        return 0.85
    if kind == 2:
        _eye_colour(rest, col, iris)
        return 0.16
    return 0.3 if kind == 3 else 0.25


@njit(cache=True, fastmath=True)
def _point(kind, p, n, col, ao, rough, eye, shadow, frame, lights, soft, spec):  # type: ignore[no-untyped-def]
    """Light one point: ``soft`` gets what skin blurs (diffuse), ``spec`` what stays sharp."""
    v = eye - p
    _unit(v)
    key, fill, rim = lights[0], lights[1], lights[2]
    ndv = max(0.02, n[0] * v[0] + n[1] * v[1] + n[2] * v[2])
    ndl = n[0] * key[0] + n[1] * key[1] + n[2] * key[2]
    lit = light_through(shadow, frame, p, 26.0, 0.03)
    ndf = n[0] * fill[0] + n[1] * fill[1] + n[2] * fill[2]
    ndr = n[0] * rim[0] + n[1] * rim[1] + n[2] * rim[2]
    up = 0.5 + 0.5 * n[1]
    for c in range(3):
        wrap = WRAP[c] if kind == 0 else 0.05
        direct = max(0.0, (ndl + wrap) / (1 + wrap)) * (lit if kind else lit ** (1 - 0.8 * wrap))
        side = max(0.0, (ndf + 0.4) / 1.4)
        back = max(0.0, ndr + 0.1) / 1.1
        occ = ao ** (0.8 + 0.22 * c) if kind == 0 else ao
        amb = SKY_RGB[c] * up + GROUND_RGB[c] * (1 - up)
        light = lights[3, c] * direct + occ * (lights[4, c] * side + amb + lights[5, c] * back)
        soft[c] = light
    h = v + key
    _unit(h)
    ndh = max(0.0, n[0] * h[0] + n[1] * h[1] + n[2] * h[2])
    vdh = max(0.0, v[0] * h[0] + v[1] * h[1] + v[2] * h[2])
    f0 = 0.028 if kind < 2 else 0.04
    shine = _ggx(ndl, ndv, ndh, vdh, rough, f0)
    if kind == 0:
        shine = 0.7 * shine + 0.3 * _ggx(ndl, ndv, ndh, vdh, rough * 0.62, f0)
    if kind == 1:
        shine *= 0.3
    graze = (1 - ndv) ** 4
    for c in range(3):
        edge = lights[5, c] * max(0.0, ndr + 0.25) * graze * 0.5 * ao
        sky = 0.10 * graze * ao * lights[4, c] + (0.006 * lights[3, c] if kind == 2 else 0.0)
        spec[c] = shine * lit * lights[3, c] + edge * (0.4 if kind == 1 else 1.0) + sky * ao


@njit(cache=True, fastmath=True)
def surfaces(  # type: ignore[no-untyped-def]
    owner,
    bary,
    tris,
    pos,
    nrm,
    rest,
    colour,
    extra,
    kinds,
    iris,
    cloth,
    eye,
    shadow,
    frame,
    lights,
    detail,
    soft,
    albedo,
    spec,
    mask,
):
    """Shade every pixel owned by a triangle.

    ``extra`` holds ambient occlusion, gloss and the depth (dm) inside the garment's edge.
    """
    height, width = owner.shape
    p, n, r, col = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    for y in range(height):
        for x in range(width):
            t = owner[y, x]
            if t < 0:
                continue
            a, b, c = tris[t, 0], tris[t, 1], tris[t, 2]
            u, v = bary[y, x, 0], bary[y, x, 1]
            w = 1 - u - v
            for k in range(3):
                p[k] = u * pos[a, k] + v * pos[b, k] + w * pos[c, k]
                n[k] = u * nrm[a, k] + v * nrm[b, k] + w * nrm[c, k]
                r[k] = u * rest[a, k] + v * rest[b, k] + w * rest[c, k]
                col[k] = u * colour[a, k] + v * colour[b, k] + w * colour[c, k]
            ao = u * extra[a, 0] + v * extra[b, 0] + w * extra[c, 0]
            gloss = u * extra[a, 1] + v * extra[b, 1] + w * extra[c, 1]
            _unit(n)
            kind = kinds[t]
            inside = u * extra[a, 2] + v * extra[b, 2] + w * extra[c, 2]
            if kind <= 1:
                # Decided per pixel: the hem is much finer than the mesh.
                kind = 1 if inside > 0.0 else 0
            if kind == 1:
                hem = 0.86 if inside < 0.13 else (0.6 if inside < 0.145 else 1.0)
                for k in range(3):
                    col[k] = cloth[k] * hem
            elif kind == 0 and inside > -0.05:
                ao *= 0.55 - 9.0 * inside
            rough = _texture(kind, r, n, col, gloss, iris, detail)
            _unit(n)
            _point(kind, p, n, col, ao, rough, eye, shadow, frame, lights, soft[y, x], spec[y, x])
            mask[y, x] = 1.0 if kind == 0 else 0.0
            for k in range(3):
                albedo[y, x, k] = max(0.0, col[k])


@njit(cache=True, fastmath=True)
def strands(  # type: ignore[no-untyped-def]
    owner,
    along,
    base,
    pos,
    colour,
    tone,
    occl,
    eye,
    shadow,
    frame,
    lights,
    gloss,
    out,
):
    """Shade every pixel owned by a strand (Kajiya-Kay, two highlights)."""
    height, width = owner.shape
    points = pos.shape[1]
    key, fill, rim = lights[0], lights[1], lights[2]
    for y in range(height):
        for x in range(width):
            s = owner[y, x] - base
            if s < 0 or s >= pos.shape[0]:
                continue
            f = along[y, x] * (points - 1)
            k = min(points - 2, int(f))
            f -= k
            p = pos[s, k] * (1 - f) + pos[s, k + 1] * f
            t = pos[s, k + 1] - pos[s, k]
            _unit(t)
            v = eye - p
            _unit(v)
            lit = light_through(shadow, frame, p, 5.0, 0.02)
            tl = t[0] * key[0] + t[1] * key[1] + t[2] * key[2]
            tv = t[0] * v[0] + t[1] * v[1] + t[2] * v[2]
            sl, sv = math.sqrt(max(0.0, 1 - tl * tl)), math.sqrt(max(0.0, 1 - tv * tv))
            tf = t[0] * fill[0] + t[1] * fill[1] + t[2] * fill[2]
            tr = t[0] * rim[0] + t[1] * rim[1] + t[2] * rim[2]
            sr = math.sqrt(max(0.0, 1 - tr * tr))
            high = max(0.0, sl * sv - (tl - 0.12) * tv)
            low = max(0.0, sl * sv - (tl + 0.15) * tv)
            back = max(0.0, sr * sv - tr * tv)
            ao = occl[s, k] * (1 - f) + occl[s, k + 1] * f
            for c in range(3):
                base_c = colour[c] * tone[s]
                amb = 0.8 * SKY_RGB[c] + 0.2 * GROUND_RGB[c]
                body = lights[3, c] * 0.42 * sl * lit + ao * (
                    amb + 0.6 * lights[4, c] * math.sqrt(max(0.0, 1 - tf * tf))
                )
                shine = (
                    (1 - along[y, x] ** 4)
                    * min(1.0, 1.3 * ao)
                    * lit
                    * lights[3, c]
                    * gloss
                    * (0.030 * high**60 + (0.38 * base_c + 0.012) * low**12)
                )
                edge = ao * lights[5, c] * gloss * (0.3 * base_c + 0.02) * back**9
                out[y, x, c] = base_c * body + shine + edge
