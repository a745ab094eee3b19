"""Few-shot: its parts against scikit-learn, and a whole study between two tiny corpora by the command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from corpus_builders import speech_like
from encoder_experiment import encoder_experiment_conf, lay_out, open_experiment
from kept_few_shot import rescore_few_shot
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid
from tiny_encoders import save_encoder

from seq.errors import InputError
from seq.recipe.recipe import Recipe
from seq.score.draws import Labelled, draw_support
from seq.score.intervals import crossed_intervals
from seq.studies.few_shot import common_classes
from seq.studies.few_shot_attention import CrossAttentionNetwork, Streams, acoustic_streams
from seq.studies.few_shot_prototypes import LabelledVectors, class_means, distances, train_prototypes
from seq.studies.few_shot_refit import STRENGTHS, Linear, choose_strength, refit
from seq.studies.few_shot_run import FewShot, run_few_shot
from seq.tasks.statistics import Classification
from seq.train.run import train_experiment
from seq.utils.files import read_json

ROOT = Path(__file__).resolve().parents[2]


def vectors_of(classes: int, each: int, dim: int, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(classes), each)
    return rng.normal(0, 2, (classes, dim))[labels] + rng.normal(0, spread, (len(labels), dim)), labels


@pytest.mark.parametrize(("count", "dim"), [(8, 30), (20, 5)])
def test_refit_without_a_prior_is_logistic_regression(count: int, dim: int) -> None:
    vectors, labels = vectors_of(3, count, dim, spread=3.0)
    for strength in (0.5, 20.0):
        ours = refit(vectors, labels, Linear(np.zeros((3, dim)), np.zeros(3)), strength)
        theirs = LogisticRegression(C=1 / strength, fit_intercept=False, tol=1e-8, max_iter=10_000)
        theirs.fit(np.column_stack([vectors, np.ones(len(vectors))]), labels)
        np.testing.assert_allclose(np.column_stack([ours.weights, ours.bias]), theirs.coef_, atol=1e-4)


def test_refit_is_held_to_the_prior() -> None:
    vectors, labels = vectors_of(3, 5, 10)
    prior = Linear(np.random.default_rng(1).normal(size=(3, 10)), np.array([0.1, -0.2, 0.3]))
    moved = [np.abs(refit(vectors, labels, prior, s).weights - prior.weights).sum() for s in (np.inf, 1e3, 10.0, 0.1)]
    assert moved[0] == 0.0 and moved == sorted(moved) and moved[-1] > 0.1
    # A prior that answers all is kept; one that is wrong throughout is left.
    right = refit(vectors, labels, Linear(np.zeros((3, 10)), np.zeros(3)), 1.0)
    certain = Linear(50 * right.weights, 50 * right.bias)
    assert choose_strength(vectors, labels, certain) == np.inf
    assert choose_strength(vectors, labels, Linear(-certain.weights, -certain.bias)) == min(STRENGTHS)
    # One utterance a class: what is held out is a class that the others do not have.
    assert choose_strength(vectors[:3], labels[:3], certain) == np.inf


def test_prototypes_are_the_nearest_centroids() -> None:
    vectors, labels = vectors_of(4, 6, 7, spread=2.0)
    queries = np.random.default_rng(2).normal(0, 2, (50, 7))
    ours = class_means(vectors, labels, 4)
    assert (ours.scores(queries).argmax(1) == NearestCentroid().fit(vectors, labels).predict(queries)).all()
    far = distances(*(torch.from_numpy(x) for x in (vectors, labels, queries)), 4).numpy()
    same = ours.scores(queries) - np.square(queries).sum(1, keepdims=True)
    np.testing.assert_allclose(far, same, atol=1e-9)


def test_episodes_teach_what_speakers_share() -> None:
    """Classes differ in two numbers out of forty, speakers in the others: untrained, strangers are told apart badly."""
    rng = np.random.default_rng(0)

    def corpus(speakers: range) -> LabelledVectors:
        rows, labels, names = [], [], []
        for speaker in speakers:
            own = np.random.default_rng(100 + speaker).normal(0, 4, 40)
            for label in np.tile(np.arange(3), 8):
                vector = own + rng.normal(0, 0.5, 40)
                vector[:2] = np.eye(3)[label, :2] * 2 + rng.normal(0, 0.5, 2)
                rows.append(vector)
                labels.append(label)
                names.append(str(speaker))
        return LabelledVectors(torch.tensor(np.array(rows)).float(), torch.tensor(labels), np.array(names))

    train, valid, test = corpus(range(8)), corpus(range(8, 10)), corpus(range(10, 14))
    network = train_prototypes(train, valid, 3, seed=0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        right = distances(network(train.vectors), train.labels, network(test.vectors), 3).argmax(1) == test.labels
    plain = distances(train.vectors, train.labels, test.vectors, 3).argmax(1) == test.labels
    assert right.float().mean() > 0.8 > plain.float().mean() + 0.1
    again = train_prototypes(train, valid, 3, seed=0).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in before.items())


def test_cross_attention_hears_every_stream_and_no_padding() -> None:
    torch.manual_seed(0)
    network = CrossAttentionNetwork((12, 20, 4), 3)
    items = [Streams(*(torch.randn(n + extra, dim).half() for extra, dim in ((0, 12), (1, 20), (2, 4))))
             for n in (30, 9, 1)]  # fmt: skip
    network.fit(items)
    network.eval()
    together = network(items)
    for i, item in enumerate(items):
        for ours, alone in zip(together, network([item]), strict=True):
            torch.testing.assert_close(ours[i], alone[0], atol=1e-5, rtol=1e-4)
    network.train()
    network(items)[1].square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_acoustic_streams_do_not_hear_the_level() -> None:
    samples = speech_like(0.7, 16000, 3, 150.0)
    mfcc, prosody = acoustic_streams(samples)
    assert mfcc.shape[1] == 20 and prosody.shape[1] == 4 and abs(len(mfcc) - len(prosody)) <= 1
    higher = acoustic_streams(speech_like(0.7, 16000, 3, 225.0))[1]
    # The pitch moves as much around either.
    assert float((higher - prosody)[:, 0].float().median()) == pytest.approx(np.log2(1.5), abs=0.03)
    for ours, quiet in zip((mfcc, prosody), acoustic_streams(0.1 * samples), strict=True):
        # But for frames of which a part lies on Kaldi's floor.
        assert ((ours.float() - quiet.float()).abs().amax(1) < 1e-3).float().mean() > 0.8
    assert all(x.isfinite().all() for x in acoustic_streams(np.zeros(500, np.float32)))


def test_intervals_cross_draws_and_speakers() -> None:
    """Speakers with as many utterances of each class: UA is a mean over cells of a table of draws by speakers."""
    rng = np.random.default_rng(0)
    num_draws, num_speakers, each = 7, 6, 10
    speakers = [f"s{i}" for i in range(num_speakers) for _ in range(2 * each)]
    refs = ["a", "b"] * (num_speakers * each)
    draws, table = [], np.zeros((num_draws, num_speakers))
    for draw in range(num_draws):
        right = rng.random(len(refs)) < np.repeat(rng.uniform(0.3, 0.9, num_speakers), 2 * each)
        hyps = [ref if ok else "ba"["ab".index(ref)] for ref, ok in zip(refs, right, strict=True)]
        draws.append(Classification(refs, hyps, speakers, ["a", "b"]))
        table[draw] = right.reshape(num_speakers, -1).mean(1)
    variance = table.mean(0).var(ddof=1) / num_speakers + table.mean(1).var(ddof=1) / num_draws
    half = stats.t.ppf(0.975, num_speakers - 1) * np.sqrt(variance)
    assert crossed_intervals(draws)["UA"] == pytest.approx([table.mean() - half, table.mean() + half])
    alone = stats.t.interval(0.95, num_speakers - 1, table[0].mean(), stats.sem(table[0]))
    assert crossed_intervals(draws[:1])["UA"] == pytest.approx(alone)


def test_draws_are_nested_and_of_others() -> None:
    pool = [
        Labelled(f"{speaker}-{label}-{i}", speaker, label) for speaker in "ab" for label in (0, 1) for i in range(9)
    ]
    small, large = (draw_support(pool, 2, count, 3, "x") for count in (2, 12))
    assert [ids[:2] for ids in large] == [ids[:2] for ids in draw_support(pool[::-1], 2, 12, 3, "x")]
    assert all(len(set(ids)) == 12 for ids in large) and small != draw_support(pool, 2, 2, 4, "x")
    assert all(id_.split("-")[1] == str(number) for number, ids in enumerate(large) for id_ in ids)
    with pytest.raises(InputError, match="fewer than two classes in common"):
        common_classes(["happy", "sad"], ["sad", "angry"])


def test_the_command_from_one_corpus_to_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")
    encoder = save_encoder(tmp_path / "whisper")
    conf = encoder_experiment_conf(encoder, num_epochs=1)
    source, target = tmp_path / "egs/tiny", tmp_path / "egs/other"
    lay_out(source, conf, "tiny", [["s3"]])
    lay_out(target, conf, "other", [["s0", "s1"], ["s2", "s3"]])
    experiment = open_experiment(source, conf, "small_tiny")
    train_experiment(experiment, [1], [0])
    env = {**os.environ, "PYTHONPATH": str(ROOT)}

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        script = [sys.executable, str(ROOT / "local/run_few_shot.py"), "--recipe", str(source), *options]
        return subprocess.run(script, env=env, capture_output=True, text=True, check=False)

    options = ["--target", str(target), "--shots", "0,1,4,10", "--draws", "3"]
    done = run(*options)
    assert done.returncode == 0, done.stderr
    out = target / "exp/few_shot_tiny_small_tiny"
    result = read_json(out / "few_shot.json")
    assert result["shots"] == [0, 1, 4] and "have 9 utterances of neutral" in result["skipped"]["10"]
    assert "k = 10 is skipped" in done.stdout and (out / "few_shot.png").stat().st_size > 5000
    # Every utterance of the target once, whatever k; labelled ones are of the other speakers, as many of each class.
    scored = [id_ for one in result["speakers"] for id_ in one["ids"]]
    assert len(scored) == len(set(scored)) == result["num_utterances"] == 36
    for one in result["speakers"]:
        assert len(one["support"]) == 3
        for draw in one["support"]:
            assert Counter(id_.split("-")[2] for ids in draw for id_ in ids) == dict.fromkeys(result["classes"], 4)
            assert all(id_.split("-")[1] != one["speaker"] for ids in draw for id_ in ids)
    # Rows against scikit-learn, from the raw answers; at k = 0 the re-fitted classifier is as it was.
    assert rescore_few_shot(result) == 3 * len(result["methods"]) - 2
    rows = {(row["method"], row["k"]): row for row in result["rows"]}
    assert {k for name, k in rows if name == "as it is"} == {0}
    assert rows["as it is", 0]["UA"] == rows["re-fitted", 0]["UA"]
    report = (out / "few_shot.md").read_text()
    cell = f"{100 * rows['prototypes', 4]['UA']:.2f} ["
    assert cell in next(line for line in report.splitlines() if line.startswith("| prototypes"))
    # Done is done; another number of draws trains nothing again.
    recipes = [Recipe(folder, replace(conf, corpus=replace(conf.corpus, name=folder.name)), conf.protocols[0])
               for folder in (source, target)]  # fmt: skip
    study = FewShot(*recipes, source / "exp/small_tiny", 0, [0, 1, 4, 10], 3, out)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("fold_1/*")}
    run_few_shot(study)
    assert times == {path: path.stat().st_mtime_ns for path in out.rglob("fold_1/*")}
    fewer = run_few_shot(replace(study, num_draws=2))["speakers"]
    assert times[out / "fold_1/spaces.npz"] == (out / "fold_1/spaces.npz").stat().st_mtime_ns
    for more, less in zip(result["speakers"], fewer, strict=True):
        assert less["answers"]["prototypes"]["4"] == more["answers"]["prototypes"]["4"][:2]

    # Quicker than well.
    monkeypatch.setattr("seq.studies.few_shot_prototypes.NUM_EPISODES", 20)
    monkeypatch.setattr("seq.studies.few_shot_attention.NUM_EPOCHS", 1)
    # The same corpus: one test speaker, with the valid one to label utterances.
    same = run_few_shot(replace(study, target=recipes[0], shots=[0, 1], out=tmp_path / "same"))
    assert same["is_same"] and [one["speaker"] for one in same["speakers"]] == ["s3"]
    drawn = {id_.split("-")[0] for one in same["speakers"] for draw in one["support"] for ids in draw for id_ in ids}
    assert drawn == {"s2"}
    with pytest.raises(InputError, match="no finished run of seed 1"):
        run_few_shot(replace(study, seed=1))
    recipes[1].features.unlink()
    with pytest.raises(InputError, match=r"--target: .* does not exist: run .*run.sh --model whisper"):
        run_few_shot(study)
    done = run("--target-protocol", "x")
    assert done.returncode == 2 and "within one corpus" in done.stderr and "Traceback" not in done.stderr
