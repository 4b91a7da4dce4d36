"""The user's own images: a folder of them, or any tree with one folder for each class, as ImageFolder reads it.

`<root>/<split>/<class>/...` or `<root>/<class>/...`, as torchvision has them, or images in `<root>` itself, which then
have no labels; of the latter two, a fifth is the test split, chosen by a hash of each file's path below `root`, so that
adding images moves none from one split to the other.

Images are decoded once by Pillow, cut or squeezed to a square, and kept on disk until the path, the size or the
modification time of one changes. The fingerprint covers the decoded pixels of every image. Those of a split too large
for that are decoded when they are looked at, mostly by OpenCV (`image_datasets.decoding`); what was found in such a
tree is kept until one of its folders changes (`image_datasets.image_index`).
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import closing
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
from ..image_datasets.image_index import ImageIndex
from ..images import Images, LazyImages, StillImages, content, picture, squared, statistics
from ..threads import LONG, ahead, every
from ..validation import Side
from ._labelled_trees import EXTENSIONS as EXTENSIONS
from ._labelled_trees import find_splits, keep_splits, kept_splits
from ._picture_files import PictureFiles

VERSION = 1  # goes up whenever the same files and options would give other pixels
LARGE = 4 << 30
"""Bytes of a split's pixels from which on it is not decoded at once."""
_SAMPLE = 500  # images whose mean and deviation are taken for those of all, where not all are decoded
_NAMED = 3  # files that cannot be decoded are named, as many; all are counted


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
    known = None if lazy == "never" else kept_splits(base, split)
    if known is not None and (lazy == "always" or _is_large(known[split], side)):
        return _read_when_looked_at(known, split, side, fit)
    found = find_splits(base, split)
    trees, tree = found.indexes, found.indexes[split]
    if lazy == "always" or (lazy == "auto" and _is_large(tree, side)):
        keep_splits(base, split, found)
        return _read_when_looked_at(trees, split, side, fit)
    pixels = _pixels(trees, split, side, fit)
    mean, std = statistics(pixels if split == "train" else _pixels(trees, "train", side, fit))
    # Where the tree lies and when it was copied there does not matter to what it shows.
    names = list(tree.names)
    listing = [list(one) for one in zip(names, tree.label.tolist(), tree.size.tolist(), strict=True)]
    facts = {"listing": listing, "content": content(pixels, _key(tree, side, fit))}
    return Images(
        name="folder",
        split=split,
        pixels=pixels,
        labels=torch.from_numpy(tree.label.astype(np.int64)),
        classes=tuple(map(printable, tree.tops)),
        mean=mean,
        std=std,
        fingerprint=digest(source="folder", version=VERSION, side=side, fit=fit, **facts),
        files=PictureFiles(tree.root, names, fit),
    )


def _read_when_looked_at(
    trees: Mapping[str, ImageIndex], split: str, side: int, fit: Literal["crop", "resize"]
) -> LazyImages:
    """The images of a split as files; mean and deviation are those of some of the training images."""
    geometry, tree, training = Geometry(side, fit), trees[split], trees["train"]
    files, learnt = (SquaredFiles(one.root, one.names, geometry, one) for one in (tree, training))

    def fill(out: np.ndarray) -> None:
        some = range(0, len(learnt.names), max(1, len(learnt.names) // _SAMPLE))
        out[:] = statistics(torch.from_numpy(np.stack(every(learnt.read, some))))

    files_then = digest(files=training.fingerprint, changed=hashlib.sha256(training.mtime.tobytes()).hexdigest())
    key = {**_options(training, side, fit), "files": files_then, "what": "mean and deviation"}
    mean, std = cached(key, (2, 3), np.float64, fill).tolist()
    return LazyImages(
        name="folder",
        split=split,
        read=files.read,
        size=side,
        labels=torch.from_numpy(tree.label.astype(np.int64)),
        classes=tuple(map(printable, tree.tops)),
        mean=tuple(mean),
        std=tuple(std),
        fingerprint=digest(
            source="folder", version=VERSION, side=side, fit=fit, files=tree.fingerprint, read="when looked at"
        ),
        files=files,
    )


def _is_large(tree: ImageIndex, side: int) -> bool:
    return len(tree) * side**2 * 3 > LARGE


def _options(tree: ImageIndex, side: int, fit: str) -> dict[str, Any]:
    return {"source": "folder", "version": VERSION, "root": str(tree.root), "side": side, "fit": fit}


def _key(tree: ImageIndex, side: int, fit: str) -> dict[str, Any]:
    """What the decoded images are cached under: the paths of the files, their sizes and when they were changed."""
    listing = [list(one) for one in zip(tree.names, tree.size.tolist(), tree.mtime.tolist(), strict=True)]
    return _options(tree, side, fit) | {"files": digest(listing=listing)}


def _pixels(
    trees: Mapping[str, ImageIndex], split: str, side: int, fit: Literal["crop", "resize"]
) -> UInt8[Tensor, "n h w 3"]:
    """The decoded images of a split, made once and kept on disk.

    Raises DataError that counts the images that cannot be decoded, in all of these trees, and names the first of them.
    """
    tree = trees[split]

    def fill(out: np.ndarray) -> None:
        if bad := _decode(tree, side, fit, out):
            others = {name: other for name, other in trees.items() if other is not tree}
            for other in others.values():
                bad += _decode(other, side, fit, np.empty((len(other), *out.shape[1:]), np.uint8))
            raise _named(tree.root, bad, sum(len(one) for one in (tree, *others.values())))

    return torch.from_numpy(cached(_key(tree, side, fit), (len(tree), side, side, 3), np.uint8, fill))


def _decode(
    tree: ImageIndex, side: int, fit: Literal["crop", "resize"], out: UInt8[np.ndarray, "n h w 3"]
) -> list[DataError]:
    """Decode all images of a tree, as far as they can be; what is wrong with the others."""

    def one(i: int) -> DataError | None:
        try:
            out[i] = _decoded(tree.root / tree.names[i], side, fit)
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
