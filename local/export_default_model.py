#!/usr/bin/env python3
"""The last step of local/build_default_model.sh: the model folder of 8 bits, its card and its licence.

Usage:
    local/export_default_model.py --recipe egs/unified --exp shipped_whisper-tiny.en-robust_whole --out DIR

In:  the experiment, trained and decoded (stages 5 and 6), best under conditions, too (local/test_robustness.py --part
     valid); scores.json and robustness.json of the corpora's own experiments with the same model, where they are
Out: DIR, the model folder, with README.md and LICENSE
"""

from __future__ import annotations

import argparse
from pathlib import Path

from seq.export.notices import notices
from seq.studies.shipped_model import export_shipped
from seq.utils.outputs import out_path
from seq.utils.script import run_main


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--recipe", type=Path, required=True, help="egs/unified")
    parser.add_argument("--exp", required=True, help="the experiment")
    parser.add_argument("--out", type=out_path, required=True, help="the model folder to write")
    args = parser.parse_args()
    description = export_shipped(args.recipe.resolve(), args.exp, args.out)
    for line in notices(description):
        print(line)
    print(f"{args.out}: try: speecheq predict {args.out} recording.wav")


if __name__ == "__main__":
    run_main(main)
