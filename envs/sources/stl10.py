"""STL-10 (Coates, Ng and Lee 2011): 96 x 96 colour photographs, 100 000 of them unlabelled.

Read from the binary files that torchvision reads (`stl10_binary`), memory-mapped: opening the unlabelled split of
2.8 GB takes next to no memory. The files hold channel, column, row (in this order); pixels are a strided view of that.

Saliency maps, where there are any, lie in `<root>/<split>/saliency_<split>.npy`: float32 or float64 (N, 1, 96, 96) or
(N, 96, 96), mapped as well.
"""

import os
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from ..arrays import map_npy
from ..cache import folder as cache_folder
from ..files import DataError, digest, expanded, identity, read_text
from ..images import Images

SIDE = 96
CLASSES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
# Appendix A.1 of the paper, "Normalization".
MEAN, STD = (0.4467, 0.4398, 0.4066), (0.2241, 0.2215, 0.2239)
_BYTES = 3 * SIDE * SIDE  # of one image
_SPLITS = ("test", "train", "unlabeled")


def load(split: str = "train", root: str = "", saliency: str = "auto") -> Images:
    """Colour images of one split: "train" (5000), "test" (8000) or "unlabeled" (100 000, labels -1).

    `root` holds `stl10_binary` or is that folder; empty: the cache folder (`~/.cache/gazeworld`). `saliency` is
    "auto" (maps where the file is there), "none", or the path of a file of maps, which must then be there. Raises
    DataError for files that are missing, of the wrong size or of the wrong type, ValueError for an unknown split.
    """
    if split not in _SPLITS:
        raise ValueError(f"source 'stl10': unknown split {split!r}; there are: {', '.join(_SPLITS)}")
    base = expanded(root, "root of source 'stl10'") if root else cache_folder()
    folder = _folder(base)
    source = folder / f"{split}_X.bin"
    pixels = _pixels(source)
    facts: dict[str, object] = {"source": "stl10", "pixels": identity(source)}
    labels = torch.full((len(pixels),), -1)
    if split != "unlabeled":
        labels = _labels(folder / f"{split}_y.bin", len(pixels))
        facts["labels"] = identity(folder / f"{split}_y.bin")
    maps = None
    found = _saliency(base, folder, split, saliency)
    if found is not None:
        maps = _maps(found, len(pixels))
        facts["maps"] = identity(found)  # what is computed from maps and kept must not outlive them
    return Images(
        name="stl10",
        split=split,
        pixels=pixels,
        labels=labels,
        classes=_classes(folder / "class_names.txt"),
        mean=MEAN,
        std=STD,
        fingerprint=digest(**facts),
        maps=maps,
    )


def _folder(base: Path) -> Path:
    """The folder that holds the binary files."""
    for folder in (base / "stl10_binary", base):
        if any((folder / f"{split}_X.bin").is_file() for split in _SPLITS):
            return folder
    raise DataError(
        f"no STL-10 found in {base}, expected {base / 'stl10_binary' / 'train_X.bin'} and its siblings; get them "
        f"(2.6 GB) by `python -c \"from torchvision.datasets import STL10; STL10('{base}', download=True)\"`"
    )


def _pixels(path: Path) -> UInt8[Tensor, "n 96 96 3"]:
    """The images of a file as n row column channel; nothing is read yet."""
    _must_exist(path, "images of 27648 bytes each")
    size = path.stat().st_size
    if size == 0 or size % _BYTES:
        raise DataError(
            f"{path}: {size} bytes = {size // _BYTES} images and {size % _BYTES} bytes, "
            f"expected a positive multiple of {_BYTES} (3 x {SIDE} x {SIDE})"
        )
    # Copy-on-write: torch has no read-only tensors, and this way no write could reach the file.
    stored = np.memmap(path, np.uint8, mode="c", shape=(size // _BYTES, 3, SIDE, SIDE))  # n channel column row
    return torch.from_numpy(stored).permute(0, 3, 2, 1)


def _labels(path: Path, n: int) -> Int64[Tensor, " n"]:
    """Labels 1 … 10 of a file as 0 … 9."""
    _must_exist(path, f"{n} labels of one byte")
    stored = np.fromfile(path, np.uint8)
    if len(stored) != n:
        raise DataError(f"{path}: {len(stored)} labels, expected one byte for each of {n} images")
    wrong = np.flatnonzero((stored < 1) | (stored > len(CLASSES)))
    if len(wrong):
        raise DataError(f"{path}: label {stored[wrong[0]]} at {wrong[0]}, expected 1 to {len(CLASSES)}")
    return torch.from_numpy(stored.astype(np.int64)) - 1


def _classes(path: Path) -> tuple[str, ...]:
    """The names of the classes; those of the published file where there is none."""
    if not os.path.lexists(path):
        return CLASSES
    names = tuple(read_text(path, "the names of the classes").split())
    if len(names) != len(CLASSES):
        raise DataError(f"{path}: {len(names)} names, expected {len(CLASSES)}")
    return names


def _saliency(base: Path, folder: Path, split: str, choice: str) -> Path | None:
    """The file of saliency maps to be used, if any."""
    if choice == "none":
        return None
    if choice == "auto":
        name = Path(split) / f"saliency_{split}.npy"
        places = [place / name for place in (base, folder, folder.parent)]
        return next((path for path in places if os.path.lexists(path)), None)  # be it no file: that is said
    path = expanded(choice, "saliency of source 'stl10'")
    _must_exist(path, "saliency maps (or saliency='auto' or 'none')")
    return path


def _maps(path: Path, n: int) -> Float[Tensor, "n 96 96"]:
    """Saliency maps of a file; nothing is read yet, so their values are not checked here."""
    stored = map_npy(path, "saliency maps of float32 or float64", write=True)
    if stored.dtype not in (np.float32, np.float64):
        raise DataError(f"{path}: holds {stored.dtype}, expected saliency maps of float32 or float64")
    if stored.shape not in ((n, 1, SIDE, SIDE), (n, SIDE, SIDE)):
        raise DataError(f"{path}: shape {stored.shape}, expected ({n}, 1, {SIDE}, {SIDE}): one map for each image")
    maps = torch.from_numpy(stored)
    return maps[:, 0] if maps.ndim == 4 else maps  # n h w


def _must_exist(path: Path, what: str) -> None:
    if not path.is_file():
        raise DataError(f"{path}: not there, expected {what}")
