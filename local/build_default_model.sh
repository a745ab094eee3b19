#!/usr/bin/env bash
# Build the model that comes with the project: whisper-tiny.en-robust on RAVDESS and nEMO together, all speakers but valid.
# Every step goes on where it was stopped, and what is finished is not done again.
#
# Usage: local/build_default_model.sh [--ravdess DIR] [--nemo DIR] [--out DIR] [options of run.sh, such as --nj 2,
#            --allow-partial, --device cuda, --set model.pretrained.path=DIR]
# In:    the corpora (downloaded where no folder is named), the encoder; and, for the model card, what the corpora's own
#        folds say of the model, if they were trained: egs/{ravdess,nemo}/exp/whisper-tiny.en-robust_{emobox,loso}/
#        scores.json and robustness.json; and _sentences/scores.json, which decide whether phones are exported
# Out:   seq/runtime/default (or --out): a model folder of at most 12 MB, its card and its LICENSE
set -euo pipefail
root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
[[ -n ${SPEECHEQ_PYTHON_ENV:-} ]] || "$root/tools/setup.sh" --quiet
# shellcheck source=path.sh
. "$root/path.sh"

out=$root/seq/runtime/default
ravdess=() nemo=() options=()
while (($#)); do
  case $1 in
    --ravdess) ravdess=(--corpus-dir "${2:?--ravdess names no folder}") && shift 2 ;;
    --nemo) nemo=(--corpus-dir "${2:?--nemo names no folder}") && shift 2 ;;
    --out) out=${2:?--out names no folder} && shift 2 ;;
    --help | -h) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" && exit ;;
    *) options+=("$1") && shift ;;
  esac
done

model=whisper-tiny.en-robust
"$root/egs/ravdess/run.sh" --model $model "${ravdess[@]}" --stop-stage 4 "${options[@]}"
"$root/egs/nemo/run.sh" --model $model "${nemo[@]}" --stop-stage 4 "${options[@]}"
"$root/egs/unified/run.sh" --conf "$root/egs/unified/conf/shipped.yaml" --stop-stage 6 "${options[@]}"
python3 "$root/local/test_robustness.py" --recipe "$root/egs/unified" --exp shipped_${model}_whole --part valid
exec python3 "$root/local/export_default_model.py" --recipe "$root/egs/unified" --exp shipped_${model}_whole --out "$out"
