"""Polygons over a table of points, as OFF, PLY and STL files have them, as triangles that are painted."""

import codecs
import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from ..files import DataError
from .materials import Surface, coloured, shaded
from .mesh import Material
from .polygons import divided
from .surfaces import Soup

WHITE = Material((1.0, 1.0, 1.0))


@dataclass(frozen=True)
class Faceted:
    """Polygons whose `sizes` say how many of `corners`, which are numbers of points, belong to each.

    Colours are sRGB in [0, 1]; those of faces may be NaN, then they have the colour of what has none. `uv` stands at
    the corners of polygons. Raises DataError naming the file for numbers that are not finite and for corners that are
    not there.
    """

    name: str
    points: Float64[np.ndarray, "v 3"]
    sizes: Int64[np.ndarray, " f"]
    corners: Int64[np.ndarray, " n"]
    normals: Float64[np.ndarray, "v 3"] | None = None
    point_colours: Float64[np.ndarray, "v 3"] | None = None
    face_colours: Float64[np.ndarray, "f 3"] | None = None
    uv: Float64[np.ndarray, "n 2"] | None = None

    def __post_init__(self) -> None:
        broken = int(np.sum(~np.isfinite(self.points)))
        if broken:
            raise DataError(f"{self.name}: vertices hold {broken} numbers that are not finite")
        count = len(self.points)
        if len(self.corners) and (self.corners.min() < 0 or self.corners.max() >= count):
            raise DataError(
                f"{self.name}: faces refer to vertices {self.corners.min()} … {self.corners.max()}, there are {count}"
            )

    def soup(self, surface: Surface | None = None) -> Soup:
        """The triangles, with a textured surface where `uv` are there, else with the colours.

        Those of points go before those of faces, unless they are all the same. Polygons of fewer than three corners
        have no surface and are left out.
        """
        face, at = divided(self.points, self.sizes, self.corners)  # t, t 3
        index = self.corners[at]
        normals = None if self.normals is None else self.normals[index]
        if surface is not None and self.uv is not None and surface.material.texture is not None:
            return Soup(self.points[index], surface, normals, self.uv[at])
        points = self.point_colours
        if self.face_colours is not None and (points is None or (points == points[:1]).all()):
            colours = np.repeat(self.face_colours[face][:, None], 3, 1)
            colours = np.where(
                np.isnan(colours), shaded(Material().colour) if points is None else points[index], colours
            )
        elif points is not None:
            colours = points[index]
        else:
            return Soup(self.points[index], Surface(), normals)
        if not np.isfinite(colours).all():
            raise DataError(f"{self.name}: colours hold numbers that are not finite")
        painted, uv = coloured(WHITE, np.rint(255 * colours.clip(0, 1)).astype(np.uint8))
        return Soup(self.points[index], painted, normals, uv)


def unit_range(colours: np.ndarray) -> Float64[np.ndarray, "n k"]:
    """Colours in [0, 1] of those that are written in [0, 1] or in [0, 255]: both are in use, for whole files."""
    found = np.asarray(colours, np.float64)
    most = np.nanmax(found, initial=0.0) if found.size else 0.0
    return found / 255 if most > 1 else found


def decoded(data: bytes) -> str:
    """The text of a file, "\\n" at the ends of its lines: Unicode with or without a byte order mark, else Latin-1."""
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def numbers(text: str, kind: type, name: str, what: str) -> np.ndarray:
    """The numbers in a text, which are `what` in the file `name`; DataError where something else is among them."""
    if not text or text.isspace():
        return np.zeros(0, kind)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what is no number would end the array without further ado
        try:
            return np.fromstring(text, kind, sep=" ")
        except (ValueError, OverflowError, DeprecationWarning) as error:
            raise DataError(f"{name}: {what} hold something that is no number, expected numbers") from error


def whole(word: str, name: str, what: str) -> int:
    """A whole number; DataError saying what it is in the file `name` where the word is none."""
    try:
        return int(word)
    except ValueError as error:
        raise DataError(f"{name}: {what} is {word[:40]!r}, expected a whole number") from error
