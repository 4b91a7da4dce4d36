"""What is drawn: triangles with materials, and the items of a collection that become such meshes when asked."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, UInt8

from ..files import DataError


@dataclass(frozen=True)
class Material:
    """How a surface looks: a diffuse colour (linear RGB in [0, 1]), multiplied by a texture where there is one.

    `texture` is sRGB, rows from the top; its (u, v) = (0, 0) is the lower left corner, and it repeats. `gloss` in
    [0, 1] is the strength of a highlight, `opacity` in [0, 1] how much of the surface is there at all.
    """

    colour: tuple[float, float, float] = (0.8, 0.8, 0.8)
    texture: UInt8[np.ndarray, "h w 3"] | None = None
    gloss: float = 0.0
    opacity: float = 1.0


@dataclass(frozen=True)
class Mesh:
    """Triangles with a normal at every vertex and a material for every face.

    Raises DataError naming the mesh when it is empty, refers to vertices or materials that are not there, or holds
    numbers that are not finite.
    """

    name: str
    vertices: Float32[np.ndarray, "v 3"]
    normals: Float32[np.ndarray, "v 3"]
    faces: Int32[np.ndarray, "f 3"]
    uv: Float32[np.ndarray, "v 2"]
    face_materials: Int32[np.ndarray, " f"]
    materials: tuple[Material, ...] = (Material(),)

    def __post_init__(self) -> None:
        if not len(self.faces):
            raise DataError(f"{self.name}: no triangle found, expected at least one")
        for what in ("vertices", "normals", "uv"):
            values = getattr(self, what)
            if len(values) != len(self.vertices):
                raise DataError(f"{self.name}: {len(values)} {what} for {len(self.vertices)} vertices")
            if not np.isfinite(values).all():
                raise DataError(f"{self.name}: {what} hold {np.sum(~np.isfinite(values))} numbers that are not finite")
        for what, index, count in (
            ("vertices", self.faces, len(self.vertices)),
            ("materials", self.face_materials, len(self.materials)),
        ):
            if index.min() < 0 or index.max() >= count:
                raise DataError(f"{self.name}: faces refer to {what} {index.min()} … {index.max()}, there are {count}")
        if len(self.face_materials) != len(self.faces):
            raise DataError(f"{self.name}: {len(self.face_materials)} materials for {len(self.faces)} faces")

    def normalised(self) -> "Mesh":
        """The same mesh with its bounding box centred at the origin and scaled to a diagonal of 1 (3DIEBench)."""
        used = self.vertices[np.unique(self.faces)].astype(np.float64)
        low, high = used.min(0), used.max(0)
        diagonal = float(np.linalg.norm(high - low))
        if not diagonal > 0:
            raise DataError(f"{self.name}: all vertices lie in one point")
        moved = (self.vertices - (low + high) / 2) / diagonal
        return replace(self, vertices=moved.astype(np.float32))


@dataclass(frozen=True)
class Item:
    """One object of a collection: its class and name, how to get its mesh, and whom to credit.

    `key` is "class/object", unique within a collection and stable between runs; it decides the object's split and the
    seed of its views. `load` may raise DataError.
    """

    category: str
    key: str
    load: Callable[[], Mesh] = field(compare=False)
    credit: str = ""


CREASE = math.radians(50)  # octagons (45°) become round, hexagons (60°) and boxes keep their edges
_WELD = 2e-6  # of the bounding box: corners nearer than this meet; grid cells of this size fit 3 x 20 bits
_PAIRS = 2_000_000  # corners compared at once, which bounds the memory
_CROWD = 64  # corners in one place beyond which they keep the normals of their own faces: tips of fine cones


def creased(
    corners: Float64[np.ndarray, "f 3 3"], places: Int64[np.ndarray, "f 3"], crease: float = CREASE
) -> Float64[np.ndarray, "f 3 3"]:
    """Unit normals at the corners of triangles: the mean over all triangles there that bend by less than `crease`.

    `places` numbers the corners by where they lie (see `welded`), whether or not the file shares their vertices;
    triangles are weighted by their angle there. A neighbour that is wound the other way round counts turned over,
    since many files wind their faces at random. Triangles without area get the normal (0, 0, 1).
    """
    own = face_normals(corners)
    weighted = (own[:, None] * _angles(corners)[..., None]).reshape(-1, 3)  # corners 3
    place = places.ravel()
    order = np.argsort(place, kind="stable")
    count = np.bincount(place)
    first = np.cumsum(count) - count  # of every place's corners within `order`
    many = count[place]
    alone = many > _CROWD
    upto = np.cumsum(np.where(alone, 0, many))
    found = np.repeat(own, 3, 0)  # corners 3
    starts = np.searchsorted(upto, np.arange(0, max(1, upto[-1]), _PAIRS), side="right")
    for begin, end in zip(starts, (*starts[1:], len(place)), strict=True):
        mine = np.arange(begin, end)[~alone[begin:end]]
        a = np.repeat(mine, many[mine])
        b = order[np.repeat(first[place[mine]], many[mine]) + _ramps(many[mine])]
        bend = np.einsum("pi,pi->p", own[a // 3], own[b // 3])
        share = np.where(np.abs(bend) >= math.cos(crease), np.sign(bend), 0)[:, None] * weighted[b]
        for axis in range(3):
            found[mine, axis] = np.bincount(a - begin, share[:, axis], end - begin)[mine - begin]
    return _unit(found.reshape(-1, 3, 3))


def face_normals(corners: Float64[np.ndarray, "f 3 3"]) -> Float64[np.ndarray, "f 3"]:
    """Unit normals of triangles by their winding; zero where they have no area."""
    wound = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(wound, axis=1, keepdims=True)
    return np.divide(wound, length, out=np.zeros_like(wound), where=length > 0)


def welded(corners: Float64[np.ndarray, "f 3 3"]) -> Int64[np.ndarray, "f 3"]:
    """Numbers from 0 for where corners lie: the same for corners within about 2e-6 of the bounding box's side."""
    low, high = corners.min((0, 1)), corners.max((0, 1))
    cell = max(float((high - low).max()) * _WELD, np.finfo(np.float64).tiny)
    grid = np.rint((corners - low) / cell).astype(np.int64)  # f 3 3
    key = (grid[..., 0] << 40) | (grid[..., 1] << 20) | grid[..., 2]
    return np.unique(key, return_inverse=True)[1].reshape(key.shape)


def _angles(corners: Float64[np.ndarray, "f 3 3"]) -> Float64[np.ndarray, "f 3"]:
    """The angle of every triangle at each of its corners, in radians."""
    to, back = np.roll(corners, -1, 1) - corners, np.roll(corners, 1, 1) - corners
    across = np.linalg.norm(np.cross(to, back), axis=-1)
    return np.arctan2(across, np.einsum("fci,fci->fc", to, back))


def _ramps(lengths: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " total"]:
    """0, 1, … up to each of these lengths, one after the other."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)


def _unit(vectors: Float64[np.ndarray, "*n 3"]) -> Float64[np.ndarray, "*n 3"]:
    """Vectors scaled to length 1; (0, 0, 1) for those without a direction."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    up = np.broadcast_to(np.array([0.0, 0.0, 1.0]), vectors.shape)
    return np.divide(vectors, length, out=up.copy(), where=length > 1e-12)
