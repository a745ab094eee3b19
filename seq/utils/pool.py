"""The one pool, of processes here or of a cluster: a map that keeps the order, streams, ends with its first error."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import TypeAlias, TypeVar

from seq.errors import InputError
from seq.utils.process import die_with_parent

Item = TypeVar("Item")
Result = TypeVar("Result")
# How many processes, or the scheduler of a Dask cluster (`seq.utils.cluster.client.connect` says how it is named).
Workers: TypeAlias = int | str

# Chunks that are under way or waiting, for each process: enough to keep it busy while the caller consumes results.
CHUNKS_PER_PROCESS = 2


def pool_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: Workers,
    chunk_size: int = 1,
    preload: Sequence[str] = (),
    start_worker: Callable[[], None] | None = None,
    folder: Path | None = None,
) -> Iterator[Result]:
    """`map(function, items)` by processes side by side, here or on a cluster; in this one where `workers` is 1 at most.

    Items are taken as results are, so neither pile up. Workers end with this process, even if it is killed.
    The first error of any item cancels what has not begun and is raised, though earlier items may still be running.
    On a cluster an item whose worker dies is done again, from its beginning or where it saved something.

    Args:
        chunk_size: how many items travel at once: more where one takes milliseconds.
        preload: modules that are imported once, for all processes here; only the first pool of a program can say so.
        start_worker: called in each worker before its first item, and perhaps again.
        folder: where items are written, which all machines of a cluster must see (default: the working directory).

    Raises:
        InputError: a process was killed, or the cluster is not what it must be.
    """
    if isinstance(workers, int) and workers <= 1:
        yield from map(function, items)
        return
    pool, num_workers = _open(workers, preload, start_worker, folder)
    try:
        pending: deque[Future[list[Result]]] = deque()
        for chunk in _chunks(items, chunk_size):
            pending.append(pool.submit(_call, function, chunk, start_worker))
            while len(pending) >= CHUNKS_PER_PROCESS * num_workers():
                yield from _first(pending)
        while pending:
            yield from _first(pending)
    except BrokenProcessPool as error:
        raise InputError(
            f"one of {workers} processes was killed, as a rule because memory ran out: run the same command again "
            "with fewer (--nj or --jobs)"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _open(
    workers: Workers, preload: Sequence[str], start_worker: Callable[[], None] | None, folder: Path | None
) -> tuple[Executor, Callable[[], int]]:
    """A pool, and what says how many work in it."""
    if isinstance(workers, str):
        # Dask is an extra, and takes a second to import.
        from seq.utils.cluster.client import ClusterExecutor

        cluster = ClusterExecutor(workers, folder or Path())
        return cluster, cluster.num_workers
    # A server that forks: neither a whole import per worker, nor a fork of this process, which may have threads.
    context = get_context("forkserver")
    if preload:
        context.set_forkserver_preload(list(preload))
    return ProcessPoolExecutor(workers, mp_context=context, initializer=die_with_parent), lambda: workers


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


def _call(
    function: Callable[[Item], Result], items: list[Item], start_worker: Callable[[], None] | None
) -> list[Result]:
    if start_worker is not None:
        start_worker()
    return [function(item) for item in items]
