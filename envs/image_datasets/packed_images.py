"""The format of a packed store of images, which any number of processes map, and how one is read.

A store is a folder: files of images, `<split>_00000.jpegs` (JPEGs one after the other) or `<split>_00000.npy` (uint8,
n side side c), of each split `<split>_labels.npy` (int64) and of JPEGs `<split>_sizes.npy` (int64, bytes of each), and
`images.json`, which says the rest and is written last: a folder without it is no store. `pack_images` makes stores.
"""

import json
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import UInt8

from ..arrays import map_npy, read_npy
from ..files import DataError, digest, opened, read_json
from ..images import Images, LazyImages, StillImages
from ..resumable import checksum_of
from .decoding import opencv

FORMAT = 1  # goes up whenever older stores could be misread
FILE, BEGUN = "images.json", "images.part"
Form: TypeAlias = Literal["jpeg", "raw"]


@dataclass(frozen=True)
class ImageShard:
    """A file of images `first` … `first + count - 1` of a split, with the checksum of all its bytes."""

    file: str
    first: int
    count: int
    checksum: str


@dataclass(frozen=True)
class PackedSplit:
    """A split: how many images, the fingerprint that they had in their source, and checksums of labels and sizes."""

    count: int
    origin: str
    labels: str
    sizes: str
    shards: tuple[ImageShard, ...]


@dataclass(frozen=True)
class ImageManifest:
    """What `images.json` says. `quality` is that of JPEGs, 0 of raw images; `source` where the images are from."""

    form: Form
    quality: int
    source: str
    side: int
    channels: int
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    splits: dict[str, PackedSplit]

    def text(self) -> str:
        """What stands in the file."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, allow_nan=False) + "\n"

    def fingerprint(self, split: str) -> str:
        """The same as long as the images and labels of a split are."""
        part = self.splits[split]
        content = [part.labels, *(shard.checksum for shard in part.shards)]
        return digest(source="packed", images=content, classes=self.classes, mean=self.mean, std=self.std)


_PLAIN: dict[str, tuple[type, ...]] = {
    "form": (str,), "quality": (int,), "source": (str,), "side": (int,), "channels": (int,), "classes": (list,),
    "mean": (list,), "std": (list,), "splits": (dict,),
}  # fmt: skip


def is_store(folder: Path) -> bool:
    """Whether a folder is a store of images, be it one that is still being made."""
    return (folder / FILE).is_file() or (folder / BEGUN).is_file()


def read_manifest(out: Path) -> ImageManifest:
    """What the store in a folder says about itself. Raises DataError where there is none or it is damaged."""
    path, what = out / FILE, "what `gazeworld data pack` writes"
    if not path.is_file():
        begun = ", packing was not finished" if any(out.glob("*.part")) else ""
        raise DataError(f"{path}: not there{begun}, expected a packed store of images (`gazeworld data pack`)")
    found = read_json(path, what)
    version = found.pop("format", None) if isinstance(found, dict) else None
    if version != FORMAT:
        raise DataError(f"{path}: format {version!r}, expected {FORMAT}; pack again")
    for name in sorted(_PLAIN.keys() | found.keys()):
        if name not in _PLAIN or type(found.get(name)) not in _PLAIN[name]:
            raise DataError(f"{path}: {name!r} is {json.dumps(found.get(name))[:100]}, expected {what}")
    try:
        splits = {name: _split(part) for name, part in found["splits"].items()}
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: its splits are not {what} ({error})") from error
    if found["form"] not in ("jpeg", "raw"):
        raise DataError(f"{path}: form {found['form']!r}, expected 'jpeg' or 'raw'")
    facts: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
    manifest = ImageManifest(**{**facts, "splits": splits})
    right = manifest.side > 0 and manifest.channels in (1, 3)
    if not right or not len(manifest.mean) == len(manifest.std) == manifest.channels or not splits:
        raise DataError(f"{path}: side, channels, mean and std do not belong together, expected {what}")
    return manifest


def _split(part: dict[str, Any]) -> PackedSplit:
    """A split of a manifest. Raises ValueError and its like where it is none."""
    shards = tuple(ImageShard(**one) for one in part["shards"])
    after = 0
    for one in shards:
        kinds = [type(getattr(one, field.name)) for field in fields(one)]
        if kinds != [str, int, int, str] or one.first != after or one.count < 1 or Path(one.file).name != one.file:
            raise ValueError(f"a file of images {one.first} …, expected {after} …")
        after += one.count
    if after != part["count"] or after < 1:
        raise ValueError(f"{after} images in files, expected {part['count']}")
    facts: dict[str, Any] = {**part, "shards": shards}
    return PackedSplit(**facts)


def open_packed(out: Path, split: str) -> StillImages:
    """A split of the store in a folder; of images nothing is read yet. JPEGs are decoded when they are looked at.

    "test" is also found as "val", and "val" as "test". Raises DataError naming a file that is missing or damaged,
    ValueError for a split that is not there.
    """
    manifest = read_manifest(out)
    name = next((n for n in (split, {"test": "val", "val": "test"}.get(split, "")) if n in manifest.splits), "")
    if not name:
        raise ValueError(f"{out}: no split {split!r} in this store; there are: {', '.join(sorted(manifest.splits))}")
    part = manifest.splits[name]
    labels = _column(out / f"{name}_labels.npy", part.count, part.labels)
    facts: dict[str, Any] = {
        "name": "packed",
        "split": split,
        "labels": torch.from_numpy(labels),
        "classes": manifest.classes,
        "mean": manifest.mean,
        "std": manifest.std,
        "fingerprint": manifest.fingerprint(name),
    }
    if manifest.form == "jpeg":
        sizes = _column(out / f"{name}_sizes.npy", part.count, part.sizes)
        return LazyImages(read=Jpegs(out, manifest, part, sizes), size=manifest.side, **facts)
    files = [_raw(out / one.file, (one.count, manifest.side, manifest.side, manifest.channels)) for one in part.shards]
    if len(files) == 1:
        return Images(pixels=torch.from_numpy(files[0]), **facts)
    begins = np.array([one.first for one in part.shards])
    return LazyImages(read=partial(_copied, files, begins), size=manifest.side, **facts)


def verify_packed(out: Path) -> list[str]:
    """What is wrong with the files of a store, by their checksums: one sentence for each, that names it."""
    manifest, wrong = read_manifest(out), []
    for part in manifest.splits.values():
        for one in part.shards:
            path = out / one.file
            if not path.is_file():
                wrong.append(f"{path}: not there, expected {one.count} images")
            elif (seen := checksum_of(path)) != one.checksum:
                wrong.append(f"{path}: checksum {seen}, expected {one.checksum}; the file was changed or is damaged")
    return wrong


def _column(path: Path, count: int, checksum: str) -> np.ndarray:
    """A number for each image."""
    what = f"int64 of shape {(count,)}"
    found = read_npy(path, what)
    if found.shape != (count,) or found.dtype != np.dtype("<i8"):
        raise DataError(f"{path}: holds {found.dtype} of shape {found.shape}, expected {what}")
    if (seen := checksum_of(path)) != checksum:
        raise DataError(f"{path}: checksum {seen}, expected {checksum}; the file was changed or is damaged")
    return found


def _raw(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    what = f"uint8 of shape {shape}"
    found = map_npy(path, what, write=True)  # a copy of this process: torch has no tensors that cannot be written to
    if found.shape != shape or found.dtype != np.uint8:
        raise DataError(f"{path}: holds {found.dtype} of shape {found.shape}, expected {what}")
    return found


def _copied(files: list[np.ndarray], begins: np.ndarray, image: int) -> np.ndarray:
    """An image of one of several files."""
    i = int(np.searchsorted(begins, image, "right")) - 1
    return files[i][image - begins[i]].copy()


class Jpegs:
    """Reads images of a split that are packed as JPEGs; may be called from several threads, and be pickled."""

    def __init__(self, out: Path, manifest: ImageManifest, part: PackedSplit, sizes: np.ndarray) -> None:
        self._made_of = out, manifest, part, sizes
        self._files = [out / one.file for one in part.shards]
        self._begins = np.array([one.first for one in part.shards])
        self._side, self._channels = manifest.side, manifest.channels
        self._ends: list[np.ndarray] = []
        self._bytes: list[np.ndarray] = []
        for one, path in zip(part.shards, self._files, strict=True):
            self._ends.append(np.cumsum(sizes[one.first : one.first + one.count]))
            with opened(path, f"{one.count} JPEGs") as file:
                found = file.seek(0, 2)
            if found != self._ends[-1][-1]:
                raise DataError(f"{path}: {found} bytes, expected {self._ends[-1][-1]}; it is not whole")
            self._bytes.append(np.memmap(path, np.uint8, "r"))

    def __reduce__(self) -> tuple[Any, ...]:
        return Jpegs, self._made_of

    def __call__(self, image: int) -> UInt8[np.ndarray, "h w c"]:
        """One image, decoded. Raises DataError naming the file of one that cannot be."""
        i = int(np.searchsorted(self._begins, image, "right")) - 1
        k = image - int(self._begins[i])
        data = self._bytes[i][int(self._ends[i][k - 1]) if k else 0 : int(self._ends[i][k])]
        cv2 = opencv()
        found = cv2.imdecode(data, cv2.IMREAD_COLOR if self._channels == 3 else cv2.IMREAD_GRAYSCALE)
        if found is None or found.shape[:2] != (self._side, self._side):
            raise DataError(f"{self._files[i]}: image {image} cannot be decoded as a JPEG of {self._side} px")
        return cv2.cvtColor(found, cv2.COLOR_BGR2RGB) if self._channels == 3 else found[..., None]
