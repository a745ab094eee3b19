"""A speaker's own recordings, heard by a model: what `speecheq enroll` keeps of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seq.corpora.seqd import read_table
from seq.errors import InputError
from seq.labels import EMOTION
from seq.runtime.batch import predict_items
from seq.runtime.inputs import Item, expand
from seq.runtime.model import Model
from seq.runtime.speakers import Clips, summarise_clips


@dataclass(frozen=True)
class Clip:
    """A recording and its class, None where nobody said."""

    item: Item
    label: str | None = None


def find_clips(
    paths: list[str], table: Path | None, by_folder: bool, speaker: str, words: Mapping[str, str]
) -> list[Clip]:
    """The clips below `paths` and those of the speaker in a table, each once.

    Args:
        table: in the form of egs/seqd/README.md, as `speecheq finetune` reads it; what others say is left out.
        by_folder: whether the folder that a clip lies in names its class; right below one of `paths` it has none.
        words: what is written there for a class, and the class.

    Raises:
        InputError: the table is malformed or has nothing of this speaker, a path has no audio, or there are no clips.
    """
    tops = {os.path.realpath(path) for path in paths}
    found: dict[tuple[str, float], Clip] = {}
    for item in expand(paths):
        if item.error is not None:
            raise InputError(item.error)
        folder = os.path.dirname(os.path.realpath(item.path))
        label = os.path.basename(folder) if by_folder and folder not in tops else None
        found[_place(item)] = Clip(item, words.get(label or "", label))
    for clip in [] if table is None else _listed(table, speaker, words):
        # A recording that is named twice is one clip, with its label.
        found[_place(clip.item)] = clip
    if not found:
        raise InputError("there are no clips: name audio files or a folder of them, or a table with --labels")
    return list(found.values())


def _place(item: Item) -> tuple[str, float]:
    return os.path.realpath(item.path), item.start


def _listed(table: Path, speaker: str, words: Mapping[str, str]) -> list[Clip]:
    if not table.is_file():
        raise InputError(f"--labels {table} is not a file: name a CSV file with the columns path, speaker, emotion")
    rows = read_table(table)
    mine = [row for row in rows if row.speaker == speaker]
    if not mine:
        names = sorted({row.speaker for row in rows})
        raise InputError(
            f"--labels {table} has no row of the speaker {speaker}: it has {', '.join(names[:5]) or 'none'}"
            f"{' and others' if len(names) > 5 else ''}"
        )
    labels = [row.raw.get(EMOTION) for row in mine]
    return [
        Clip(Item(str(row.audio), row.id), None if label is None else words.get(label, label))
        for row, label in zip(mine, labels, strict=True)
    ]


def check_labels(clips: Iterable[Clip], classes: Sequence[str]) -> None:
    """Raises InputError, naming a clip, where a label is no class of the model."""
    for clip in clips:
        if clip.label is not None and clip.label not in classes:
            raise InputError(
                f"{clip.item.path} has the label {clip.label!r}, and the model answers "
                f"{', '.join(classes) or 'no category'}: say which it is with --map {clip.label}=CATEGORY"
            )


def hear_clips(model: Model, clips: Sequence[Clip], num_jobs: int = 1) -> Clips:
    """What the model hears in a speaker's clips; a long recording counts as its windows.

    Raises:
        InputError: a clip cannot be judged, or the model's graph does not give vectors.
    """
    model.engine.check_embedding()
    vectors: list[np.ndarray] = []
    labels: list[str | None] = []
    failed: list[str] = []
    outcomes = predict_items(model, [clip.item for clip in clips], num_jobs)
    for clip, outcome in zip(clips, outcomes, strict=True):
        if outcome.result is None:
            failed.append(outcome.error or outcome.item.path)
            continue
        for answer in outcome.result.windows or (outcome.result,):
            assert answer.embedding is not None
            vectors.append(answer.embedding)
            labels.append(clip.label)
    if failed:
        raise InputError(f"{len(failed)} of {len(clips)} clips cannot be heard, the first one: {failed[0]}")
    return summarise_clips(np.stack(vectors), labels)
