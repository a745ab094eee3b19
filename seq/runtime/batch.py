"""Many recordings: read and judged side by side, answered in order; one bad recording costs one line."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event

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


class _Stopped(Exception):
    """Nobody wants the answers any more."""


def predict_items(
    model: Model, items: Iterable[Item], num_jobs: int = 1, with_words: bool = False
) -> Generator[Outcome, None, None]:
    """An outcome per item, in the order of items; `num_jobs` threads read and judge groups of 16 side by side.

    Threads suffice: decoding, resampling and the network all run outside Python's lock.
    """
    stop = Event()
    groups = _groups(items)
    pool = ThreadPoolExecutor(num_jobs)
    pending: deque[Future[list[Outcome]]] = deque()
    try:
        # The first group is one recording, so that the first answer is there at once.
        for group in groups:
            pending.append(pool.submit(_predict_group, model, group, with_words, stop))
            if len(pending) > 2 * num_jobs:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _groups(items: Iterable[Item]) -> Iterator[list[Item]]:
    iterator = iter(items)
    size = 1
    while group := list(itertools.islice(iterator, size)):
        yield group
        size = GROUP_SIZE


def _predict_group(model: Model, group: list[Item], with_words: bool, stop: Event) -> list[Outcome]:
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
                outcomes[i] = Outcome(item, _predict_long(model, item, with_words, stop))
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


def _predict_long(model: Model, item: Item, with_words: bool, stop: Event) -> Result:
    recording = model.recording(item.path, with_words)
    for block in stream_audio(item.path, item.start, item.duration):
        if stop.is_set():
            raise _Stopped
        recording.add(block)
    return recording.finish()
