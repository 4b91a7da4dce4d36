"""OFF files as triangles: Geomview's text format with its prefixes for colours, normals and texture coordinates.

Not read with trimesh, which fans polygons out whether or not they have dents and drops all colours.
"""

import re
from collections import defaultdict
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from ..files import DataError
from .polygon_files import Faceted, decoded, numbers, unit_range, whole
from .referenced_files import Besides
from .surfaces import Soup

_HEADER = re.compile(r"\s*(ST)?(C)?(N)?(4)?(n)?(?:OFF|off)(?![A-Za-z])[ \t]*(BINARY)?")
_COLOURS = (3, 4)  # numbers of a colour, without and with transparency


class _Layout(NamedTuple):
    """What stands at every vertex behind its place, by the file's first word."""

    painted: bool
    coloured: bool
    normals: bool


def read(data: bytes, besides: Besides) -> list[Soup]:
    """The triangles of an OFF file, coloured as its vertices or faces are.

    Colours are sRGB from 0 to 1 or from 0 to 255; the transparency of colours and texture coordinates, which OFF
    files have no texture for, do not count. Raises DataError naming the file for text that is no OFF file, for numbers
    of vertices or faces that are not as counted, and for what this reader does not know: points in four or more
    dimensions, binary files, and colours by their number in a map.
    """
    name = besides.name
    text = re.sub(r"#[^\n]*", "", decoded(data))
    header = _HEADER.match(text)
    if header is None:
        raise DataError(f"{name}: begins with {text.strip()[:20]!r}, expected OFF")
    if header[4] or header[5]:
        raise DataError(f"{name}: points in other than 3 dimensions ({header[0].strip()}), expected OFF in 3")
    if header[6] or "\0" in text:
        raise DataError(f"{name}: a binary OFF file, expected one of text")
    lines = [line for raw in text[header.end() :].split("\n") if (line := raw.strip())]
    counts = [whole(word, name, "a number of vertices or faces") for word in (lines[0].split() if lines else [])]
    if len(counts) < 2 or min(counts) < 0:
        raise DataError(f"{name}: says nothing of its numbers of vertices and faces, expected them behind OFF")
    points, faces = counts[:2]
    if len(lines) - 1 != points + faces:
        raise DataError(
            f"{name}: {len(lines) - 1} lines of vertices and faces, expected {points} and {faces} as it says"
        )
    layout = _Layout(*(bool(header[i]) for i in (1, 2, 3)))
    return [_faceted(lines[1 : 1 + points], lines[1 + points :], layout, name).soup()]


def _faceted(points: list[str], faces: list[str], layout: _Layout, name: str) -> Faceted:
    table, colours = _points(points, layout, name)
    sizes, corners, painted = [], [], []
    for (size, rest), lines in _grouped(faces, name).items():
        if rest not in (0, *_COLOURS):
            raise DataError(
                f"{name}: {rest} numbers behind the corners of a face, expected none or a colour of 3 or 4 numbers"
            )
        found = numbers(" ".join(lines), np.float64, name, "faces").reshape(len(lines), -1)
        if found.shape[1] != 1 + size + rest:
            raise DataError(f"{name}: faces hold something that is no number, expected numbers")
        index = found[:, 1 : 1 + size]
        if not (np.abs(index) < 2**53).all() or (index % 1).any():
            raise DataError(f"{name}: faces refer to vertices by numbers that are not whole")
        sizes.append(np.full(len(lines), size))
        corners.append(index.astype(np.int64).ravel())
        painted.append(found[:, 1 + size :][:, :3] if rest else np.full((len(lines), 3), np.nan))
    face_colours = np.concatenate(painted) if painted else np.zeros((0, 3))
    return Faceted(
        name,
        table[:, :3],
        np.concatenate(sizes) if sizes else np.zeros(0, np.int64),
        np.concatenate(corners) if corners else np.zeros(0, np.int64),
        table[:, 3:6] if layout.normals else None,
        colours,
        None if np.isnan(face_colours).all() else unit_range(face_colours),
    )


def _points(
    lines: list[str], layout: _Layout, name: str
) -> tuple[Float64[np.ndarray, "v columns"], Float64[np.ndarray, "v 3"] | None]:
    """The numbers at every vertex, and colours in [0, 1] if there are any."""
    columns = len(lines[0].split()) if lines else 3
    found = numbers(" ".join(lines), np.float64, name, "vertices")
    if len(found) != columns * len(lines) or any(len(line.split()) != columns for line in lines):
        raise DataError(f"{name}: vertices of different numbers, expected as many for each")
    table = found.reshape(len(lines), columns)
    before = 3 + 3 * layout.normals
    rest = columns - before - 2 * layout.painted
    # Colours also stand in files that do not announce them.
    if rest in _COLOURS and (layout.coloured or not (layout.normals or layout.painted)):
        return table, unit_range(table[:, before : before + 3])
    if (rest or layout.coloured) and lines:
        raise DataError(
            f"{name}: {columns} numbers at every vertex, expected {before + 2 * layout.painted}"
            f"{' and a colour of 3 or 4' if layout.coloured else ''}"
        )
    return table, None


def _grouped(faces: list[str], name: str) -> dict[tuple[int, int], list[str]]:
    """Lines of faces by how many corners and how many further numbers they have."""
    found: dict[tuple[int, int], list[str]] = defaultdict(list)
    for line in faces:
        words = line.split()
        size = whole(words[0], name, "a face's number of corners")
        if not 0 <= size < len(words):
            raise DataError(f"{name}: a face of {size} corners names {len(words) - 1}, expected all of them")
        found[size, len(words) - 1 - size].append(line)
    return found
