"""The one pool of worker processes: a map that keeps the order, streams, and ends with its first error."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from typing import TypeVar

from seq.errors import InputError
from seq.utils.process import die_with_parent

Item = TypeVar("Item")
Result = TypeVar("Result")

# Chunks that are under way or waiting, for each process: enough to keep it busy while the caller consumes results.
CHUNKS_PER_PROCESS = 2


def pool_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    num_jobs: int,
    chunk_size: int = 1,
    preload: Sequence[str] = (),
    start_worker: Callable[[], None] | None = None,
) -> Iterator[Result]:
    """`map(function, items)` by `num_jobs` processes; in this process where there is one job at most.

    Items are taken as results are, so neither pile up. Workers end with this process, even if it is killed.
    The first error of any item cancels what has not begun and is raised, though earlier items may still be running.

    Args:
        chunk_size: how many items travel at once: more where one takes milliseconds.
        preload: modules that are imported once, for all workers; only the first pool of a program can say so.
        start_worker: called in each worker before its first item.

    Raises:
        InputError: a worker was killed.
    """
    if num_jobs <= 1:
        yield from map(function, items)
        return
    # A server that forks: neither a whole import per worker, nor a fork of this process, which may have threads.
    context = get_context("forkserver")
    if preload:
        context.set_forkserver_preload(list(preload))
    pool = ProcessPoolExecutor(num_jobs, mp_context=context, initializer=partial(_start, start_worker))
    try:
        pending: deque[Future[list[Result]]] = deque()
        for chunk in _chunks(items, chunk_size):
            pending.append(pool.submit(_call, function, chunk))
            if len(pending) >= CHUNKS_PER_PROCESS * num_jobs:
                yield from _first(pending)
        while pending:
            yield from _first(pending)
    except BrokenProcessPool as error:
        raise InputError(
            f"one of {num_jobs} processes was killed, as a rule because memory ran out: run the same command again "
            "with fewer (--nj or --jobs)"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _first(pending: deque[Future[list[Result]]]) -> list[Result]:
    """Take the results of the oldest chunk, but raise the error of any that has one already."""
    while True:
        for future in pending:
            if future.done():
                future.result()
        if pending[0].done():
            return pending.popleft().result()
        wait([future for future in pending if not future.done()], return_when=FIRST_COMPLETED)


def _chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk


def _call(function: Callable[[Item], Result], items: list[Item]) -> list[Result]:
    return [function(item) for item in items]


def _start(start_worker: Callable[[], None] | None) -> None:
    die_with_parent()
    if start_worker is not None:
        start_worker()
