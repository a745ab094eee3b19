"""Where a pretrained encoder is: a local folder or the model hub's cache; its check, its fingerprint, its licence.

The runner asks before stage 0, so this imports the standard library alone; only a download needs huggingface_hub.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from seq.errors import InputError
from seq.utils.files import sha256
from seq.utils.model_conf import PretrainedConf

# What transformers calls them (`model_type`).
FAMILIES: Final = ("whisper", "wav2vec2", "hubert", "wavlm", "data2vec-audio")
CONFIG: Final = "config.json"
PREPROCESSOR: Final = "preprocessor_config.json"
_SINGLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
# What a download takes: no pickle, and of a card only what says the licence.
_WANTED: Final = (CONFIG, PREPROCESSOR, _SINGLE, _INDEX, "model-*.safetensors", "README.md")
# By hub name, where its card says it; a local folder may say it in the front matter of its README.md.
_LICENCES: Final = {
    "openai/whisper": "MIT",
    "facebook/wav2vec2": "Apache-2.0",
    "facebook/hubert": "Apache-2.0",
    "facebook/data2vec": "Apache-2.0",
}
# Licences that let the weights be passed on, as SPDX writes them in lower case.
_FREE: Final = ("mit", "apache-2.0", "bsd-3-clause", "bsd-2-clause", "cc-by-4.0", "cc0-1.0")


@dataclass(frozen=True)
class Checkpoint:
    """A pretrained encoder on this disk, in transformers' form, checked as far as its JSON files go."""

    folder: Path
    name: str
    # The hub's commit; None for a folder that did not come from there.
    revision: str | None
    config: dict[str, Any]
    preprocessor: dict[str, Any]

    @property
    def family(self) -> str:
        """What transformers calls its kind."""
        return str(self.config["model_type"])

    def weights(self) -> list[Path]:
        """Its safetensors files, in order of their names. Raises InputError where what lists them is damaged."""
        return _weights(self.folder)

    def digest(self) -> str:
        """SHA-256 of its weights: of the file, or, where there are several, of theirs, one after the other."""
        digests = [sha256(path) for path in self.weights()]
        if len(digests) == 1:
            return digests[0]
        import hashlib

        return hashlib.sha256("".join(digests).encode()).hexdigest()

    def licence(self) -> str | None:
        """SPDX name of the licence of its weights, as far as it says or is known; None where it is open."""
        card = self.folder / "README.md"
        if card.is_file():
            head = card.read_text(encoding="utf-8", errors="replace")[:4000]
            # A name, or a list of one.
            if found := re.search(r"^licen[sc]e:(?:[ \t]*\n[ \t]*-)?[ \t]*[\"']?(\w[\w.+-]*)", head, re.M):
                return found[1]
        return next((licence for start, licence in _LICENCES.items() if self.name.startswith(start)), None)


def may_be_passed_on(licence: str | None) -> bool:
    """Whether a licence is known to allow that an exported model carries the weights to others."""
    return licence is not None and licence.lower() in _FREE


def encoder_name(conf: PretrainedConf) -> str:
    """What to call an encoder: its name on the hub; of a folder that is called otherwise, the folder's own."""
    folder = Path(conf.path).expanduser().resolve().name if conf.path else ""
    return conf.name if folder in ("", conf.name.rsplit("/", 1)[-1]) else folder


def find_checkpoint(conf: PretrainedConf) -> Checkpoint:
    """The encoder that a conf names, if it is on this disk: its folder, or the hub's cache.

    Raises:
        InputError: it is not there, or is not an encoder that can be used; the sentence says what to do.
    """
    if conf.path:
        return read_checkpoint(Path(conf.path).expanduser(), encoder_name(conf), None)
    if not conf.name:
        raise InputError("model.pretrained names no encoder: give it a hub name, or --set model.pretrained.path=DIR")
    found = _cached(conf)
    if found is None:
        raise InputError(f"{_missing(conf)}; {_ways(conf)}")
    return read_checkpoint(found, conf.name, found.name)


def fetch_checkpoint(conf: PretrainedConf) -> Checkpoint:
    """`find_checkpoint`, after a download from the model hub where the encoder is not on this disk.

    Raises:
        InputError: as `find_checkpoint`, and where the hub cannot be reached or has no such model or revision.
    """
    if not conf.path and conf.name and _cached(conf) is None:
        try:
            from huggingface_hub import snapshot_download
        except ImportError as error:
            raise InputError(f"{_missing(conf)}; install speecheq[encoder] to fetch it, or {_ways(conf)}") from error
        print(f"{_missing(conf)}: fetching it from the model hub", flush=True)
        try:
            folder = Path(
                snapshot_download(conf.name, revision=conf.revision, cache_dir=_cache(), allow_patterns=list(_WANTED))
            )
        except Exception as error:  # The hub's client has its own exceptions and those of its network library.
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"{_missing(conf)}, and the model hub did not give it ({reason}); {_ways(conf)}"
            ) from error
        if (folder / CONFIG).is_file() and not any(folder.glob("*.safetensors")):
            raise InputError(
                f"{conf.name} has only pickled weights on the model hub (revision {conf.revision}): fetch "
                f"them (hf download {conf.name}), convert them once with tools/convert_encoder.py FOLDER NEW_FOLDER, "
                "and name that folder with --set model.pretrained.path=DIR"
            )
    return find_checkpoint(conf)


def _missing(conf: PretrainedConf) -> str:
    return f"the encoder {conf.name} (revision {conf.revision}) is not on this machine"


def _ways(conf: PretrainedConf) -> str:
    return (
        f"name its folder with --set model.pretrained.path=DIR, copy it into the hub's cache ({_cache()}), or train "
        "without one (run.sh --model scratch)"
    )


def _cache() -> Path:
    home = os.environ.get("HF_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or os.path.join(home, "hub")).expanduser()


def _cached(conf: PretrainedConf) -> Path | None:
    """The snapshot of a model in the hub's cache, whose layout is public; None where it is not there or not whole."""
    repository = _cache() / f"models--{conf.name.replace('/', '--')}"
    reference = repository / "refs" / conf.revision
    commit = reference.read_text(encoding="utf-8").strip() if reference.is_file() else conf.revision
    folder = repository / "snapshots" / commit
    if not (folder / CONFIG).is_file() or not _has_weights(folder):
        return None
    return folder if all(path.is_file() for path in _weights(folder)) else None


def _has_weights(folder: Path) -> bool:
    """Whether there are safetensors, or what lists them."""
    return (folder / _SINGLE).is_file() or (folder / _INDEX).is_file()


def _weights(folder: Path) -> list[Path]:
    if (folder / _SINGLE).is_file():
        return [folder / _SINGLE]
    parts = (_read(folder / _INDEX) or {}).get("weight_map")
    if not isinstance(parts, dict) or not parts:
        raise InputError(f"{folder / _INDEX} names no weights: copy the checkpoint again")
    return [folder / name for name in sorted({str(name) for name in parts.values()})]


def read_checkpoint(folder: Path, name: str, revision: str | None) -> Checkpoint:
    """The checkpoint in a folder.

    Raises:
        InputError: the folder, a file of it or its family is not what it must be.
    """
    if not folder.is_dir():
        raise InputError(
            f"the encoder's folder {folder} does not exist: pass another one with --set model.pretrained.path=DIR, or, "
            "to speecheq export, with --encoder DIR"
        )
    config = _read(folder / CONFIG)
    if config is None:
        raise InputError(f"{folder} has no {CONFIG}: it is not a checkpoint in transformers' form")
    family = config.get("model_type")
    if family not in FAMILIES:
        raise InputError(f"{folder / CONFIG} is of the family {family!r}; those that are known: {', '.join(FAMILIES)}")
    checkpoint = Checkpoint(folder, name, revision, config, _read(folder / PREPROCESSOR) or {})
    if not _has_weights(folder):
        pickled = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt") for path in folder.glob(pattern))
        if pickled:
            raise InputError(
                f"{folder / pickled[0]} is pickled, which may run code: convert it once with "
                f"tools/convert_encoder.py {folder} NEW_FOLDER, and name that folder"
            )
        raise InputError(f"{folder} has no {_SINGLE}: copy the checkpoint again")
    if missing := [path for path in checkpoint.weights() if not path.is_file()]:
        raise InputError(f"{missing[0]} is missing: copy the checkpoint again")
    from seq.audio.reading import SAMPLING_RATE

    rate = checkpoint.preprocessor.get("sampling_rate", SAMPLING_RATE)
    if rate != SAMPLING_RATE:
        raise InputError(f"{folder / PREPROCESSOR}: the encoder hears {rate} Hz; only {SAMPLING_RATE} Hz can be used")
    size, filters = checkpoint.preprocessor.get("feature_size"), config.get("num_mel_bins")
    if family == "whisper" and size is not None and size != filters:
        raise InputError(f"{folder}: {PREPROCESSOR} makes {size} mel filters, the encoder of {CONFIG} wants {filters}")
    return checkpoint


def _read(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON: copy the checkpoint again") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} holds no JSON object: copy the checkpoint again")
    return found
