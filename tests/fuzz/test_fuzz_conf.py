"""Confs, overrides of them, and the command line of run.sh."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import torch
import yaml
from fuzzing import NUMBERS, WORDS, attempt, examples, json_values, spoilt_bytes, spoilt_json, texts
from hypothesis import given
from hypothesis import strategies as st

from seq.conf import Conf, conf_to_dict, load_conf
from seq.corpora.base import get_reader
from seq.models.model import ModelSpec, SpeechEqModel
from seq.recipe.options import OPTIONS, parse_options
from seq.recipe.plan import resolve_plan
from seq.tasks.base import Outputs
from seq.train.optimizer import learning_rate, make_optimizer
from seq.utils.typed_yaml import flatten

EGS: Final = Path(__file__).resolve().parents[2] / "egs"
CONF: Final = EGS / "ravdess/conf/default.yaml"
KEYS: Final = sorted(flatten(conf_to_dict(load_conf(CONF, [], "scratch"))))
OF_TRAINING: Final = [key for key in KEYS if key.split(".")[0] in ("features", "augment", "model", "train")]
OUTPUTS: Final = {
    "emotion": Outputs("category", ["happy", "sad"]),
    "phone": Outputs("sequence", ["<blk>", "a", "b"]),
}


def is_buildable(conf: Conf) -> bool:
    """Whether its network is small enough to be made here."""
    model = conf.model
    sizes = (model.channels, model.stem_channels, model.feedforward, model.embedding_dim, conf.features.num_filters)
    return max(sizes) <= 512 and model.num_layers <= 8 and model.front_end == "fbank" and model.kernel_size <= 101


def check_conf(conf: Conf) -> None:
    """What is accepted can be trained: the network is made, and hears three frames and three hundred."""
    for progress in (0.0, 0.5, 1.0):
        rate = learning_rate(conf, progress * conf.train.num_epochs)
        assert 0.0 <= rate <= conf.train.learning_rate * (1 + 1e-9)
    if not is_buildable(conf):
        return
    model = SpeechEqModel(ModelSpec(conf.model, conf.features.num_filters, OUTPUTS))
    make_optimizer(model, conf)
    for num_frames in (3, 300):
        features = torch.randn(2, num_frames, conf.features.num_filters)
        output = model(features, torch.tensor([num_frames, num_frames - 1]))
        assert torch.isfinite(output.embedding).all() and output.embedding.shape[0] == 2


@given(
    st.lists(st.tuples(st.sampled_from(OF_TRAINING), st.one_of(texts, json_values.map(str))), min_size=1, max_size=3)
)
@examples(20)
def test_overrides(pairs: list[tuple[str, str]]) -> None:
    overrides = [f"{key}={value}" for key, value in pairs]
    guarded = EGS / "ravdess/conf"
    conf = attempt(lambda: load_conf(CONF, overrides, "scratch"), guarded).answer
    if conf is not None:
        attempt(lambda: check_conf(conf), guarded)


@given(st.data())
@examples(8)
def test_conf_files(data: st.DataObject) -> None:
    whole: Any = yaml.safe_load(CONF.read_text())
    kind = data.draw(st.sampled_from(["values", "values", "bytes", "text"]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "default.yaml"
        if kind == "values":
            path.write_text(yaml.safe_dump(data.draw(spoilt_json(whole)), allow_unicode=True), errors="replace")
        elif kind == "bytes":
            path.write_bytes(data.draw(spoilt_bytes(CONF.read_bytes(), header=4000)))
        else:
            words = st.sampled_from(
                [*WORDS, *NUMBERS[:-8], "\n", "\n  ", ": ", "- ", "corpus:", "&a [*a]", "<<: *a", "? "]
            )
            path.write_text("".join(data.draw(st.lists(words, max_size=12))), errors="replace")
        conf = attempt(lambda: load_conf(path, [], "scratch"), Path(folder)).answer
        if conf is not None:
            # What was read is what is said to have been read.
            assert asdict(conf)["corpus"]["name"] == conf.corpus.name and "/" not in conf.corpus.name
            assert all("/" not in protocol.name for protocol in conf.protocols)


names = st.one_of(st.sampled_from([option.name for option in OPTIONS]), texts)
arguments = st.lists(
    st.one_of(
        st.builds("--{}".format, names),
        st.builds("--{}={}".format, names, texts),
        st.builds("--set={}={}".format, st.sampled_from(KEYS), texts),
        texts,
    ),
    max_size=6,
)


@given(arguments)
@examples(20)
def test_the_command_line_of_a_recipe(given_arguments: list[str]) -> None:
    # The system hands over no NUL.
    given_arguments = [argument.replace("\x00", "") for argument in given_arguments]

    def plan() -> object:
        options, _ = parse_options(given_arguments, CONF, 8, lambda _: get_reader("ravdess").options)
        return resolve_plan(load_conf(options.conf, options.overrides, options.model or None), options)

    attempt(plan, EGS / "ravdess/conf")
