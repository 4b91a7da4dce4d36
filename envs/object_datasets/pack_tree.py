"""Packing a 3DIEBench tree into a store of raw views, which any number of processes map and gather from.

While a store is being made, views.npy is called views.npy.part, and pack.part has a line for every object that is
whole in it; with these two, packing goes on after a kill and ends with the same bytes. 3DIEBench at 128 px takes
129 GB, of which packing holds a few objects in memory at a time.
"""

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Float32, Int64, UInt8
from rich.console import Console
from rich.progress import Progress

from ..arrays import map_npy, npy_bytes, npy_head
from ..files import DataError, checksum, digest, located, write_bytes, write_text
from ..objects.gallery import ArrayGallery, decoded, statistics
from ..resumable import append, require_alone, require_room, room_told
from ..threads import ahead, every
from . import packed_store
from .packed_store import Manifest
from .tree import Listing, check_root, drawn_by, read_latents, read_tree
from .tree_index import members


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
        facts = {"format": packed_store.FORMAT, "size": self.size, "train": self.train, "names": self.listing.names}
        classes = [self.listing.classes, self.listing.labels]
        return digest(**facts, classes=classes, latents=checksum(self.latents.data))

    @property
    def header(self) -> bytes:
        """What views.npy begins with."""
        return npy_head("|u1", self.shape)


def make_plan(root: Path, size: int, index: str) -> Plan:
    """The plan for a tree, see `tree.read_tree`. Raises DataError naming the file for bad data, views excepted."""
    listing = read_tree(root, "all", index)

    def source(name: str) -> str:
        """Sizes of an object's images: as good as never the same for other images, and not changed by copying them."""
        return digest(sizes=[(root / name[1:] / f"image_{i}.jpg").stat().st_size for i in range(listing.views)])

    sources = tuple(every(source, listing.names))
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

    return ahead(block, range(first, plan.shape[0]))


def make_manifest(plan: Plan, part: Path, checksums: list[str]) -> Manifest:
    """What the store says about itself; `part` is the file of the views, whole."""
    n, v, s = plan.shape[:3]
    views = map_npy(part, "the views")
    measured = statistics(ArrayGallery(views[: plan.train or n]))
    latents, labels = checksum(plan.latents.data), checksum(plan.labels.data)
    content = packed_store.contents(checksums, latents, labels, plan.listing.names, s)
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


PART_FILE = packed_store.VIEWS_FILE + ".part"
_LONG = 20  # objects from which on packing shows its progress


def pack(
    root: Path, out: Path, size: int = 128, *, index: str = "", progress: Callable[[int, int], None] | None = None
) -> Path:
    """Pack the tree at `root` into a store at `out`, views `size` pixels square; returns `out`.

    Both splits are packed; `index` says which they are, see `tree.read_tree`. After a kill or an error the same call
    goes on: what is whole is checked against its checksum, not decoded again. A store that is already there from the
    same tree is left as it is. `progress` is called with the numbers of objects done and to do; without it, a bar is
    shown on standard error. Raises DataError naming the file for bad data (what was packed before it stays), or where
    `out` holds something else, and OSError where the disk is full or another process packs into the same folder.
    """
    if size < 1:
        raise ValueError(f"size={size}, expected at least 1 pixel")
    root, out = located(root, "the tree"), located(out, "the folder of the store")
    check_root(root)
    if out.is_relative_to(root):
        raise ValueError(f"{out}: lies in the tree {root} that is to be packed, expected a folder elsewhere")
    plan = make_plan(root, size, index)
    manifest, begun = out / packed_store.MANIFEST_FILE, out / packed_store.LOG_FILE
    if manifest.exists() and not begun.exists():
        _check_same(plan, out)
        return out
    with room_told(out, "pack again", "packed"):
        out.mkdir(parents=True, exist_ok=True)
        if not begun.exists():
            _check_empty(out)
        with begun.open("a+b") as log:
            require_alone(log, out, "packing into this folder")
            if manifest.exists():  # another process was faster, or this one was killed at the very last step
                _check_same(plan, out)
            else:
                _make(plan, out, log, progress)
            begun.unlink(missing_ok=True)
    return out


def verify(out: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Read a store whole and compare all checksums. Raises DataError naming the file and the first damaged object."""
    manifest = packed_store.read_manifest(out)
    packed_store.read_latents(out, manifest)
    packed_store.read_labels(out, manifest)
    path = out / packed_store.VIEWS_FILE
    packed_store.open_views(path, manifest)
    n, v, s = manifest.shape[:3]
    wrong = []
    with path.open("rb") as file, _bar("verifying", n, progress) as done:
        file.seek(path.stat().st_size - n * v * s * s * 3)
        for i, expected in enumerate(manifest.checksums):
            if checksum(file.read(v * s * s * 3)) != expected:
                wrong.append(manifest.names[i])
            done(i + 1)
    if wrong:
        raise DataError(
            f"{path}: {len(wrong)} of {n} objects do not have the checksums in {packed_store.MANIFEST_FILE}, the first "
            f"is {wrong[0]}; expected what was packed (delete the store and pack again)"
        )


def _check_empty(out: Path) -> None:
    there = sorted(out.iterdir())
    if there:
        raise DataError(
            f"{out}: holds {there[0].name} and is no packed store, expected a new folder or one to go on with"
        )


def _check_same(plan: Plan, out: Path) -> None:
    found = packed_store.read_manifest(out)
    if found.plan != plan.key or found.source != plan.source:
        raise DataError(
            f"{out}: holds a store of other data or another size ({len(found.names)} objects, {found.views} views of "
            f"{found.size} px), expected one of {plan.listing.root}; delete it or pack to another folder"
        )


def _make(plan: Plan, out: Path, log: BinaryIO, progress: Callable[[int, int], None] | None) -> None:
    """Fill the store, from wherever an earlier run got to, and put everything in its place."""
    part, views = out / PART_FILE, out / packed_store.VIEWS_FILE
    if views.exists() and not part.exists():
        os.replace(views, part)  # killed before the manifest was there
    part.touch()
    require_room(out, plan.shape[0] * plan.object_bytes - part.stat().st_size)
    n = plan.shape[0]
    with part.open("r+b") as file, _bar("packing", n, progress) as done:
        file.write(plan.header)
        checksums = _kept(plan, out, file, log, done)
        with closing(blocks(plan, len(checksums))) as found:
            for i, block in enumerate(found, len(checksums)):
                append(file, block.data)
                checksums.append(checksum(block.data))
                append(log, f"{checksums[-1]} {plan.sources[i]}\n".encode())
                done(len(checksums))
        os.fsync(file.fileno())
    manifest = make_manifest(plan, part, checksums)
    write_bytes(out / packed_store.LATENTS_FILE, npy_bytes(plan.latents))
    write_bytes(out / packed_store.LABELS_FILE, npy_bytes(plan.labels))
    os.replace(part, views)
    write_text(out / packed_store.MANIFEST_FILE, manifest.text())


def _kept(plan: Plan, out: Path, file: BinaryIO, log: BinaryIO, done: Callable[[int], None]) -> list[str]:
    """Checksums of the objects that are whole; both files end with the last of them, ready to be written to."""
    log.seek(0)
    lines = log.read().split(b"\n")[:-1]  # what follows the last end of a line was cut short
    head = plan.key.encode()
    if lines and lines[0] != head:
        if lines[1:]:
            raise DataError(
                f"{out / packed_store.LOG_FILE}: begun from other data or with another size, expected to go on with "
                f"{plan.listing.root} at {plan.size} px; delete {out} or pack to another folder"
            )
        lines = []  # no object was packed, so nothing is lost by beginning anew
    checksums: list[str] = []
    for line, source in zip(lines[1:], plan.sources, strict=False):
        words = line.decode("ascii", "replace").split(" ")
        if words != [checksum(file.read(plan.object_bytes)), source]:
            break  # never reached the disk, or the images have changed: this one and all after it are done again
        checksums.append(words[0])
        done(len(checksums))
    log.truncate(sum(len(line) + 1 for line in lines[: 1 + len(checksums)]))
    if not lines:
        append(log, head + b"\n")
    end = len(plan.header) + len(checksums) * plan.object_bytes
    file.seek(end)
    file.truncate(end)
    return checksums


@contextmanager
def _bar(what: str, n: int, progress: Callable[[int, int], None] | None) -> Iterator[Callable[[int], None]]:
    """A function to be called with the number of objects done."""
    if progress is not None:
        yield lambda done: progress(done, n)
        return
    with Progress(console=Console(stderr=True), transient=True, disable=n < _LONG) as bar:
        task = bar.add_task(what, total=n)
        yield lambda done: bar.update(task, completed=done)
