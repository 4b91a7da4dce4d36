"""Augmentations of image batches: every image is cropped, coloured and blurred by parameters of its own.

`Protocol` says how likely augmentations are, `Poses` what the poses of augmented views mean, `Augmenter` makes views.
Written here because no library does it: torchvision takes one set of parameters for a whole batch; kornia's crops do
not antialias, its hue takes three times as long, and what its blur makes of a grey image differs in the last bits with
the size of the batch, so that an environment would show something else when others run beside it.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any

import torch
from annotated_types import Interval
from jaxtyping import Bool, Float, Float32, Float64, Int64, UInt8
from torch import Tensor

from ..alias_tables import pick
from ..rng import Draws
from ..validation import OptionError, Options, PositiveAmount, Share, from_mapping

OPERATIONS = ("brightness", "contrast", "saturation", "hue")
"""Colour operations, in the order in which their parameters stand."""
ORDERS = tuple(itertools.permutations(range(len(OPERATIONS))))
"""All orders of the colour operations; the first one is that of `OPERATIONS`."""
NEUTRAL = (1.0, 1.0, 1.0, 0.0)
"""Parameters of the colour operations that change nothing."""
_LUMA = (0.299, 0.587, 0.114)  # ITU-R 601, as in Pillow
_THRESHOLD = 128 / 255  # of solarising, in EquiMod and BYOL


@dataclass(frozen=True)
class Parameters:
    """What is done to each image of a batch, in this order and in the units of torchvision's functional operations.

    `box` is top, left, height and width of the crop in pixels of the image; `flip` mirrors left and right. `colour`
    holds three factors and a turn of the hue (in circles, within ±0.5), `order` which of `OPERATIONS` comes first,
    second … `grey` takes the colours away. `sigma` is the blur's standard deviation in pixels of the view (0: none).
    `solarise` inverts levels from 128 on.
    """

    box: Int64[Tensor, "b 4"]
    flip: Bool[Tensor, " b"]
    colour: Float32[Tensor, "b 4"]
    order: Int64[Tensor, "b 4"]
    grey: Bool[Tensor, " b"]
    sigma: Float32[Tensor, " b"]
    solarise: Bool[Tensor, " b"]

    def __getitem__(self, rows: slice) -> "Parameters":
        return Parameters(*(getattr(self, field.name)[rows] for field in fields(self)))


class Augmenter:
    """Views of `size` × `size` pixels from images of `side` × `side`, by crops with edges of `least` pixels or more.

    Crops are resized by bicubic interpolation with antialiasing, as Pillow does it. `kernel` is the number of taps of
    the blur, an odd number. Nothing is rounded before the end (Pillow rounds after every operation). Each image's view
    depends on nothing but the image and its parameters.
    """

    def __init__(self, side: int, size: int, least: int, kernel: int, device: torch.device) -> None:
        self._side, self._least = side, least
        table = torch.stack([_resampling(edge, size, side) for edge in range(least, side + 1)])  # k s H
        # Zeros before each row: a crop that begins elsewhere reads the same matrix from another place.
        table = torch.nn.functional.pad(table, (side, 0)).float().to(device)
        strides = (size * 2 * side, 1, 2 * side, 1)
        self._matrices = table.as_strided((len(table), side + 1, size, side), strides)
        self._taps = _taps(size, kernel).to(device)  # taps s s
        self._offsets = torch.arange(kernel, device=device, dtype=torch.float64) - kernel // 2

    def __call__(self, pixels: UInt8[Tensor, "b h w c"], done: Parameters) -> UInt8[Tensor, "b c s s"]:
        """The views of these images."""
        view = self.crop(pixels, done.box, done.flip)
        _colour(view, done.colour, done.order)
        if view.shape[1] == 3:
            view = torch.where(done.grey[:, None, None, None], _luma(view), view)
        view = self.blur(view, done.sigma)
        inverted = done.solarise[:, None, None, None] & (view >= _THRESHOLD)
        return torch.where(inverted, 1 - view, view).mul_(255).round_().to(torch.uint8)

    def crop(
        self, pixels: UInt8[Tensor, "b h w c"], box: Int64[Tensor, "b 4"], flip: Bool[Tensor, " b"]
    ) -> Float32[Tensor, "b c s s"]:
        """Crops resized to the size of a view, in [0, 1]."""
        rows, columns = (self._matrices[box[:, i + 2] - self._least, self._side - box[:, i]] for i in (0, 1))  # b s H
        columns = torch.where(flip[:, None, None], columns.flip(1), columns)
        image = pixels.permute(0, 3, 1, 2).to(torch.float64).contiguous()  # b c h w
        return _resampled(image, rows, columns).div_(255).clamp_(0, 1).float()

    def blur(self, view: Float32[Tensor, "b c s s"], sigma: Float32[Tensor, " b"]) -> Float32[Tensor, "b c s s"]:
        """Views blurred by Gaussians, with reflecting borders; in place."""
        rows = sigma.nonzero()[:, 0]
        wide = sigma[rows].double()[:, None]
        weights = torch.exp(-0.5 * (self._offsets / wide) ** 2)  # b taps
        weights = weights / weights.sum(1, keepdim=True)
        matrix = (weights @ self._taps.flatten(1)).view(-1, *self._taps.shape[1:])  # b s s
        view[rows] = _resampled(view[rows].double(), matrix, matrix).float()
        return view


def _resampled(
    image: Float64[Tensor, "b c h w"], rows: Float[Tensor, "b s h"], columns: Float[Tensor, "b s w"]
) -> Float64[Tensor, "b c s s"]:
    """Rows · image · columnsᵀ for every image and channel.

    In double precision, which hides in what order a library adds: that depends on the size of the batch.
    """
    b, c, h, w = image.shape
    across = torch.bmm(image.reshape(b, c * h, w), columns.double().transpose(1, 2)).view(b, c, h, columns.shape[1])
    return torch.matmul(rows.double()[:, None], across)


def _resampling(edge: int, size: int, side: int) -> Float64[Tensor, "s H"]:
    """The matrix that resizes the first `edge` of `side` pixels to `size`, by Keys's cubic with a = -0.5."""
    scale = edge / size
    centres = (torch.arange(size, dtype=torch.float64) + 0.5) * scale
    places = torch.arange(side, dtype=torch.float64) + 0.5
    x = (places - centres[:, None]).abs() / max(scale, 1.0)
    near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    weights = torch.where(x < 1, near, torch.where(x < 2, far, 0.0)) * (places < edge)
    return weights / weights.sum(1, keepdim=True)


def _taps(size: int, kernel: int) -> Float64[Tensor, "taps s s"]:
    """For every tap, the matrix that shifts a line by it and mirrors what falls out."""
    inside = torch.arange(size)
    shifted = (inside[:, None] + torch.arange(kernel) - kernel // 2).abs()  # s taps
    shifted = torch.where(shifted >= size, 2 * (size - 1) - shifted, shifted)
    return torch.nn.functional.one_hot(shifted.T, size).double()


def _colour(view: Float32[Tensor, "b c s s"], parameters: Float32[Tensor, "b 4"], order: Int64[Tensor, "b 4"]) -> None:
    """Apply the colour operations in place, each to the images whose turn it is; grey images have no colours."""
    neutral = torch.tensor(NEUTRAL, dtype=torch.float32, device=view.device)
    changes = parameters != neutral
    for turn in range(len(OPERATIONS)):
        for which, operation in enumerate((_brighter, _contrasted, _saturated, _turned)):
            if view.shape[1] == 1 and operation in (_saturated, _turned):
                continue
            rows = ((order[:, turn] == which) & changes[:, which]).nonzero()[:, 0]
            if len(rows):
                view[rows] = operation(view[rows], parameters[rows, which, None, None, None])


def _luma(view: Float32[Tensor, "b c s s"]) -> Float32[Tensor, "b 1 s s"]:
    if view.shape[1] == 1:
        return view
    red, green, blue = view.split(1, 1)
    return _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue


def _brighter(view: Float32[Tensor, "b c s s"], factor: Float32[Tensor, "b 1 1 1"]) -> Float32[Tensor, "b c s s"]:
    return (view * factor).clamp_(0, 1)


def _contrasted(view: Float32[Tensor, "b c s s"], factor: Float32[Tensor, "b 1 1 1"]) -> Float32[Tensor, "b c s s"]:
    mean = _luma(view).mean((1, 2, 3), keepdim=True, dtype=torch.float64).float()
    return (view * factor + mean * (1 - factor)).clamp_(0, 1)


def _saturated(view: Float32[Tensor, "b c s s"], factor: Float32[Tensor, "b 1 1 1"]) -> Float32[Tensor, "b c s s"]:
    return (view * factor + _luma(view) * (1 - factor)).clamp_(0, 1)


def _turned(view: Float32[Tensor, "b c s s"], turn: Float32[Tensor, "b 1 1 1"]) -> Float32[Tensor, "b c s s"]:
    """Hues turned as in HSV: the largest and the smallest channel of a pixel stay, the place in between moves."""
    red, green, blue = view.unbind(1)
    high, low = view.amax(1), view.amin(1)
    chroma = high - low
    place = torch.where(
        high == red,
        green - blue,
        torch.where(high == green, blue - red + 2 * chroma, red - green + 4 * chroma),
    )
    sextant = place / chroma.masked_fill(chroma == 0, 1.0) + 6 * turn[:, 0]  # b s s
    out = torch.empty_like(view)
    for channel, start in enumerate((5.0, 3.0, 1.0)):
        k = (sextant + start).remainder_(6.0)
        out[:, channel] = high - chroma * torch.minimum(k, 4 - k).clamp_(0, 1)
    return out


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
