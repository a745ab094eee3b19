"""A model folder: whole, checked, calibrated, and its ONNX graph says what the network says."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import soundfile
import torch
from corpus_builders import real_ravdess, speech_like, spoken
from exported_model import make_run
from fake_experiment import make_scores
from tiny_experiment import make_experiment, tiny_conf

from seq import load
from seq.audio.reading import read_audio
from seq.cli import main
from seq.conf import FeaturesConf, ModelConf
from seq.data.features import compute_fbank
from seq.decode.run import decode_run
from seq.errors import InputError
from seq.export.norms import measure_norms
from seq.export.run import export_run, find_run
from seq.export.waveform_model import WaveformModel, load_waveform_model, write_onnx
from seq.export.whole_run import recipe_of
from seq.models.model import ModelOutput, ModelSpec, SpeechEqModel
from seq.runtime.engine import Engine, Graph
from seq.runtime.folder import description_digest, read_model_folder
from seq.score.calibration import calibrate, calibration_error, fit_temperature, fit_threshold
from seq.tasks.base import Outputs
from seq.tasks.predictions import CategoryPrediction, Prediction, SequencePrediction
from seq.train.checkpoint import load_model
from seq.train.experiment import Experiment
from seq.train.run import train_run
from seq.utils.files import read_json, read_jsonl, write_json, write_jsonl

RATE = 16000
TOLERANCE = 1e-3
# Those of the miniature.
OUTPUTS = {
    "emotion": Outputs("category", ("neutral", "happy", "sad")),
    "intensity": Outputs("scale", levels=(0.0, 1 / 3, 1.0)),
    "gender": Outputs("category", ("F", "M")),
    "phone": Outputs("sequence", ("<blk>", "A", "B", "C")),
}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def model_folder(experiment: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "模型 one"
    export_run(experiment.run_dir(1, 0), folder)
    return folder


@pytest.fixture
def copied(model_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "model"))


class _FeaturesAsPhones(torch.nn.Module):
    """In the network's place: what it is given, under the name of an output that has frames."""

    heads: ClassVar[dict[str, torch.nn.Module]] = {"phone": torch.nn.Identity()}
    spec = ModelSpec(ModelConf(), 80, {"phone": OUTPUTS["phone"]})

    def forward(self, feature: torch.Tensor, feature_lens: torch.Tensor) -> ModelOutput:
        return ModelOutput({"phone": feature}, feature_lens, feature.mean(dim=1))


def test_filter_bank_in_the_graph_is_stage_2s_whatever_the_neighbours(tmp_path: Path) -> None:
    model = WaveformModel(_FeaturesAsPhones(), FeaturesConf())  # type: ignore[arg-type]
    write_onnx(model, tmp_path / "model.onnx")
    rng = np.random.default_rng(0)
    # Every position of the end relative to the frame shift matters to the mirrored edge.
    waveforms = [spoken(0.3 + 0.37 * i, RATE, seed=i)[: -1 - 53 * i].astype(np.float32) for i in range(6)]
    waveforms += [rng.normal(size=n).astype(np.float32) for n in (400, 479, 480, 481)]
    if (folder := real_ravdess()) is not None:
        waveforms += [read_audio(path) for path in sorted(folder.rglob("*.flac"))[::72]]
    graph = Graph(tmp_path / "model.onnx")
    batch = graph.run(waveforms)
    differences = []
    for row, num_frames, waveform in zip(batch["phone"], batch["frames"], waveforms, strict=True):
        expected = compute_fbank(waveform)
        assert num_frames == len(expected)
        alone = graph.run([waveform])["phone"][0]
        assert alone.shape == expected.shape
        np.testing.assert_allclose(row[:num_frames], alone, atol=3e-4)
        differences.append(np.abs(row[:num_frames] - expected).ravel())
    # As close as single precision goes: see tests/data/test_fbank.py.
    difference = np.concatenate(differences)
    assert difference.max() < 5e-3 and np.mean(difference > 1e-4) < 1e-3


def test_only_our_filter_bank_is_exported() -> None:
    with pytest.raises(InputError, match="only kaldi-fbank can be exported"):
        WaveformModel(_FeaturesAsPhones(), FeaturesConf(extractor="kaldifeat-fbank"))  # type: ignore[arg-type]


def _assert_parity(folder: Path, model: SpeechEqModel, features: FeaturesConf, waveforms: list[np.ndarray]) -> None:
    """Torch on stage 2's features, ONNX batched and ONNX single agree."""
    graph = Engine(folder).graph
    batched = graph.run(waveforms)
    for i, waveform in enumerate(waveforms):
        single = graph.run([waveform])
        feature = torch.from_numpy(compute_fbank(waveform, features))
        with torch.no_grad():
            output = model(feature.unsqueeze(0), torch.tensor([len(feature)]))
        num_frames = int(output.lengths[0])
        assert num_frames == single["frames"][0] == batched["frames"][i]
        for name, expected in _of_the_utterance(output).items():
            np.testing.assert_allclose(single[name][0], expected, atol=TOLERANCE)
            np.testing.assert_allclose(batched[name][i], expected, atol=TOLERANCE)
        spelt = output.numbers["phone"][0].numpy()
        np.testing.assert_allclose(single["phone"][0], spelt, atol=TOLERANCE)
        np.testing.assert_allclose(batched["phone"][i, :num_frames], spelt, atol=TOLERANCE)


def _of_the_utterance(output: ModelOutput) -> dict[str, np.ndarray]:
    """The vectors of the only item, by the names of the graph."""
    found = {name: output.numbers[name] for name in ("emotion", "intensity", "gender")}
    return {name: value[0].numpy() for name, value in {**found, "embedding": output.embedding}.items()}


def test_onnx_equals_torch_batched_and_single(model_folder: Path, experiment: Experiment) -> None:
    model, _ = load_model(experiment.run_dir(1, 0))
    waveforms = [spoken(0.5 + 0.41 * i, 16000, seed=i).astype(np.float32) for i in range(5)]
    _assert_parity(model_folder, model, experiment.conf.features, waveforms)


@pytest.mark.parametrize("encoder", ["conformer", "gated_mean", "mscnn_spu"])
def test_other_encoders_are_exported_too(tmp_path: Path, encoder: str) -> None:
    experiment = make_run(tmp_path, encoder)
    export_run(experiment.run_dir(1, 0), tmp_path / "model")
    model, _ = load_model(experiment.run_dir(1, 0))
    waveforms = [spoken(0.5 + 0.41 * i, 16000, seed=i).astype(np.float32) for i in range(4)]
    _assert_parity(tmp_path / "model", model, experiment.conf.features, waveforms)


@pytest.mark.skipif(real_ravdess() is None, reason="the real RAVDESS is not here")
def test_parity_of_the_full_size_network_on_real_utterances(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = SpeechEqModel(ModelSpec(ModelConf(), 80, OUTPUTS)).eval()
    write_onnx(WaveformModel(model, FeaturesConf()), tmp_path / "model.onnx")
    graph = Graph(tmp_path / "model.onnx")
    files = sorted(real_ravdess().rglob("*.flac"))[::72]  # type: ignore[union-attr]
    waveforms = [read_audio(path) for path in files]
    assert len(waveforms) == 20
    batched = graph.run(waveforms)
    for i, waveform in enumerate(waveforms):
        feature = torch.from_numpy(compute_fbank(waveform))
        with torch.no_grad():
            output = model(feature.unsqueeze(0), torch.tensor([len(feature)]))
        single = graph.run([waveform])
        for name, expected in _of_the_utterance(output).items():
            np.testing.assert_allclose(single[name][0], expected, atol=TOLERANCE)
            np.testing.assert_allclose(batched[name][i], expected, atol=TOLERANCE)


def test_folder_describes_itself(model_folder: Path, experiment: Experiment) -> None:
    description = read_model_folder(model_folder)
    assert list(description["tasks"]) == list(OUTPUTS) and description["main"] == "emotion"
    assert {name: Outputs.from_dict(found) for name, found in description["tasks"].items()} == OUTPUTS
    assert description["protocol"]["fold"] == 1 and description["protocol"]["name"] == "tiny"
    assert description["scores"]["valid"] == read_json(experiment.run_dir(1, 0) / "run.json")["best_valid"]
    assert set(description["files"]) == {"model.onnx", "model.safetensors"}
    card = (model_folder / "README.md").read_text(encoding="utf-8")
    assert "tiny" in card and "| emotion, WA |" in card
    assert {path.name for path in model_folder.iterdir()} == {"README.md", "model.json", *description["files"]}
    assert all(os.stat(path).st_mode & 0o444 == 0o444 for path in model_folder.iterdir())


def test_the_card_says_by_which_protocol_the_run_was_trained(tmp_path: Path) -> None:
    # As egs/casia has them: the same classes, speaker-disjoint and not; nothing is read out of the experiment's name.
    conf = tiny_conf()
    disjoint = conf.protocols[0]
    conf.protocols = [disjoint, replace(disjoint, name="random10", description="ten folds", speaker_disjoint=False)]
    made = make_experiment(tmp_path, conf)
    experiment = replace(made, protocol=conf.protocol("random10"), exp_dir=tmp_path / "exp/scratch_tiny")
    train_run(experiment, 1, 0)
    decode_run(experiment, 1, 0)
    description = export_run(experiment.run_dir(1, 0), tmp_path / "model")
    assert description["protocol"]["name"] == "random10" and description["protocol"]["speaker_disjoint"] is False
    card = (tmp_path / "model/README.md").read_text(encoding="utf-8")
    assert "**speakers of train are in test**" in card and "`random10`" in card


def test_safetensors_hold_the_averaged_weights(model_folder: Path, experiment: Experiment) -> None:
    expected, _ = load_model(experiment.run_dir(1, 0))
    loaded = load_waveform_model(model_folder).model.state_dict()
    for name, value in expected.state_dict().items():
        assert torch.equal(loaded[name], value), name


@pytest.mark.parametrize("name", ["model.onnx", "model.safetensors", "model.json"])
def test_missing_and_altered_files_are_named(copied: Path, name: str) -> None:
    content = (copied / name).read_bytes()
    if name == "model.json":
        description = json.loads(content)
        description["tasks"]["emotion"]["labels"].reverse()
        (copied / name).write_text(json.dumps(description))
    else:
        (copied / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InputError, match=rf"{name} was altered"):
        Engine(copied)
    (copied / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=rf"{name} (was altered|is damaged)"):
        Engine(copied)
    (copied / name).unlink()
    with pytest.raises(InputError, match=name):
        Engine(copied)


@pytest.mark.parametrize(
    ("task", "labels", "said"),
    [
        ("emotion", ["neutral", "happy"], "names 2 numbers of emotion, and model.onnx has 3"),
        ("gender", ["F", "M", "D"], "names 3 numbers of gender, and model.onnx has 2"),
        ("phone", ["<blk>", "A"], "names 2 numbers of phone, and model.onnx has 4"),
    ],
)
def test_labels_that_are_not_as_many_as_the_network_s_are_refused(
    copied: Path, task: str, labels: list[str], said: str
) -> None:
    description = read_json(copied / "model.json")
    description["tasks"][task]["labels"] = labels
    write_json(copied / "model.json", {**description, "sha256": description_digest(description)})
    with pytest.raises(InputError, match=said):
        Engine(copied)


def test_a_network_that_does_not_read_its_features_is_refused(copied: Path) -> None:
    description = read_json(copied / "model.json")
    description["features"]["num_filters"] *= 2
    write_json(copied / "model.json", {**description, "sha256": description_digest(description)})
    with pytest.raises(InputError, match="its network has 20 filters, its features have others"):
        load_waveform_model(copied)


def test_the_card_may_be_edited_and_nothing_else_is_overwritten(copied: Path, experiment: Experiment) -> None:
    (copied / "README.md").write_text("mine")
    (copied / "notes.txt").write_text("keep")
    Engine(copied)
    export_run(experiment.run_dir(1, 0), copied)
    assert (copied / "notes.txt").read_text() == "keep"
    Engine(copied)
    # What an export leaves that is killed.
    killed = copied.parent / "killed"
    killed.mkdir()
    (killed / "model.safetensors").write_bytes(b"whole")
    (killed / ".7.tmp.model.onnx").write_bytes(b"half")
    export_run(experiment.run_dir(1, 0), killed)
    Engine(killed)
    other = copied.parent / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("dear")
    with pytest.raises(InputError, match="holds other things"):
        export_run(experiment.run_dir(1, 0), other)


@pytest.fixture
def run_dir(experiment: Experiment, tmp_path: Path) -> Path:
    """A copy of the run in a recipe, with its folds and its manifest."""
    recipe = tmp_path / "egs/tiny"
    shutil.copytree(experiment.folds_dir, recipe / "data/folds/tiny")
    (recipe / "data/manifests").mkdir()
    shutil.copy(experiment.cuts, recipe / "data/manifests/tiny_cuts.jsonl.gz")
    return Path(shutil.copytree(experiment.run_dir(1, 0), recipe / "exp/name/fold_1/seed_0"))


def test_the_card_says_of_valid_and_of_test_what_they_share_with_train(run_dir: Path, tmp_path: Path) -> None:
    found = export_run(run_dir, tmp_path / "model")["shared"]
    assert found == {"valid": {"speakers": 0.0, "sentences": 1.0}, "test": {"speakers": 0.0, "sentences": 1.0}}
    # As in egs/synth: of three speakers that are left, nobody can be spared for valid; it has sentences of its own.
    record = read_json(run_dir / "run.json")
    write_json(run_dir / "run.json", {**record, "train_speakers": [*record["train_speakers"], "s2"]})
    manifest = next((tmp_path / "egs/tiny/data/manifests").iterdir())
    rows = list(read_jsonl(manifest))
    for row in rows:
        if row["supervisions"][0]["speaker"] == "s2":
            row["supervisions"][0]["custom"]["sentence"] += " of valid"
    write_jsonl(manifest, rows)
    export_run(run_dir, tmp_path / "model")
    card = (tmp_path / "model/README.md").read_text(encoding="utf-8")
    assert "valid shares with train all of its speakers and none of its sentences; test shares with train none" in card
    _away_from_its_recipe(run_dir)
    assert export_run(run_dir, tmp_path / "model")["shared"]["test"] == {"speakers": 0.0, "sentences": None}
    assert "an unknown number of its sentences" in (tmp_path / "model/README.md").read_text(encoding="utf-8")


def test_phones_are_exported_where_they_mean_something(
    run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, audio = tmp_path / "egs/tiny", tmp_path / "a.wav"
    soundfile.write(audio, speech_like(0.8, RATE, seed=1), RATE)

    def export() -> dict[str, object]:
        return dict(export_run(run_dir, tmp_path / "model", keep_all=False))

    # All sentences of test are in train, and no other experiment says more.
    assert main(["export", str(run_dir), "--out", str(tmp_path / "model")]) == 0
    reason = "nobody knows its PER on sentences that training never heard"
    assert f"phones are left out, since {reason}; --keep-all keeps them" in capsys.readouterr().out
    assert main(["predict", str(tmp_path / "model"), str(audio)]) == 0
    said = capsys.readouterr()
    assert f"this model gives no phones: {reason}" in said.err and '"phones": null' in said.out
    without = load(tmp_path / "model").predict_file(audio)
    assert load_waveform_model(tmp_path / "model").output_names == [
        "emotion", "intensity", "gender", "frames", "embedding"
    ]  # fmt: skip
    assert main(["export", str(run_dir), "--out", str(tmp_path / "model"), "--keep-all"]) == 0
    kept = load(tmp_path / "model").predict_file(audio)
    assert kept.phones is not None and without.phones is None
    assert kept.emotion.probs == pytest.approx(without.emotion.probs, abs=1e-6)
    # Sentences of its own: 4 utterances of test, of which those that are sad have no text.
    manifest = next((recipe / "data/manifests").iterdir())
    rows = list(read_jsonl(manifest))
    new = [row["id"] for row in rows if row["id"].startswith("s3") and row["id"].endswith("-3")]
    for row in rows:
        if row["id"] in new:
            row["supervisions"][0]["custom"]["sentence"] = "new"
    write_jsonl(manifest, rows)
    predictions = list(read_jsonl(run_dir / "predictions.jsonl"))
    for wrong, kept_tasks in ((0, True), (1, True), (2, False)):
        for row in predictions:
            if row["id"] in new and row["phone"]["ref"]:
                # Of three phones so many are wrong.
                row["phone"] = {"ref": ["A", "B", "C"], "hyp": ["C", "C", "C"][:wrong] + ["A", "B", "C"][wrong:]}
        write_jsonl(run_dir / "predictions.jsonl", predictions)
        found = export()
        expected = {"errors": pytest.approx(wrong / 3), "source": "2 utterances of its own test part"}
        assert found["unseen"] == {"phone": expected}
        assert ("phone" in found["tasks"]) is kept_tasks  # type: ignore[operator]
    assert "66.7 % (2 utterances of its own test part)" in (tmp_path / "model/README.md").read_text(encoding="utf-8")


def test_another_experiment_with_the_same_model_says_what_phones_are_worth(run_dir: Path, tmp_path: Path) -> None:
    scores = read_json(make_scores(tmp_path / "fake")["scores_path"])
    scores["pooled"] |= {"text_overlap": 0.0}
    exp = tmp_path / "egs/tiny/exp/name_sentences"
    for model, overlap, errors, wanted in (
        ("scratch", 0.0, 0.2, 0.2),
        ("scratch", 0.0, 0.6, 0.6),
        ("scratch", 0.1, 0.2, None),
        ("another", 0.0, 0.2, None),
    ):
        scores["pooled"]["text_overlap"], scores["pooled"]["phone"]["PER"] = overlap, errors
        write_json(exp / "scores.json", scores)
        write_json(exp / "conf.json", {"model_name": model})
        found = export_run(run_dir, tmp_path / "model", keep_all=False)
        source = "fake, protocol two" if wanted is not None else ""
        assert found["unseen"] == {"phone": {"errors": wanted, "source": source}}
        assert ("phone" in found["tasks"]) == (wanted == 0.2)


def _away_from_its_recipe(run_dir: Path) -> None:
    """As a run is that was copied: what stage 6 noted is all that there is to compare with."""
    shutil.rmtree(run_dir / "../../../../data")


def _weights(run_dir: Path, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    path = run_dir / "epoch-2.pt"
    state = torch.load(path, weights_only=True)
    state["model_avg"]["heads.emotion.bias"] = change(state["model_avg"]["heads.emotion.bias"])
    torch.save(state, path)


def _rows(run_dir: Path, change: Callable[[list[dict[str, Any]]], Any], part: str = "valid_") -> None:
    path = run_dir / f"{part}predictions.jsonl"
    rows = list(read_jsonl(path))
    change(rows)
    write_jsonl(path, rows)


def _record(run_dir: Path, **changes: object) -> None:
    record = {**read_json(run_dir / "run.json"), **changes}
    write_json(run_dir / "run.json", {key: value for key, value in record.items() if value is not None})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: _weights(r, lambda x: x * torch.nan), r"weights that are not finite \(heads\.emotion\.bias\)"),
        (lambda r: _weights(r, lambda x: x + torch.inf), "weights that are not finite"),
        (lambda r: _weights(r, lambda x: x[:2]), "another version of the model, or is damaged"),
        (lambda r: _rows(r, lambda rows: rows.clear()), r"valid_predictions\.jsonl is empty: decode again"),
        (lambda r: _rows(r, lambda rows: rows.pop(), ""), "has 11 predictions of 11 utterances, 11 .* 12 of test"),
        (
            lambda r: (_away_from_its_recipe(r), _rows(r, lambda rows: rows.pop())),
            r"valid_predictions\.jsonl has 11 predictions of 11 utterances, 11 .* 12 of valid",
        ),
        (lambda r: _rows(r, lambda rows: rows.append(rows[0])), "has 13 predictions of 12 utterances"),
        (lambda r: _rows(r, lambda rows: rows[3].update(id="x")), "has 12 predictions of 12 utterances, 11 of"),
        (lambda r: _rows(r, lambda rows: rows[3].update(seed=7)), "is of fold 1 and seed 7"),
        (lambda r: _rows(r, lambda rows: rows[3].pop("gender")), "answers emotion, intensity, phone, the network"),
        (lambda r: _rows(r, lambda rows: rows[3]["emotion"].update(hyp=5)), "emotion: hyp is 5"),
        (lambda r: _rows(r, lambda rows: rows[3]["emotion"].update(hyp="x")), r"a emotion hypothesis \(x\)"),
        (lambda r: _rows(r, lambda rows: rows[3]["emotion"].update(probs=None)), "no probabilities of emotion"),
        (lambda r: _rows(r, lambda rows: rows[3]["gender"]["probs"].update(F=torch.nan)), "the gender probability nan"),
        (lambda r: _rows(r, lambda rows: rows[3]["intensity"].update(value="much")), "intensity: value is 'much'"),
        (lambda r: _rows(r, lambda rows: rows.append([1])), "line 13 is not what stage 6 writes"),
        (lambda r: _record(r, protocol=None), r"run\.json lacks protocol: run stage 5 again"),
        (lambda r: _record(r, protocol=5), r"run\.json is damaged, run stage 5 again: protocol is 5"),
        (lambda r: _record(r, fold="one"), "fold is 'one': it must be a whole number from 1"),
        (lambda r: _record(r, train_speakers=5), "train_speakers is 5: it must be a list"),
    ],
)  # fmt: skip
def test_a_run_that_is_not_whole_is_refused(
    run_dir: Path, tmp_path: Path, change: Callable[[Path], None], said: str
) -> None:
    change(run_dir)
    with pytest.raises(InputError, match=said) as error:
        export_run(run_dir, tmp_path / "model")
    assert "\n" not in str(error.value) and not (tmp_path / "model").exists()


def test_the_card_says_that_the_corpus_was_incomplete(run_dir: Path, tmp_path: Path) -> None:
    write_json(
        tmp_path / "egs/tiny/data/corpus.json", {"root": "x", "missing": "3 utterances, but a complete one has 4"}
    )
    assert export_run(run_dir, tmp_path / "model")["missing"] == "3 utterances, but a complete one has 4"
    assert "**Incomplete corpus: 3 utterances, but a" in (tmp_path / "model/README.md").read_text(encoding="utf-8")
    # A run that was copied to a place less deep than a recipe's has no corpus beside it.
    assert recipe_of(Path("/copy")) == Path("/")


def test_the_best_run_of_an_experiment_is_found(tmp_path: Path) -> None:
    for fold, seed, ua in ((1, 0, 0.5), (2, 0, 0.7), (2, 1, 0.6), (3, 0, 0.6)):
        run_dir = tmp_path / f"fold_{fold}" / f"seed_{seed}"
        run_dir.mkdir(parents=True)
        (run_dir / "run.json").write_text(json.dumps({"best_valid": {"emotion": {"UA": ua, "loss": 1.0}}}))
    assert find_run(tmp_path) == tmp_path / "fold_2" / "seed_0"
    assert find_run(tmp_path, seed=1) == tmp_path / "fold_2" / "seed_1"
    assert find_run(tmp_path, fold=3) == find_run(tmp_path / "fold_3" / "seed_0")
    with pytest.raises(InputError, match="no finished run"):
        find_run(tmp_path, fold=4)
    baseline = tmp_path / "baseline/fold_1/seed_0"
    baseline.mkdir(parents=True)
    (baseline / "run.json").write_text("{}")
    with pytest.raises(InputError, match="a baseline cannot be exported"):
        find_run(tmp_path / "baseline")


def test_a_run_that_was_not_decoded_is_refused(experiment: Experiment, tmp_path: Path) -> None:
    run_dir = Path(shutil.copytree(experiment.run_dir(1, 0), tmp_path / "fold_1" / "seed_0"))
    (run_dir / "valid_predictions.jsonl").unlink()
    with pytest.raises(InputError, match=r"decode first \(stage 6\)"):
        export_run(run_dir, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_temperature_undoes_overconfidence() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 4)) * 2
    true = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    refs = np.array([rng.choice(4, p=p) for p in true])
    sharp = true**3 / (true**3).sum(1, keepdims=True)
    assert fit_temperature(sharp, refs) == pytest.approx(3.0, rel=0.1)
    labels = ["a", "b", "c", "d"]
    answers = [
        CategoryPrediction(labels[ref], labels[p.argmax()], dict(zip(labels, p.tolist(), strict=True)))
        for ref, p in zip(refs, sharp, strict=True)
    ]
    rows = [Prediction(str(i), "s", {"emotion": answer}) for i, answer in enumerate(answers)]
    effect = calibrate(rows[:2000], rows[2000:], "emotion", labels)["test"]
    assert effect["ece_before"] > 0.15 and effect["ece_after"] < 0.05
    assert effect["accuracy_certain"] > effect["accuracy"] + 0.1


def test_norms_are_measured_on_what_is_not_test(tmp_path: Path) -> None:
    t = np.arange(RATE) / RATE
    rows = []
    for i in range(24):
        pitch, gender = (110 * 1.02**i, "M") if i % 2 else (210 * 1.02**i, "F")
        soundfile.write(tmp_path / f"{i}.wav", 0.1 * sum(np.sin(2 * np.pi * k * pitch * t) for k in (1, 2, 3)), RATE)
        recording = {"sources": [{"type": "file", "source": str(tmp_path / f"{i}.wav")}]}
        rows.append(
            {"id": f"{i}", "start": 0.0, "duration": 1.0, "recording": recording, "supervisions": [{"gender": gender}]}
        )
    write_jsonl(tmp_path / "cuts.jsonl.gz", rows)
    spelt = [SequencePrediction(None, ["A"] * (8 + i)) for i in range(6)]
    valid = [Prediction(f"{i}", "s", {"phone": row}) for i, row in enumerate(spelt)]
    norms = measure_norms(tmp_path / "cuts.jsonl.gz", "tones", {"0", "1"}, valid)
    assert norms is not None and norms["num_utterances"] == 22
    for gender, base, first in (("F", 210, 2), ("M", 110, 3)):
        expected = np.log2(base) + np.log2(1.02) * np.arange(first, 24, 2)
        assert norms["pitch"][gender]["mean"] == pytest.approx(expected.mean(), abs=0.01)
        assert norms["pitch"][gender]["std"] == pytest.approx(expected.std(), abs=0.01)
    # Test utterances have no part in the rate either.
    assert norms["rate"] is None
    norms = measure_norms(tmp_path / "cuts.jsonl.gz", "tones", {"23"}, valid)
    assert norms is not None and norms["rate"]["mean"] == pytest.approx(10.5)


def test_calibration_error_and_threshold_by_hand() -> None:
    probs = np.array([[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.4, 0.6]])
    refs = np.array([0, 0, 1, 0])
    # Bins of one kind each: |1 - 0.9| / 2 + |1 - 0.7| / 4 + |0 - 0.6| / 4.
    assert calibration_error(probs, refs) == pytest.approx(0.05 + 0.075 + 0.15)
    assert fit_threshold(probs, refs) == 0.7
    assert fit_threshold(probs[:3], refs[:3]) == 0.0
