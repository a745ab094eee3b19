"""Many recordings: read and judged side by side, answered in order; one bad recording costs one line."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import TypeAlias

from seq.audio.reading import SAMPLING_RATE
from seq.audio.streams import stream_audio
from seq.errors import InputError
from seq.runtime.engine import Piece
from seq.runtime.inputs import Item
from seq.runtime.model import Model
from seq.runtime.recording import answer_pieces
from seq.runtime.results import Result

# Recordings that one job takes at once; their speech is held in memory.
GROUP_SIZE = 16


@dataclass(frozen=True)
class Outcome:
    """A recording with its result, or with the sentence that says why there is none."""

    item: Item
    result: Result | None
    error: str | None = None


# Groups that are judged, and of how many of each the outcomes are known.
_Pending: TypeAlias = deque[tuple[Future[list[Outcome]], int]]


class _Stopped(Exception):
    """Nobody wants the answers any more."""


def predict_items(
    model: Model, items: Iterable[Item], num_jobs: int = 1, with_words: bool = False, num_known: int = 0
) -> Generator[Outcome, None, None]:
    """An outcome per item, in the order of items; `num_jobs` threads read and judge groups of 16 side by side.

    Threads suffice: decoding, resampling and the network all run outside Python's lock. The first `num_known` items
    have outcomes already and get none here; the others get the same as without them, to the last bit, since who shares
    a run of the network depends on an item's place alone.
    """
    stop = Event()
    pool = ThreadPoolExecutor(num_jobs)
    # Of long recordings, which wait for them: in the same pool they would wait for themselves.
    windows = ThreadPoolExecutor(num_jobs) if num_jobs > 1 else None
    pending: _Pending = deque()
    try:
        # The first group is one recording, so that the first answer is there at once.
        for group, known in _groups(items, num_known):
            pending.append((pool.submit(_predict_group, model, group, with_words, stop, windows), known))
            if len(pending) > 2 * num_jobs:
                yield from _first(pending)
        while pending:
            yield from _first(pending)
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
        if windows is not None:
            windows.shutdown(cancel_futures=True)


def _first(pending: _Pending) -> list[Outcome]:
    future, known = pending.popleft()
    return future.result()[known:]


def _groups(items: Iterable[Item], num_known: int) -> Iterator[tuple[list[Item], int]]:
    """Groups of items, and of how many the outcomes are known; those of which all are known are left out."""
    iterator = iter(items)
    size = 1
    while group := list(itertools.islice(iterator, size)):
        known = min(num_known, len(group))
        num_known -= known
        if known < len(group):
            yield group, known
        size = GROUP_SIZE


def _predict_group(
    model: Model, group: list[Item], with_words: bool, stop: Event, windows: Executor | None
) -> list[Outcome]:
    outcomes: list[Outcome | None] = [None] * len(group)
    batch: list[tuple[int, Piece, float]] = []

    def run_pieces(members: list[tuple[int, Piece, float]]) -> None:
        pieces, durations = [piece for _, piece, _ in members], [duration for _, _, duration in members]
        for (i, _, _), result in zip(members, answer_pieces(model.engine, pieces, durations, with_words), strict=True):
            outcomes[i] = Outcome(group[i], result)

    def run_batch() -> None:
        try:
            run_pieces(batch)
        except InputError:
            # One of them has no answer: each by itself.
            for member in batch:
                try:
                    run_pieces([member])
                except InputError as error:
                    item = group[member[0]]
                    outcomes[member[0]] = Outcome(item, None, f"{item.path} cannot be judged: {error}")
        batch.clear()

    for i, item in enumerate(group):
        if stop.is_set():
            return []
        try:
            if item.error is not None:
                raise InputError(item.error)
            found = model.read_piece(item.path, item.start, item.duration)
            if found is None:
                outcomes[i] = Outcome(item, _predict_long(model, item, with_words, stop, windows))
                continue
        except _Stopped:
            return []
        except InputError as error:
            outcomes[i] = Outcome(item, None, str(error))
            continue
        except (OSError, ValueError, RuntimeError, MemoryError) as error:
            # A decoder or resampler may stumble in ways of its own; the other recordings must not suffer.
            outcomes[i] = Outcome(item, None, f"{item.path} cannot be judged ({type(error).__name__}: {error})")
            continue
        longest = max(len(piece.samples) for piece in [found[0], *(piece for _, piece, _ in batch)])
        if longest * (len(batch) + 1) > model.batch_seconds * SAMPLING_RATE and batch:
            run_batch()
        batch.append((i, *found))
    if batch:
        run_batch()
    return [outcome for outcome in outcomes if outcome is not None]


def _predict_long(model: Model, item: Item, with_words: bool, stop: Event, windows: Executor | None) -> Result:
    recording = model.recording(item.path, with_words, windows)
    for block in stream_audio(item.path, item.start, item.duration):
        if stop.is_set():
            raise _Stopped
        recording.add(block)
    return recording.finish()
