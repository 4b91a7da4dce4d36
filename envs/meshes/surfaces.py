"""From loose triangles to one mesh: what every kind of file is read into first, and what shapes are built of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, UInt8

from ..files import DataError
from .materials import Surface, encoded
from .mesh import Material, Mesh, creased, face_normals, welded

_TINTS = 64  # colours of vertices that may multiply one texture; more are made alike
_FARTHEST = 1e70  # coordinates beyond this overflow: areas are squared


@dataclass(frozen=True)
class Soup:
    """Triangles of one surface, each with corners of its own.

    `normals` are those of the file, of any length, or None; zeros and NaN are repaired. `uv` is needed for textures.
    """

    corners: Float64[np.ndarray, "f 3 3"]
    surface: Surface = field(default_factory=Surface)
    normals: Float64[np.ndarray, "f 3 3"] | None = None
    uv: Float64[np.ndarray, "f 3 2"] | None = None


def placed(soup: Soup, matrix: Float64[np.ndarray, "4 4"]) -> Soup:
    """The soup where a matrix takes it; what is mirrored is wound the other way round."""
    turn = matrix[:3, :3]
    with np.errstate(over="ignore", invalid="ignore"):  # `join` looks for what is not finite
        corners = soup.corners @ turn.T + matrix[:3, 3]
        # Normals go with the cofactors, which exist for flattening matrices, too.
        cofactors = np.stack([np.cross(turn[i - 2], turn[i - 1]) for i in range(3)])
        size = float(turn[0] @ cofactors[0])
        normals = None if soup.normals is None else soup.normals @ cofactors.T * np.sign(size)
    if size < 0:
        corners, uv = corners[:, ::-1], None if soup.uv is None else soup.uv[:, ::-1]
        return replace(soup, corners=corners, normals=None if normals is None else normals[:, ::-1], uv=uv)
    return replace(soup, corners=corners, normals=normals)


def tinted(
    soup: Soup, colours: Float64[np.ndarray, "f 3 4"], surface: Callable[[Float64[np.ndarray, " 4"]], Surface]
) -> list[Soup]:
    """The soup in parts of one colour each, with the surface that such a colour gives.

    Colours are linear, with their opacity, at the corners of triangles; each triangle has the mean of its corners.
    """
    means = colours.clip(0, 1).mean(1)  # f 4
    levels = np.rint(255 * np.column_stack((encoded(means[:, :3]), means[:, 3]))).astype(np.int64)
    bits, index = 8, np.zeros(len(levels), np.int64)
    while bits:
        key = (levels >> (8 - bits)) @ (1 << 8 * np.arange(4))
        found, index = np.unique(key, return_inverse=True)
        if len(found) <= _TINTS:
            break
        bits -= 1
    parts = []
    for i in range(int(index.max(initial=-1)) + 1):
        own = index.ravel() == i
        normals, uv = (None if x is None else x[own] for x in (soup.normals, soup.uv))
        parts.append(Soup(soup.corners[own], surface(means[own].mean(0)), normals, uv))
    return parts


def join(soups: Sequence[Soup], name: str) -> Mesh:
    """One mesh of all these triangles, centred and scaled to a bounding-box diagonal of 1.

    Transparent parts of textures are cut out, triangles without area or opacity are left out, missing normals are
    computed with creases, and corners that agree share a vertex. Raises DataError naming the mesh when nothing is left
    or corners are not finite.
    """
    for what, values in [("corners of triangles", s.corners) for s in soups] + [
        ("texture coordinates", _uv(s)) for s in soups
    ]:
        broken = int(np.sum(~np.isfinite(values).all(-1)))
        if broken:
            raise DataError(f"{name}: {broken} {what} are not finite, expected numbers")
    farthest = max((float(np.abs(soup.corners).max(initial=0)) for soup in soups), default=0.0)
    if farthest > _FARTHEST:
        raise DataError(f"{name}: corners of triangles up to {farthest:g} away, expected less than {_FARTHEST:g}")
    soups = [_with_area(_cut_out(soup)) for soup in soups if soup.surface.material.opacity > 0]
    soups = [soup for soup in soups if len(soup.corners)]
    if not soups:
        raise DataError(f"{name}: no triangle with an area found, expected at least one")
    corners = np.concatenate([soup.corners for soup in soups])
    # Centred in double precision first: far from the origin, single precision would cost the shape.
    corners = corners - (corners.min((0, 1)) + corners.max((0, 1))) / 2
    corners = corners / np.ptp(corners, axis=(0, 1)).max()  # squares of tiny numbers would be nothing
    corners = corners / np.linalg.norm(np.ptp(corners, axis=(0, 1)))
    places = welded(corners)
    normals = _repaired(np.concatenate([_normals(soup) for soup in soups]), corners, places)
    uv = np.concatenate([_uv(soup) for soup in soups])
    kept = _shared(places, normals, uv)
    materials = {id(soup.surface.material): soup.surface.material for soup in soups}
    number = {key: i for i, key in enumerate(materials)}
    return Mesh(
        name=name,
        vertices=corners.reshape(-1, 3)[kept.first].astype(np.float32),
        normals=normals.reshape(-1, 3)[kept.first].astype(np.float32),
        faces=kept.faces,
        uv=uv.reshape(-1, 2)[kept.first],
        face_materials=np.repeat(
            [number[id(s.surface.material)] for s in soups], [len(s.corners) for s in soups]
        ).astype(np.int32),
        materials=tuple(materials.values()),
    ).normalised()


def _cut_out(soup: Soup) -> Soup:
    """The soup without the transparent parts of its texture."""
    mask = soup.surface.mask
    if mask is None or soup.uv is None:
        return soup
    pieces = cut(soup.corners, soup.uv, mask)
    material = soup.surface.material
    opacity = material.opacity * pieces.alpha
    changed = Material(material.colour, material.texture, material.gloss, 1.0 if opacity > 0.9 else opacity)
    return Soup(
        pieces.of(soup.corners),
        Surface(changed),
        None if soup.normals is None else pieces.of(soup.normals),
        pieces.of(soup.uv),
    )


def _with_area(soup: Soup) -> Soup:
    """The soup without triangles that cannot be seen from anywhere."""
    solid = face_normals(soup.corners).any(1)
    if solid.all():
        return soup
    return Soup(
        soup.corners[solid],
        soup.surface,
        None if soup.normals is None else soup.normals[solid],
        None if soup.uv is None else soup.uv[solid],
    )


def _normals(soup: Soup) -> Float64[np.ndarray, "f 3 3"]:
    return np.zeros_like(soup.corners) if soup.normals is None else soup.normals


def _uv(soup: Soup) -> Float32[np.ndarray, "f 3 2"]:
    """Texture coordinates, or zeros where they do not matter."""
    if soup.uv is None or soup.surface.material.texture is None:
        return np.zeros((len(soup.corners), 3, 2), np.float32)
    with np.errstate(over="ignore"):  # what is too large becomes infinite, which `join` looks for
        return soup.uv.astype(np.float32)


def _repaired(
    normals: Float64[np.ndarray, "f 3 3"], corners: Float64[np.ndarray, "f 3 3"], places: Int64[np.ndarray, "f 3"]
) -> Float64[np.ndarray, "f 3 3"]:
    """Unit normals: the given ones where they have a direction, computed ones elsewhere."""
    length = np.linalg.norm(normals, axis=-1)
    bad = ~(np.isfinite(length) & (length > 1e-6))
    if bad.any():
        normals = np.where(bad[..., None], creased(corners, places), normals)
        length = np.where(bad, 1, length)
    return normals / length[..., None]


@dataclass(frozen=True)
class _Shared:
    """Faces as triples of vertices; `first` is a corner that became each vertex."""

    first: Int64[np.ndarray, " v"]
    faces: Int32[np.ndarray, "f 3"]


def _shared(
    places: Int64[np.ndarray, "f 3"], normals: Float64[np.ndarray, "f 3 3"], uv: Float32[np.ndarray, "f 3 2"]
) -> _Shared:
    """One vertex for all corners that agree in place, normal (within 0.001) and texture coordinates."""
    grid = np.rint(normals * 1000).astype(np.int64) + 1024  # f 3 3
    bent = np.unique((grid[..., 0] << 22) | (grid[..., 1] << 11) | grid[..., 2], return_inverse=True)[1].ravel()
    painted = np.unique(np.ascontiguousarray(uv).view(np.int64), return_inverse=True)[1].ravel()
    together = np.unique(places.ravel() * (bent.max() + 1) + bent, return_inverse=True)[1].ravel()
    _, first, index = np.unique(together * (painted.max() + 1) + painted, return_index=True, return_inverse=True)
    return _Shared(first, index.reshape(-1, 3).astype(np.int32))


DEPTH = 5  # halvings: an outline is exact to 1/32 of its triangle's side
BUDGET = 30_000  # pieces of one surface, beyond five for each triangle, after which nothing is divided further
_FINE = 6  # samples along a side of a triangle


_SAMPLES = np.array(
    [((i + 1 / 3) / _FINE, (j + 1 / 3) / _FINE) for i, j in product(range(_FINE), repeat=2) if i + j < _FINE]
)
_SAMPLES = np.column_stack((1 - _SAMPLES.sum(1), _SAMPLES))  # k 3, barycentric
_HALVES = np.array(
    [
        [[1, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5]],
        [[0.5, 0.5, 0], [0, 1, 0], [0, 0.5, 0.5]],
        [[0.5, 0, 0.5], [0, 0.5, 0.5], [0, 0, 1]],
        [[0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5]],
    ]
)


@dataclass(frozen=True)
class Pieces:
    """Solid parts of triangles: `corners` of each as weights of the corners of the triangle `face`.

    `alpha` in [0, 1] is how solid they are on the whole.
    """

    face: Int64[np.ndarray, " n"]
    corners: Float64[np.ndarray, "n 3 3"]
    alpha: float

    def of(self, values: Float64[np.ndarray, "f 3 k"]) -> Float64[np.ndarray, "n 3 k"]:
        """What triangles have at their corners, for the pieces."""
        return np.einsum("nij,njk->nik", self.corners, values[self.face])


def cut(
    corners: Float64[np.ndarray, "f 3 3"], uv: Float64[np.ndarray, "f 3 2"], mask: UInt8[np.ndarray, "h w"]
) -> Pieces:
    """The parts of triangles where the mask is at least half as solid as at its most solid place in use.

    Where the outline is finer than `DEPTH` and `BUDGET` allow, the most solid pieces are kept, with as much area in
    all as the mask shows.
    """
    face, weights = np.arange(len(corners)), np.broadcast_to(np.eye(3), (len(corners), 3, 3))
    peak = int(_looked_up(uv, mask).max())
    solid_from = max(peak / 2, 1)
    solid = np.zeros(len(face))
    kept: list[tuple[Int64[np.ndarray, " n"], Float64[np.ndarray, "n 3 3"]]] = []
    count = 0
    for depth in range(DEPTH + 1):
        solid = (_looked_up(np.einsum("nij,njk->nik", weights, uv[face]), mask) >= solid_from).mean(1)
        kept.append((face[solid == 1], weights[solid == 1]))
        count += len(kept[-1][0])
        mixed = (solid > 0) & (solid < 1)
        face, weights, solid = face[mixed], weights[mixed], solid[mixed]
        if depth == DEPTH or count + 4 * len(face) > BUDGET + 5 * len(corners):
            break
        face, weights = np.repeat(face, 4), np.einsum("qij,njk->nqik", _HALVES, weights).reshape(-1, 3, 3)
    chosen = _most_solid(np.einsum("nij,njk->nik", weights, corners[face]), solid)
    kept.append((face[chosen], weights[chosen]))
    face, weights = np.concatenate([k[0] for k in kept]), np.concatenate([k[1] for k in kept])
    seen = _looked_up(np.einsum("nij,njk->nik", weights, uv[face]), mask)
    return Pieces(face, weights, float(seen[seen >= solid_from].mean() / 255) if len(face) else 1.0)


def _looked_up(uv: Float64[np.ndarray, "n 3 2"], mask: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "n k"]:
    """The mask at places spread over triangles."""
    h, w = mask.shape
    at = np.einsum("kj,njc->nkc", _SAMPLES, uv) % 1
    column = np.minimum((at[..., 0] * w).astype(np.int64), w - 1)
    row = np.minimum(((1 - at[..., 1]) * h).astype(np.int64), h - 1)
    return mask[row, column]


def _most_solid(corners: Float64[np.ndarray, "n 3 3"], solid: Float64[np.ndarray, " n"]) -> Int64[np.ndarray, " m"]:
    """The most solid of these triangles, with about the area that is solid in all of them."""
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    order = np.argsort(-solid, kind="stable")
    return order[np.cumsum(area[order]) <= (area * solid).sum()]
