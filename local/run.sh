#!/usr/bin/env bash
# The stages of a recipe, from audio to a table of results. Called by egs/<corpus>/run.sh.
#
# Usage: local/run.sh RECIPE_DIR [options]      (--help lists them)
# In:  RECIPE_DIR/conf/*.yaml, local/conf/*.yaml and a corpus
# Out: RECIPE_DIR/data and RECIPE_DIR/exp
set -euo pipefail
root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
recipe=${1:?usage: local/run.sh RECIPE_DIR [options]}
shift

# Number, name, script beside this file, what it does. What each reads and writes is in seq/recipe/stages.py.
stages=(
  "0 corpus     prepare_corpus.py     find, download or make the corpus; open every audio file"
  "1 manifests  prepare_manifests.py  write the Lhotse manifest; check the counts"
  "2 features   compute_features.py   compute filter banks, or let a pretrained encoder hear"
  "3 folds      prepare_folds.py      write and check train, valid and test of every fold"
  "4 lang       prepare_lang.py       phone set, lexicon and transcripts"
  "5 train      train_model.py        train one network per fold and seed"
  "6 decode     decode_model.py       predict valid and test with the chosen checkpoints"
  "7 score      score_predictions.py  score the predictions of all folds and seeds"
  "8 report     report_scores.py      write tables and figures"
)

. "$root/path.sh"
# Help and mistyped options need no environment, but a Python; the set-up finds one, or says what to install.
if [[ ! -x $VIRTUAL_ENV/bin/python3 ]] && ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
  "$root/tools/setup.sh" --quiet
fi
exec python3 "$root/local/run_stages.py" "$recipe" "${stages[@]}" -- "$@"
