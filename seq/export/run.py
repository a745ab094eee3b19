"""From a run of an experiment to a model folder: weights, ONNX, description, model card (see `seq.runtime.folder`)."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import seq
from seq.audio.reading import MIN_SAMPLES, SAMPLING_RATE
from seq.conf import Conf, conf_from_dict
from seq.corpora.record import read_corpus_json
from seq.errors import InputError
from seq.export.model_card import model_card
from seq.export.norms import measure_norms
from seq.export.whole_run import WholeRun, read_run, recipe_of, shared_with_train
from seq.runtime.folder import CARD, DESCRIPTION, FORMAT, ONNX, WEIGHTS, Description, description_digest
from seq.score.calibration import calibrate
from seq.tasks.registry import main_category
from seq.train.record import read_record
from seq.utils.files import atomic_path, remove_leftovers, sha256, write_json, write_text
from seq.utils.outputs import check_out_place
from seq.utils.provenance import git_commit, without_private_paths
from seq.utils.run_folder import RunFolder

if TYPE_CHECKING:
    from seq.models.model import SpeechEqModel

# Sections of the conf that decide how training goes on from a model folder; sizes and features are there in any case.
CONTINUED = ("lang", "augment", "ctc", "train")
# In the order in which they take their places.
_FILES = (WEIGHTS, ONNX, CARD, DESCRIPTION)
# The graph of 8 bits, while both are there.
SMALLER = "smaller.onnx"


def find_run(exp: Path, fold: int | None = None, seed: int | None = None) -> Path:
    """The run folder that `exp` is, or, below an experiment folder, the run of the best valid score.

    Args:
        exp: `exp/<name>/fold_<k>/seed_<s>` or `exp/<name>`.
        fold, seed: only runs of this fold, of this seed.

    Raises:
        InputError: there is no finished run.
    """
    if RunFolder(exp).run_json.is_file():
        if fold is not None or seed is not None:
            raise InputError(f"{exp} is one run already: leave out --fold and --seed, or pass the experiment's folder")
        return exp
    runs = RunFolder.finished(exp, fold, seed)
    if not runs:
        which = "".join(f", {name} {number}" for name, number in (("fold", fold), ("seed", seed)) if number is not None)
        raise InputError(f"{exp} has no finished run{which}: train first (stage 5), or pass another folder")
    from seq.train.validation import selection_score

    records = {run.path: read_record(run.run_json) for run in runs}
    found = {path: selection_score(run["best_valid"], "UA") for path, run in records.items() if "best_valid" in run}
    if not found:
        raise InputError(f"{exp} holds no network (stage 5): a baseline cannot be exported")
    return max(found, key=found.__getitem__)


def export_run(
    run_dir: Path, out: Path, cuts: Path | None = None, int8: bool = False, encoder: str | None = None
) -> Description:
    """Write the model folder of a run; model.json comes last and vouches for the others. Returns what it holds.

    Args:
        run_dir: a run that was trained (stage 5) and decoded (stage 6).
        out: the folder to write; the files of an older model there are replaced, others stay.
        cuts: manifest whose audio gives the norms of `--describe`; by default the recipe's own, if it is there.
        int8: whether matrices are written with 8 bits, and what that costs is measured on valid.
        encoder: folder of the pretrained encoder, if it is no more where it was in training.

    Raises:
        InputError: the run is not complete, or `out` is something else than a model folder.
    """
    from safetensors.torch import save

    from seq.export.int8 import compress_onnx, measure_loss
    from seq.export.waveform_model import WaveformModel, write_onnx
    from seq.models.model import kept_weights
    from seq.models.pretrained.adapt import merge_adapters
    from seq.train.checkpoint import checkpoint_path, load_checkpoint, load_model

    check_out(out)
    model, epoch = load_model(run_dir, encoder=encoder)
    conf = conf_from_dict(load_checkpoint(checkpoint_path(run_dir, epoch))["conf"], f"the conf of {run_dir}")
    if model.spec.corpora:
        raise InputError(
            f"{run_dir} has adapters for {', '.join(model.spec.corpora)}; a stranger's recording is of none: "
            "train without, by --set model.adapter_dim=0"
        )
    run = read_run(run_dir, conf, model.spec.outputs, cuts)
    waveform_model = WaveformModel(model, conf.features).eval()
    # Of 8 bits the graph is what counts: the weights, from which one may go on training, have 16.
    weights = {name: (value.half() if int8 else value).contiguous() for name, value in kept_weights(model).items()}
    with _staged(out) as staged:
        with atomic_path(staged / WEIGHTS) as temporary:
            temporary.write_bytes(save(weights))
        merge_adapters(waveform_model)
        write_onnx(waveform_model, staged / ONNX)
        unsigned = _describe(run_dir, model, conf, epoch, run)
        unsigned["norms"] = _norms(conf, run)
        unsigned["int8"] = None
        if int8:
            compress_onnx(staged / ONNX, staged / SMALLER)
            unsigned["int8"] = measure_loss(staged / ONNX, staged / SMALLER, run.manifest, run.valid, unsigned)
            os.replace(staged / SMALLER, staged / ONNX)
        unsigned["files"] = {name: sha256(staged / name) for name in (ONNX, WEIGHTS)}
        description = cast("Description", {**unsigned, "sha256": description_digest(unsigned)})
        write_text(staged / CARD, model_card(description))
        write_json(staged / DESCRIPTION, description)
    return description


@contextlib.contextmanager
def _staged(out: Path) -> Iterator[Path]:
    """A folder inside `out` whose files take their places when all are written; of a failure, nothing is left.

    It is inside, and not beside, `out` so that both are on one disk. model.json comes last: an older model is not
    taken for a whole one while its files are replaced.
    """
    is_new = not out.exists()
    remove_leftovers(out)
    staged = out / f".{os.getpid()}.tmp"
    try:
        staged.mkdir(parents=True)
        yield staged
        for name in _FILES:
            os.replace(staged / name, out / name)
    except OSError as error:
        # What was staged is gone in a moment: name the place that it was for.
        name = Path(error.filename or "").name
        error.filename = str(out / name if name in _FILES else out)
        raise
    finally:
        shutil.rmtree(staged, ignore_errors=True)
        if is_new and out.is_dir() and not any(out.iterdir()):
            out.rmdir()


def check_out(out: Path) -> None:
    """Raises InputError where `out` is neither a model folder, whole or left by a killed export, nor new or empty, or
    lies in one.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file: name a folder")
    check_out_place("--out", out)
    # Hidden files are what a killed export leaves; without model.json, it was killed while its files took their places.
    names = {path.name for path in out.iterdir() if not path.name.startswith(".")} if out.is_dir() else set()
    is_ours = DESCRIPTION in names or (WEIGHTS in names and names <= {*_FILES})
    if names and not is_ours:
        raise InputError(f"--out {out} holds other things than a model: name a new or an empty folder")


def _describe(run_dir: Path, model: SpeechEqModel, conf: Conf, epoch: int, run: WholeRun) -> dict[str, Any]:
    """What model.json says of the network and of its run, less norms and digests."""
    from seq.models.model import num_parameters
    from seq.train.validation import valid_scores

    record, outputs = run.record, model.spec.outputs
    main = main_category(outputs)
    categories = {name: found.labels for name, found in outputs.items() if found.kind == "category"}
    return {
        "format": FORMAT,
        "version": seq.__version__,
        "commit": git_commit(),
        "tasks": {name: found.to_dict() for name, found in outputs.items()},
        "main": main.name if main else None,
        "features": {
            "extractor": conf.features.extractor,
            "num_filters": conf.features.num_filters,
            "trim": conf.features.trim,
            "sampling_rate": SAMPLING_RATE,
            "min_samples": MIN_SAMPLES,
            "frame_seconds": model.front_end.frame_seconds,
            "one_length": model.spec.encoder is not None,
        },
        "network": _network(model),
        "encoder": None if model.spec.encoder is None else model.spec.encoder.to_dict(),
        "num_parameters": num_parameters(model),
        "epoch": epoch,
        "corpus": conf.corpus.name,
        "protocol": {**record["protocol"], "fold": record["fold"], "seed": record["seed"]},
        "shared": shared_with_train(run),
        "scores": {"valid": valid_scores(run.valid, outputs), "test": valid_scores(run.test, outputs)},
        "calibration": {name: calibrate(run.valid, run.test, name, labels) for name, labels in categories.items()},
        "training": {
            "command": without_private_paths(record.get("command") or ""),
            **{key: record.get(key) for key in ("commit", "versions", "num_train", "epochs")},
        },
        "conf": _continued(conf),
        "missing": _missing(run_dir),
        "finetuned_from": record.get("start"),
    }


def _continued(conf: Conf) -> dict[str, Any]:
    """What finetuning takes over of the conf; a teacher stays behind, since it knows nothing of another corpus, and a
    folder of noises, since it is on this machine.
    """
    conf = replace(conf, train=replace(conf.train, teacher=""), augment=replace(conf.augment, noise_dir=""))
    return {section: asdict(getattr(conf, section)) for section in CONTINUED}


def _network(model: SpeechEqModel) -> dict[str, Any]:
    """The network without the place of its encoder on this machine, which is nobody else's business."""
    network = model.spec.to_dict()
    network["model"]["pretrained"]["path"] = ""
    return network


def _missing(run_dir: Path) -> str | None:
    """What the copy of the corpus lacked, if it was partial."""
    corpus_json = recipe_of(run_dir) / "data" / "corpus.json"
    return read_corpus_json(corpus_json).get("missing") if corpus_json.is_file() else None


def _norms(conf: Conf, run: WholeRun) -> dict[str, Any] | None:
    if run.manifest is None:
        return None
    return measure_norms(run.manifest, conf.corpus.name, {row.id for row in run.test}, run.valid)
