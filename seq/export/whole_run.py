"""A run as it must be to become a model: trained to its end, decoded, and every prediction of its fold there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seq.conf import Conf
from seq.data.fold_checks import Fold
from seq.data.folds import load_fold
from seq.decode.choice import read_records
from seq.errors import InputError
from seq.recipe.recipe import Recipe
from seq.runtime.folder import Shared, SharedParts
from seq.score.predictions import read_rows
from seq.score.shared import overlap, share
from seq.tasks.base import Outputs
from seq.tasks.predictions import CategoryPrediction, ManifestRow, Prediction
from seq.tasks.registry import in_order
from seq.train.record import RunRecord, read_record
from seq.utils.files import read_jsonl
from seq.utils.run_folder import DecodedPart, RunFolder


@dataclass(frozen=True)
class WholeRun:
    """What an export takes of a run beside its network."""

    record: RunRecord
    valid: list[Prediction]
    test: list[Prediction]
    # Who is train, valid and test, and the manifest; None of a run that was copied away from its recipe.
    fold: Fold | None
    manifest: Path | None
    # Stage 2's, if it is there, too.
    features: Path | None = None


def recipe_of(run_dir: Path) -> Path:
    """The recipe's folder, four above a run's; of a run that was copied elsewhere, a folder without a recipe."""
    # Not `parents[3]`: a copy may lie less deep than that.
    return (run_dir.resolve() / "../../../..").resolve()


def read_run(run_dir: Path, conf: Conf, outputs: Mapping[str, Outputs], cuts: Path | None = None) -> WholeRun:
    """Read and check what a run and its recipe say.

    Args:
        outputs: what the heads of its network stand for.
        cuts: manifest, if it is not the recipe's.

    Raises:
        InputError: run.json lacks something, or predictions are missing, not of this network or not of this fold.
    """
    record = read_record(RunFolder(run_dir).run_json)
    if missing := sorted({"fold", "seed", "protocol"} - record.keys()):
        raise InputError(f"{RunFolder(run_dir).run_json} lacks {missing[0]}: run stage 5 again")
    recipe = Recipe(recipe_of(run_dir), conf, conf.protocol(record["protocol"]["name"]))
    number = record["fold"]
    fold = load_fold(recipe.folds_dir, number) if recipe.fold_json(number).is_file() else None
    manifest = cuts or (recipe.cuts if recipe.cuts.is_file() else None)
    valid, test = (_read_part(run_dir, part, record, outputs, fold) for part in ("valid", "test"))
    features = recipe.features if recipe.features.exists() else None
    return WholeRun(record, valid, test, fold, manifest, features)


def _read_part(
    run_dir: Path, part: DecodedPart, record: RunRecord, outputs: Mapping[str, Outputs], fold: Fold | None
) -> list[Prediction]:
    path = RunFolder(run_dir).predictions_of(part)
    if not path.is_file():
        raise InputError(f"{path} is not there, and calibration is fitted on it: decode first (stage 6)")
    rows = read_rows(path)
    if not rows and fold is not None and fold.untested and part == "test":
        return rows
    if not rows:
        raise InputError(f"{path} is empty: decode again (stage 6)")
    ids = {row.id for row in rows}
    wanted = ids if fold is None else set(getattr(fold, part))
    number = _num_decoded(run_dir, part) or len(ids) if fold is None else len(wanted)
    if len(ids) < len(rows) or ids != wanted or len(ids) != number:
        raise InputError(
            f"{path} has {len(rows)} predictions of {len(ids)} utterances, {len(ids & wanted)} of them among the "
            f"{number} of {part}: decode again (stage 6)"
        )
    for row in rows:
        if problem := _problem(row, record, outputs):
            raise InputError(f"{path}: {row.id} {problem}: decode again (stage 6)")
    return rows


def _num_decoded(run_dir: Path, part: DecodedPart) -> int | None:
    """How many predictions stage 6 wrote of a part; None where it did not say."""
    return next((record.get("num_predictions", {}).get(part) for record in read_records([run_dir])), None)


def _problem(row: Prediction, record: RunRecord, outputs: Mapping[str, Outputs]) -> str | None:
    """What a prediction of this run cannot be, as the end of a sentence; None if nothing."""
    if row.fold not in (None, record["fold"]) or row.seed not in (None, record["seed"]):
        return f"is of fold {row.fold} and seed {row.seed}, the run of fold {record['fold']} and seed {record['seed']}"
    if row.tasks.keys() != outputs.keys():
        return f"answers {', '.join(row.tasks) or 'nothing'}, the network {', '.join(outputs)}"
    for task in in_order(outputs):
        answer = row.tasks[task.name]
        if isinstance(answer, CategoryPrediction) and not answer.probs:
            return f"has no probabilities of {task.name}"
        # Of references there is nothing here to compare with.
        if problem := task.problem(answer, answer.ref, outputs[task.name], record["protocol"]["name"]):
            return problem
    return None


def shared_with_train(run: WholeRun) -> SharedParts:
    """What valid and test share with train; None of a share that cannot be known here."""
    sentences = sentences_of(run.manifest) if run.fold is not None and run.manifest is not None else {}
    heard = {sentences[id_] for id_ in run.fold.train if id_ in sentences} if run.fold is not None else set()

    def of(rows: Sequence[Prediction]) -> Shared:
        speakers = run.record.get("train_speakers")
        said = [sentences[row.id] for row in rows if row.id in sentences]
        return {
            "speakers": None if speakers is None else share(*overlap([row.speaker for row in rows], speakers)),
            "sentences": share(*overlap(said, heard)),
        }

    return {"valid": of(run.valid), "test": of(run.test)}


def sentences_of(manifest: Path) -> dict[str, str]:
    """The sentence of every utterance that has one, by id."""
    rows = (ManifestRow.from_dict(cut) for cut in read_jsonl(manifest))
    return {row.id: row.sentence for row in rows if row.sentence is not None}
