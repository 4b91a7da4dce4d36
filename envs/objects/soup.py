"""From loose triangles to one mesh: what every kind of file is read into first, and what shapes are built of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from ..images import DataError
from .cutout import cut
from .mesh import Material, Mesh
from .normals import creased, face_normals, welded
from .paint import Surface, encoded

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
