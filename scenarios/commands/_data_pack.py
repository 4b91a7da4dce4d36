"""`gazeworld data pack`: views of objects, or images of any source, in memory-mapped files."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from annotated_types import Interval
from rich.console import Console

from gazeworld.agents.runs.provenance import STOPPED
from gazeworld.agents.training.interrupt import interruptible
from gazeworld.envs.files import expanded
from gazeworld.envs.validation import Options, SideOrOwn

from ._console import say
from ._data_bar import bar, command_of, rate
from ._data_saliency import images_of
from ._places import Folder


@dataclass(frozen=True)
class PackArguments(Options):
    """Pack images of any source, or a tree in 3DIEBench's layout, into memory-mapped files; run again to go on.

    A folder of drawn views is packed as views of objects, all else as images. A kill costs what is in hand: an object,
    or 64 images; the files end with the same bytes.
    """

    root: Annotated[Path, tyro.conf.Positional]
    """folder of a tree of views, or of images; or SOURCE or SOURCE:DIR of any source of still images"""
    out: Folder
    """folder of the packed store"""
    size: Annotated[int, Interval(ge=1, le=2**12)] = 128
    """of objects: pixels per side"""
    side: SideOrOwn = 0
    """of images: pixels along the side that they are brought to (0: as the source has them)"""
    format: Literal["jpeg", "raw"] = "jpeg"
    """of images: JPEGs, or bytes as they are"""
    quality: Annotated[int, Interval(ge=1, le=100)] = 95
    """of JPEGs"""
    splits: tuple[str, ...] = ("train", "test")
    """of images: the splits that are packed"""
    index: str = ""
    """of objects: folder of the authors' index files, or none to ignore those in ROOT (empty: ROOT's, where it has
    any)"""
    check: bool = False
    """then read the store again and compare all checksums"""


def pack(arguments: PackArguments, console: Console) -> int:
    """`gazeworld data pack`; returns the exit code: 0 done, 1 a checksum is wrong, 130 stopped by Ctrl-C."""
    images = "" if _is_tree(str(arguments.root)) else "images"
    work = _pack_images if images else _pack_tree
    started = time.monotonic()
    with interruptible() as stop:

        def counted(tell: Callable[[int, int, str], None]) -> Callable[[int, int], None]:
            first = -1

            def progress(done: int, total: int) -> None:
                nonlocal first
                first = done if first < 0 else first
                tell(done, total, rate(done - first, time.monotonic() - started, f"{images or 'objects'}/s"))
                if stop.is_set():
                    raise KeyboardInterrupt

            return progress

        try:
            with bar(console, images or "objects") as tell:
                said = work(arguments, counted(tell))
        except KeyboardInterrupt:
            say(console, f"stopped; what is packed is kept; to go on: {command_of('pack', arguments, 'root')}")
            return STOPPED
    size = sum(path.stat().st_size for path in arguments.out.iterdir()) / 1e9
    checked = ", checksums compared" if arguments.check else ""
    say(console, f"written: {arguments.out}: {said}, {size:.2f} GB{checked}")
    return 0


def _is_tree(root: str) -> bool:
    """Whether a word names a tree of views: what is no source and no folder of other images is taken for one."""
    path = expanded(root, "root")
    if not path.is_dir():
        return "/" in root.partition(":")[0] or path.exists()
    views = (one for pattern in ("*/*/latent_0.npy", "*/latent_0.npy", "*_images.npy") for one in path.glob(pattern))
    return next(views, None) is not None or not any(path.iterdir())


def _pack_tree(arguments: PackArguments, progress: Callable[[int, int], None]) -> str:
    """Pack a tree of views; what is in the store then."""
    from gazeworld.envs.object_datasets import pack_tree as packing
    from gazeworld.envs.object_datasets.packed_store import read_manifest

    root = expanded(arguments.root, "root")
    packing.pack(root, arguments.out, arguments.size, index=arguments.index, progress=progress)
    if arguments.check:
        packing.verify(arguments.out, progress=progress)
    n, v, side = read_manifest(arguments.out).shape[:3]
    return f"{n} objects × {v} views at {side} px"


def _pack_images(arguments: PackArguments, progress: Callable[[int, int], None]) -> str:
    """Pack still images; what is in the store then."""
    from gazeworld.envs.files import DataError
    from gazeworld.envs.image_datasets.pack_images import PackJob, pack_images
    from gazeworld.envs.image_datasets.packed_images import verify_packed

    splits = [images_of(str(arguments.root), split, "", arguments.side) for split in arguments.splits]
    job = PackJob(splits, arguments.out, arguments.format, arguments.quality)
    pack_images(job, progress)
    if arguments.check and (wrong := verify_packed(job.out)):
        raise DataError(f"{wrong[0]}{f', and {len(wrong) - 1} more' if wrong[1:] else ''}")
    form = f"JPEGs of quality {arguments.quality}" if arguments.format == "jpeg" else "raw"
    counts = ", ".join(f"{len(one)} {one.split}" for one in splits)
    return f"{counts} images at {splits[0].side} px, {form}"
