"""What the images of a user's tree show and which split they are in, by its folders: for the source `folder`.

The tree is looked at by one walk (`walking.Tree`), which says what links and hidden folders mean; every folder is
looked into once, whatever is asked about it.
"""

import hashlib
import os
import re
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int32

from ..files import DataError, printable
from ..image_datasets.image_index import ImageIndex, index_of, save_indexes, saved_indexes
from ..walking import Tree

EXTENSIONS = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".tga",
    ".ppm", ".pgm", ".pnm",
)  # fmt: skip
_SPLITS = {
    "train": "train", "training": "train", "test": "test", "testing": "test", "val": "val", "valid": "val",
    "validation": "val",
}  # fmt: skip
"""What the names of folders of splits mean, in any case."""
_BOTH = ("train", "test")  # splits of a tree without folders for them
_NAMED = 3  # classes that a message shows
_FILLERS = ("set", "data", "dataset", "images", "split", "samples")  # as in train_set or Test-Images


@dataclass(frozen=True)
class Splits:
    """The images of the training split and of the one asked for, by their names; the tops of both are the classes.

    A tree that is not `divided` has no folders for splits; of such a one, there are always both.
    """

    indexes: dict[str, ImageIndex]
    divided: bool


def kept_splits(root: Path, split: str) -> dict[str, ImageIndex] | None:
    """What `keep_splits` kept of a tree, None where that is nothing or a folder has changed since."""
    if split in _BOTH and (both := saved_indexes(_key(root, ""), root)):
        return dict(zip(_BOTH, both, strict=True))
    found = saved_indexes(_key(root, split), root)
    return None if found is None else dict(zip(dict.fromkeys(("train", split)), found, strict=True))


def keep_splits(root: Path, split: str, found: Splits) -> None:
    """Keep what was found when a split was looked for. Raises OSError where the cache cannot be written."""
    save_indexes(_key(root, split if found.divided else ""), list(found.indexes.values()))


def _key(root: Path, split: str) -> dict[str, Any]:
    return {"source": "folder", "root": printable(str(root)), "endings": list(EXTENSIONS), "split": printable(split)}


def find_splits(root: Path, split: str) -> Splits:
    """Look at a tree. Raises DataError and ValueError as the source says."""
    made = time.time_ns()  # before anything is looked at: what changes from now on is seen the next time
    tree = Tree(root)
    folders = tree.subfolders()
    _check_meaning(tree, folders)
    splits = [name for name in folders if _split_of(name) and tree.subfolders(name)]
    if not splits:
        return Splits(_undivided(tree, split, folders, made), divided=False)
    found = {"train": _folder_of(root, "train", splits, folders), split: _folder_of(root, split, splits, folders)}
    # Labels mean the same in every split: the classes are those of the training images.
    classes = tree.subfolders(found["train"])
    extra = sorted(set(tree.subfolders(found[split])) - set(classes))
    if extra:
        raise DataError(
            f"{root / found[split] / extra[0]}: no such class in {root / found['train']}, expected one of: "
            f"{', '.join(classes)}"
        )
    names = tree.walk(EXTENSIONS, "an image", tops=list(found.values()), labels=2).names
    indexes: dict[str, ImageIndex] = {}
    for name, top in found.items():
        some, label = _classified(root, f"{top}/", classes, _below(names, f"{top}/"))
        indexes[name] = index_of(tree, classes, some, label, made)
    return Splits(indexes, divided=True)


def _undivided(tree: Tree, split: str, classes: list[str], made: int) -> dict[str, ImageIndex]:
    """Both splits of a tree that has no folders for them."""
    root = tree.root
    if split not in _BOTH:
        raise ValueError(f"source 'folder': no split {split!r} of {root}; there are: test, train")
    walked = tree.walk(EXTENSIONS, "an image")
    if walked.names and not any("/" in name for name in walked.names):
        classes = []
    names, label = _classified(root, "", classes, walked.names)
    # A link to another image of its class goes where that goes: no image is in both splits.
    tested = _tested([walked.aliases.get(name, name) for name in names] if walked.aliases else names)
    indexes: dict[str, ImageIndex] = {}
    for name, chosen in zip(_BOTH, (~tested, tested), strict=True):
        some = [names[i] for i in np.flatnonzero(chosen).tolist()]
        if not some:
            raise DataError(
                f"{root}: so few images that none is in the split {name!r} (one of five is for the test, by its name); "
                "expected more, or a folder for each split"
            )
        indexes[name] = index_of(tree, classes, some, label[chosen], made)
    return indexes


def _check_meaning(tree: Tree, folders: list[str]) -> None:
    """Refuse a tree whose folders would be taken for classes, although they look like splits."""
    if len(folders) < 2:
        return
    below = {name: tree.subfolders(name) for name in folders}
    meanings = {_split_of(name) for name in folders}
    if len(meanings) > 1 and "" not in meanings and not any(below.values()):
        raise DataError(
            f"{tree.root}: the folders of the splits {', '.join(folders)} hold no folders, expected one for each class"
        )
    # A single folder, as `images`, may well be in every class.
    same = sorted(set.intersection(*map(set, below.values())))
    if len(same) > 1 and meanings == {""} and not any(_holds_images(tree, name) for name in folders):
        some = ", ".join(same[:3])
        raise DataError(
            f"{tree.root}: {', '.join(folders)} all hold the same folders ({some} …), so they look like splits and "
            "those like classes; expected splits called train and test, or folders of classes in a folder train"
        )


def _holds_images(tree: Tree, folder: str) -> bool:
    """Whether a folder holds an image itself."""
    seen = tree.look(folder)
    names = (*seen.files, *seen.linked, *seen.odd, *seen.folders, *seen.links)
    return any(name.lower().endswith(EXTENSIONS) for name in names)


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


def _below(names: list[str], begin: str) -> list[str]:
    """Those of sorted names that begin with a folder and its slash."""
    return names[bisect_left(names, begin) : bisect_left(names, begin[:-1] + chr(ord("/") + 1))]


def _classified(
    root: Path, begin: str, classes: list[str], names: list[str]
) -> tuple[list[str], Int32[np.ndarray, " n"]]:
    """Images class by class, and their labels; `names` are sorted and begin with `begin`, the folder of the classes.

    Without classes all are in it. Raises DataError for an image outside the classes and a class that is there without
    one.
    """
    groups = [_below(names, f"{begin}{name}/") for name in classes]
    counts = [len(group) for group in groups]
    if classes and sum(counts) < len(names):
        loose = next(name for name in names if "/" not in name[len(begin) :])
        raise DataError(
            f"{root / loose}: an image outside the folders of the classes ({_some(classes)}), expected none, or all "
            "images in one folder (without labels)"
        )
    for name, count in zip(classes, counts, strict=True):
        if not count and (root / begin / name).is_dir():
            raise DataError(f"{root / begin / name}: no image in it, expected files ending in {', '.join(EXTENSIONS)}")
    if not names:
        raise DataError(f"{root / begin}: no image found, expected files ending in {', '.join(EXTENSIONS)}")
    if not classes:
        return names, np.full(len(names), -1, np.int32)
    return [name for group in groups for name in group], np.repeat(np.arange(len(classes), dtype=np.int32), counts)


def _some(names: Sequence[str]) -> str:
    """The first names, and that there are more."""
    return ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")


def _tested(names: Sequence[str]) -> Bool[np.ndarray, " n"]:
    """Which images of a tree without splits are for the test: one of five, by the hash of its path.

    It is that of the bytes on disk, which need not be UTF-8; its first eight are a number, the highest first.
    """
    begins = b"".join(hashlib.sha256(os.fsencode(name)).digest()[:8] for name in names)
    return np.frombuffer(begins, ">u8") % 5 == 0
