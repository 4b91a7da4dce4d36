"""Parametric solids: ten families that can be told apart by eye, no two objects alike.

Proportions, options and colours are drawn for every object; colours say nothing about the family. Where a family is
symmetric about its axis, objects carry marks on one side (a handle, a label, a drawer, a chimney), so that every
rotation looks different from most sides. Objects have some 150 to 1500 triangles, mostly 300 to 900, and face +y.
"""

import functools
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from .mesh import Item, Mesh
from .shapes import Kit
from .solids_indoors import bed, bottle, chair, lamp, mug, table
from .solids_outdoors import car, house, plane, tree

VERSION = 1  # of the solids: raise it whenever the same seed gives other meshes

_BUILDERS: Mapping[str, Callable[[Kit], None]] = MappingProxyType(
    {function.__name__: function for function in (chair, table, mug, lamp, car, plane, bottle, bed, tree, house)}
)
FAMILIES: tuple[str, ...] = tuple(_BUILDERS)


def solid(family: str, rng: np.random.Generator, name: str = "") -> Mesh:
    """A random object of a family, upright, centred, with a bounding-box diagonal of 1.

    `name` is what errors call it. Raises ValueError for an unknown family.
    """
    if family not in _BUILDERS:
        raise ValueError(f"no family {family!r}; there are: {', '.join(FAMILIES)}")
    kit = Kit(rng)
    _BUILDERS[family](kit)
    return kit.mesh(name or family)


def items(per_family: int, seed: int) -> list[Item]:
    """As many objects of every family, with keys like "chair/chair_0007", in the order of their keys.

    An object depends on `seed` (not negative), its family and its number alone, and is built when it is loaded.
    """
    if per_family < 1 or seed < 0:
        raise ValueError(f"per_family={per_family}, seed={seed}, expected at least 1 object and a seed from 0")
    return [
        Item(family, f"{family}/{family}_{i:04d}", functools.partial(_numbered, family, seed, i))
        for family in sorted(FAMILIES)
        for i in range(per_family)
    ]


def _numbered(family: str, seed: int, i: int) -> Mesh:
    rng = np.random.default_rng([seed, zlib.crc32(family.encode()), i])
    return solid(family, rng, f"{family}/{family}_{i:04d}")
