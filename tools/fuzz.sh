#!/usr/bin/env bash
# Hand readers, confs, command lines, manifests, recordings, model folders and the page rubbish that no test has seen yet.
#
# Usage: tools/fuzz.sh --minutes N [pytest arguments]     e.g. tools/fuzz.sh --minutes 30 -k conf
# Out:   exit code 1 at the first input that ends in anything but an answer or one sentence; pytest prints it, and
#        how to try it again (@reproduce_failure). Put it into tests/fuzz as an example once it is mended.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ ${1:-} != --minutes || ! ${2:-} =~ ^[1-9][0-9]{0,4}$ ]]; then
  echo "error: tools/fuzz.sh needs --minutes N, a number from 1" >&2
  exit 2
fi
minutes=$2
shift 2
[[ -n ${SPEECHEQ_PYTHON_ENV:-} ]] || "$root/tools/setup.sh" --quiet
. "$root/path.sh"
cd "$root"
note=$(mktemp)
trap 'rm -f "$note"' EXIT
export OMP_NUM_THREADS=1 SPEECHEQ_FUZZ_EXAMPLES=${SPEECHEQ_FUZZ_EXAMPLES:-200} SPEECHEQ_FUZZ_NOTE=$note
end=$((SECONDS + 60 * minutes))
while ((SECONDS < end)); do
  seed=$((RANDOM * 32768 + RANDOM))
  echo "seed $seed"
  python3 -m pytest -q -n auto --maxprocesses 8 --dist load tests/fuzz --hypothesis-seed="$seed" "$@" || exit 1
  awk '{ n += $1; refused += $2; if ($3 > slowest) slowest = $3 }
       END { printf "%d inputs so far, %d refused, the slowest took %.1f s\n", n, refused, slowest }' "$note"
done
