#!/usr/bin/env python3
"""What local/run.sh hands its list of stages to.

Usage: local/run_stages.py RECIPE_DIR "NUMBER NAME SCRIPT WHAT IT DOES"... -- [options of run.sh]
In:    RECIPE_DIR/conf/*.yaml, local/conf/*.yaml and a corpus
Out:   RECIPE_DIR/data and RECIPE_DIR/exp
"""

from __future__ import annotations

import sys
from pathlib import Path

from seq.errors import InputError
from seq.recipe.runner import Listed, run_recipe
from seq.utils.script import run_main
from seq.utils.stopping import Stopped


def main() -> int:
    if "--" not in sys.argv[3:]:
        raise InputError("local/run.sh calls this with its list of stages: run egs/<corpus>/run.sh, which calls that")
    end = sys.argv.index("--", 3)
    stages = [Listed.parse(line) for line in sys.argv[2:end]]
    try:
        return run_recipe(Path(sys.argv[1]), stages, sys.argv[end + 1 :])
    except Stopped as stopped:
        return stopped.exit_code


if __name__ == "__main__":
    run_main(main)
