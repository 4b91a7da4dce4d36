"""Wavefront OBJ files as triangles, with the materials of their libraries.

Not read with trimesh, which fans polygons out whether or not they have dents, drops the texture coordinates of a
material that is used with and without, and goes on without textures that are missing. Lines, points and curves have no
surface and are left out; so are smoothing groups, as edges are found by their angle.
"""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from ..files import DataError
from .materials import coloured
from .mtl_files import Finish, finishes
from .polygon_files import decoded, numbers
from .polygons import triangulated
from .referenced_files import Besides
from .surfaces import Soup


class _Kind(NamedTuple):
    """Polygons that can be read together: of one material, with as many corners, and the same things named at each."""

    material: str
    corners: int
    painted: bool
    normals: bool


@dataclass(frozen=True)
class _Tables:
    """The numbers of a file; of points, columns from the fourth to the sixth are colours."""

    points: Float64[np.ndarray, "v columns"]
    painted: Float64[np.ndarray, "vt columns2"]
    normals: Float64[np.ndarray, "vn columns3"]


@dataclass
class _Lines:
    """The numbers of a file as text."""

    values: dict[str, list[str]] = field(default_factory=lambda: {"v": [], "vt": [], "vn": []})
    polygons: dict[_Kind, list[str]] = field(default_factory=lambda: defaultdict(list))
    libraries: list[str] = field(default_factory=list)


def read(data: bytes, besides: Besides) -> list[Soup]:
    """The triangles of an OBJ file, with the materials of its libraries.

    Colours are taken as sRGB, as viewers show them. A texture takes the place of the diffuse colour, as in the
    importer that 3DIEBench's renderer uses; without texture coordinates the diffuse colour counts. A material that no
    library describes is a light grey. Raises DataError naming the file for text that is no OBJ, for references to
    what is not there, and for libraries and textures that are missing or damaged (see `Besides`).
    """
    lines = _sorted(decoded(data).replace("\\\n", " ").replace("\t", " "), besides.name)
    if not lines.polygons:
        raise DataError(f"{besides.name}: no face found, expected at least one")
    points = _table(lines.values["v"], 3, besides.name, "vertices")
    if not np.isfinite(points).all():
        raise DataError(f"{besides.name}: vertices hold {np.sum(~np.isfinite(points))} numbers that are not finite")
    painted = _table(lines.values["vt"], 2, besides.name, "texture coordinates")
    normals = _table(lines.values["vn"], 3, besides.name, "normals")
    known = finishes(lines.libraries, {kind.material for kind in lines.polygons}, besides)
    soups = []
    for kind, polygons in lines.polygons.items():
        index = _indices(kind, polygons, besides.name)  # m corners k
        counts = [len(points), *[len(painted)] * kind.painted, *[len(normals)] * kind.normals]
        if (index < 0).any() or (index.max((0, 1)) >= counts).any():
            most = (index.max((0, 1)) + 1).tolist()
            raise DataError(f"{besides.name}: faces refer to numbers up to {most} of what there is {counts} of")
        which, corner = triangulated(points[index[..., 0], :3]).transpose(1, 0, 2)  # t 3
        index = index[which, corner]  # t 3 k
        soups.append(_soup(kind, known.get(kind.material, Finish()), index, _Tables(points, painted, normals)))
    return soups


def _soup(kind: _Kind, finish: Finish, index: Int64[np.ndarray, "t 3 k"], tables: _Tables) -> Soup:
    """The triangles of one material."""
    points = tables.points[index[..., 0]]
    surface = finish.surface if kind.painted else finish.plain
    uv = tables.painted[index[..., 1], :2] * finish.scale + finish.offset if kind.painted else None
    if points.shape[-1] >= 6 and surface.material.texture is None:
        surface, uv = coloured(replace(surface.material, colour=(1.0, 1.0, 1.0)), _bytes(points[..., 3:6]))
    return Soup(points[..., :3], surface, tables.normals[index[..., -1]] if kind.normals else None, uv)


def _sorted(text: str, name: str) -> _Lines:
    """The lines of a file by what they describe."""
    lines = _Lines()
    material = ""
    for line in text.split("\n"):
        key, _, rest = line.strip().partition(" ")
        if key in lines.values:
            lines.values[key].append(rest.partition("#")[0])
        elif key == "f":
            rest = rest.partition("#")[0]
            corners = rest.split()
            if len(corners) < 3:
                continue  # a point or a line
            parts = corners[0].split("/")
            if "-" in rest:
                rest = _absolute(corners, lines, name)
            named = (len(parts) > 1 and parts[1] != "", len(parts) > 2 and parts[2] != "")
            lines.polygons[_Kind(material, len(corners), *named)].append(rest)
        elif key == "usemtl":
            material = rest.strip()
        elif key == "mtllib":
            lines.libraries.append(rest)
    return lines


def _absolute(corners: list[str], lines: _Lines, name: str) -> str:
    """The corners of a face counted from the file's beginning; negative numbers count backwards from here."""
    counts = [len(lines.values[key]) for key in ("v", "vt", "vn")]
    try:
        return " ".join(
            "/".join(
                str(count + 1 + int(part)) if part.startswith("-") else part
                for part, count in zip(corner.split("/"), counts, strict=False)
            )
            for corner in corners
        )
    except ValueError as error:
        raise DataError(f"{name}: a face is {' '.join(corners)!r}, expected whole numbers") from error


def _table(rows: list[str], least: int, name: str, what: str) -> Float64[np.ndarray, "n columns"]:
    """Rows of numbers as an array; where rows differ in length, only the first `least` columns."""
    if not rows:
        return np.zeros((0, least))
    columns = len(rows[0].split())
    found = numbers(" ".join(rows), np.float64, name, what)
    if columns < least or len(found) != len(rows) * columns:
        short = [row.split()[:least] for row in rows]
        if min(map(len, short)) < least:
            raise DataError(f"{name}: {what} of fewer than {least} numbers")
        found, columns = numbers(" ".join(" ".join(row) for row in short), np.float64, name, what), least
    return found.reshape(-1, columns)


def _indices(kind: _Kind, polygons: list[str], name: str) -> Int64[np.ndarray, "m n k"]:
    """Numbers from 0 of what is named at every corner of polygons."""
    text = " ".join(polygons).replace("//", " ").replace("/", " ")
    found = numbers(text, np.int64, name, "faces")
    each = 1 + kind.painted + kind.normals
    if len(found) != len(polygons) * kind.corners * each:
        raise DataError(f"{name}: faces whose corners name different things, expected the same at each")
    return found.reshape(-1, kind.corners, each) - 1


def _bytes(colours: Float64[np.ndarray, "t 3 3"]) -> UInt8[np.ndarray, "t 3 3"]:
    most = 255 if colours.max() > 1 else 1  # both are in use
    return np.rint(colours.clip(0, most) * (255 / most)).astype(np.uint8)
