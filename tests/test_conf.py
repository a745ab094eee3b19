"""The conf: a model's file under a recipe's conf under --set, and the values that they have always given."""

from __future__ import annotations

import copy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from seq.conf import Conf, CorpusConf, conf_from_dict, conf_to_dict, load_conf, read_conf
from seq.errors import InputError
from seq.recipe.recipe import Recipe
from seq.utils import model_conf
from seq.utils.model_conf import MODEL_SECTIONS, model_names, read_model
from seq.utils.typed_yaml import apply_override, flatten

ROOT = Path(__file__).parents[1]
# What the recipes trained with before models had files of their own (b9e1bd6); results were measured with these.
SCRATCH: dict[str, dict[str, Any]] = {
    "features": {"extractor": "kaldi-fbank", "num_filters": 80, "trim": True},
    "augment": {
        "tempo": 0.2, "frequency_warp": 0.1, "gain_db": 6.0, "time_masks": 2, "time_mask_frames": 20,
        "frequency_masks": 2, "frequency_mask_bins": 10, "speed_prob": 1.0, "speed": 0.12, "noise_prob": 0.0,
        "noise_snr_low": 10.0, "noise_snr_high": 30.0, "mix_prob": 0.0, "mix_alpha": 0.5,
        "on_the_fly": False, "speeds": [1.0],
        "noise_dir": "", "room_prob": 0.0, "band_prob": 0.0, "copies": 0, "copy_prob": 0.5,
    },
    "model": {
        "encoder": "conformer", "subsampling": 4, "stem_channels": 32, "channels": 128, "num_layers": 4,
        "kernel_size": 15, "num_heads": 4, "feedforward": 384, "embedding_dim": 128, "dropout": 0.1,
        "head_dropout": 0.3,
        "members": 1, "adapter_dim": 0, "front_end": "fbank", "statistics_layers": [], "statistics_dropout": 0.3,
        "pretrained": {
            "name": "", "revision": "main", "path": "", "trained_layers": 0, "lora_rank": 0, "lora_alpha": 16,
            "lora_modules": [], "learning_rate": 1e-4,
        },
    },
    "ctc": {"backend": "auto"},
    "train": {
        "num_epochs": 40, "batch_duration": 40.0, "learning_rate": 2e-3, "weight_decay": 0.05, "warmup_epochs": 3.0,
        "gradient_clip": 5.0, "label_smoothing": 0.1, "loss_scales": {},
        "class_balance": 1.0, "average_epochs": 5, "average_period": 1,
        "teacher": "", "teacher_weight": 1.0, "teacher_temperature": 2.0, "teacher_statistics": 0.0,
        "select_by": "loss", "early_stop_epochs": 0, "precision": "auto", "num_threads": 1, "num_workers": 0,
        "save_every_batches": 0, "keep_last_k": 10, "keep_all_epochs": False,
    },
}  # fmt: skip
SMALL: dict[str, dict[str, Any]] = {
    "augment": {"time_masks": 1, "frequency_masks": 1, "speed_prob": 0.0},
    "model": {
        "encoder": "tdnn", "subsampling": 2, "stem_channels": 16, "channels": 96, "num_layers": 6, "kernel_size": 7,
        "feedforward": 256,
    },
    "train": {"num_epochs": 24, "average_epochs": 3, "warmup_epochs": 2.0, "batch_duration": 20.0},
}  # fmt: skip
CORPUS = "corpus: {name: toy, reader: toy}\nprotocols: [{name: p, description: d, emotions: [happy]}]\n"


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    path = tmp_path / "default.yaml"
    path.write_text(CORPUS)
    return path


@pytest.mark.parametrize("recipe", sorted(path.parents[1].name for path in ROOT.glob("egs/*/conf/default.yaml")))
def test_every_recipe_trains_its_model_and_from_scratch_what_it_always_has(recipe: str) -> None:
    conf = load_conf(ROOT / "egs" / recipe / "conf/default.yaml")
    english = {"ravdess", "cremad", "iemocap", "mead"}
    default = "small" if recipe == "synth" else "whisper-tiny.en-robust" if recipe in english else "whisper-tiny-robust"
    assert conf.model_name == default
    other = SMALL if recipe == "synth" else {}
    values = conf_to_dict(load_conf(ROOT / "egs" / recipe / "conf/default.yaml", model=None if other else "scratch"))
    for section in MODEL_SECTIONS:
        assert values[section] == SCRATCH[section] | other.get(section, {}), section


def test_scratch_names_every_key_with_its_default() -> None:
    defaults = asdict(Conf(CorpusConf("toy", "toy"), []))
    assert read_model("scratch") == {section: defaults[section] for section in MODEL_SECTIONS}


def test_set_goes_over_the_conf_and_the_conf_over_the_model(toy: Path) -> None:
    toy.write_text(CORPUS + "model_name: small\ntrain: {num_epochs: 5, batch_duration: 7.0}\n")
    conf = load_conf(toy, ["train.batch_duration=9", "model.channels=8"])
    train = conf.train
    assert (train.average_epochs, train.num_epochs, train.batch_duration) == (3, 5, 9.0)
    assert (conf.model.encoder, conf.model.channels) == ("tdnn", 8)
    other = load_conf(toy, ["train.batch_duration=9"], "scratch")
    assert (other.model_name, other.model.encoder, other.train.average_epochs) == ("scratch", "conformer", 5)
    assert (other.train.num_epochs, other.train.batch_duration) == (5, 9.0)


def test_a_conf_that_was_written_is_read_again(toy: Path) -> None:
    conf = load_conf(toy, [], "small")
    assert conf_from_dict(conf_to_dict(conf)) == conf and conf_to_dict(conf)["model_name"] == "small"


def test_a_model_file_is_a_model_and_nothing_else(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_conf, "MODELS", tmp_path / "models")
    (tmp_path / "models").mkdir()
    for section in ("corpus", "protocols", "unified", "lang", "modle"):
        (tmp_path / f"models/{section}.yaml").write_text(f"model: {{}}\n{section}: {{}}\n")
        with pytest.raises(InputError, match=rf"local/conf/{section}\.yaml has the section {section}: a model is"):
            read_conf(toy, [], section)
    assert model_names() == ["corpus", "lang", "modle", "protocols", "unified"]
    with pytest.raises(InputError, match=r"--model \.\./default: .* choose from corpus, lang, "):
        read_conf(toy, [], "../default")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("corpus.name=../x", r"corpus\.name, '\.\./x', has a slash"),
        ("corpus.name=..", r"corpus\.name, '\.\.', begins with a dot"),
        ("corpus.name=''", r"corpus\.name, '', is empty"),
        (f"corpus.name={'é' * 101}", r"has 202 bytes, and 200 at most"),
        ('corpus.name="a\\rb"', r"has a control character"),
        ("protocols=[{name: ../../x, description: d, emotions: [happy]}]", r"protocol, '\.\./\.\./x', has a slash"),
    ],
)
def test_names_that_would_lie_elsewhere_are_refused(toy: Path, override: str, said: str) -> None:
    with pytest.raises(InputError, match=rf"^conf .*default\.yaml: .*{said}.*: it names files, so choose another$"):
        load_conf(toy, [override])


def test_an_experiment_lies_below_exp(toy: Path, tmp_path: Path) -> None:
    """Whoever names it: the commands beside the runner, too."""
    conf = load_conf(toy)
    recipe = Recipe(tmp_path, conf, conf.protocols[0])
    assert recipe.exp_dir("small_p_emotion+phone") == tmp_path / "exp/small_p_emotion+phone"
    for name in ("../x", "..", "/tmp/x", "a/b", ""):
        with pytest.raises(InputError, match=r"^the name of the experiment, '.*', (has a slash|begins with|is empty)"):
            recipe.exp_dir(name)


def models(folder: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> None:
    """Let local/conf hold these files."""
    monkeypatch.setattr(model_conf, "MODELS", folder / "models")
    (folder / "models").mkdir()
    for name, text in files.items():
        (folder / f"models/{name}.yaml").write_text(text)


def test_a_model_that_extends_another_says_what_differs(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = (
        "model: {channels: 8, pretrained: {name: a/b, lora_rank: 1, trained_layers: 1}}\n"
        "augment: {speeds: [0.9, 1.1]}\n"
    )
    second = "extends: first\nmodel: {channels: 16, pretrained: {lora_rank: 2}}\n"
    third = "extends: second\nmodel: {pretrained: {lora_alpha: 3}}\naugment: {speeds: [1.0]}\n"
    models(tmp_path, monkeypatch, first=first, second=second, third=third)
    toy.write_text(CORPUS + "model: {num_layers: 5}\n")
    conf = load_conf(toy, ["model.pretrained.revision=v1"], "third")
    found = conf.model.pretrained
    assert (found.name, found.lora_rank, found.lora_alpha, found.revision) == ("a/b", 2, 3, "v1")
    # Lists are replaced, not joined; the name is that of the file that was asked for.
    assert (conf.model.channels, conf.model.num_layers, conf.augment.speeds) == (16, 5, [1.0])
    assert conf.model_name == "third"
    assert load_conf(toy, [], "second").augment.speeds == [0.9, 1.1]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"one": "extends: none\n"}, r"^local/conf/one\.yaml extends none: there is no such file .* choose from one$"),
        ({"one": "extends: one\n"}, r"^local/conf/one\.yaml extends one, which extends it in turn: "),
        ({"one": "extends: two\n", "two": "extends: one\n"}, r"^local/conf/two\.yaml extends one, which extends it in"),
        ({"one": "extends: two\n", "two": "corpus: {}\n"}, r"^local/conf/two\.yaml has the section corpus"),
        ({"one": "extends: [two]\n", "two": ""}, r"^local/conf/one\.yaml extends \['two'\]: there is no such file"),
    ],
)
def test_a_model_that_cannot_be_extended_is_one_sentence(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], said: str
) -> None:
    models(tmp_path, monkeypatch, **files)
    with pytest.raises(InputError, match=said) as error:
        read_conf(toy, [], "one")
    assert "\n" not in str(error.value)


# Of every number of the conf, some that it cannot be, and of every pair of keys that belong together.
IMPOSSIBLE = """
features.num_filters=0 features.num_filters=100000 features.num_filters=null features.trim=1 augment.tempo=1
augment.tempo=5 augment.tempo=-0.1 augment.frequency_warp=1 augment.gain_db=-1 augment.gain_db=.inf
augment.time_masks=-1 augment.time_masks=1000000000 augment.time_mask_frames=-1 augment.frequency_masks=-1
augment.frequency_mask_bins=-1 augment.speed_prob=1.1 augment.speed=2 augment.speed=1 augment.noise_prob=-0.1
augment.room_prob=1.1 augment.band_prob=-1 augment.copies=-1 augment.copies=101 augment.copy_prob=2
augment.noise_snr_low=-1e9 augment.noise_snr_high=.nan
augment.mix_prob=1.1 augment.mix_prob=-0.1 augment.mix_alpha=0 augment.mix_alpha=1e308
augment.speeds=null augment.speeds=[0] augment.speeds=[3.0]
augment.speeds=1.0 model.pretrained.trained_layers=-1 model.pretrained.lora_rank=-1 model.pretrained.lora_alpha=0
model.pretrained.lora_modules=null model.pretrained.learning_rate=-1 model.pretrained.name=5 model.pretrained=null
model.statistics_layers=[-1] model.statistics_layers=null model.statistics_dropout=1 model.subsampling=3
augment.mix_prob=2 augment.mix_alpha=0 model.adapter_dim=-1
model.subsampling=true model.stem_channels=0 model.channels=0 model.channels=1000000 model.num_layers=0
model.kernel_size=4 model.kernel_size=-1 model.num_heads=0 model.feedforward=0 model.embedding_dim=0 model.members=0
model.dropout=2 model.dropout=-0.1 model.head_dropout=1 model.front_end=null ctc.backend=k3 train.num_epochs=0
train.num_epochs=-1 train.num_epochs=null train.num_epochs=2.5 train.num_epochs=.inf train.batch_duration=0
train.batch_duration=null train.learning_rate=.nan train.learning_rate=-1 train.weight_decay=-1 train.warmup_epochs=-1
train.gradient_clip=0 train.label_smoothing=1 train.loss_scales=null train.loss_scales={emotion:-1}
train.class_balance=2 train.average_epochs=0 train.average_period=0 train.teacher=null train.teacher_weight=-1
train.teacher_temperature=0 train.teacher_statistics=-1 train.early_stop_epochs=-1 train.num_threads=0
train.num_threads=100000 train.num_workers=-1 train.num_workers=100000 train.save_every_batches=-1 train.keep_last_k=0
train.keep_all_epochs=null lang.vocab_size=0 decode.bigram_scale=-1 unified.balance=2 unified.corpora=null
corpus.num_utterances=0 corpus.num_speakers=-1 corpus.emotions=null corpus.scales=null protocols=null protocols=[null]
"""


def test_a_value_that_a_key_cannot_have_is_named(toy: Path) -> None:
    whole = read_conf(toy, [])
    for override in IMPOSSIBLE.split():
        raw, key = copy.deepcopy(whole), override.partition("=")[0]
        # A mapping takes a space.
        apply_override(raw, override.replace(":-", ": -"))
        with pytest.raises(InputError, match=rf"^conf: {key}[\w.\[\]]* is .*: it must be ") as error:
            conf_from_dict(raw, "conf")
        assert "\n" not in str(error.value) and len(str(error.value)) < 300


def test_every_number_of_the_conf_has_bounds() -> None:
    """A key that is added is either bounded or of a kind that has no wrong values."""
    tried = {override.partition("=")[0] for override in IMPOSSIBLE.split()}
    conf = asdict(Conf(CorpusConf("toy", "toy"), []))
    values = flatten({section: conf[section] for section in (*MODEL_SECTIONS, "lang", "decode")})
    numbers = {key for key, value in values.items() if type(value) in (int, float)}
    assert numbers <= tried, numbers - tried


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["model.members=3"], r"model\.members is 3: it must divide model\.embedding_dim, which is 128"),
        (["model.num_heads=3"], r"model\.num_heads is 3: twice that must divide model\.channels, which is 128"),
        (["model.channels=7", "model.num_heads=1"], r"model\.num_heads is 1: twice that must divide .* is 7"),
        (["augment.frequency_mask_bins=81"], r"augment\.frequency_mask_bins is 81: features\.num_filters are no more"),
        (["augment.noise_snr_low=40"], r"augment\.noise_snr_low is 40, above augment\.noise_snr_high, which is 30"),
        (
            ["augment.mix_prob=0.1", "model.front_end=pretrained"],
            r"augment\.mix_prob mixes filter banks, which a network",
        ),
        (["augment.speeds=[]"], r"augment\.speeds is empty"),
        (
            ["model.pretrained.lora_rank=8"],
            r"model\.pretrained\.lora_rank is set and trained_layers is 0: say in how many",
        ),
        (
            ["corpus.scales={valence: {low: 5, high: 1}}"],
            r"corpus\.scales has a low of 5: it must be below its high, 1",
        ),
    ],
)
def test_values_that_do_not_go_together_are_named(toy: Path, overrides: list[str], said: str) -> None:
    with pytest.raises(InputError, match=rf"^conf .*default\.yaml: {said}"):
        load_conf(toy, overrides)
    raw = conf_to_dict(load_conf(toy))
    for override in overrides:
        apply_override(raw, override)
    # A conf that is opened again, of a checkpoint or a model folder.
    with pytest.raises(InputError, match=f"^the model's conf: {said}"):
        conf_from_dict(raw, "the model's conf")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epochs=3", "epochs"),
        ("train.num_epochs=many", "num_epochs"),
        ("nothing", "write it as section.key=value"),
        ("train.num_epochs=[", "not valid YAML"),
        ("corpus.name.x=1", "name is not a section"),
    ],
)
def test_wrong_overrides_are_named(toy: Path, override: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_conf(toy, [override])
