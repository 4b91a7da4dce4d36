"""Stored views of objects, and everything that is known about them: what rotation worlds look at.

A gallery gives any batch of views, from an array in memory, from a memory-mapped file or from a tree of JPEGs. The
numbers that belong to the views (3DIEBench's latents) are small and stay in memory, in `Objects`.
"""

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from PIL import Image
from torch import Tensor

from ..files import DataError
from ..images import Split, picture
from ..meshes.mesh import Item
from ..threads import THREADS, every
from .stage import HUES, LATENTS

_CHUNK = 50  # views held at once while statistics are taken


class Gallery(ABC):
    """Views of n objects, v of each, every view h x w pixels of c bytes.

    `shape` is (n, v, h, w, c); `device` is where the views are and where they come out.
    """

    shape: tuple[int, int, int, int, int]
    device: torch.device

    @abstractmethod
    def __call__(self, objects: Int64[Tensor, " b"], views: Int64[Tensor, " b"]) -> UInt8[Tensor, "b h w c"]:
        """View `views[i]` of object `objects[i]` for every i, contiguous, in new memory.

        Raises IndexError for numbers that are out of range (on a GPU torch does, later), DataError for bad files.
        """

    def _checked(self, objects: Int64[Tensor, " b"], views: Int64[Tensor, " b"]) -> tuple[np.ndarray, np.ndarray]:
        """The numbers as arrays; NumPy would take negative ones for numbers from the end."""
        found = objects.cpu().numpy(), views.cpu().numpy()
        for what, numbers, count in zip(("object", "view"), found, self.shape, strict=False):
            if len(numbers) and (numbers.min() < 0 or numbers.max() >= count):
                raise IndexError(f"{what} {numbers.min()} … {numbers.max()} asked for, there are 0 … {count - 1}")
        return found


class ReadAhead:
    """Tells the system which parts of a file are wanted next, so that it fetches all of them at once.

    A mapped file that does not fit in memory is otherwise read page by page, each waiting for the one before: 512
    views of 128 px took 0.25 to 0.5 s from a cold disk, and 0.04 to 0.2 s with this. Where the file is in memory it
    only costs, about as much as the gather itself.
    """

    def __init__(self, path: Path, offset: int, views: int, view_bytes: int) -> None:
        self._path, self._offset, self._views, self._bytes = path, offset, views, view_bytes

    def __call__(self, objects: np.ndarray, views: np.ndarray) -> None:
        """Begin to fetch these views of a file that holds `views` of each object from byte `offset` on."""
        with self._path.open("rb") as file:
            for number in (objects * self._views + views).tolist():
                where = self._offset + number * self._bytes
                os.posix_fadvise(file.fileno(), where, self._bytes, os.POSIX_FADV_WILLNEED)


class ArrayGallery(Gallery):
    """Views in one array, in memory or memory-mapped; a gather reads only what was asked for.

    On the CPU the gather is NumPy's, which copies whole images at the speed of memory (512 views of 128 px: 2.4 ms, as
    long as copying as many bytes in one piece); sorting the numbers first made it twice as slow. A mapped array is
    best opened read-only (`mmap_mode="r"`): the system refuses to map more than its memory in a way that could be
    written to, be it only in private.
    """

    def __init__(
        self, pixels: UInt8[np.ndarray, "n v h w c"] | UInt8[Tensor, "n v h w c"], ahead: ReadAhead | None = None
    ) -> None:
        n, v, h, w, c = pixels.shape
        self.shape = (n, v, h, w, c)
        self._ahead = ahead
        self._array: np.ndarray | None = None
        if isinstance(pixels, np.ndarray):
            self.device, self._array = torch.device("cpu"), pixels.view(np.ndarray)  # memmap's own class is slow
        else:
            self.device, self._pixels = pixels.device, pixels
            if self.device.type == "cpu":
                self._array = pixels.numpy()

    def __call__(self, objects: Int64[Tensor, " b"], views: Int64[Tensor, " b"]) -> UInt8[Tensor, "b h w c"]:
        """See Gallery."""
        if self._array is None:
            return self._pixels[objects.to(self.device), views.to(self.device)]
        which, what = self._checked(objects, views)
        if self._ahead is not None:
            self._ahead(which, what)
        return torch.from_numpy(np.ascontiguousarray(self._array[which, what]))  # b h w c

    def to(self, device: torch.device | str) -> "ArrayGallery":
        """The same views in the memory of a device; all of them are copied there."""
        source = self._pixels if self._array is None else torch.from_numpy(np.array(self._array))
        return ArrayGallery(source.to(device))


class FolderGallery(Gallery):
    """Views decoded from the JPEGs of a 3DIEBench tree whenever they are asked for.

    `names` are the folders of the objects below `root` ("/<synset>/<object>/"), `views` how many of each are used.
    Images of another size are reduced or enlarged to `size` pixels bilinearly with antialiasing, as torchvision's
    Resize does to Pillow images (the paper's transform). Threads are started for every call and live no longer, so
    galleries can be pickled and survive a fork.
    """

    def __init__(self, root: Path, names: tuple[str, ...], views: int, size: int) -> None:
        self._root, self._names = root, names
        self.shape = (len(names), views, size, size, 3)
        self.device = torch.device("cpu")

    def __call__(self, objects: Int64[Tensor, " b"], views: Int64[Tensor, " b"]) -> UInt8[Tensor, "b h w c"]:
        """See Gallery; DataError names a JPEG that is missing, damaged or not square."""
        which, what = self._checked(objects, views)
        size = self.shape[2]
        found = np.empty((len(which), size, size, 3), np.uint8)  # b h w c
        threads = max(1, min(THREADS, len(which) // 4))

        def decode(first: int) -> None:
            for i in range(first, len(which), threads):
                found[i] = decoded(self._root / self._names[which[i]][1:] / f"image_{what[i]}.jpg", size)

        every(decode, range(threads), threads)  # Pillow decodes and resizes without the lock
        return torch.from_numpy(found)


def decoded(path: Path, size: int) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """One JPEG as size x size x 3 bytes.

    Raises DataError naming a file that is missing, no whole JPEG, not square, or smaller.
    """
    with picture(path, "a whole JPEG", ("JPEG",)) as file:
        image = file.convert("RGB")
    w, h = image.size
    if w != h:
        raise DataError(f"{path}: {w} x {h} pixels, expected a square image")
    if w < size:  # enlarged, it would cost memory and say nothing more
        raise DataError(f"{path}: {w} pixels square, expected at least the {size} asked for; ask for size={w} or less")
    return np.asarray(image if w == size else image.resize((size, size), Image.Resampling.BILINEAR))


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of every channel, in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def statistics(gallery: Gallery, most: int = 500) -> Statistics:
    """Channel statistics of at most `most` views spread evenly over a gallery."""
    n, v, *_, c = gallery.shape
    which = torch.linspace(0, n * v - 1, min(most, n * v), dtype=torch.float64).round().long()
    total, squares, count = torch.zeros(c, dtype=torch.float64), torch.zeros(c, dtype=torch.float64), 0
    for part in which.split(_CHUNK):
        pixels = gallery(part // v, part % v).cpu().reshape(-1, c).float() / 255
        total, squares = (
            total + pixels.sum(0, dtype=torch.float64),
            squares + pixels.square_().sum(0, dtype=torch.float64),
        )
        count += len(pixels)
    mean = total / count
    std = (squares / count - mean.square()).clamp_min(0).sqrt().clamp_min(1e-3)
    return Statistics(tuple(mean.tolist()), tuple(std.tolist()))


@dataclass(frozen=True)
class Objects(Split):
    """Objects of one split with their stored views: the counterpart of `gazeworld.envs.images.Images`.

    `latents` say what every view was rendered with: seven numbers, see `stage.LATENTS`. `labels` are -1 where there
    are none. `mean` and `std` per channel, in [0, 1], are those of an even sample of the training data. `fingerprint`
    changes when the views do. `names` are "/<synset>/<object>/". `renderer` says what drew the views, `items` are the
    meshes for live views, both where there are any. Raises DataError where these do not belong together.
    """

    name: str
    split: str
    gallery: Gallery
    latents: Float32[Tensor, "n v 7"]
    labels: Int64[Tensor, " n"]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str
    names: tuple[str, ...]
    renderer: str = ""
    items: tuple[Item, ...] = ()

    def __post_init__(self) -> None:
        n, v, h, w, c = self.gallery.shape
        what = f"{self.name}/{self.split}"
        if h != w:
            raise DataError(f"{what}: views are {h} x {w}, expected square ones")
        if n == 0 or v == 0:
            raise DataError(f"{what}: {n} objects with {v} views, expected at least one of each")
        if tuple(self.latents.shape) != (n, v, len(LATENTS)):
            raise DataError(f"{what}: latents of shape {tuple(self.latents.shape)}, expected {(n, v, len(LATENTS))}")
        for kind, found in (("labels", self.labels), ("names", self.names)):
            if len(found) != n:
                raise DataError(f"{what}: {len(found)} {kind} for {n} objects")
        if len(self.items) not in (0, n):
            raise DataError(f"{what}: {len(self.items)} meshes for {n} objects, expected one for each or none")
        if len(self.mean) != c or len(self.std) != c:
            raise DataError(f"{what}: mean and std need {c} numbers, found {self.mean}, {self.std}")
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < -1 or high >= len(self.classes):
            raise DataError(f"{what}: labels {low} … {high} for {len(self.classes)} classes, expected -1 or a class")
        if not bool(self.latents.isfinite().all()):
            raise DataError(f"{what}: latents hold numbers that are not finite")
        hues = self.latents[..., HUES]
        if bool(((hues < 0) | (hues > 1)).any()):
            found = f"{float(hues.min()):g} … {float(hues.max()):g}"
            raise DataError(f"{what}: hues of {found} among the latents, expected them in [0, 1]")

    @property
    def side(self) -> int:
        """Height and width of a view in pixels."""
        return self.gallery.shape[2]

    def __len__(self) -> int:
        return self.gallery.shape[0]
