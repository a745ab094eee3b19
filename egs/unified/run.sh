#!/usr/bin/env bash
# From audio to a table of results: ./run.sh --help lists the stages and the options.
# This file is the same in every recipe; what differs is in conf/ and in the corpus's reader.
set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
exec "$recipe/../../local/run.sh" "$recipe" "$@"
