"""Known speakers: the arithmetic against SciPy; from recordings to `predict --speaker` on a tiny encoder's model."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from corpus_builders import speech_like
from encoder_experiment import encoder_experiment_conf, open_experiment, record_corpus
from scipy.special import softmax
from scipy.stats import norm
from tiny_encoders import save_encoder

from seq import load
from seq.audio.level import normalise_level
from seq.cli import main
from seq.decode.run import decode_run
from seq.errors import InputError
from seq.export.run import export_run
from seq.export.speakers import Head, choose_strengths, training_speakers
from seq.export.waveform_model import WaveformModel, load_waveform_model
from seq.runtime.engine import Engine
from seq.runtime.enrolment import read_enrolment, write_enrolment
from seq.runtime.folder import description_digest, read_model_folder
from seq.runtime.speakers import Adaptation, Clips, Strengths, TrainingSpeakers, summarise_clips
from seq.score.draws import Labelled, draw_clips, halves
from seq.train.run import train_run

RATE = 16000
CLASSES = ("neutral", "happy", "sad")
rng = np.random.default_rng(0)
TRAINING = TrainingSpeakers(
    rng.normal(size=6), rng.uniform(0.5, 2.0, 6), {name: rng.normal(size=6) for name in CLASSES}
)
BELIEVED = Strengths(mean=4.0, deviation=8.0, prototype=2.0, weight=3.0)


def test_a_shifted_speaker_gets_the_training_statistics_and_nothing_changes_nothing() -> None:
    vectors = np.random.default_rng(1).normal(5.0, 3.0, (20000, 6))
    many = Adaptation(TRAINING, BELIEVED, summarise_clips(vectors))
    mapped = vectors + many.shift(vectors)
    np.testing.assert_allclose(mapped.mean(0), TRAINING.mean, atol=5e-3)
    np.testing.assert_allclose(mapped.std(0), TRAINING.deviation, rtol=2e-3)
    for strengths, clips in (
        (BELIEVED, summarise_clips(np.zeros((0, 6)))),
        (Strengths(), summarise_clips(vectors, ["sad"] * len(vectors))),
    ):
        nothing = Adaptation(TRAINING, strengths, clips)
        assert (nothing.shift(vectors) == 0.0).all() and (nothing.class_shift(vectors) == 0.0).all()
    # Two clips: the mean counts 2 of 6, the deviation 1 of 9.
    clips = summarise_clips(vectors[:2])
    few = Adaptation(TRAINING, BELIEVED, clips)
    mean = (2 * vectors[:2].mean(0) + 4 * TRAINING.mean) / 6
    variance = (vectors[:2].var(0, ddof=1) + 8 * TRAINING.deviation**2) / 9
    expected = TRAINING.mean + TRAINING.deviation / np.sqrt(variance) * (vectors[7] - mean)
    np.testing.assert_allclose(vectors[7] + few.shift(vectors[7]), expected)


def test_a_prototype_is_a_likelihood_ratio_of_its_own_class() -> None:
    vectors = np.random.default_rng(2).normal(size=(5, 6))
    clips = summarise_clips(vectors, [None, "sad", None, "sad", None])
    adaptation = Adaptation(TRAINING, replace(BELIEVED, mean=None, deviation=None), clips)
    x = np.random.default_rng(3).normal(size=6)
    own = (2 * vectors[[1, 3]].mean(0) + 2 * TRAINING.classes["sad"]) / 4
    ratio = norm.logpdf(x, own, TRAINING.deviation) - norm.logpdf(x, TRAINING.classes["sad"], TRAINING.deviation)
    np.testing.assert_allclose(adaptation.class_shift(x), [0.0, 0.0, 3.0 / 6 * ratio.sum()], atol=1e-12)


def corpus(speakers: range, spread: float) -> tuple[dict[str, np.ndarray], list[Labelled]]:
    """Three classes along three dimensions, and speakers who are off by `spread` there."""
    draw = np.random.default_rng(speakers.start)
    vectors, items = {}, []
    for speaker in speakers:
        offset = draw.normal(0, spread, 6)
        for label in (0, 1, 2):
            for i in range(18):
                item = Labelled(f"{speaker}-{label}-{i}", str(speaker), label)
                vectors[item.id] = 1.5 * np.eye(6)[label] + offset + draw.normal(0, 0.5, 6)
                items.append(item)
    return vectors, items


def test_strengths_are_chosen_where_speakers_differ_and_not_where_they_do_not() -> None:
    head = Head(4.0 * np.eye(6)[:3], np.zeros(3))
    for spread, moves in ((1.0, True), (0.0, False)):
        vectors, items = corpus(range(6), spread=0.0)
        training = training_speakers(vectors, items, CLASSES)
        np.testing.assert_allclose(training.classes["happy"], 1.5 * np.eye(6)[1], atol=0.2)
        valid = corpus(range(10, 13), spread)
        found = choose_strengths(training, head, *valid)
        assert found is not None and (found.mean in (4.0, 8.0)) == moves
        assert choose_strengths(training, head, valid[0], valid[1][:2]) is None


def test_what_is_scored_is_never_drawn() -> None:
    _, items = corpus(range(1), 0.0)
    scored, pool = halves(items[:-1], "0")
    assert {item.id for item in scored}.isdisjoint(item.id for item in pool) and len(scored) + len(pool) == 53
    assert [sum(item.label == n for item in pool) for n in range(3)] == [9, 9, 8]
    assert draw_clips(pool, 24, 3, "0")[:8] == draw_clips(pool[::-1], 8, 3, "0") != draw_clips(pool, 8, 4, "0")


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model on a tiny encoder that believes clips."""
    pytest.importorskip("transformers")
    recipe = tmp_path_factory.mktemp("recipe")
    record_corpus(recipe)
    experiment = open_experiment(recipe, encoder_experiment_conf(save_encoder(recipe / "whisper"), num_epochs=1))
    shutil.copytree(experiment.folds_dir, recipe / "data/folds/tiny")
    train_run(experiment, 1, 0)
    decode_run(experiment, 1, 0)
    folder = recipe / "model"
    speakers = export_run(experiment.run_dir(1, 0), folder)["speakers"]
    # What stage 2 keeps is half as precise.
    torch_model = load_waveform_model(folder, str(recipe / "whisper"))
    heard: dict[str, list[np.ndarray]] = {}
    for path in sorted((recipe / "corpus").glob("s[01]-*.wav")):
        heard.setdefault(path.name[:2], []).append(by_torch(torch_model, path))
    means, variances = ([getattr(np.stack(rows), what)(0) for rows in heard.values()] for what in ("mean", "var"))
    assert speakers is not None and speakers["num_speakers"] == 2 and speakers["num_utterances"] == 18
    np.testing.assert_allclose(speakers["mean"], np.mean(means, 0), atol=5e-3)
    np.testing.assert_allclose(speakers["deviation"], np.sqrt(np.mean(variances, 0) * 9 / 8), atol=5e-3)
    sign(folder, strengths=vars(BELIEVED))
    return folder


def by_torch(model: WaveformModel, path: Path) -> np.ndarray:
    """The vector of a file that has no silence around it, by torch."""
    samples = torch.from_numpy(normalise_level(soundfile.read(path, dtype="float32")[0]))
    with torch.no_grad():
        return model(samples[None], torch.tensor([len(samples)]))[-1][0].numpy()


def sign(folder: Path, **changes: object) -> None:
    """Change what a model says of its training speakers."""
    description = json.loads((folder / "model.json").read_text())
    description["speakers"] |= changes
    (folder / "model.json").write_text(json.dumps({**description, "sha256": description_digest(description)}))


def test_the_vectors_are_torchs(model_folder: Path, tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    shutil.copytree(model_folder.parent / "corpus", clips, ignore=lambda _, names: [n for n in names if n[:2] != "s3"])
    soundfile.write(clips / "z-long.wav", speech_like(24.0, RATE, 5, 150.0), RATE)
    (clips / "broken.wav").write_bytes(b"RIFF")
    out = tmp_path / "vectors.npz"
    assert main(["predict", str(model_folder), str(clips), "--embeddings", str(out), "--out", str(tmp_path / "o")]) == 1
    with np.load(out, allow_pickle=False) as found:
        assert found["paths"].tolist() == found["ids"].tolist() and found["embeddings"].dtype == np.float32
        rows = dict(zip(found["paths"].tolist(), found["embeddings"], strict=True))
    assert len(rows) == 10 and not any("broken" in path for path in rows)
    torch_model = load_waveform_model(model_folder, str(model_folder.parent / "whisper"))
    model = load(model_folder)
    for path, vector in rows.items():
        result = model.predict_file(path)
        assert result.embedding is not None and "embedding" not in result.to_dict()
        np.testing.assert_allclose(vector, result.embedding, atol=1e-5)
        if not result.windows and (result.start, result.end) == (0.0, result.duration):
            np.testing.assert_allclose(vector, by_torch(torch_model, Path(path)), atol=1e-4)
    long = model.predict_file(clips / "z-long.wav")
    assert len(long.windows) == 4
    # Windows of 10 s every 5 s, the last one ending with the speech: each counts up to the middle of what two share.
    starts, ends = ([getattr(one, end) for one in long.windows] for end in ("start", "end"))
    edges = [starts[0], *((a + b) / 2 for a, b in zip(ends, starts[1:], strict=False)), ends[-1]]
    expected = np.average([one.embedding for one in long.windows], axis=0, weights=np.diff(edges))
    np.testing.assert_allclose(long.embedding, expected, atol=1e-5)


def test_from_recordings_to_an_answer_that_knows_the_speaker(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    own = sorted((model_folder.parent / "corpus").glob("s3-*.wav"))
    table = tmp_path / "labels.csv"
    rows = [
        f"{path},{speaker},{label}\n" for path, speaker, label in ((own[0], "anna", "joy"), (own[1], "bert", "sad"))
    ]
    table.write_text("path,speaker,emotion\n" + "".join(rows))
    clips = [str(path) for path in own[:6]]
    asked = ["enroll", str(model_folder), "--speaker", "anna", *clips, "--labels", str(table), "--map", "joy=happy"]
    assert main(asked) == 0
    assert "6 clips of anna, labelled: happy 1" in capsys.readouterr().out
    by_folder = tmp_path / "clips"
    (by_folder / "happy").mkdir(parents=True)
    for number, path in enumerate(own[:6]):
        shutil.copy(path, by_folder / "happy" if number == 0 else by_folder)
    assert main(["enroll", str(model_folder), str(by_folder), "--speaker", "b", "--by-folder", "--jobs", "2"]) == 0
    files = [json.loads((tmp_path / f"{name}.speaker.json").read_text()) for name in ("anna", "b")]
    assert files[0]["number"] == files[1]["number"] == 6 and files[1]["prototypes"].keys() == {"happy"}
    np.testing.assert_allclose(files[0]["mean"], files[1]["mean"], atol=1e-5)

    # What the network's own heads say of the normalised vector, and the prototype beside them.
    description = read_model_folder(model_folder)
    speakers = description["speakers"]
    assert speakers is not None
    training = TrainingSpeakers(
        np.array(speakers["mean"]),
        np.array(speakers["deviation"]),
        {name: np.array(speakers["classes"][name]) for name in CLASSES},
    )
    adaptation = Adaptation(training, BELIEVED, read_enrolment(tmp_path / "anna.speaker.json", description))
    heads = load_waveform_model(model_folder, str(model_folder.parent / "whisper")).model.heads.double()
    plain, known = load(model_folder), load(model_folder, speaker=tmp_path / "anna.speaker.json")
    for path in own[6:]:
        before, after = plain.predict_file(path), known.predict_file(path)
        assert before.embedding is not None and after.embedding is not None and before.emotion and after.emotion
        assert (before.embedding == after.embedding).all()
        vector = before.embedding.astype(np.float64)
        moved = torch.from_numpy(vector + adaptation.shift(vector))
        logits = heads["emotion"](moved).detach().numpy() + adaptation.class_shift(vector)
        expected = softmax(logits / description["calibration"]["emotion"]["temperature"])
        assert list(after.emotion.probs.values()) == pytest.approx(expected.tolist(), abs=1e-4)
        assert before.emotion.probs != after.emotion.probs
        # Whether a woman or a man speaks is what a speaker's own mean would take away; sounds are heard frame by frame.
        assert before.gender == after.gender and before.phones == after.phones
        assert before.intensity != after.intensity

    # Nothing heard: the plain answer, bit for bit.
    write_enrolment(tmp_path / "nobody.json", "nobody", description, summarise_clips(np.zeros((0, 16))))
    nobody = load(model_folder, speaker=tmp_path / "nobody.json")
    assert nobody.predict_file(own[7]) == plain.predict_file(own[7])
    assert main(["predict", str(model_folder), str(own[7]), "--speaker", "anna.speaker.json", "--out", "a"]) == 0
    row = json.loads((tmp_path / "a").read_text())
    assert row["emotion"]["label"] == known.predict_file(own[7]).emotion.label


def test_a_model_of_8_bits_knows_speakers_too(model_folder: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    export_run(model_folder.parent / "exp/tiny/fold_1/seed_0", small, int8=True)
    sign(small, strengths=vars(BELIEVED))
    own = sorted((model_folder.parent / "corpus").glob("s3-*.wav"))
    vectors = [load(model_folder).predict_file(path).embedding for path in own[:6]]
    clips = summarise_clips(np.array(vectors), ["sad", None] * 3)
    answers = []
    for folder in (model_folder, small):
        path = tmp_path / f"{folder.name}.json"
        write_enrolment(path, "anna", read_model_folder(folder), clips)
        answers.append(load(folder, speaker=path).predict_file(own[8]))
        write_enrolment(path, "nobody", read_model_folder(folder), summarise_clips(np.zeros((0, 16))))
        assert load(folder, speaker=path).predict_file(own[8]) == load(folder).predict_file(own[8])
    # Of so small a network 8 bits leave the gist.
    assert np.corrcoef(answers[0].embedding, answers[1].embedding)[0, 1] > 0.98
    assert answers[0].emotion.probs == pytest.approx(answers[1].emotion.probs, abs=0.05)


def test_what_does_not_fit_is_one_sentence(model_folder: Path, tmp_path: Path) -> None:
    description = read_model_folder(model_folder)
    clips = Clips(2, np.zeros(16), np.ones(16), {"happy": (1, np.zeros(16))})
    path = tmp_path / "anna.json"
    write_enrolment(path, "anna", description, clips)
    again = read_enrolment(path, description)
    assert again.number == 2 and (again.deviation == 1).all() and again.prototypes["happy"][0] == 1
    other = Path(shutil.copytree(model_folder, tmp_path / "other"))
    sign(other, num_utterances=17)
    for folder, file, message in (
        (other, path, "was made with another model .*: enroll anna again"),
        (model_folder, tmp_path / "none.json", "is not a file: write one with `speecheq enroll"),
        (model_folder, model_folder / "model.json", "is not what this version of speecheq enroll writes"),
        (model_folder, model_folder / "model.onnx", "is not what this version of speecheq enroll writes"),
    ):
        with pytest.raises(InputError, match=message):
            load(folder, speaker=file)
    write_enrolment(path, "anna", description, Clips(1, np.zeros(3), np.zeros(3)))
    with pytest.raises(InputError, match="is damaged: enroll the speaker again"):
        load(model_folder, speaker=path)
    wav = str(model_folder.parent / "corpus/s3-sad-0.wav")
    for arguments, message in (
        ([wav, "--speaker", "a/b"], "has a slash: choose another name"),
        (["--speaker", "a"], "there are no clips: name audio files"),
        (
            [wav, str(tmp_path / "none.wav"), "--speaker", "a"],
            "1 of 2 clips cannot be heard, the first one: .*none.wav",
        ),
        ([wav, "--speaker", "a", "--by-folder"], "has the label 'corpus', .* --map corpus=CATEGORY"),
        ([wav, "--speaker", "a", "--labels", str(tmp_path / "no.csv")], "is not a file: name a CSV file"),
        ([wav, "--speaker", "a", "--out", wav], "is read by the same command"),
    ):
        with pytest.raises(InputError, match=message):
            main(["enroll", str(model_folder), *arguments])
    engine = Engine(model_folder)
    del engine.graph.sizes["embedding"]
    with pytest.raises(InputError, match="does not give the vector of an utterance: export the model again"):
        engine.check_embedding()
    sign(other)
    broken = json.loads((other / "model.json").read_text())
    broken["speakers"] = None
    (other / "model.json").write_text(json.dumps({**broken, "sha256": description_digest(broken)}))
    with pytest.raises(InputError, match="does not say what its training speakers are like"):
        main(["enroll", str(other), wav, "--speaker", "a"])
