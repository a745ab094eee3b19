"""What decides a run's weights: a run of another identity is never continued."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seq.audio.level import LEVEL_DB
from seq.conf import NO_WEIGHTS, WEIGHTS, Conf, ProtocolConf, conf_to_dict
from seq.data.folds import Fold
from seq.data.shar import manifest_files
from seq.models.pretrained.spec import EncoderSpec
from seq.tasks.base import Outputs
from seq.train.start import Start
from seq.utils.files import content_digest
from seq.utils.model_conf import AugmentConf, CtcConf, FeaturesConf, ModelConf, TrainConf
from seq.utils.typed_yaml import flatten, select

# Keys that are digests, and what to say where they differ.
DIGESTS = {
    "data": "the data changed",
    "start": "the weights that it starts from changed",
    "encoder": "the encoder changed",
    "teacher": "the teacher changed",
}


def run_identity(
    conf: Conf,
    protocol: ProtocolConf,
    outputs: Mapping[str, Outputs],
    fold: Fold,
    lang_dir: Path,
    cuts: Path,
    start: Start | None = None,
    encoder: EncoderSpec | None = None,
    teacher: str | None = None,
) -> dict[str, Any]:
    """Tasks, what `seq.conf.WEIGHTS` names, and digests of a run's data and of the weights that it starts from."""
    values = flatten({**conf_to_dict(conf), "protocol": asdict(protocol)})
    digest = hashlib.sha256()
    for ids in (fold.train, fold.valid):
        digest.update("\n".join(ids).encode())
    digest.update((lang_dir / "text").read_bytes())
    digest.update(content_digest(*manifest_files(cuts)).encode())
    return {
        "tasks": list(outputs),
        "outputs": {name: found.to_dict() for name, found in outputs.items()},
        **select(values, WEIGHTS, NO_WEIGHTS),
        **({"start": start.digest()} if start is not None else {}),
        **({"encoder": encoder.sha256} if encoder is not None else {}),
        **({"teacher": teacher} if teacher is not None else {}),
        "data": digest.hexdigest(),
        "level_db": LEVEL_DB,
    }


def difference(old: dict[str, Any], new: dict[str, Any]) -> str | None:
    """The first key whose value differs, with both values, or None.

    A key of a model that the old run does not know was at its default, which leaves everything as it was before.
    """
    sections = {
        "features": FeaturesConf,
        "augment": AugmentConf,
        "model": ModelConf,
        "ctc": CtcConf,
        "train": TrainConf,
    }
    old = {**select(flatten({name: asdict(kind()) for name, kind in sections.items()}), new), **old}
    for key in [*new, *(key for key in old if key not in new)]:
        if old.get(key) != new.get(key):
            return DIGESTS.get(key) or f"{key} was {old.get(key)}, is {new.get(key)}"
    return None


def set_aside(run_dir: Path, identity: dict[str, Any], world_size: int = 1) -> None:
    """Keep a run of another configuration or other data under another name; this one starts afresh."""
    from seq.train.checkpoint import load_newest

    newest = load_newest(run_dir, world_size)
    if newest is None:
        return
    before = newest.get("identity", {})
    reason = difference(before, identity)
    if reason is None:
        return
    kept = run_dir.with_name(f"{run_dir.name}.replaced-{time.strftime('%Y%m%d-%H%M%S')}")
    run_dir.rename(kept)
    run_dir.mkdir()
    print(f"{run_dir}: {reason}; the earlier run is kept in {kept.name} and training starts afresh", file=sys.stderr)
