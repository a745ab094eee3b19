"""Stage 0: find, download or make a corpus, count it, and open every audio file.

Lhotse drops unreadable audio without a word, so everything that could be dropped is found here.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

from seq.audio.inspection import inspect_audio
from seq.conf import Conf
from seq.corpora.base import CorpusReader, get_reader, reader_names
from seq.corpora.copies import find_copies, warn_of_copies
from seq.corpora.counts import CorpusCounts
from seq.corpora.record import read_corpus_json
from seq.errors import InputError, name_some
from seq.labels import EMOTION, check_labels, map_labels
from seq.utils.files import write_json, write_jsonl
from seq.utils.pool import Workers, pool_map
from seq.utils.progress import progress_bar

NUM_NAMED = 5


def prepare_corpus(
    conf: Conf,
    corpus_dir: str,
    data_dir: Path,
    out: Path,
    audio_table: Path,
    workers: Workers = 1,
    allow_partial: bool = False,
    options: dict[str, str] | None = None,
) -> None:
    """Verify a corpus; write the audio table (one row per file) and then `out`.

    Args:
        corpus_dir: where the corpus is; empty: where it was the last time, or else download or make it.
        data_dir: a corpus that is downloaded or made goes to `data_dir/corpus`.
        options: options of the reader, by name; paths are made absolute, since later stages read them again.

    Raises:
        InputError: there is no corpus, it is another one or incomplete, or some of its files are bad.
    """
    check_labels(conf.corpus)
    options = {name: str(Path(value).resolve()) for name, value in (options or {}).items() if value}
    root = _find_root(get_reader(conf.corpus.reader), corpus_dir, data_dir, out)
    verify_corpus(conf, root, out, audio_table, workers, allow_partial, options)


def verify_corpus(
    conf: Conf,
    root: Path,
    out: Path,
    audio_table: Path,
    workers: Workers = 1,
    allow_partial: bool = False,
    options: dict[str, str] | None = None,
) -> None:
    """The same for a corpus whose root is known; `options` are the reader's as it takes them."""
    options = options or {}
    reader = get_reader(conf.corpus.reader)
    counts = CorpusCounts(conf.corpus)
    # By id; several may be parts of one file.
    places: dict[str, tuple[Path, float, float | None]] = {}
    for utterance in reader.read(root, options):
        counts.add(utterance, map_labels(utterance.id, utterance.raw, conf.corpus).get(EMOTION))
        places[utterance.id] = (utterance.audio, utterance.start, utterance.duration)
    is_partial = counts.check(str(root), allow_partial)
    files = list(dict.fromkeys(path for path, *_ in places.values()))
    rows = _inspect_all(files, root, conf.features.trim, workers, audio_table.parent)
    # Silence says nothing, of whomever it is.
    sounds = {path: row["digest"] for path, row in zip(files, rows, strict=True) if not row["silent"]}
    copies = find_copies(
        (id_, (sounds[path], *part) if path in sounds else None) for id_, (path, *part) in places.items()
    )
    silent = [row["path"] for row in rows if row["silent"]]
    if silent:
        print(f"warning: {len(silent)} silent recordings are kept: {name_some(silent, NUM_NAMED)}", file=sys.stderr)
    warn_of_copies(conf.corpus.name, copies)
    if is_partial:
        print(f"warning: this copy of {conf.corpus.name} is partial: {counts.comparison()}", file=sys.stderr)
    write_jsonl(audio_table, rows)
    write_json(
        out,
        {
            "corpus": conf.corpus.name,
            "root": str(root),
            "num_files": len(rows),
            "num_silent": len(silent),
            "partial": is_partial,
            "missing": counts.comparison() if is_partial else None,
            "options": options,
            "copies": copies,
        },
    )
    print(f"{conf.corpus.name}: {counts.summary()}")
    print(f"{len(rows)} audio files opened, {_summarise_audio(rows)}")


def _find_root(reader: CorpusReader, corpus_dir: str, data_dir: Path, out: Path) -> Path:
    """The root that was asked for; else that of an earlier run, if it is still there; else a new corpus."""
    if corpus_dir:
        return _resolve(reader, Path(corpus_dir), "--corpus-dir ")
    if out.exists():
        root = Path(read_corpus_json(out)["root"])
        if root.is_dir():
            return _resolve(reader, root, f"the corpus of {out}, ")
    for method in ("download", "make"):
        if hasattr(reader, method):
            return getattr(reader, method)((data_dir / "corpus").resolve())
    raise InputError(f"there is no corpus yet, pass its folder with --corpus-dir. {reader.obtain}")


def _resolve(reader: CorpusReader, folder: Path, what: str) -> Path:
    if not folder.is_dir():
        raise InputError(f"{what}{folder} is not a folder: pass the folder that holds the corpus with --corpus-dir")
    folder = folder.resolve()
    try:
        return reader.find_root(folder)
    except InputError as error:
        looks_like = _recognise(folder)
        hint = f" (this looks like {looks_like}, not {reader.name})" if looks_like else ""
        raise InputError(f"{error}{hint}") from error


def _recognise(folder: Path) -> str | None:
    """The name of the corpus that a folder looks like, if any reader knows it."""
    for name in reader_names():
        try:
            get_reader(name).find_root(folder)
            return name
        except InputError:
            continue
    return None


def _inspect(path: Path, trim: bool) -> dict[str, Any] | str:
    """A row, or what is wrong with the file: errors are collected, so that one run names all bad files."""
    try:
        return inspect_audio(path, trim)
    except InputError as error:
        return str(error)


def _inspect_all(paths: list[Path], root: Path, trim: bool, workers: Workers, folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    errors: list[str] = []
    results = pool_map(partial(_inspect, trim=trim), paths, workers, chunk_size=16, folder=folder)
    for path, result in zip(
        paths, progress_bar(results, total=len(paths), desc="open audio", unit="file"), strict=True
    ):
        if isinstance(result, str):
            errors.append(result)
        else:
            rows.append({"path": Path(os.path.relpath(path, root)).as_posix(), **result})
    if errors:
        listed = "; ".join(errors[:NUM_NAMED])
        more = f"; and {len(errors) - NUM_NAMED} more" if len(errors) > NUM_NAMED else ""
        raise InputError(f"{len(errors)} of {len(paths)} audio files are bad: {listed}{more}")
    return rows


def _summarise_audio(rows: list[dict[str, Any]]) -> str:
    total = sum(row["num_samples"] / row["sampling_rate"] for row in rows)
    kept = sum(row["end"] - row["start"] for row in rows)
    rates = ", ".join(f"{rate} Hz" for rate in sorted({row["sampling_rate"] for row in rows}))
    return f"{total:.0f} s ({rates}), {kept:.0f} s between leading and trailing silence"
