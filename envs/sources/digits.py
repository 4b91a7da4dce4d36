"""Handwritten digits as scenes: the embedded data source, which needs no file of its own.

The 1797 real 8 x 8 digits that ship with scikit-learn (`_digit_scenes`) are drawn into grey scenes much
larger than one glimpse: at varying place, size and tilt, on an uneven background and, if asked for, among scraps of
other digits, so that one look at the centre does not suffice. No digit, not even in a scrap, is in both splits.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from annotated_types import Interval
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from ..images import Images
from ..rng import Draws
from ..validation import Options, PositiveShare, SceneSide, Seed, Share
from ._digit_scenes import CELLS, Digits, Drawing, digits_of, grey, pasted, streams, uneven_light

LICENCE = "CC-BY-4.0"  # of the digits, as the UCI Machine Learning Repository states it
_SCRAP = 3  # side of a scrap of clutter, in cells of a digit
_GREY = 0.35  # mean level of the background
_PLACE, _GROUND, _NOISE, _CLUTTER = range(4)  # numbers folded into the random stream of a scene; clutter is the last


@dataclass(frozen=True)
class Layout(Options, owner="digits"):
    """How scenes are laid out: these are the options of the source.

    `side` is the scene's, in pixels. `smallest` and `largest` bound the digit (its whole 8 x 8 frame) as shares of
    the side, `faintest` and `boldest` by how much its ink is brighter than the background as a share of white.
    `jitter` is the share of the free room over which its place varies (0: centred, 1: anywhere inside), `place` how:
    "uniform", or "borders", which is dense towards the ends (the arcsine distribution). `tilt` is the largest
    rotation, in radians. `background` is the standard deviation of low-frequency light and `noise` that of each
    pixel; `level` is the width of the range that the mean of a scene is drawn from: all as shares of white.
    `clutter` is the number of scraps of other digits, `scrap` their mean size as a share of the side, `scrap_ink` how
    much brighter or darker than the background they get at most. `variants` is the number of scenes drawn from each
    digit; `seed` chooses among all such data sets.
    """

    side: SceneSide = 56
    smallest: PositiveShare = 0.52
    largest: PositiveShare = 0.66
    faintest: Share = 0.6
    boldest: Share = 0.6
    place: Literal["uniform", "borders"] = "borders"
    jitter: Share = 1.0
    tilt: Annotated[float, Interval(ge=0, le=math.pi)] = 0.15
    background: Share = 0.02
    level: Share = 0.0
    noise: Share = 0.01
    clutter: Annotated[int, Interval(ge=0, le=2**10)] = 0
    scrap: PositiveShare = 0.12
    scrap_ink: Share = 0.5
    variants: Annotated[int, Interval(ge=1, le=2**12)] = 10
    seed: Seed = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.smallest > self.largest:
            raise ValueError(
                f"digits: smallest={self.smallest}, largest={self.largest}, "
                "expected shares of the side, smallest <= largest"
            )
        if self.faintest > self.boldest:
            raise ValueError(f"digits: faintest={self.faintest}, boldest={self.boldest}, expected faintest <= boldest")


def load(split: str = "train", root: str = "", **options: Any) -> Images:
    """Scenes of one split ("train" or "test"); scene i shows digit i modulo the number of digits of the split.

    The options are those of `Layout`. `root` must be empty: there is nothing to read. Raises ValueError for an
    unknown split and for impossible options.
    """
    return DRAWING.load(split, root, options)


def _draw(split: str, rows: Int64[Tensor, " n"], layout: Layout) -> UInt8[Tensor, "n h w"]:
    """These scenes of a split; each depends on its digit, its variant and the seed alone (its scraps on the split)."""
    digits, rng = digits_of(split), streams(split, rows, layout.seed)
    scene = _GREY + _ground(rng.fold(_GROUND), layout)  # n h w
    for i in range(layout.clutter):
        scene = scene + _scrap(digits, rng.fold(_CLUTTER + i), layout)
    boldness = rng.fold(_PLACE).uniform(5)[:, 4, None, None]
    scene = scene + (layout.faintest + (layout.boldest - layout.faintest) * boldness) * _ink(split, rows, layout)
    return grey(scene, layout.noise, rng.fold(_NOISE))


def _ink(split: str, rows: Int64[Tensor, " n"], layout: Layout) -> Float32[Tensor, "n h w"]:
    """How strongly the ink of the digits of these scenes covers each pixel."""
    digits, u = digits_of(split), streams(split, rows, layout.seed).fold(_PLACE).uniform(5)
    size = layout.smallest + (layout.largest - layout.smallest) * u[:, 0]
    at = u[:, 1:3] if layout.place == "uniform" else (1 - torch.cos(math.pi * u[:, 1:3])) / 2
    centre = 0.5 + layout.jitter * (1 - size[:, None]) * (at - 0.5)
    return pasted(digits.ink[rows % len(digits.labels)], centre, size, layout.tilt * (2 * u[:, 3] - 1), layout.side)


def _scrap(digits: Digits, rng: Draws, layout: Layout) -> Float32[Tensor, "n h w"]:
    """A few cells of another digit of the split, anywhere, turned anyhow, brighter or darker than the background."""
    other = rng.fold(0).integers(len(digits.labels))[:, :, None]  # n 1 1
    corner = rng.fold(1).integers(CELLS - _SCRAP + 1, 2)
    cells = torch.arange(_SCRAP)
    small = digits.ink[other, corner[:, :1, None] + cells[:, None], corner[:, 1:, None] + cells]  # n 3 3
    u = rng.fold(2).uniform(5)
    size = layout.scrap * (0.7 + 0.6 * u[:, 0])
    drawn = pasted(small, u[:, 1:3], size, 2 * math.pi * u[:, 3], layout.side)
    return layout.scrap_ink * (2 * u[:, 4, None, None] - 1) * drawn


def _ground(rng: Draws, layout: Layout) -> Float32[Tensor, "n h w"]:
    """Uneven light, and a level of its own for each scene."""
    smooth = uneven_light(rng.fold(0), layout.side)
    return layout.background * smooth + layout.level * (rng.fold(1).uniform(1)[:, :, None] - 0.5)


DRAWING = Drawing("digits", 1, Layout, _draw, _ink)
"""This source, version 1."""
