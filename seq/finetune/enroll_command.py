"""Arguments of `speecheq enroll`; what is heavy is imported when it runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from seq.errors import InputError
from seq.finetune.command import add_map
from seq.utils.names import wrong_name
from seq.utils.option_types import positive_int
from seq.utils.outputs import check_out_file, out_path


def add_enroll(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "enroll",
        help="let a model know a speaker from their own recordings",
        description="Writes what a model hears in a speaker's recordings, with or without their emotions, into a small "
        "file for speecheq predict --speaker. The recordings should be as mixed as those to be judged.",
        allow_abbrev=False,
    )
    parser.add_argument("model", metavar="MODEL", type=Path, help="a model folder, written by speecheq export")
    parser.add_argument(
        "paths", metavar="PATH", nargs="*", help="the speaker's audio files, folders, wav.scp or Lhotse manifests"
    )
    parser.add_argument("--speaker", metavar="NAME", required=True, help="what the speaker is called")
    parser.add_argument(
        "--labels",
        metavar="CSV",
        type=Path,
        help="a table with the columns path, speaker, emotion, as of speecheq finetune; rows of this speaker count",
    )
    parser.add_argument(
        "--by-folder", action="store_true", help="the emotion of a clip is the name of the folder that it lies in"
    )
    add_map(parser)
    parser.add_argument("--out", metavar="FILE", type=out_path, help="the file to write (default: NAME.speaker.json)")
    parser.add_argument("--jobs", type=positive_int, default=1, help="threads (default: 1)")
    parser.set_defaults(run=_enroll)


def _enroll(options: argparse.Namespace) -> int:
    from seq.finetune.enroll import check_labels, find_clips, hear_clips
    from seq.runtime import load_model
    from seq.runtime.enrolment import training_speakers, write_enrolment

    if wrong := wrong_name(options.speaker):
        raise InputError(f"--speaker {options.speaker!r} {wrong}: choose another name")
    out = options.out or Path(f"{options.speaker}.speaker.json")
    clips = find_clips(options.paths, options.labels, options.by_folder, options.speaker, dict(options.map))
    read = [*options.paths, *(clip.item.path for clip in clips), *([options.labels] if options.labels else [])]
    check_out_file("--out", out, read)
    model = load_model(options.model)
    catalogue = model.catalogue
    _, strengths = training_speakers(options.model, model.description, catalogue)
    check_labels(clips, () if catalogue.main is None else catalogue.outputs[catalogue.main].labels)
    heard = hear_clips(model, clips, options.jobs)
    write_enrolment(out, options.speaker, model.description, heard)
    labelled = ", ".join(f"{name} {number}" for name, (number, _) in heard.prototypes.items())
    print(f"{out}: {heard.number} clips of {options.speaker}, labelled: {labelled or 'none'}")
    if strengths.mean is None and strengths.deviation is None and not (strengths.weight and labelled):
        print("on this model's valid speakers such clips did not help: with this file its answers stay as they are")
    print(f"try: speecheq predict {options.model} --speaker {out} recording.wav")
    return 0
