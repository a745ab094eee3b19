"""egs/unified in miniature: through the runner on three corpora, its folds and balance, and what it refuses."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from fake_experiment import make_scores
from lhotse import CutSet
from recipe_trees import make_tree, run
from tiny_experiment import EMOTIONS, NUM_FILTERS, make_cuts, tiny_conf

from seq.conf import Conf, CorpusConf, ProtocolConf, UnifiedConf, UnifiedCorpus
from seq.data.balance import balanced_cuts, draws_per_utterance
from seq.data.epoch import Epoch
from seq.data.fold_files import FoldsSummary, fold_numbers, read_summary
from seq.data.folds import load_fold
from seq.errors import InputError
from seq.score.score import score_experiment
from seq.unified.folds import combine_folds
from seq.unified.prepare import merge_features, merge_manifests, prepare_corpus
from seq.unified.score import score_corpora
from seq.utils.files import read_json, read_jsonl, write_json, write_jsonl

CORPORA = {"one": ("s0", "s1", "s2", "s3"), "two": ("s0", "s1", "s2")}


@pytest.fixture(scope="module")
def egs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two prepared corpora: `two` has other ids, no sad, no intensity, no text and one fold instead of two."""
    root = tmp_path_factory.mktemp("egs")
    for name, speakers in CORPORA.items():
        recipe = root / name
        recipe.mkdir()
        rows = []
        make_cuts(recipe, per_class=3).to_file(recipe / "all.jsonl.gz")
        for cut in read_jsonl(recipe / "all.jsonl.gz"):
            supervision = cut["supervisions"][0]
            if supervision["speaker"] not in speakers or (name == "two" and "sad" in cut["id"]):
                continue
            cut["id"] = supervision["id"] = f"{name}-{cut['id']}"
            supervision["language"] = "en"
            if name == "one":
                supervision["text"] = "kids"
            else:
                supervision["custom"].pop("intensity", None)
            rows.append(cut)
        for folder in ("manifests", "fbank"):
            write_jsonl(recipe / f"data/{folder}/{name}_cuts.jsonl.gz", rows)
        write_json(recipe / "data/corpus.json", {"corpus": name, "root": str(recipe), "partial": name == "two"})
        write_jsonl(recipe / "data/audio.jsonl", [])
        who = {row["id"]: row["supervisions"][0]["speaker"] for row in rows}
        for number in (1, 2) if name == "one" else (1,):
            order = [*speakers[number - 1 :], *speakers[: number - 1]]
            part = {"test": order[:1], "valid": order[1:2], "train": order[2:]}
            ids = {key: [id_ for id_, speaker in who.items() if speaker in value] for key, value in part.items()}
            fold = {"fold": number, "speaker_disjoint": True, "valid_speaker_disjoint": True, **ids}
            write_json(recipe / f"data/folds/p/fold_{number}.json", fold)
    (root / "unified").mkdir()
    return root


def make_conf(egs: Path, *names: str) -> Conf:
    base = tiny_conf()
    names_of_protocols = ("joint", "leave_one_corpus_out", "cross_corpus", "whole")
    protocols = [ProtocolConf(name, name, list(EMOTIONS)) for name in names_of_protocols]
    corpora = [UnifiedCorpus(name, "p", str(egs / name)) for name in names]
    corpus = CorpusConf("unified", "unified")
    return Conf(corpus, protocols, features=base.features, unified=UnifiedConf(corpora, balance=1.0))


@pytest.fixture(scope="module")
def merged(egs: Path) -> tuple[Conf, Path]:
    conf, data = make_conf(egs, "one", "two"), egs / "unified/data"
    prepare_corpus(conf, data, data / "corpus.json", data / "audio.jsonl")
    merge_manifests(conf, data / "manifests/unified_cuts.jsonl.gz")
    merge_features(conf, data / "manifests/unified_cuts.jsonl.gz", data / "fbank/unified_cuts.jsonl.gz", data / "none")
    for protocol in conf.protocols:
        combine_folds(conf, protocol, data / "fbank/unified_cuts.jsonl.gz", data / "folds" / protocol.name)
    return conf, data


def test_manifests_keep_what_is_known(merged: tuple[Conf, Path]) -> None:
    _, data = merged
    cuts = list(CutSet.from_file(data / "fbank/unified_cuts.jsonl.gz"))
    assert len(cuts) == 36 + 18 and {cut.id.split("-")[0] for cut in cuts} == {"one", "two"}
    for cut in cuts:
        supervision = cut.supervisions[0]
        name = supervision.custom["corpus"]
        assert supervision.speaker.startswith(f"{name}:s") and supervision.custom["sentence"].startswith(f"{name}:")
        # Neutral of a corpus without ratings is not of intensity 0, but unrated.
        assert name == "one" or "intensity" not in supervision.custom
        assert cut.load_features().shape[1] == NUM_FILTERS
    assert read_json(data / "corpus.json")["partial"] is True


def of(ids: list[str]) -> dict[str, int]:
    return dict(Counter(id_[:6] for id_ in ids))


def test_folds(merged: tuple[Conf, Path]) -> None:
    _, data = merged

    def fold(protocol: str, number: int) -> dict:
        return read_json(data / f"folds/{protocol}/fold_{number}.json")

    joint = fold("joint", 1)
    assert of(joint["test"]) == {"one-s0": 9, "two-s0": 6} and of(joint["valid"]) == {"one-s1": 9, "two-s1": 6}
    # The second fold of `one` finds `two` without one: it trains whole.
    joint = fold("joint", 2)
    assert of(joint["test"]) == {"one-s1": 9}
    assert of(joint["train"]) == {"one-s3": 9, "one-s0": 9, "two-s0": 6, "two-s1": 6, "two-s2": 6}
    assert not (data / "folds/joint/fold_3.json").exists()
    # Trained on `two` alone, sad cannot be known.
    out = fold("leave_one_corpus_out", 1)
    assert of(out["test"]) == {f"one-s{i}": 6 for i in range(4)} and of(out["train"]) == {"two-s0": 6, "two-s2": 6}
    assert out["excluded"] == {"emotion sad is in test and not in train": 12} and out["speaker_disjoint"]
    cross = fold("cross_corpus", 1)
    assert of(cross["train"]) == {"one-s2": 9, "one-s3": 9}
    assert of(cross["test"]) == {"one-s0": 9, "two-s0": 6, "two-s1": 6, "two-s2": 6}
    # For a model that is given away: everybody but valid trains.
    whole = fold("whole", 1)
    assert of(whole["train"]) == {"one-s0": 9, "one-s2": 9, "one-s3": 9, "two-s0": 6, "two-s2": 6}
    assert of(whole["valid"]) == {"one-s1": 9, "two-s1": 6} and whole["test"] == [] and whole["untested"]
    assert load_fold(data / "folds/whole", 1).test == [] and fold_numbers(data / "folds/whole") == [1]


def test_balance(merged: tuple[Conf, Path]) -> None:
    _, data = merged
    assert draws_per_utterance({"a": 30, "b": 10}, 0.0) == {"a": 1.0, "b": 1.0}
    assert draws_per_utterance({"a": 30, "b": 10}, 1.0) == pytest.approx({"a": 2 / 3, "b": 2.0})
    path = data / "fbank/unified_cuts.jsonl.gz"
    ids = [cut["id"] for cut in read_jsonl(path)]
    epoch = Epoch(seed=3, number=1)
    cuts = balanced_cuts(path, ids, 1.0, epoch)
    first = [(cut.id, (cut.custom or {}).get("copy")) for cut in cuts]
    again = [(cut.id, (cut.custom or {}).get("copy")) for cut in balanced_cuts(path, ids, 1.0, epoch)]
    assert first == again
    shares = Counter(id_[:3] for id_, _ in first)
    # 54 utterances, half from each: `one` is thinned from 36 to about 27, `two` comes 1.5 times.
    assert 20 <= shares["one"] <= 34 and 20 <= shares["two"] <= 34
    assert max(Counter(first).values()) == 1
    # Corpora are mixed, and another epoch draws others.
    assert len({id_[:3] for id_, _ in first[:10]}) == 2
    epoch.number = 2
    assert {id_ for id_, _ in first} != {cut.id for cut in cuts}


def test_a_fold_that_every_corpus_skips_is_skipped(merged: tuple[Conf, Path], egs: Path, tmp_path: Path) -> None:
    _, data = merged
    shutil.copytree(egs / "one", tmp_path / "one")
    folds = tmp_path / "one/data/folds/p"
    write_json(folds / "fold_3.json", {**read_json(folds / "fold_2.json"), "fold": 3})
    (folds / "fold_2.json").unlink()
    write_json(folds / "folds.json", {"num_folds": 3, "skipped": {"2": "why"}, "absent": {"speakers": ["s9"]}})
    conf = make_conf(egs, "one", "two")
    conf.unified.corpora[0].recipe = str(tmp_path / "one")
    combine_folds(conf, conf.protocol("joint"), data / "fbank/unified_cuts.jsonl.gz", tmp_path / "joint")
    assert fold_numbers(tmp_path / "joint") == [1, 3]
    assert read_json(tmp_path / "joint/fold_3.json")["test"] == read_json(folds / "fold_3.json")["test"]
    summary = read_summary(tmp_path / "joint")
    assert summary == FoldsSummary(3, {2: "every corpus skips it"}, {"speakers": ["one:s9"]})


def answer(conf: Conf, data: Path, protocol: str, fold: int, spoil: bool = False) -> None:
    """Predictions of a fold: right, or (spoiled) with sad likeliest and the truth second."""
    parts = read_json(data / f"folds/{protocol}/fold_{fold}.json")
    cuts = {cut["id"]: cut["supervisions"][0] for cut in read_jsonl(data / "manifests/unified_cuts.jsonl.gz")}
    rows = []
    for id_ in parts["test"]:
        ref = cuts[id_]["custom"]["emotion"]
        weights = {name: 0.5 if name == "sad" and spoil else 0.4 if name == ref else 0.0 for name in EMOTIONS}
        probs = {name: weight / sum(weights.values()) for name, weight in weights.items()}
        hyp = max(EMOTIONS, key=probs.__getitem__)
        head = {"id": id_, "corpus": "unified", "fold": fold, "seed": 0, "speaker": cuts[id_]["speaker"]}
        rows.append({**head, "emotion": {"ref": ref, "hyp": hyp, "probs": probs}})
    write_jsonl(data.parent / f"exp/x_{protocol}/fold_{fold}/seed_0/predictions.jsonl", rows)


def score(conf: Conf, data: Path, protocol: str) -> dict:
    places = (data / "manifests/unified_cuts.jsonl.gz", data / "folds" / protocol, data.parent / f"exp/x_{protocol}")
    scores = score_experiment(conf, protocol, *places)
    return score_corpora(conf, scores, *places)


def test_scores_per_corpus_and_beside_training_alone(merged: tuple[Conf, Path], egs: Path, tmp_path: Path) -> None:
    conf, data = merged
    alone = read_json(make_scores(tmp_path)["scores_path"])
    alone["pooled"]["emotion"]["speakers"] = {speaker: {"UA": 0.5, "WA": 0.5} for speaker in ("s0", "s1")}
    write_json(egs / "one/exp/scratch_p/scores.json", alone)
    for fold in (1, 2):
        answer(conf, data, "joint", fold, spoil=True)
    rows = score(conf, data, "joint")["rows"]
    # `two` has no sad, so its answers are taken among the two classes that it has.
    assert rows["two"]["categories"] == ["neutral", "happy"] and rows["two"]["emotion"]["UA"] == 1.0
    assert rows["two"]["emotion"]["UA_open"] == 0.0 and rows["two"]["num_utterances"] == 6
    assert rows["one"]["emotion"]["UA"] == pytest.approx(1 / 3) and rows["one"]["num_utterances"] == 18
    assert rows["one"]["alone"]["UA"]["difference"] == pytest.approx(1 / 3 - 1 / 2)
    assert rows["one"]["alone"]["num_speakers"] == 2 and rows["two"]["alone"] is None


def test_matrix_table_and_heat_map(merged: tuple[Conf, Path], tmp_path: Path) -> None:
    from seq.unified.report import corpora_tables, plot_matrix

    conf, data = merged
    for fold in (1, 2):
        answer(conf, data, "cross_corpus", fold, spoil=fold == 2)
    matrix = score(conf, data, "cross_corpus")["matrix"]
    assert matrix["train"] == matrix["test"] == ["one", "two"]
    assert [[cell["emotion"]["UA"] for cell in row] for row in matrix["cells"]] == [[1.0, 1.0], [1.0, 1.0]]
    assert [[len(cell["categories"]) for cell in row] for row in matrix["cells"]] == [[3, 2], [2, 2]]
    assert "100.00 (2)" in corpora_tables({"corpora": {"matrix": json.loads(json.dumps(matrix))}})[0]
    plot_matrix(matrix, tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 5000


def test_a_recording_in_two_corpora_is_said_and_not_tested(
    egs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of `one` is heard in `two`, too, as far as its files are there."""
    for name in CORPORA:
        data = Path(shutil.copytree(egs / name, tmp_path / name)) / "data"
        write_json(data / "corpus.json", {"corpus": name, "root": str(data)})
        write_jsonl(data / "audio.jsonl", [{"path": "../a.wav", "digest": "d", "silent": False}])
        cuts = data / f"manifests/{name}_cuts.jsonl.gz"
        heard = {"recording": {"sources": [{"source": str(data.parent / "a.wav")}]}, "start": 0.0, "duration": 1.0}
        write_jsonl(cuts, [{**cut, **(heard if cut["id"][4:] == "s1-happy-0" else {})} for cut in read_jsonl(cuts)])
    conf = make_conf(tmp_path, *CORPORA)
    prepare_corpus(conf, tmp_path, tmp_path / "corpus.json", tmp_path / "audio.jsonl")
    group = ["one-s1-happy-0", "two-s1-happy-0"]
    copies = read_json(tmp_path / "corpus.json")["copies"]
    assert copies == [group]
    assert f"unified: 1 utterance is a copy of another, sample for sample, such as {group[1]} of {group[0]}" in (
        capsys.readouterr().err
    )
    # In the first fold both are in valid; in the second, one is in test.
    with pytest.raises(
        InputError, match="fold 2: one-s1-happy-0 in test is the same recording as two-s1-happy-0 in tr"
    ):
        combine_folds(conf, conf.protocol("joint"), egs / "unified/data/fbank/unified_cuts.jsonl.gz", tmp_path, copies)
    write_jsonl(tmp_path / "one/data/audio.jsonl", [{"path": "../a.wav", "silent": False}])
    with pytest.raises(InputError, match=r"one/data/audio\.jsonl is of an earlier version of SpeechEQ: run .*/run\.sh"):
        prepare_corpus(conf, tmp_path, tmp_path / "corpus.json", tmp_path / "audio.jsonl")


def test_bad_input(merged: tuple[Conf, Path], egs: Path, tmp_path: Path) -> None:
    def stage_0(conf: Conf) -> None:
        prepare_corpus(conf, tmp_path, tmp_path / "corpus.json", tmp_path / "audio.jsonl")

    with pytest.raises(InputError, match=r"corpus three is not prepared .*three/run.sh --protocol p --stop-stage 4"):
        stage_0(make_conf(egs, "one", "three"))
    with pytest.raises(InputError, match="names one twice"):
        stage_0(make_conf(egs, "one", "one"))
    with pytest.raises(InputError, match="names one alone"):
        stage_0(make_conf(egs, "one"))
    copy = tmp_path / "copy"
    shutil.copytree(egs / "one", copy)
    for name in ("manifests", "fbank"):
        (copy / f"data/{name}/one_cuts.jsonl.gz").rename(copy / f"data/{name}/copy_cuts.jsonl.gz")
    conf = make_conf(egs, "one")
    conf.unified.corpora.append(UnifiedCorpus("copy", "p", str(copy)))
    with pytest.raises(InputError, match="utterance id one-s0-neutral-0 is in one and in copy"):
        stage_0(conf)
    assert not (tmp_path / "corpus.json").exists()
    conf = make_conf(egs, "one", "two")
    conf.features.num_filters = 80
    with pytest.raises(InputError, match=r"corpus one has 20 features of kaldi-fbank, .* wants 80"):
        merge_features(conf, egs / "unified/data/manifests/unified_cuts.jsonl.gz", tmp_path / "out.jsonl.gz", tmp_path)
    assert not (tmp_path / "out.jsonl.gz").exists()


def test_through_the_runner(egs: Path, tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree") if (tmp_path / "tree").mkdir() is None else tmp_path
    corpora = ", ".join(f"{{name: {name}, protocol: p, recipe: '{egs / name}'}}" for name in CORPORA)
    sizes = [f"unified.corpora=[{corpora}]", f"features.num_filters={NUM_FILTERS}", "train.num_epochs=2"]
    missing = run(tree, "unified", "--model", "scratch")
    assert missing.returncode == 2 and "corpus ravdess is not prepared" in missing.stderr
    assert len(missing.stderr.strip().splitlines()) == 1
    partial = run(tree, "unified", "--model", "scratch", "--stop-stage", "1", sizes=sizes)
    assert partial.returncode == 2 and "is partial" in partial.stderr and "--allow-partial" in partial.stderr
    wrong = run(tree, "unified", "--model", "scratch", "--folds", "3", sizes=sizes)
    assert wrong.returncode == 2 and "joint has folds 1 to 2" in wrong.stderr
    options = ["--model", "scratch", "--nj", "1", "--device", "cpu", "--allow-partial"]
    mute = run(tree, "unified", *options, sizes=sizes)
    assert mute.returncode == 2 and "features but no audio" in mute.stderr and "Traceback" not in mute.stderr
    sizes.append("augment.speed_prob=0")
    first = run(tree, "unified", *options, sizes=sizes)
    assert first.returncode == 0, first.stdout + first.stderr
    exp = tree / "egs/unified/exp/scratch_joint"
    scores = read_json(exp / "scores.json")
    assert set(scores["corpora"]["rows"]) == {"one", "two"} and scores["tasks"][-1] == "phone"
    assert "Per corpus." in (exp / "report.md").read_text()
    tokens = (tree / "egs/unified/data/lang_phone/tokens.txt").read_text()
    assert "ɪ " in tokens and "IH" not in tokens
    again = run(tree, "unified", *options, sizes=sizes)
    assert again.returncode == 0 and again.stdout.count("up to date") >= 9
    made_from = {"version": 1, "conf": {}, "option": {}, "input": {}}
    stamp = egs / "two/data/.stages/1_manifests.json"
    write_json(stamp, {"made_from": made_from})
    old = run(tree, "unified", *options, sizes=sizes)
    stamp.unlink()
    assert (
        old.returncode == 2 and "corpus two was prepared by other code (its stage manifests has version 1" in old.stderr
    )
    assert "two/run.sh --protocol p --stop-stage 4 again" in old.stderr
