"""Looking at every image of a split and at every saliency map beside it: what is wrong is counted, and named.

Opening a source looks at as little as it can; this looks at everything, once, before hours of training depend on it.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from ..files import DataError
from ..images import Images, LazyImages, StillImages
from ..map_sets import MapSet, TensorMaps
from ..resumable import checksum_of
from ..threads import ahead
from .map_files import open_maps
from .map_manifest import FILE, read_manifest

NAMED = 10
"""Faults that are named; all are counted."""
ALIKE = 0.995
"""Mean correlation between maps of different images above which they hardly depend on the image."""
_SAMPLE = 64  # images whose maps are compared with each other
_BATCH = 64
Told = Callable[[str, int, int], None]


@dataclass
class Faults:
    """What is wrong: how much, and the first of it in one sentence each."""

    count: int = 0
    named: list[str] = field(default_factory=list)

    def add(self, sentence: str) -> None:
        """One more."""
        self.count += 1
        if len(self.named) < NAMED:
            self.named.append(sentence)


@dataclass(frozen=True)
class Findings:
    """What there is in a split, and what is wrong with it.

    `correlation` is the mean correlation between the maps of different images, over a seeded sample of them; None
    where there are no maps. `warnings` say what is suspicious and no fault.
    """

    images: int
    maps: int
    faults: Faults
    warnings: tuple[str, ...] = ()
    correlation: float | None = None


def check_split(images: StillImages, place: str | Path = "", told: Told | None = None) -> Findings:
    """Look at all images of a split, at its files, and at the maps in `place`, or those that came with the images.

    `told` is called with what is being looked at, how many are done and how many there are.
    """
    tell = told or (lambda what, done, total: None)
    faults, warnings = Faults(), []
    tell("files", 0, 1)
    for said in images.files.differences() if images.files is not None else ():
        faults.add(said)
    blank = _check_pixels(images, faults, tell)
    if blank:
        warnings.append(f"{blank} images are of one colour, the same at every pixel")
    maps = None
    try:
        maps = _maps_of(images, place)
    except DataError as error:
        faults.add(str(error))
    if maps is None:
        return Findings(len(images), 0, faults, tuple(warnings))
    if place:
        _check_sums(Path(place) / images.split, faults, tell)
    good, unscaled = _check_maps(maps, faults, tell)
    if unscaled:
        warnings.append(f"{unscaled} saliency maps do not sum to 1; they are scaled when they are read")
    alike = correlation(maps.batch(_spread(good))) if len(good) > 1 else None
    if alike is not None and alike > ALIKE:
        warnings.append(
            f"maps of different images correlate by {alike:.4f} on average: they hardly depend on the image, as those "
            "of a network do whose images were scaled wrongly (to [0, 1] in place of [0, 255])"
        )
    return Findings(len(images), len(maps), faults, tuple(warnings), alike)


def correlation(maps: Float32[Tensor, "k h w"]) -> float:
    """Mean Pearson correlation over the pixels of all pairs of different maps; a map without contrast counts as 0."""
    flat = maps.flatten(1).to(torch.float64)
    flat = flat - flat.mean(1, keepdim=True)
    norms = flat.norm(dim=1, keepdim=True)
    unit = torch.where(norms > 1e-12, flat / norms.clamp_min(1e-12), 0.0)
    k = len(unit)
    together = unit @ unit.T
    return float((together.sum() - together.diagonal().sum()) / (k * (k - 1)))


def _spread(good: list[int]) -> Tensor:
    """A seeded sample of the images whose maps are good."""
    order = torch.randperm(len(good), generator=torch.Generator().manual_seed(0))
    return torch.tensor(good)[order[:_SAMPLE]].sort().values


def _maps_of(images: StillImages, place: str | Path) -> MapSet | None:
    if place:
        return open_maps(place, images)
    if isinstance(images, LazyImages):
        return images.maps
    if isinstance(images, Images) and images.maps is not None:
        return TensorMaps(images.maps, f"{images.name}/{images.split}")
    return None


def _check_pixels(images: StillImages, faults: Faults, tell: Told) -> int:
    """Have every image made; how many have no contrast."""
    read = images.read if isinstance(images, LazyImages) else lambda i: images.batch(torch.tensor([i]))[0].numpy()
    shape, n, blank = (images.side, images.side, images.channels), len(images), 0

    def one(i: int) -> str | bool:
        try:
            pixels = read(i)
        except DataError as error:
            return str(error)
        if pixels.shape != shape or pixels.dtype != np.uint8:
            return f"image {i} is {pixels.dtype} of shape {pixels.shape}, expected uint8 of {shape}"
        return bool(pixels.min() == pixels.max())

    with closing(ahead(one, range(n))) as found:
        for i, seen in enumerate(found, 1):
            if isinstance(seen, str):
                faults.add(seen)
            else:
                blank += seen
            tell("images", i, n)
    return blank


def _check_sums(folder: Path, faults: Faults, tell: Told) -> None:
    """Compare the checksums of files of maps with what stands beside them, where it does."""
    if not (folder / FILE).exists():
        return
    shards = read_manifest(folder / FILE).shards
    for i, shard in enumerate(shards, 1):
        seen = checksum_of(folder / shard.file)
        if seen != shard.checksum:
            faults.add(
                f"{folder / shard.file}: checksum {seen}, expected {shard.checksum}; it was changed or is damaged"
            )
        tell("checksums", i, len(shards))


def _check_maps(maps: MapSet, faults: Faults, tell: Told) -> tuple[list[int], int]:
    """The images whose maps are good, and how many maps are stored at another scale."""
    good, unscaled, n = [], 0, len(maps)
    for rows in (range(first, min(first + _BATCH, n)) for first in range(0, n, _BATCH)):
        for image in _readable(maps, rows, faults):
            good.append(image)
            if isinstance(maps, TensorMaps):
                unscaled += abs(float(maps.maps[image].sum(dtype=torch.float64)) - 1) > 1e-3
        tell("maps", rows.stop, n)
    return good, unscaled


def _readable(maps: MapSet, rows: range, faults: Faults) -> Iterator[int]:
    """Those of some images whose maps can be read; all at once where nothing is wrong."""
    try:
        maps.batch(torch.tensor(rows))
    except DataError:
        for image in rows:
            try:
                maps.batch(torch.tensor([image]))
            except DataError as error:
                faults.add(str(error))
            else:
                yield image
    else:
        yield from rows
