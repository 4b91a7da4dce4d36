"""The user's own images: any tree of folders with one folder for each class, as torchvision's ImageFolder reads it.

Either `<root>/<split>/<class>/...` or `<root>/<class>/...`; of the latter, a fifth is the test split, chosen by a hash
of each file's path below `root`, so that adding images moves none from one split to the other.

Images are decoded once, cut or squeezed to a square, and kept on disk until the path, the size or the modification
time of one changes. The fingerprint covers the decoded pixels of every image.
"""

import hashlib
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps
from torch import Tensor

from ..cache import cached
from ..decoding import content, decode_all
from ..files import digest, located
from ..images import DataError, Images, statistics

VERSION = 1  # goes up whenever the same files and options would give other pixels
EXTENSIONS = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".tga",
    ".ppm", ".pgm", ".pnm",
)  # fmt: skip
_EIGHT_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
# What Pillow raises for files that are damaged in one way or another.
_UNREADABLE = (OSError, EOFError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError)
_ALIASES = {"train": ("train",), "test": ("test", "val", "valid", "validation")}  # folders that may hold a split


@dataclass(frozen=True)
class _Entry:
    """One image: its path below the root with forward slashes, its class, and what tells whether it changed."""

    path: str
    label: int
    size: int
    mtime: int


@dataclass(frozen=True)
class _Tree:
    """The images of one split, in a stable order."""

    root: Path
    entries: tuple[_Entry, ...]
    classes: tuple[str, ...]


def load(split: str = "train", root: str = "", side: int = 96, fit: str = "crop") -> Images:
    """Colour images of one split, `side` pixels square; classes are the sorted names of the class folders.

    `root` is the tree. A tree with folders of splits has those that are there; "test" is also found as "val",
    "valid" or "validation". Any other tree has "train" and "test". `fit` is "crop" (the middle square) or "resize"
    (the whole image, squeezed). Grey images become grey colour images, EXIF rotation is applied, transparency is
    dropped; files with other extensions than `EXTENSIONS` and hidden ones are no images. Raises DataError naming the
    file for one that cannot be decoded whole or has more than 8 bits a channel, and ValueError for impossible options.
    """
    if side < 1:
        raise ValueError(f"source 'folder': side={side}, expected at least 1 pixel")
    if fit not in ("crop", "resize"):
        raise ValueError(f"source 'folder': unknown fit {fit!r}; there are: crop, resize")
    if not root:
        raise ValueError("source 'folder': no root given, expected the folder that holds the folders of the classes")
    base = located(root, "root of source 'folder'")
    if not base.is_dir():
        raise DataError(f"{base}: no such folder, expected a tree of images with one folder for each class")
    training, tree = _tree(base, "train"), _tree(base, split)
    pixels = _pixels(tree, side, fit)
    mean, std = statistics(pixels if split == "train" else _pixels(training, side, fit))
    # Where the tree lies and when it was copied there does not matter to what it shows.
    listing = [[entry.path, entry.label, entry.size] for entry in tree.entries]
    facts = {"listing": listing, "content": content(pixels, _key(tree, side, fit))}
    return Images(
        name="folder",
        split=split,
        pixels=pixels,
        labels=torch.tensor([entry.label for entry in tree.entries]),
        classes=tree.classes,
        mean=mean,
        std=std,
        fingerprint=digest(source="folder", version=VERSION, side=side, fit=fit, **facts),
    )


def _tree(root: Path, split: str) -> _Tree:
    """The images of one split."""
    known = [name for names in _ALIASES.values() for name in names]
    if not any(_subfolders(root / name) for name in known):
        if split not in _ALIASES:
            raise ValueError(f"source 'folder': no split {split!r} of {root}; there are: test, train")
        classes = _subfolders(root)
        entries = tuple(e for e in _entries(root, root, classes) if _tested(e.path) == (split == "test"))
    else:
        folders = _subfolders(root)
        found = next((root / name for name in _ALIASES.get(split, (split,)) if name in folders), None)
        if found is None:
            raise ValueError(f"source 'folder': no split {split!r} in {root}; there are: {', '.join(folders)}")
        # Labels mean the same in every split: the classes are those of the training images.
        classes = _subfolders(root / "train")
        extra = sorted(set(_subfolders(found)) - set(classes))
        if extra:
            raise DataError(
                f"{found / extra[0]}: no such class in {root / 'train'}, expected one of: {', '.join(classes)}"
            )
        entries = tuple(_entries(root, found, classes))
    if not entries:
        raise DataError(f"{root}: no image for split {split!r}, expected some in one folder for each class")
    return _Tree(root, entries, tuple(classes))


def _subfolders(folder: Path) -> list[str]:
    """Sorted names of the folders in a folder, none where it is none."""
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _entries(root: Path, folder: Path, classes: list[str]) -> Iterator[_Entry]:
    """The images of the class folders in `folder`, at any depth."""
    loose = sorted(path for path in folder.iterdir() if path.is_file() and _is_image(path.name))
    if loose:
        raise DataError(f"{loose[0]}: an image outside the folders of the classes, expected none")
    for label, name in enumerate(classes):
        paths = [
            Path(where, file)
            for where, _, names in os.walk(folder / name, followlinks=True)
            for file in names
            if _is_image(file)
        ]
        if not paths and (folder / name).is_dir():
            raise DataError(f"{folder / name}: no image in it, expected files ending in {', '.join(EXTENSIONS)}")
        for relative, path in sorted((path.relative_to(root).as_posix(), path) for path in paths):
            facts = path.stat()
            yield _Entry(relative, label, facts.st_size, facts.st_mtime_ns)


def _is_image(name: str) -> bool:
    return name.lower().endswith(EXTENSIONS) and not name.startswith(".")


def _tested(path: str) -> bool:
    """Whether an image of a tree without splits is for the test: one of five, by the hash of its path."""
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:8], "big") % 5 == 0


def _key(tree: _Tree, side: int, fit: str) -> dict[str, Any]:
    """What the decoded images are cached under: the paths of the files, their sizes and when they were changed."""
    listing = [[entry.path, entry.size, entry.mtime] for entry in tree.entries]
    key = {"source": "folder", "version": VERSION, "root": str(tree.root), "side": side, "fit": fit}
    return key | {"files": digest(listing=listing)}


def _pixels(tree: _Tree, side: int, fit: str) -> UInt8[Tensor, "n h w 3"]:
    """The decoded images, made once and kept on disk."""

    def fill(out: np.ndarray) -> None:
        decode_all(out, lambda i: _decoded(tree.root / tree.entries[i].path, side, fit))

    return torch.from_numpy(cached(_key(tree, side, fit), (len(tree.entries), side, side, 3), np.uint8, fill))


def _decoded(path: Path, side: int, fit: str) -> np.ndarray:
    """One image as side x side x 3 bytes, reduced with antialiasing."""
    try:
        with Image.open(path) as file:
            if file.mode not in _EIGHT_BIT:
                raise DataError(f"{path}: Pillow's mode {file.mode}, expected at most 8 bits a channel")
            file.draft("RGB", (2 * side, 2 * side))  # lets a JPEG be decoded at a fraction of its size
            image = ImageOps.exif_transpose(file).convert("RGB")
    except DataError:
        raise
    except _UNREADABLE as error:
        raise DataError(f"{path}: cannot be decoded ({error}), expected a whole image") from error
    w, h = image.size
    edge = min(w, h)
    left, top = ((w - edge) / 2, (h - edge) / 2) if fit == "crop" else (0, 0)
    box = (left, top, left + edge, top + edge) if fit == "crop" else (0, 0, w, h)
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, box=box))
