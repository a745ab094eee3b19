"""Stage 3 of egs/unified: folds over several corpora, made of the folds that each corpus has.

joint                  fold k tests every corpus on its own fold k; a corpus that has fewer folds trains whole
leave_one_corpus_out   fold i tests all of corpus i; the others train (their first fold's valid part is valid)
cross_corpus           fold i trains on corpus i (its first fold) and tests its test part and all other corpora
whole                  one fold: all that is not valid in the first fold of its corpus trains, and nothing is tested

No speaker is in two corpora, so the folds are as speaker-disjoint as those that they are made of. Where another corpus
is tested, only the categories that train has, too, are: nobody can name what they never saw.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seq.conf import Conf, ProtocolConf
from seq.data.fold_checks import PARTS, Fold, check_copies, check_fold
from seq.data.fold_files import FoldsSummary, read_summary, write_folds
from seq.data.folds import load_fold, protocol_emotion
from seq.data.manifest_rows import corpus_of
from seq.errors import InputError
from seq.labels import EMOTION
from seq.recipe.siblings import CROSS, JOINT, WHOLE, Sibling, count_folds, open_siblings
from seq.utils.files import read_jsonl


@dataclass
class _Utterances:
    """Emotion (under the protocol) and speaker of every utterance that takes part, and why others do not."""

    emotions: dict[str, str] = field(default_factory=dict)
    speakers: dict[str, str] = field(default_factory=dict)
    order: dict[str, int] = field(default_factory=dict)
    excluded: Counter[str] = field(default_factory=Counter)


def combine_folds(
    conf: Conf, protocol: ProtocolConf, cuts: Path, out_dir: Path, copies: Sequence[list[str]] = ()
) -> None:
    """Write and check `out_dir/fold_<k>.json`.

    Args:
        copies: see `seq.data.fold_checks.check_copies`.

    Raises:
        InputError: a corpus is not prepared, a fold has an empty part, or its parts overlap.
    """
    siblings = open_siblings(conf)
    utterances = _read(cuts, protocol)
    num_folds = count_folds(protocol.name, siblings)
    folds_of = {
        sibling.name: {number: load_fold(sibling.folds_dir, number) for number in sibling.fold_numbers()}
        for sibling in siblings
    }
    written: list[tuple[Fold, Counter[str]]] = []
    summary = FoldsSummary(num_folds, absent=_absent(siblings))
    for number in range(1, num_folds + 1):
        if protocol.name == JOINT and not any(number in folds for folds in folds_of.values()):
            summary.skipped[number] = "every corpus skips it"
            continue
        excluded = Counter(utterances.excluded)
        fold = _combine(protocol.name, siblings, folds_of, number, utterances, excluded)
        if protocol.speaker_disjoint and not fold.speaker_disjoint:
            raise InputError(
                f"protocol {protocol.name} is to be speaker-disjoint, but a corpus follows a protocol that is not: "
                "choose another for it under unified.corpora, or set speaker_disjoint: false"
            )
        check_fold(fold, utterances.speakers)
        check_copies(fold, copies)
        written.append((fold, excluded))
        sizes = ", ".join(f"{part} {len(getattr(fold, part))}" for part in PARTS)
        print(f"{out_dir}: fold {number}: {sizes}")
        for reason, count in sorted(excluded.items()):
            print(f"  excluded {count} utterances: {reason}")
    write_folds(out_dir, conf.corpus.name, protocol.name, written, summary)
    for line in summary.describe():
        print(f"  partial copies: {line}")


def _absent(siblings: list[Sibling]) -> dict[str, list[str]]:
    """The speakers and sentences that the corpora's own folds go without, prefixed as in the manifest."""
    absent: dict[str, list[str]] = {}
    for sibling in siblings:
        for what, names in read_summary(sibling.folds_dir).absent.items():
            absent.setdefault(what, []).extend(f"{sibling.name}:{name}" for name in names)
    return absent


def _read(cuts: Path, protocol: ProtocolConf) -> _Utterances:
    result = _Utterances()
    for cut in read_jsonl(cuts):
        supervision = cut["supervisions"][0]
        label = supervision["custom"].get(EMOTION)
        emotion = protocol_emotion(label, protocol)
        result.order[cut["id"]] = len(result.order)
        result.speakers[cut["id"]] = supervision["speaker"]
        if protocol.languages and supervision.get("language") not in protocol.languages:
            result.excluded[f"{corpus_of(cut)}: language outside the protocol"] += 1
        elif emotion is None:
            result.excluded[f"{corpus_of(cut)}: emotion {label} outside the protocol"] += 1
        else:
            result.emotions[cut["id"]] = emotion
    return result


def _combine(
    kind: str,
    siblings: list[Sibling],
    folds_of: dict[str, dict[int, Fold]],
    number: int,
    utterances: _Utterances,
    excluded: Counter[str],
) -> Fold:
    """Fold `number` (from 1) of a protocol of egs/unified."""
    parts: dict[str, set[str]] = {part: set() for part in PARTS}
    used: list[Fold] = []
    tested_whole: list[str] = []
    for position, sibling in enumerate(siblings, start=1):
        folds = folds_of[sibling.name]
        first = folds[min(folds)]
        if kind == JOINT and number in folds:
            used.append(folds[number])
            _add(parts, folds[number], train="train", valid="valid", test="test")
        elif kind == JOINT:
            _add(parts, first, train="train", valid="train", test="train")
        elif kind == WHOLE:
            used.append(first)
            _add(parts, first, train="train", valid="valid", test="train")
        elif kind == CROSS and position == number:
            used.append(first)
            _add(parts, first, train="train", valid="valid", test="test")
        elif kind == CROSS or position == number:
            tested_whole.append(sibling.name)
            _add(parts, first, train="test", valid="test", test="test")
        else:
            used.append(first)
            _add(parts, first, train="train", valid="valid", test="train")
    parts = {part: ids & set(utterances.emotions) for part, ids in parts.items()}
    known = {utterances.emotions[id_] for id_ in parts["train"]}
    for id_ in sorted(parts["test"]):
        if utterances.emotions[id_] not in known and tested_whole:
            parts["test"].discard(id_)
            excluded[f"emotion {utterances.emotions[id_]} is in test and not in train"] += 1
    # In leave-one-out, a corpus whose protocol shares speakers between its own parts shares none with the tested one.
    disjoint = all(fold.speaker_disjoint for fold in used) or bool(tested_whole and kind != CROSS)
    valid_disjoint = all(fold.valid_speaker_disjoint and fold.speaker_disjoint for fold in used)
    ordered = {part: sorted(ids, key=utterances.order.__getitem__) for part, ids in parts.items()}
    untested = kind == WHOLE
    return Fold(
        number, disjoint, valid_disjoint, ordered["train"], ordered["valid"], ordered["test"], untested=untested
    )


def _add(parts: dict[str, set[str]], fold: Fold, **where: str) -> None:
    """Put the parts of `fold` into those that `where` names."""
    for part, target in where.items():
        parts[target] |= set(getattr(fold, part))
