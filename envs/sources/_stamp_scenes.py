"""Scenes of photographic cut-outs: where the object stands, how it is put before its ground, and its exact mask."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Int64, UInt8
from PIL import Image
from torch import Tensor

from ..rng import Draws
from ._stamp_grounds import Ground
from ._stamp_objects import Cutout

_LAYOUT, _GROUND = range(2)  # numbers folded into the random stream of a scene
_CHUNK = 2**16  # scenes whose objects are drawn at once


@dataclass(frozen=True)
class Placing:
    """How objects stand in scenes of `side` pixels.

    The longer edge of an object is between `smallest` and `largest` shares of the side; it stands anywhere inside, is
    mirrored half of the time if `mirror`, and up to `light` brighter or darker, as a share of what it is.
    """

    side: int
    smallest: float
    largest: float
    mirror: bool
    light: float


@dataclass(frozen=True)
class Scenes:
    """The scenes of one split, each a pure function of its number, whoever asks and in whatever thread.

    `ground` gives what is behind the object of one scene.
    """

    cutouts: tuple[Cutout, ...]
    placing: Placing
    split: str
    seed: int
    ground: Ground

    def which(self, numbers: Int64[Tensor, " n"]) -> Int64[Tensor, " n"]:
        """Which cut-out each scene shows: every class equally often, and within it every cut-out."""
        counts = self._of.bincount()
        starts = counts.cumsum(0) - counts  # cut-outs are in the order of their classes
        parts = []
        for part in numbers.split(_CHUNK):
            u = self._draws(part).uniform(2).double()
            label = (u[:, 0] * len(counts)).long()
            parts.append(starts[label] + (u[:, 1] * counts[label]).long())
        return torch.cat(parts)

    def labels(self, numbers: Int64[Tensor, " n"]) -> Int64[Tensor, " n"]:
        """The class of what each scene shows."""
        return self._of[self.which(numbers)]

    @cached_property
    def _of(self) -> Int64[Tensor, " cutouts"]:
        """The class of each cut-out."""
        return torch.tensor([one.label for one in self.cutouts])

    def read(self, number: int) -> UInt8[np.ndarray, "h w 3"]:
        """One scene."""
        rows = torch.tensor([number])
        scene = self.ground(many(rows, self.split, self.seed).fold(_GROUND), self.placing.side)
        placed, top, left, light = self._placed(rows)
        h, w, _ = placed.shape
        part = scene[top : top + h, left : left + w].astype(np.float32)
        ink, opaque = placed[..., :3].astype(np.float32), placed[..., 3:].astype(np.float32) / 255
        # The object's colours are multiplied by its opacity already; light brightens it alone.
        lit = np.minimum(ink * light, 255 * opaque)
        scene[top : top + h, left : left + w] = (part * (1 - opaque) + lit + 0.5).astype(np.uint8)
        return scene

    def masks(self, numbers: Int64[Tensor, " b"]) -> Bool[Tensor, "b h w"]:
        """Which pixels of these scenes show the object: those that are opaque by half or more."""
        side = self.placing.side

        def mask(number: int) -> Bool[np.ndarray, "h w"]:
            placed, top, left, _ = self._placed(torch.tensor([number]))
            found = np.zeros((side, side), bool)
            found[top : top + placed.shape[0], left : left + placed.shape[1]] = placed[..., 3] >= 128
            return found

        return torch.from_numpy(np.stack([mask(number) for number in numbers.tolist()]))

    def _placed(self, rows: Int64[Tensor, " 1"]) -> tuple[UInt8[np.ndarray, "h w 4"], int, int, float]:
        """The object of one scene at its size, its upper left corner in the scene, and its light."""
        placing = self.placing
        image = self.cutouts[int(self.which(rows)[0])].image
        size, row, col, mirror, light = self._draws(rows).fold(0).uniform(5)[0].tolist()
        longest = placing.side * (placing.smallest + (placing.largest - placing.smallest) * size)
        scale = longest / max(image.size)
        w, h = (min(placing.side, max(1, round(scale * edge))) for edge in image.size)
        pixels = np.asarray(image.resize((w, h), Image.Resampling.BILINEAR))
        if placing.mirror and mirror < 0.5:
            pixels = pixels[:, ::-1]
        top, left = int(row * (placing.side - h + 1)), int(col * (placing.side - w + 1))
        return pixels, top, left, 1 + placing.light * (2 * light - 1)

    def _draws(self, numbers: Int64[Tensor, " n"]) -> Draws:
        return many(numbers, self.split, self.seed).fold(_LAYOUT)


def many(numbers: Int64[Tensor, " n"], split: str, seed: int) -> Draws:
    """The random streams of scenes of a split."""
    return Draws.seeded(numbers).fold(seed).fold({"train": 0, "test": 1}[split])
