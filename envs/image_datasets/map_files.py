"""Saliency maps that lie beside images, opened: as one array, as a file for each image, or in the compact form.

In the folder `<place>/<split>/`, or in `<place>` itself:

stl10     `saliency_<split>.npy`: float32 or float64, (n, 1, side, side) or (n, side, side), as published for STL-10
imagenet  `<class>/<image>_sal.npy` or `<image>-sal.npy`: float32 (h, w), of the size of the image's file; what is done
          to the image (cut, squeezed, reduced) is done to the map
compact   files of rows of one byte a pixel, see `map_codes`, listed in `maps.json`; memory-mapped

`maps.json` also stands beside the other two where gazeworld wrote them; then it is verified that they are of these
images and by which prior. Published maps do not say: of them, number and size are verified.
"""

import math
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from PIL import Image
from torch import Tensor

from ..arrays import map_npy, read_npy
from ..files import DataError, digest, identity, located
from ..image_files import ImageFiles
from ..images import StillImages
from ..map_sets import MapSet, TensorMaps, require_mass
from ..threads import every
from . import map_codes
from .map_manifest import FILE, MapManifest, MapShard, read_manifest, require_match

ENDINGS = ("_sal.npy", "-sal.npy")
"""What follows an image's name in that of its map; gazeworld writes the first."""
_SAMPLE = 64  # maps of single files that are looked at when a set is opened


def open_maps(place: str | Path, images: StillImages, kind: str = "") -> MapSet:
    """The saliency maps of a split in a folder, or in a .npy file; nothing is read yet but what it says about itself.

    With `kind`, maps that say to be of another prior are refused. Raises DataError, one sentence, where there are none,
    or they are too few, of another size, or for another source, split or version of it.
    """
    path = located(place, "place of saliency maps")
    if path.is_file():
        return _array(path, images, kind)
    if not path.is_dir():
        raise DataError(f"{path}: not there, expected a folder of saliency maps")
    for folder in (path / images.split, path):
        if (folder / FILE).exists():
            return _described(folder, images, kind)
        array = folder / array_name(images.split)
        if array.exists():
            return _array(array, images, kind)
    for base in (path, path.parent):  # names begin with the folder of the split
        if images.files is not None and _map_of(base, images.files.names[0]).exists():
            return FileMaps(base, images.files, images.side)
    unfinished = any((path / images.split).glob("*.part")) or any(path.glob("*.part"))
    raise DataError(
        f"{path}: no saliency maps of split {images.split!r} in it"
        f"{', only the beginning of some' if unfinished else ''}, expected {images.split}/{FILE} as "
        f"`gazeworld data saliency` writes it, {images.split}/{array_name(images.split)}, or a file for each image, "
        f"such as CLASS/IMAGE{ENDINGS[0]}"
    )


def array_name(split: str) -> str:
    """The file of all maps of a split, as published for STL-10."""
    return f"saliency_{split}.npy"


def map_name(image: str) -> str:
    """The file of one image's map, given the image's own."""
    return image.rpartition(".")[0] + ENDINGS[0]


def _described(folder: Path, images: StillImages, kind: str) -> MapSet:
    """Maps beside which stands what they are."""
    manifest = read_manifest(folder / FILE)
    require_match(folder / FILE, manifest, images, kind)
    if manifest.layout == "compact":
        return CompactMaps(folder, manifest)
    if manifest.layout == "stl10":
        return _tensor(folder / manifest.shards[0].file, images, manifest)
    if images.files is None:
        raise DataError(f"{folder / FILE}: maps of single image files, of which {images.name} has none")
    return FileMaps(folder.parent, images.files, images.side, manifest)


def _array(path: Path, images: StillImages, kind: str) -> MapSet:
    beside = path.with_name(FILE)
    manifest = read_manifest(beside) if beside.exists() else None
    if manifest is None or path.name not in [shard.file for shard in manifest.shards]:
        return _tensor(path, images)
    require_match(beside, manifest, images, kind)
    return _tensor(path, images, manifest)


def _tensor(path: Path, images: StillImages, manifest: MapManifest | None = None) -> TensorMaps:
    what = "saliency maps of float32 or float64"
    stored, n, side = map_npy(path, what, write=True), len(images), images.side
    if stored.dtype not in (np.float32, np.float64):
        raise DataError(f"{path}: holds {stored.dtype}, expected {what}")
    if stored.shape not in ((n, 1, side, side), (n, side, side)):
        raise DataError(f"{path}: shape {stored.shape}, expected ({n}, 1, {side}, {side}): one map for each image")
    maps = torch.from_numpy(stored).view(n, side, side)
    return TensorMaps(maps, str(path), digest(file=identity(path)), manifest.kind if manifest else "")


class CompactMaps(MapSet):
    """Maps in the compact form, mapped: pages are read when a map is. Files must be whole when it is opened."""

    def __init__(self, folder: Path, manifest: MapManifest) -> None:
        self.folder, self.manifest = folder, manifest
        self.kind, self.fingerprint = manifest.kind, manifest.identity()
        self._begins = np.array([shard.first for shard in manifest.shards])
        self._shards = [self._open(shard) for shard in manifest.shards]

    @property
    def side(self) -> int:
        """Height and width in pixels, those of the images."""
        return self.manifest.image_side

    def __len__(self) -> int:
        return self.manifest.count

    def batch(self, index: Int64[Tensor, " b"]) -> Float32[Tensor, "b h w"]:
        """The maps at these indices, decoded, each summing to 1."""
        numbers = index.cpu().numpy()
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(self):
            raise IndexError(f"maps {numbers.min()} … {numbers.max()}, expected 0 … {len(self) - 1}")
        rows = np.empty((len(numbers), map_codes.row_bytes(self.manifest.side)), np.uint8)
        shard = np.searchsorted(self._begins, numbers, "right") - 1
        for i in np.unique(shard):
            mine = shard == i
            rows[mine] = self._shards[i][numbers[mine] - self._begins[i]]
        try:
            maps = map_codes.decode(rows, self.manifest.side)
        except DataError as error:
            raise DataError(f"{self.folder}: {error}, expected maps as `gazeworld data check` verifies them") from error
        return map_codes.enlarged(maps, self.side)

    def _open(self, shard: MapShard) -> np.ndarray:
        path, shape = self.folder / shard.file, (shard.count, map_codes.row_bytes(self.manifest.side))
        rows = map_npy(path, f"uint8 of shape {shape}")
        if rows.shape != shape or rows.dtype != np.uint8:
            raise DataError(f"{path}: holds {rows.dtype} of shape {rows.shape}, expected uint8 of shape {shape}")
        return rows


class FileMaps(MapSet):
    """Maps in a file for each image, of the image's own size, brought to the square that the image is shown as.

    When it is opened, the maps of 64 images spread over the split are looked for; each is checked when it is read.
    """

    def __init__(self, folder: Path, files: ImageFiles, side: int, manifest: MapManifest | None = None) -> None:
        self.folder, self.files, self.kind, self._side = folder, files, manifest.kind if manifest else "", side
        some = range(0, len(files.names), math.ceil(len(files.names) / _SAMPLE))
        self.fingerprint = digest(maps=[identity(self.path(image), 4) for image in some])

    @property
    def side(self) -> int:
        """Height and width in pixels, those of the images."""
        return self._side

    def __len__(self) -> int:
        return len(self.files.names)

    def path(self, image: int) -> Path:
        """The file of an image's map. Raises DataError where there is none."""
        found = _map_of(self.folder, self.files.names[image])
        if not found.exists():
            raise DataError(f"{found}: not there, expected the saliency map of image {image}")
        return found

    def batch(self, index: Int64[Tensor, " b"]) -> Float32[Tensor, "b h w"]:
        """The maps at these indices, read by threads, each summing to 1."""
        maps = torch.from_numpy(np.stack(every(self._read, index.tolist())))
        require_mass(maps, str(self.folder), index)
        return maps / maps.sum((1, 2), keepdim=True)

    def _read(self, image: int) -> np.ndarray:
        path, (w, h) = self.path(image), self.files.size(image)
        found = read_npy(path, "a saliency map of float32")
        if found.dtype not in (np.float32, np.float64) or found.shape != (h, w):
            raise DataError(
                f"{path}: holds {found.dtype} of shape {found.shape}, expected float32 of {(h, w)}, the size "
                "of its image"
            )
        if not np.isfinite(found).all() or found.min() < 0:
            raise DataError(f"{path}: holds NaN, infinite or negative values, expected non-negative mass")
        return squared_map(found, self.files, image, self.side)


def squared_map(
    values: Float[np.ndarray, "h w"], files: ImageFiles, image: int, side: int
) -> Float32[np.ndarray, "side side"]:
    """Values of the pixels of an image's file, brought to the square that the image is, as its pixels are: averaged."""
    h, w = values.shape
    corners = files.places(image, np.array([[0.0, 0.0], [w, h]]))  # (row, col) in units of the side
    (top, left), (rows, columns) = corners[0], corners[1] - corners[0]
    edges = (-left * w / columns, -top * h / rows, (1 - left) * w / columns, (1 - top) * h / rows)
    box = tuple(np.clip(edges, 0, (w, h, w, h)).tolist())
    found = Image.fromarray(values.astype(np.float32)).resize((side, side), Image.Resampling.BILINEAR, box=box)
    return np.asarray(found)


def _map_of(folder: Path, image: str) -> Path:
    """The file of an image's map in a folder; the name that gazeworld gives where there is none."""
    stem = image.rpartition(".")[0]
    found = (folder / f"{stem}{ending}" for ending in ENDINGS)
    return next((path for path in found if path.exists()), folder / map_name(image))
