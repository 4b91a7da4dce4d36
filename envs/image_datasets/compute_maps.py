"""Saliency maps of all images of a split, by any prior, computed once and stored: see `map_files` for the layouts.

Everything goes to `<out>/<split>/`. The images are cut into ranges, each with a file of its own, so that several
processes or machines can share them; a range is computed batch by batch, and a kill costs the batch in hand. What
says that the set is whole, `maps.json`, is written when all ranges are. Whatever interruptions there are, the bytes are
the same, for the same batches on the same kind of device.
"""

import io
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from PIL import ImageOps
from torch import Tensor
from torch.nn import functional as F

from ..arrays import npy_head
from ..files import DataError, digest, left_behind, located, write_bytes, write_text
from ..images import StillImages, picture, squared
from ..prior import Prior
from ..resumable import Piece, Recipe, require_alone, require_room, room_told, whole, write_resumably
from ..threads import ahead
from . import map_codes
from .map_files import array_name, map_name
from .map_manifest import FILE, FORMAT, MapManifest, MapShard, read_manifest

Layout: TypeAlias = Literal["compact", "stl10", "imagenet"]
PLAN = "maps.part"
"""Is there while maps are being computed, and says of what."""
_FILES, _LEAST = 256, 256  # ranges at most, and images in one at least


@dataclass(frozen=True)
class Tally:
    """How far the computing is: maps that are whole, those that this run computed, and how many there will be."""

    done: int
    made: int
    total: int


Told: TypeAlias = Callable[[Tally], None]


@dataclass(frozen=True)
class MapJob:
    """Maps of a split by a prior, in a layout.

    `side` is what the images are brought to; of single files of maps (`imagenet`) the whole image is squeezed to it
    for the prior, and the map brought back to the image's own size.
    """

    images: StillImages
    prior: Prior
    kind: str
    out: Path
    layout: Layout = "compact"
    batch: int = 32
    device: str | torch.device = "cpu"

    def __post_init__(self) -> None:
        where = f"{self.images.name}/{self.images.split}"
        if not self.images.fingerprint:
            raise DataError(f"{where}: has no fingerprint, by which stored maps could be told to be of these images")
        if self.prior.stored:
            raise ValueError(f"prior {self.kind!r} reads maps that are stored already; expected one that computes them")
        if self.layout == "imagenet" and self.images.files is None:
            raise DataError(f"{where}: not read from a file for each image, expected layout 'compact' or 'stl10'")
        object.__setattr__(self, "out", located(self.out, "the folder of the maps"))

    @property
    def folder(self) -> Path:
        """Where the maps of this split lie."""
        return self.out / self.images.split

    @property
    def side(self) -> int:
        """Pixels along the side of the maps as they are stored, 0 where each has its own size."""
        own = self.images.side
        return {"compact": map_codes.stored_side(own), "stl10": own, "imagenet": 0}[self.layout]

    @property
    def ranges(self) -> list[range]:
        """The images of each file; in the layout `imagenet` the parts that processes may share."""
        n = len(self.images)
        per = max(_LEAST, -(-n // _FILES))
        return [range(first, min(first + per, n)) for first in range(0, n, per)]

    def manifest(self, shards: tuple[MapShard, ...]) -> MapManifest:
        """What stands beside the maps when they are whole."""
        images = self.images
        return MapManifest(
            layout=self.layout,
            kind=self.kind,
            key=self.prior.key(),
            source=images.name,
            split=images.split,
            fingerprint=images.fingerprint,
            count=len(images),
            image_side=images.side,
            side=self.side,
            codes=map_codes.VERSION,
            shards=shards,
        )

    @property
    def plan(self) -> str:
        """The same only for maps of the same images by the same prior in the same layout."""
        return digest(format=FORMAT, manifest=self.manifest(()).text())

    def file(self, part: int) -> Path:
        """The file of the maps of a range."""
        stem = self.folder / (f"maps_{part:05d}.npy" if self.layout == "compact" else array_name(self.images.split))
        return stem if self.layout == "compact" else stem.with_name(f"{stem.name}.{part:05d}")


def compute_maps(job: MapJob, shard: tuple[int, int] = (0, 1), told: Told | None = None) -> bool:
    """Compute the maps of every N-th range from the I-th on, `shard` = (I, N); whether the set is whole now.

    After a kill or an error the same call goes on: of what is whole nothing is computed again. The last of all shards
    to be finished puts the set together (`merge_maps`). Raises DataError for images that cannot be read, a map that is
    no density, or where `out` holds other maps, and OSError where the disk is full or another process computes the
    same range.
    """
    part, parts = shard
    if not 0 <= part < parts:
        raise ValueError(f"shard is {part}/{parts}, expected I/N with I from 0 to N - 1")
    with room_told(job.folder, "run again"):
        if _begin(job):
            return True
        mine = range(part, len(job.ranges), parts)
        tally, left = Tally(0, 0, sum(len(job.ranges[i]) for i in mine)), [i for i in mine if not _is_whole(job, i)]
        tally = replace(tally, done=sum(len(job.ranges[i]) for i in mine if i not in left))
        require_room(job.folder, sum(len(job.ranges[i]) for i in left) * _bytes(job))
        for i in left:
            tally = _compute(job, i, tally, told)
        return merge_maps(job, gaps="told")


def merge_maps(job: MapJob, *, gaps: Literal["told", "refused"] = "refused") -> bool:
    """Put a set together whose ranges are all there, wherever they were computed; whether it is whole now.

    Raises DataError where maps are missing, unless gaps are only to be told.
    """
    if _begin(job):
        return True
    missing = [i for i in range(len(job.ranges)) if not _is_whole(job, i)]
    if missing and gaps == "refused":
        first = job.ranges[missing[0]]
        raise DataError(
            f"{job.folder}: the maps of images {first.start} … {first.stop - 1} are missing ({len(missing)} of "
            f"{len(job.ranges)} parts), expected all; compute them first"
        )
    if missing:
        return False
    with room_told(job.folder, "run again"), (job.folder / PLAN).open("r+b") as plan:
        require_alone(plan, job.folder / FILE)
        shards = {"compact": _compact_shards, "stl10": _joined, "imagenet": lambda _: ()}[job.layout](job)
        write_text(job.folder / FILE, job.manifest(shards).text())
    _tidy(job)
    return True


def _begin(job: MapJob) -> bool:
    """Say of what the maps in the folder are to be; whether they are all there. Raises DataError for other maps."""
    manifest, plan = job.folder / FILE, job.folder / PLAN
    if manifest.exists():
        found = read_manifest(manifest)
        if replace(found, shards=()) != job.manifest(()):
            raise DataError(
                f"{job.folder}: holds maps by the prior {found.kind!r} of {found.source}/{found.split} in layout "
                f"{found.layout!r} that are not the ones asked for; delete it or write to another folder"
            )
        _tidy(job)
        return True
    if plan.exists():
        if plan.read_text(encoding="utf-8") != job.plan:
            raise DataError(
                f"{job.folder}: maps of other images or by another prior were begun here, expected to go on with the "
                "same; delete it or write to another folder"
            )
        return False
    there = [path for path in (job.folder / array_name(job.images.split), *_first_map(job)) if path.exists()]
    if there:
        raise DataError(f"{there[0]}: there already, and nothing says by which prior; write to another folder")
    write_text(plan, job.plan)
    return False


def _first_map(job: MapJob) -> list[Path]:
    files = job.images.files
    return [] if files is None else [job.out / map_name(files.names[0])]


def _is_whole(job: MapJob, part: int) -> bool:
    if job.layout == "imagenet":
        files: Any = job.images.files
        return all((job.out / map_name(files.names[i])).exists() for i in job.ranges[part])
    return whole(job.file(part), job.plan) is not None


def _bytes(job: MapJob) -> int:
    """Bytes that a map takes, as far as that is known before; of `stl10` twice, for parts are joined to one file."""
    return {"compact": map_codes.row_bytes(job.side), "stl10": 8 * job.side**2, "imagenet": 0}[job.layout]


def _compute(job: MapJob, part: int, before: Tally, told: Told | None) -> Tally:
    """Compute the maps of a range, or what is missing of it."""
    rows, begun = job.ranges[part], -1
    last = before

    def tell(count: int) -> None:
        nonlocal begun, last
        begun = count if begun < 0 else begun
        last = replace(before, done=before.done + count, made=before.made + count - begun)
        if told is not None:
            told(last)

    if job.layout == "imagenet":
        _write_files(job, rows, tell)
    else:
        head = _head(job, (len(rows), *_shape(job)))
        recipe = Recipe(job.plan, head, len(rows), lambda first: _pieces(job, rows[first:]))
        write_resumably(job.file(part), recipe, tell)
    return last


def _shape(job: MapJob) -> tuple[int, ...]:
    return (map_codes.row_bytes(job.side),) if job.layout == "compact" else (1, job.side, job.side)


def _head(job: MapJob, shape: tuple[int, ...]) -> bytes:
    """What a .npy file of maps begins with."""
    return npy_head("|u1" if job.layout == "compact" else "<f4", shape)


def _pieces(job: MapJob, rows: range) -> Generator[Piece, None, None]:
    """The maps of these images as they are stored, batch by batch; the next batch of images is read meanwhile."""
    batches = [rows[i : i + job.batch] for i in range(0, len(rows), job.batch)]
    with closing(ahead(lambda some: job.images.batch(torch.tensor(some)), batches, threads=1, most=1)) as read:
        for some, images in zip(batches, read, strict=True):
            logs = _logs(job, images, some)
            if job.layout == "compact":
                yield [row.tobytes() for row in map_codes.encode(logs, job.side)]
            else:
                yield [one.tobytes() for one in _densities(logs).cpu().numpy().astype("<f4")]


def _logs(job: MapJob, images: Tensor, rows: Sequence[int]) -> Float32[Tensor, "b h w"]:
    """Log densities of these images. Raises DataError naming the first whose map is none."""
    with torch.inference_mode():
        logs = job.prior.log_density(images.to(job.device), None, index=torch.tensor(rows))
    good = torch.isfinite(logs.amax((1, 2)))
    if not bool(good.all()):
        image = rows[int((~good).nonzero()[0, 0])]
        where = f"{job.images.name}/{job.images.split}"
        raise DataError(f"{where}: prior {job.kind!r} gives no density for image {image} (NaN, or none anywhere)")
    return logs


def _densities(logs: Float32[Tensor, "b h w"]) -> Float32[Tensor, "b h w"]:
    maps = (logs - logs.amax((1, 2), keepdim=True)).exp()
    return maps / maps.sum((1, 2), keepdim=True)


def _write_files(job: MapJob, rows: range, tell: Callable[[int], None]) -> None:
    """A file for each image, written whole; those that are there are left."""
    files: Any = job.images.files
    paths = {i: job.out / map_name(files.names[i]) for i in rows}
    left = [i for i in rows if not paths[i].exists()]
    tell(len(rows) - len(left))
    batches = [left[i : i + job.batch] for i in range(0, len(left), job.batch)]
    side, channels = job.images.side, job.images.channels

    def squeeze(some: list[int]) -> list[_Squeezed]:
        return [_squeezed(files.root / files.names[i], side, channels) for i in some]

    with closing(ahead(squeeze, batches, threads=1, most=1)) as read:
        for some, found in zip(batches, read, strict=True):
            images = torch.from_numpy(np.stack([one.pixels for one in found]))
            maps = _densities(_logs(job, images, some))
            for image, one, map_ in zip(some, found, maps, strict=True):
                large = F.interpolate(map_[None, None], size=one.size, mode="bilinear", antialias=True)
                array = (large[0, 0] / large.sum()).cpu().numpy().astype("<f4")
                file = io.BytesIO()
                np.save(file, array, allow_pickle=False)
                write_bytes(paths[image], file.getvalue())
            left = left[len(some) :]
            tell(len(rows) - len(left))


@dataclass(frozen=True)
class _Squeezed:
    """A whole image as a square, and the height and width that it has itself."""

    pixels: UInt8[np.ndarray, "side side c"]
    size: tuple[int, int]


def _squeezed(path: Path, side: int, channels: int) -> _Squeezed:
    with picture(path) as file:
        image = ImageOps.exif_transpose(file).convert("RGB" if channels == 3 else "L")
    w, h = image.size
    pixels = np.asarray(squared(image, side, "resize"))
    return _Squeezed(pixels.reshape(side, side, channels), (h, w))


def _compact_shards(job: MapJob) -> tuple[MapShard, ...]:
    found = []
    for i, rows in enumerate(job.ranges):
        done = whole(job.file(i), job.plan)
        assert done is not None
        found.append(MapShard(job.file(i).name, rows.start, len(rows), done.checksum))
    return tuple(found)


def _joined(job: MapJob) -> tuple[MapShard, ...]:
    """All parts in one array, as published."""
    path = job.folder / array_name(job.images.split)
    n = len(job.images)

    def pieces(first: int) -> Generator[Piece, None, None]:
        for i, rows in enumerate(job.ranges):
            if rows.start >= first:
                data = memoryview(job.file(i).read_bytes())[len(_head(job, (len(rows), *_shape(job)))) :]
                size = len(data) // len(rows)
                yield [data[k * size : (k + 1) * size] for k in range(len(rows))]

    done = write_resumably(path, Recipe(job.plan, _head(job, (n, *_shape(job))), n, pieces), lambda _: None)
    return (MapShard(path.name, 0, n, done.checksum),)


def _tidy(job: MapJob) -> None:
    """Delete what stood beside the maps while they were computed, and what kills left."""
    array = job.folder / array_name(job.images.split)
    temporary = [path for pattern in ("*.done", "*.log", "*.part") for path in job.folder.glob(pattern)]
    parts = [job.file(i) for i in range(len(job.ranges))] if job.layout == "stl10" else []
    inside = "**/" if job.layout == "imagenet" else ""
    for path in [*parts, *left_behind(job.folder, inside=inside), *temporary]:
        if path != array:
            path.unlink(missing_ok=True)
