"""Saliency maps of still images: image signature, centre prior, precomputed maps, and controls.

A map is a probability density over the pixels of an image: non-negative, summing to 1. Maps that depend on the image
are computed once and cached on disk (see `cache.py`).
"""

import functools
import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, UInt8
from rich.progress import track
from torch import Tensor
from torch.nn import functional as F

from .cache import cached
from .files import DataError
from .images import Images
from .map_sets import require_mass
from .prior import parsed, partners

CENTRE_SIGMA = 0.25
"""Width of the centre prior, in units of the image side."""
VERSION = 1  # of the maps on disk: raise it whenever the code below gives other numbers
_SIDE, _BLUR = 64, 3.0  # largest working size, and the blur in its pixels
_LONG = 20_000  # from this many images on, a progress bar is shown

KINDS = (
    *("uniform", "centre", "image-signature", "contrast", "precomputed"),
    *("mismatched", "mismatched-contrast", "mismatched-precomputed"),
    *("transposed", "transposed-contrast", "transposed-precomputed"),
)
"""What `saliency_maps` can give. The mismatched are maps of an image of another label, the transposed have rows and
columns exchanged: controls that tell what is due to looking at salient places of *this* image. `mismatched` alone is
the image signature's, as `mismatched-image-signature` is. Other priors are in the registry (see `prior`)."""
SAME_FOR_ALL = ("uniform", "centre")
"""The kinds that look at no image."""


def image_signature(pixels: UInt8[Tensor, "n h w c"]) -> Float32[Tensor, "n h w"]:
    """Image signature of Hou, Harel and Koch (2012), each map summing to 1.

    The inverse cosine transform of the signs of an image's cosine transform is large where a sparse foreground is.
    It is squared, summed over channels (opponent ones if there are three) and blurred, at 64 x 64 pixels, or at the
    image's own size if that is less. A channel without contrast says nothing; an image without any gets the uniform
    map. Runs where the pixels are.
    """
    side = pixels.shape[1]
    forward, back, spread = _transforms(side, pixels.device)
    channels = _opponent(pixels.movedim(3, 1).to(torch.float32))  # n c h w
    channels = channels - channels.mean((2, 3), keepdim=True)
    spectrum = forward @ channels @ forward.T  # n c s s
    # What should be zero comes out near 1e-3 in float32; the mean says nothing about place and has been removed.
    signs = torch.where(spectrum.abs() > 0.02, spectrum.sign(), 0.0)
    energy = (back @ signs @ back.T).square().sum(1)
    maps = (spread @ energy @ spread.T).clamp_min(0)  # n h w
    total = maps.sum((1, 2), keepdim=True)
    blank = total < 1e-6
    return torch.where(blank, 1.0 / side**2, maps / total.where(~blank, torch.ones_like(total)))


def local_contrast(pixels: UInt8[Tensor, "n h w c"]) -> Float32[Tensor, "n h w"]:
    """Where the intensity differs from its surroundings, each map summing to 1.

    The centre-surround difference of Itti, Koch and Niebur (1998) at one scale: the distance of a pixel from the mean
    over a third of the image side, squared, averaged over a tenth of it. For drawings on an even ground, on which
    the image signature, made for photographs, hardly prefers the strokes. A blank image gets the uniform map.
    """
    n, side = len(pixels), pixels.shape[1]
    grey = pixels.to(torch.float32).mean(3)[:, None]  # n 1 h w
    apart = (grey - _box(grey, side // 3)).square()
    maps = _box(apart, side // 10)[:, 0]  # n h w
    total = maps.sum((1, 2), keepdim=True)
    blank = total < 1e-3
    return torch.where(blank, 1.0 / side**2, maps / total.where(~blank, torch.ones_like(total))).view(n, side, side)


def _box(maps: Float32[Tensor, "n 1 h w"], width: int) -> Float32[Tensor, "n 1 h w"]:
    """Mean over a square of an odd width around each pixel, or as much of it as there is; rows, then columns."""
    reach = width // 2
    down = F.avg_pool2d(maps, (2 * reach + 1, 1), 1, (reach, 0), count_include_pad=False)
    return F.avg_pool2d(down, (1, 2 * reach + 1), 1, (0, reach), count_include_pad=False)


def _opponent(channels: Float32[Tensor, "n c h w"]) -> Float32[Tensor, "n c h w"]:
    """Intensity, red against green and blue against yellow, if there are three channels; else the channels."""
    if channels.shape[1] != 3:
        return channels
    r, g, b = channels.unbind(1)
    # Whole-number weights keep the opponent channels of a grey picture at exactly zero; only signs matter later.
    return torch.stack(((r + g + b) / 3, r - g, 2 * b - r - g), 1)


@functools.lru_cache(maxsize=8)
def _transforms(side: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Matrices that shrink and transform (s x side), transform back (s x s), blur and enlarge (side x s)."""
    s = min(side, _SIDE)
    place, order = torch.arange(s, dtype=torch.float64), torch.arange(s, dtype=torch.float64)[:, None]
    cosine = torch.cos(torch.pi * order * (2 * place + 1) / (2 * s)) * (2 / s) ** 0.5
    cosine[0] *= 0.5**0.5  # orthonormal DCT-II
    kernel = torch.exp(-0.5 * ((place - order) / (_BLUR * s / _SIDE)) ** 2)
    kernel /= kernel.sum(1, keepdim=True)
    shrink, enlarge = _resize(side, s), _resize(s, side)
    there, back, spread = (m.to(device, torch.float32) for m in (cosine @ shrink, cosine.T, enlarge @ kernel))
    return there, back.contiguous(), spread


def _resize(old: int, new: int) -> Float[Tensor, "{new} {old}"]:
    """Linear interpolation along one axis, with antialiasing, as a matrix."""
    eye = torch.eye(old, dtype=torch.float64)[None, None]
    return F.interpolate(eye, size=(new, old), mode="bilinear", antialias=True)[0, 0]


def centre_gaussian(side: int, sigma: float = CENTRE_SIGMA) -> Float32[Tensor, "h w"]:
    """A round Gaussian in the middle of the image, summing to 1; `sigma` in units of the side."""
    if not sigma > 0:
        raise ValueError(f"sigma of the centre Gaussian is {sigma}, expected more than 0 (units of the image side)")
    offset = (torch.arange(side, dtype=torch.float64) + 0.5) / side - 0.5
    line = torch.softmax(-0.5 * (offset / sigma) ** 2, 0)
    return torch.outer(line, line).to(torch.float32)


def saliency_maps(images: Images, kind: str, sigma: float = 0.0) -> Float32[Tensor, "m h w"]:
    """Maps of all images, m = n, or m = 1 where they are the same for every image; each sums to 1.

    `sigma` > 0 multiplies them by a centre Gaussian of that width (for `centre` it is its width, 0.25 if 0). Maps of
    images are memory-mapped files in the cache; precomputed ones that already are densities are given as they are.
    Raises ValueError for an unknown kind and DataError, naming source and image, for bad or missing maps.
    """
    check_kind(images, kind, sigma)
    control, base = control_of(kind)
    side = images.side
    if base in SAME_FOR_ALL:
        return same_for_all(side, base, sigma)
    if not control and base == "precomputed" and sigma == 0 and _densities(images):
        return given(images)
    key = maps_key(images, kind, sigma)
    return torch.from_numpy(
        cached(key, (len(images), side, side), np.float32, lambda out: _fill(out, images, kind, sigma))
    )


def same_for_all(side: int, kind: str, sigma: float = 0.0) -> Float32[Tensor, "1 h w"]:
    """The one map of a kind that is the same for every image of this side."""
    if kind == "centre" or sigma > 0:
        return centre_gaussian(side, sigma or CENTRE_SIGMA)[None]
    return torch.full((1, side, side), 1.0 / side**2, dtype=torch.float32)


def maps_key(images: Images, kind: str, sigma: float = 0.0) -> dict[str, Any] | None:
    """Everything that the maps depend on, JSON-able; None for images without a fingerprint, of which none is kept."""
    if not images.fingerprint:
        return None
    control, base = control_of(kind)
    key = {
        "what": "saliency maps",
        "version": VERSION,
        "source": images.name,
        "split": images.split,
        "fingerprint": images.fingerprint,
        "shape": list(images.pixels.shape),
        "kind": base if not control else "-".join(control_of(kind)),
        "sigma": float(sigma),
    }
    if base == "image-signature":
        key |= {"side": _SIDE, "blur": _BLUR}
    elif base == "precomputed":
        key |= {"maps": _digest(images)}
    other = rows_of(images, kind)
    return key if other is None else key | {"partners": hashlib.sha256(other.numpy().tobytes()).hexdigest()}


def control_of(kind: str) -> tuple[str, str]:
    """The control and the kind of map that it is made of; the control of any other kind is ""."""
    return parsed(kind)


def rows_of(images: Images, kind: str) -> Int64[Tensor, " n"] | None:
    """Which image's map each image has, where it is not its own: of the mismatched kinds."""
    control, base = control_of(kind)
    if control != "mismatched" or base in SAME_FOR_ALL:
        return None
    return partners(images.labels, f"{images.name}/{images.split}")


def tabled(kind: str) -> bool:
    """Whether `saliency_maps` can give maps of a kind."""
    return control_of(kind)[1] in KINDS


def require_sigma(sigma: float) -> None:
    """Raise ValueError for a width that no centre Gaussian has; 0 is none."""
    if not 0 <= sigma < float("inf"):
        raise ValueError(f"sigma of the centre Gaussian is {sigma}, expected 0 (none) or more")


def check_kind(images: Images, kind: str, sigma: float) -> None:
    """Raise one sentence if these images have no maps of this kind."""
    where = f"{images.name}/{images.split}"
    if not tabled(kind):
        raise ValueError(f"unknown saliency map {kind!r}; there are: {', '.join(KINDS)}")
    require_sigma(sigma)
    rows_of(images, kind)
    if control_of(kind)[1] != "precomputed":
        return
    if images.maps is None:
        raise DataError(f"{where}: no saliency maps came with the images, but {kind!r} maps were asked for")
    if images.maps.shape != images.pixels.shape[:3]:
        found, expected = tuple(images.maps.shape), tuple(images.pixels.shape[:3])
        raise DataError(f"{where}: saliency maps of shape {found}, expected {expected}")


def _fill(out: np.ndarray, images: Images, kind: str, sigma: float) -> None:
    """Compute all maps of a kind, chunk by chunk, into `out` (n h w)."""
    n, where = len(images), f"{images.name}/{images.split}"
    control, base = control_of(kind)
    other = rows_of(images, kind)
    for rows in chunks(n, f"{kind} maps of {where}"):
        index = torch.arange(rows.start, rows.stop) if other is None else other[rows]
        if base == "precomputed":
            maps = given(images)[index].to(torch.float32)
            require_mass(maps, where, index)
        elif not control and base == "image-signature" and sigma == 0:
            maps = image_signature(images.pixels[index])
        elif not control and base == "contrast" and sigma == 0:
            maps = local_contrast(images.pixels[index])
        else:
            maps = saliency_maps(images, base)[index]
        if control == "transposed":
            maps = maps.transpose(1, 2)
        if sigma > 0:
            maps = maps * centre_gaussian(images.side, sigma)
            require_mass(maps, f"{where}, times a centre Gaussian of sigma {sigma}", index)
        out[rows] = (maps / maps.sum((1, 2), keepdim=True)).numpy()


def chunks(n: int, what: str, size: int = 256) -> Iterator[slice]:
    """The rows 0 … n - 1 in pieces of `size`, with a progress bar that says `what` if there are very many."""
    for start in track(range(0, n, size), description=what, disable=n < _LONG, transient=True):
        yield slice(start, min(start + size, n))


def _densities(images: Images) -> bool:
    """Whether the precomputed maps are float32 and sum to 1 as they are; looks at each of them once, ever."""
    named = maps_key(images, "precomputed")
    key = named and {**named, "what": "sums of saliency maps"}

    def fill(out: np.ndarray) -> None:
        where = f"{images.name}/{images.split}"
        for rows in chunks(len(images), f"checking the maps of {where}"):
            maps = given(images)[rows].to(torch.float32)
            require_mass(maps, where, torch.arange(rows.start, rows.stop))
            out[rows] = maps.sum((1, 2)).numpy()

    sums = cached(key, (len(images),), np.float32, fill)
    return given(images).dtype == torch.float32 and bool(np.abs(sums - 1).max() < 1e-3)


def given(images: Images) -> Float[Tensor, "n h w"]:
    """The maps that came with the images. Raises DataError if none did."""
    if images.maps is None:
        raise DataError(f"{images.name}/{images.split}: no saliency maps came with the images")
    return images.maps


def _digest(images: Images) -> str:
    """Identifies precomputed maps by 64 of them: reading all of a large file at every start would take minutes."""
    some = given(images)[:: max(1, len(images) // 64)].contiguous()
    return hashlib.sha256(some.numpy().tobytes()).hexdigest()
