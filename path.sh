# shellcheck shell=bash
# Sourced by every script: puts the environment and the repository on the search paths.
# SPEECHEQ_PYTHON_ENV names an environment of your own (a venv or conda prefix) to be used instead of .venv.
SPEECHEQ_ROOT=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
export SPEECHEQ_ROOT
if [[ -n ${SPEECHEQ_PYTHON_ENV:-} && ! -x $SPEECHEQ_PYTHON_ENV/bin/python3 ]]; then
  echo "error: SPEECHEQ_PYTHON_ENV names $SPEECHEQ_PYTHON_ENV, which has no bin/python3: name a venv or conda prefix, or unset it" >&2
  return 2
fi
export VIRTUAL_ENV=${SPEECHEQ_PYTHON_ENV:-$SPEECHEQ_ROOT/.venv}
case "$PATH:" in
  "$VIRTUAL_ENV/bin:"*) ;;
  *) export PATH="$VIRTUAL_ENV/bin:$PATH" ;;
esac
case ":${PYTHONPATH:-}:" in
  *":$SPEECHEQ_ROOT:"*) ;;
  *) export PYTHONPATH="$SPEECHEQ_ROOT${PYTHONPATH:+:$PYTHONPATH}" ;;
esac
export DASK_CONFIG="${DASK_CONFIG:-$SPEECHEQ_ROOT/local/dask.yaml}"
# Sorting by bytes, whatever the user's language; text is UTF-8 all the same.
export LC_ALL=C PYTHONUTF8=1
