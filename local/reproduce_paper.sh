#!/usr/bin/env bash
# Make the tables of RESULTS.md that the corpora on this machine allow; what is finished is not done again.
#
# Usage: local/reproduce_paper.sh --corpus ravdess=DIR [--corpus nemo=DIR ...] [--nj N] [--dry-run]     (--help: all)
# Out:   RESULTS.md, docs/figures/, egs/<corpus>/exp and egs/<corpus>/results
set -euo pipefail
root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
[[ -n ${SPEECHEQ_PYTHON_ENV:-} ]] || "$root/tools/setup.sh" --quiet
. "$root/path.sh"
exec python3 "$root/local/reproduce_paper.py" "$@"
