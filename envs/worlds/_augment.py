"""Augmentations of image batches: every image is cropped, coloured and blurred by parameters of its own.

Written here because no library does it: torchvision takes one set of parameters for a whole batch; kornia's crops do
not antialias, its hue takes three times as long, and what its blur makes of a grey image differs in the last bits with
the size of the batch, so that an environment would show something else when others run beside it.
"""

import itertools
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64, UInt8
from torch import Tensor

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
