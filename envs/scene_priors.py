"""Which prior draws the fixations of a world: tables for maps that fit, else a pass over each scene's own map.

Tables are for maps that take milliseconds (`saliency.KINDS`) of images at hand, and only as long as there is room for
them: those of ImageNet would take 191 GB.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from . import alias_tables
from .dense_prior import DensePrior, Read, Recent, SceneMaps
from .fixation_prior import FixationPrior, rows_of
from .fixations import Lattice
from .images import Images, StillImages
from .prior import Prior, make_prior, require_name
from .saliency import SAME_FOR_ALL, check_kind, control_of, maps_key, require_sigma, saliency_maps, same_for_all, tabled
from .saliency import rows_of as partners_of
from .tabled_prior import TabledPrior
from .validation import OptionError

TABLES = 16 << 30
"""Bytes of maps and tables, in files that are mapped, from which on there are none."""


def fixation_prior_of(
    images: StillImages,
    kind: str,
    lattice: Lattice,
    *,
    sigma: float = 0.0,
    options: Mapping[str, Any] | None = None,
    device: torch.device | str = "cpu",
    read: Read | None = None,
) -> FixationPrior:
    """The distribution over fixations that one kind of map of these images gives (a name of `prior.make_prior`).

    `options` are the prior's, `sigma` > 0 multiplies its density by a centre Gaussian of that width. `read` gives the
    pixels of scenes on the device, where a world holds them already. Tables of many maps stay on disk.
    Errors as of `make_prior`, `saliency.saliency_maps` and the two kinds of FixationPrior.
    """
    require_sigma(sigma)
    name, place = f"{kind} maps of {images.name}/{images.split}", torch.device(device)
    if isinstance(images, Images) and not options and has_tables(images, kind, lattice):
        check_kind(images, kind, sigma)
        maps = saliency_maps(images, drawn := _drawn(kind), sigma)
        key = maps_key(images, drawn, sigma) if len(maps) > 1 else None
        return TabledPrior(maps, lattice, device=place, key=key, name=name, other=partners_of(images, kind))
    single = None if options else _single(images, kind, sigma)
    if single is not None:
        return TabledPrior(single, lattice, device=place, name=name)
    prior = bound(images, kind, options)
    return DensePrior(prior, read or reading(images, place), lattice, sigma=sigma, device=place, name=name)


def _single(images: StillImages, kind: str, sigma: float) -> Float32[Tensor, "1 h w"] | None:
    """The map of a kind that looks at no image."""
    base = control_of(kind)[1]
    return same_for_all(images.side, base, sigma) if base in SAME_FOR_ALL else None


def has_tables(images: StillImages, kind: str, lattice: Lattice) -> bool:
    """Whether fixations on these images are drawn from tables of all their maps of a kind."""
    if not isinstance(images, Images) or not tabled(kind):
        return False
    if images.map_set is not None and control_of(kind)[1] == "precomputed":
        return False  # in files of their own, of which no copy is needed
    cells = lattice.count**2
    return len(images) * (4 * images.side**2 + cells * alias_tables.entry_type(cells).itemsize) <= TABLES


def bound(images: StillImages, kind: str, options: Mapping[str, Any] | None = None) -> Prior:
    """The prior of this name, for these images."""
    require_name(kind)
    return make_prior(kind, **(options or {})).bind(images)


def reading(images: StillImages, device: torch.device) -> Read:
    """Pixels read from the images themselves, for whoever holds none of them."""
    return lambda index: images.batch(index.cpu()).to(device)


def shown_maps(
    images: StillImages, kind: str, lattice: Lattice, read: Read, device: torch.device, sigma: float = 0.0,
    options: Mapping[str, Any] | None = None,
) -> Callable[[Int64[Tensor, " b"]], UInt8[Tensor, "b h w"]]:  # fmt: skip
    """A function that gives whole maps to look at, on the device, each scaled so that its maximum is 255.

    Of a prior that remembers, those before the first fixation.
    """
    require_sigma(sigma)
    if isinstance(images, Images) and not options and has_tables(images, kind, lattice):
        maps, other = saliency_maps(images, _drawn(kind), sigma), partners_of(images, kind)

        def stored(index: Int64[Tensor, " b"]) -> UInt8[Tensor, "b h w"]:
            numbers = index.cpu() if other is None else other[index.cpu()]
            return _scaled(maps[numbers % len(maps)].to(device))  # a file, left where it is

        return stored
    single = None if options else _single(images, kind, sigma)
    if single is not None:
        return lambda index: _scaled(single.to(device)).expand(len(index), -1, -1)
    made = SceneMaps(bound(images, kind, options), read, images.side, device, sigma)
    recent = Recent((images.side, images.side), torch.uint8, device)

    def dense(index: Int64[Tensor, " b"]) -> UInt8[Tensor, "b h w"]:
        parts = []
        for rows in rows_of(len(index)):
            part = index[rows]
            names = [number.tobytes() for number in part.cpu().numpy()]
            parts.append(recent(names, lambda missing, part=part: _scaled(made(part[missing.to(part.device)]))))
        return torch.cat(parts)

    return dense


def options_key(options: Mapping[str, Any] | None) -> str:
    """Options as text, equal for equal ones. Raises OptionError for what JSON does not know."""
    try:
        return json.dumps(dict(options or {}), sort_keys=True)
    except (TypeError, ValueError) as error:
        raise OptionError(f"options of a map are {dict(options or {})}, expected what JSON knows ({error})") from error


def _drawn(kind: str) -> str:
    """The kind whose maps are stored: of a mismatched one, the images' own. So nothing is stored twice."""
    control, base = control_of(kind)
    return base if control == "mismatched" else kind


def _scaled(maps: Tensor) -> UInt8[Tensor, "b h w"]:
    return (maps * (255 / maps.amax((1, 2), keepdim=True))).round().to(torch.uint8)
