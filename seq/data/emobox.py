"""A corpus's listings of EmoBox (`seq.data.emobox_listings`) as a protocol of its recipe.

An utterance is found by the end of its path. EmoBox has no valid part for most corpora: it is then the next fold's
test, or, of one or two folds, a tenth of train.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final

from seq.conf import ProtocolConf, load_conf
from seq.corpora.copies import read_copies
from seq.corpora.record import read_corpus_json
from seq.data.emobox_listings import Entry, Listings, read_listings
from seq.data.fold_checks import PARTS
from seq.data.folds import make_folds, protocol_emotion
from seq.errors import InputError, name_some
from seq.labels import EMOTION
from seq.utils.files import read_jsonl, write_text
from seq.utils.outputs import check_out_file
from seq.utils.protocol_conf import FoldConf, Selection
from seq.utils.typed_yaml import read_yaml

NAME: Final = "emobox"
# No corpus needs more of a path to tell its files apart.
MAX_DEPTH: Final = 8
VALID_SHARE: Final = 10
RECIPES: Final = Path(__file__).resolve().parents[2] / "egs"


@dataclass(frozen=True)
class Item:
    """An utterance of the manifest: `is_used` where its emotion is one of the protocol's."""

    id: str
    speaker: str
    path: str
    is_used: bool


def import_listings(
    paths: Sequence[Path],
    recipe_conf: Path | None = None,
    cuts: Path | None = None,
    out: Path | None = None,
    partial: bool = False,
) -> None:
    """Write a recipe's conf with the protocol that listings are, and say what its folds hold and share.

    Args:
        recipe_conf: default: that of the recipe called as the corpus is in the listings.
        cuts: manifest of stage 1; default: the recipe's.
        out: default: emobox.yaml beside `recipe_conf`.
        partial: leave out what the copy of the corpus lacks.

    Raises:
        InputError: there is no conf or manifest; see `read_listings`, `make_protocol` and `make_folds`.
    """
    from lhotse import CutSet

    corpus, listings = read_listings(paths)
    recipe_conf = recipe_conf or RECIPES / corpus / "conf/default.yaml"
    if not recipe_conf.is_file():
        raise InputError(f"there is no conf {recipe_conf} for the listings of {corpus}: name the recipe's with --conf")
    conf = load_conf(recipe_conf)
    cuts = cuts or recipe_conf.parent.parent / f"data/manifests/{conf.corpus.name}_cuts.jsonl.gz"
    if not cuts.is_file():
        raise InputError(f"there is no manifest {cuts}: run stages 0 and 1 of the recipe, or name it with --cuts")
    out = out or recipe_conf.with_name(f"{NAME}.yaml")
    check_out_file("--out", out, [recipe_conf, cuts, *paths])
    like = conf.protocol()
    protocol, notes = make_protocol(listings, read_items(cuts, like), like, partial)
    copies = []
    if (corpus_json := cuts.parent.parent / "corpus.json").exists():
        copies = read_copies(corpus_json)
        partial = partial or read_corpus_json(corpus_json).get("partial", False)
    result = make_folds(CutSet.from_file(cuts), protocol, partial, copies)
    write_text(out, _conf_text(recipe_conf, protocol))
    for note in notes:
        print(f"warning: {note}", file=sys.stderr)
    print(f"{out}: protocol {NAME}: {protocol.description}")
    for fold in result.folds:
        print(f"  fold {fold.fold}: {result.describe(fold)}")


def _conf_text(recipe_conf: Path, protocol: ProtocolConf) -> str:
    """The recipe's conf with this protocol alone; lists that are empty are left out."""
    import yaml

    plain = {key: value for key, value in asdict(protocol).items() if value not in (None, [])}
    plain["folds"] = [
        {part: {key: names for key, names in fold[part].items() if names} for part in reversed(PARTS) if fold[part]}
        for fold in plain["folds"]
    ]
    conf = {**read_yaml(recipe_conf), "protocols": [plain]}
    text = yaml.safe_dump(conf, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)
    return f"# {recipe_conf.parent.parent.name} under EmoBox's folds, by tools/import_emobox.py.\n{text}"


def read_items(cuts: Path, protocol: ProtocolConf) -> list[Item]:
    """The utterances of a manifest of stage 1, as a protocol with the classes of `protocol` sees them."""
    items = []
    for cut in read_jsonl(cuts):
        supervision = cut["supervisions"][0]
        label = (supervision.get("custom") or {}).get(EMOTION)
        known = protocol.languages and supervision.get("language") not in protocol.languages
        is_used = not known and protocol_emotion(label, protocol) is not None
        items.append(Item(cut["id"], supervision["speaker"], cut["recording"]["sources"][0]["source"], is_used))
    return items


def match_items(entries: Iterable[Entry], items: Sequence[Item]) -> tuple[dict[str, Item], list[Entry]]:
    """The utterance of each listed path, and the lines that have none.

    As much of the ends of paths is compared, without suffix and case, as tells all files apart on both sides.

    Raises:
        InputError: nothing does.
    """
    listed = {entry.path: entry for entry in entries}
    for depth in range(1, MAX_DEPTH + 1):
        ends = {_end(path, depth) for path in listed}
        own = {_end(item.path, depth): item for item in items}
        if len(ends) == len(listed) and len(own) == len(items):
            found = {path: own[end] for path in listed if (end := _end(path, depth)) in own}
            return found, [entry for path, entry in listed.items() if path not in found]
    raise InputError(
        "the listings, or the manifest, have several utterances in one file, and paths cannot tell them apart: write "
        "the protocol by hand, as egs/seqd/README.md describes"
    )


def _end(path: str, depth: int) -> tuple[str, ...]:
    return tuple(part.casefold() for part in PurePosixPath(path).with_suffix("").parts[-depth:])


def make_protocol(
    listings: Listings, items: Sequence[Item], like: ProtocolConf, partial: bool = False
) -> tuple[ProtocolConf, list[str]]:
    """The protocol that the listings are, with the classes of `like`, and what has to be said of it.

    Args:
        partial: the copy of the corpus is partial: what it lacks of the listings is left out.

    Raises:
        InputError: see `match_items`; or the corpus lacks something that is listed and is not partial.
    """
    everything = [entry for parts in listings.values() for entries in parts.values() for entry in entries]
    found, absent = match_items(everything, items)
    notes = []
    if absent:
        some = name_some([entry.path for entry in absent], 3)
        what = f"the manifest lacks {len(absent)} of {len(found) + len(absent)} utterances that are listed: {some}"
        if not partial:
            raise InputError(f"{what}: complete the corpus, or leave them out with --allow-partial")
        notes.append(what)
    of_fold = {
        fold: {part: [found[e.path] for e in entries if e.path in found] for part, entries in parts.items()}
        for fold, parts in listings.items()
    }
    how = _add_valid(of_fold)
    used = [item for item in items if item.is_used]
    folds, shared = [], 0
    for parts in of_fold.values():
        speakers = {part: {item.speaker for item in parts.get(part, ())} for part in PARTS}
        listed = {item.id for part in parts.values() for item in part}
        train = [item for item in parts.get("train", ()) if item.is_used]
        # Without a listing of train, or where it is all that is left, train is the rest.
        rest = all(item.id in listed for item in used) or "train" not in parts
        folds.append(
            FoldConf(
                _select(parts["test"], used), _select(parts["valid"], used), None if rest else _select(train, used)
            )
        )
        others = speakers["train"] | speakers["valid"]
        if "train" not in parts:
            others |= {item.speaker for item in used if item.id not in listed}
        shared = max(shared, len(speakers["test"] & others))
    about = f"EmoBox's listings, {len(folds)} fold{'s' * (len(folds) > 1)}; {how}"
    if shared:
        about = f"{about}; SPEAKER-DEPENDENT: up to {shared} speakers of a test part are in train or valid, too"
        notes.append(f"up to {shared} speakers of a test part are in train or valid, too")
    if absent:
        about = f"{about}; {len(absent)} of {len(found) + len(absent)} listed utterances are missing"
    made = replace(like, name=NAME, description=about, speaker_disjoint=not shared, sentence_disjoint=False)
    return replace(made, folds=folds, random=None, column=None), notes


def _add_valid(of_fold: Mapping[int, dict[str, list[Item]]]) -> str:
    """Give every fold without a valid part one, taken out of train; returns how, for the description."""
    folds = list(of_fold.values())
    if all("valid" in parts for parts in folds):
        return "valid as listed"
    if len(folds) > 2:
        for parts, following in zip(folds, [*folds[1:], folds[0]], strict=True):
            parts.setdefault("valid", following["test"])
            _take_out(parts)
        return "valid is the next fold's test"
    for parts in folds:
        if "valid" not in parts and "train" not in parts:
            raise InputError("one or two folds need a listing of train, a tenth of which becomes valid: pass it, too")
        if "valid" not in parts:
            parts["valid"] = _deal(parts["train"], parts["test"])
            _take_out(parts)
    return "valid is a tenth of train, drawn with seed 0"


def _take_out(parts: dict[str, list[Item]]) -> None:
    valid = {item.id for item in parts["valid"]}
    if "train" in parts:
        parts["train"] = [item for item in parts["train"] if item.id not in valid]


def _deal(train: Sequence[Item], test: Sequence[Item]) -> list[Item]:
    """A tenth of train: whole speakers where train and test share none, and utterances otherwise."""
    generator = random.Random(0)
    speakers = sorted({item.speaker for item in train})
    if {item.speaker for item in test} & set(speakers) or len(speakers) < 2:
        chosen = set(generator.sample(sorted(item.id for item in train), max(1, len(train) // VALID_SHARE)))
        return [item for item in train if item.id in chosen]
    whole = set(generator.sample(speakers, max(1, len(speakers) // VALID_SHARE)))
    return [item for item in train if item.speaker in whole]


def _select(part: Sequence[Item], used: Sequence[Item]) -> Selection:
    """The part as its speakers, where it is all that they say in the protocol, or else as its utterances."""
    ids, speakers = {item.id for item in part if item.is_used}, {item.speaker for item in part if item.is_used}
    if ids == {item.id for item in used if item.speaker in speakers}:
        return Selection(speakers=sorted(speakers))
    return Selection(utterances=sorted(item.id for item in part))
