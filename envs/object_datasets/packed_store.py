"""The format of a packed store: raw views of objects in one file that is mapped, and what belongs to them.

A store is a folder: views.npy (uint8, n v s s 3), latents.npy (float32, n v 7) and labels.npy (int64, n), all with the
objects of the training split first, and pack.json, which says the rest and is written last: a folder without it is
no store. `pack` makes stores.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from ..arrays import map_npy, read_npy
from ..files import DataError, checksum, digest, read_json
from ..objects.stage import LATENTS
from .tree_index import check_names

FORMAT = 1  # goes up whenever older stores could be misread
VIEWS_FILE, LATENTS_FILE, LABELS_FILE, MANIFEST_FILE = "views.npy", "latents.npy", "labels.npy", "pack.json"
LOG_FILE = "pack.part"  # is there while a store is being made


@dataclass(frozen=True)
class Manifest:
    """What pack.json says.

    `names`, "/<synset>/<object>/", and `checksums` (of the bytes of an object's views) have one entry for each object;
    `splits` are [first, last + 1] of the objects of each split; `plan` and `source` identify what was packed, and how;
    `latents` and `labels` are checksums of these files' content.
    """

    size: int
    views: int
    names: tuple[str, ...]
    classes: tuple[str, ...]
    splits: dict[str, list[int]]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    renderer: str
    plan: str
    source: str
    latents: str
    labels: str
    fingerprint: str
    checksums: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """Of the views: n, v, s, s, 3."""
        return len(self.names), self.views, self.size, self.size, 3

    def text(self) -> str:
        """What stands in the file."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, allow_nan=False) + "\n"


def read_manifest(out: Path) -> Manifest:
    """What the store in a folder says about itself. Raises DataError where there is none or it is damaged."""
    path = out / MANIFEST_FILE
    if not path.is_file():
        if (out / LOG_FILE).is_file():
            raise DataError(f"{path}: not there, packing was not finished; expected a whole store (pack again)")
        raise DataError(f"{path}: not there, expected a packed store (`gazeworld data pack` makes one)")
    found = read_json(path, "the manifest of a store")
    if not isinstance(found, dict) or "format" not in found:
        raise DataError(f"{path}: not what packing writes (no 'format' in it), expected the manifest of a store")
    version = found.pop("format")
    if version != FORMAT:
        raise DataError(f"{path}: format {version!r}, expected {FORMAT}; pack again")
    known = [field.name for field in fields(Manifest)]
    for name in [*known, *found]:
        if name not in found or name not in known:
            state = "should not be there" if name in found else "is missing"
            raise DataError(f"{path}: not what packing writes ({name!r} {state}), expected the manifest of a store")
    for name, (expected, right) in _FIELDS.items():
        if not right(found[name]):
            raise DataError(f"{path}: {name!r} is {json.dumps(found[name])[:100]}, expected {expected}")
    facts: dict[str, Any] = {name: tuple(x) if isinstance(x, list) else x for name, x in found.items()}
    manifest = Manifest(**facts)
    _check(path, manifest)
    return manifest


def _check(path: Path, manifest: Manifest) -> None:
    """Raise DataError where parts of a manifest do not belong together."""
    n = len(manifest.names)
    (first, middle), (next_first, last) = manifest.splits["train"], manifest.splits["test"]
    if (first, last) != (0, n) or middle != next_first or not 0 <= middle <= n or len(manifest.checksums) != n:
        raise DataError(
            f"{path}: splits {manifest.splits}, {len(manifest.checksums)} checksums for {n} objects, expected "
            "'train' from 0 and 'test' from its end to the last object, and a checksum of each"
        )
    check_names(path, manifest.names)
    content = contents(manifest.checksums, manifest.latents, manifest.labels, manifest.names, manifest.size)
    if manifest.fingerprint != content:
        raise DataError(
            f"{path}: 'fingerprint' is {manifest.fingerprint!r}, but that of its names, checksums and size is "
            f"{content!r}; it was changed or is damaged"
        )


def contents(checksums: Sequence[str], latents: str, labels: str, names: Sequence[str], size: int) -> str:
    """The fingerprint of a store with these checksums."""
    return digest(checksums=checksums, latents=latents, labels=labels, names=names, size=size)


def _is_count(found: Any) -> bool:
    return type(found) is int and 1 <= found < 2**31


def _is_text(found: Any) -> bool:
    return isinstance(found, str)


def _are_texts(found: Any) -> bool:
    return isinstance(found, list) and len(found) > 0 and all(map(_is_text, found))


def _are_shares(found: Any) -> bool:
    return isinstance(found, list) and len(found) == 3 and all(type(x) in (int, float) and 0 <= x <= 1 for x in found)


def _are_splits(found: Any) -> bool:
    return (
        isinstance(found, dict)
        and set(found) == {"train", "test"}
        and all(isinstance(x, list) and len(x) == 2 and all(type(i) is int for i in x) for x in found.values())
    )


_TEXT = ("a text", _is_text)
_FIELDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "size": ("a whole number of pixels, at least 1", _is_count),
    "views": ("a whole number, at least 1", _is_count),
    "names": ("a list of texts", _are_texts),
    "classes": ("a list of texts", _are_texts),
    "splits": ("[first, last + 1] under 'train' and under 'test'", _are_splits),
    "mean": ("three numbers in [0, 1]", _are_shares),
    "std": ("three numbers above 0, at most 1", lambda found: _are_shares(found) and min(found) > 0),
    "checksums": ("a list of texts", _are_texts),
    **dict.fromkeys(("renderer", "plan", "source", "latents", "labels", "fingerprint"), _TEXT),
}
"""What every field of a manifest has to be, in words and as a test."""


def open_views(path: Path, manifest: Manifest) -> UInt8[np.ndarray, "n v s s 3"]:
    """The views of a store, mapped read-only; nothing is read yet. Raises DataError for a file that is not whole."""
    return _opened(path, manifest.shape, np.dtype(np.uint8), mapped=True)


def read_latents(out: Path, manifest: Manifest) -> Float32[np.ndarray, "n v 7"]:
    """The latents of a store, in memory. Raises DataError for a file that is damaged."""
    path = out / LATENTS_FILE
    return _whole(
        path, _opened(path, (*manifest.shape[:2], len(LATENTS)), np.dtype("<f4"), mapped=False), manifest.latents
    )


def read_labels(out: Path, manifest: Manifest) -> Int64[np.ndarray, " n"]:
    """The labels of a store, in memory. Raises DataError for a file that is damaged."""
    path = out / LABELS_FILE
    return _whole(path, _opened(path, manifest.shape[:1], np.dtype("<i8"), mapped=False), manifest.labels)


def _opened(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], *, mapped: bool) -> np.ndarray:
    what = f"{dtype} of shape {shape}"
    found = map_npy(path, what) if mapped else read_npy(path, what)
    if found.shape != shape or found.dtype != dtype:
        raise DataError(f"{path}: holds {found.dtype} of shape {found.shape}, expected {what}")
    return found


def _whole(path: Path, found: np.ndarray, expected: str) -> np.ndarray:
    seen = checksum(found.data)
    if seen != expected:
        raise DataError(f"{path}: checksum {seen}, expected {expected}; the file was changed or is damaged")
    return found
