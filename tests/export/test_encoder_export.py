"""A model on a pretrained encoder, out in the world: one graph from samples to answers, without transformers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
import torch
from corpus_builders import speech_like, spoken
from encoder_experiment import encoder_experiment_conf, open_experiment, record_corpus
from tiny_encoders import KINDS, encoder_conf, save_encoder

from seq.audio.reading import MIN_SAMPLES
from seq.conf import FeaturesConf, ModelConf
from seq.decode.run import decode_run
from seq.errors import InputError
from seq.export.int8 import compress_onnx
from seq.export.notices import notices
from seq.export.run import export_run
from seq.export.waveform_model import WaveformModel, load_network, write_onnx
from seq.models.model import ModelSpec, SpeechEqModel
from seq.models.pretrained.cache import describe_encoder, frozen_encoder, hear
from seq.runtime.engine import Engine, Graph, Piece
from seq.runtime.folder import read_model_folder
from seq.runtime.model import Model
from seq.runtime.results import Answer
from seq.tasks.base import Outputs
from seq.train.checkpoint import load_model
from seq.train.experiment import Experiment
from seq.train.run import train_run

pytest.importorskip("transformers")

RATE = 16000
TOLERANCE = 1e-4
# 25 ms, 1 s, 7 s.
LENGTHS = (MIN_SAMPLES, RATE, 7 * RATE)
OUTPUTS = {
    "emotion": Outputs("category", ("neutral", "happy", "sad")),
    "intensity": Outputs("scale", levels=(0.0, 1 / 3, 1.0)),
    "phone": Outputs("sequence", ("<blk>", "A", "B", "C")),
}


def heard_by(model: SpeechEqModel, samples: np.ndarray) -> dict[str, np.ndarray]:
    """What a network says of samples the way that it was trained: through what stage 2 would keep, unrounded."""
    heard = hear(frozen_encoder(model.spec.model.pretrained), samples)
    assert heard.statistics is not None
    with torch.no_grad():
        output = model(heard.feature[None], torch.tensor([len(heard.feature)]), heard.statistics[None])
    return {name: value[0].numpy() for name, value in {**output.numbers, "embedding": output.embedding}.items()}


def assert_parity(graph: Graph, model: SpeechEqModel, lengths: tuple[int, ...] = LENGTHS) -> None:
    for number, length in enumerate(lengths):
        samples = speech_like(length / RATE, RATE, seed=number)
        found = graph.run([samples])
        for name, expected in heard_by(model, samples).items():
            assert found[name][0].shape == expected.shape
            np.testing.assert_allclose(found[name][0], expected, atol=TOLERANCE, err_msg=f"{name} of {length}")


@pytest.mark.parametrize("kind", KINDS)
def test_the_graph_says_what_torch_says_for_every_family(kind: str, tmp_path: Path) -> None:
    conf = ModelConf(front_end="pretrained", encoder="tdnn", channels=16, num_layers=2, kernel_size=3, embedding_dim=16)
    conf.pretrained = encoder_conf(save_encoder(tmp_path / kind, kind))
    spec = describe_encoder(conf.pretrained)
    torch.manual_seed(0)
    model = SpeechEqModel(ModelSpec(conf, 80, OUTPUTS, spec)).eval()
    write_onnx(WaveformModel(model, FeaturesConf()), tmp_path / "model.onnx")
    graph = Graph(tmp_path / "model.onnx")
    assert_parity(graph, model)
    # Two of one length at once.
    pair = [speech_like(0.7, RATE, seed) for seed in (1, 2)]
    together = graph.run(pair)
    for number, samples in enumerate(pair):
        for name, expected in graph.run([samples]).items():
            np.testing.assert_allclose(together[name][number], expected[0], atol=1e-5)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe with an encoder of unknown licence, `whisper`."""
    folder = tmp_path_factory.mktemp("recipe")
    record_corpus(folder)
    # So large that what is no matrix does not count for most.
    save_encoder(folder / "whisper", dim=192)
    return folder


def train(recipe: Path, name: str, **settings: int) -> Experiment:
    conf = encoder_experiment_conf(recipe / "whisper", **settings)
    experiment = open_experiment(recipe, conf, name)
    typed = f"egs/tiny/run.sh --corpus-dir {recipe}/corpus --set model.pretrained.path={recipe}/whisper"
    experiment = replace(experiment, command=typed)
    train_run(experiment, 1, 0)
    decode_run(experiment, 1, 0)
    return experiment


@pytest.fixture(scope="module")
def frozen(recipe: Path) -> Experiment:
    return train(recipe, "frozen")


@pytest.fixture(scope="module")
def model_folder(frozen: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "model"
    export_run(frozen.run_dir(1, 0), folder)
    return folder


@pytest.fixture(scope="module")
def small_folder(frozen: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "small"
    export_run(frozen.run_dir(1, 0), folder, int8=True)
    return folder


def test_pieces_of_any_length_together_are_each_alone(model_folder: Path) -> None:
    engine = Engine(model_folder)
    assert engine.description["features"]["one_length"] is True
    pieces = [Piece(speech_like(seconds, RATE, seed)) for seed, seconds in enumerate((0.5, 1.3, 0.5, 0.02, 2.0))]
    for piece, together in zip(pieces, engine.run(pieces), strict=True):
        (alone,) = engine.run([piece])
        assert together.emotion and alone.emotion and together.intensity and alone.intensity
        assert together.end == alone.end == pytest.approx(len(piece.samples) / RATE)
        assert together.emotion.probs == pytest.approx(alone.emotion.probs, abs=1e-5)
        assert together.intensity.value == pytest.approx(alone.intensity.value, abs=1e-5)
        assert together.phones == alone.phones


def test_adapters_are_merged_and_the_answers_stay(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("peft")
    (recipe / "whisper/README.md").write_text("---\nlicense: apache-2.0\n---\n")
    # A learning rate at which the adapters say something after two epochs.
    experiment = train(recipe, "adapted", trained_layers=2, lora_rank=2)
    (recipe / "whisper/README.md").unlink()
    description = export_run(experiment.run_dir(1, 0), tmp_path / "model")
    names = [initializer.name for initializer in onnx.load(tmp_path / "model/model.onnx").graph.initializer]
    assert names and not any("lora" in name for name in names)
    model, _ = load_model(experiment.run_dir(1, 0))
    adapters = [p for name, p in model.named_parameters() if "lora_B" in name]
    assert len(adapters) == 4 and all(p.abs().max() > 0 for p in adapters)
    assert_parity(Graph(tmp_path / "model/model.onnx"), model)
    # From the folder, training goes on with adapters, not with what they were merged into.
    again = load_network(tmp_path / "model", str(recipe / "whisper"))[0]
    for name, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    assert description["encoder"]["num_upper"] == 3
    assert [line.split(":")[0] for line in notices(description)] == ["`uncertain` was fitted on clean speech alone"]
    card = (tmp_path / "model/README.md").read_text(encoding="utf-8")
    assert "its last layers trained further" in card and "Licence of its weights: apache-2.0." in card
    assert "not known here" not in card
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"is not on this machine.* --set model\.pretrained\.path=DIR"):
        load_network(tmp_path / "model")


def test_a_gain_changes_no_answer(model_folder: Path, small_folder: Path) -> None:
    """Of a short recording, of a long one, and of a stream while it comes; by 8 bits nearly so."""
    short, long = speech_like(1.6, RATE, seed=3), np.concatenate([spoken(4.0, RATE, seed=i) for i in range(5)])
    for folder, tolerance in ((model_folder, 1e-3), (small_folder, 1e-2)):
        model = Model(folder)
        for samples in (short, long):
            expected = model(samples, RATE)
            assert bool(expected.windows) == (samples is long)
            for gain in (0.002, 0.1, 5.0):
                assert_same_answers(model((gain * samples).astype(np.float32), RATE), expected, tolerance)
        streams = model.stream(RATE), model.stream(RATE)
        for start in range(0, len(short), 8000):
            estimates = [
                stream.feed(gain * short[start : start + 8000]) for stream, gain in zip(streams, (1, 0.1), strict=True)
            ]
            assert estimates[0] and estimates[1]
            assert_same_answers(estimates[1], estimates[0], tolerance)


def assert_same_answers(found: Answer, expected: Answer, tolerance: float) -> None:
    assert (found.start, found.end) == (expected.start, expected.end)
    for name in ("emotion", "gender"):
        assert getattr(found, name).probs == pytest.approx(getattr(expected, name).probs, abs=tolerance)
    assert found.intensity.value == pytest.approx(expected.intensity.value, abs=tolerance)


def test_8_bits_are_small_and_their_price_is_measured(
    frozen: Experiment, model_folder: Path, small_folder: Path, recipe: Path
) -> None:
    sizes = [(folder / "model.onnx").stat().st_size for folder in (model_folder, small_folder)]
    assert sizes[1] <= 0.45 * sizes[0]
    description = read_model_folder(small_folder)
    found = description["int8"]
    assert found is not None and found["metric"] == "UA" and found["num_utterances"] == 9
    # By 32 bits: what decoding found, from audio instead of from stage 2's half precision.
    assert found["before"] == pytest.approx(description["scores"]["valid"]["emotion"]["UA"])
    engines = [Engine(folder) for folder in (model_folder, small_folder)]
    answers: list[list[str]] = [[], []]
    for path in sorted((recipe / "corpus").glob("s2-*.wav")):
        samples = soundfile.read(path, dtype="float32")[0]
        for engine, labels in zip(engines, answers, strict=True):
            (answer,) = engine.run([Piece(samples)])
            assert answer.emotion is not None
            labels.append(answer.emotion.label)
    assert found["same_answer"] == pytest.approx(np.mean([a == b for a, b in zip(*answers, strict=True)]))
    assert found["same_answer"] > 0.5
    # It is rounded: the same, and yet not quite.
    samples = speech_like(1.0, RATE, seed=3)
    large, small = (Graph(folder / "model.onnx").run([samples]) for folder in (model_folder, small_folder))
    difference = np.abs(large["embedding"] - small["embedding"]).max()
    assert 1e-6 < difference < 0.2 * np.abs(large["embedding"]).max()
    result = Model(small_folder)(spoken(1.0, RATE, seed=1), RATE)
    assert result.emotion is not None and result.phones is not None
    card = (small_folder / "README.md").read_text(encoding="utf-8")
    assert "## 8 bits" in card and f"{100 * found['before']:.2f} %" in card
    assert any(line.startswith("8 bits: on valid") for line in notices(description))
    assert read_model_folder(model_folder)["int8"] is None
    # What goes on from it is rounded to half precision and no further.
    weights = load_network(small_folder)[0].state_dict()
    for name, value in load_model(frozen.run_dir(1, 0))[0].state_dict().items():
        torch.testing.assert_close(weights[name], value, atol=1e-3, rtol=1e-3)


def test_8_bits_cost_no_advice(model_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    compress_onnx(model_folder / "model.onnx", tmp_path / "small.onnx")
    assert not caplog.records


def test_the_card_names_the_encoder_and_nothing_names_this_machine(model_folder: Path, recipe: Path) -> None:
    description = read_model_folder(model_folder)
    encoder = describe_encoder(encoder_conf(recipe / "whisper", name="tiny/whisper"))
    assert description["encoder"] == encoder.to_dict() and encoder.licence is None
    card = (model_folder / "README.md").read_text(encoding="utf-8")
    assert "tiny/whisper (whisper, frozen)" in card and encoder.sha256 in card
    assert "Licence of its weights: not known." in card and "ask who made them" in card
    assert any("find out whether you may pass them on" in line for line in notices(description))
    for text in (card, (model_folder / "model.json").read_text(encoding="utf-8")):
        assert str(recipe) not in text and "/tmp" not in text and str(Path.home()) + "/" not in text
    assert description["training"]["command"] == (
        "egs/tiny/run.sh --corpus-dir .../corpus --set model.pretrained.path=.../whisper"
    )


def test_an_encoder_that_moved_is_named_anew(frozen: Experiment, recipe: Path, tmp_path: Path) -> None:
    moved = Path(shutil.move(recipe / "whisper", tmp_path / "moved"))
    try:
        with pytest.raises(InputError, match=r"whisper does not exist: .* speecheq export, with --encoder DIR"):
            export_run(frozen.run_dir(1, 0), tmp_path / "model")
        assert not (tmp_path / "model").exists()
        export_run(frozen.run_dir(1, 0), tmp_path / "model", encoder=str(moved))
        Engine(tmp_path / "model")
    finally:
        shutil.move(moved, recipe / "whisper")


def test_streams_and_long_recordings(model_folder: Path, tmp_path: Path) -> None:
    model = Model(model_folder)
    # 25 s: by windows of 10 s, of which the last is shorter.
    samples = speech_like(25.0, RATE, seed=4)
    soundfile.write(tmp_path / "long.wav", samples, RATE, subtype="FLOAT")
    expected = model.predict_file(tmp_path / "long.wav")
    assert len(expected.windows) > 2 and expected.duration == 25.0
    short = spoken(1.5, RATE, seed=5)
    for waveform, wanted in ((samples, expected), (short, model(short, RATE))):
        stream = model.stream(RATE)
        estimates = [stream.feed(chunk) for chunk in np.array_split(waveform, 5)]
        assert any(estimate is not None and estimate.emotion is not None for estimate in estimates)
        found = stream.finish()
        assert found.emotion and wanted.emotion
        assert found.emotion.probs == pytest.approx(wanted.emotion.probs, abs=1e-4)


WITHOUT = """
import json, sys
for name in ("torch", "transformers", "peft", "lhotse"):
    sys.modules[name] = None
import numpy as np
from seq import load
print(json.dumps(load(sys.argv[1])(np.load(sys.argv[2]), 16000).to_dict()))
"""


def test_it_is_used_without_torch_and_transformers(model_folder: Path, tmp_path: Path) -> None:
    samples = spoken(1.0, RATE, seed=6)
    np.save(tmp_path / "samples.npy", samples)
    command = [sys.executable, "-c", WITHOUT, str(model_folder), str(tmp_path / "samples.npy")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    expected = Model(model_folder)(samples, RATE).to_dict()
    assert json.loads(done.stdout) == json.loads(json.dumps(expected))
