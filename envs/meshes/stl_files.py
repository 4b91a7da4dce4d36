"""STL files as triangles, those of bytes and those of text.

Not read with trimesh, which takes a binary file whose end is missing for text, and loses the last solid of a text
whose end is missing.
"""

import re
import struct

import numpy as np

from ..files import DataError
from .polygon_files import Faceted, decoded, numbers
from .referenced_files import Besides
from .surfaces import Soup

_HEAD = 84  # bytes: a title of 80, the number of triangles
_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_TEXT = re.compile(rb"\s*solid\b", re.IGNORECASE)
_FACET = re.compile(rb"\sfacet\b", re.IGNORECASE)


def read(data: bytes, besides: Besides) -> list[Soup]:
    """The triangles of an STL file; normals are computed from them, and colours, which are no part of STL, left out.

    Raises DataError naming the file where it is neither text nor as long as its number of triangles says, for a text
    that ends within a solid, and for coordinates that are no finite numbers.
    """
    name = besides.name
    said = struct.unpack_from("<I", data, 80)[0] if len(data) >= _HEAD else -1
    if said < 0 or len(data) != _HEAD + said * _TRIANGLE.itemsize:
        data = data.removeprefix(b"\xef\xbb\xbf")
        if _TEXT.match(data) and (_FACET.search(data) or b"\0" not in data):
            return [_text(decoded(data), name).soup()]
        wanted = f"{_HEAD + said * _TRIANGLE.itemsize} for its {said} triangles" if said >= 0 else f"{_HEAD} or more"
        raise DataError(f"{name}: holds {len(data)} bytes, expected {wanted} (binary STL), or the word solid (text)")
    corners = np.frombuffer(data, _TRIANGLE, said, _HEAD)["corners"].astype(np.float64)
    return [Faceted(name, corners.reshape(-1, 3), np.full(said, 3), np.arange(3 * said)).soup()]


def _text(text: str, name: str) -> Faceted:
    """The polygons of a text, each between `outer loop` and `endloop`."""
    vertices: list[str] = []
    sizes: list[int] = []
    begun = {"solid": 0, "facet": 0, "outer": 0}
    ended = {"endsolid": 0, "endfacet": 0, "endloop": 0}
    for line in text.split("\n"):
        key, _, rest = line.strip().replace("\t", " ").partition(" ")
        key = key.lower()
        if key == "end":  # "end facet": some write two words
            key += rest.split()[0].lower() if rest.strip() else ""
        if key == "vertex":
            if not sizes:
                raise DataError(f"{name}: a vertex before the first facet, expected it in one")
            if len(rest.split()) != 3:
                raise DataError(f"{name}: a vertex is {rest.strip()[:60]!r}, expected 3 numbers")
            vertices.append(rest)
            sizes[-1] += 1
        elif key in begun:
            begun[key] += 1
            if key == "outer":
                sizes.append(0)
        elif key in ended:
            ended[key] += 1
    for (start, count), (end, other) in zip(begun.items(), ended.items(), strict=True):
        if count != other:
            raise DataError(f"{name}: {count} times {start!r} and {other} times {end!r}, expected the file whole")
    if any(size < 3 for size in sizes):
        raise DataError(f"{name}: a facet of {min(sizes)} vertices, expected 3")
    points = numbers(" ".join(vertices), np.float64, name, "vertices").reshape(-1, 3)
    return Faceted(name, points, np.array(sizes, np.int64), np.arange(len(points)))
