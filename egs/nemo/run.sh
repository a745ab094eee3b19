#!/bin/sh
# From audio to a table of results: ./run.sh --help lists the stages and the options.
# This file is the same in every recipe; what differs is in conf/ and in the corpus's reader.
set -eu
recipe=$(dirname -- "$(readlink -f -- "$0")")
exec "$recipe/../../local/run.sh" "$recipe" "$@"
