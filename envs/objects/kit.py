"""What a parametric object is made with: its random numbers, a few colours, and the parts so far."""

import colorsys

import numpy as np
from jaxtyping import Float64

from .mesh import Material, Mesh
from .paint import Surface, linear
from .shapes import Number, Triangles
from .soup import Soup, join

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
