"""A person: morphed mesh, face units, masks, hair, eyes and props, ready to be posed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from . import hair, raster, shapes
from .mesh import Array, Ints, Library, normals, subdivide
from .shade import CLOTH, EYE, HARD, MOUTH, SKIN

NECK = np.array([0.0, 7.05, 0.25])
UNITS = (
    "jawOpen",
    "mouthClose",
    "mouthFunnel",
    "mouthPucker",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugUpper",
    "mouthShrugLower",
    "tongueOut",
    "browInnerUp",
    "cheekPuff",
)
PAIRS = (
    "mouthSmile",
    "mouthStretch",
    "mouthPress",
    "mouthLowerDown",
    "mouthUpperUp",
    "mouthFrown",
    "eyeBlink",
    "eyeSquint",
    "eyeWide",
    "eyeLookUp",
    "eyeLookDown",
    "browOuterUp",
    "browDown",
    "cheekSquint",
    "mouthDimple",
)
_ORAL = {
    "helper-upper-teeth": (0.0, -0.075, 0.03),
    "helper-lower-teeth": (0.0, -0.03, 0.0),
    "helper-tongue": (0.0, -0.11, -0.06),
}


@dataclass(frozen=True)
class Look:
    """Everything that makes one person look like that person."""

    recipe: dict[str, float]
    skin: tuple[float, float, float]
    lips: tuple[float, float, float]
    iris: tuple[float, float, float]
    hair: tuple[float, float, float]
    style: str
    cloth: tuple[float, float, float]
    neckline: float
    seed: int
    beard: str = ""
    brow: float = 1.0
    lash: float = 0.5
    liner: float = 0.0
    blush: float = 0.25
    glasses: bool = False
    earrings: bool = False
    gloss: float = 0.5
    # Weight of ``mouthClose`` that just seals the lips of this shape at rest.
    close: float = 0.03
    rest: dict[str, float] = field(default_factory=dict)


@dataclass
class Posed:
    """World-space geometry of one frame."""

    verts: Array
    normals: Array
    strands: list[tuple[hair.Strands, Array]]


def rotation(yaw: float, pitch: float, roll: float) -> Array:
    """Rotation matrix from angles in radians (yaw about y, pitch about x, roll about z)."""
    cy, sy, cx, sx, cz, sz = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    ry = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    rx = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    rz = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(ry @ rx @ rz)


def _smooth(x: Array) -> Array:
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def _strength(delta: Array) -> Array:
    size = np.linalg.norm(delta, axis=1)
    return np.asarray(size / size.max())


class Person:
    """Prepared person. ``pose`` turns face-unit weights and head angles into geometry."""

    def __init__(self, library: Library, look: Look) -> None:
        self.look = look
        self.rng = np.random.default_rng(look.seed)
        self.close = look.close
        self._load(library)
        self._paint(library)
        self._dress()
        self._add_eyes(library)
        self._add_props()
        self._grow(library)
        self.ao = self._occlusion()

    # -- building ---------------------------------------------------------------------------

    def _load(self, library: Library) -> None:
        parts = library.parts()
        quads = np.concatenate([p.quads for p in parts])
        used = np.unique(quads)
        remap = np.full(len(library.obj[0]), -1)
        remap[used] = np.arange(len(used))
        fine = subdivide(remap[quads], len(used))
        self._refine, self._used = fine.matrix, used
        oral = np.zeros((len(library.obj[0]), 3))
        # The helpers sit a little high: lower them so that open lips show teeth, not tongue.
        for name, move in _ORAL.items():
            oral[library.group_vertices(name)] = move
        self.base = self._to_fine(library.reference)
        self.rest = self._to_fine(library.aligned(self.look.recipe) + oral)
        self.tris = fine.triangles
        self.n_skin = len(self.rest)
        owner = np.repeat([p.name != "body" for p in parts], [len(p.quads) for p in parts])
        inner = np.tile(np.tile(owner, 4), 2)
        self.kinds = np.where(inner, MOUTH, SKIN).astype(np.int32)
        self.units: dict[str, sparse.csr_matrix] = {}
        names = [*UNITS, *(f"{n}{s}" for n in PAIRS for s in ("Left", "Right"))]
        for name in names:
            self.units[name] = sparse.csr_matrix(self._to_fine(library.target(f"face:{name}")))

    def _to_fine(self, values: Array) -> Array:
        """Values of the base mesh's vertices carried over to the fine mesh."""
        return np.asarray(self._refine @ values[self._used])

    def _paint(self, library: Library) -> None:
        """Vertex colours and gloss of skin, lips, gums, teeth and tongue."""
        look, base = self.look, self.base
        self.lip = _smooth((np.maximum(*self._lip_parts(library)) - 0.18) / 0.30)
        seam = self._seam(library)
        colour = self._skin_tone()
        colour += self.lip[:, None] * (np.array(look.lips) - colour)
        gloss = 0.45 + 0.25 * np.exp(-((base[:, 0] / 0.35) ** 2)) * (base[:, 1] > 7.7)
        gloss = gloss * look.gloss * 2 + 0.75 * self.lip
        colour *= 1 - 0.72 * seam[:, None]
        gloss = gloss * (1 - seam)
        bag = self._mouth_bag()
        colour += bag[:, None] * (np.array([0.16, 0.035, 0.03]) - colour)
        colour[np.unique(self.tris[self.kinds == MOUTH])] = (0.80, 0.74, 0.64)
        is_tongue = np.zeros(len(library.obj[0]))
        is_tongue[library.group_vertices("helper-tongue")] = 1.0
        colour[self._to_fine(is_tongue) > 0.5] = (0.36, 0.10, 0.09)
        self.colour, self.gloss, self.bag = colour, gloss, bag

    def _skin_tone(self) -> Array:
        """Skin colour with warmer cheeks and nose and darker eyelids."""
        look, (x, y, z) = self.look, self.base.T
        colour = np.tile(np.array(look.skin), (len(x), 1))
        warm = np.exp(-(((np.abs(x) - 0.44) / 0.2) ** 2 + ((y - 7.9) / 0.18) ** 2))
        nose = np.exp(-((x / 0.16) ** 2 + ((y - 7.86) / 0.12) ** 2))
        red = look.blush * (warm * (z > 0.8) + 0.8 * nose * (z > 1.35))
        colour *= 1 + red[:, None] * np.array([0.10, -0.28, -0.24])
        lid = np.exp(-(((np.abs(x) - 0.30) / 0.17) ** 2 + ((y - 8.2) / 0.10) ** 2))
        colour *= 1 - (0.16 + 0.25 * look.liner) * (lid * (z > 1.0))[:, None]
        return np.asarray(colour)

    def _lip_parts(self, library: Library) -> tuple[Array, Array]:
        """How much each vertex belongs to the upper and to the lower lip, 0..1."""
        # The targets that swell the lips move just the vermilion, so they make good masks.
        upper, lower = (
            _strength(self._to_fine(library.target(f"mouth/mouth-{n}lip-volume-incr")))
            for n in ("upper", "lower")
        )
        return upper, lower

    def _seam(self, library: Library) -> Array:
        """1 where the closed lips touch, fading over 4 mm: the dark line between them."""
        upper, lower = (np.flatnonzero(part > 0.05) for part in self._lip_parts(library))
        out = np.zeros(len(self.base))
        for mine, other in ((upper, lower), (lower, upper)):
            gap = cKDTree(self.base[other]).query(self.base[mine])[0]
            out[mine] = np.maximum(out[mine], np.exp(-((gap / 0.026) ** 2)))
        return out

    def _mouth_bag(self) -> Array:
        """1 on the inside of the cheeks and behind the lips, 0 on outer skin."""
        base = self.base
        normal = normals(base, self.tris)
        box = (np.abs(base[:, 0]) < 0.45) & (base[:, 1] > 7.25) & (base[:, 1] < 7.85)
        box &= (base[:, 2] > 0.55) & (base[:, 2] < 1.62)
        # Outer skin of the lower face looks away from the middle of the oral cavity.
        outward = ((base - np.array([0, 7.58, 0.95])) * normal).sum(1) > 0
        return np.asarray(np.where(box & ~outward, 1.0, 0.0) * (1 - self.lip))

    def _dress(self) -> None:
        """Puff the torso out into a jumper below the neckline."""
        base, look = self.base, self.look
        self.rest = self._arms_down(self.rest)
        radius = np.hypot(base[:, 0] / 1.15, base[:, 2] - 0.22)
        line = look.neckline - 0.16 * _smooth((base[:, 2] - 0.2) / 0.8)
        inside = line + 0.34 * np.clip(radius - 0.55, 0, 1.2) - base[:, 1]
        inside = np.asarray(np.where(base[:, 1] < 7.2, inside, -1.0), float)
        amount = _smooth(inside / 0.14)
        smooth = self._relaxed(self.rest, 14)
        share = amount[:, None] * 0.85
        self.rest = self.rest + (smooth - self.rest) * share
        normal = normals(self.rest, self.tris)
        self.rest = self.rest + normal * (amount * 0.075 + 0.03 * _smooth(inside / 0.5))[:, None]
        self.inside = inside
        tri_cloth = (inside[self.tris].min(1) > 0.0) & (self.kinds == SKIN)
        self.kinds[tri_cloth] = CLOTH

    def _arms_down(self, verts: Array) -> Array:
        """Lower the arms of the mesh's open rest pose to the sides."""
        side = np.sign(self.base[:, 0])
        bend = _smooth((np.abs(self.base[:, 0]) - 1.15) / 1.5)
        bend = np.where(self.base[:, 1] < 6.9, bend, 0.0)
        angle = -0.62 * bend * side
        pivot = np.stack([1.55 * side, np.full(len(side), 5.95)], 1)
        x, y = (verts[:, :2] - pivot).T
        out = verts.copy()
        out[:, 0] = pivot[:, 0] + x * np.cos(angle) - y * np.sin(angle)
        out[:, 1] = pivot[:, 1] + x * np.sin(angle) + y * np.cos(angle)
        return out

    def _relaxed(self, verts: Array, times: int) -> Array:
        """Laplacian smoothing over the triangle graph."""
        t = self.tris
        i = np.concatenate([t[:, 0], t[:, 1], t[:, 2]])
        j = np.concatenate([t[:, 1], t[:, 2], t[:, 0]])
        n = len(verts)
        graph = sparse.csr_matrix((np.ones(len(i)), (i, j)), shape=(n, n))
        graph = ((graph + graph.T) > 0).astype(float)
        scale = 1 / np.maximum(np.asarray(graph.sum(1)).ravel(), 1)
        for _ in range(times):
            verts = scale[:, None] * (graph @ verts)
        return verts

    def _append(self, verts: Array, tris: Ints, kind: int, colour: Array, base: Array) -> slice:
        start = len(self.rest)
        self.rest = np.vstack([self.rest, verts])
        self.base = np.vstack([self.base, base])
        self.colour = np.vstack([self.colour, np.broadcast_to(colour, verts.shape)])
        self.gloss = np.append(self.gloss, np.full(len(verts), 0.9))
        self.inside = np.append(self.inside, np.full(len(verts), -1.0))
        self.tris = np.vstack([self.tris, tris + start]).astype(np.int32)
        self.kinds = np.append(self.kinds, np.full(len(tris), kind)).astype(np.int32)
        return slice(start, start + len(verts))

    def _add_eyes(self, library: Library) -> None:
        """Two spheres with a corneal bulge, fitted to the base mesh's eye helpers."""
        shape = library.aligned(self.look.recipe)
        self.eyes: list[tuple[slice, Array, float, Array]] = []
        for name in ("helper-l-eye", "helper-r-eye"):
            pts = shape[library.group_vertices(name)]
            solve = np.linalg.lstsq(np.c_[2 * pts, np.ones(len(pts))], (pts**2).sum(1), rcond=None)[
                0
            ]
            centre = solve[:3]
            radius = float(np.sqrt(solve[3] + centre @ centre)) * 0.985
            unit, tris = shapes.sphere(40, 28)
            ang = np.arccos(np.clip(unit[:, 2], -1, 1))
            bulge = 1 + 0.07 * _smooth((0.56 - ang) / 0.5)
            local = unit * bulge[:, None]
            span = self._append(centre + radius * local, tris, EYE, np.ones(3), unit)
            self.eyes.append((span, centre, radius, local))

    def _add_props(self) -> None:
        self.props: list[slice] = []
        centres = [e[1] for e in self.eyes]
        if self.look.glasses:
            for verts, tris in shapes.glasses(centres, self._at((0.74, 8.27, 0.45))):
                colour = np.array([0.016, 0.013, 0.012])
                self.props.append(self._append(verts, tris, HARD, colour, verts))
        if self.look.earrings:
            for side in (-1.0, 1.0):
                lobe = self._at((0.79 * side, 7.86, 0.38))
                unit, tris = shapes.sphere(16, 12)
                verts = lobe + np.array([0.015 * side, -0.05, 0.03]) + 0.05 * unit
                gold = np.array([0.75, 0.52, 0.20])
                self.props.append(self._append(verts, tris, HARD, gold, verts))

    def _at(self, point: tuple[float, float, float]) -> Array:
        """This person's vertex nearest to a point of the reference shape."""
        near = np.abs(self.base[: self.n_skin] - np.array(point)).sum(1)
        return np.asarray(self.rest[np.argmin(near)])

    def _grow(self, library: Library) -> None:
        """All hair of the person."""
        look, rng, n = self.look, self.rng, self.n_skin
        skin = self.tris[(self.kinds == SKIN)]
        skin = skin[self.bag[skin].max(1) < 0.5]
        normal = normals(self.rest, self.tris)[:n]
        surf = hair.Surface(self.rest[:n], self.base[:n], normal, skin)
        outer = np.unique(self.tris[(self.kinds == SKIN) | (self.kinds == CLOTH)])
        body = (cKDTree(self.rest[outer]), self.rest[outer], normal[outer])
        count = {"long": 15000, "side": 26000, "crop": 40000}[look.style]
        points, occl = hair.scalp(surf, look.style, count, body, rng)
        width = {"long": 0.0088, "side": 0.0055, "crop": 0.0055}[look.style]
        shine = {"long": 1.0, "side": 0.7, "crop": 0.25}[look.style]
        self.strands = [self._strands(points, None, occl, width, shine)]
        self._tint_scalp()
        for side in (-1.0, 1.0):
            self.strands.append(self._brow(surf, side))
        if look.beard:
            self.strands.append(self._beard(surf))
        self.strands += self._lashes(library)

    def _strands(
        self,
        points: Array,
        root: Ints | None,
        occl: Array,
        width: float,
        gloss: float,
        colour: tuple[float, float, float] | None = None,
    ) -> hair.Strands:
        tone = np.clip(self.rng.normal(1.0, 0.16, len(points)), 0.55, 1.6)
        bound = np.full(len(points), -1) if root is None else root
        rgb = np.array(colour or self.look.hair)
        return hair.Strands(points, bound, tone, occl, rgb, width, gloss)

    def _tint_scalp(self) -> None:
        """Darken the skin under the hair so that no bald spot shines through."""
        raise_by = {"long": -0.02, "side": 0.0, "crop": 0.03}[self.look.style]
        above = hair.hairline(self.base[: self.n_skin], raise_by)
        cover = np.clip(above / 0.10, 0, 1) * hair.not_ear(self.base[: self.n_skin])
        cover *= (self.base[: self.n_skin, 1] > 7.4) * (1 - self.bag)
        cover = np.where(self.kinds_of_vertices() == SKIN, cover, 0)
        dark = np.array(self.look.hair) * 0.7
        skin = self.colour[: self.n_skin]
        self.colour[: self.n_skin] = skin + 0.93 * cover[:, None] * (dark - skin)
        self.gloss[: self.n_skin] *= 1 - cover
        if self.look.beard:
            shade = 0.55 * self._beard_mask()
            skin = self.colour[: self.n_skin]
            self.colour[: self.n_skin] = skin + shade[:, None] * (dark - skin)

    def _occlusion(self) -> Array:
        """Ambient occlusion per vertex: share of the sky that skin, clothes and hair leave free."""
        side, free, total = 320, np.zeros(len(self.rest)), np.zeros(len(self.rest))
        verts = self.rest.copy()
        verts[: self.n_skin] = self.deform({})
        normal = normals(verts, self.tris)
        flat = self.strands[0].points
        for direction in shapes.directions(72):
            frame = shapes.view(direction)
            q = verts @ frame.T
            low, high = q[:, :2].min(0), q[:, :2].max(0)
            zoom = (side - 4) / (high - low).max()
            xy, z = (q[:, :2] - low) * zoom + 2, 50.0 - q[:, 2]
            depth = np.full((side, side), raster.FAR)
            scratch = np.zeros((side, side), np.int32), np.zeros((side, side, 2), np.float32)
            raster.fill_triangles(xy, z, self.tris, depth, *scratch, 0)
            h = flat @ frame.T
            hxy = (h[..., :2] - low) * zoom + 2
            size = np.full(h.shape[:2], 0.3)
            raster.fill_strands(
                hxy, 50.0 - h[..., 2], size, depth, scratch[0], scratch[1][..., 0], 0
            )
            weight = np.maximum(0, normal @ direction)
            i = xy.astype(int).clip(0, side - 1)
            gap = z - depth[i[:, 1], i[:, 0]] - 0.045
            free += weight * np.exp(-6.0 * np.maximum(0, gap))
            total += weight
        ao = np.clip(free / np.maximum(total, 1e-6), 0, 1)
        ao = np.clip(1.12 * ao, 0.03, 1) ** 1.15
        # Teeth and tongue are baked behind closed lips; give the front ones some light back.
        front = np.clip((self.base[:, 2] - 1.15) / 0.3, 0, 1)
        inner = np.zeros(len(ao), bool)
        inner[np.unique(self.tris[self.kinds == MOUTH])] = True
        return np.asarray(np.where(inner, np.maximum(ao, 0.08 + 0.5 * front), ao))

    def kinds_of_vertices(self) -> Ints:
        """Material of each skin-mesh vertex (that of its last triangle)."""
        out = np.zeros(self.n_skin, np.int64)
        below = self.tris.max(1) < self.n_skin
        for i in range(3):
            out[self.tris[below, i]] = self.kinds[below]
        return out

    def _beard_mask(self) -> Array:
        mask = hair.beard_weight(self.base[: self.n_skin], self.look.beard)
        return np.asarray(mask * (1 - np.clip(self.lip * 1.6, 0, 1)) * (1 - self.bag))

    def _rooted(self, surf: hair.Surface, weight: Array, count: int) -> tuple[Array, Array, Ints]:
        chosen, w = surf.sample(weight + 1e-12, count, self.rng)
        near = surf.triangles[chosen, np.argmax(w, 1)]
        return surf.at(surf.verts, chosen, w), surf.at(surf.normals, chosen, w), near

    def _beard(self, surf: hair.Surface) -> hair.Strands:
        count = 22000 if self.look.beard == "full" else 5000
        root, normal, near = self._rooted(surf, self._beard_mask() ** 1.5, count)
        flow = normal * 0.55 + np.array([0, -0.75, 0.0]) + self.rng.normal(0, 0.28, root.shape)
        flow[:, 0] += 0.35 * np.sign(root[:, 0]) * (root[:, 1] > 7.62)
        flow /= np.linalg.norm(flow, axis=1, keepdims=True)
        size = self.rng.uniform(0.05, 0.115, len(root)) * (1 if self.look.beard == "full" else 0.5)
        # A moustache hanging over the lip would hide the mouth.
        over_lip = (self.base[near, 1] > 7.53) & (np.abs(self.base[near, 0]) < 0.34)
        size *= np.where(over_lip, 0.45, 1)
        t = np.linspace(0, 1, 5)[None, :, None]
        points = root[:, None] + t * (size[:, None] * flow)[:, None]
        points = points - 0.02 * t**2 * normal[:, None] + 0.004 * normal[:, None]
        occl = np.tile(np.linspace(0.45, 0.95, 5), (len(root), 1))
        return self._strands(points, near, occl, 0.003, 0.25)

    def _brow(self, surf: hair.Surface, side: float) -> hair.Strands:
        weight = hair.brow_weight(surf.base, self.look.brow, side)
        root, normal, near = self._rooted(surf, weight, 700)
        x = np.clip((root[:, 0] * side - 0.12) / 0.45, 0, 1)
        flow = np.stack([side * (0.25 + 0.9 * x), 0.85 - 1.15 * x, 0 * x], 1)
        flow += 0.28 * normal + self.rng.normal(0, 0.14, flow.shape)
        flow /= np.linalg.norm(flow, axis=1, keepdims=True)
        t = np.linspace(0, 1, 4)[None, :, None]
        size = self.rng.uniform(0.045, 0.085, len(root))[:, None]
        points = root[:, None] + 0.008 * normal[:, None] + t * (size * flow)[:, None]
        # A little skin tone mixed in: single brow hairs are thinner than a pixel.
        tint = 0.80 * np.array(self.look.hair) + 0.14 * np.array(self.look.skin)
        return self._strands(points, near, np.full((len(root), 4), 0.7), 0.003, 0.1, tuple(tint))

    def _lashes(self, library: Library) -> list[hair.Strands]:
        """Lashes along the base mesh's lash helpers; they follow the lid through their root."""
        shape = library.aligned(self.look.recipe)
        out = []
        skin_tree = cKDTree(self.rest[: self.n_skin])
        for side, eye in (("l", self.eyes[0]), ("r", self.eyes[1])):
            for row, share in ((2, 1.0), (1, 0.45)):
                quads = library.obj[1][f"helper-{side}-eyelashes-{row}"]
                dist = np.linalg.norm(shape - eye[1], axis=1)
                order = np.argsort(dist[quads], 1)
                q = np.take_along_axis(quads, order, 1)
                q = q[self.rng.integers(0, len(q), int(90 * share))]
                f = self.rng.uniform(0, 1, (len(q), 1))
                root = shape[q[:, 0]] * f + shape[q[:, 1]] * (1 - f)
                out_x = (root - eye[1]) * np.array([1.6, 0.0, 0.0])
                rise = 0.55 if row == 2 else -0.55
                flow = out_x + np.array([0.0, 0.1 * rise, 0.22])
                flow += self.rng.normal(0, 0.02, flow.shape)
                flow *= 0.062 * self.look.lash * share / np.linalg.norm(flow, axis=1)[:, None]
                t = np.linspace(0, 1, 4)[None, :, None]
                points = root[:, None] + t * flow[:, None]
                points[..., 1] += (0.035 * rise * self.look.lash) * t[..., 0] ** 2
                near = skin_tree.query(root)[1]
                occl = np.full((len(q), 4), 0.3)
                out.append(self._strands(points, near, occl, 0.003, 0.0, (0.012, 0.01, 0.009)))
        return out

    # -- posing -----------------------------------------------------------------------------

    def deform(self, weights: dict[str, float]) -> Array:
        """Rest-space vertices under face-unit weights (pairs may be given without a side)."""
        skin = self.rest[: self.n_skin].copy()
        total: dict[str, float] = {}
        for source in (self.look.rest, weights):
            for name, value in source.items():
                sides = ("Left", "Right") if name in PAIRS else ("",)
                for s in sides:
                    total[name + s] = total.get(name + s, 0.0) + value
        total["mouthClose"] = total.get("mouthClose", 0.0) + self.close
        for name, value in total.items():
            if abs(value) > 1e-4:
                skin += value * self.units[name]
        return np.asarray(skin)

    def pose(
        self,
        weights: dict[str, float],
        head: Array,
        gaze: tuple[float, float],
        place: Array,
        facing: float,
    ) -> Posed:
        """World geometry: face units, head rotation, gaze (yaw, pitch), place and body yaw."""
        verts = self.rest.copy()
        verts[: self.n_skin] = self.deform(weights)
        look = rotation(gaze[0], gaze[1], 0.0)
        for span, centre, radius, local in self.eyes:
            verts[span] = centre + radius * local @ look.T
        moved = verts[: self.n_skin] - self.rest[: self.n_skin]
        share = _smooth((verts[:, 1] + 0.35 * (verts[:, 2] - 0.4) - 6.55) / 0.75)
        share[self.n_skin :] = 1.0
        turn, body = head, rotation(facing, 0.0, 0.0)
        spun = (verts - NECK) @ turn.T + NECK
        verts = verts * (1 - share[:, None]) + spun * share[:, None]
        verts = verts @ body.T + place
        whole = []
        for s in self.strands:
            pts = s.points
            if s.root[0] >= 0:
                pts = pts + moved[s.root][:, None]
            pts = (pts - NECK) @ (body @ turn).T + body @ NECK + place
            whole.append((s, pts))
        return Posed(verts, normals(verts, self.tris), whole)
