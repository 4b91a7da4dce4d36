"""Many image files into one array: in threads, because Pillow decodes without Python's lock, and with progress."""

import hashlib
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from rich.console import Console
from rich.progress import track
from torch import Tensor

from .cache import cached
from .files import DataError, opened

_LONG = 500  # images from which on decoding shows its progress


@contextmanager
def picture(path: Path, what: str = "a whole image", formats: tuple[str, ...] | None = None) -> Iterator[Image.Image]:
    """Lends an image file, open in Pillow, to be decoded. Raises DataError naming one that is missing or damaged.

    Pillow says of no decoder what it may raise for damaged files, and most may raise anything. So whatever is raised
    while the image is lent is taken to be about the file.
    """
    with opened(path, what) as file:
        try:
            with Image.open(file, formats=formats) as image:
                yield image
        except DataError:
            raise
        except Exception as error:
            why = str(error) or type(error).__name__
            raise DataError(f"{path}: cannot be decoded ({why}), expected {what}") from error


def decode_all(out: np.ndarray, decode: Callable[[int], np.ndarray]) -> None:
    """Write `decode(i)` to `out[i]` for all i. The first error that a decoder raises ends everything."""

    def one(i: int) -> None:
        out[i] = decode(i)

    pool = ThreadPoolExecutor(min(16, os.cpu_count() or 1))
    try:
        done = pool.map(one, range(len(out)))
        quiet = len(out) < _LONG
        for _ in track(done, "decoding", len(out), console=Console(stderr=True), disable=quiet, transient=True):
            pass
    finally:
        pool.shutdown(cancel_futures=True)


def content(pixels: UInt8[Tensor, "n h w c"], key: Mapping[str, Any]) -> str:
    """What identifies decoded images, whatever files they came from: a digest of the checksums of all of them.

    All pixels are read once for each `key`, under which they are cached, too; then their checksums are on disk.
    """

    def fill(out: np.ndarray) -> None:
        images, quiet = pixels.numpy(), len(out) < _LONG
        for i in track(range(len(out)), "checksums", console=Console(stderr=True), disable=quiet, transient=True):
            out[i] = zlib.crc32(images[i])

    sums = cached({**key, "what": "checksums of images"}, (len(pixels),), "<u4", fill)
    return hashlib.sha256(sums.tobytes()).hexdigest()
