"""What every file of the registry `envs/renderers` can do: keep meshes ready, and draw views of them on the stage."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from jaxtyping import Float32, Int32, Int64, UInt8
from PIL import Image
from torch import Tensor

from .. import registry
from ..meshes.mesh import Mesh
from ..validation import OptionError, RenderedSide, Samples, Validated
from .stage import Shots

RENDERERS = "gazeworld.envs.renderers"
_MOST_RAYS = 2**24  # of one view: they lie in memory side by side

Placed = TypeVar("Placed")


class UnavailableError(ValueError):
    """A renderer that cannot be had on this machine: the message says what is missing and how to get it."""


class Renderer(Validated, ABC, Generic[Placed]):
    """Draws square RGB pictures of `size` pixels a side, `samples` per pixel against jagged edges.

    Meshes are first placed, which may take a while (device memory, search trees), and then drawn by number. `Placed`
    is what a renderer makes of a mesh. A renderer stays in the process that made it, and serves one thread at a time.
    """

    name: ClassVar[str]

    def __init__(self, size: RenderedSide, samples: Samples = 4) -> None:
        if size**2 * samples > _MOST_RAYS:
            raise OptionError(
                f"renderer {self.name!r}: {samples} samples of {size} x {size} pixels, expected at most "
                f"{_MOST_RAYS // size**2} of them at this size"
            )
        self.size = size
        self.samples = samples
        self._kept: dict[int, tuple[Mesh, Placed]] = {}
        self._order: list[Placed] = []

    @property
    @abstractmethod
    def version(self) -> str:
        """Renderer, library and driver with their versions, to be recorded with what was drawn."""

    @property
    def accelerated(self) -> bool:
        """Whether a GPU draws."""
        return False

    def place(self, meshes: Sequence[Mesh]) -> None:
        """Keep exactly these meshes ready to be drawn, in this order; those already there are not prepared again.

        A mesh is known by identity: the same arrays in another `Mesh` count as another one.
        """
        self._order = []  # should a mesh below be refused, none is left that is no longer there
        wanted = {id(mesh): mesh for mesh in meshes}
        for key in [key for key in self._kept if key not in wanted]:
            self._drop(self._kept.pop(key)[1])
        for key, mesh in wanted.items():
            if key not in self._kept:
                self._kept[key] = (mesh, self._prepare(mesh))
        self._order = [self._kept[id(mesh)][1] for mesh in meshes]

    def render(self, which: Int64[Tensor, " b"], shots: Shots) -> UInt8[Tensor, "b h w 3"]:
        """One picture, on the CPU, for each pair of a mesh (its number among those placed) and a shot.

        Raises ValueError for numbers of meshes that were not placed and for batches of different lengths.
        """
        if len(which) != len(shots):
            raise ValueError(f"renderer {self.name!r}: {len(which)} meshes for {len(shots)} shots")
        numbers = which.detach().cpu().numpy()
        if len(numbers) == 0:
            return torch.zeros((0, self.size, self.size, 3), dtype=torch.uint8)
        if numbers.min() < 0 or numbers.max() >= len(self._order):
            raise ValueError(
                f"renderer {self.name!r}: asked for meshes {numbers.min()} … {numbers.max()}, "
                f"{len(self._order)} have been placed"
            )
        return torch.from_numpy(self._draw([self._order[i] for i in numbers], shots))

    def close(self) -> None:
        """Give back what the placed meshes and the renderer itself hold; afterwards it can only be closed again."""
        self.place(())

    @abstractmethod
    def _prepare(self, mesh: Mesh) -> Placed:
        """What is needed to draw this mesh again and again."""

    @abstractmethod
    def _drop(self, placed: Placed) -> None:
        """Give back what `_prepare` took."""

    @abstractmethod
    def _draw(self, placed: Sequence[Placed], shots: Shots) -> UInt8[np.ndarray, "b h w 3"]:
        """One picture for each shot, of the placed mesh beside it; there is at least one."""


def make_renderer(name: str, size: int, **options: Any) -> Renderer:
    """A renderer of the registry by its name, or "auto": the fastest that can be had.

    That is OpenGL where it runs on a GPU, otherwise embree, and OpenGL in software where embree is missing. `options`
    are those of the class (`samples`, …). Raises UnknownNameError for a name that is not there,
    UnavailableError where a library or driver is missing, ValueError for options that the class does not have.
    """
    if name == "auto":
        return _fastest(size, **options)
    kind = registry.concrete(RENDERERS, name, Renderer)
    return registry.built(f"renderer {name!r}", kind, size, **options)


def _fastest(size: int, **options: Any) -> Renderer:
    try:
        opengl = make_renderer("opengl", size, **options)
    except UnavailableError:
        return make_renderer("embree", size, **options)
    if opengl.accelerated:
        return opengl
    try:
        embree = make_renderer("embree", size, **options)
    except UnavailableError:
        return opengl
    opengl.close()
    return embree


def outward(mesh: Mesh) -> Int32[np.ndarray, "f 3"]:
    """The mesh's faces, each wound so that its own normal is on the side of the normals at its corners.

    Files often disagree with themselves; afterwards the sides of a face and its shading normals mean the same.
    """
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))  # f 3
    wound = np.cross(b - a, c - a)
    meant = mesh.normals[mesh.faces].sum(1)
    wrong = np.einsum("fi,fi->f", wound, meant) < 0
    return np.where(wrong[:, None], mesh.faces[:, ::-1], mesh.faces)


# The linear value of every sRGB byte (IEC 61966-2-1).
_BYTE = np.arange(256) / 255
LINEAR = np.where(_BYTE <= 0.04045, _BYTE / 12.92, ((_BYTE + 0.055) / 1.055) ** 2.4).astype(np.float32)
_BETWEEN = (LINEAR[1:] + LINEAR[:-1]) / 2
TEXELS = 4  # a texture is kept at up to so many times the picture's side; an object fills about half of that side


@dataclass(frozen=True)
class Textures:
    """All textures of a mesh with their halvings in one row of texels, so that one gather looks them all up."""

    texels: UInt8[np.ndarray, "n 3"]
    start: Int64[np.ndarray, "k level"]
    height: Int64[np.ndarray, "k level"]
    width: Int64[np.ndarray, "k level"]

    @classmethod
    def of(cls, textures: Sequence[UInt8[np.ndarray, "h w 3"]], most: int) -> "Textures":
        """Every texture at most `most` texels a side, then halved down to one texel."""
        sides = [max(1, most >> i) for i in range(most.bit_length() + 1)]
        flat = [image for texture in textures for image in itertools.accumulate(sides, shrunk, initial=texture)]
        flat = [image for i, image in enumerate(flat) if i % (len(sides) + 1)]  # without the first of each, the whole
        sizes = np.array([image.shape[:2] for image in flat])
        start = np.concatenate(([0], np.cumsum(sizes.prod(1))[:-1]))
        shape = (len(textures), -1)
        return cls(np.concatenate([x.reshape(-1, 3) for x in flat]), *(x.reshape(shape) for x in (start, *sizes.T)))

    def __call__(
        self, which: Int64[np.ndarray, " n"], uv: Float32[np.ndarray, "2 n"], texels: Float32[np.ndarray, " n"]
    ) -> Float32[np.ndarray, "3 n"]:
        """Linear colours, bilinear in the halving nearest to `texels` (log2, of the whole texture) a pixel."""
        level = np.clip(np.rint(texels), 0, self.start.shape[1] - 1).astype(np.int64)
        start, h, w = (x[which, level] for x in (self.start, self.height, self.width))
        x, y = (uv[0] - np.floor(uv[0])) * w - 0.5, (1 - (uv[1] - np.floor(uv[1]))) * h - 0.5
        x0, y0 = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
        fx, fy = (x - x0).astype(np.float32), (y - y0).astype(np.float32)
        found = np.zeros((3, len(which)), np.float32)
        for dx, dy in itertools.product((0, 1), (0, 1)):
            at = start + (y0 + dy) % h * w + (x0 + dx) % w
            found += (fx if dx else 1 - fx) * (fy if dy else 1 - fy) * LINEAR[self.texels[at].T]
        return found


def shrunk(texture: UInt8[np.ndarray, "h w 3"], most: int) -> UInt8[np.ndarray, "h2 w2 3"]:
    """The texture, made smaller by averaging its linear values where a side is longer than `most` pixels."""
    h, w = texture.shape[:2]
    if max(h, w) <= most:
        return texture
    side = (max(1, w * most // max(h, w)), max(1, h * most // max(h, w)))
    channels = [
        np.asarray(Image.fromarray(LINEAR[texture[..., i]]).resize(side, Image.Resampling.BOX)) for i in range(3)
    ]
    return np.searchsorted(_BETWEEN, np.stack(channels, -1)).astype(np.uint8)
