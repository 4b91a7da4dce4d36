"""How likely augmentations are, and what the poses of augmented views mean: EquiMod's protocol."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from annotated_types import Interval
from jaxtyping import Float32, Int64
from torch import Tensor

from ..alias_tables import pick
from ..rng import Draws
from ..validation import OptionError, Options, PositiveAmount, Share, from_mapping
from ._augment import ORDERS, Parameters

CROP, JITTER, BLUR = slice(0, 4), slice(4, 8), slice(8, 9)
FLIP, GREY, SOLARISE, ORDER = 9, 10, 11, 12
POSE = 13
KINDS = ("either", "observed", "predicted")
_STEPS = 2.0**16  # what is continuous moves in steps of 1 / 65536: sums and differences of such numbers are exact
_TRIES = 10  # boxes drawn before the whole image is taken, as in torchvision
_FLAGS, _BOX, _COLOUR, _TURNS = range(4)  # numbers folded into the stream of a pose


@dataclass(frozen=True)
class Protocol(Options, owner="protocol"):
    """Ranges and probabilities, of EquiMod (Devillers and Lefort 2022) for images of 32 pixels; the paper uses them.

    `scale` is the range of the crop's area as a share of the image, `ratio` that of width / height, drawn as by
    torchvision's RandomResizedCrop. With probability `jitter`, the factors of brightness, contrast and saturation are
    uniform in 1 ± `brightness`, `contrast`, `saturation`, and the hue's turn in ± `hue` circles, in random order; else
    colours stay. `sigma` is the range of the blur's standard deviation, in pixels of the view. `flip` and `grey` are
    probabilities; so are `blur` and `solarise`, for a view of the first kind (those observed) and one of the second
    (that predicted). `kernel` is the number of taps of the blur; 0: EquiMod's rule, 2 · round((size - 10) / 20) + 1
    (3 for 32 pixels, 7 for 64), but at least 3. Raises ValueError for impossible numbers.
    """

    scale: tuple[PositiveAmount, Share] = (0.2, 1.0)
    ratio: tuple[PositiveAmount, PositiveAmount] = (3 / 4, 4 / 3)
    flip: Share = 0.5
    jitter: Share = 0.8
    brightness: Share = 0.4
    contrast: Share = 0.4
    saturation: Share = 0.2
    hue: Annotated[float, Interval(ge=0, le=0.5)] = 0.1
    grey: Share = 0.2
    blur: tuple[Share, Share] = (1.0, 0.1)
    sigma: tuple[PositiveAmount, PositiveAmount] = (0.1, 2.0)
    solarise: tuple[Share, Share] = (0.0, 0.2)
    kernel: Annotated[int, Interval(ge=0, le=2**10)] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("scale", "ratio", "sigma"):
            low, high = getattr(self, name)
            if low > high:
                raise OptionError(f"protocol.{name} is {(low, high)}, expected low <= high")
        if not self.ratio[0] <= 1 <= self.ratio[1]:
            raise OptionError(f"protocol.ratio is {self.ratio}, expected a range around 1")
        if self.kernel and self.kernel % 2 == 0:
            raise OptionError(f"protocol.kernel is {self.kernel}, expected 0 or an odd number of taps")

    @property
    def strengths(self) -> tuple[float, float, float, float]:
        """How far brightness, contrast, saturation and hue go from what changes nothing."""
        return self.brightness, self.contrast, self.saturation, self.hue

    def taps(self, size: int) -> int:
        """Taps of the blur of views of `size` pixels."""
        return self.kernel or max(3, 2 * round((size - 10) / 20) + 1)


def make_protocol(changes: Mapping[str, Any]) -> Protocol:
    """The protocol with some fields changed, given as JSON-able options. Raises OptionError for an unknown one."""
    return from_mapping(Protocol, changes, "protocol")


class Poses:
    """Poses of augmented views of images of `side` pixels and `channels` channels (see AugmentationWorld).

    All 13 numbers lie in [0, 1]. Pixels and orders are looked up and everything else is a multiple of 2^-16, so
    that the way from one pose to another leads there exactly.
    """

    def __init__(self, protocol: Protocol, side: int, channels: int, device: torch.device) -> None:
        self._protocol, self._side, self._device = protocol, side, device
        # The shortest edge that the protocol draws; shorter crops are not legal.
        ratio = min(protocol.ratio[0], 1 / protocol.ratio[1])
        self.least = max(1, min(side, round(side * math.sqrt(protocol.scale[0] * ratio))))
        self.colours = channels == 3
        coloured = (True, True, self.colours, self.colours)
        self.varies = tuple(s > 0 and c for s, c in zip(protocol.strengths, coloured, strict=True))
        self._varies = torch.tensor(self.varies, device=device)
        self._strengths = torch.tensor(protocol.strengths, dtype=torch.float32, device=device)
        self._base = torch.tensor((1.0, 1.0, 1.0, 0.0), dtype=torch.float32, device=device)
        self._places = (torch.arange(side + 1, dtype=torch.float64) / side).float().to(device)
        self._orders = torch.tensor(ORDERS, device=device)
        self._numbers = (torch.arange(len(ORDERS), dtype=torch.float64) / (len(ORDERS) - 1)).float().to(device)

    def draw(self, rng: Draws, kind: str) -> Float32[Tensor, "b 13"]:
        """Poses with the protocol's distribution, of views of one of the `KINDS`."""
        protocol, u = self._protocol, rng.fold(_FLAGS).uniform(7)
        second = u[:, 0] < {"observed": 0.0, "either": 0.5, "predicted": 1.0}[kind]
        jittered, blurred = u[:, 1] < protocol.jitter, u[:, 2] < _chance(second, protocol.blur)
        low, high = protocol.sigma
        sigma = (low + (high - low) * u[:, 3]) / high
        colour = torch.where(jittered[:, None], rng.fold(_COLOUR).uniform(4), 0.5)
        order = rng.fold(_TURNS).integers(len(ORDERS))[:, 0] * jittered
        flags = (u[:, 4] < protocol.flip, u[:, 5] < protocol.grey, u[:, 6] < _chance(second, protocol.solarise))
        pose = torch.cat(
            (
                pick(self._places, self._boxes(rng.fold(_BOX))),
                colour,
                (sigma * blurred)[:, None],
                torch.stack(flags, 1).float(),
                pick(self._numbers, order)[:, None],
            ),
            1,
        )
        return self.snap(pose)

    def snap(self, pose: Float32[Tensor, "b 13"]) -> Float32[Tensor, "b 13"]:
        """The legal poses nearest to any: whole pixels inside the image, edges of `least` or more, whole flags."""
        pose = pose.clamp(0, 1)
        pixels = (pose[:, CROP] * self._side).round().long()
        edges = pixels[:, 2:].clamp_min(self.least)
        corners = torch.minimum(pixels[:, :2], self._side - edges)
        shares = (pose[:, 4:9] * _STEPS).round() / _STEPS
        flags = pose[:, FLIP:ORDER].round()
        if not self.colours:
            flags = flags * torch.tensor((1.0, 0.0, 1.0), dtype=torch.float32, device=self._device)
        order = (pose[:, ORDER] * (len(ORDERS) - 1)).round().long()
        return torch.cat(
            (
                pick(self._places, torch.cat((corners, edges), 1)),
                torch.where(self._varies, shares[:, :4], 0.5),
                shares[:, 4:],
                flags,
                pick(self._numbers, order)[:, None],
            ),
            1,
        )

    def parameters(self, pose: Float32[Tensor, "b 13"]) -> Parameters:
        """What legal poses mean, in the units of the operations."""
        order = (pose[:, ORDER] * (len(ORDERS) - 1)).round().long()
        return Parameters(
            box=(pose[:, CROP] * self._side).round().long(),
            flip=pose[:, FLIP] > 0.5,
            colour=self._base + self._strengths * (2 * pose[:, JITTER] - 1),
            order=self._orders[order],
            grey=pose[:, GREY] > 0.5,
            sigma=self._protocol.sigma[1] * pose[:, 8],
            solarise=pose[:, SOLARISE] > 0.5,
        )

    def _boxes(self, rng: Draws) -> Int64[Tensor, "b 4"]:
        """Top, left, height, width: the first of several boxes that fits, or else the whole image."""
        (small, large), (narrow, broad), side = self._protocol.scale, self._protocol.ratio, self._side
        u = rng.fold(0).uniform64(2 * _TRIES)  # with 53 bits, because an area is rounded to pixels
        edge = side * torch.sqrt(small + (large - small) * u[:, :_TRIES])
        root = torch.exp((math.log(narrow) + math.log(broad / narrow) * u[:, _TRIES:]) / 2)  # √(width / height)
        tried = torch.stack(((edge / root).round(), (edge * root).round()), 2).long()  # b tries 2
        fits = ((tried > 0) & (tried <= side)).all(2)
        fits = torch.cat((fits, fits.new_ones(len(fits), 1)), 1)
        tried = torch.cat((tried, tried.new_full((len(tried), 1, 2), side)), 1)
        first = fits.long().argmax(1)
        edges = tried[torch.arange(len(first), device=self._device), first]  # b 2
        corners = (rng.fold(1).uniform64(2) * (side - edges + 1)).long()
        return torch.cat((corners, edges), 1)


def _chance(second: Tensor, chances: tuple[float, float]) -> Tensor:
    return torch.full_like(second, chances[0], dtype=torch.float32).masked_fill(second, chances[1])
