"""Which objects of a tree are for training and which for the test, and what class each is of.

Read from the authors' index files ({train,val}_images.npy: strings "/<synset>/<object>/"; {train,val}_labels.npy:
whole numbers), from the file split.json of a set rendered here, or, where there is neither, from the folders
themselves and the hash of every object's name (`splits.tested`). Names that begin with a dot are not part of a tree.
"""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..arrays import read_npy
from ..files import DataError, expanded, printable, read_json
from ..objects.splits import tested
from ..walking import check_apart, subfolders

_FILES = {"train": "train", "test": "val"}  # what the authors' index files call the splits


@dataclass(frozen=True)
class Members:
    """Which objects a tree has by its own account: names "/<synset>/<object>/", the first `train` of them for training.

    `labels` are numbers of `classes`; `origins` are the files or folders that say so. There is one for each name.
    """

    names: tuple[str, ...]
    train: int
    labels: tuple[int, ...]
    classes: tuple[str, ...]
    origins: tuple[Path, ...]


def members(root: Path, index: str = "") -> Members:
    """Which objects are in which split; whether their files are there is not looked at. See `read_tree`."""
    if index not in ("", "none"):
        return _indexed(expanded(index, "index"))
    if index == "" and os.path.lexists(root / "split.json"):
        return _divided(root / "split.json")
    if index == "" and any((root / f"{name}_images.npy").exists() for name in _FILES.values()):
        return _indexed(root)
    check_apart(root / synset for synset in subfolders(root))
    keys = [f"{synset}/{name}" for synset in subfolders(root) for name in subfolders(root / synset)]
    check_apart(root / key for key in keys)
    empty = sorted(set(subfolders(root)) - {key.partition("/")[0] for key in keys})
    if empty:
        raise DataError(f"{root / empty[0]}: no object in it, expected folders with image_0.jpg and so on")
    test = tested(keys)
    names = {
        "train": (f"/{key}/" for key in keys if key not in test),
        "test": (f"/{key}/" for key in keys if key in test),
    }
    return _members({split: tuple(found) for split, found in names.items()}, root)


def _members(names: dict[str, tuple[str, ...]], origin: Path) -> Members:
    """Members whose classes are the sorted synsets: in the authors' files, too, the labels are numbers of these."""
    _check_apart(origin, names)
    every = (*names["train"], *names["test"])
    synsets = [name.split("/")[1] for name in every]
    classes = sorted(set(synsets))
    number = {name: i for i, name in enumerate(classes)}
    labels = tuple(number[name] for name in synsets)
    return Members(every, len(names["train"]), labels, tuple(map(printable, classes)), (origin,) * len(every))


def _divided(path: Path) -> Members:
    """What a file {"train": ["class/object", …], "test": […]} says."""
    found = read_json(path, "lists of objects")
    if not isinstance(found, dict) or not all(isinstance(found.get(split), list) for split in ("train", "test")):
        raise DataError(f"{path}: expected lists of objects under 'train' and 'test'")
    return _members({split: check_names(path, found[split]) for split in ("train", "test")}, path)


def _indexed(folder: Path) -> Members:
    """What the authors' index files say; one of the two splits may be missing."""
    paths = {split: folder / f"{name}_images.npy" for split, name in _FILES.items()}
    if not any(path.exists() for path in paths.values()):
        raise DataError(f"{paths['train']}: not there, and no {paths['test'].name} either; expected index files")
    names: dict[str, tuple[str, ...]] = {"train": (), "test": ()}
    labels: list[int] = []
    origins: list[Path] = []
    for split, path in paths.items():
        if path.exists():
            names[split] = check_names(path, _array(path, "U", "strings /<synset>/<object>/").tolist())
            labels += _labels(folder / f"{_FILES[split]}_labels.npy", path, len(names[split]))
            origins += [path] * len(names[split])
    _check_apart(folder, names)
    every = (*names["train"], *names["test"])
    return Members(every, len(names["train"]), tuple(labels), _classes(folder, every, labels), tuple(origins))


def _array(path: Path, kinds: str, what: str) -> np.ndarray:
    """A one-dimensional array of a .npy file. Files that would have to run code to be read are refused."""
    found = read_npy(path, what)
    if found.dtype.kind not in kinds or found.ndim != 1:
        raise DataError(
            f"{path}: holds {found.dtype} of shape {found.shape}, expected a one-dimensional array of {what}"
        )
    return found


def check_names(path: Path, found: Iterable[object]) -> tuple[str, ...]:
    """Names of objects as "/<synset>/<object>/". Raises DataError for one that is twice or leads out of the tree."""
    names = []
    for name in found:
        parts = name.strip("/").split("/") if isinstance(name, str) else []
        if len(parts) != 2 or any(part.startswith(".") or not part or set(part) & set("\\\0") for part in parts):
            raise DataError(f"{path}: object {name!r}, expected /<synset>/<object>/")
        names.append(f"/{parts[0]}/{parts[1]}/")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{path}: object {twice[0]} stands there more than once")
    return tuple(names)


def _check_apart(path: Path, names: dict[str, tuple[str, ...]]) -> None:
    both = sorted(set(names["train"]) & set(names["test"]))
    if both:
        raise DataError(f"{path}: object {both[0]} is in both splits, expected it in one")


def _labels(path: Path, names: Path, n: int) -> list[int]:
    found = _array(path, "iu", f"one whole number for each object in {names.name}")
    if len(found) != n:
        raise DataError(f"{path}: {len(found)} labels for the {n} objects in {names.name}")
    if n and found.min() < 0:
        raise DataError(f"{path}: label {found.min()} at {int(found.argmin())}, expected 0 or more")
    return found.tolist()


def _classes(folder: Path, names: Sequence[str], labels: Sequence[int]) -> tuple[str, ...]:
    """Names of the classes by label: the synset, or several joined by "+" where they share a label."""
    synsets: dict[str, int] = {}
    for name, label in zip(names, labels, strict=True):
        synset = name.split("/")[1]
        if synsets.setdefault(synset, label) != label:
            raise DataError(
                f"{folder}: object {name} has label {label} in the index files, others of {synset} have "
                f"{synsets[synset]}, expected one label for each synset"
            )
    unused = max(labels, default=-1) + 1 - len(synsets)
    if unused > 1000:
        raise DataError(f"{folder}: label {max(labels)} in the index files for {len(synsets)} synsets")
    shared: dict[int, list[str]] = {}
    for synset, label in sorted(synsets.items()):
        shared.setdefault(label, []).append(synset)
    return tuple(
        printable("+".join(shared.get(label, [f"label {label}"]))) for label in range(max(labels, default=-1) + 1)
    )
