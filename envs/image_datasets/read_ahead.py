"""Images read by threads: those that are wanted now first, then those that somebody will want next.

Threads live as long as there is something to read. None waits for work and none keeps the process from ending. Before a
fork they are let finish, and what was expected is forgotten: a thread that reads may hold a lock of some library, which
nobody would release in the forked process.
"""

import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeAlias

import numpy as np

from ..threads import THREADS

Pixels: TypeAlias = np.ndarray
"""One image, h w c of bytes."""


class ReadAhead:
    """Reads images by their numbers; `read` is called from several threads at once, for different images.

    At most `most` images are expected at a time, read or not: where there are more, the oldest are forgotten. What was
    expected changes when an image is read, never what is given for it, nor which error is raised.
    """

    def __init__(self, read: Callable[[int], Pixels], most: int, threads: int = THREADS) -> None:
        self._read, self._most, self._most_threads = read, most, threads
        self._reset()
        _ALL.add(self)

    def expect(self, images: Sequence[int]) -> None:
        """Begin to read images that will be taken later, in this order; returns at once."""
        self._survive_fork()
        with self._lock:
            for image in images:
                if image not in self._expected:
                    self._expected[image] = Future()
                    self._queue.append((image, self._expected[image]))
            while len(self._expected) > self._most:
                self._expected.pop(next(iter(self._expected))).cancel()
        self._start()

    def take(self, images: Sequence[int]) -> list[Pixels]:
        """These images, each number once; the caller reads with the threads until it has them all.

        Raises the first error of reading one of them, in their order. That, as Ctrl-C, drops what is expected.
        """
        self._survive_fork()
        with self._lock:
            wanted = [(image, self._expected.pop(image, None) or Future()) for image in images]
            self._queue.extendleft(reversed([one for one in wanted if not one[1].done()]))
        self._start()
        try:
            for image, future in wanted:
                self._make(image, future)
                if future.done() and isinstance(future.exception(), KeyboardInterrupt):
                    break
            return [future.result() for _, future in wanted]
        except BaseException:
            self.drop()
            raise

    def drop(self) -> None:
        """Forget what is expected; threads end after the image that each of them is reading."""
        with self._lock:
            for _, future in self._queue:
                future.cancel()
            self._queue.clear()
            self._expected.clear()

    def rest(self) -> None:
        """Forget what is expected, and wait until no thread is left."""
        self.drop()
        for thread in list(self._threads):
            thread.join()

    def _make(self, image: int, future: "Future[Pixels]") -> None:
        """Read one image, unless somebody else does or did."""
        with self._lock:
            if future.running() or future.done():
                return
            future.set_running_or_notify_cancel()
        try:
            future.set_result(self._read(image))
        except BaseException as error:
            future.set_exception(error)  # raised where the image is taken

    def _work(self) -> None:
        """What a thread does: read until nothing is left, or the process ends."""
        while True:
            with self._lock:
                if not self._queue or not threading.main_thread().is_alive():
                    self._threads.discard(threading.current_thread())
                    return
                image, future = self._queue.popleft()
            self._make(image, future)

    def _start(self) -> None:
        """As many threads as there is work for."""
        with self._lock:
            if not threading.main_thread().is_alive():
                return  # no thread may be started any more; the caller reads alone
            for _ in range(min(self._most_threads, len(self._queue)) - len(self._threads)):
                thread = threading.Thread(target=self._work, name="gazeworld reads images")
                self._threads.add(thread)
                thread.start()

    def _survive_fork(self) -> None:
        """A forked process has none of the threads, and perhaps a lock that is never released."""
        if self._process != os.getpid():
            self._reset()

    def _reset(self) -> None:
        self._process, self._lock = os.getpid(), threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._expected: dict[int, Future[Pixels]] = {}
        self._queue: deque[tuple[int, Future[Pixels]]] = deque()


_ALL: "weakref.WeakSet[ReadAhead]" = weakref.WeakSet()


def _before_fork() -> None:
    for one in list(_ALL):
        one.rest()


if sys.platform != "win32":  # where nothing forks
    os.register_at_fork(before=_before_fork)
