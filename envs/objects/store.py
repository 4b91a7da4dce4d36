"""The format of a packed store: raw views of objects in one file that is mapped, and what belongs to them.

A store is a folder: views.npy (uint8, n v s s 3), latents.npy (float32, n v 7) and labels.npy (int64, n), all with the
objects of the training split first, and pack.json, which says the rest and is written last: a folder without it is
no store. `pack` makes stores.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from ..images import DataError
from .index import DAMAGED
from .stage import LATENTS

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


def checksum(data: bytes | memoryview) -> str:
    """The first 16 hexadecimal digits of a SHA-256."""
    return hashlib.sha256(data).hexdigest()[:16]


def read_manifest(out: Path) -> Manifest:
    """What the store in a folder says about itself. Raises DataError where there is none or it is damaged."""
    path = out / MANIFEST_FILE
    if not path.is_file():
        if (out / LOG_FILE).is_file():
            raise DataError(f"{path}: not there, packing was not finished; expected a whole store (pack again)")
        raise DataError(f"{path}: not there, expected a packed store (`gazeworld data pack` makes one)")
    try:
        found: dict[str, Any] = json.loads(path.read_text())
        version = found.pop("format")
        if version != FORMAT:
            raise DataError(f"{path}: format {version!r}, expected {FORMAT}; pack again")
        facts: dict[str, Any] = {name: tuple(x) if isinstance(x, list) else x for name, x in found.items()}
        manifest = Manifest(**facts)
        first, middle, last = manifest.splits["train"][0], *manifest.splits["test"]
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: not what packing writes ({error!r}), expected the manifest of a store") from error
    n = len(manifest.names)
    if (first, last) != (0, n) or not 0 <= middle <= n or len(manifest.checksums) != n:
        raise DataError(f"{path}: splits {manifest.splits}, {len(manifest.checksums)} checksums for {n} objects")
    return manifest


def open_views(path: Path, manifest: Manifest) -> UInt8[np.ndarray, "n v s s 3"]:
    """The views of a store, mapped read-only; nothing is read yet. Raises DataError for a file that is not whole."""
    return _opened(path, manifest.shape, np.dtype(np.uint8), "r")


def read_latents(out: Path, manifest: Manifest) -> Float32[np.ndarray, "n v 7"]:
    """The latents of a store, in memory. Raises DataError for a file that is damaged."""
    path = out / LATENTS_FILE
    return _whole(path, _opened(path, (*manifest.shape[:2], len(LATENTS)), np.dtype("<f4"), None), manifest.latents)


def read_labels(out: Path, manifest: Manifest) -> Int64[np.ndarray, " n"]:
    """The labels of a store, in memory. Raises DataError for a file that is damaged."""
    path = out / LABELS_FILE
    return _whole(path, _opened(path, manifest.shape[:1], np.dtype("<i8"), None), manifest.labels)


def _opened(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], mode: Any) -> np.ndarray:
    size = math.prod(shape) * dtype.itemsize
    try:
        found = np.load(path, mmap_mode=mode, allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError(f"{path}: not there, expected {dtype} of shape {shape}") from error
    except DAMAGED as error:
        raise DataError(f"{path}: not a whole .npy file ({error}), expected {size} bytes of data") from error
    if not isinstance(found, np.ndarray) or found.shape != shape or found.dtype != dtype:
        kind = f"{found.dtype} of shape {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
        raise DataError(f"{path}: holds {kind}, expected {dtype} of shape {shape}")
    return found


def _whole(path: Path, found: np.ndarray, expected: str) -> np.ndarray:
    seen = checksum(found.data)
    if seen != expected:
        raise DataError(f"{path}: checksum {seen}, expected {expected}; the file was changed or is damaged")
    return found
