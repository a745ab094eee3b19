"""Stages 0 and 1 over every corpus's tree and tables, with parts gone, twice there, or something else."""

from __future__ import annotations

import csv
import importlib
import io
import math
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

import pytest
import soundfile
from corpus_builders import spoken
from fuzzing import attempt, examples, spoilt_bytes, texts
from hypothesis import given
from hypothesis import strategies as st

from seq.conf import Conf, load_conf
from seq.corpora.base import AUDIO_SUFFIXES
from seq.corpora.miniature import CONF_NAME, LAYOUTS, write_miniature
from seq.corpora.trees import audio_files
from seq.corpora.verify import prepare_corpus
from seq.data.manifests import prepare_manifests
from seq.finetune.corpus import read_own_corpus
from seq.utils.files import read_jsonl

pytest.importorskip("espeakng_loader")
ROOT: Final = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Conf]]:
    """Every corpus in miniature, with recordings that are short but all different."""
    found = {}
    for layout in LAYOUTS:
        folder = tmp_path_factory.mktemp("corpora") / layout
        write_miniature(layout, folder, ROOT / "egs" / layout / "conf/default.yaml")
        conf = load_conf(folder / CONF_NAME)
        (folder / CONF_NAME).unlink()
        for number, path in enumerate(audio_files(folder)):
            # IEMOCAP's dialogues must be as long as what is cut out of them.
            seconds = soundfile.info(path).duration if layout == "iemocap" else 0.2
            soundfile.write(path, spoken(seconds, 16000, seed=number, before=0.0, after=0.0), 16000)
        found[layout] = (folder, conf)
    assert importlib.import_module("seq.corpora.layouts")
    return found


def spoil_tree(draw: st.DrawFn, root: Path) -> None:
    """Do one thing to a tree that a user, a disk or an archive might do."""
    paths = sorted(path for path in root.rglob("*") if not path.is_symlink())
    files = [path for path in paths if path.is_file()]
    tables = [path for path in files if path.suffix not in AUDIO_SUFFIXES]
    path = draw(st.sampled_from(tables if tables and draw(st.booleans()) else files))
    kinds = ["cell", "cell", "cell", "line", "twice"] if path in tables else []
    kind = draw(
        st.sampled_from([*kinds, "gone", "empty", "bytes", "renamed", "copied", "folder", "loop", "root", "pipe"])
    )
    if kind in ("cell", "line", "twice"):
        lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines(keepends=True)
        at = draw(st.integers(0, max(len(lines) - 1, 0)))
        if lines and kind == "cell":
            separator = next((mark for mark in (",", "\t", ";", " ") if mark in lines[at]), " ")
            cells = lines[at].split(separator)
            cells[draw(st.integers(0, len(cells) - 1))] = draw(texts)
            lines[at] = separator.join(cells)
        elif lines and kind == "line":
            lines[at] = draw(texts) + "\n"
        elif lines:
            lines.insert(draw(st.integers(0, len(lines))), lines[at])
        path.write_text("".join(lines), encoding="utf-8", errors="surrogateescape", newline="")
    elif kind == "bytes":
        path.write_bytes(draw(spoilt_bytes(path.read_bytes())))
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind in ("renamed", "copied"):
        name = os.fsencode(draw(texts).replace("/", "").replace("\x00", "")[:200] or "x") + draw(
            st.sampled_from([os.fsencode(path.suffix), os.fsencode(path.name), b"\xff.wav", b""])
        )
        target = Path(os.fsdecode(name[:255]))
        if not (path.parent / target).exists() and target.name:
            (shutil.copy if kind == "copied" else os.rename)(path, path.parent / target)
    else:
        path.unlink()
        if kind == "folder":
            path.mkdir()
        elif kind == "loop":
            path.symlink_to(path.name)
        elif kind == "root":
            path.symlink_to("/")
        elif kind == "pipe":
            os.mkfifo(path)


@given(data=st.data())
@examples(8)
def test_a_corpus_is_prepared_or_refused(corpora: dict[str, tuple[Path, Conf]], data: st.DataObject) -> None:
    whole, conf = corpora[data.draw(st.sampled_from(sorted(corpora)))]
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder) / "corpus", Path(folder) / "out"
        shutil.copytree(whole, root)
        for _ in range(data.draw(st.integers(1, 3))):
            data.draw(st.composite(lambda draw: spoil_tree(draw, root))())
        partial = data.draw(st.booleans())
        out.mkdir()
        table, manifest = out / "audio.jsonl", out / "manifests" / "cuts.jsonl.gz"

        def prepare() -> None:
            prepare_corpus(conf, str(root), out, out / "corpus.json", table, allow_partial=partial)
            prepare_manifests(conf, out / "corpus.json", table, manifest)

        if attempt(prepare, Path(folder), but=("out",)).refusal is None:
            cuts = list(read_jsonl(manifest))
            ids = [cut["id"] for cut in cuts]
            assert ids and len(ids) == len(set(ids)) and (partial or len(ids) == conf.corpus.num_utterances)
            for cut in cuts:
                (supervision,) = cut["supervisions"]
                assert cut["duration"] > 0 and supervision["speaker"] and supervision["gender"] in ("F", "M", None)
                intensity = supervision["custom"].get("intensity")
                assert intensity is None or 0.0 <= intensity <= 1.0
        else:
            assert not manifest.exists()


COLUMNS: Final = ("id", "path", "speaker", "gender", "emotion", "intensity", "valence", "text")
SPEAKERS: Final = {"s1": "F", "s2": "M", "s3": "F", "4": ""}
good_rows = st.permutations([
    [f"u{i}", f"wav/{i}.wav", speaker, gender, ("happy", "sad", "angry")[i % 3], "", str(1 + i % 5), "hello" * (i % 2)]
    for i, (speaker, gender) in enumerate([*SPEAKERS.items()] * 2)
])  # fmt: skip


@given(data=st.data())
@examples(10)
def test_a_users_table_is_read_or_refused(data: st.DataObject) -> None:
    names, rows = list(COLUMNS), [list(row) for row in data.draw(good_rows)]
    spoilt = data.draw(st.integers(0, 3))
    for _ in range(spoilt):
        kind = data.draw(st.sampled_from(["cell", "cell", "cell", "name", "twice", "short", "gone", "like"]))
        row = data.draw(st.sampled_from(rows))
        column = data.draw(st.integers(0, max(len(row) - 1, 0)))
        if kind == "cell" and row:
            row[column] = data.draw(texts)
        elif kind == "like" and row:
            # What another row has there: an id, a file or a speaker's gender that is taken.
            other = data.draw(st.sampled_from(rows))
            row[column] = other[min(column, len(other) - 1)] if other else ""
        elif kind == "name":
            names[data.draw(st.integers(0, len(names) - 1))] = data.draw(st.one_of(texts, st.sampled_from(COLUMNS)))
        elif kind == "twice":
            rows.append(list(row))
        elif kind == "short":
            del row[column:]
        elif kind == "gone" and len(rows) > 1:
            rows.remove(row)
    text = io.StringIO()
    csv.writer(text).writerows([names, *rows])
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "own.csv"
        table.write_bytes(
            text.getvalue().encode(data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])), "replace")
        )
        own = attempt(lambda: read_own_corpus(table, {}), Path(folder)).answer
    if own is not None:
        utterances = own.utterances
        assert len({u.id for u in utterances}) == len(utterances)
        genders: dict[str, set[str]] = {}
        for utterance in utterances:
            if utterance.gender:
                genders.setdefault(utterance.speaker, set()).add(utterance.gender)
            for task in ("intensity", "valence"):
                for rating in (utterance.raw.get(task) or "").split(";"):
                    assert not rating or math.isfinite(float(rating))
        assert all(len(found) == 1 for found in genders.values())
        # A file is one utterance of one speaker.
        files = [os.path.realpath(u.audio) for u in utterances]
        assert len(files) == len(set(files))
