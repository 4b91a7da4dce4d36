"""Arrays that are computed once and kept on disk: saliency maps, sampling tables.

A file is named by the SHA-256 of everything it depends on, so that nothing has to be invalidated: what depends on
something else has another name. The key itself stands in a .json beside it, for people.
"""

import contextlib
import errno
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .arrays import map_npy
from .files import DataError, expanded, left_behind, whole_file, write_text

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def folder() -> Path:
    """Where cached arrays are kept: $GAZEWORLD_CACHE, or ~/.cache/gazeworld.

    Raises ValueError where one begins with a home that is not known, as in containers whose user has none.
    """
    if chosen := os.environ.get("GAZEWORLD_CACHE", ""):
        return expanded(chosen, "GAZEWORLD_CACHE")
    return expanded("~/.cache/gazeworld", "the cache folder, unless GAZEWORLD_CACHE names one,")


def cached(
    key: dict[str, Any] | None, shape: tuple[int, ...], dtype: DTypeLike, fill: Callable[[np.ndarray], None]
) -> np.ndarray:
    """The array that belongs to a JSON-able key, memory-mapped; `fill` writes it where it is not there yet.

    Without a key nothing is kept: `fill` writes an array in memory.

    The array is built in a temporary file and renamed when whole, so an interrupted or failing `fill` leaves nothing
    behind and two processes at once do no harm (both compute, the last one stays). A file that is truncated or of
    another shape or type is built again. Writing to the result changes this process's copy only, never the file.
    Raises OSError with one sentence where the folder cannot be written or has no room for the array.
    """
    if key is None:
        array = np.empty(shape, dtype)
        fill(array)
        return array
    text = json.dumps(key, sort_keys=True, indent=1, allow_nan=False)
    place = folder() / f"{hashlib.sha256(text.encode()).hexdigest()}.npy"
    found = _open(place, shape, dtype)
    if found is None:
        _build(place, text, shape, dtype, fill)
        found = _open(place, shape, dtype)
    if found is None:
        raise OSError(f"{place}: just written, but it does not hold {np.dtype(dtype)} of shape {shape}")
    return found


def _open(place: Path, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray | None:
    """The file mapped copy-on-write (torch refuses to wrap a read-only array in silence), or None if unusable."""
    try:
        found = map_npy(place, "a cached array", write=True)
    except DataError:
        return None  # absent, or damaged: either way it has to be built
    right = found.shape == shape and found.dtype == np.dtype(dtype) and found.flags.c_contiguous
    return found if right else None


def _build(
    place: Path, text: str, shape: tuple[int, ...], dtype: DTypeLike, fill: Callable[[np.ndarray], None]
) -> None:
    with ExitStack() as kept:
        with _told(place.parent):
            _sweep(place)
            draft = kept.enter_context(whole_file(place))
            array = np.lib.format.open_memmap(draft, mode="w+", dtype=np.dtype(dtype), shape=shape)
            _reserve(draft)
        fill(array)
        with _told(place.parent):
            array.flush()
            del array
            # The key goes first: whoever finds the array finds its explanation too.
            write_text(place.with_suffix(".json"), text + "\n")
            kept.close()


def _sweep(place: Path) -> None:
    """Delete what killed processes left of the same array, once it is a day old and nobody can be at it."""
    earlier = place.parent.glob(f"{place.stem[:16]}*.tmp")  # as drafts were called before November 2026
    for left in [*earlier, *left_behind(place.parent, f"{place.stem}.*")]:
        with contextlib.suppress(FileNotFoundError):  # another process finished it, or swept it up itself
            if time.time() - left.stat().st_mtime > 86_400:
                left.unlink()


def _reserve(name: Path) -> None:
    """Have the disk set all of a file aside: writing to a mapped hole on a full disk would kill the process."""
    if sys.platform == "win32" or sys.platform == "darwin":
        return  # they have no such call
    with open(name, "r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, os.path.getsize(name))
        except OSError as error:
            if error.errno in _FULL:
                raise
            # Some file systems cannot set anything aside; there, a full disk stays what it was.


@contextlib.contextmanager
def _told(place: Path) -> Iterator[None]:
    """Errors of the disk say what to do."""
    try:
        yield
    except OSError as error:
        need = "has room" if error.errno in _FULL else "can be written"
        raise OSError(
            f"cannot write to the cache folder {place} ({error}); set GAZEWORLD_CACHE to one that {need}"
        ) from error
