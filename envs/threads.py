"""Work done by threads, in order: decoding, drawing and reading ahead, which wait for a disk or leave Python's lock.

There is one pool for each piece of work and it lives no longer, so that whatever starts one can be pickled and survives
a fork. An error, Ctrl-C among them, ends it: what has not begun is dropped, what has begun is waited for, and no thread
is left behind.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

import numpy as np
from rich.console import Console
from rich.progress import track

Thing = TypeVar("Thing")
Made = TypeVar("Made")

THREADS = min(16, os.cpu_count() or 1)
"""As many as are worth while."""
LONG = 500
"""Images from which on decoding them shows its progress."""


def ahead(
    work: Callable[[Thing], Made], things: Iterable[Thing], threads: int = THREADS, most: int = 0
) -> Generator[Made, None, None]:
    """What `work` makes of things, in their order, by threads that are at most `most` things ahead (0: two a thread).

    That bounds the memory that results take. The first error that `work` raises, in the order of things, ends it.
    Things themselves are fetched in the thread of the caller, who wraps this in `contextlib.closing` where the results
    may be left before the last one.
    """
    waiting: deque[Future[Made]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for thing in things:
            waiting.append(pool.submit(work, thing))
            if len(waiting) > (most or 2 * threads):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def every(work: Callable[[Thing], Made], things: Iterable[Thing], threads: int = THREADS) -> list[Made]:
    """All that `work` makes of things, in their order; with one thread, in that of the caller.

    Raises the first error that `work` raises, in the order of things.
    """
    if threads == 1:
        return list(map(work, things))
    with closing(ahead(work, things, threads)) as found:
        return list(found)


def fill_rows(out: np.ndarray, make: Callable[[int], np.ndarray], what: str) -> None:
    """Write `make(i)` to `out[i]` for all i, from LONG on with a bar called `what` on standard error.

    Raises the first error that `make` raises.
    """

    def one(i: int) -> None:
        out[i] = make(i)

    quiet = len(out) < LONG
    with closing(ahead(one, range(len(out)))) as done:
        for _ in track(done, what, len(out), console=Console(stderr=True), disable=quiet, transient=True):
            pass
