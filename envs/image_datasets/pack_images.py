"""Packing the images of any source into a store: see `packed_images` for the format.

Images are encoded batch by batch, and a kill costs the batch in hand; what is whole is not read from the source again,
and a store ends with the same bytes whatever interruptions there were. What says that it is whole, `images.json`, is
written last.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from ..arrays import npy_bytes, npy_head
from ..files import DataError, checksum, digest, left_behind, located, write_bytes, write_text
from ..images import StillImages
from ..resumable import Piece, Recipe, Whole, require_alone, require_room, room_told, write_resumably
from ..threads import ahead, every
from .decoding import opencv
from .packed_images import BEGUN, FILE, FORMAT, Form, ImageManifest, ImageShard, PackedSplit, read_manifest

_BATCH = 64  # images that are packed together, and that a kill costs
_JPEGS, _RAW = 2**14, 2**32  # images in a file of JPEGs, bytes in a file of raw images


@dataclass(frozen=True)
class PackJob:
    """Splits of a source that are to be packed, `side` pixels square as they are; `quality` is that of JPEGs."""

    splits: Sequence[StillImages]
    out: Path
    form: Form = "jpeg"
    quality: int = 95

    def __post_init__(self) -> None:
        first = self.splits[0]
        for other in self.splits:
            where = f"{other.name}/{other.split}"
            if (other.side, other.channels, other.classes) != (first.side, first.channels, first.classes):
                raise DataError(f"{where}: other sides, channels or classes than {first.name}/{first.split} has")
            if not other.fingerprint:
                raise DataError(f"{where}: has no fingerprint, by which packed images could be told to be these")
            if first.channels not in (1, 3):
                raise DataError(f"{where}: {first.channels} channels, expected 1 or 3")
        if len({one.split for one in self.splits}) < len(self.splits):
            raise ValueError("a split stands there twice, expected different ones")
        object.__setattr__(self, "out", located(self.out, "the folder of the store"))

    @property
    def facts(self) -> ImageManifest:
        """What the store says about itself, but for its files."""
        first = self.splits[0]
        origins = {one.split: PackedSplit(len(one), one.fingerprint, "", "", ()) for one in self.splits}
        quality = self.quality if self.form == "jpeg" else 0
        return ImageManifest(
            self.form, quality, first.name, first.side, first.channels, first.classes, first.mean, first.std, origins
        )

    @cached_property
    def plan(self) -> str:
        """The same only for stores of the same images in the same form."""
        labels = [checksum(npy_bytes(one.labels.numpy().astype("<i8"))) for one in self.splits]
        return digest(format=FORMAT, facts=self.facts.text(), labels=labels)

    @property
    def bytes_of_one(self) -> int:
        """Bytes of a raw image."""
        return self.splits[0].side ** 2 * self.splits[0].channels

    def ranges(self, images: StillImages) -> list[range]:
        """The images of each file of a split."""
        n, per = len(images), _JPEGS if self.form == "jpeg" else max(1, _RAW // self.bytes_of_one)
        return [range(first, min(first + per, n)) for first in range(0, n, per)]


def pack_images(job: PackJob, told: Callable[[int, int], None] | None = None) -> Path:
    """Pack images into a store; returns its folder. After a kill or an error the same call goes on.

    `told` is called with the numbers of images packed and to pack. Raises DataError for images that cannot be read
    (what was packed before them stays) or where `out` holds something else, and OSError where the disk is full or
    another process packs into the same folder.
    """
    out, total = job.out, sum(map(len, job.splits))
    if (out / FILE).exists():
        found = read_manifest(out)
        bare = {name: replace(part, labels="", sizes="", shards=()) for name, part in found.splits.items()}
        if replace(found, splits=bare) != job.facts:
            raise DataError(f"{out}: holds a store of other images or in another form; pack to another folder")
        _tidy(out)
        return out
    with room_told(out, "pack again"):
        _begin(job)
        with (out / BEGUN).open("r+b") as plan:
            require_alone(plan, out)
            require_room(out, job.bytes_of_one * total if job.form == "raw" and not any(out.glob("*.npy.part")) else 0)
            splits, before = {}, 0
            for images in job.splits:
                tell = _counted(told, before, total)
                splits[images.split] = _pack_split(job, images, tell)
                before += len(images)
            write_text(out / FILE, replace(job.facts, splits=splits).text())
    _tidy(out)
    return out


def _counted(told: Callable[[int, int], None] | None, before: int, total: int) -> Callable[[int], None]:
    return lambda done: told(before + done, total) if told is not None else None


def _begin(job: PackJob) -> None:
    """Say which images the folder is to hold. Raises DataError where it holds something else."""
    plan = job.out / BEGUN
    if plan.exists():
        if plan.read_text(encoding="utf-8") != job.plan:
            raise DataError(
                f"{job.out}: begun from other images or in another form, expected to go on with the same; delete it or "
                "pack to another folder"
            )
        return
    there = [path for path in sorted(job.out.iterdir()) if path.name[0] != "."] if job.out.exists() else []
    if there:
        raise DataError(f"{job.out}: holds {there[0].name} and is no store of images, expected a new folder")
    write_text(plan, job.plan)


def _pack_split(job: PackJob, images: StillImages, told: Callable[[int], None]) -> PackedSplit:
    shards, sizes = [], []
    for i, rows in enumerate(job.ranges(images)):
        name = f"{images.split}_{i:05d}.{'jpegs' if job.form == 'jpeg' else 'npy'}"
        done = _pack_file(job, images, rows, job.out / name, _from(told, rows.start))
        shards.append(ImageShard(name, rows.start, len(rows), done.checksum))
        sizes += done.sizes
    columns = {"labels": images.labels.numpy(), **({"sizes": np.array(sizes)} if job.form == "jpeg" else {})}
    sums: dict[str, str] = dict.fromkeys(("labels", "sizes"), "")
    for column, values in columns.items():
        data = npy_bytes(values.astype("<i8"))
        write_bytes(job.out / f"{images.split}_{column}.npy", data)
        sums[column] = checksum(data)
    return PackedSplit(len(images), images.fingerprint, sums["labels"], sums["sizes"], tuple(shards))


def _from(told: Callable[[int], None], first: int) -> Callable[[int], None]:
    return lambda done: told(first + done)


def _pack_file(job: PackJob, images: StillImages, rows: range, path: Path, told: Callable[[int], None]) -> Whole:
    def pieces(first: int) -> Generator[Piece, None, None]:
        batches = [rows[i : i + _BATCH] for i in range(first, len(rows), _BATCH)]
        with closing(ahead(lambda some: images.batch(torch.tensor(some)).numpy(), batches, threads=1, most=1)) as read:
            for found in read:
                yield every(lambda pixels: _encoded(pixels, job), list(found))

    side, channels = images.side, images.channels
    head = npy_head("|u1", (len(rows), side, side, channels)) if job.form == "raw" else b""
    return write_resumably(path, Recipe(job.plan, head, len(rows), pieces), told)


def _encoded(pixels: np.ndarray, job: PackJob) -> bytes:
    """One image, h w c, as it is stored."""
    if job.form == "raw":
        return pixels.tobytes()
    cv2 = opencv()
    ordered = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.shape[2] == 3 else np.ascontiguousarray(pixels)
    done, data = cv2.imencode(".jpg", ordered, [cv2.IMWRITE_JPEG_QUALITY, job.quality])
    if not done:
        raise RuntimeError(f"OpenCV encoded no JPEG of shape {pixels.shape}")
    return data.tobytes()


def _tidy(out: Path) -> None:
    """Delete what stood beside the images while they were packed, and what kills left."""
    for path in [*left_behind(out), *(path for end in ("*.done", "*.log", "*.part") for path in out.glob(end))]:
        path.unlink(missing_ok=True)
