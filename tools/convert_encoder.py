#!/usr/bin/env python3
"""Convert a pickled checkpoint of a pretrained encoder into safetensors, without running code that it may hold.

Usage:
    tools/convert_encoder.py FOLDER NEW_FOLDER

Inputs: FOLDER, a checkpoint in transformers' form: config.json and pytorch_model.bin, or its parts and
pytorch_model.bin.index.json.
Outputs: NEW_FOLDER, the same weights under the same names as safetensors; config.json, preprocessor_config.json, README
and LICENSE files are copied. `--set model.pretrained.path=NEW_FOLDER` lets a recipe use it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from seq.errors import InputError
from seq.models.pretrained.source import CONFIG, PREPROCESSOR
from seq.utils.files import temporary_beside, write_json
from seq.utils.outputs import check_out_place, out_path
from seq.utils.script import run_main

SINGLE, INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
NEW_INDEX = "model.safetensors.index.json"
CARDS = ("README*", "LICENSE*", "LICENCE*")


def convert(folder: Path, new: Path) -> int:
    """Write `new`, the checkpoint of `folder` as safetensors; returns how many weights it has.

    Raises:
        InputError: `new` is there already, or a file of `folder` is missing, damaged or more than weights.
    """
    if new.exists():
        raise InputError(f"{new} is there already: name a new folder, or use that one as it is")
    check_out_place("NEW_FOLDER", new)
    parts = _parts(folder)
    temporary = temporary_beside(new)
    temporary.mkdir(parents=True)
    try:
        # Part by part: no more than one is ever in memory.
        places: dict[str, str] = {}
        for path in parts:
            name = path.name.replace("pytorch_model", "model").removesuffix(".bin") + ".safetensors"
            places |= dict.fromkeys(_convert_part(path, temporary / name), name)
        if len(parts) > 1:
            write_json(temporary / NEW_INDEX, {"metadata": {}, "weight_map": places})
        for pattern in (CONFIG, PREPROCESSOR, *CARDS):
            for path in folder.glob(pattern):
                shutil.copyfile(path, temporary / path.name)
        os.replace(temporary, new)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return len(places)


def _parts(folder: Path) -> list[Path]:
    """The pickled files of a checkpoint. Raises InputError where one is missing, or there is nothing to convert."""
    if not (folder / CONFIG).is_file():
        raise InputError(f"{folder} has no {CONFIG}: name the folder of a checkpoint in transformers' form")
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    if not (folder / INDEX).is_file():
        raise InputError(f"{folder} has no {SINGLE} and no {INDEX}: there is nothing to convert")
    parts = [folder / name for name in sorted(set(_weight_map(folder / INDEX).values()))]
    if missing := [path for path in parts if not path.is_file()]:
        raise InputError(f"{missing[0]}, which {INDEX} names, is missing: copy the checkpoint again")
    return parts


def _weight_map(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        names = {str(weight): str(name) for weight, name in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        names = {}
    if not names:
        raise InputError(f"{path} does not say which file holds which weight: copy the checkpoint again")
    return names


def _convert_part(path: Path, new: Path) -> list[str]:
    """Write the weights of a pickled file to a new one; returns their names."""
    try:
        from safetensors.torch import save_file
    except ImportError as error:
        raise InputError("safetensors is not installed: install speecheq[encoder]") from error
    weights = _load(path)
    # Safetensors holds no tensor twice, as tied weights are, and none with gaps.
    known: set[int] = set()
    for name, value in weights.items():
        place = value.untyped_storage().data_ptr()
        weights[name] = value.clone(memory_format=torch.contiguous_format) if place in known else value.contiguous()
        known.add(place)
    save_file(weights, new, metadata={"format": "pt"})
    return list(weights)


def _load(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a pickled file, which is read as numbers: whatever else a pickle may hold is refused."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # Damaged zip files, pickles and tensors each have their own.
        raise InputError(
            f"{path} is damaged, or holds more than weights, which may run code and was not loaded "
            f"({type(error).__name__}): get the checkpoint from its publisher again"
        ) from error
    if not isinstance(found, dict) or not found or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise InputError(f"{path} is no table of weights by name: it is not of a checkpoint in transformers' form")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("new", type=out_path, metavar="NEW_FOLDER")
    args = parser.parse_args()
    print(f"{args.new}: {convert(args.folder, args.new)} weights as safetensors")


if __name__ == "__main__":
    run_main(main)
