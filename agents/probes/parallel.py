"""Independent pieces of CPU work side by side: one thread each, instead of many threads in every small operation."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")


def parallel(jobs: Sequence[Callable[[], T]], done: Callable[[int], None] = lambda _: None) -> list[T]:
    """Results of all jobs, in their order; `done` hears, in this thread, how many have ended.

    Runs as many jobs at a time as torch has threads, and each in one thread. Small operations gain little from two
    threads and lose very much when the cores are busy with something else (measured: a factor of 10); torch lets go of
    the interpreter's lock inside its operations. What a job gives does not depend on the number of threads. Whoever
    works on a GPU has nothing to gain here.
    """
    threads = torch.get_num_threads()
    results = []
    torch.set_num_threads(1)  # new threads begin with the process's latest setting
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for result in pool.map(lambda job: job(), jobs):
                results.append(result)
                done(len(results))
    finally:
        torch.set_num_threads(threads)
    return results
