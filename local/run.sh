#!/usr/bin/env bash
# The stages of a recipe, from audio to a table of results. Called by egs/<corpus>/run.sh.
#
# Usage: local/run.sh RECIPE_DIR [options]      (--help lists them)
# In:  RECIPE_DIR/conf/*.yaml and a corpus
# Out: RECIPE_DIR/data and RECIPE_DIR/exp; every path in them is defined below, once
set -euo pipefail
((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)) || { echo "error: bash $BASH_VERSION is too old: install bash 4.4 or newer" >&2; exit 2; }
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
recipe=${1:?usage: local/run.sh RECIPE_DIR [options]}
shift
. "$root/local/parse_options.sh"

# Options and their defaults; an empty one is filled in from the conf.
stage=
stop_stage=
folds=all
seeds=0
protocol=
tasks=
nj=
device=auto
corpus_dir=
conf=$recipe/conf/default.yaml
set=()
exp_name=
force=false
allow_partial=false
help=false
last_stage=8

usage() {
  echo "Usage: egs/$(basename "$recipe")/run.sh [options]"
  echo
  echo "Stages (one whose inputs have not changed since it finished is skipped):"
  python3 "$root/local/check_stage.py" stages | awk -F '\t' '{printf "  %s %-10s %s\n", $1, $2, $3}'
  cat <<EOF

Options:
  --stage N           start at stage N and run it whatever has changed; training goes on from its last checkpoint
  --stop-stage N      stop after stage N (default: $last_stage)
  --folds 1,2|all     folds to train, decode and score (default: all)
  --seeds 0,1         seeds, each of which is trained on every fold (default: 0)
  --protocol NAME     classes and split, among those of the conf (default: its first)
  --tasks A,B         heads to train: emotion, intensity, gender, phone (default: all four)
  --nj N              processes side by side (default: the number of cores)
  --device NAME       auto, cpu or cuda (default: auto)
  --corpus-dir DIR    where the corpus is (default: where stage 0 last found it)
  --conf FILE         configuration (default: conf/default.yaml of the recipe)
  --set KEY=VALUE     override a value of the conf, e.g. train.num_epochs=10; may be repeated
  --exp-name NAME     folder below exp/ (default: <conf>_<protocol>, and the tasks where not all are trained)
  --allow-partial     go on where files of the corpus are missing
  --force             run every stage that is asked for
  --help              this text
EOF
  local name
  for name in "${!reader_help[@]}"; do printf '  %-19s %s\n' "--$name VALUE" "${reader_help[$name]}"; done
}

# The options that this corpus's reader declares; quick, and without an environment where the reader needs none.
declare -A option_kind=() reader_option=() reader_help=()
for name in stage stop-stage folds seeds protocol tasks nj device corpus-dir conf exp-name; do option_kind[$name]=value; done
for name in force allow-partial help; do option_kind[$name]=flag; done
option_kind[set]=list
read_reader_options() {
  local declared name text
  declared=$(python3 "$root/local/check_stage.py" options --conf "$conf" 2>/dev/null) || return $?
  while IFS=$'\t' read -r name text; do
    [[ -z $name ]] || { option_kind[$name]=reader; reader_help[$name]=$text; }
  done <<<"$declared"
}
set_up() {
  [[ -n ${SPEECHEQ_PYTHON_ENV:-} ]] || "$root/tools/setup.sh" --quiet
}
. "$root/path.sh"
status=0
read_reader_options || status=$?
# 2 is a conf without a reader, of which the plan speaks below; anything else is a missing environment.
if ((status != 0 && status != 2)); then
  set_up
  read_reader_options || true
fi
command_line=$(printf ' %q' "$@")
command_line="egs/$(basename "$recipe")/run.sh${command_line% \'\'}"
parse_options "$@"
! $help || { usage && exit 0; }

[[ -n $nj ]] || nj=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
first_stage=${stage:-0}
stop_stage=${stop_stage:-$last_stage}
! [[ -n $stage ]] || check_value stage "[0-$last_stage]" "a stage from 0 to $last_stage"
check_value stop-stage "[0-$last_stage]" "a stage from 0 to $last_stage"
((first_stage <= stop_stage)) || die "--stage $first_stage comes after --stop-stage $stop_stage: nothing would run"
check_value folds 'all|[1-9][0-9]{0,3}(,[1-9][0-9]{0,3})*' "all, or numbers from 1 with commas, such as 1,2"
check_value seeds '(0|[1-9][0-9]{0,8})(,(0|[1-9][0-9]{0,8}))*' "numbers with commas, such as 0,1"
check_value nj '[1-9][0-9]{0,3}' "a number from 1"
check_value device 'auto|cpu|cuda' "auto, cpu or cuda"
check_value exp-name '|[A-Za-z0-9_][A-Za-z0-9_.+-]*' "a folder name of letters, digits and _ . + -"
for name in "${!reader_option[@]}"; do reader_option[$name]=$(absolute "${reader_option[$name]}"); done
corpus_dir=$(absolute "$corpus_dir")
conf=$(absolute "$conf")

always=
if [[ -n $stage ]]; then always="asked for by --stage $stage"; fi
if $force; then always="asked for by --force"; fi

set_up
cd "$recipe"
asked_folds=$folds
conf_args=(--conf "$conf")
for override in ${set[@]+"${set[@]}"}; do conf_args+=(--set "$override"); done

# What the conf fills in; siblings are recipes whose files egs/unified combines.
sibling_checks=()
plan=$(python3 "$root/local/check_stage.py" plan "${conf_args[@]}" --protocol "$protocol" --folds "$folds" \
  --seeds "$seeds" --tasks "$tasks" --exp-name "$exp_name")
while IFS='=' read -r name value; do
  case $name in
    reader.*) [[ -n ${reader_option[${name#reader.}]+set} ]] || reader_option[${name#reader.}]=$value ;;
    sibling) sibling_checks+=(--input "$value") ;;
    corpus | protocol | folds | seeds | tasks | exp_name) printf -v "$name" '%s' "$value" ;;
  esac
done <<<"$plan"

# Every path of a recipe, relative to its folder. {fold} and {seed} stand for each unit of --folds and --seeds.
corpus_json=data/corpus.json
audio_table=data/audio.jsonl
# shellcheck disable=SC2154  # corpus comes from the plan
cuts=data/manifests/${corpus}_cuts.jsonl.gz
fbank_cuts=data/fbank/${corpus}_cuts.jsonl.gz
fbank_storage=data/fbank/storage
folds_dir=data/folds/$protocol
lang_dir=data/lang_phone
exp_dir=exp/$exp_name
unit_dir="$exp_dir/fold_{fold}/seed_{seed}"
scores=$exp_dir/scores.json
report=$exp_dir/report.md
data_stamps=data/.stages
exp_stamps=$exp_dir/.stages

# Run a command so that a signal to this script reaches it; no stamp is written for what did not end well.
child=
interrupted=0
on_signal() { # name, exit code
  interrupted=$2
  # A terminal sends Ctrl-C to the whole group: the command has had it, and is given time to end by itself.
  if [[ $1 == INT ]]; then sleep 1; fi
  if [[ -n $child ]]; then kill -"$1" "$child" 2>/dev/null || true; fi
}
trap 'on_signal INT 130' INT
trap 'on_signal TERM 143' TERM
trap 'on_signal HUP 129' HUP
# A stage ends by itself when this process is gone (seq/utils/process.py): even kill -9 leaves nothing running.
export SPEECHEQ_RUNNER_PID=$$
run_child() {
  local status=0
  # The shell would have a background command ignore Ctrl-C.
  (trap - INT && exec "$@") </dev/null &
  child=$!
  wait "$child" || status=$?
  while kill -0 "$child" 2>/dev/null; do wait "$child" || status=$?; done
  child=
  if ((interrupted)); then exit "$interrupted"; fi
  return "$status"
}

# run_stage NUMBER SCRIPT STAMP CHECK_ARGS... -- SCRIPT_ARGS...: run a stage if it is asked for and not up to date.
# A stamp with {fold} and {seed} makes it one of units: its script gets --folds and --seeds of those to be run.
run_stage() {
  local number=$1 script=$2 stamp=$3 verdict line unit_folds unit_seeds started=$SECONDS
  shift 3
  ran=false
  if ((interrupted)); then exit "$interrupted"; fi
  if ((number < first_stage || number > stop_stage)); then return; fi
  local check_args=()
  while [[ $1 != -- ]]; do
    check_args+=("$1")
    shift
  done
  shift
  verdict=$(python3 "$root/local/check_stage.py" check --stage "$number" --stamp "$stamp" "${conf_args[@]}" \
    --protocol "$protocol" --folds "$folds" --seeds "$seeds" --always "$always" "${check_args[@]}") || exit $?
  while IFS=$'\t' read -r line unit_folds unit_seeds; do
    if [[ $line != @run ]]; then
      [[ $line == *": up to date" ]] && echo "$line" || echo "$(date '+%F %T') $line"
      continue
    fi
    ran=true
    local units=()
    if [[ -n $unit_folds ]]; then units=(--folds "$unit_folds" --seeds "$unit_seeds"); fi
    run_child python3 "$root/local/$script" "$@" ${units[@]+"${units[@]}"} || exit $?
    python3 "$root/local/check_stage.py" record --stamp "$stamp" ${units[@]+"${units[@]}"}
  done <<<"$verdict"
  if $ran; then echo "$(date '+%F %T') stage $number: done in $((SECONDS - started)) s"; fi
}

reader_args=()
reader_checks=()
for name in "${!reader_option[@]}"; do
  reader_args+=("--$name" "${reader_option[$name]}")
  reader_checks+=(--option "$name=${reader_option[$name]}")
  if [[ -e ${reader_option[$name]} ]]; then reader_checks+=(--input "${reader_option[$name]}"); fi
done
allow_args=()
if $allow_partial; then allow_args=(--allow-partial); fi
network_args=("${conf_args[@]}" --protocol "$protocol" --tasks "$tasks" --cuts "$fbank_cuts" --folds-dir "$folds_dir"
  --lang-dir "$lang_dir" --exp-dir "$exp_dir" --nj "$nj" --device "$device" --command "$command_line")
network_checks=(--option "tasks=$tasks" --input "$fbank_cuts" --input "$folds_dir/fold_{fold}.json"
  --input "$lang_dir/tokens.txt" --input "$lang_dir/text")

run_stage 0 prepare_corpus.py $data_stamps/0_corpus.json \
  --option "corpus-dir=$corpus_dir" ${reader_checks[@]+"${reader_checks[@]}"} \
  ${sibling_checks[@]+"${sibling_checks[@]}"} --output $corpus_json --output $audio_table --tree-of $corpus_json -- \
  "${conf_args[@]}" --corpus-dir "$corpus_dir" --data-dir data --out $corpus_json --audio-table $audio_table \
  --nj "$nj" ${allow_args[@]+"${allow_args[@]}"} ${reader_args[@]+"${reader_args[@]}"}

# A copy that was let through as partial once must not pass for a complete one in later runs.
if ! $allow_partial && ((stop_stage > 0)) && grep -qs '"partial": true' $corpus_json; then
  die "this copy of $corpus is partial (\"missing\" in $recipe/$corpus_json): complete it, or pass --allow-partial to go on"
fi

run_stage 1 prepare_manifests.py $data_stamps/1_manifests.json --input $corpus_json --input $audio_table \
  ${sibling_checks[@]+"${sibling_checks[@]}"} --output "$cuts" -- \
  "${conf_args[@]}" --corpus-json $corpus_json --audio-table $audio_table --out "$cuts"

run_stage 2 compute_fbank.py $data_stamps/2_fbank.json --input "$cuts" \
  ${sibling_checks[@]+"${sibling_checks[@]}"} --output "$fbank_cuts" --output $fbank_storage -- \
  "${conf_args[@]}" --cuts "$cuts" --out "$fbank_cuts" --storage $fbank_storage --nj "$nj"

run_stage 3 prepare_folds.py "$data_stamps/3_folds.$protocol.json" --input "$cuts" --input $corpus_json \
  ${sibling_checks[@]+"${sibling_checks[@]}"} --output "$folds_dir/folds.json" -- \
  "${conf_args[@]}" --cuts "$cuts" --corpus-json $corpus_json --protocol "$protocol" --out-dir "$folds_dir"

# Of a partial copy, stage 3 may skip folds; it says which.
if $allow_partial && ((stop_stage > 3)); then
  folds=$(python3 "$root/local/check_stage.py" folds --folds "$asked_folds" --folds-dir "$folds_dir")
fi
folds_checks=()
predictions=()
for fold in ${folds//,/ }; do
  folds_checks+=(--input "$folds_dir/fold_$fold.json")
  for seed in ${seeds//,/ }; do predictions+=(--input "$exp_dir/fold_$fold/seed_$seed/predictions.jsonl"); done
done

run_stage 4 prepare_lang.py $data_stamps/4_lang.json --input "$cuts" --output $lang_dir/tokens.txt --output $lang_dir/text -- \
  "${conf_args[@]}" --cuts "$cuts" --lang-dir $lang_dir

run_stage 5 train_model.py "$exp_stamps/5_train.fold_{fold}.seed_{seed}.json" "${network_checks[@]}" \
  --output "$unit_dir/best" --output "$unit_dir/last" --output "$unit_dir/history.jsonl" -- "${network_args[@]}"

run_stage 6 decode_model.py "$exp_stamps/6_decode.fold_{fold}.seed_{seed}.json" "${network_checks[@]}" \
  --input "$unit_dir/best" --input "$unit_dir/history.jsonl" \
  --output "$unit_dir/predictions.jsonl" --output "$unit_dir/valid_predictions.jsonl" -- "${network_args[@]}"

run_stage 7 score_predictions.py "$exp_stamps/7_score.json" --option "folds=$folds" --option "seeds=$seeds" \
  --input "$cuts" "${folds_checks[@]}" "${predictions[@]}" --output "$scores" -- \
  "${conf_args[@]}" --protocol "$protocol" --cuts "$cuts" --folds-dir "$folds_dir" --exp-dir "$exp_dir" \
  --folds "$folds" --seeds "$seeds" --command "$command_line" --out "$scores"

run_stage 8 report_scores.py "$exp_stamps/8_report.json" --input "$scores" --output "$report" -- \
  --scores "$scores" --exp-dir "$exp_dir" --out "$report"

if ! $ran && ((stop_stage == last_stage)); then
  # The stage prints its main table when it runs; a run that had nothing to do prints it, too.
  awk '/^\|/ {print; found = 1; next} found {exit}' "$report"
  echo "report: $recipe/$report"
fi
