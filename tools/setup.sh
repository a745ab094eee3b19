#!/usr/bin/env bash
# Make the environment `.venv` in the repository: the exact versions of tools/requirements.txt, torch first
# and alone (its CPU build where there is no GPU), then SpeechEQ itself, editable.
#
# Usage: tools/setup.sh [--with-k2] [--quiet]
# In:  tools/requirements.txt, pyproject.toml
# Out: .venv, with a stamp that makes the next run return at once
set -euo pipefail

usage() {
  cat <<'EOF'
Usage: tools/setup.sh [--with-k2] [--quiet]

Makes or repairs .venv in the repository; returns at once where nothing has changed since it was made.

  --with-k2   add k2, and with it the newest torch for which k2 publishes wheels
  --quiet     say nothing where there is nothing to do
  --help      this text

The environment variable PYTHON names the Python that .venv is made from (3.10 or newer; default: python3).
EOF
}

die() {
  echo "error: $1" >&2
  exit 2
}

with_k2=false
quiet=false
for argument in "$@"; do
  case $argument in
    --with-k2) with_k2=true ;;
    --quiet) quiet=true ;;
    --help | -h) usage; exit 0 ;;
    *) die "unknown option $argument: tools/setup.sh --help lists the options" ;;
  esac
done

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
venv=$root/.venv
stamp=$venv/.speecheq-setup
# There from the first moment of a new environment to its last: what holds it was killed half way.
unfinished=$venv/.speecheq-unfinished
cpu_index=https://download.pytorch.org/whl/cpu

# The path belongs to the fingerprint, since an environment does not work where it is moved to.
fingerprint=$({ echo "$root"; cat tools/requirements.txt pyproject.toml; } | cksum)

up_to_date() {
  [[ -x $venv/bin/python && -f $stamp ]] || return 1
  local made_from made_with
  { read -r made_from && read -r made_with; } <"$stamp" || return 1
  [[ $made_from == "$fingerprint" && ($with_k2 == false || $made_with == k2) ]]
}

say_done() {
  $quiet || echo "environment: $venv is up to date"
  exit 0
}

has_gpu() {
  command -v nvidia-smi >/dev/null && nvidia-smi >/dev/null 2>&1
}

reachable() {
  "$venv/bin/python" -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=5)' "$1" 2>/dev/null
}

# Warnings are hidden (errors are not); modules are compiled as they are first imported, which is quicker (or below).
pip_install() {
  "$venv/bin/python" -m pip --disable-pip-version-check install -qq --no-compile "$@"
}

make_venv() {
  local python=${PYTHON:-python3}
  command -v "$python" >/dev/null || die "$python is not there: install Python 3.10 or newer, or name one with PYTHON=..."
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    die "$("$python" --version 2>&1) is too old: SpeechEQ needs 3.10 or newer; name one with PYTHON=/path/to/python3.x"
  echo "environment: making $venv (about a minute)"
  rm -rf "$venv"
  mkdir "$venv"
  touch "$unfinished"
  "$python" -m venv "$venv" ||
    die "$python could not make $venv: install its venv module (Debian and Ubuntu: apt install python3-venv)"
}

# Sets torch_spec, torch_index and k2_spec, k2_index from what k2 publishes.
find_k2() {
  local python=${PYTHON:-python3} answer variant=cpu
  ! has_gpu || variant=cuda
  if [[ -x $venv/bin/python && ! -f $unfinished ]]; then python=$venv/bin/python; fi
  answer=$("$python" tools/find_k2_wheel.py --variant "$variant") || exit $?
  read -r torch_spec torch_index k2_spec k2_index <<<"$answer"
}

install_torch() {
  if [[ $with_k2 == true ]]; then
    echo "environment: $torch_spec and $k2_spec"
    pip_install --index-url "$torch_index" --extra-index-url https://pypi.org/simple "$torch_spec"
    pip_install --no-deps --find-links "$k2_index" "$k2_spec"
  elif [[ $(uname -s) == Linux ]] && ! has_gpu && reachable "$cpu_index/torch/"; then
    # What PyPI has for Linux is the CUDA build: gigabytes that a machine without a GPU cannot use.
    echo "environment: $torch_spec, CPU build"
    pip_install --no-deps --index-url "$cpu_index" "$torch_spec"
  else
    echo "environment: $torch_spec"
    pip_install --constraint tools/requirements.txt "$torch_spec"
  fi
}

! up_to_date || say_done
# One set-up at a time; where there is no flock (macOS), the user is the guard.
if command -v flock >/dev/null; then
  exec 9<tools/setup.sh
  flock 9
  ! up_to_date || say_done
fi

torch_spec=$(grep '^torch==' tools/requirements.txt)
# An environment that has k2 keeps it.
if [[ -f $stamp && $(sed -n 2p "$stamp") == k2 ]]; then with_k2=true; fi
if [[ $with_k2 == true ]]; then find_k2; fi

if [[ ! -x $venv/bin/python || -f $unfinished ]] || [[ -f $stamp && $(sed -n 3p "$stamp") != "$root" ]]; then
  make_venv
fi
rm -f "$stamp"
touch "$unfinished"
install_torch
echo "environment: everything else of tools/requirements.txt"
rest=$(mktemp)
trap 'rm -f "$rest"' EXIT
grep -v '^torch==' tools/requirements.txt >"$rest"
pip_install --requirement "$rest"
# setuptools is in the environment by now, so that nothing is fetched to build with.
pip_install --no-deps --no-build-isolation --editable .
if [[ -n ${PYTHONDONTWRITEBYTECODE:-} ]]; then
  # Nothing that is compiled at an import would be kept: with torch, every process would take five seconds longer.
  echo "environment: compiling, since PYTHONDONTWRITEBYTECODE is set"
  # Packages hold files for other versions of Python, and tests that are broken on purpose.
  "$venv/bin/python" -m compileall -q -j 0 "$venv/lib" >/dev/null || true
fi
printf '%s\n%s\n%s\n' "$fingerprint" "$([[ $with_k2 == true ]] && echo k2 || echo torch)" "$root" >"$stamp.new"
mv "$stamp.new" "$stamp"
rm -f "$unfinished"
echo "environment: done"
