"""Images that are read when looked at, from others in memory: what is read is counted, held up, or bad."""

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gazeworld.envs.files import DataError
from gazeworld.envs.images import Images, LazyImages


@dataclass
class Reads:
    """Reads images, and keeps account of it."""

    images: Images
    bad: frozenset[int] = frozenset()
    read: list[int] = field(default_factory=list)
    gate: Any = field(default_factory=threading.Event)
    restless: bool = False

    def __call__(self, image: int) -> np.ndarray:
        self.gate.wait()
        self.read.append(image)
        if image in self.bad:
            raise DataError(f"image {image} is bad")
        pixels = self.images.pixels[image].numpy()
        return pixels + np.uint8(len(self.read)) if self.restless else pixels

    def __reduce__(self) -> Any:
        return _reads, (self.images, self.bad)


def _reads(images: Images, bad: frozenset[int]) -> Reads:
    reads = Reads(images, bad)
    reads.gate.set()
    return reads


def lazy(images: Images, bad: set[int] | None = None, size: int = 0) -> tuple[LazyImages, Reads]:
    """The same images, read when looked at; those in `bad` cannot be."""
    reads = _reads(images, frozenset(bad or ()))
    named = {name: getattr(images, name) for name in ("name", "split", "labels", "classes", "mean", "std")}
    return LazyImages(read=reads, size=size or images.side, fingerprint=images.fingerprint, **named), reads
