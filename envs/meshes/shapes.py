"""Simple solids as triangles: boxes, turned profiles, prisms and bent tubes, and how to move them about.

Everything is centred at the origin unless said, with z upwards; triangles are wound to the left seen from outside.
"""

import colorsys
import math
from collections.abc import Sequence
from itertools import product

import numpy as np
from jaxtyping import Float64

from .materials import Surface, linear
from .mesh import Material, Mesh
from .polygons import triangulated
from .surfaces import Soup, join

Triangles = Float64[np.ndarray, "_ 3 3"]
Number = float | int  # which checkers of annotations at run time tell apart


def box(x: Number, y: Number, z: Number, bevel: Number = 0.0) -> Triangles:
    """A box with these sides; `bevel`, a length, cuts its edges off at 45°."""
    half = np.array([x, y, z]) / 2
    cut = min(bevel, 0.49 * min(x, y, z))
    if cut <= 0:
        points = np.array(list(product((-1, 1), repeat=3))) * half
        quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
        return _quads(points[np.array(quads)])
    sign = np.array(list(product((-1.0, 1.0), repeat=3)))  # 8 3
    points = sign[:, None] * (half - cut * (1 - np.eye(3)))  # 8 3 3: corner, the face's axis, place
    number = {tuple(s): i for i, s in enumerate(sign.astype(int))}
    found = []
    for axis in range(3):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        for one in (-1, 1):
            around = [(-1, -1), (1, -1), (1, 1), (-1, 1)][::one]
            ring = [number[_signs({axis: one, a: i, b: j})] for i, j in around]
            found.append(_quads(points[ring, axis][None]))  # a face
            for two in (-1, 1):  # the edges between the faces of axes a and b
                low, high = (number[_signs({axis: end, a: one, b: two})] for end in (-1, 1))
                edge = np.array([points[low, a], points[high, a], points[high, b], points[low, b]])
                found.append(_quads(edge[None, :: -one * two]))
    corners = np.array([points[i] if s.prod() > 0 else points[i, ::-1] for i, s in enumerate(sign)])
    return np.concatenate([*found, corners])


def lathe(
    profile: Sequence[tuple[Number, Number]], sides: int = 16, begin: Number = 0.0, sweep: Number = 2 * math.pi
) -> Triangles:
    """A profile of (radius, height) turned about the z axis, from below upwards for an outside.

    `begin` and `sweep`, in radians from the x axis, make it a part of the turn, open at both sides.
    """
    radius, height = np.array(profile, np.float64).T
    angle = begin + sweep * np.arange(sides + 1) / sides
    if sweep == 2 * math.pi:
        angle[-1] = angle[0]  # so that both ends meet exactly
    ring = np.stack((np.cos(angle), np.sin(angle)), 1)  # s 2
    points = np.concatenate(
        (radius[:, None, None] * ring, np.broadcast_to(height[:, None, None], (len(radius), sides + 1, 1))), 2
    )  # p s 3
    quads = np.stack((points[:-1, :-1], points[:-1, 1:], points[1:, 1:], points[1:, :-1]), 2)
    return _solid(_quads(quads.reshape(-1, 4, 3)))


def cylinder(radius: Number, height: Number, sides: int = 16, top: Number | None = None) -> Triangles:
    """A closed cylinder along z, or a cone cut off at the radius `top`."""
    upper = radius if top is None else top
    return lathe([(0, -height / 2), (radius, -height / 2), (upper, height / 2), (0, height / 2)], sides)


def ball(x: Number, y: Number, z: Number, sides: int = 12, rings: int = 6) -> Triangles:
    """An ellipsoid with these diameters."""
    angle = np.linspace(-math.pi / 2, math.pi / 2, rings + 1)
    profile = [(max(math.cos(a), 0.0) / 2, math.sin(a) / 2) for a in angle]
    profile[0], profile[-1] = (0.0, -0.5), (0.0, 0.5)
    return lathe(profile, sides) * [x, y, z]


def loft(first: Float64[np.ndarray, "n 3"], last: Float64[np.ndarray, "n 3"]) -> Triangles:
    """The solid between two outlines with as many corners, both to the left around their insides seen from `last`."""
    side = np.stack((first, np.roll(first, -1, 0), np.roll(last, -1, 0), last), 1)
    bottom = triangulated(first[None])[:, 1]
    top = triangulated(last[None])[:, 1]
    return np.concatenate((_quads(side), first[bottom[:, ::-1]], last[top]))


def prism(outline: Sequence[tuple[Number, Number]], depth: Number) -> Triangles:
    """An outline in the plane of y and z, to the left around its inside, drawn out along x by `depth`."""
    flat = np.array(outline, np.float64)
    near = np.column_stack((np.full(len(flat), depth / 2), flat))
    return loft(near * [-1, 1, 1], near)


def tube(path: Float64[np.ndarray, "n 3"], radius: Number, sides: int = 8) -> Triangles:
    """A closed round tube along a path that never turns straight back."""
    ahead = np.gradient(path, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    side = np.cross(ahead, np.eye(3)[np.abs(ahead).sum(0).argmin()])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    angle = np.arange(sides + 1) % sides * (2 * math.pi / sides)
    across = np.cos(angle)[:, None] * side[:, None] + np.sin(angle)[:, None] * np.cross(ahead, side)[:, None]
    ring = path[:, None] + radius * across  # n s 3
    quads = np.stack((ring[:-1, :-1], ring[:-1, 1:], ring[1:, 1:], ring[1:, :-1]), 2).reshape(-1, 4, 3)
    first = np.stack((np.broadcast_to(path[0], (sides, 3)), ring[0, 1:], ring[0, :-1]), 1)
    last = np.stack((np.broadcast_to(path[-1], (sides, 3)), ring[-1, :-1], ring[-1, 1:]), 1)
    return np.concatenate((_quads(quads), first, last))


def moved(triangles: Triangles, x: Number = 0.0, y: Number = 0.0, z: Number = 0.0) -> Triangles:
    """The triangles shifted."""
    return triangles + np.array([x, y, z])


def turned(triangles: Triangles, axis: str, angle: Number) -> Triangles:
    """The triangles rotated about the axis "x", "y" or "z" through the origin, by radians, to the left."""
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    found = triangles.copy()
    found[..., i] = math.cos(angle) * triangles[..., i] - math.sin(angle) * triangles[..., j]
    found[..., j] = math.sin(angle) * triangles[..., i] + math.cos(angle) * triangles[..., j]
    return found


def mirrored(triangles: Triangles) -> Triangles:
    """The triangles on the other side of the plane x = 0."""
    return (triangles * [-1, 1, 1])[:, ::-1]


def _signs(of: dict[int, int]) -> tuple[int, ...]:
    return tuple(of[axis] for axis in range(3))


def _quads(corners: Float64[np.ndarray, "q 4 3"]) -> Triangles:
    """Two triangles for each quadrilateral."""
    return corners[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3, 3)


def _solid(triangles: Triangles) -> Triangles:
    """The triangles without those that have two corners in one place."""
    a, b, c = triangles.transpose(1, 0, 2)
    apart = (a != b).any(1) & (b != c).any(1) & (c != a).any(1)
    return triangles[apart]


_COLOURS = 6
_CANDIDATES = 18


class Kit:
    """One object in the making.

    All kinds of objects draw their colours alike, so that colours say nothing about the kind. Colour 0 is the main
    one, 1 stands out from it most, and each further one from all before it.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        gloss = rng.uniform(0, 0.5, _COLOURS)
        self._surfaces = [
            Surface(Material((linear(r), linear(g), linear(b)), gloss=float(shine)))
            for (r, g, b), shine in zip(_palette(rng).tolist(), gloss, strict=True)
        ]
        self._soups: list[Soup] = []

    def between(self, low: Number, high: Number) -> float:
        """A uniform random number."""
        return float(self._rng.uniform(low, high))

    def among(self, n: int) -> int:
        """A whole random number from 0 to n - 1."""
        return int(self._rng.integers(n))

    def chance(self, probability: float) -> bool:
        """Whether something with this probability happens."""
        return bool(self._rng.random() < probability)

    def add(self, colour: int, *parts: Triangles) -> None:
        """Parts of one colour, by its number from 0 to 5."""
        self._soups.extend(Soup(part, self._surfaces[colour]) for part in parts)

    def mesh(self, name: str) -> Mesh:
        """The object, centred, with a bounding-box diagonal of 1."""
        return join(self._soups, name)


def _palette(rng: np.random.Generator) -> Float64[np.ndarray, "n 3"]:
    """Colours, sRGB, the first at random and each further one as far as possible from all before it."""
    hsv = rng.uniform((0, 0.15, 0.25), (1, 1, 0.95), (_CANDIDATES, 3))
    colours = np.array([colorsys.hsv_to_rgb(*row) for row in hsv.tolist()])
    chosen = [0]
    while len(chosen) < _COLOURS:
        apart = np.linalg.norm(colours[:, None] - colours[chosen], axis=2).min(1)
        chosen.append(int(apart.argmax()))
    return colours[chosen]
