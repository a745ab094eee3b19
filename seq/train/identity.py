"""What decides a run's weights: a run of another identity is never continued."""

from __future__ import annotations

import gzip
import hashlib
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seq.conf import Conf, LangConf, conf_to_dict
from seq.data.folds import Fold
from seq.data.shar import manifest_files
from seq.tasks.base import Outputs
from seq.train.start import Start

# Sections of the conf that decide what a run's weights are, and the keys in them that do not.
SECTIONS = ("features", "lang", "augment", "model", "ctc", "train")
# Keys that are digests, and what to say where they differ.
DIGESTS = {"data": "the data changed", "start": "the weights that it starts from changed"}
BOOKKEEPING = ("save_every_batches", "keep_last_k", "keep_all_epochs")
# Keys that came after the first runs had been trained, with the values that stand for what those did.
LATER_KEYS = {
    "features": {"on_the_fly": False},
    "lang": {"vocab_size": LangConf().vocab_size},
    "train": {"class_balance": 0.0},
}


def run_identity(
    conf: Conf,
    outputs: Mapping[str, Outputs],
    fold: Fold,
    lang_dir: Path,
    cuts: Path,
    start: Start | None = None,
) -> dict[str, Any]:
    """Conf, label set and digests of the data of a run and of the weights that it starts from, as plain types."""
    sections = conf_to_dict(conf)
    digest = hashlib.sha256()
    for ids in (fold.train, fold.valid):
        digest.update("\n".join(ids).encode())
    digest.update((lang_dir / "text").read_bytes())
    for path in manifest_files(cuts):
        # The content and not the file: gzip writes the time into its header.
        with gzip.open(path) as manifest:
            while chunk := manifest.read(1 << 20):
                digest.update(chunk)
    # Without several corpora the key is absent, as it was before there were any.
    unified = {"balance": conf.unified.balance} if conf.unified.corpora else {}
    return {
        "outputs": {name: found.to_dict() for name, found in outputs.items()},
        **unified,
        "soft_labels": conf.corpus.soft_labels,
        **{section: _without_bookkeeping(sections[section]) for section in SECTIONS},
        **({"start": start.digest()} if start is not None else {}),
        "data": digest.hexdigest(),
    }


def complete_identity(identity: dict[str, Any]) -> dict[str, Any]:
    """An identity that an earlier version wrote: what a key of `LATER_KEYS` governs was then done as by its value."""
    later = {name: {**keys, **identity[name]} for name, keys in LATER_KEYS.items() if name in identity}
    return {**identity, **later}


def _without_bookkeeping(section: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if key not in BOOKKEEPING}


def difference(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> str | None:
    """The first key whose value differs, with both values, or None."""
    for key in [*new, *(key for key in old if key not in new)]:
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            if found := difference(before, after, f"{prefix}{key}."):
                return found
        elif before != after:
            return DIGESTS.get(key) or f"{prefix}{key} was {before}, is {after}"
    return None


def set_aside(run_dir: Path, identity: dict[str, Any]) -> None:
    """Keep a run of another configuration or other data under another name; this one starts afresh."""
    from seq.train.checkpoint import checkpoint_path, load_checkpoint, read_pointer

    epoch = read_pointer(run_dir, "last")
    if epoch is None:
        return
    before = complete_identity(load_checkpoint(checkpoint_path(run_dir, epoch)).get("identity", {}))
    reason = difference(before, identity)
    if reason is None:
        return
    kept = run_dir.with_name(f"{run_dir.name}.replaced-{time.strftime('%Y%m%d-%H%M%S')}")
    run_dir.rename(kept)
    run_dir.mkdir()
    print(f"{run_dir}: {reason}; the earlier run is kept in {kept.name} and training starts afresh", file=sys.stderr)
