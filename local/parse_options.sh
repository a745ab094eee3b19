# shellcheck shell=bash
# Sourced by run.sh: `--name value`, `--name=value` and flags, each into the shell variable of its name.
#
# Before the call, the caller sets the associative array option_kind: name -> value | flag | list, and gives each
# variable (dashes as underscores) its default; a list is an array. Options that a recipe's reader declares have
# kind "reader" and go to the associative array reader_option.

die() {
  echo "error: $1" >&2
  exit 2
}

parse_options() {
  local name value variable
  while (($# > 0)); do
    [[ $1 == --?* ]] || die "$1 is not an option: options begin with --, and --help lists them"
    name=${1#--}
    name=${name%%=*}
    case ${option_kind[$name]-} in
      "") die "unknown option --$name: --help lists the options of this recipe" ;;
      flag)
        [[ $1 != *=* ]] || die "--$name takes no value"
        printf -v "${name//-/_}" true
        shift
        continue
        ;;
    esac
    if [[ $1 == *=* ]]; then
      value=${1#*=}
      shift
    else
      (($# > 1)) && [[ $2 != --* ]] || die "--$name needs a value: write --$name VALUE"
      value=$2
      shift 2
    fi
    variable=${name//-/_}
    case ${option_kind[$name]} in
      value) printf -v "$variable" '%s' "$value" ;;
      list)
        local -n list=$variable
        list+=("$value")
        unset -n list
        ;;
      reader)
        # shellcheck disable=SC2034,SC2004  # the caller's array, whose keys are names
        reader_option[$name]=$value
        ;;
    esac
  done
}

# check_value NAME PATTERN WHAT: the value of --NAME must match the whole of an extended regular expression.
check_value() {
  local variable=${1//-/_}
  [[ ${!variable} =~ ^($2)$ ]] || die "--$1 ${!variable}: it must be $3"
}

# absolute PATH: a path that does not depend on where a script stands; what is already absolute stays.
absolute() {
  case $1 in
    /* | "") printf '%s' "$1" ;;
    *) printf '%s' "$PWD/$1" ;;
  esac
}
