#!/usr/bin/env python3
"""Pack cuts and their features into Lhotse Shar: a few tar files, for data in object stores.

Usage: local/export_shar.py --cuts data/fbank/ravdess_cuts.jsonl.gz --out data/shar [--shard-size 1000]
       local/train_model.py --cuts data/shar --set augment.speed_prob=0 ...
In:    the cuts with fbank (stage 2)
Out:   cuts.000000.jsonl.gz, features.000000.tar, ... in --out; features are stored without loss. Training and decoding
       read the folder; augmentation of waveforms, which the default conf has, would still read the audio
"""

from __future__ import annotations

import argparse
from pathlib import Path

from seq.data.shar import export_shar
from seq.utils.outputs import check_out_place, out_path
from seq.utils.script import run_main


def main() -> None:
    """Parse arguments and export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuts", type=Path, required=True)
    parser.add_argument("--out", type=out_path, required=True)
    parser.add_argument("--shard-size", type=int, default=1000, help="utterances per shard")
    args = parser.parse_args()
    check_out_place("--out", args.out)
    number = export_shar(args.cuts, args.out, args.shard_size)
    print(f"{args.out}: {number} utterances in shards of {args.shard_size}")


if __name__ == "__main__":
    run_main(main)
