"""Blocks on several processes, their results in order and only a few of them held at a time."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

WORKERS = max(1, min(os.cpu_count() or 1, 8))
WORTH = 6  # fewer jobs are done sooner here than a process starts
AHEAD = 2  # jobs begun per process before their turn has come


def in_order(
    work: Callable[[Job], Result], jobs: Iterable[Job], many: int, workers: int
) -> Iterator[Result]:
    """Results of the jobs in their order, whatever the number of processes.

    Parameters
    ----------
    work : callable
        A function of a module.
    jobs : iterable
        What can be pickled.
    many : int
        How many jobs there are.
    workers : int
        Processes at most; with few jobs none is started.
    """
    if workers == 1 or many < WORTH:
        yield from map(work, jobs)
        return
    rest = iter(jobs)
    spawn = get_context("spawn")
    with ProcessPoolExecutor(min(workers, many), spawn, initializer=_one_thread) as pool:
        begun: deque[Future[Result]] = deque(
            pool.submit(work, job) for job in islice(rest, AHEAD * workers)
        )
        while begun:
            result = begun.popleft().result()
            begun.extend(pool.submit(work, job) for job in islice(rest, 1))
            yield result


def _one_thread() -> None:
    """Each process is one thread; set before NumPy is loaded in it."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
