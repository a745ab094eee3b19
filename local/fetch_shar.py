#!/usr/bin/env python3
"""Open Lhotse Shar that lies in an object store or on a web server: copy its manifests, leave its features there.

Usage: local/fetch_shar.py --url http://host/shar --shards 120 --out data/shar
       local/train_model.py --cuts data/shar --set augment.speed_prob=0 ...
In:    what local/export_shar.py wrote, below --url, which is anything that smart_open opens (extra `remote`)
Out:   cuts.000000.jsonl.gz, ... and remote.json in --out; training streams features.000000.tar, ... from --url
"""

from __future__ import annotations

import argparse

from seq.data.shar import fetch_shar
from seq.utils.option_types import positive_int
from seq.utils.outputs import check_out_place, out_path
from seq.utils.script import run_main


def main() -> None:
    """Parse arguments and fetch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, help="where the shards are")
    parser.add_argument("--shards", type=positive_int, required=True, help="how many there are")
    parser.add_argument("--out", type=out_path, required=True)
    args = parser.parse_args()
    check_out_place("--out", args.out)
    fetch_shar(args.url, args.shards, args.out)
    print(f"{args.out}: {args.shards} shards, whose features are read from {args.url}")


if __name__ == "__main__":
    run_main(main)
