#!/usr/bin/env python3
"""A database in audformat as a table in SEQD's form, for egs/seqd and speecheq finetune.

Usage:   tools/import_audformat.py DATABASE [--column emotion] [--out FILE]
Inputs:  DATABASE, the folder of db.yaml; pip install 'audformat>=1.3' reads it
Outputs: --out (default: DATABASE/metadata.csv)
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from seq.corpora.audformat_tables import import_audformat
from seq.corpora.seqd import TABLE
from seq.utils.outputs import check_out_file, out_path
from seq.utils.script import run_main


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("database", metavar="DATABASE", type=Path, help="the folder of db.yaml")
    parser.add_argument("--column", default="emotion", help="of the emotion, in whatever tables have it")
    parser.add_argument("--out", type=out_path, help="the table to write (default: DATABASE/metadata.csv)")
    args = parser.parse_args()
    out = args.out or args.database / TABLE
    check_out_file("--out", out, args.database.glob("*"))
    import_audformat(args.database, args.column, out)


if __name__ == "__main__":
    run_main(main)
