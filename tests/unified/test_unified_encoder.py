"""egs/unified where a pretrained encoder heard every corpus: the same one, or none of it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from encoder_experiment import SPEEDS, encoder_experiment_conf, record_corpus
from fake_experiment import make_scores
from lhotse import CutSet
from tiny_encoders import save_encoder
from tiny_experiment import EMOTIONS, make_experiment

from seq import load
from seq.conf import Conf, CorpusConf, ProtocolConf, UnifiedConf, UnifiedCorpus, conf_to_dict
from seq.data.batches import eval_loader
from seq.data.encoded import load_heard
from seq.decode.run import decode_run
from seq.errors import InputError
from seq.export.run import export_run
from seq.models.pretrained.cache import prepare_encoded
from seq.score.score import score_experiment
from seq.studies.robustness import decode_conditions
from seq.studies.shipped_model import export_shipped
from seq.train.checkpoint import load_model
from seq.train.loaders import plain_dataset
from seq.train.run import train_run
from seq.train.run_data import RunData
from seq.unified.folds import combine_folds
from seq.unified.prepare import merge_features, merge_manifests, prepare_corpus
from seq.utils.files import read_json, read_jsonl, write_json, write_jsonl

pytest.importorskip("transformers")

CORPORA = ("one", "two")
HEARD = "data/encoder/whisper"


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder(tmp_path_factory.mktemp("encoder") / "whisper")


def hear(recipe: Path, encoder: Path) -> None:
    """Stage 2 of a recipe."""
    cuts = f"{recipe.name}_cuts.jsonl.gz"
    out = recipe / HEARD / cuts
    prepare_encoded(encoder_experiment_conf(encoder), recipe / "data/manifests" / cuts, out, out.parent / "storage")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, encoder: Path) -> Path:
    """Two corpora up to stage 4, with a fold each."""
    egs = tmp_path_factory.mktemp("egs")
    for name in CORPORA:
        manifest = record_corpus(egs / name, per_class=2, corpus=name)
        hear(egs / name, encoder)
        write_json(egs / name / "data/corpus.json", {"corpus": name, "root": str(egs / name)})
        write_jsonl(egs / name / "data/audio.jsonl", [])
        who = {cut["id"]: cut["supervisions"][0]["speaker"] for cut in read_jsonl(manifest)}
        parts = {"test": ["s3"], "valid": ["s2"], "train": ["s0", "s1"]}
        ids = {part: [id_ for id_, speaker in who.items() if speaker in chosen] for part, chosen in parts.items()}
        fold = {"fold": 1, "speaker_disjoint": True, "valid_speaker_disjoint": True, **ids}
        write_json(egs / name / "data/folds/p/fold_1.json", fold)
    return egs


@pytest.fixture
def egs(prepared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared, tmp_path / "egs"))


def unified(egs: Path, encoder: Path) -> Conf:
    base = encoder_experiment_conf(encoder)
    corpora = [UnifiedCorpus(name, "p", str(egs / name)) for name in CORPORA]
    protocol = ProtocolConf("joint", "joint", list(EMOTIONS))
    return replace(base, corpus=CorpusConf("unified", "unified"), protocols=[protocol], unified=UnifiedConf(corpora))


def merge(conf: Conf, data: Path) -> Path:
    """Stages 0 to 3; returns the manifest of stage 2."""
    cuts, heard = (data / f"{folder}/unified_cuts.jsonl.gz" for folder in ("manifests", "encoder/whisper"))
    prepare_corpus(conf, data, data / "corpus.json", data / "audio.jsonl")
    merge_manifests(conf, cuts)
    merge_features(conf, cuts, heard, heard.parent / "storage")
    combine_folds(conf, conf.protocols[0], heard, data / "folds" / conf.protocols[0].name)
    return heard


def test_what_the_encoder_heard_is_merged_and_trained_on(egs: Path, encoder: Path) -> None:
    plain = unified(egs, encoder)
    conf = replace(plain, model=replace(plain.model, adapter_dim=2))
    heard = merge(conf, egs / "unified/data")
    assert read_json(heard.parent / "encoder.json") == read_json(egs / "one" / HEARD / "encoder.json")
    merged = {cut.id: cut for cut in CutSet.from_file(heard)}
    for name in CORPORA:
        for cut in CutSet.from_file(egs / name / HEARD / f"{name}_cuts.jsonl.gz"):
            there = merged.pop(cut.id)
            assert there.supervisions[0].speaker == f"{name}:{cut.supervisions[0].speaker}"
            for speed in SPEEDS:
                kept, found = load_heard(cut, speed), load_heard(there, speed)
                np.testing.assert_array_equal(kept.feature, found.feature)
                np.testing.assert_array_equal(kept.statistics, found.statistics)
    assert not merged
    made = make_experiment(egs / "unified/data", conf, tasks=["emotion", "gender"], cuts=CutSet.from_file(heard))
    experiment = replace(made, cuts=heard, folds_dir=egs / "unified/data/folds/joint")
    run = train_run(experiment, 1, 0)
    decode_run(experiment, 1, 0)
    assert run["encoder"] == read_json(heard.parent / "encoder.json") and run["num_train"] == 24
    rows = list(read_jsonl(experiment.run_dir(1, 0) / "predictions.jsonl"))
    assert {row["speaker"] for row in rows} == {"one:s3", "two:s3"}

    # Each corpus has an adapter, which it is decoded with, and a model for strangers has none.
    model, _ = load_model(experiment.run_dir(1, 0))
    assert model.adapters is not None and model.spec.corpora == list(CORPORA)
    data = RunData(experiment, 1, 0)
    for batch in eval_loader(data.valid_cuts(), plain_dataset(conf, data, model.front_end)):
        own = [CORPORA.index(speaker.split(":")[0]) for speaker in batch.speakers]
        assert batch.corpora is not None and batch.corpora.tolist() == own
    with pytest.raises(InputError, match=r"adapters for one, two.*model\.adapter_dim=0"):
        export_run(experiment.run_dir(1, 0), egs / "model", heard)


def test_the_model_that_is_given_away_says_where_all_of_it_comes_from(egs: Path, encoder: Path, tmp_path: Path) -> None:
    conf = replace(unified(egs, encoder), protocols=[ProtocolConf("whole", "whole", list(EMOTIONS))])
    heard, recipe = merge(conf, egs / "unified/data"), egs / "unified"
    tasks = ["emotion", "gender", "phone"]
    made = make_experiment(recipe / "data", conf, tasks=tasks, cuts=CutSet.from_file(heard))
    experiment = replace(made, cuts=heard, folds_dir=recipe / "data/folds/whole", exp_dir=recipe / "exp/given")
    train_run(experiment, 1, 0)
    decode_run(experiment, 1, 0)
    write_json(experiment.exp_dir / "conf.json", conf_to_dict(conf))
    assert (experiment.run_dir(1, 0) / "predictions.jsonl").read_bytes() == b""
    with pytest.raises(InputError, match="tests nothing, so there is nothing to score"):
        score_experiment(conf, "whole", heard, experiment.folds_dir, experiment.exp_dir)
    cuts = recipe / "data/manifests/unified_cuts.jsonl.gz"
    decode_conditions([experiment], cuts, [1], [0], part="valid")
    # Of one corpus there is an experiment of its own.
    scores = make_scores(tmp_path / "fake")["scores_path"]
    (egs / "one/exp/whisper_p").mkdir(parents=True)
    shutil.copy(scores, egs / "one/exp/whisper_p/scores.json")

    out = tmp_path / "model"
    description = export_shipped(recipe, "given", out)
    assert description["int8"] and description["scores"]["test"] == {} and description["left_out"].keys() == {"phone"}
    assert description["fitted_on"] and len(description["fitted_on"]["conditions"]) == 17
    assert description["heard"] == {"bands": ["wide"], "conditions": []}
    # Less the blanks that pad tables.
    card, licence = (" ".join((out / name).read_text(encoding="utf-8").split()) for name in ("README.md", "LICENSE"))
    assert "CC BY-NC-SA 4.0" in licence and "Copyright (c) 2022 OpenAI" in licence and "nEMO" in licence
    for said in (
        "For research, not for commerce",
        # Three speakers, three emotions, two sentences; and valid.
        "| one | 18 of 3 | 6 of s2 | 2: 0, 1 |",
        "| two | 18 of 3 | 6 of s2 | 2: 0, 1 |",
        "| emotion | UA % | ",
        "Not measured: `whisper_p` of egs/two was not trained.",
        "fitted on valid",
        "**Left out**",
    ):
        assert said in card, said
    audio = next(read_jsonl(cuts))["recording"]["sources"][0]["source"]
    answer = load(out).predict_file(audio)
    assert answer.emotion.label in EMOTIONS and answer.phones is None and answer.band == "wide"
    # The answers are no better known than those on which their threshold rests.
    with pytest.raises(InputError, match=r"--risk 0 cannot be reached: the least is 0\.\d+, with"):
        load(out, risk=0.0)


def test_different_encoders_of_one_name_are_refused(egs: Path, encoder: Path, tmp_path: Path) -> None:
    conf = unified(egs, encoder)
    path = egs / "two" / HEARD / "encoder.json"
    # From the hub or from a folder, it is the same one.
    write_json(path, {**read_json(path), "revision": "0123", "licence": "apache-2.0"})
    merge(conf, egs / "unified/data")
    hear(egs / "two", save_encoder(tmp_path / "other/whisper", seed=1))
    said = r"corpora one and two were heard by different encoders, both called whisper: run stage 2 of egs/two with"
    with pytest.raises(InputError, match=said):
        merge(conf, egs / "unified/data")
    assert not (egs / "unified" / HEARD / "unified_cuts.jsonl.gz").exists()
    shutil.rmtree(egs / "two" / HEARD)
    with pytest.raises(InputError, match=r"corpus two is not prepared .* --stop-stage 4 with the same --model first"):
        merge(conf, egs / "unified/data")
