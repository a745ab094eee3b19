#!/usr/bin/env bash
# Add k2 to an environment that has torch: the wheel of k2's published index that fits the installed Python, torch
# and CUDA, proved by a loss that it computes. Where none fits, it says which would and changes nothing.
#
# Usage: tools/install_k2.sh [--index URL]
# In:  .venv, or the environment that SPEECHEQ_PYTHON_ENV names
# Out: k2 in that environment, or the environment as it was
set -euo pipefail

usage() {
  cat <<'EOF'
Usage: tools/install_k2.sh [--index URL]

Adds the k2 that was built for the installed Python, torch and CUDA; leaves the environment as it was where there
is none, or where it does not compute the right loss.

  --index URL   page that lists k2's wheels (default: https://k2-fsa.github.io/k2/cpu.html or cuda.html)
  --help        this text

SPEECHEQ_PYTHON_ENV names the environment (default: .venv in the repository).
EOF
}

die() {
  echo "error: $1" >&2
  exit 2
}

index=()
while (($#)); do
  case $1 in
    --index) [[ $# -ge 2 ]] || die "--index needs an address"; index=(--index "$2"); shift 2 ;;
    --help | -h) usage; exit 0 ;;
    *) die "unknown option $1: tools/install_k2.sh --help lists the options" ;;
  esac
done

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
python=${SPEECHEQ_PYTHON_ENV:-$root/.venv}/bin/python
[[ -x $python ]] || die "$python is not there: run tools/setup.sh first"

# The loss of two frames and one token, by hand.
prove() {
  (cd "$root" && "$python" - <<'EOF'
import math
import torch
from seq.train.ctc import make_ctc

log_probs = torch.full((1, 2, 2), 0.5).log().requires_grad_()
loss = make_ctc("k2").loss(log_probs, torch.tensor([2]), [[1]])
loss.sum().backward()
# Of the four paths through two frames, three spell the token.
value = loss.item()
assert abs(value + math.log(0.75)) < 1e-5, f"k2 computes a loss of {value} and not of {-math.log(0.75)}"
assert log_probs.grad is not None and bool(torch.isfinite(log_probs.grad).all())
EOF
  )
}

before=$("$python" -m pip --disable-pip-version-check list --format freeze 2>/dev/null | grep -i '^k2==' || true)
if [[ -n $before ]] && prove 2>/dev/null; then
  echo "$before is installed and computes the right loss"
  exit 0
fi
answer=$("$python" "$root/tools/match_k2_wheel.py" ${index[@]+"${index[@]}"}) || exit $?
read -r spec page <<<"$answer"

# The wheel is fetched before anything is touched; what k2 needs beside torch is pure Python.
wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
"$python" -m pip --disable-pip-version-check download -q --no-deps --no-index --find-links "$page" -d "$wheels" "$spec" ||
  die "$spec could not be fetched from $page; nothing was changed: try again"
"$python" -m pip --disable-pip-version-check install -q --no-deps --no-index "$wheels"/*.whl ||
  die "$spec could not be installed; nothing was changed"
if ! reason=$(prove 2>&1); then
  "$python" -m pip --disable-pip-version-check uninstall -q -y k2
  die "$spec was installed, does not work and was removed again ($(tail -n 1 <<<"$reason")); set ctc.backend to torch"
fi
echo "$spec is installed and computes the right loss"
