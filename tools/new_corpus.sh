#!/usr/bin/env bash
# Scaffold a recipe for a new corpus: reader, conf, run.sh, README and test, each of which runs as it is.
#
# Usage: tools/new_corpus.sh NAME          (lower-case letters and digits, such as parrot)
# Out:   seq/corpora/NAME.py, egs/NAME/{run.sh,README.md,conf/default.yaml}, tests/test_NAME_corpus.py
# CONTRIBUTING.md walks through what to change in them.
set -euo pipefail
root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

fail() {
  echo "error: $1" >&2
  exit 2
}

(($# == 1)) || fail "usage: tools/new_corpus.sh NAME"
name=$1
if [[ $name == --help || $name == -h ]]; then
  sed -n '2,6s/^# //p' "${BASH_SOURCE[0]}"
  exit 0
fi
[[ $name =~ ^[a-z][a-z0-9]*$ ]] || fail "$name: a corpus is called by lower-case letters and digits, such as parrot"
files=("seq/corpora/$name.py" "egs/$name/run.sh" "egs/$name/README.md" "egs/$name/conf/default.yaml" "tests/test_${name}_corpus.py")
for file in "${files[@]}"; do
  [[ ! -e $root/$file ]] || fail "$file exists: choose another name, or remove it"
done

for file in "${files[@]}"; do
  mkdir -p "$root/$(dirname "$file")"
  case $file in
    seq/*) template=$root/tools/new_corpus/reader.py.txt ;;
    tests/*) template=$root/tools/new_corpus/test.py.txt ;;
    *.yaml) template=$root/tools/new_corpus/default.yaml.txt ;;
    *.md) template=$root/tools/new_corpus/README.md.txt ;;
    *) template=$root/egs/synth/run.sh ;;
  esac
  sed "s/@NAME@/$name/g" "$template" >"$root/$file"
  echo "wrote $file"
done
chmod +x "$root/egs/$name/run.sh"
echo "next: change the lines marked CHANGE, then egs/$name/run.sh --corpus-dir DIR --stop-stage 4 (see CONTRIBUTING.md)"
