"""Reading predictions.jsonl, of ours or of any other system, and proving that it answers the test set.

References come from the cuts manifest and the protocol's merges; those in the file must agree with them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq.conf import TASKS, ProtocolConf
from seq.errors import InputError
from seq.utils.files import read_jsonl

Row = dict[str, Any]
GENDERS = ("F", "M")
# References and levels may be written with three decimals.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Reference:
    """What the manifest says of an utterance; the emotion after the protocol's merges. None: unlabelled."""

    speaker: str
    emotion: str | None
    intensity: float | None
    gender: str | None
    sentence: str | None


def read_references(cuts: Path, protocol: ProtocolConf) -> dict[str, Reference]:
    """The references of all utterances of a Lhotse cuts manifest, by id.

    Raises:
        InputError: the manifest is missing, broken, or a cut does not have exactly one supervision.
    """
    merges = {merge.raw: merge.name for merge in protocol.merges}
    references: dict[str, Reference] = {}
    for cut in read_jsonl(cuts):
        supervisions = cut.get("supervisions") or []
        if "id" not in cut or len(supervisions) != 1:
            raise InputError(f"{cuts}: cut {cut.get('id')} needs an id and one supervision: run stage 1 again")
        supervision = supervisions[0]
        custom = supervision.get("custom") or {}
        emotion = custom.get("emotion")
        references[cut["id"]] = Reference(
            speaker=supervision.get("speaker") or "unknown",
            emotion=merges.get(emotion, emotion),
            intensity=custom.get("intensity"),
            gender=supervision.get("gender"),
            sentence=custom.get("sentence") or supervision.get("text"),
        )
    return references


def read_predictions(
    path: Path,
    ids: Sequence[str],
    references: dict[str, Reference],
    protocol: ProtocolConf,
    levels: Sequence[float],
    seed: int,
) -> list[Row]:
    """The predictions of exactly the utterances `ids`, in that order.

    Raises:
        InputError: naming the first id that is missing, predicted twice, not of this part, whose references
            are not the manifest's, or whose hypothesis is not of this label set.
    """
    expected, rows = set(ids), {}
    tasks: list[str] | None = None
    for row in read_jsonl(path):
        key = row.get("id")
        if key not in expected:
            raise InputError(f"{path}: {key} is not in this part of the fold: predict the ids of the fold's JSON alone")
        if key in rows:
            raise InputError(f"{path}: {key} is predicted twice: keep one line per utterance")
        if row.get("seed", seed) != seed:
            raise InputError(f"{path}: {key} is of seed {row['seed']}, not {seed}: run stage 6 for this seed")
        present = [task for task in TASKS if task in row]
        tasks = tasks or present
        if present != tasks or not tasks:
            raise InputError(f"{path}: {key} has the tasks {present}, the first line {tasks}: give all lines the same")
        try:
            problem = _problem(row, references[key], protocol, levels)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problem = f"lacks or misspells something ({error!r})"
        if problem:
            raise InputError(f"{path}: {key} {problem}: run stage 6 again with the conf and protocol that you score")
        rows[key] = row
    missing = next((key for key in ids if key not in rows), None)
    if missing is not None:
        raise InputError(f"{path}: {missing} is not predicted ({len(rows)} of {len(ids)} are): run stage 6 again")
    return [rows[key] for key in ids]


def _problem(row: Row, reference: Reference, protocol: ProtocolConf, levels: Sequence[float]) -> str | None:
    """What is wrong with a row, as the end of a sentence; None if nothing."""
    if row.get("speaker") not in (None, reference.speaker):
        return f"has the speaker {row['speaker']}, the manifest {reference.speaker}"
    for task, true, classes in (
        ("emotion", reference.emotion, protocol.emotions),
        ("gender", reference.gender, GENDERS),
    ):
        if task not in row:
            continue
        ref, hyp = row[task]["ref"], row[task]["hyp"]
        if true is not None and true not in classes:
            return f"has the {task} {true}, which protocol {protocol.name} lacks although its fold has the utterance"
        if ref != true:
            return f"has the {task} {ref} as its reference, the manifest {true}"
        if hyp not in classes or set(row[task].get("probs") or classes) != set(classes):
            return f"has a {task} hypothesis ({hyp}) of another label set than {', '.join(classes)}"
    problem = _intensity_problem(row["intensity"], reference.intensity, levels) if "intensity" in row else None
    if problem is None and "phone" in row:
        problem = _phone_problem(row["phone"])
    return problem


def _intensity_problem(answer: Row, true: float | None, levels: Sequence[float]) -> str | None:
    ref = answer["ref"]
    if (ref is None) != (true is None) or (ref is not None and abs(ref - true) > TOLERANCE):
        return f"has the intensity {ref} as its reference, the manifest {true}"
    if true is None:
        return None
    if not math.isfinite(answer["value"]):
        return f"has the intensity value {answer['value']}"
    if min(abs(answer["hyp"] - level) for level in levels) > TOLERANCE:
        return f"has an intensity hypothesis ({answer['hyp']}) that is none of the levels {list(levels)}"
    return None


def _phone_problem(answer: Row) -> str | None:
    for side, phones in (("ref", answer["ref"] or []), ("hyp", answer["hyp"])):
        if not isinstance(phones, list) or not all(isinstance(phone, str) for phone in phones):
            return f"has phones that are not a list of strings (phone.{side})"
    return None
