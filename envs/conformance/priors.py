"""What every prior keeps: densities over pixels, of the images asked for, the same again, of what it says it needs."""

import json
from typing import Any

import torch
from torch import Tensor

from ..images import Images
from ..prior import Prior
from . import fail

_SIDE, _COUNT = 40, 5
_CLOSE = 1e-3  # by which logarithms may differ with what is computed beside, and logsumexp be off 0


def check_prior(prior: Any, *, side: int = _SIDE, channels: int = 3, maps: Tensor | None = None, seed: int = 0) -> None:
    """Check that a prior keeps the contract of `Prior`, on five images of noise with a patch.

    It is bound to them; `maps` (5 side side) lie beside them for one that reads such. Checked are shape, dtype and
    place of densities; that logsumexp is 0; that they repeat, do not depend on the images beside, follow the order of
    images, differ between images where it `looks`, and between pasts where it `remembers` (and not elsewhere); that an
    empty past is none; that a stored one goes by numbers alone; that images stay as they are; that `key` is JSON.
    Raises ConformanceError.
    """
    if not isinstance(prior, Prior):
        fail(f"{prior!r} is no Prior; expected an instance of a class derived from gazeworld.envs.Prior")
    name = type(prior).__name__
    images = _images(side, channels, maps, seed)
    prior, index = prior.bind(images), torch.arange(_COUNT)
    if not isinstance(prior, Prior):
        fail(f"{name}.bind gave {type(prior).__name__}, expected a prior")
    pixels = images.pixels.clone()
    past = torch.rand(_COUNT, 2, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)
    found = prior.log_density(pixels, past, index=index)
    _check_density(found, f"{name}.log_density()", _COUNT, side)
    if not torch.equal(pixels, images.pixels):
        fail(f"{name}.log_density changes the images that it is given")
    if not torch.equal(prior.log_density(pixels, past, index=index), found):
        fail(f"{name}.log_density gives something else when it is asked again")
    order = torch.tensor([3, 0])
    if not _alike(prior.log_density(pixels[order], past[order], index=index[order]), found[order]):
        fail(f"{name}.log_density of an image depends on those beside it, or on their order")
    if prior.looks == _alike(found[:1], prior.log_density(pixels[1:2], past[:1], index=index[1:2])):
        fail(f"{name}.looks is {prior.looks}, but two images {'have one density' if prior.looks else 'differ'}")
    _check_past(prior, name, pixels, index, past)
    if prior.stored and not _alike(prior.log_density(torch.zeros_like(pixels), past, index=index), found):
        fail(f"{name}.stored is True, but its densities depend on the pixels that it is given")
    text = json.dumps(prior.key(), sort_keys=True, allow_nan=False)
    if not prior.key() or json.dumps(prior.key(), sort_keys=True) != text:
        fail(f"{name}.key() is {text}, expected what its maps depend on, and the same at every call")


def _check_past(prior: Prior, name: str, pixels: Tensor, index: Tensor, past: Tensor) -> None:
    """What was looked at before counts where a prior says so, and an empty past is as good as none."""
    first, other = (prior.log_density(pixels, seen, index=index) for seen in (past, 1 - past))
    if prior.remembers == _alike(first, other):
        told = "two pasts have one density" if prior.remembers else "densities depend on the past"
        fail(f"{name}.remembers is {prior.remembers}, but {told}")
    for some in (past[:, :1], past.repeat(1, 4, 1), past[:, :0]):
        _check_density(
            prior.log_density(pixels, some, index=index), f"{name} after {some.shape[1]}", _COUNT, len(pixels[0])
        )
    empty, none = (prior.log_density(pixels, seen, index=index) for seen in (past[:, :0], None))
    if not _alike(empty, none):
        fail(f"{name}.log_density of an empty past is another than that of none")


def _check_density(found: Any, what: str, count: int, side: int) -> None:
    if not isinstance(found, Tensor):
        fail(f"{what} is {type(found).__name__}, expected a tensor")
    if tuple(found.shape) != (count, side, side) or found.dtype != torch.float32 or found.device.type != "cpu":
        fail(
            f"{what} is {found.dtype} of shape {tuple(found.shape)} on {found.device}, expected float32 of "
            f"{(count, side, side)} on the images' device"
        )
    off = found.logsumexp((1, 2)).abs().max()
    if not bool(off <= _CLOSE):  # NaN is not
        fail(f"{what} has a logsumexp {float(off):.3g} away from 0: its densities do not sum to 1")


def _alike(one: Tensor, other: Tensor) -> bool:
    """Equal but for rounding."""
    return torch.allclose(one.exp(), other.exp(), rtol=_CLOSE, atol=1e-7)


def _images(side: int, channels: int, maps: Tensor | None, seed: int) -> Images:
    """Noise, with a bright patch at another place in each image, of two labels."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 100, (_COUNT, side, side, channels), generator=generator, dtype=torch.uint8)
    for i in range(_COUNT):
        top, left = side // 8 + i * side // 8, side // 2 - i * side // 10
        pixels[i, top : top + side // 6, left : left + side // 6] = torch.tensor(
            [250, 40, 90][:channels], dtype=torch.uint8
        )
    labels = torch.tensor([0, 1, 0, 1, 0])
    stats = (0.3,) * channels, (0.2,) * channels
    return Images("patches", "train", pixels, labels, ("one", "other"), *stats, f"patches {seed}", maps)
