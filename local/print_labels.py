#!/usr/bin/env python3
"""The unified metric as a table: corpus, raw label, category, intensity, counts.

Usage:   local/print_labels.py [CORPUS ...] [--format markdown|tsv]
In:      egs/*/conf/default.yaml, and the counts of egs/*/data/manifests where a recipe has run
Out:     the table, on standard output
"""

from seq.errors import run_main
from seq.labels_table import main

if __name__ == "__main__":
    run_main(main)
