"""What is to be packed: all objects of a tree, in order, and how they look in the store."""

import io
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from ..arrays import map_npy
from ..files import digest
from . import store
from .gallery import THREADS, ArrayGallery, decoded, statistics
from .index import members
from .layout import Listing, drawn_by, for_each, read_latents, read_tree
from .store import Manifest, checksum


@dataclass(frozen=True)
class Plan:
    """What is to be packed: a tree, all of whose files are there. `sources` tell whether an object's images changed."""

    listing: Listing
    train: int
    latents: Float32[np.ndarray, "n v 7"]
    sources: tuple[str, ...]
    size: int

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """Of the views: n, v, s, s, 3."""
        return len(self.listing.names), self.listing.views, self.size, self.size, 3

    @property
    def object_bytes(self) -> int:
        """Size of an object's views."""
        return self.listing.views * self.size * self.size * 3

    @property
    def labels(self) -> Int64[np.ndarray, " n"]:
        """The label of every object."""
        return np.array(self.listing.labels, "<i8")

    @property
    def source(self) -> str:
        """The same as long as the images are, as far as `sources` can tell."""
        return digest(sources=self.sources)

    @property
    def key(self) -> str:
        """The same only for stores of the same objects with the same latents, labels and sizes."""
        facts = {"format": store.FORMAT, "size": self.size, "train": self.train, "names": self.listing.names}
        classes = [self.listing.classes, self.listing.labels]
        return digest(**facts, classes=classes, latents=checksum(self.latents.data))

    @property
    def header(self) -> bytes:
        """What views.npy begins with."""
        file = io.BytesIO()
        facts = {"descr": "|u1", "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_1_0(file, facts)
        return file.getvalue()


def make_plan(root: Path, size: int, index: str) -> Plan:
    """The plan for a tree, see `layout.read_tree`. Raises DataError naming the file for bad data, views excepted."""
    listing = read_tree(root, "all", index)

    def source(name: str) -> str:
        """Sizes of an object's images: as good as never the same for other images, and not changed by copying them."""
        return digest(sizes=[(root / name[1:] / f"image_{i}.jpg").stat().st_size for i in range(listing.views)])

    sources = tuple(for_each(source, listing.names))
    return Plan(listing, members(root, index).train, read_latents(listing), sources, size)


def blocks(plan: Plan, first: int) -> Generator[UInt8[np.ndarray, "v s s 3"], None, None]:
    """The views of every object from `first` on, in order, decoded by threads a few objects ahead.

    Raises DataError naming a view that is missing or damaged.
    """

    def block(i: int) -> np.ndarray:
        folder = plan.listing.root / plan.listing.names[i][1:]
        found = np.empty(plan.shape[1:], np.uint8)  # v s s 3
        for view in range(len(found)):
            found[view] = decoded(folder / f"image_{view}.jpg", plan.size)
        return found

    pool = ThreadPoolExecutor(THREADS)
    ahead: deque[Future[np.ndarray]] = deque()
    try:
        for i in range(first, plan.shape[0]):
            ahead.append(pool.submit(block, i))
            if len(ahead) > 2 * THREADS:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def make_manifest(plan: Plan, part: Path, checksums: list[str]) -> Manifest:
    """What the store says about itself; `part` is the file of the views, whole."""
    n, v, s = plan.shape[:3]
    views = map_npy(part, "the views")
    measured = statistics(ArrayGallery(views[: plan.train or n]))
    latents, labels = checksum(plan.latents.data), checksum(plan.labels.data)
    content = store.contents(checksums, latents, labels, plan.listing.names, s)
    return Manifest(
        size=s,
        views=v,
        names=plan.listing.names,
        classes=plan.listing.classes,
        splits={"train": [0, plan.train], "test": [plan.train, n]},
        mean=measured.mean,
        std=measured.std,
        renderer=drawn_by(plan.listing.root),
        plan=plan.key,
        source=plan.source,
        latents=latents,
        labels=labels,
        fingerprint=content,
        checksums=tuple(checksums),
    )
