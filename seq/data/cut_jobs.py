"""Work on every cut of a manifest: in order, by processes side by side, with memory that does not grow with it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
from lhotse import CutSet, MonoCut

from seq.errors import InputError
from seq.utils.files import atomic_path, read_jsonl
from seq.utils.pool import Workers, pool_map
from seq.utils.progress import progress_bar

CHUNK_SIZE = 32
CutsWork = Callable[[list[MonoCut]], list[MonoCut]]


def rewrite_cuts(work: CutsWork, cuts: Path, out: Path, label: str, workers: Workers, preload: Sequence[str]) -> int:
    """Write to `out` what `work` makes of the cuts of a manifest, chunk by chunk; returns how many there are.

    `out` is removed first and written last, so it never names what is of another run or half written.

    Args:
        label: what the progress bar says.
        preload: modules that are imported once for all processes.

    Raises:
        InputError: there are no cuts, or one was lost on the way (it is named).
    """
    total = sum(1 for _ in read_jsonl(cuts))
    if not total:
        raise InputError(f"{cuts} has no cuts: run stage 1 again")
    out.unlink(missing_ok=True)
    with atomic_path(out) as temporary:
        progress = progress_bar(total=total, desc=label, unit="utt")
        with CutSet.open_writer(temporary, overwrite=True) as writer, progress:
            for chunk in _map_chunks(work, _chunks(CutSet.from_file(cuts)), workers, preload, out.parent):
                for cut in chunk:
                    writer.write(cut)
                progress.update(len(chunk))
        check_same_ids(cuts, temporary)
    return total


def check_same_ids(expected: Path, found: Path) -> None:
    """Check that two manifests have the same ids in the same order. Raises InputError naming the first lost one."""
    pairs = itertools.zip_longest(read_jsonl(expected), read_jsonl(found))
    for number, (before, after) in enumerate(pairs):
        if before is None or after is None or before["id"] != after["id"]:
            lost = before["id"] if before else "nothing"
            seen = after["id"] if after else "nothing"
            raise InputError(f"features: utterance {number} should be {lost} and is {seen}; run stage 2 again")


def _chunks(cuts: Iterable[MonoCut]) -> Iterator[list[MonoCut]]:
    iterator = iter(cuts)
    while chunk := list(itertools.islice(iterator, CHUNK_SIZE)):
        yield chunk


def _map_chunks(
    work: CutsWork, chunks: Iterator[list[MonoCut]], workers: Workers, preload: Sequence[str], folder: Path
) -> Iterator[list[MonoCut]]:
    """The results of all chunks, in order; no more than a few chunks are ever in flight."""
    if isinstance(workers, int) and workers <= 1:
        # Utterances are too small to share between threads: two threads on a busy machine are slower than one.
        num_threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield from map(work, chunks)
        finally:
            torch.set_num_threads(num_threads)
        return
    # torch and Lhotse take seconds to import: once for all workers.
    start_worker = partial(torch.set_num_threads, 1)
    yield from pool_map(work, chunks, workers, preload=preload, start_worker=start_worker, folder=folder)
