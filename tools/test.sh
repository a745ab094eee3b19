#!/usr/bin/env bash
# Check everything: ruff, mypy, import-linter, shellcheck, then the tests. Sets the environment up first where that is needed.
#
# Usage: tools/test.sh [pytest arguments]      e.g. tools/test.sh tests/recipe/test_runner.py -k skips
# Out:   exit code 0 where all of them pass; pytest's closing line comes last
set -euo pipefail
root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
[[ -n ${SPEECHEQ_PYTHON_ENV:-} ]] || "$root/tools/setup.sh" --quiet
. "$root/path.sh"
cd "$root"

failed=0
python3 -m ruff check || failed=1
python3 -m ruff format --check || failed=1
python3 -m mypy || failed=1
lint-imports --no-cache --no-logo || failed=1

if git rev-parse --git-dir >/dev/null 2>&1; then
  # Deleted files are still listed until they are committed.
  mapfile -t scripts < <(git ls-files --cached --others --exclude-standard -- '*.sh' .ci/run | sort -u | xargs -r ls -d 2>/dev/null)
else
  mapfile -t scripts < <(find . -name '*.sh' -not -path './.venv/*' -not -path './egs/*/data/*' -not -path './egs/*/exp/*')
  scripts+=(.ci/run)
fi
if shellcheck --external-sources "${scripts[@]}"; then
  echo "shellcheck: ${#scripts[@]} scripts passed"
else
  failed=1
fi

# The libraries' own threads only get into each other's way on tensors as small as the tests'.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
if ((failed)); then echo "ruff, mypy, import-linter or shellcheck failed (above)"; fi
# Side by side, a file of tests in one process, since the tests of a file share what they train; tests/conftest.py orders them.
python3 -m pytest -q -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder "$@" || failed=1
exit "$failed"
