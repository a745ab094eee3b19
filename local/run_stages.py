#!/usr/bin/env python3
"""What local/run.sh hands its list of stages to.

Usage: local/run_stages.py RECIPE_DIR "NUMBER NAME SCRIPT WHAT IT DOES"... -- [options of run.sh]
In:    RECIPE_DIR/conf/*.yaml, local/conf/*.yaml and a corpus
Out:   RECIPE_DIR/data and RECIPE_DIR/exp
"""

from __future__ import annotations

import sys
from pathlib import Path

from seq.recipe.children import Stopped, watch_signals
from seq.recipe.runner import Listed, run_recipe
from seq.utils.script import run_main


def main() -> int:
    recipe, *rest = sys.argv[1:]
    end = rest.index("--")
    watch_signals()
    try:
        return run_recipe(Path(recipe), [Listed.parse(line) for line in rest[:end]], rest[end + 1 :])
    except Stopped as stopped:
        return stopped.exit_code


if __name__ == "__main__":
    run_main(main)
