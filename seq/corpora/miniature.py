"""Write a miniature corpus, and the conf of its recipe cut down to it."""

from __future__ import annotations

import importlib
import os
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Final

from seq.conf import Conf, NameCount, ProtocolConf, conf_to_dict, load_conf
from seq.corpora.base import Utterance, get_reader
from seq.corpora.layouts.studio import Studio
from seq.errors import InputError
from seq.labels import EMOTION, map_labels
from seq.utils.files import temporary_beside, write_text
from seq.utils.protocol_conf import FoldConf, Selection
from seq.utils.typed_yaml import read_yaml

LAYOUTS: Final = ("casia", "cremad", "emodb", "esd", "iemocap", "mead", "nemo", "ravdess", "seqd")
CONF_NAME: Final = "miniature.yaml"


def write_miniature(layout: str, target: Path, conf_path: Path, seed: int = 1) -> None:
    """Make the miniature of `layout` at `target`, with `target/miniature.yaml` for `run.sh --conf`.

    It appears whole or not at all.

    Args:
        conf_path: the conf of the corpus's recipe.

    Raises:
        InputError: the layout is unknown, `target` is not empty, or espeak-ng is not installed.
    """
    import yaml

    if layout not in LAYOUTS:
        raise InputError(f"--layout {layout}: choose from {', '.join(LAYOUTS)}")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} exists and is not empty: choose another folder")
    conf = load_conf(conf_path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(target)
    temporary.mkdir()
    try:
        importlib.import_module(f"seq.corpora.layouts.{layout}").write(temporary, Studio(seed))
        utterances = list(get_reader(layout).read(temporary, {}))
        small = conf_to_dict(cut_down(conf, utterances))
        small = {key: small[key] for key in read_yaml(conf_path)}
        text = yaml.safe_dump(small, sort_keys=False, allow_unicode=True, width=120)
        write_text(
            temporary / CONF_NAME, f"# {layout} in miniature, by tools/synth_corpus.py: not for results.\n{text}"
        )
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def cut_down(conf: Conf, utterances: list[Utterance]) -> Conf:
    """The conf of a complete corpus for the few utterances of its miniature: counts, and folds of who is there."""
    labels = [map_labels(utterance.id, utterance.raw, conf.corpus) for utterance in utterances]
    emotions = Counter(str(found[EMOTION]) for found in labels if EMOTION in found)
    present = Selection(
        speakers=sorted({utterance.speaker for utterance in utterances}),
        sentences=sorted({utterance.sentence for utterance in utterances if utterance.sentence is not None}),
        utterances=sorted({utterance.id for utterance in utterances}),
    )
    corpus = replace(
        conf.corpus,
        num_utterances=len(utterances),
        min_utterances=None,
        num_speakers=len(present.speakers),
        emotion_counts=[NameCount(name, count) for name, count in sorted(emotions.items())],
    )
    return replace(conf, corpus=corpus, protocols=[_cut_protocol(protocol, present) for protocol in conf.protocols])


def _cut_protocol(protocol: ProtocolConf, present: Selection) -> ProtocolConf:
    """Folds whose test part is empty go; a fold left without valid takes the next fold's test part."""
    if protocol.random is not None:
        dealt = len(present.speakers) if protocol.random.by == "speaker" else protocol.random.num_folds
        return replace(protocol, random=replace(protocol.random, num_folds=min(protocol.random.num_folds, dealt)))
    folds = []
    for fold in protocol.folds:
        test, valid = (_cut_selection(part, present) for part in (fold.test, fold.valid))
        train = fold.train and (_cut_selection(fold.train, present) or Selection())
        if test is not None:
            folds.append((test, valid, train))
    following = [test for test, *_ in folds[1:] + folds[:1]]
    cut = [FoldConf(test, valid or other, train) for (test, valid, train), other in zip(folds, following, strict=True)]
    return replace(protocol, folds=cut)


def _cut_selection(selection: Selection, present: Selection) -> Selection | None:
    """What is left of a selection; None where one of its lists would name nobody any more."""
    left = {name: [item for item in names if item in vars(present)[name]] for name, names in vars(selection).items()}
    if any(names and not left[name] for name, names in vars(selection).items()):
        return None
    return Selection(**left)
