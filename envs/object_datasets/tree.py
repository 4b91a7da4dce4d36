"""Reading a tree in the layout of 3DIEBench (Garrido et al. 2023), whose files must all be there.

`<root>/<synset>/<object>/` holds image_0.jpg … image_{V-1}.jpg and latent_0.npy … latent_{V-1}.npy, V the same for
every object; which objects there are is said by `index`. A tree is big (3DIEBench: 2.6 million images and as many
latents), so the images are not opened here, and each latent once.
"""

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from ..arrays import parse_npy
from ..files import DataError, digest, identity, read_bytes, read_json
from ..objects.stage import HUES, LATENTS
from ..threads import every
from .tree_index import members

SPLITS = ("train", "test", "all")
_ALIASES = {"val": "test"}
_KINDS = re.compile(r"image_(0|[1-9]\d*)\.jpg"), re.compile(r"latent_(0|[1-9]\d*)\.npy")
_SAMPLE = 64  # images that a fingerprint looks into


@dataclass(frozen=True)
class Listing:
    """The objects of one split of a tree, all of whose files are there, and how many views each has."""

    root: Path
    split: str
    names: tuple[str, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]
    views: int


def check_split(split: str) -> str:
    """The split's usual name ("val" is "test"). Raises ValueError for one that no tree has."""
    found = _ALIASES.get(split, split)
    if found not in SPLITS:
        raise ValueError(f"unknown split {split!r}; there are: {', '.join((*SPLITS, *_ALIASES))}")
    return found


def check_root(root: Path) -> None:
    """Raise DataError where there is no such folder."""
    if not root.is_dir():
        raise DataError(f"{root}: no such folder, expected a tree <synset>/<object>/image_0.jpg")


def read_tree(root: Path, split: str = "train", index: str = "") -> Listing:
    """The objects of one split ("train", "test" or "val", "all") of a tree; "all" is train, then test.

    `index` is a folder with the authors' index files, "none" (ignore all lists and walk the tree), or empty: then
    split.json in `root` decides where there is one, else index files in `root`, else the tree is walked. Raises
    DataError naming the file for lists that are damaged or contradict each other or the tree, for views or latents
    that are missing, and for objects with differing numbers of views.
    """
    split = check_split(split)
    check_root(root)
    found = members(root, index)
    part = {"train": slice(0, found.train), "test": slice(found.train, None), "all": slice(None)}[split]
    names = found.names[part]
    if not names:
        raise DataError(f"{index if index not in ('', 'none') else root}: no object in split {split!r}, expected some")
    views = _views(root, names, found.origins[part])
    return Listing(root, split, names, found.labels[part], found.classes, views)


def _views(root: Path, names: Sequence[str], origins: Sequence[Path]) -> int:
    """How many views every object has; all files must be there."""

    def count(listed: tuple[str, Path]) -> set[int]:
        """How many images and latents an object has: one number if they are as many and none is missing."""
        name, origin = listed
        try:
            files = os.listdir(root / name[1:])
        except (FileNotFoundError, NotADirectoryError) as error:
            raise DataError(f"{origin}: object {name} is listed, but {root / name[1:]} is no folder") from error
        except (OSError, ValueError) as error:
            raise DataError(f"{origin}: object {name!r} is listed, which cannot be looked into ({error})") from error
        numbers = [sorted(int(match[1]) for file in files if (match := kind.fullmatch(file))) for kind in _KINDS]
        return {len(found) if found == list(range(len(found))) else -1 for found in numbers}

    counts = every(count, zip(names, origins, strict=True))
    # Whichever number most objects have is right; where two are as frequent, something is missing.
    usual = Counter(next(iter(found)) for found in counts if len(found) == 1 and found.isdisjoint({0, -1}))
    views = max(usual, key=lambda number: (usual[number], number), default=1)
    for name, found in zip(names, counts, strict=True):
        if found != {views}:
            raise _odd(root / name[1:], views)
    return views


def _odd(folder: Path, views: int) -> DataError:
    """What is wrong with an object that has not as many views as the others."""
    found = set(os.listdir(folder))
    wanted = [name for i in range(views) for name in (f"image_{i}.jpg", f"latent_{i}.npy")]
    missing = [name for name in wanted if name not in found]
    if missing:
        return DataError(f"{folder / missing[0]}: not there, expected views 0 … {views - 1} of every object")
    more = sorted(name for name in found - set(wanted) if any(kind.fullmatch(name) for kind in _KINDS))
    return DataError(f"{folder / more[0]}: not expected, the other objects have views 0 … {views - 1} only")


def read_latents(listing: Listing) -> Float32[np.ndarray, "n v 7"]:
    """What every view was rendered with.

    Raises DataError naming a file that does not hold seven finite numbers, or holds a hue outside [0, 1].
    """
    latents = np.empty((len(listing.names), listing.views, len(LATENTS)), np.float32)
    kinds: dict[bytes, np.dtype[Any]] = {}  # headers seen: parsing them would be most of the work

    def fill(i: int) -> None:
        with np.errstate(over="ignore", invalid="ignore"):  # found below
            for view in range(listing.views):
                latents[i, view] = _latent(listing.root / listing.names[i][1:] / f"latent_{view}.npy", kinds)

    every(fill, range(len(latents)))
    off = ((latents < 0) | (latents > 1)) & np.isin(np.arange(len(LATENTS)), HUES)
    for bad, expected in ((~np.isfinite(latents), "a finite number"), (off, "a hue in [0, 1]")):
        wrong = np.argwhere(bad)
        if len(wrong):
            i, view, place = wrong[0].tolist()
            path = listing.root / listing.names[i][1:] / f"latent_{view}.npy"
            raise DataError(f"{path}: {LATENTS[place]} is {latents[i, view, place]}, expected {expected}")
    return latents


def _latent(path: Path, kinds: dict[bytes, np.dtype[Any]]) -> np.ndarray:
    """The seven numbers of a file, whose header is parsed only if no other file had the same."""
    data = read_bytes(path, f"{len(LATENTS)} numbers")
    begin = 10 + int.from_bytes(data[8:10], "little")  # format 1.0: magic and version, length of the header, header
    kind = kinds.get(data[:begin])
    if kind is not None and len(data) == begin + kind.itemsize * len(LATENTS):
        return np.frombuffer(data, kind, offset=begin)
    found = parse_npy(data, path, f"{len(LATENTS)} numbers")
    if found.shape != (len(LATENTS),) or found.dtype.kind not in "fiu":
        raise DataError(
            f"{path}: holds {found.dtype} of shape {found.shape}, expected {len(LATENTS)} numbers: {', '.join(LATENTS)}"
        )
    if data[6:8] == b"\x01\x00":
        kinds[data[:begin]] = found.dtype
    return found


def fingerprint(listing: Listing, latents: Float32[np.ndarray, "n v 7"]) -> str:
    """What identifies a split of a tree, wherever it lies: all names and latents, and a sample of the images."""
    n, v = latents.shape[:2]
    which = sorted({round(i * (n * v - 1) / (_SAMPLE - 1)) for i in range(_SAMPLE)})
    paths = [listing.root / listing.names[k // v][1:] / f"image_{k % v}.jpg" for k in which]
    return digest(
        names=listing.names,
        labels=listing.labels,
        latents=hashlib.sha256(np.ascontiguousarray(latents).tobytes()).hexdigest(),
        images=[identity(path) for path in paths],
    )


def drawn_by(root: Path) -> str:
    """What drew the views, where the tree says so in its render.json, else an empty text."""
    path = root / "render.json"
    if not os.path.lexists(path):
        return ""
    found = read_json(path, "what drew the views")
    if not isinstance(found, dict):
        raise DataError(f"{path}: holds {_kind(found)}, expected what drew the views under 'renderer'")
    renderer = found.get("renderer", "")
    return renderer if isinstance(renderer, str) else json.dumps(renderer, sort_keys=True)


def _kind(found: object) -> str:
    """What JSON calls a value."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(found), "a number")
