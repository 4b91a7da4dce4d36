"""What is drawn: triangles with materials, and the items of a collection that become such meshes when asked."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float32, Int32, UInt8

from ..images import DataError


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
