"""The images that a world looks at, on its device: all of them where they are at hand, else a bounded number.

A world says which images it is about to look at (`held`) and finds them at the slots that it is told. Of images in
memory or in a mapped file, slots are the images' own numbers and nothing is done. Others are read, by threads, into a
ring of slots in which the images that were not looked at for longest make room; an image that is looked at again, as
through all fixations of an episode, is read once.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from ..files import DataError
from ..images import Images, LazyImages, StillImages
from ..threads import THREADS
from .read_ahead import ReadAhead

BUDGET = 512 << 20
"""Bytes of images that are read when looked at: two thirds held in slots, one third expected. At 224 pixels 3500."""
RESIDENT = 8 << 30
"""Bytes of images at hand up to which a device other than the CPU gets a copy of all of them."""
_CHUNK = 4096  # images moved to a device at once


class ImageStore(ABC):
    """Where a world finds the images that it looks at.

    `pixels` are those of all slots, on the world's device; it is the same tensor as long as the store lives. `reads`
    says whether images are read when they are looked at, so that it helps to know before which ones will be.
    """

    pixels: UInt8[Tensor, "slots h w c"]
    reads: ClassVar[bool] = False

    @property
    @abstractmethod
    def capacity(self) -> int:
        """How many different images can be held at once."""

    @abstractmethod
    def hold(self, index: Int64[Tensor, " b"]) -> Int64[Tensor, " b"]:
        """The slots of these images, where they are until the next call of `hold`; at most `capacity` different ones.

        Raises DataError naming an image that cannot be had, IndexError for a number that is none of an image.
        """

    @abstractmethod
    def held(self, index: Int64[Tensor, " b"]) -> Iterator[tuple[slice, Int64[Tensor, " part"]]]:
        """Any number of images, part by part: rows of `index`, and their slots until the next part is asked for."""

    def expect(self, index: Int64[Tensor, " b"]) -> None:
        """Begin to read images that will be looked at next, without waiting; nothing that is held makes room."""
        del index

    def through(self, index: Int64[Tensor, " b"], work: Callable[[slice, Tensor], Tensor]) -> Tensor:
        """What `work` makes of rows of `index` and their slots, for all of them, part by part, joined."""
        parts = [work(rows, slots) for rows, slots in self.held(index)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def batch(self, index: Int64[Tensor, " b"]) -> UInt8[Tensor, "b h w c"]:
        """Copies of these images, on the device."""
        return self.through(index, lambda _, slots: self.pixels[slots])


def image_store(images: StillImages, device: torch.device | str = "cpu", budget: int = BUDGET) -> ImageStore:
    """The store of any still images: a ring of at most `budget` bytes for those that are not at hand.

    So, too, for images in a mapped file that are too many for a copy of all of them on a device (`RESIDENT`).
    """
    device = torch.device(device)
    if not isinstance(images, Images) or (device.type != "cpu" and images.pixels.nbytes > RESIDENT):
        return Ring(images, device, budget)
    return Resident(images, device)


class Resident(ImageStore):
    """Images at hand: left as they lie on the CPU, copied to any other device."""

    def __init__(self, images: Images, device: torch.device) -> None:
        self.pixels = images.pixels if device.type == "cpu" else _copied(images.pixels, device)

    @property
    def capacity(self) -> int:
        """All of them."""
        return len(self.pixels)

    def hold(self, index: Int64[Tensor, " b"]) -> Int64[Tensor, " b"]:
        """The numbers themselves."""
        return index

    def held(self, index: Int64[Tensor, " b"]) -> Iterator[tuple[slice, Int64[Tensor, " part"]]]:
        """One part."""
        yield slice(0, len(index)), index


class Ring(ImageStore):
    """A bounded number of images, read when they are looked at or before.

    It takes `budget` bytes, and four for each image that there is; `threads` of its own read, and so does whoever waits
    for an image. Where images lie in it depends on what was looked at before; what is seen does not. It may be pickled,
    copied and forked: then it begins empty. `held` may be used from several threads, which take turns.
    """

    reads = True

    def __init__(
        self,
        images: StillImages,
        device: torch.device | str = "cpu",
        budget: int = BUDGET,
        threads: int = THREADS,
    ) -> None:
        self._made_of = images, torch.device(device), budget, threads
        self._images, self._device = images, torch.device(device)
        side, channels, count = images.side, images.channels, len(images)
        fit = max(1, budget // (side * side * channels))
        slots = min(count, max(1, fit * 2 // 3))
        # On the CPU memory is taken when a slot is first written.
        self.pixels = torch.empty((slots, side, side, channels), dtype=torch.uint8, device=self._device)
        self._ahead = ReadAhead(self._read, max(1, fit - slots), threads)
        self._turn = threading.RLock()
        self._slot = np.full(count, -1, np.int32)  # of each image, -1: in none
        self._image = np.full(slots, -1, np.int64)  # of each slot, -1: none
        self._used = np.zeros(slots, np.int64)  # when each slot was last looked at
        self._clock = 0
        self._last: tuple[Tensor, int, np.ndarray] | None = None

    def __getstate__(self) -> tuple[Any, ...]:
        return self._made_of

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        Ring.__init__(self, *state)

    @property
    def capacity(self) -> int:
        """The number of slots."""
        return len(self.pixels)

    def hold(self, index: Int64[Tensor, " b"]) -> Int64[Tensor, " b"]:
        """The slots of these images, which are read where they are in none."""
        wanted = self._on_host(index)
        self._clock += 1
        slots = self._slot[wanted]
        self._used[slots[slots >= 0]] = self._clock
        if (slots < 0).any():
            different = np.unique(wanted[slots < 0], return_index=True)
            missing = different[0][np.argsort(different[1])]  # in the order in which they are asked for
            self._fill(missing, self._room(len(missing)))
            slots = self._slot[wanted]
        return torch.from_numpy(slots.astype(np.int64)).to(self._device)

    def held(self, index: Int64[Tensor, " b"]) -> Iterator[tuple[slice, Int64[Tensor, " part"]]]:
        """As many rows at a time as there are slots."""
        for start in range(0, max(1, len(index)), self.capacity):
            rows = slice(start, min(start + self.capacity, len(index)))
            with self._turn:
                yield rows, self.hold(index if len(index) <= self.capacity else index[rows])

    def expect(self, index: Int64[Tensor, " b"]) -> None:
        """Begin to read those that are in no slot; those that are in one are not the next to make room."""
        wanted = self._on_host(index, keep=False)
        with self._turn:
            slots = self._slot[wanted]
            self._used[slots[slots >= 0]] = self._clock
            self._ahead.expect(wanted[slots < 0].tolist())

    def _room(self, count: int) -> np.ndarray:
        """Slots for `count` images: those that were looked at longest ago, and not in this call."""
        free = np.flatnonzero(self._used < self._clock)
        if count > len(free):
            raise ValueError(f"more than {self.capacity} different images at once, which is what there is room for")
        if count == len(free):
            return free
        return np.sort(free[np.argpartition(self._used[free], count - 1)[:count]])

    def _fill(self, missing: np.ndarray, slots: np.ndarray) -> None:
        pixels = self._ahead.take(missing.tolist())
        left = self._image[slots]
        self._slot[left[left >= 0]] = -1
        self._image[slots] = -1  # in case what follows is interrupted
        if self._device.type == "cpu":
            held = self.pixels.numpy()  # torch would wake its own threads for every copy, while others read
            for slot, image in zip(slots.tolist(), pixels, strict=True):
                held[slot] = image
        else:
            # By way of memory that the device reads itself: nobody waits for the copy.
            shape = (len(pixels), *self.pixels.shape[1:])
            staged = torch.empty(shape, dtype=torch.uint8, pin_memory=self._device.type == "cuda")
            np.stack(pixels, out=staged.numpy())
            there = torch.from_numpy(slots).to(self._device)
            self.pixels.index_copy_(0, there, staged.to(self._device, non_blocking=True))
        self._image[slots], self._slot[missing], self._used[slots] = missing, slots, self._clock

    def _read(self, image: int) -> np.ndarray:
        """One image, checked. Called by threads."""
        images = self._images
        # What is in a mapped file is copied here, by a thread, so that it is from the disk before it is needed.
        found = images.read(image) if isinstance(images, LazyImages) else images.batch(torch.tensor([image]))[0].numpy()
        expected = tuple(self.pixels.shape[1:])
        if found.shape != expected or found.dtype != np.uint8:
            raise DataError(
                f"{self._images.name}/{self._images.split}: image {image} is {found.dtype} of shape {found.shape}, "
                f"expected uint8 of {expected}"
            )
        return found

    def _on_host(self, index: Int64[Tensor, " b"], *, keep: bool = True) -> np.ndarray:
        """The numbers; of the same tensor as in the last call without waiting for the device again."""
        if index.device.type == "cpu":
            return self._checked(index.numpy())
        tracked = keep and not index.is_inference()  # such tensors do not count their changes
        if tracked and self._last is not None and self._last[0] is index and self._last[1] == index._version:
            return self._last[2]
        found = self._checked(index.cpu().numpy())
        if tracked:
            self._last = index, index._version, found
        return found

    def _checked(self, numbers: np.ndarray) -> np.ndarray:
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(self._slot):
            raise IndexError(f"images {numbers.min()} … {numbers.max()}, expected 0 … {len(self._slot) - 1}")
        return numbers


def _copied(pixels: UInt8[Tensor, "n h w c"], device: torch.device) -> UInt8[Tensor, "n h w c"]:
    """The images on a device, copied part by part and in h w c order."""
    there = torch.empty(pixels.shape, dtype=torch.uint8, device=device)
    for target, part in zip(there.split(_CHUNK), pixels.split(_CHUNK), strict=True):
        target.copy_(part.contiguous())
    return there
