"""The options of `speecheq predict`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from seq.utils.option_types import positive_float, positive_int, share
from seq.utils.outputs import out_path


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add them all."""
    paths = parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="+",
        default=[],
        help="first a model folder (without one, that which comes with SpeechEQ), then "
        "audio files, folders, wav.scp, Lhotse manifests (.jsonl, .jsonl.gz: recordings or cuts), "
        "or - for audio from standard input",
    )
    parser.add_argument(
        "--microphone",
        action=_Instead,
        other=paths,
        help="instead of a PATH: listen, estimate every second, and answer at Ctrl-C",
    )
    parser.add_argument("--format", choices=("json", "csv", "table"), default="json", help="JSON lines by default")
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=out_path,
        help="write there instead of to standard output; what was stopped is gone on with",
    )
    parser.add_argument(
        "--segments", metavar="FILE", type=out_path, help="write who sounded how and when: .rttm, .csv, .txt (Audacity)"
    )
    parser.add_argument(
        "--embeddings", metavar="FILE", type=out_path, help="write the vector of every recording there, too (.npz)"
    )
    parser.add_argument("--speaker", metavar="FILE", type=Path, help="who speaks: what speecheq enroll wrote")
    parser.add_argument("--describe", action="store_true", help="add one sentence on how it was said")
    parser.add_argument(
        "--nj", "--jobs", dest="jobs", type=positive_int, default=_num_cpus(), help="threads (default: %(default)s)"
    )
    parser.add_argument(
        "--batch-seconds", type=positive_float, default=60.0, help="speech per run of the network (default: 60)"
    )
    parser.add_argument(
        "--vad",
        choices=("energy", "silero"),
        default="energy",
        help="what finds speech beyond 20 s: a rule about loudness (default), or Silero's trained detector",
    )
    parser.add_argument(
        "--every",
        metavar="SECONDS",
        type=positive_float,
        default=0.0,
        help="with - and --microphone: an estimate so often",
    )
    parser.add_argument(
        "--raw", metavar="HZ", type=positive_int, help="with -: 16-bit little-endian mono samples without a header"
    )
    parser.add_argument(
        "--risk",
        metavar="R",
        type=share,
        help="of the answers that are not marked, at most this share wrong (0 to 1)",
    )


class _Instead(argparse.Action):
    """A flag beside which another argument, `other`, may be missing."""

    def __init__(self, option_strings: Sequence[str], dest: str, other: argparse.Action, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, default=False, help=help)
        self._other = other

    def __call__(self, _parser: object, namespace: argparse.Namespace, *_values: object) -> None:
        setattr(namespace, self.dest, True)
        self._other.required = False


def _num_cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
