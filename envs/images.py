"""Still images with labels: what every file of the registry `envs/sources` loads and image worlds look at."""

import hashlib
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from PIL import Image, UnidentifiedImageError
from rich.console import Console
from rich.progress import track
from torch import Tensor

from . import registry
from .cache import cached
from .files import DataError, opened
from .image_files import ImageFiles, squared_box
from .map_sets import MapSet
from .threads import LONG, every
from .validation import OptionError, shown, validated

SOURCES = "gazeworld.envs.sources"
Masks: TypeAlias = Callable[[Int64[Tensor, " b"]], Bool[Tensor, "b h w"]]
"""Which pixels of the images at these indices show the object that the label names."""


class Split:
    """What a source gives: one split of its data, still images (`Images`) or views of objects (`Objects`)."""


class StillImages(Split, ABC):
    """Square images of one split, wherever their pixels are: in memory or a mapped file, or made when looked at.

    `labels` are -1 where there are none. `mean` and `std` per channel, in [0, 1], always those of the training data.
    `fingerprint` changes when the images do; it is empty for images that nothing on disk is to remember. `masks`, where
    they are known, say which pixels of each image show what the label names.
    """

    name: str
    split: str
    labels: Int64[Tensor, " n"]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str
    masks: Masks | None
    files: ImageFiles | None = None
    """The files that the images were made from, where they were."""

    @property
    @abstractmethod
    def side(self) -> int:
        """Height and width in pixels."""

    @property
    @abstractmethod
    def channels(self) -> int:
        """1 for grey images, 3 for colour."""

    @abstractmethod
    def batch(self, index: Int64[Tensor, " b"]) -> UInt8[Tensor, "b h w c"]:
        """The images at these indices, on the CPU. Raises DataError naming one that cannot be had."""

    def __len__(self) -> int:
        return len(self.labels)

    def _check(self) -> None:
        """Raise DataError where the parts do not fit."""
        where = f"{self.name}/{self.split}"
        if len(self) == 0:
            raise DataError(f"{where}: no image found, expected at least one")
        if len(self.mean) != self.channels or len(self.std) != self.channels:
            raise DataError(f"{where}: mean and std need {self.channels} numbers, found {self.mean}, {self.std}")
        if self.labels.max() >= len(self.classes) or self.labels.min() < -1:
            raise DataError(f"{where}: label {int(self.labels.max())} out of range for {len(self.classes)} classes")


@dataclass(frozen=True)
class Images(StillImages):
    """Square images whose pixels are at hand.

    `pixels` are n h w c, possibly a strided view of a memory-mapped file (then nothing is read until it is looked at).
    `maps` are saliency maps that came with the images, n h w, or None; `map_set` are others that were put beside them
    and go before those (`with_maps`). All else as in StillImages.
    """

    name: str
    split: str
    pixels: UInt8[Tensor, "n h w c"]
    labels: Int64[Tensor, " n"]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str
    maps: Float[Tensor, "n h w"] | None = None
    masks: Masks | None = None
    map_set: MapSet | None = None
    files: ImageFiles | None = None

    def __post_init__(self) -> None:
        n, h, w, _ = self.pixels.shape
        if h != w:
            raise DataError(f"{self.name}/{self.split}: images are {h} x {w}, expected square ones")
        if n == 0:
            raise DataError(f"{self.name}/{self.split}: no image found, expected at least one")
        if len(self.labels) != n:
            raise DataError(f"{self.name}/{self.split}: {len(self.labels)} labels for {n} images")
        self._check()
        if self.maps is not None and tuple(self.maps.shape) != (n, h, w):
            raise DataError(
                f"{self.name}/{self.split}: saliency maps of shape {tuple(self.maps.shape)}, expected {(n, h, w)}"
            )

    @property
    def side(self) -> int:
        """Height and width in pixels."""
        return self.pixels.shape[1]

    @property
    def channels(self) -> int:
        """1 for grey images, 3 for colour."""
        return self.pixels.shape[3]

    def batch(self, index: Int64[Tensor, " b"]) -> UInt8[Tensor, "b h w c"]:
        """The images at these indices."""
        return self.pixels[index]


@dataclass(frozen=True)
class LazyImages(StillImages):
    """Square images that are made when somebody looks at them: decoded from files too many for memory, or composed.

    `read` gives image i, h w c, and is called from several threads at once; the same number always gives the same
    image. `size` is the side in pixels, `maps` the saliency maps that lie beside the images, or None. All else as in
    StillImages.
    """

    name: str
    split: str
    read: Callable[[int], UInt8[np.ndarray, "h w c"]]
    size: int
    labels: Int64[Tensor, " n"]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str
    maps: MapSet | None = None
    masks: Masks | None = None
    files: ImageFiles | None = None

    def __post_init__(self) -> None:
        self._check()
        if self.maps is not None and (len(self.maps), self.maps.side) != (len(self), self.side):
            raise DataError(
                f"{self.name}/{self.split}: {len(self.maps)} saliency maps of {self.maps.side} px for {len(self)} "
                f"images of {self.side} px"
            )

    @property
    def side(self) -> int:
        """Height and width in pixels."""
        return self.size

    @property
    def channels(self) -> int:
        """1 for grey images, 3 for colour."""
        return len(self.mean)

    def batch(self, index: Int64[Tensor, " b"]) -> UInt8[Tensor, "b h w c"]:
        """The images at these indices, read by threads."""
        pixels = np.stack(every(self.read, index.tolist()))
        if pixels.shape[1:] != (self.side, self.side, self.channels):
            raise DataError(
                f"{self.name}/{self.split}: images of shape {pixels.shape[1:]}, expected "
                f"{(self.side, self.side, self.channels)}"
            )
        return torch.from_numpy(pixels)


def with_maps(images: StillImages, maps: MapSet) -> StillImages:
    """The same images with these saliency maps, in place of those that came with them, if any did."""
    match images:
        case Images():
            return replace(images, map_set=maps)
        case LazyImages():
            return replace(images, maps=maps)
        case _:
            raise OptionError(f"{images.name}/{images.split}: images of type {type(images).__name__} take no maps")


@validated
def load_source(source: str, split: str = "train", root: str | Path = "", **options: Any) -> Any:
    """One split of a source by its name, Images or (of objects) Objects; `root` empty means the source's usual place.

    MODULE:FUNCTION, or a MODULE with a function `load`, is a source of another package (see `plugins`).
    Raises UnknownNameError for a source that is not there, ValueError naming an option that it does not have or that is
    text in place of a number, and DataError for bad files.
    """
    load = registry.function(SOURCES, source, "load")
    found = registry.built(f"source {source!r}", load, split=split, root=str(root) if root else "", **options)
    if not isinstance(found, Split):
        raise OptionError(f"source {source!r} gave {shown(found)}, expected Images or Objects")
    return found


def licence_of(source: str) -> str:
    """The licence of a source's data, an SPDX identifier, if its file states one in `LICENCE`; else an empty text."""
    try:
        found = registry.module("gazeworld.envs.sources", source)
    except ValueError:  # of another package that is not there any more
        return ""
    return str(vars(found).get("LICENCE", ""))


def statistics(pixels: UInt8[Tensor, "n h w c"], most: int = 2000) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Channel mean and standard deviation in [0, 1] of at most `most` images spread evenly over the data."""
    step = max(1, len(pixels) // most)
    sample = pixels[::step].to(torch.float32) / 255
    return tuple(sample.mean((0, 1, 2)).tolist()), tuple(sample.std((0, 1, 2)).clamp_min(1e-3).tolist())


@contextmanager
def picture(path: Path, what: str = "a whole image", formats: tuple[str, ...] | None = None) -> Iterator[Image.Image]:
    """Lends an image file, open in Pillow, to be decoded. Raises DataError naming one that is missing or damaged.

    Pillow says of no decoder what it may raise for damaged files, and most may raise anything. So whatever is raised
    while the image is lent is taken to be about the file.
    """
    with opened(path, what) as file:
        try:
            with Image.open(file, formats=formats) as image:
                yield image
        except DataError:
            raise
        except Exception as error:
            unknown = isinstance(error, UnidentifiedImageError)  # its own words name an object of Python
            why = "in no format that Pillow knows" if unknown else str(error) or type(error).__name__
            raise DataError(f"{path}: cannot be decoded ({why}), expected {what}") from error


def squared(image: Image.Image, side: int, fit: Literal["crop", "resize"]) -> Image.Image:
    """The middle square of an image ("crop"), or all of it squeezed ("resize"), brought to `side` pixels a side.

    It is reduced with antialiasing and enlarged bilinearly; an image of this side stays as it is.
    """
    return image.resize((side, side), Image.Resampling.BILINEAR, box=squared_box(image.size, fit))


def content(pixels: UInt8[Tensor, "n h w c"], key: Mapping[str, Any]) -> str:
    """What identifies decoded images, whatever files they came from: a digest of the checksums of all of them.

    All pixels are read once for each `key`, under which they are cached, too; then their checksums are on disk.
    """

    def fill(out: np.ndarray) -> None:
        images, quiet = pixels.numpy(), len(out) < LONG
        for i in track(range(len(out)), "checksums", console=Console(stderr=True), disable=quiet, transient=True):
            out[i] = zlib.crc32(images[i])

    sums = cached({**key, "what": "checksums of images"}, (len(pixels),), "<u4", fill)
    return hashlib.sha256(sums.tobytes()).hexdigest()
