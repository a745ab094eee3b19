"""A copy of the runner with one recipe, `egs/toy`, whose stage scripts are stubs that write their outputs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]

CONF = """
corpus: {name: toy, reader: toy}
protocols:
  - name: two
    description: two folds
    emotions: [happy, sad]
    folds:
      - {test: {speakers: [a]}, valid: {speakers: [b]}}
      - {test: {speakers: [b]}, valid: {speakers: [a]}}
"""

READER = """
from seq.corpora.base import CorpusReader, ReaderOption

class Reader(CorpusReader):
    name = "toy"
    options = (ReaderOption("transcripts", "file of transcripts"),)
    obtain = "nowhere"
"""

# Every stage script of the copy: notes its arguments in calls.jsonl and writes what the runner says it writes.
STUB = """
import json, os, sys, time
from pathlib import Path
name = Path(sys.argv[0]).stem
args = dict(zip(sys.argv[1:], sys.argv[2:]))
with open("calls.jsonl", "a") as calls:
    calls.write(json.dumps([name, sys.argv[1:]]) + "\\n")
def put(path, text="x"):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
def options():
    return {"transcripts": args["--transcripts"]} if args.get("--transcripts") else {}
if Path("hang").exists():
    put("hanging")
    time.sleep(60)
if Path("fail").exists():
    sys.exit(2)
exp = [Path(args["--exp-dir"]) / f"fold_{k}/seed_{s}" for k in args.get("--folds", "").split(",")
       for s in args.get("--seeds", "").split(",")] if "--exp-dir" in args else []
if name == "prepare_corpus":
    root = args["--corpus-dir"] or json.loads(Path(args["--out"]).read_text())["root"]
    put(args["--out"], json.dumps({"root": root, "options": options()}))
    put(args["--audio-table"])
elif name == "compute_features":
    put(args["--out"]), Path(args["--storage"]).mkdir(exist_ok=True)
elif name == "prepare_folds":
    [put(f"{args['--out-dir']}/{name}.json") for name in ("fold_1", "fold_2", "folds")]
elif name == "prepare_lang":
    [put(f"{args['--lang-dir']}/{f}") for f in ("tokens.txt", "text")]
elif name == "train_model":
    [put(unit / f) for unit in exp for f in ("best", "last", "history.jsonl")]
elif name == "decode_model":
    [put(unit / f) for unit in exp for f in ("predictions.jsonl", "valid_predictions.jsonl")]
elif name == "report_scores":
    put(args["--out"], "# Report\\n\\n| UA |\\n|---|\\n| 62 |\\n\\nmore\\n")
else:
    put(args["--out"])
"""
SCRIPTS = (
    "prepare_corpus",
    "prepare_manifests",
    "compute_features",
    "prepare_folds",
    "prepare_lang",
    "train_model",
    "decode_model",
    "score_predictions",
    "report_scores",
)


class Toy:
    """The tree at `root`, which `build` makes; its corpus is three files."""

    def __init__(self, root: Path) -> None:
        self.root, self.recipe, self.corpus = root, root / "egs/toy", root / "my corpus"
        self.conf = self.recipe / "conf/default.yaml"
        self.env = {**os.environ, "SPEECHEQ_PYTHON_ENV": sys.prefix}

    def build(self) -> None:
        """Copy the runner, write the stubs and the corpus."""
        root = self.root
        (root / "local").mkdir(parents=True)
        (self.recipe / "conf").mkdir(parents=True)
        shutil.copytree(ROOT / "seq", root / "seq", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "path.sh", root)
        shutil.copy(ROOT / "egs/synth/run.sh", self.recipe)
        for name in ("run.sh", "run_stages.py"):
            shutil.copy(ROOT / "local" / name, root / "local")
        shutil.copytree(ROOT / "local/conf", root / "local/conf")
        for name in SCRIPTS:
            (root / f"local/{name}.py").write_text(STUB)
        (root / "seq/corpora/toy.py").write_text(READER)
        self.conf.write_text(CONF)
        self.corpus.mkdir()
        for name in "abc":
            (self.corpus / f"{name}.wav").write_text(name)

    def run(self, *options: str, code: int = 0) -> str:
        """Run the recipe; returns stdout, or stderr where a failure with `code` is expected."""
        done = subprocess.run(
            [self.recipe / "run.sh", *options], env=self.env, cwd=self.root, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if code == 0 else done.stderr

    def start(self, *options: str, ignored: Sequence[int] = ()) -> subprocess.Popen[bytes]:
        """Start the recipe, silently; returns when its first stage script is there, which does nothing for a minute."""
        hang, hanging = self.recipe / "hang", self.recipe / "hanging"
        hang.touch()
        # Tests that a shell started with & inherit an ignored Ctrl-C, which bash cannot take back.
        runner = subprocess.Popen([self.recipe / "run.sh", *options], env=self.env, stdout=-3, stderr=-3, preexec_fn=(
            lambda: [signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)
                     for number in (signal.SIGINT, signal.SIGHUP)]))  # fmt: skip
        deadline = time.monotonic() + 30
        while not hanging.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        hanging.unlink()
        hang.unlink()
        return runner

    def calls(self) -> list[tuple[str, dict[str, str]]]:
        """Stage scripts that ran since the last call of this method, with their arguments."""
        path = self.recipe / "calls.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        path.unlink(missing_ok=True)
        return [(name, dict(pairwise(args))) for name, args in rows]

    def names(self) -> list[str]:
        """Names alone of `calls`."""
        return [name for name, _ in self.calls()]
