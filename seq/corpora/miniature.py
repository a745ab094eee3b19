"""Write a miniature corpus, and the conf of its recipe cut down to it."""

from __future__ import annotations

import importlib
import os
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Final

from seq.conf import Conf, FoldConf, NameCount, ProtocolConf, Selection, conf_to_dict, load_conf
from seq.corpora.base import Utterance, get_reader
from seq.corpora.layouts.studio import Studio
from seq.errors import InputError
from seq.labels import EMOTION, map_labels
from seq.utils.files import temporary_beside, write_text
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
    speakers = {utterance.speaker for utterance in utterances}
    sentences = {utterance.sentence for utterance in utterances if utterance.sentence is not None}
    corpus = replace(
        conf.corpus,
        num_utterances=len(utterances),
        num_speakers=len(speakers),
        emotion_counts=[NameCount(name, count) for name, count in sorted(emotions.items())],
    )
    return replace(conf, corpus=corpus, protocols=[_cut_protocol(p, speakers, sentences) for p in conf.protocols])


def _cut_protocol(protocol: ProtocolConf, speakers: set[str], sentences: set[str]) -> ProtocolConf:
    """Folds whose test part is empty go; a fold left without valid takes the next fold's test part."""
    if protocol.random is not None:
        dealt = len(speakers) if protocol.random.by == "speaker" else protocol.random.num_folds
        return replace(protocol, random=replace(protocol.random, num_folds=min(protocol.random.num_folds, dealt)))
    folds = []
    for fold in protocol.folds:
        test, valid = (_cut_selection(part, speakers, sentences) for part in (fold.test, fold.valid))
        if test is not None:
            folds.append((test, valid))
    following = [test for test, _ in folds[1:] + folds[:1]]
    return replace(
        protocol, folds=[FoldConf(test, valid or other) for (test, valid), other in zip(folds, following, strict=True)]
    )


def _cut_selection(selection: Selection, speakers: set[str], sentences: set[str]) -> Selection | None:
    """What is left of a selection; None where it would name nobody, or no sentence, any more."""
    left = Selection(
        [name for name in selection.speakers if name in speakers],
        [name for name in selection.sentences if name in sentences],
    )
    if bool(left.speakers) < bool(selection.speakers) or bool(left.sentences) < bool(selection.sentences):
        return None
    return left
