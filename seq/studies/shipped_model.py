"""The model that comes with the project: a run of egs/unified as a model folder that says where all of it comes from.

Nothing is tested by the run itself, which has heard everybody but valid; the card has what the corpora's own folds say
of the same network: scores.json and robustness.json of their experiments.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from seq.conf import Conf, conf_from_dict
from seq.corpora.record import read_corpus_json
from seq.data.fold_checks import Fold
from seq.data.folds import load_fold
from seq.errors import InputError
from seq.export.run import export_run, find_run
from seq.recipe.files import experiment_name
from seq.recipe.recipe import Recipe
from seq.recipe.siblings import WHOLE
from seq.report.cells import columns, interval, value
from seq.runtime.folder import CARD, DESCRIPTION, ONNX, WEIGHTS, Description
from seq.score.types import ends, metric, read_scores
from seq.studies.robustness_report import READING, own_table
from seq.studies.robustness_types import NAME, Robustness
from seq.train.record import read_record
from seq.utils.files import atomic_path, read_json, read_jsonl, write_text
from seq.utils.markdown_text import code, markdown_table, plain
from seq.utils.run_folder import RunFolder

LICENCE: Final = "LICENSE"
LICENCE_SOURCE: Final = Path(__file__).resolve().parents[2] / "LICENSE-MODEL"
MAX_BYTES: Final = 12_000_000


def export_shipped(recipe: Path, exp: str, out: Path) -> Description:
    """Write the model folder, its card and its licence; returns what model.json holds.

    Args:
        recipe: egs/unified.
        exp: an experiment of it under the protocol `whole`, trained and decoded.

    Raises:
        InputError: the experiment is of another protocol or not finished, or the model is larger than 12 MB.
    """
    exp_dir = recipe / "exp" / exp
    if not (exp_dir / "conf.json").is_file():
        raise InputError(f"--exp {exp}: {exp_dir} has no conf.json: train it first (local/build_default_model.sh)")
    conf = conf_from_dict(read_json(exp_dir / "conf.json"), str(exp_dir / "conf.json"))
    run_dir = find_run(exp_dir)
    if (name := read_record(RunFolder(run_dir).run_json)["protocol"]["name"]) != WHOLE:
        raise InputError(f"--exp {exp} is of protocol {name}: the model that is given away is of {WHOLE}")
    description = export_run(run_dir, out, int8=True, keep_all=False)
    protocol = description["protocol"]
    size = sum((out / name).stat().st_size for name in (ONNX, WEIGHTS, DESCRIPTION))
    if size > MAX_BYTES:
        # Without its licence and the rest of its card it must not stay.
        shutil.rmtree(out)
        raise InputError(f"{out} has {size / 1e6:.1f} MB, and {MAX_BYTES / 1e6:.0f} are the most: train a smaller one")
    opened = Recipe(recipe, conf, conf.protocol(WHOLE))
    fold = load_fold(opened.folds_dir, protocol["fold"])
    with atomic_path(out / LICENCE) as temporary:
        shutil.copyfile(LICENCE_SOURCE, temporary)
    sections = [
        f"## For research, not for commerce\n\nThe weights are under CC BY-NC-SA 4.0: see {LICENCE}.",
        "## What it was trained on",
        heard_table(opened.cuts, fold),
        *_partial(opened),
        "## What the corpora's own folds say",
        "This model has heard everybody but valid. What follows was measured with networks of the same kind, each "
        "trained on one of the corpora and tested on its speakers whom that network had not heard.",
        *_own_folds(recipe, conf),
    ]
    card = (out / CARD).read_text(encoding="utf-8").rstrip("\n")
    write_text(out / CARD, "\n\n".join([card, *sections]) + "\n")
    return description


def heard_table(cuts: Path, fold: Fold) -> str:
    """Of every corpus: utterances and speakers of train and valid, and which sentences train has."""
    part_of = {id_: part for part in ("train", "valid") for id_ in getattr(fold, part)}
    numbers: dict[str, dict[str, int]] = defaultdict(lambda: {"train": 0, "valid": 0})
    speakers: dict[str, dict[str, set[str]]] = defaultdict(lambda: {"train": set(), "valid": set()})
    sentences: dict[str, set[str]] = defaultdict(set)
    for cut in read_jsonl(cuts):
        if (part := part_of.get(cut["id"])) is None:
            continue
        supervision = cut["supervisions"][0]
        corpus = supervision["custom"]["corpus"]
        numbers[corpus][part] += 1
        speakers[corpus][part].add(supervision["speaker"].partition(":")[2])
        if part == "train" and (sentence := supervision["custom"].get("sentence")):
            sentences[corpus].add(sentence.partition(":")[2])
    rows = [
        [
            plain(corpus),
            f"{found['train']} of {len(speakers[corpus]['train'])}",
            f"{found['valid']} of {', '.join(map(plain, sorted(speakers[corpus]['valid'])))}",
            f"{len(sentences[corpus])}: {', '.join(map(plain, _natural(sentences[corpus])))}",
        ]
        for corpus, found in numbers.items()
    ]
    return markdown_table(["corpus", "train: utterances of speakers", "valid", "sentences in train"], rows)


def _natural(names: set[str]) -> list[str]:
    """Numbers by their size, before words."""
    return sorted(names, key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name))


def _partial(recipe: Recipe) -> list[str]:
    missing = read_corpus_json(recipe.corpus_json).get("missing") if recipe.corpus_json.is_file() else None
    return [f"Of the corpora, in part: {plain(missing)}."] if missing else []


def _own_folds(recipe: Path, conf: Conf) -> Sequence[str]:
    """Scores and conditions of every corpus's own experiment with the same model, or that there are none."""
    sections = []
    for item in conf.unified.corpora:
        folder = (recipe / (item.recipe or f"../{item.name}")).resolve()
        exp = folder / "exp" / experiment_name(conf.model_name, item.protocol)
        sections.append(f"### {plain(item.name)}, protocol {code(item.protocol)}")
        if not (exp / "scores.json").is_file():
            sections.append(f"Not measured: {code(exp.name)} of egs/{plain(folder.name)} was not trained.")
            continue
        sections.append(_scores_table(exp))
        if (exp / f"{NAME}.json").is_file():
            found: Robustness = read_json(exp / f"{NAME}.json")
            sections += [READING, own_table(found)]
        else:
            sections.append("Not tested under everyday changes of the recording.")
    return sections


def _scores_table(exp: Path) -> str:
    scores = read_scores(exp / "scores.json")
    pool = scores["pooled"]
    rows = [
        [column.task, column.heading, value(found, column.heading),
         interval(ends(pool, column.task, column.metric), column.heading)]
        for column in columns(scores)
        if (found := metric(pool, column.task, column.metric)) is not None
    ]  # fmt: skip
    head = (
        f"{pool['num_utterances']} utterances of {len(scores['folds'])} folds, commit {scores['commit'] or 'unknown'}."
    )
    return f"{plain(head)}\n\n{markdown_table(['task', 'metric', 'value', '95 % interval'], rows)}"
