"""Reading predictions.jsonl, of ours or of any other system, and proving that it answers the test set.

References come from the cuts manifest and the protocol's merges; those in the file must agree with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

from seq.errors import InputError
from seq.tasks.base import Label, Outputs, Setting
from seq.tasks.predictions import CategoryPrediction, ManifestRow, Prediction
from seq.tasks.registry import all_tasks, get_task
from seq.utils.files import read_jsonl, read_numbered_jsonl
from seq.utils.typed_values import read_typed


@dataclass(frozen=True)
class Reference:
    """What the manifest says of an utterance."""

    speaker: str
    sentence: str | None
    # By task, after the protocol's merges; a task without a label is absent.
    labels: dict[str, Label]
    # By task, the share of annotators who chose each class, where there were several.
    votes: dict[str, dict[str, float]]


def read_references(cuts: Path, setting: Setting) -> dict[str, Reference]:
    """The references of all utterances of a Lhotse cuts manifest, by id.

    Raises:
        InputError: the manifest is missing, broken, or a cut does not have exactly one supervision.
    """
    references: dict[str, Reference] = {}
    for cut in read_jsonl(cuts):
        if "id" not in cut or len(cut.get("supervisions") or []) != 1:
            raise InputError(f"{cuts}: cut {cut.get('id')} needs an id and one supervision: run stage 1 again")
        row = ManifestRow.from_dict(cut)
        labels = {task.name: task.label(row, setting) for task in all_tasks()}
        known = {name: label for name, label in labels.items() if label is not None}
        votes = {task.name: found for task in all_tasks() if (found := task.votes(row, setting))}
        references[row.id] = Reference(row.speaker, row.sentence, known, votes)
    return references


class _Optional(TypedDict, total=False):
    corpus: str | None
    fold: int | None
    seed: int | None
    speaker: str | None


class _Head(_Optional):
    """How a line of predictions.jsonl begins."""

    id: str


def parse_prediction(row: Any) -> Prediction:
    """A line of predictions.jsonl. Raises InputError for another shape."""
    head = read_typed(row, _Head, "its head")
    answers = {task.name: task.parse(row[task.name]) for task in all_tasks() if task.name in row}
    speaker = head.get("speaker") or "unknown"
    return Prediction(head["id"], speaker, answers, head.get("corpus"), head.get("fold"), head.get("seed"))


def read_rows(path: Path) -> list[Prediction]:
    """The predictions of a run that was scored, as they are. Raises InputError, naming the file, for another shape."""
    try:
        return [parse_prediction(row) for row in read_jsonl(path)]
    except InputError as error:
        raise InputError(f"{path} is not what stage 6 writes ({error}): run stage 6 again") from error


def read_predictions(
    path: Path, ids: Sequence[str], references: Mapping[str, Reference], setting: Setting, seed: int
) -> list[Prediction]:
    """The predictions of exactly the utterances `ids`, in that order; references are the manifest's.

    Raises:
        InputError: naming the line and the first id that is predicted twice, not of this part, whose references are
            not the manifest's, whose hypothesis is not of this label set, or whose numbers are no probabilities; or an
            id that is missing.
    """
    expected, rows = set(ids), {}
    tasks: list[str] | None = None
    outputs = {task.name: task.outputs(setting) for task in all_tasks()}
    for number, row in read_numbered_jsonl(path):
        where = f"{path}, line {number}"
        key = row.get("id") if isinstance(row, dict) else None
        if not isinstance(key, str):
            raise InputError(
                f'{where} is not a prediction, {{"id": ..., ...}}: give every line the id of its utterance'
            )
        if key not in expected:
            raise InputError(
                f"{where}: {key} is not in this part of the fold: predict the ids of the fold's JSON alone"
            )
        if key in rows:
            raise InputError(f"{where}: {key} is predicted twice: keep one line per utterance")
        if row.get("seed", seed) != seed:
            raise InputError(f"{where}: {key} is of seed {row['seed']}, not {seed}: run stage 6 for this seed")
        present = [task.name for task in all_tasks() if task.name in row]
        tasks = tasks or present
        if present != tasks or not tasks:
            raise InputError(f"{where}: {key} has the tasks {present}, the first line {tasks}: give all lines the same")
        reference = references[key]
        try:
            found = replace(parse_prediction(row), speaker=reference.speaker)
            problem = _problem(found, row.get("speaker"), reference, outputs, setting.protocol.name)
        except InputError as error:
            problem = f"lacks or misspells something ({error})"
        if problem:
            raise InputError(f"{where}: {key} {problem}: run stage 6 again with the conf and protocol that you score")
        for name in found.tasks:
            if (label := _true(name, reference, outputs)) is not None:
                # The file may have it rounded.
                found.tasks[name].ref = label
            answer = found.tasks[name]
            if isinstance(answer, CategoryPrediction):
                answer.votes = reference.votes.get(name)
        rows[key] = found
    missing = next((key for key in ids if key not in rows), None)
    if missing is not None:
        raise InputError(f"{path}: {missing} is not predicted ({len(rows)} of {len(ids)} are): run stage 6 again")
    return [rows[key] for key in ids]


def _problem(
    row: Prediction, speaker: str | None, reference: Reference, outputs: Mapping[str, Outputs], protocol: str
) -> str | None:
    """What is wrong with a row, as the end of a sentence; None if nothing."""
    if speaker not in (None, reference.speaker):
        return f"has the speaker {speaker}, the manifest {reference.speaker}"
    for name, answer in row.tasks.items():
        problem = get_task(name).problem(answer, _true(name, reference, outputs), outputs[name], protocol)
        if problem:
            return problem
    return None


def _true(name: str, reference: Reference, outputs: Mapping[str, Outputs]) -> Label | None:
    """The reference of a task as predictions.jsonl should have it; None where it is unlabelled."""
    label = reference.labels.get(name)
    return None if label is None else get_task(name).reference(label, outputs[name])
