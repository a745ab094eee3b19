"""Lines of a manifest as they are written, without Lhotse, which takes seconds to import."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seq.data.shar import manifest_files
from seq.utils.files import read_jsonl


def manifest_rows(cuts: Path) -> Iterator[dict[str, Any]]:
    """The lines of a manifest, or of the manifests of the shards in a folder, in order. Raises as `manifest_files`."""
    return itertools.chain.from_iterable(map(read_jsonl, manifest_files(cuts)))


def corpus_of(cut: dict[str, Any]) -> str:
    """The corpus that a line of a merged manifest comes from."""
    return cut["supervisions"][0]["custom"]["corpus"]
