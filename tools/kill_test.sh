#!/usr/bin/env bash
# Kill a recipe, an export, a prediction and a finetuning by kill -9 at random moments, start them again, and compare
# what they end with, bit for bit, with what an undisturbed run makes.
#
# Usage: tools/kill_test.sh [--kills 30] [--seed 0] [--minutes 60]
# Out:   how many kills of which kind, how many results differ, how many could not go on; exit code 1 if any did.
#        A copy of the repository in a temporary folder is used, and deleted.
set -euo pipefail
root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
[[ -n ${SPEECHEQ_PYTHON_ENV:-} ]] || "$root/tools/setup.sh" --quiet
. "$root/path.sh"
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
exec python3 "$root/tools/kill_test.py" "$@"
