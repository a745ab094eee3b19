#!/usr/bin/env python3
"""Kill what takes long at random moments, start it again, and compare what it ends with; tools/kill_test.sh calls it.

Usage: tools/kill_test.py [--kills 30] [--seed 0] [--minutes 60]
In:    this repository
Out:   kills by step and kind, results that differ, runs that could not go on; exit code 1 if any
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from seq.errors import InputError
from seq.utils.script import run_main

ROOT: Final = Path(__file__).resolve().parents[1]
RECIPE: Final = "ravdess"
SMALL: Final = {"model.channels": 16, "model.stem_channels": 4, "model.num_layers": 2, "model.feedforward": 32,
                "model.embedding_dim": 16, "train.num_epochs": 3, "train.average_epochs": 1}  # fmt: skip
# Who is killed: the process that was started, all of its group, or one of its descendants.
KINDS: Final = ("runner", "group", "child")
# A step is killed within so many seconds of its start, or not at all, so that it goes on a little every time.
LATEST_SECONDS: Final = 12.0
# What takes that many times as long as undisturbed hangs, but no less: the machine may have other work.
END_FACTOR: Final = 20.0
END_SECONDS: Final = 300.0
ATTEMPTS: Final = 3
# In one round.
KILLS_PER_STEP: Final = 5
TIMES: Final = ("wall_seconds", "peak_rss_mib")


@dataclass(frozen=True)
class Step:
    """One command, what it makes, and what of that must not depend on kills."""

    name: str
    command: Sequence[str | Path]
    # Removed before each round.
    makes: Sequence[Path]
    # Files and folders of them, below which every file counts.
    results: Sequence[Path]


@dataclass
class Tally:
    """What happened."""

    kills: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    differ: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(self.kills.items()))
        lines = [f"{self.kills.total()} kills in {self.rounds} rounds: {kinds}"]
        counts = {"results differ": self.differ, "could not go on": self.stuck, "left behind": self.left}
        for what, found in counts.items():
            lines.append(f"{len(found)} {what}{': ' if found else ''}{'; '.join(found)}")
        return "\n".join(lines)

    @property
    def is_clean(self) -> bool:
        """Whether kills changed nothing."""
        return not (self.differ or self.stuck or self.left)


class Killer:
    """Runs steps in a folder: once undisturbed, for their results and durations, then again and again with kills."""

    def __init__(self, folder: Path, steps: Sequence[Step], environment: dict[str, str], seed: int) -> None:
        self.folder, self.steps, self.environment = folder, steps, environment
        self.random = random.Random(seed)
        self.tally = Tally()
        self.log = folder / "kill_test.log"
        self.seconds: dict[str, float] = {}
        self.groups: list[int] = []

    def undisturbed(self) -> dict[str, dict[str, str]]:
        """The digests of every step's results. Raises InputError where a step fails without being killed."""
        self._clear()
        for step in self.steps:
            started = time.monotonic()
            if self._start(step).wait():
                raise InputError(f"{step.name} fails without a kill: {self._said()}")
            self.seconds[step.name] = time.monotonic() - started
        return {step.name: digests(step) for step in self.steps}

    def round(self, expected: dict[str, dict[str, str]], kills: int) -> None:
        """All steps from nothing, with up to so many kills, and the comparison."""
        self._clear()
        for step in self.steps:
            failures, left = 0, min(kills, KILLS_PER_STEP)
            kills -= left
            while (status := self._run(step, left > 0)) != 0:
                if status is None:
                    left -= 1
                    continue
                why = f"hung for {self._limit(step):.0f} s" if status == -signal.SIGKILL else f"code {status}"
                self.tally.stuck.append(f"{step.name}, {why}: {self._said()}")
                failures += 1
                if failures == ATTEMPTS:
                    return
        self.tally.rounds += 1
        for step in self.steps:
            found, wanted = digests(step), expected[step.name]
            names = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
            self.tally.differ += [f"{step.name}: {name}" for name in names]
            halves = [path for made in step.makes if made.is_dir() for path in made.rglob(".*.tmp*")]
            self.tally.left += [str(path.relative_to(self.folder)) for path in halves]
        alive = processes()
        self.tally.left += [f"process {pid}" for pid, group in alive.items() if group in self.groups]
        self.groups.clear()

    def _run(self, step: Step, may_kill: bool) -> int | None:
        """The exit code of a step; None where it was killed."""
        process = self._start(step)
        latest = 1.5 * min(self.seconds[step.name], LATEST_SECONDS)
        try:
            return process.wait(self.random.uniform(0, latest) if may_kill else self._limit(step))
        except subprocess.TimeoutExpired:
            if not may_kill:
                os.killpg(process.pid, signal.SIGKILL)
                return process.wait()
        kind = self.random.choice(KINDS)
        if kind == "child":
            others = [pid for pid, group in processes().items() if group == process.pid and pid != process.pid]
            victim = self.random.choice(others or [process.pid])
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
            try:
                process.wait(self._limit(step))
            except subprocess.TimeoutExpired:
                self.tally.stuck.append(f"{step.name} waits for a child that was killed")
                os.killpg(process.pid, signal.SIGKILL)
        else:
            (os.kill if kind == "runner" else os.killpg)(process.pid, signal.SIGKILL)
        process.wait()
        self.tally.kills[f"{step.name}/{kind}"] += 1
        return None

    def _limit(self, step: Step) -> float:
        return max(END_SECONDS, END_FACTOR * self.seconds[step.name])

    def _start(self, step: Step) -> subprocess.Popen[bytes]:
        with open(self.log, "wb") as log:
            process = subprocess.Popen(
                step.command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self.groups.append(process.pid)
        return process

    def _clear(self) -> None:
        for step in self.steps:
            for path in step.makes:
                shutil.rmtree(path, ignore_errors=True)
                with suppress(OSError):
                    path.unlink()

    def _said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]

    def stop(self) -> None:
        """End whatever still runs."""
        for group in self.groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)


def processes() -> dict[int, int]:
    """The process group of every process that runs."""
    rows = subprocess.run(["ps", "-A", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True).stdout
    return {int(pid): int(group) for pid, group, state in map(str.split, rows.splitlines()) if state[0] != "Z"}


def digests(step: Step) -> dict[str, str]:
    """A digest of every result of a step: of weights by value, of JSON without times, of other files by their bytes."""
    files = [file for path in step.results for file in ([path] if not path.is_dir() else sorted(path.rglob("*")))]
    return {str(file): _digest(file) for file in files if not file.is_dir()}


def _digest(file: Path) -> str:
    if not file.exists():
        return "missing"
    content = file.read_bytes()
    if file.suffix == ".pt":
        import torch

        state = torch.load(file, weights_only=True)
        names = ("model", "model_avg")
        tensors = [(name, key, value.numpy().tobytes()) for name in names for key, value in sorted(state[name].items())]
        content = repr(tensors).encode()
    elif file.suffix == ".json":
        content = json.dumps(_without_times(json.loads(content))).encode()
    return hashlib.sha256(content).hexdigest()


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(item) for key, item in value.items() if key not in TIMES}
    return [_without_times(item) for item in value] if isinstance(value, list) else value


def copy_repository(folder: Path) -> None:
    """What recipes need of this repository, without what its own have made."""
    for name in ("egs", "local", "seq", "tools", "path.sh", "pyproject.toml", "LICENSE-MODEL"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=_made)
        else:
            shutil.copy2(ROOT / name, folder / name)


def _made(folder: str, names: list[str]) -> set[str]:
    in_recipe = Path(folder).parent.name == "egs"
    return {name for name in names if name == "__pycache__" or (in_recipe and name in ("data", "exp"))}


def make_steps(folder: Path) -> list[Step]:
    """All stages of a recipe on a miniature, and what one does with its network; the repository is copied there."""
    copy_repository(folder)
    corpus, recipe = folder / "corpus", folder / "egs" / RECIPE
    subprocess.run([sys.executable, ROOT / "tools/synth_corpus.py", "--layout", RECIPE, "--out", corpus], check=True)
    # modality-channel-emotion-intensity-...-actor: 05 is angry, 04 is sad.
    emotions = {"04": "sad", "05": "angry"}
    audio = [path for path in sorted(corpus.rglob("*.wav")) if path.stem.split("-")[2] in emotions]
    table = folder / "mine.csv"
    rows = [f"{path},{path.stem.split('-')[6]},{emotions[path.stem.split('-')[2]]}\n" for path in audio]
    table.write_text("path,speaker,emotion\n" + "".join(rows), encoding="utf-8")
    run = recipe / "exp/kills/fold_1/seed_0"
    speecheq: list[str | Path] = [sys.executable, "-m", "seq.cli"]
    model, answers, tuned = folder / "model", folder / "answers.jsonl", folder / "tuned"
    stages: list[str | Path] = [recipe / "run.sh", "--corpus-dir", corpus, "--conf", corpus / "miniature.yaml"]
    stages += ["--model", "scratch", "--folds", "1", "--exp-name", "kills", "--nj", "2"]
    stages += [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
    after = tuned.with_name("tuned.work")
    return [
        Step("stages", stages,
             [recipe / "data", recipe / "exp"],
             [recipe / "data/fbank/storage", recipe / "data/folds", recipe / "data/lang_phone", run / "epoch-3.pt",
              run / "predictions.jsonl", run / "valid_predictions.jsonl", recipe / "exp/kills/scores.json"]),
        Step("export", [*speecheq, "export", run, "--out", model], [model], [model]),
        Step("predict", [*speecheq, "predict", model, *audio, "--out", answers], [answers], [answers]),
        Step("finetune", [*speecheq, "finetune", model, "--corpus", table, "--out", tuned, "--epochs", "2"],
             [tuned, after], [tuned, after / "exp/finetuned/scores.json", after / "exp/before/scores.json"]),
    ]  # fmt: skip


def run_rounds(killer: Killer, kills: int, minutes: float, say: Callable[[str], None] = print) -> Tally:
    """Undisturbed once, then rounds until so many kills were made or so long has passed. Raises as `undisturbed`."""
    try:
        expected = killer.undisturbed()
        deadline = time.monotonic() + 60 * minutes
        times = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in killer.seconds.items())
        say(f"undisturbed: {times}; {sum(map(len, expected.values()))} results")
        while (left := kills - killer.tally.kills.total()) > 0 and time.monotonic() < deadline:
            killer.round(expected, left)
            say(f"round {killer.tally.rounds}: {killer.tally.kills.total()} kills")
            if killer.tally.stuck:
                break
    finally:
        killer.stop()
    return killer.tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30, help="how many (default: 30)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and the victims")
    parser.add_argument("--minutes", type=float, default=60.0, help="no new round after so long")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="speecheq-kills-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        environment |= {"SPEECHEQ_PYTHON_ENV": sys.prefix, "PYTHONPATH": str(folder)}
        tally = run_rounds(Killer(folder, make_steps(folder), environment, args.seed), args.kills, args.minutes)
    print(tally)
    return 0 if tally.is_clean else 1


if __name__ == "__main__":
    run_main(main)
