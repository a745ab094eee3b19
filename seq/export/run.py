"""From a run of an experiment to a model folder: weights, ONNX, description, model card (see `seq.runtime.folder`)."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from seq.conf import Conf, conf_from_dict
from seq.errors import InputError
from seq.export.description import corpora_of, describe_run
from seq.export.heard import measure_heard
from seq.export.model_card import model_card
from seq.export.norms import measure_norms
from seq.export.speakers import measure_speakers
from seq.export.unseen import left_out, measure_unseen
from seq.export.whole_run import WholeRun, read_run
from seq.runtime.folder import CARD, DESCRIPTION, ONNX, WEIGHTS, Description, description_digest
from seq.train.record import read_record
from seq.utils.files import atomic_path, remove_leftovers, sha256, write_json, write_text
from seq.utils.outputs import check_out_place
from seq.utils.run_folder import RunFolder

if TYPE_CHECKING:
    from seq.models.model import SpeechEqModel

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
    run_dir: Path,
    out: Path,
    cuts: Path | None = None,
    int8: bool = False,
    encoder: str | None = None,
    keep_all: bool = True,
) -> Description:
    """Write the model folder of a run; model.json comes last and vouches for the others. Returns what it holds.

    Args:
        run_dir: a run that was trained (stage 5) and decoded (stage 6).
        out: the folder to write; the files of an older model there are replaced, others stay.
        cuts: manifest whose audio gives the norms of `--describe`; by default the recipe's own, if it is there.
        int8: whether matrices are written with 8 bits, and what that costs is measured on valid.
        encoder: folder of the pretrained encoder, if it is no more where it was in training.
        keep_all: keep heads that spell even where they mean little (`seq.export.unseen`).

    Raises:
        InputError: the run is not complete, or `out` is something else than a model folder.
    """
    from safetensors.torch import save

    from seq.export.int8 import compress_onnx, measure_loss
    from seq.export.waveform_model import WaveformModel, write_onnx
    from seq.models.model import drop_heads, kept_weights
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
    unseen = measure_unseen(run, run_dir, model.spec.outputs, conf.model_name)
    missing = {} if keep_all else left_out(unseen, model.spec.outputs)
    drop_heads(model, missing)
    waveform_model = WaveformModel(model, conf.features).eval()
    # Of 8 bits the graph is what counts: the weights, from which one may go on training, have 16.
    weights = {name: (value.half() if int8 else value).contiguous() for name, value in kept_weights(model).items()}
    with _staged(out) as staged:
        with atomic_path(staged / WEIGHTS) as temporary:
            temporary.write_bytes(save(weights))
        merge_adapters(waveform_model)
        write_onnx(waveform_model, staged / ONNX)
        unsigned = describe_run(run_dir, model, conf, epoch, run)
        unsigned["norms"] = _norms(conf, run)
        unsigned["heard"] = measure_heard(run, conf.augment)
        unsigned["speakers"] = _speakers(model, conf, run, unsigned)
        unsigned |= {"unseen": unseen, "left_out": missing, "int8": None}
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


def _norms(conf: Conf, run: WholeRun) -> dict[str, Any] | None:
    if run.manifest is None:
        return None
    return measure_norms(run.manifest, corpora_of(conf), {row.id for row in run.test}, run.valid)


def _speakers(model: SpeechEqModel, conf: Conf, run: WholeRun, description: dict[str, Any]) -> dict[str, Any] | None:
    """What is said of training speakers; None, with the reason on stderr, where that cannot be known here."""
    main = description["main"]
    if main is None:
        return None
    try:
        return measure_speakers(model, conf, run, main, description["calibration"][main]["temperature"])
    except InputError as error:
        print(f"speecheq enroll will not work with this model: {error}", file=sys.stderr)
        return None
