"""One's own labelled files, a table in SEQD's form (egs/seqd/README.md): checked, prepared, and split by speakers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seq.conf import CorpusConf, ProtocolConf, RawName
from seq.corpora.base import Utterance
from seq.corpora.counts import check_names
from seq.corpora.seqd import RATED, TABLE, read_table
from seq.corpora.verify import verify_corpus
from seq.data.fold_checks import PARTS
from seq.errors import InputError
from seq.labels import EMOTION, EMOTIONS, map_labels
from seq.lang.tokens import BLANK
from seq.models.pretrained.spec import encoder_folder
from seq.recipe.recipe import Recipe
from seq.recipe.stages import STAGES
from seq.tasks.base import Setting
from seq.tasks.predictions import ManifestRow
from seq.tasks.registry import in_order
from seq.utils.files import read_json, sha256, write_json
from seq.utils.names import wrong_path

if TYPE_CHECKING:
    from seq.models.model import ModelSpec

FORM = "egs/seqd/README.md describes its form"
MIN_SPEAKERS = 3
# The stages whose work is done here, too.
PREPARING = ("corpus", "manifests", "features")


@dataclass(frozen=True)
class OwnCorpus:
    """A table that was read and found to be usable, audio not yet opened."""

    table: Path
    utterances: list[Utterance]
    conf: CorpusConf
    # Whether its column `split` says who trains, validates and tests.
    has_split: bool = False

    def is_labelled(self, names: Iterable[str]) -> bool:
        """Whether some utterance has a label for one of these tasks; a text is one, since it can be spelt."""
        has_text = any(utterance.text for utterance in self.utterances)
        setting = Setting(ProtocolConf("", "", sorted(self.emotions())), self.conf)
        for task in in_order(names):
            if task.kind == "sequence":
                if has_text:
                    return True
                continue
            for utterance in self.utterances:
                labels = map_labels(utterance.id, utterance.raw, self.conf)
                row = ManifestRow(utterance.id, utterance.speaker, utterance.gender, utterance.text, dict(labels))
                if task.label(row, setting) is not None:
                    return True
        return False

    def emotions(self) -> set[str]:
        """The categories that occur."""
        names = self.conf.categories
        return {names[raw] for u in self.utterances if (raw := u.raw.get(EMOTION)) is not None}


def read_own_corpus(table: Path, mapping: dict[str, str]) -> OwnCorpus:
    """Read a table.

    Args:
        mapping: words of its emotion column that are no category, and the category that each stands for.

    Raises:
        InputError: the table is missing or malformed, has an unknown emotion, too few speakers, or half a split.
    """
    if not table.is_file():
        raise InputError(f"--corpus {table} is not a file: name the CSV file of your recordings; {FORM}")
    table = table.resolve()
    if wrong := wrong_path(str(table)):
        raise InputError(f"--corpus {str(table)!r} {wrong}: rename the file or folder")
    utterances = read_table(table)
    for utterance in utterances:
        check_names(utterance)
    if not utterances:
        raise InputError(f"{table} has no rows: add one for every recording; {FORM}")
    names = {**{name: name for name in EMOTIONS}, **mapping}
    for word, name in mapping.items():
        if name not in EMOTIONS:
            raise InputError(f"--map {word}={name}: {name} is no category; choose from {', '.join(EMOTIONS)}")
    for utterance in utterances:
        if utterance.raw.get(EMOTION) is not None and utterance.raw.get(EMOTION) not in names:
            raise InputError(
                f"{table}: {utterance.id} has the emotion {utterance.raw.get(EMOTION)!r}: write one of "
                f"{', '.join(EMOTIONS)}, or say which it is with --map {utterance.raw.get(EMOTION)}=CATEGORY"
            )
    labelled = [utterance for utterance in utterances if utterance.raw.get(EMOTION) is not None]
    speakers = {utterance.speaker for utterance in labelled}
    has_split = _has_split(table, utterances, labelled)
    if len(speakers) < MIN_SPEAKERS and not has_split:
        raise InputError(
            f"{table} has {len(speakers)} speakers with labelled emotions, and no fewer than {MIN_SPEAKERS} can be "
            "split into train, valid and test without hearing one twice: add recordings of other speakers"
        )
    conf = CorpusConf(
        name=table.parent.name if table.name == TABLE else table.stem,
        reader="seqd",
        emotions=[RawName(word, name) for word, name in names.items()],
        scales={name: scale for name, scale in RATED.items() if any(u.raw.get(name) for u in utterances)},
    )
    for utterance in utterances:
        # A rating outside its scale is said before anything is written.
        map_labels(utterance.id, utterance.raw, conf)
    return OwnCorpus(table, utterances, conf, has_split)


def _has_split(table: Path, utterances: list[Utterance], labelled: list[Utterance]) -> bool:
    """Whether the table says who trains, validates and tests. Raises InputError where it says so by halves."""
    given = [utterance for utterance in utterances if utterance.split is not None]
    if not given and (folded := next((u for u in utterances if u.fold is not None), None)):
        raise InputError(
            f"{table}: {folded.id} has a fold, and finetuning trains once: name the column split and write train, valid"
            " or test, or leave it out to have the speakers dealt"
        )
    missing = [part for part in PARTS if part not in {utterance.split for utterance in labelled}]
    if given and missing:
        raise InputError(
            f"{table}: {given[0].id} has the split {given[0].split}, and nobody with an emotion has {missing[0]}: mark "
            "some, or leave out the column split to have the speakers dealt"
        )
    return bool(given)


def prepare_data(recipe: Recipe, own: OwnCorpus, num_jobs: int, device: str = "cpu") -> None:
    """Stages 0 to 2 for the table, unless what they wrote is up to date.

    Raises:
        InputError: audio is bad (every such file is counted, the first are named), or a label does not fit.
    """
    from seq.data.features import prepare_features
    from seq.data.manifests import prepare_manifests

    data = recipe.folder / "data"
    stamp, audio_table = data / "prepared.json", data / "audio.jsonl"
    encoder = encoder_folder(recipe.conf.model, recipe.conf.augment)
    features = recipe.features
    outputs = (recipe.corpus_json, audio_table, recipe.cuts, features)
    made_from = {
        "versions": {name: STAGES[name].version for name in PREPARING},
        "table": sha256(own.table),
        "audio": _audio_state(own.utterances),
        "corpus": asdict(recipe.conf.corpus),
        "features": asdict(recipe.conf.features),
        **({"encoder": encoder, "augment": asdict(recipe.conf.augment)} if encoder else {}),
    }
    if stamp.exists() and read_json(stamp) == made_from and all(path.exists() for path in outputs):
        print(f"{features}: up to date")
        return
    stamp.unlink(missing_ok=True)
    options = {"table": own.table.name}
    verify_corpus(recipe.conf, own.table.parent, recipe.corpus_json, audio_table, num_jobs, options=options)
    prepare_manifests(recipe.conf, recipe.corpus_json, audio_table, recipe.cuts)
    storage = recipe.feature_storage(encoder)
    if encoder:
        from seq.models.pretrained.cache import prepare_encoded

        prepare_encoded(recipe.conf, recipe.cuts, features, storage, num_jobs, device)
    else:
        prepare_features(recipe.conf.features, recipe.cuts, features, storage, num_jobs)
    write_json(stamp, made_from)


def _audio_state(utterances: list[Utterance]) -> str:
    """A digest of the sizes and times of all audio files; those that are missing are found by stage 0."""
    digest = hashlib.sha256()
    for path in sorted({utterance.audio for utterance in utterances}):
        if path.is_file():
            stat = path.stat()
            digest.update(f"{path}\t{stat.st_size}\t{stat.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def prepare_phones(recipe: Recipe, spec: ModelSpec) -> None:
    """Write the lang folder: the model's symbols, and the transcripts that they can spell; the others are masked."""
    from seq.lang.lexicon import prepare_known_lang

    unit = recipe.conf.lang.unit
    symbols = next((found.labels for found in spec.outputs.values() if found.kind == "sequence"), None)
    num_spelt, num_others, reason = prepare_known_lang(recipe.cuts, recipe.lang_dir, unit, symbols or [BLANK])
    if symbols is None:
        return
    if num_others:
        texts = f"{num_others} of {num_spelt + num_others} texts"
        print(f"{texts} cannot be spelt in the model's phones, which are masked there: {reason}")
    elif num_spelt == 0:
        print("there are no texts: phones are masked")
