"""Arguments that the stages' scripts share, and those of the commands beside the runner."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from seq.conf import Conf, load_conf
from seq.data.fold_files import choose_folds
from seq.decode.choice import Choice
from seq.errors import InputError
from seq.recipe.recipe import Recipe
from seq.tasks.registry import parse_names
from seq.train.experiment import Experiment
from seq.utils.outputs import check_out_place, out_path
from seq.utils.pool import Workers

# Of a seed or a fold, as the runner has it.
MAX_NUMBER: Final = 999_999_999
# As icefall's str2bool has it.
_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "t", "y", "1"), True),
    **dict.fromkeys(("false", "no", "f", "n", "0"), False),
}


def parse_numbers(text: str, option: str) -> list[int]:
    """`1,2,4` to numbers. Raises InputError, naming the option, for anything else."""
    try:
        numbers = sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise InputError(f"{option} {text}: write numbers with commas, for example 1,2,3") from None
    if numbers[0] < 0:
        raise InputError(f"{option} {text}: numbers cannot be negative")
    if numbers[-1] > MAX_NUMBER:
        raise InputError(f"{option} {text}: {MAX_NUMBER} is the largest number")
    return numbers


def parse_choice(args: argparse.Namespace) -> Choice:
    """The weights that `--epoch`, `--iter`, `--avg` and `--use-averaged-model` name. Raises InputError for nonsense."""
    for option in ("epoch", "iter", "avg"):
        value = getattr(args, option)
        if value is not None and value < 1:
            raise InputError(f"--{option} {value}: a number from 1")
    flag = _BOOLEANS.get(args.use_averaged_model.lower())
    if flag is None:
        raise InputError(f"--use-averaged-model {args.use_averaged_model}: write true or false")
    return Choice(args.epoch, args.iter, args.avg, flag)


def add_conf_arguments(parser: argparse.ArgumentParser, conf_help: str | None = None) -> None:
    """--conf, --model and --set, which `open_conf` reads; --conf must be given unless `conf_help` says what if not."""
    parser.add_argument("--conf", type=Path, required=conf_help is None, help=conf_help or "conf file of the recipe")
    parser.add_argument("--model", default=None, help="a file of local/conf (default: the one that the conf names)")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="SECTION.KEY=VALUE",
                        help="override a value of the conf")  # fmt: skip


def add_worker_arguments(parser: argparse.ArgumentParser, nj_help: str) -> None:
    """--nj and --cluster, which `chosen_workers` reads."""
    parser.add_argument("--nj", type=int, default=1, help=nj_help)
    parser.add_argument("--cluster", default="", metavar="ADDRESS", help="workers of a Dask cluster instead: "
                        "tcp://host:8786, tls://..., a scheduler file, local:N")  # fmt: skip


def chosen_workers(args: argparse.Namespace) -> Workers:
    """Who works, as `pool_map` takes it."""
    return args.cluster or args.nj


def open_conf(args: argparse.Namespace) -> Conf:
    """The conf that `add_conf_arguments` names. Raises InputError as `seq.conf.load_conf`."""
    return load_conf(args.conf, args.overrides, args.model)


def open_recipe(args: argparse.Namespace) -> Recipe:
    """The recipe that the arguments of `recipe_parser` name.

    Raises:
        InputError: there is no recipe, or the conf or the protocol is wrong.
    """
    if not (args.recipe / "run.sh").is_file():
        raise InputError(f"--recipe {args.recipe}: there is no run.sh; pass a recipe folder such as egs/ravdess")
    args.conf = args.conf or args.recipe / "conf/default.yaml"
    conf = open_conf(args)
    return Recipe(args.recipe.resolve(), conf, conf.protocol(args.protocol or None))


def recipe_parser(description: str | None) -> argparse.ArgumentParser:
    """Arguments of the commands that work on a whole recipe beside its runner."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, required=True, help="recipe folder, such as egs/ravdess")
    add_conf_arguments(parser, "conf file (default: the recipe's conf/default.yaml)")
    parser.add_argument("--protocol", default="", help="protocol (default: the conf's first)")
    parser.add_argument("--folds", default="all")
    parser.add_argument("--seeds", default="0")
    return parser


def experiment_parser(description: str | None) -> argparse.ArgumentParser:
    """Arguments that training and decoding share."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_conf_arguments(parser)
    parser.add_argument("--protocol", default=None, help="evaluation protocol of the conf (default: its first)")
    parser.add_argument("--tasks", default="", help="heads to train (default: the default ones)")
    parser.add_argument("--cuts", type=Path, required=True, help="cuts with fbank (stage 2)")
    parser.add_argument("--folds-dir", type=Path, required=True, help="folds of the protocol (stage 3)")
    parser.add_argument("--lang-dir", type=Path, required=True, help="phone set and transcripts (stage 4)")
    parser.add_argument("--exp-dir", type=out_path, required=True, help="folder of the experiment")
    parser.add_argument("--folds", default="", help="fold numbers with commas (default: all of the protocol)")
    parser.add_argument("--seeds", default="0", help="seeds with commas")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    add_worker_arguments(parser, "runs side by side on a CPU, a process each")
    parser.add_argument("--command", default="", help="what to note as the command that was given")
    return parser


def open_experiment(args: argparse.Namespace) -> tuple[Experiment, list[int], list[int]]:
    """The experiment, folds and seeds that the arguments name. Raises InputError for any that is wrong."""
    check_out_place("--exp-dir", args.exp_dir)
    conf = open_conf(args)
    protocol = conf.protocol(args.protocol)
    tasks = parse_names(args.tasks)
    experiment = Experiment(
        conf, protocol, tasks, args.cuts, args.folds_dir, args.lang_dir, args.exp_dir, args.device, args.command
    )
    asked = parse_numbers(args.folds, "--folds") if args.folds not in ("", "all") else []
    folds = choose_folds(args.folds_dir, asked)
    return experiment, folds, parse_numbers(args.seeds, "--seeds")
