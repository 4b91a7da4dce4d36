"""Fixations on a square image: where a glimpse may lie, and how places near earlier fixations are avoided."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64
from torch import Tensor

from .alias_tables import UNIT
from .validation import Amount, Natural, Options, Share, Side


@dataclass(frozen=True)
class Lattice(Options):
    """The legal fixations of a square glimpse on a square image: whole-pixel crops.

    `inside` keeps the glimpse within the image: side - glimpse + 1 places per axis. `zeros` lets every pixel be a
    centre (what is outside reads 0): side places per axis. A fixation looks at the pixel `top + glimpse // 2`; its
    pose is (top + glimpse / 2) / side per axis, the patch centre in units of the image side.
    """

    side: Side
    glimpse: Side
    padding: Literal["inside", "zeros"] = "inside"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.glimpse > self.side:
            raise ValueError(f"glimpse of {self.glimpse} px on images of {self.side} px; expected 1 … {self.side}")

    @property
    def low(self) -> int:
        """The smallest top (or left) edge in pixels."""
        return 0 if self.padding == "inside" else -(self.glimpse // 2)

    @property
    def count(self) -> int:
        """Places per axis, T."""
        return self.side - self.glimpse + 1 if self.padding == "inside" else self.side

    def tops(self, pose: Float32[Tensor, "*b 2"]) -> Int64[Tensor, "*b 2"]:
        """Top and left edge in pixels of the legal crop nearest to each pose."""
        places = self.places(pose)
        return places + self.low if self.low else places

    def places(self, pose: Float32[Tensor, "*b 2"]) -> Int64[Tensor, "*b 2"]:
        """The same, counted from the first legal place: 0 … count - 1."""
        # Three operations; truncation rounds, because what is truncated is not negative.
        offset = pose.new_full((), 0.5 - self.glimpse / 2 - self.low)
        return torch.add(offset, pose, alpha=self.side).clamp_(0, self.count - 0.5).long()

    def poses(self, tops: Int64[Tensor, "*b 2"]) -> Float32[Tensor, "*b 2"]:
        """Patch centres, in units of the side, of crops with these top and left edges."""
        return (tops.float() + self.glimpse / 2) / self.side

    @property
    def borders(self) -> Float64[Tensor, " e"]:
        """Where one legal place ends and the next begins, along an axis, in poses; count - 1 of them, on the CPU.

        A pose belongs to the nearest place, and whatever lies beyond the outermost belongs to those.
        """
        return (torch.arange(1, self.count, dtype=torch.float64) - 0.5 + self.glimpse / 2 + self.low) / self.side

    def spread(self, side: int) -> Int64[Tensor, "k 2"]:
        """Top and left edges of `side` × `side` crops, row by row, evenly spread over the legal ones.

        On the CPU. `count` gives them all, and 1 the one in the middle.
        """
        first = 0 if side > 1 else (self.count - 1) / 2
        steps = torch.linspace(first, self.count - 1 - first, side, dtype=torch.float32).round().long() + self.low
        return torch.cartesian_prod(steps, steps)

    def window(self, maps: Float[Tensor, "m h w"]) -> Float[Tensor, "m cells"]:
        """The mass of each legal fixation in raster order: that of the pixel it looks at."""
        first = self.low + self.glimpse // 2
        return maps[:, first : first + self.count, first : first + self.count].flatten(1)


@dataclass(frozen=True)
class Inhibition(Options, owner="inhibition"):
    """How places near earlier fixations are avoided (inhibition of return).

    A place at most `radius` pixels from a remembered fixation keeps 1 - `strength` of its mass, however many
    fixations it is near to. Radius 0 stands for half a glimpse (paper, appendix A.1: 16 px for glimpses of 32);
    the `circle` is the paper's, the `square` the released code's (the larger of the two coordinate differences).
    `memory` is the number of last fixations that inhibit, 0 for all. `shape` is that of what is near: a "circle" or a
    "square".
    """

    radius: Amount = 0.0
    shape: Literal["circle", "square"] = "circle"
    memory: Natural = 0
    strength: Share = 1.0

    @property
    def kept(self) -> int:
        """Share of its mass that an inhibited place keeps, in units of 1 / UNIT."""
        return round((1 - self.strength) * UNIT)

    def near(self, offset: Int64[Tensor, "*b 2"], glimpse: int) -> Bool[Tensor, "*b"]:
        """Whether a place so many pixels (down, right) from a remembered fixation is inhibited, for such a glimpse."""
        squared = offset.square().sum(-1) if self.shape == "circle" else offset.square().amax(-1)
        return squared <= (self.radius or glimpse / 2) ** 2
