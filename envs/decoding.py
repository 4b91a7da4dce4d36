"""Many image files into one array: in threads, because Pillow decodes without Python's lock, and with progress."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from rich.console import Console
from rich.progress import track

_LONG = 500  # images from which on decoding shows its progress


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
