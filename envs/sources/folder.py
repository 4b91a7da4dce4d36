"""The user's own images: a folder of them, or any tree with one folder for each class, as ImageFolder reads it.

`<root>/<split>/<class>/...` or `<root>/<class>/...`, as torchvision has them, or images in `<root>` itself, which then
have no labels; of the latter two, a fifth is the test split, chosen by a hash of each file's path below `root`, so that
adding images moves none from one split to the other.

Images are decoded once by Pillow, cut or squeezed to a square, and kept on disk until the path, the size or the
modification time of one changes. The fingerprint covers the decoded pixels of every image. Those of a split too large
for that are decoded when they are looked at, mostly by OpenCV (`image_datasets.decoding`).
"""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import ImageOps
from rich.console import Console
from rich.progress import track
from torch import Tensor

from ..cache import cached
from ..files import DataError, digest, located, printable
from ..image_datasets.decoding import EIGHT_BIT, SquaredFiles
from ..image_datasets.geometry import Geometry
from ..image_datasets.image_index import Names
from ..images import Images, LazyImages, StillImages, content, picture, squared, statistics
from ..threads import LONG, ahead, every
from ..validation import Side
from ..walking import is_data, subfolders, walk
from ._picture_files import PictureFiles

VERSION = 1  # goes up whenever the same files and options would give other pixels
EXTENSIONS = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".tga",
    ".ppm", ".pgm", ".pnm",
)  # fmt: skip
_SPLITS = {
    "train": "train", "training": "train", "test": "test", "testing": "test", "val": "val", "valid": "val",
    "validation": "val",
}  # fmt: skip
"""What the names of folders of splits mean, in any case."""
LARGE = 4 << 30
"""Bytes of a split's pixels from which on it is not decoded at once."""
_SAMPLE = 500  # images whose mean and deviation are taken for those of all, where not all are decoded
_NAMED = 3  # files that cannot be decoded are named, as many; all are counted
_FILLERS = ("set", "data", "dataset", "images", "split", "samples")  # as in train_set or Test-Images


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


def load(
    split: str = "train",
    root: str = "",
    side: Side = 96,
    fit: Literal["crop", "resize"] = "crop",
    lazy: Literal["auto", "always", "never"] = "auto",
) -> StillImages:
    """Colour images of one split, `side` pixels square; classes are the sorted names of the class folders.

    `root` is the tree. A tree with folders of splits has those that are there, called so in any case ("Training",
    "test_set"); "test" is also found as "val", "valid" or "validation". Any other tree has "train" and "test". Where
    images lie in `root` itself and in no folder below it, there are no classes and all labels are -1. `fit` is
    "crop" (the middle square) or "resize" (the whole image, squeezed). Grey images become grey colour images, EXIF
    rotation is applied, transparency is dropped; files with other extensions than `EXTENSIONS`, hidden ones and what
    lies in hidden folders are no images. Links are followed as `walking` says. With `lazy` "auto", a split of
    more than 4 GB of pixels is read when it is looked at, with the same order, labels and classes; then its pixels are
    those of `image_datasets.decoding`, which differ by rounding, its fingerprint covers names and sizes of files, and a
    file that cannot be decoded is named when it is looked at. Raises DataError that counts the files
    that cannot be decoded whole or have more than 8 bits a channel and names the first of them; for one that is no
    regular file, for images beside folders of classes, and for folders of which it cannot be told whether they are
    classes or splits; ValueError for impossible options.
    """
    if not root:
        raise ValueError("source 'folder': no root given, expected a folder of images or of class folders")
    base = located(root, "root of source 'folder'")
    if not base.is_dir():
        raise DataError(f"{base}: no such folder, expected one of images, or with a folder for each class")
    trees = _trees(base, split)
    tree = trees[split]
    if lazy == "always" or (lazy == "auto" and len(tree.entries) * side**2 * 3 > LARGE):
        return _read_when_looked_at(trees, split, side, fit)
    pixels = _pixels(trees, split, side, fit)
    mean, std = statistics(pixels if split == "train" else _pixels(trees, "train", side, fit))
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
        files=PictureFiles(tree.root, [entry.path for entry in tree.entries], fit),
    )


def _read_when_looked_at(
    trees: Mapping[str, _Tree], split: str, side: int, fit: Literal["crop", "resize"]
) -> LazyImages:
    """The images of a split as files; mean and deviation are those of some of the training images."""
    geometry, tree, training = Geometry(side, fit), trees[split], trees["train"]
    files, learnt = (
        SquaredFiles(one.root, Names.of([entry.path for entry in one.entries]), geometry) for one in (tree, training)
    )

    def fill(out: np.ndarray) -> None:
        some = range(0, len(learnt.names), max(1, len(learnt.names) // _SAMPLE))
        out[:] = statistics(torch.from_numpy(np.stack(every(learnt.read, some))))

    mean, std = cached({**_key(training, side, fit), "what": "mean and deviation"}, (2, 3), np.float64, fill).tolist()
    listing = [[entry.path, entry.label, entry.size] for entry in tree.entries]
    return LazyImages(
        name="folder",
        split=split,
        read=files.read,
        size=side,
        labels=torch.tensor([entry.label for entry in tree.entries]),
        classes=tree.classes,
        mean=tuple(mean),
        std=tuple(std),
        fingerprint=digest(
            source="folder", version=VERSION, side=side, fit=fit, listing=listing, read="when looked at"
        ),
        files=files,
    )


def _trees(root: Path, split: str) -> dict[str, _Tree]:
    """The images of the training split and of the one asked for."""
    folders = subfolders(root)
    _check_meaning(root, folders)
    splits = [name for name in folders if _split_of(name) and subfolders(root / name)]
    if not splits:
        return _undivided(root, split, folders)
    found = {"train": _folder_of(root, "train", splits, folders), split: _folder_of(root, split, splits, folders)}
    # Labels mean the same in every split: the classes are those of the training images.
    classes = subfolders(root / found["train"])
    extra = sorted(set(subfolders(root / found[split])) - set(classes))
    if extra:
        raise DataError(
            f"{root / found[split] / extra[0]}: no such class in {root / found['train']}, expected one of: "
            f"{', '.join(classes)}"
        )
    paths = walk(root, EXTENSIONS, "an image", tops=list(found.values()), labels=2).files
    by_split = {top: [path for path in paths if path.relative_to(root).parts[0] == top] for top in found.values()}
    return {name: _tree(root, root / top, name, classes, by_split[top]) for name, top in found.items()}


def _undivided(root: Path, split: str, classes: list[str]) -> dict[str, _Tree]:
    """Both splits of a tree that has no folders for them."""
    if split not in ("train", "test"):
        raise ValueError(f"source 'folder': no split {split!r} of {root}; there are: test, train")
    walked = walk(root, EXTENSIONS, "an image")
    if walked.files and all(path.parent == root for path in walked.files):
        classes = []
    _tree(root, root, split, classes, walked.files)  # what is wrong with a tree is wrong with both splits
    found = {}
    for name in ("train", "test"):
        # A link to another image of its class goes where that goes: no image is in both splits.
        paths = [path for path in walked.files if _tested(root, walked.aliases.get(path, path)) == (name == "test")]
        found[name] = _tree(root, root, name, classes, paths, whole=False)
    return found


def _check_meaning(root: Path, folders: list[str]) -> None:
    """Refuse a tree whose folders would be taken for classes, although they look like splits."""
    if len(folders) < 2:
        return
    below = {name: subfolders(root / name) for name in folders}
    meanings = {_split_of(name) for name in folders}
    if len(meanings) > 1 and "" not in meanings and not any(below.values()):
        raise DataError(
            f"{root}: the folders of the splits {', '.join(folders)} hold no folders, expected one for each class"
        )
    # A single folder, as `images`, may well be in every class.
    same = sorted(set.intersection(*map(set, below.values())))
    if len(same) > 1 and meanings == {""} and not _images_in(root, folders):
        some = ", ".join(same[:3])
        raise DataError(
            f"{root}: {', '.join(folders)} all hold the same folders ({some} …), so they look like splits and those "
            "like classes; expected splits called train and test, or folders of classes in a folder train"
        )


def _images_in(root: Path, folders: list[str]) -> bool:
    """Whether one of the folders holds an image itself."""
    return any(_is_image(path.name) for name in folders for path in (root / name).iterdir())


def _split_of(folder: str) -> str:
    """What split a folder is of by its name, "train", "test" or "val", or an empty text if it says none."""
    words = [word for word in re.split(r"[^a-z]+", folder.lower()) if word and word not in _FILLERS]
    return _SPLITS.get(words[0].removesuffix("set"), "") if len(words) == 1 else ""


def _folder_of(root: Path, split: str, splits: list[str], folders: list[str]) -> str:
    """The folder that holds a split: the one of this name, or of a name that means the same, or "val" for "test"."""
    for meaning in dict.fromkeys((split, _SPLITS.get(split, split), "val" if split == "test" else split)):
        found = [name for name in splits if _split_of(name) == meaning] or [
            name for name in folders if name.lower() == meaning.lower()
        ]
        if len(found) > 1:
            raise DataError(f"{root}: {' and '.join(found)} are both for split {split!r}, expected one folder")
        if found:
            return found[0]
    raise ValueError(f"source 'folder': no split {split!r} in {root}; there are: {', '.join(folders)}")


def _tree(
    root: Path, folder: Path, split: str, classes: list[str], paths: Sequence[Path], *, whole: bool = True
) -> _Tree:
    """The images at these paths, which lie in folders of classes in `folder`, class by class; without classes, in it.

    Raises DataError for an image outside the classes and, of a `whole` split, for a class that is there without one.
    """
    label = {name: i for i, name in enumerate(classes)}
    by_class: list[list[Path]] = [[] for _ in classes]
    for path in paths if classes else ():
        inside = path.relative_to(folder).parts
        if len(inside) == 1:
            raise DataError(
                f"{path}: an image outside the folders of the classes ({_some(classes)}), expected none, or all images "
                "in one folder (without labels)"
            )
        by_class[label[inside[0]]].append(path)
    for name, found in zip(classes, by_class, strict=True):
        if whole and not found and (folder / name).is_dir():
            raise DataError(f"{folder / name}: no image in it, expected files ending in {', '.join(EXTENSIONS)}")
    labelled = [(i, path) for i, found in enumerate(by_class) for path in found] or [(-1, path) for path in paths]
    if not labelled and whole:
        raise DataError(f"{folder}: no image found, expected files ending in {', '.join(EXTENSIONS)}")
    if not labelled:
        raise DataError(
            f"{root}: so few images that none is in the split {split!r} (one of five is for the test, by its name); "
            "expected more, or a folder for each split"
        )
    return _Tree(root, tuple(_entry(root, path, i) for i, path in labelled), tuple(map(printable, classes)))


def _some(names: Sequence[str]) -> str:
    """The first names, and that there are more."""
    return ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")


def _entry(root: Path, path: Path, label: int) -> _Entry:
    facts = path.stat()
    return _Entry(path.relative_to(root).as_posix(), label, facts.st_size, facts.st_mtime_ns)


def _is_image(name: str) -> bool:
    return name.lower().endswith(EXTENSIONS) and is_data(name)


def _tested(root: Path, path: Path) -> bool:
    """Whether an image of a tree without splits is for the test: one of five, by the hash of its path."""
    relative = os.fsencode(path.relative_to(root).as_posix())  # the bytes on disk, which need not be UTF-8
    return int.from_bytes(hashlib.sha256(relative).digest()[:8], "big") % 5 == 0


def _key(tree: _Tree, side: int, fit: str) -> dict[str, Any]:
    """What the decoded images are cached under: the paths of the files, their sizes and when they were changed."""
    listing = [[entry.path, entry.size, entry.mtime] for entry in tree.entries]
    key = {"source": "folder", "version": VERSION, "root": str(tree.root), "side": side, "fit": fit}
    return key | {"files": digest(listing=listing)}


def _pixels(
    trees: Mapping[str, _Tree], split: str, side: int, fit: Literal["crop", "resize"]
) -> UInt8[Tensor, "n h w 3"]:
    """The decoded images of a split, made once and kept on disk.

    Raises DataError that counts the images that cannot be decoded, in all of these trees, and names the first of them.
    """
    tree = trees[split]

    def fill(out: np.ndarray) -> None:
        if bad := _decode(tree, side, fit, out):
            others = {name: other for name, other in trees.items() if other is not tree}
            for other in others.values():
                bad += _decode(other, side, fit, np.empty((len(other.entries), *out.shape[1:]), np.uint8))
            raise _named(tree.root, bad, sum(len(one.entries) for one in (tree, *others.values())))

    return torch.from_numpy(cached(_key(tree, side, fit), (len(tree.entries), side, side, 3), np.uint8, fill))


def _decode(
    tree: _Tree, side: int, fit: Literal["crop", "resize"], out: UInt8[np.ndarray, "n h w 3"]
) -> list[DataError]:
    """Decode all images of a tree, as far as they can be; what is wrong with the others."""

    def one(i: int) -> DataError | None:
        try:
            out[i] = _decoded(tree.root / tree.entries[i].path, side, fit)
        except DataError as error:
            return error
        return None

    n, quiet = len(out), len(out) < LONG
    with closing(ahead(one, range(n))) as done:
        told = track(done, "decoding", n, console=Console(stderr=True), disable=quiet, transient=True)
        return [error for error in told if error is not None]


def _named(root: Path, bad: Sequence[DataError], n: int) -> DataError:
    """One error for images that cannot be decoded."""
    if len(bad) == 1:
        return bad[0]
    said = "; ".join(str(error).removeprefix(f"{root}/") for error in bad[:_NAMED])
    return DataError(f"{root}: {len(bad)} of {n} images cannot be used: {said}{' …' if len(bad) > _NAMED else ''}")


def _decoded(path: Path, side: int, fit: Literal["crop", "resize"]) -> np.ndarray:
    """One image as side x side x 3 bytes, reduced with antialiasing."""
    with picture(path) as file:
        if file.mode not in EIGHT_BIT:
            raise DataError(f"{path}: Pillow's mode {file.mode}, expected at most 8 bits a channel")
        file.draft("RGB", (2 * side, 2 * side))  # lets a JPEG be decoded at a fraction of its size
        image = ImageOps.exif_transpose(file).convert("RGB")
    return np.asarray(squared(image, side, fit))
