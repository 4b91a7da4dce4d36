"""Scenes in which looking matters: an arrow in the middle points to what counts among things that look alike.

Several things stand on a ring around a small arrow, all in the same ink and size. The arrow points to the one that
counts: a handwritten digit, whose class is the label. The others are decoys. Chimeras are put together from quarters
of digits: whoever looks at the digit knows the label, and a map of what is salient shows as many places as there are
things. Where the decoys are digits, too, drawn independently, the one that counts cannot be told without the arrow:
no single look suffices. From the middle one sees the arrow and none of the things, so whoever reads the arrow needs
one saccade (a central cue as in Posner 1980).

The digits are those of `gazeworld.envs.sources._digit_scenes`; no digit image is in both splits.
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
from ..validation import OptionError, Options, PositiveShare, Seed, Share
from ._digit_scenes import CELLS, Digits, Drawing, digits_of, grey, pasted, streams, uneven_light

LICENCE = "CC-BY-4.0"  # of the digits, as the UCI Machine Learning Repository states it
_GREY = 0.35  # mean level of the background
_OTHERS, _PLACES, _GAPS, _TILTS, _LIGHT, _GRAIN, _PIECES = range(7)  # numbers folded into the random stream of a scene
_ARROW = (
    "............",
    ".......#....",
    ".......##...",
    ".......###..",
    ".......####.",
    "############",
    "############",
    ".......####.",
    ".......###..",
    ".......##...",
    ".......#....",
    "............",
)


@dataclass(frozen=True)
class Layout(Options, owner="search"):
    """How scenes are laid out: these are the options of the source.

    `side` is the scene's, in pixels; all other lengths are shares of it. `items` things, all but one of them `decoys`
    ("chimeras" or "digits"), each in a frame of `size`, stand on a ring of `radius` that is turned at random; each
    strays from its place by up to `wobble` per axis. With `uneven` 0 they stand at equal angles; with 1 the angle that
    they do not need is shared out among the gaps at random. The ring's centre, where the arrow of length `cue` is,
    strays from the middle by up to `stray` per axis. `ink` is how much brighter than the background things and arrow
    are, as a share of white; `tilt` the largest rotation of a thing, in radians. `background` is the standard deviation
    of low-frequency light and `noise` that of each pixel, as shares of white. `variants` is the number of scenes in
    which each digit is the one that counts; `seed` chooses among all such data sets.
    """

    side: Annotated[int, Interval(ge=4 * CELLS, le=2**10)] = 64
    items: Annotated[int, Interval(ge=2, le=2**8)] = 4
    decoys: Literal["chimeras", "digits"] = "chimeras"
    size: PositiveShare = 0.26
    radius: PositiveShare = 0.345
    uneven: Share = 1.0
    wobble: Share = 0.01
    cue: PositiveShare = 0.16
    stray: Share = 0.01
    ink: PositiveShare = 0.6
    tilt: Annotated[float, Interval(ge=0, le=math.pi)] = 0.15
    background: Share = 0.02
    noise: Share = 0.01
    variants: Annotated[int, Interval(ge=1, le=2**12)] = 6
    seed: Seed = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.radius + self.size / 2 + self.wobble + self.stray > 0.5:
            raise OptionError(
                f"search: size {self.size}, radius {self.radius}, wobble {self.wobble} and stray {self.stray} "
                "have things leave the scene: radius + size / 2 + wobble + stray is more than 0.5"
            )
        if self.items * self.apart > 2 * math.pi:
            raise OptionError(
                f"search.items is {self.items}, expected at most {int(2 * math.pi / self.apart)}: no more things of "
                f"size {self.size} that stray by wobble {self.wobble} fit on a ring of radius {self.radius}"
            )

    @property
    def apart(self) -> float:
        """The least angle between two digits as seen from the ring's centre, in radians."""
        chord = (self.size + 2 * math.sqrt(2) * self.wobble) / (2 * self.radius)
        return 2 * math.asin(chord) if chord < 1 else 2 * math.pi


@dataclass(frozen=True)
class Plan:
    """What stands where in n scenes: the digits of a split by their numbers in it, the first of which counts.

    Chimeras stand where the others would. Places are (row, col) of centres in units of the side; `direction` is that
    from the arrow to the digit that counts, in radians from right towards down.
    """

    which: Int64[Tensor, "n k"]
    places: Float32[Tensor, "n k 2"]
    cue: Float32[Tensor, "n 2"]
    direction: Float32[Tensor, " n"]


def load(split: str = "train", root: str = "", **options: Any) -> Images:
    """Scenes of one split ("train" or "test"); in scene i, digit i modulo the number of digits of the split counts.

    The options are those of `Layout`. `root` must be empty: there is nothing to read. Raises ValueError for an
    unknown split and for impossible options.
    """
    return DRAWING.load(split, root, options)


def plan(split: str, rows: Int64[Tensor, " n"], layout: Layout) -> Plan:
    """What stands where in these scenes of a split; each depends on its digit, its variant, the seed and the split."""
    known = digits_of(split)
    rng = streams(split, rows, layout.seed)
    others = rng.fold(_OTHERS).integers(len(known.labels), layout.items - 1)
    k = layout.items
    u = rng.fold(_PLACES).uniform(3 + 2 * k)
    cue = 0.5 + layout.stray * (2 * u[:, :2] - 1)
    # The ring is turned anyhow and its gaps are distributed alike: it does not matter that the first one counts.
    turn = 2 * math.pi * u[:, 2:3] + _angles(rng.fold(_GAPS), layout)  # n k
    ring = torch.stack((turn.sin(), turn.cos()), -1)
    places = cue[:, None] + layout.radius * ring + layout.wobble * (2 * u[:, 3:].unflatten(1, (k, 2)) - 1)
    down, right = (places[:, 0] - cue).unbind(1)
    which = torch.cat(((rows % len(known.labels))[:, None], others), 1)
    return Plan(which, places, cue, torch.atan2(down, right))


def _angles(rng: Draws, layout: Layout) -> Float32[Tensor, "n k"]:
    """Angles of the digits from the first one on, in radians: gaps of at least `apart`, the rest shared out."""
    even = torch.arange(layout.items, dtype=torch.float32) * (2 * math.pi / layout.items)
    # Sorted uniform draws cut the room that is left into pieces that are all distributed alike.
    cuts = torch.nn.functional.pad(rng.uniform(layout.items - 1).sort(1).values, (1, 0))  # n k
    left = 2 * math.pi - layout.items * layout.apart
    anyhow = torch.arange(layout.items, dtype=torch.float32) * layout.apart + left * cuts
    return (1 - layout.uneven) * even + layout.uneven * anyhow


def _draw(split: str, rows: Int64[Tensor, " n"], layout: Layout) -> UInt8[Tensor, "n h w"]:
    found, rng = plan(split, rows, layout), streams(split, rows, layout.seed)
    small = torch.full((len(rows),), layout.cue, dtype=torch.float32)
    drawn = pasted(_arrow().expand(len(rows), -1, -1), found.cue, small, found.direction, layout.side)
    for i in range(layout.items):
        drawn = torch.maximum(drawn, _thing(split, rows, layout, found, i))
    scene = _GREY + layout.ink * drawn + layout.background * uneven_light(rng.fold(_LIGHT), layout.side)
    return grey(scene, layout.noise, rng.fold(_GRAIN))


def _thing(split: str, rows: Int64[Tensor, " n"], layout: Layout, found: Plan, i: int) -> Float32[Tensor, "n h w"]:
    """The ink of thing i of these scenes, alone in them; thing 0 counts."""
    known, rng = digits_of(split), streams(split, rows, layout.seed)
    whole = i == 0 or layout.decoys == "digits"
    ink = known.ink[found.which[:, i]] if whole else _chimera(known, rng.fold(_PIECES + i))
    tilts = layout.tilt * (2 * rng.fold(_TILTS).uniform(layout.items)[:, i] - 1)
    size = torch.full((len(rows),), layout.size, dtype=torch.float32)
    return pasted(ink, found.places[:, i], size, tilts, layout.side)


def _ink(split: str, rows: Int64[Tensor, " n"], layout: Layout) -> Float32[Tensor, "n h w"]:
    """The ink of the digits that count."""
    return _thing(split, rows, layout, plan(split, rows, layout), 0)


def _chimera(known: Digits, rng: Draws) -> Float32[Tensor, "n 8 8"]:
    """Quarters of four digits drawn anyhow, each moved on to the next corner: strokes like a digit's, and no class."""
    half, ink = CELLS // 2, known.ink[rng.integers(len(known.labels), 4)]  # n 4 8 8
    upper_left, upper_right = ink[:, 0, half:, :half], ink[:, 1, :half, :half]
    lower_left, lower_right = ink[:, 2, half:, half:], ink[:, 3, :half, half:]
    return torch.cat([torch.cat([upper_left, upper_right], 2), torch.cat([lower_left, lower_right], 2)], 1)


def _arrow() -> Float32[Tensor, "k k"]:
    """An arrow that points to the right."""
    return torch.tensor([[float(cell == "#") for cell in row] for row in _ARROW], dtype=torch.float32)


DRAWING = Drawing("search", 2, Layout, _draw, _ink)
"""This source, version 2: decoys are chimeras unless asked otherwise."""
