"""Tiny ImageNet (Stanford's CS231n): 110 000 labelled photographs of 64 x 64 pixels in 200 classes of ImageNet.

Read as it is unpacked: `wnids.txt`, `words.txt`, `train/<wnid>/images/*.JPEG`, `val/images/*.JPEG` and
`val/val_annotations.txt`. Images are decoded once and kept on disk (1.4 GB for all) until the path, the size or the
modification time of one changes; the fingerprint covers the pixels of every image. The published test images have no
labels; as everybody does, the validation images are the test split.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from ..cache import cached
from ..cache import folder as cache_folder
from ..files import DataError, digest, expanded, located, read_bytes
from ..images import Images, content, picture
from ..threads import fill_rows
from ..walking import check_apart, is_data, subfolders

VERSION = 1  # goes up whenever the same files would give other pixels
SIDE = 64
STATISTICS = {
    # Appendix A.1 of the paper, "Tiny ImageNet": these are CIFAR-10's.
    "paper": ((0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.261)),
    # The released code's: those of Tiny ImageNet itself.
    "released": ((0.4802, 0.4481, 0.3975), (0.2302, 0.2265, 0.2262)),
}
"""Mean and standard deviation of the channels."""
_TREE = "tiny-imagenet-200"
_ADDRESS = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
_SPLITS = {"train": "train", "test": "val", "val": "val"}  # names of splits and of their folders


@dataclass(frozen=True)
class _Entry:
    """One image: its path below the tree with forward slashes, its class, and what tells whether it changed."""

    path: str
    label: int
    size: int
    mtime: int


def load(split: str = "train", root: str = "", statistics: Literal["paper", "released"] = "paper") -> Images:
    """Colour images of one split, "train" (500 of each class) or "test" (also called "val", 50 of each class).

    `root` holds `tiny-imagenet-200` or is that folder; empty: the cache folder (`~/.cache/gazeworld`). Labels count
    the lines of `wnids.txt`, as in the released code; grey images become grey colour images. `statistics` says whose
    channel means and deviations encoders normalise with: "paper" or "released" (`STATISTICS`). Raises DataError
    naming the file for whatever is missing, cannot be decoded whole, has another size, or has no class or an unknown
    one, ValueError for an unknown option.
    """
    if split not in _SPLITS:
        raise ValueError(f"source 'tiny-imagenet': unknown split {split!r}; there are: {', '.join(_SPLITS)}")
    tree = _tree(expanded(root, "root of source 'tiny-imagenet'") if root else cache_folder())
    wnids = _wnids(tree / "wnids.txt")
    classes = _words(tree / "words.txt", wnids)
    found = _training(tree, wnids) if _SPLITS[split] == "train" else _validation(tree, wnids)
    key = _key(tree, found)
    pixels = _pixels(tree, found, key)
    mean, std = STATISTICS[statistics]
    # Where the tree lies and when it was copied there does not matter to what it shows.
    facts = {"listing": [[entry.path, entry.label, entry.size] for entry in found], "content": content(pixels, key)}
    return Images(
        name="tiny-imagenet",
        split="train" if split == "train" else "test",
        pixels=pixels,
        labels=torch.tensor([entry.label for entry in found]),
        classes=classes,
        mean=mean,
        std=std,
        fingerprint=digest(source="tiny-imagenet", version=VERSION, **facts),
    )


def _tree(base: Path) -> Path:
    for tree in (base / _TREE, base):
        if (tree / "wnids.txt").is_file():
            return located(tree)
    raise DataError(
        f"no Tiny ImageNet found in {base}, expected {base / _TREE / 'wnids.txt'} and what belongs to it; get it "
        f"(240 MB) from {_ADDRESS} and unpack it there"
    )


def _lines(path: Path, what: str) -> list[str]:
    """Lines of a text file that are not empty."""
    text = read_bytes(path, what).decode("utf-8-sig", "replace")  # of words for people, all but a few are ASCII
    return [line for line in text.splitlines() if line.strip()]


def _wnids(path: Path) -> dict[str, int]:
    """Labels of the classes by their WordNet numbers."""
    lines = [line.strip() for line in _lines(path, "the WordNet numbers of the classes")]
    labels = {wnid: label for label, wnid in enumerate(lines)}
    if not lines or len(labels) != len(lines):
        raise DataError(f"{path}: {len(lines)} lines with {len(labels)} different classes, expected each class once")
    return labels


def _words(path: Path, wnids: dict[str, int]) -> tuple[str, ...]:
    """Names of the classes; the file knows many more of them."""
    parts = [line.split("\t", 1) for line in _lines(path, "lines of a WordNet number, a tab and words")]
    words = {part[0].strip(): part[1].strip() for part in parts if len(part) == 2}
    for wnid in wnids:
        if wnid not in words:
            raise DataError(f"{path}: no line for class {wnid} of wnids.txt, expected one with its words")
    return tuple(words[wnid] for wnid in wnids)


def _training(tree: Path, wnids: dict[str, int]) -> list[_Entry]:
    folder, entries = tree / "train", []
    for other in subfolders(folder) if folder.is_dir() else []:
        if other not in wnids:
            raise DataError(f"{folder / other}: a class that is not in {tree / 'wnids.txt'}")
    check_apart([folder / wnid / "images" for wnid in wnids])
    for wnid, label in wnids.items():
        images = _images(folder / wnid / "images")
        entries += [_entry(tree, images[name], label) for name in sorted(images)]
    return entries


def _validation(tree: Path, wnids: dict[str, int]) -> list[_Entry]:
    """The validation images, in the order of their annotations."""
    images, path = _images(tree / "val" / "images"), tree / "val" / "val_annotations.txt"
    entries, seen = [], set()
    for number, line in enumerate(_lines(path, "lines of an image, a tab and its class"), 1):
        parts = line.split("\t")
        name, wnid = (parts[0].strip(), parts[1].strip()) if len(parts) > 1 else (line, "")
        if wnid not in wnids:
            raise DataError(f"{path}: line {number} gives {name} the class {wnid!r}, expected one of wnids.txt")
        if name not in images:
            raise DataError(f"{tree / 'val' / 'images' / name}: not there, but line {number} of {path} has it")
        if name in seen:
            raise DataError(f"{path}: line {number} has {name} again, expected each image once")
        seen.add(name)
        entries.append(_entry(tree, images[name], wnids[wnid]))
    if missing := sorted(set(images) - seen):
        raise DataError(f"{images[missing[0]]}: no annotation, expected a line of {path} that gives its class")
    return entries


def _images(folder: Path) -> dict[str, Path]:
    """The images of a folder by their names."""
    if not folder.is_dir():
        raise DataError(f"{folder}: not there, expected a folder of JPEG files")
    paths = {path.name: path for path in folder.iterdir() if is_data(path.name)}
    for name in sorted(paths):
        if not name.lower().endswith((".jpeg", ".jpg")):
            raise DataError(f"{paths[name]}: expected nothing but JPEG files in this folder")
    if not paths:
        raise DataError(f"{folder}: no image in it, expected JPEG files")
    return paths


def _entry(tree: Path, path: Path, label: int) -> _Entry:
    try:
        facts = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be reached ({error.strerror}), expected an image") from error
    return _Entry(path.relative_to(tree).as_posix(), label, facts.st_size, facts.st_mtime_ns)


def _key(tree: Path, entries: list[_Entry]) -> dict[str, Any]:
    """What the decoded images are cached under: the paths of the files, their sizes and when they were changed."""
    listing = [[entry.path, entry.size, entry.mtime] for entry in entries]
    return {"source": "tiny-imagenet", "version": VERSION, "root": str(tree), "files": digest(listing=listing)}


def _pixels(tree: Path, entries: list[_Entry], key: dict[str, Any]) -> UInt8[Tensor, "n 64 64 3"]:
    """The decoded images, made once and kept on disk."""

    def fill(out: np.ndarray) -> None:
        fill_rows(out, lambda i: _decoded(tree / entries[i].path), "decoding")

    return torch.from_numpy(cached(key, (len(entries), SIDE, SIDE, 3), np.uint8, fill))


def _decoded(path: Path) -> np.ndarray:
    """One image as 64 x 64 x 3 bytes."""
    with picture(path) as file:
        image = np.asarray(file.convert("RGB"))
    if image.shape != (SIDE, SIDE, 3):
        raise DataError(f"{path}: {image.shape[1]} x {image.shape[0]} pixels, expected {SIDE} x {SIDE}")
    return image
