"""Stages 0 to 2 of egs/unified: the manifests and features of sibling recipes, one after the other, as one corpus.

Utterance ids stay as they are, so that predictions can be compared one by one with those of a single corpus; two
corpora with the same id are an error. Speakers and sentences get their corpus as a prefix ("ravdess:01"), since every
corpus numbers its own. Labels were mapped by the sibling: a corpus that does not rate intensity stays unlabelled.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any

from seq.conf import Conf
from seq.corpora.copies import find_copies, warn_of_copies
from seq.corpora.record import read_corpus_json
from seq.errors import InputError
from seq.labels import EMOTION
from seq.models.pretrained.spec import ENCODER_JSON, encoder_folder, read_encoder_json
from seq.recipe.siblings import Sibling, open_siblings
from seq.utils.files import atomic_path, read_jsonl, write_json, write_jsonl

Cut = dict[str, Any]


def prepare_corpus(conf: Conf, data_dir: Path, out: Path, audio_table: Path) -> None:
    """Stage 0: check that every corpus is prepared and that no id occurs twice; write what stage 1 needs.

    The siblings have opened the audio; `audio_table` names their tables.

    Raises:
        InputError: naming a corpus that is not prepared, or an utterance id that two corpora have.
    """
    siblings = open_siblings(conf)
    owner: dict[str, str] = {}
    corpora: list[dict[str, Any]] = []
    missing: list[str] = []
    heard: list[tuple[str, Hashable]] = []
    for sibling in siblings:
        emotions: Counter[str] = Counter()
        sounds = _sounds(sibling)
        for cut in read_jsonl(sibling.cuts):
            other = owner.setdefault(cut["id"], sibling.name)
            if other != sibling.name:
                raise InputError(
                    f"utterance id {cut['id']} is in {other} and in {sibling.name}: rename the files of one corpus, or "
                    "take one out of unified.corpora in the conf"
                )
            heard.append((cut["id"], _sound(cut, sounds)))
            emotions[(cut["supervisions"][0].get("custom") or {}).get(EMOTION, "unlabelled")] += 1
        about = read_corpus_json(sibling.corpus_json)
        item = {"corpus": sibling.name, "utterances": emotions.total(), "emotions": dict(sorted(emotions.items()))}
        item |= {"protocol": sibling.protocol, "partial": about.get("partial", False)}
        if lost := about.get("missing"):
            missing.append(lost)
        corpora.append({**item, "num_silent": about.get("num_silent", 0)})
        listed = ", ".join(f"{name} {count}" for name, count in sorted(emotions.items()))
        print(f"{sibling.name}: {emotions.total()} utterances: {listed}")
    copies = find_copies(heard)
    warn_of_copies(conf.corpus.name, copies)
    root = (data_dir / "corpus").resolve()
    write_json(root / "corpora.json", corpora)
    write_jsonl(audio_table, ({"corpus": s.name, "audio_table": str(s.audio_table)} for s in siblings))
    write_json(
        out,
        {
            "corpus": conf.corpus.name,
            "root": str(root),
            "num_files": sum(item["utterances"] for item in corpora),
            "num_silent": sum(item["num_silent"] for item in corpora),
            "partial": any(item["partial"] for item in corpora),
            "missing": "; ".join(missing) or None,
            "options": {},
            "copies": copies,
        },
    )


def _sounds(sibling: Sibling) -> dict[str, str]:
    """A digest of the samples of every audio file that is not silent, by its path."""
    root, rows = read_corpus_json(sibling.corpus_json)["root"], read_jsonl(sibling.audio_table)
    try:
        return {os.path.normpath(os.path.join(root, row["path"])): row["digest"] for row in rows if not row["silent"]}
    except KeyError as error:
        raise InputError(
            f"{sibling.audio_table} is of an earlier version of SpeechEQ: run {sibling.recipe}/run.sh --stop-stage 4"
        ) from error


def _sound(cut: Cut, sounds: dict[str, str]) -> Hashable:
    """What copies of an utterance have in common with it; None where it is silent, or has features alone."""
    digest = sounds.get(os.path.normpath(cut["recording"]["sources"][0]["source"])) if "recording" in cut else None
    return (digest, cut["start"], cut["duration"]) if digest else None


def merge_manifests(conf: Conf, out: Path) -> None:
    """Stage 1: the manifests of all corpora, one after the other."""
    count = 0
    with atomic_path(out) as temporary:
        write_jsonl(temporary, _merged(open_siblings(conf), lambda sibling: sibling.cuts))
        count = sum(1 for _ in read_jsonl(temporary))
    print(f"{out}: {count} utterances of {len(conf.unified.corpora)} corpora")


def merge_features(conf: Conf, cuts: Path, out: Path, storage: Path) -> None:
    """Stage 2: the manifests with features; the features stay where the siblings keep them.

    Raises:
        InputError: a corpus has features of another kind than the conf says, or its stages 1 and 2 disagree.
    """
    # Imports torch, which stages 0 and 1 do without.
    from seq.data.cut_jobs import check_same_ids

    wanted = (conf.features.extractor, conf.features.num_filters)
    siblings = open_siblings(conf)
    encoder = encoder_folder(conf.model, conf.augment)

    def checked() -> Iterator[Cut]:
        for cut in _merged(siblings, lambda sibling: sibling.feature_cuts(encoder)):
            if encoder:
                yield cut
                continue
            features = cut["features"]
            if (features["type"], features["num_features"]) != wanted:
                corpus = cut["supervisions"][0]["custom"]["corpus"]
                raise InputError(
                    f"corpus {corpus} has {features['num_features']} features of {features['type']}, the conf of "
                    f"{conf.corpus.name} wants {wanted[1]} of {wanted[0]}: run stage 2 of egs/{corpus} with the same"
                )
            yield cut

    out.unlink(missing_ok=True)
    spec = _same_encoder(siblings, encoder) if encoder else None
    # The runner expects the folder; it stays empty.
    storage.mkdir(parents=True, exist_ok=True)
    with atomic_path(out) as temporary:
        write_jsonl(temporary, checked())
        check_same_ids(cuts, temporary)
    if spec is not None:
        write_json(out.parent / ENCODER_JSON, spec)
    print(f"{out}: features of {len(conf.unified.corpora)} corpora, where their recipes keep them")


def _same_encoder(siblings: list[Sibling], encoder: str) -> dict[str, Any]:
    """encoder.json of all corpora. Raises InputError where they were heard by different ones."""
    found = {sibling.name: read_encoder_json(sibling.feature_cuts(encoder)) for sibling in siblings}
    first = siblings[0].name
    for name, spec in found.items():
        # Whether it came from the hub or from a folder does not matter.
        if (spec.sha256, spec.num_frozen) != (found[first].sha256, found[first].num_frozen):
            raise InputError(
                f"corpora {first} and {name} were heard by different encoders, both called {encoder}: run stage 2 of "
                f"egs/{name} with the encoder of egs/{first}"
            )
    return found[first].to_dict()


def _merged(siblings: list[Sibling], which: Callable[[Sibling], Path]) -> Iterator[Cut]:
    for sibling in siblings:
        for cut in read_jsonl(which(sibling)):
            yield relabel(cut, sibling.name, sibling.recipe)


def relabel(cut: Cut, corpus: str, recipe: Path) -> Cut:
    """A cut of `corpus` for the manifest of several: speaker and sentence prefixed, the corpus noted."""
    supervision = cut["supervisions"][0]
    supervision["speaker"] = f"{corpus}:{supervision['speaker']}"
    custom = dict(supervision.get("custom") or {})
    if "sentence" in custom:
        custom["sentence"] = f"{corpus}:{custom['sentence']}"
    supervision["custom"] = {**custom, "corpus": corpus}
    if "features" in cut:
        # Seen from our recipe folder; an absolute path stays as it is.
        cut["features"]["storage_path"] = str(recipe / cut["features"]["storage_path"])
    return cut
