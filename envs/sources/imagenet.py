"""ImageNet as ILSVRC 2012 has it: 1.28 million labelled photographs in 1000 classes, read when they are looked at.

`<root>/train/<wnid>/*.JPEG`, and `<root>/val/<wnid>/*.JPEG` or all validation images in `<root>/val`; then what they
show is read from one of

    ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt and meta.mat beside it
    imagenet_2012_validation_synset_labels.txt      a WordNet number a line
    LOC_val_solution.csv                            as Kaggle gives it

in `root`. Any tree of this layout will do, also one of other classes. The files are indexed once (some seconds,
see `image_datasets.image_index`); opening a split afterwards reads the index and decodes nothing.
"""

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Int64

from ..files import DataError, digest, located, printable, read_text
from ..image_datasets.decoding import SquaredFiles
from ..image_datasets.geometry import Geometry
from ..image_datasets.image_index import ImageIndex, open_index
from ..image_datasets.map_files import ENDINGS as MAP_ENDINGS
from ..image_datasets.map_files import open_maps
from ..images import LazyImages
from ..validation import Side
from ..walking import subfolders

VERSION = 1  # goes up whenever the same files and options would give other pixels
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the training images, as everybody uses them."""
ENDINGS = (".jpeg", ".jpg", ".png")
_SPLITS = {"train": "train", "test": "val", "val": "val"}  # names of splits and of their folders
_DEVKIT = "ILSVRC2012_devkit_t12"
_TRUTH, _META = "ILSVRC2012_validation_ground_truth.txt", "meta.mat"
_SYNSETS, _KAGGLE, _WORDS = (
    "imagenet_2012_validation_synset_labels.txt", "LOC_val_solution.csv", "LOC_synset_mapping.txt",
)  # fmt: skip


def load(
    split: str = "train",
    root: str = "",
    side: Side = 224,
    fit: Literal["crop", "resize"] = "crop",
    maps: str = "",
) -> LazyImages:
    """Colour images of one split, "train" or "test" (also called "val"), `side` pixels square.

    `root` holds the folders of the splits. Labels count the sorted WordNet numbers of the classes of `train`, or of
    `val` where there is no `train`; classes are called by their words where a devkit or LOC_synset_mapping.txt has
    them. `fit` is "crop" (the middle square) or "resize" (the whole image, squeezed). `maps` is where saliency maps of
    the split lie (see `image_datasets.map_files`); empty: beside the images, if the first of them has one there.
    Raises DataError naming what is missing or does not fit: a class without images, one of `val` that `train` lacks,
    validation images whose classes nothing tells or of which there are more or fewer than labels. A file that cannot
    be decoded is named when it is looked at. Raises ValueError for an unknown option.
    """
    if split not in _SPLITS:
        raise ValueError(f"source 'imagenet': unknown split {split!r}; there are: {', '.join(_SPLITS)}")
    if not root:
        raise ValueError("source 'imagenet': no root given, expected the folder that holds train and val")
    base = located(root, "root of source 'imagenet'")
    folder = base / _SPLITS[split]
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder, expected one with a folder for each class")
    wnids = _classes(base)
    index, labels = _labelled(base, _SPLITS[split], wnids)
    sums = hashlib.sha256(labels.tobytes()).hexdigest()
    files = SquaredFiles(base, index.names, Geometry(side, fit), index)
    found = LazyImages(
        name="imagenet",
        split="train" if split == "train" else "test",
        read=files.read,
        size=side,
        labels=torch.from_numpy(labels),
        classes=_words(base, wnids),
        mean=MEAN,
        std=STD,
        fingerprint=digest(
            source="imagenet", version=VERSION, side=side, fit=fit, files=index.fingerprint, labels=sums
        ),
        files=files,
    )
    return _with_maps(found, base, files, maps)


def _classes(base: Path) -> tuple[str, ...]:
    """The folders of the classes, sorted."""
    for name in ("train", "val"):
        if (base / name).is_dir() and (found := subfolders(base / name)):
            return tuple(found)
    if (base / "val").is_dir():  # nothing but validation images in one folder
        return tuple(sorted(set(_wnids_of_devkit(base).values())))
    raise DataError(f"{base}: neither train nor val holds a folder for each class, expected one of them to")


def _labelled(base: Path, split: str, wnids: tuple[str, ...]) -> tuple[ImageIndex, Int64[np.ndarray, " n"]]:
    """The files of the folder of a split and their labels."""
    folder = base / split
    label = {wnid: i for i, wnid in enumerate(wnids)}
    if own := subfolders(folder):
        if extra := [name for name in own if name not in label]:
            raise DataError(f"{folder / extra[0]}: no such class in {base / 'train'}, expected one of its {len(wnids)}")
        index = open_index(base, [f"{split}/{name}" for name in own], ENDINGS)
        return index, np.array([label[name] for name in own], np.int64)[index.label]
    index = open_index(base, [split], ENDINGS)
    truth, where = _truth(base)
    if truth.keys() != set(range(1, len(index) + 1)):
        raise DataError(f"{where}: labels of {len(truth)} images, expected {len(index)}, as many as {folder} holds")
    numbers = [_number(folder, name) for name in index.names]
    if len(set(numbers)) != len(numbers) or max(numbers) > len(numbers):
        raise DataError(f"{folder}: images are numbered up to {max(numbers)}, expected each of 1 … {len(numbers)} once")
    if unknown := sorted(set(truth.values()) - label.keys()):
        raise DataError(f"{where}: names the class {unknown[0]}, expected one of the {len(wnids)} of {base / 'train'}")
    return index, np.array([label[truth[number]] for number in numbers], np.int64)


def _number(folder: Path, name: str) -> int:
    """The number of a validation image, by its name."""
    found = re.search(r"(\d+)\.\w+$", name)
    if not found:
        raise DataError(f"{folder / name}: has no number, expected a name such as ILSVRC2012_val_00000001.JPEG")
    return int(found[1])


def _truth(base: Path) -> tuple[dict[int, str], Path]:
    """The class of each validation image by its number, and the file that says so."""
    path = base / _DEVKIT / "data" / _TRUTH
    if path.exists():
        wnids = _wnids_of_devkit(base)
        ids = _lines(path, "a class's number in every line")
        if bad := [one for one in ids if not one.isdecimal() or int(one) not in wnids]:
            raise DataError(f"{path}: has {bad[0]!r} in a line, expected the number of a class of {_META}")
        return {i: wnids[int(one)] for i, one in enumerate(ids, 1)}, path
    path = base / _SYNSETS
    if path.exists():
        return dict(enumerate(_lines(path, "a WordNet number in every line"), 1)), path
    path = base / _KAGGLE
    if path.exists():
        rows = [line.split(",") for line in _lines(path, "lines of an image and its class")[1:]]
        if bad := [row for row in rows if len(row) < 2 or not row[1].split()]:
            raise DataError(f"{path}: the line {','.join(bad[0])!r} names no class, expected an image and its class")
        return {_number(base, f"{row[0]}.JPEG"): row[1].split()[0] for row in rows}, path
    raise DataError(
        f"{base / 'val'}: images in no folders of classes, expected beside it {_DEVKIT}, {_SYNSETS} or {_KAGGLE}, "
        "which tell what they show"
    )


def _meta(base: Path) -> np.ndarray | None:
    """The synsets of the devkit, None where there is none."""
    path = base / _DEVKIT / "data" / _META
    if not path.exists():
        return None
    from scipy.io import loadmat  # late: only such trees need it

    try:
        found = loadmat(path, squeeze_me=True)["synsets"]
        return found[found["num_children"] == 0]  # what is not a class of the challenge has children
    except Exception as error:  # SciPy says of no reader what it may raise for damaged files
        raise DataError(f"{path}: cannot be read ({error}), expected the synsets of ILSVRC 2012") from error


def _wnids_of_devkit(base: Path) -> dict[int, str]:
    """The classes by their number in the challenge, which is not their label."""
    synsets = _meta(base)
    if synsets is None:
        raise DataError(f"{base / _DEVKIT / 'data' / _META}: not there, expected the synsets of ILSVRC 2012")
    return {int(one["ILSVRC2012_ID"]): str(one["WNID"]) for one in np.atleast_1d(synsets)}


def _words(base: Path, wnids: tuple[str, ...]) -> tuple[str, ...]:
    """What people call the classes; two of one name are told apart by their WordNet numbers."""
    words: dict[str, str] = {}
    if (path := base / _WORDS).exists():
        parts = [line.split(None, 1) for line in _lines(path, "lines of a WordNet number and words")]
        words = {part[0]: part[1].strip() for part in parts if len(part) == 2}
    elif (synsets := _meta(base)) is not None:
        words = {str(one["WNID"]): str(one["words"]) for one in np.atleast_1d(synsets)}
    named = [words.get(wnid, printable(wnid)) for wnid in wnids]
    return tuple(
        name if named.count(name) == 1 else f"{name} ({printable(wnid)})"
        for name, wnid in zip(named, wnids, strict=True)
    )


def _lines(path: Path, what: str) -> list[str]:
    """Lines of a text file that are not empty."""
    return [line.strip() for line in read_text(path, what).splitlines() if line.strip()]


def _with_maps(images: LazyImages, base: Path, files: SquaredFiles, place: str) -> LazyImages:
    stem = files.names[0].rpartition(".")[0]
    if not place and not any((base / f"{stem}{ending}").exists() for ending in MAP_ENDINGS):
        return images
    more: dict[str, Any] = {"maps": open_maps(place or base, images)}
    return replace(images, **more)
