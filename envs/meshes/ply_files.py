"""PLY files as triangles: polygons and strips of triangles, of text and of bytes, with their colours and textures.

Not read with trimesh, which fans polygons out whether or not they have dents, fails on polygons of several sizes in
binary files, and drops strips and the colours that go by other names than red, green and blue.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64, Int64

from ..files import DataError
from .materials import Surface, opened, textured
from .ply_tables import Column, Table, tables
from .polygon_files import WHITE, Faceted, unit_range
from .referenced_files import Besides
from .surfaces import Soup

_INDICES = ("vertex_indices", "vertex_index")
_UV = (("s", "t"), ("u", "v"), ("texture_u", "texture_v"), ("tu", "tv"), ("texcoord_u", "texcoord_v"))
_RGB = (("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue"))
_NORMALS = ("nx", "ny", "nz")


def read(data: bytes, besides: Besides) -> list[Soup]:
    """The triangles of a PLY file, with the texture that its comments name, or with the colours of faces or vertices.

    Colours are sRGB, from 0 to 255 (65535 where they have 16 bits) or, as fractions, to 1; their transparency does
    not count. Raises DataError naming the file for a header that is none, for data that are not as long as it says,
    for faces that refer to what is not there, and for textures that are missing, damaged, or without coordinates.
    """
    name = besides.name
    head, found = tables(data, name)
    vertex = found.get("vertex", {})
    if not all(axis in vertex for axis in "xyz"):
        raise DataError(f"{name}: no element 'vertex' with x, y and z, expected one")
    points = _stacked(vertex, ("x", "y", "z"), name)
    faces = found.get("face", {})
    sizes, corners = _polygons(faces, found.get("tristrips", {}), name)
    uv = _uv(vertex, faces, sizes, corners, name)
    whole = Faceted(
        name,
        points,
        sizes,
        corners,
        _stacked(vertex, _NORMALS, name) if all(axis in vertex for axis in _NORMALS) else None,
        _colours(vertex, name),
        _face_colours(faces, found.get("material", {}), len(sizes), name),
        uv,
    )
    surfaces = [
        textured(WHITE, opened(found_data, f"{name}: texture {reference!r}"))
        for reference in head.textures
        if (found_data := besides.find(reference)) is not None
    ]
    if surfaces and uv is None and whole.point_colours is None and whole.face_colours is None:
        raise DataError(f"{name}: a texture without texture coordinates, expected them at vertices or faces")
    if len(surfaces) < 2 or uv is None:
        return [whole.soup(surfaces[0] if surfaces else None)]
    return _parts(whole, surfaces, faces)


def _parts(whole: Faceted, surfaces: list[Surface], faces: Table) -> list[Soup]:
    """The polygons of every texture, where there are several."""
    if "texnumber" not in faces or len(faces["texnumber"].values) != len(whole.sizes):
        raise DataError(f"{whole.name}: {len(surfaces)} textures, expected one or 'texnumber' at every face")
    number = faces["texnumber"].whole(whole.name)
    if len(number) and (number.min() < 0 or number.max() >= len(surfaces)):
        raise DataError(f"{whole.name}: texnumber {number.min()} … {number.max()}, there are {len(surfaces)} textures")
    soups = []
    for i, surface in enumerate(surfaces):
        kept = number == i
        corner = np.repeat(kept, whole.sizes)
        if kept.any() and whole.uv is not None:
            part = Faceted(
                whole.name, whole.points, whole.sizes[kept], whole.corners[corner], whole.normals, uv=whole.uv[corner]
            )
            soups.append(part.soup(surface))
    return soups


def _polygons(faces: Table, strips: Table, name: str) -> tuple[Int64[np.ndarray, " f"], Int64[np.ndarray, " n"]]:
    """How many corners every polygon has, and the corners; strips are triangles behind the other faces."""
    sizes, corners = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    if faces and len(next(iter(faces.values()))):
        column = _lists(faces, "face", name)
        sizes.append(column.lengths())
        corners.append(column.whole(name))
    if strips and len(next(iter(strips.values()))):
        column = _lists(strips, "tristrips", name)
        values = column.whole(name)
        # A strip begins at the beginning of its list, and behind a -1 in it.
        place, begun = np.arange(len(values)), np.zeros(len(values) + 1, bool)
        begun[np.concatenate((np.cumsum(column.lengths()) - column.lengths(), np.flatnonzero(values == -1) + 1))] = True
        run = place - np.maximum.accumulate(np.where(begun[:-1], place, 0))
        last = np.flatnonzero((run >= 2) & (values != -1))
        odd = run[last] % 2
        triangles = np.stack((values[last - 2 + odd], values[last - 1 - odd], values[last]), 1)
        sizes.append(np.full(len(triangles), 3))
        corners.append(triangles.ravel())
    return np.concatenate(sizes), np.concatenate(corners)


def _lists(table: Table, what: str, name: str) -> Column:
    """The column that says which vertices a face has."""
    found = [table[key] for key in _INDICES if key in table and table[key].sizes is not None]
    lists = [column for column in table.values() if column.sizes is not None]
    if not found and len(lists) == 1:
        found = lists
    if not found:
        raise DataError(f"{name}: element {what!r} has no list {_INDICES[0]!r}, expected one")
    return found[0]


def _stacked(table: Mapping[str, Column], names: tuple[str, ...], name: str) -> Float64[np.ndarray, "n k"]:
    for key in names:
        if table[key].sizes is not None:
            raise DataError(f"{name}: property {key!r} is a list, expected a number")
    return np.stack([table[key].values for key in names], 1).astype(np.float64)


def _colours(table: Table, name: str) -> Float64[np.ndarray, "n 3"] | None:
    """Colours in [0, 1], under whichever names they stand."""
    for names in _RGB:
        if all(key in table for key in names):
            found = _stacked(table, names, name)
            bits = table[names[0]].bits
            return unit_range(found) if bits == "float" else found / (65535 if bits == "16" else 255)
    return None


def _face_colours(faces: Table, materials: Table, count: int, name: str) -> Float64[np.ndarray, "f 3"] | None:
    """Colours of faces, their own or those of the materials they name; NaN for the triangles of strips behind them."""
    found, shades = _colours(faces, name), _colours(materials, name)
    index = next((faces[key] for key in ("material_index", "material_indices") if key in faces), None)
    if found is None and index is not None and shades is not None and index.sizes is None:
        number = index.whole(name)
        if len(number) and (number.min() < -1 or number.max() >= len(shades)):
            raise DataError(
                f"{name}: material_index {number.min()} … {number.max()}, there are {len(shades)} materials"
            )
        found = np.concatenate((shades, np.full((1, 3), np.nan)))[number]  # -1: none
    if found is None or not len(found):
        return None
    return np.concatenate((found, np.full((count - len(found), 3), np.nan)))


def _uv(
    vertex: Table, faces: Table, sizes: Int64[np.ndarray, " f"], corners: Int64[np.ndarray, " n"], name: str
) -> Float64[np.ndarray, "n 2"] | None:
    """Texture coordinates at the corners of polygons: those of faces, or those of vertices."""
    if "texcoord" in faces and faces["texcoord"].sizes is not None:
        given = faces["texcoord"]
        if not np.array_equal(given.lengths(), 2 * sizes):
            raise DataError(f"{name}: texcoord of other lengths than 2 numbers for each corner of a face")
        return given.values.reshape(-1, 2).astype(np.float64)
    for names in _UV:
        if all(key in vertex for key in names):
            found = _stacked(vertex, names, name)
            if len(corners) and (corners.min() < 0 or corners.max() >= len(found)):
                return None  # said by whoever looks at the vertices
            return found[corners]
    return None
