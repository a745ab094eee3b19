"""The model card of a model folder: what the model is, how well it does, what it must not be used for. Generated."""

from __future__ import annotations

from typing import Final, cast

from seq.export.doubt import CLEAN_ALONE
from seq.models.pretrained.source import may_be_passed_on
from seq.runtime.doubts import point_at
from seq.runtime.folder import Description, Origin, read_catalogue
from seq.score.calibration import Calibration
from seq.score.shared import describe_shared
from seq.tasks.registry import in_order
from seq.train.validation import ValidScores
from seq.utils.markdown_text import code, plain

# In the card's table.
RISKS: Final = (0.05, 0.1, 0.2, 0.3, 0.4)


def model_card(description: Description) -> str:
    """The card, in Markdown, of what model.json holds."""
    protocol, origin = description["protocol"], description.get("finetuned_from")
    corpus = plain(description["corpus"])
    catalogue = read_catalogue(description)
    parts = {"valid": description["shared"]["valid"], "test": description["shared"]["test"]}
    chosen = "Chosen on valid; test was decoded once, after."
    if not description["scores"]["test"]:
        del parts["test"]
        chosen = "Chosen on valid; nobody is left to test."
    shared = [describe_shared(name, part["speakers"], part["sentences"]) for name, part in parts.items()]
    if not protocol["speaker_disjoint"]:
        shared.append("**speakers of train are in test**: the scores do not hold for new speakers")
    sections = [
        f"# SpeechEQ model: {corpus}",
        f"One network of {description['num_parameters']:,} parameters that names, for an utterance: "
        f"{', '.join(description['tasks'])}. Written by `speecheq export` {description['version']}"
        f" (commit {description['commit'] or 'unknown'}).",
        _usage(),
        "## Outputs",
        "\n".join(f"- {task.called}: {task.about(catalogue.outputs[task.name])}" for task in catalogue.tasks),
        *_spelling(description),
        *_encoder(description),
        *_origin(origin),
        "## How it was chosen and how well it does",
        f"Corpus {corpus}, protocol {code(protocol['name'])} ({plain(protocol['description'])}), fold "
        f"{protocol['fold']}, seed {protocol['seed']}, epoch {description['epoch']}; {'; '.join(shared)}. "
        f"{chosen} {_caution(origin)}",
        *([f"**Incomplete corpus: {plain(missing)}.**"] if (missing := description.get("missing")) else []),
        _score_table(description["scores"], origin),
        "## Calibration",
        _calibration(description),
        "## What training heard",
        _heard(description),
        *_speakers(description),
        "## Limits",
        f"It learnt from {plain(_teachers(description))} alone. On other languages, microphones, ages and spontaneous "
        "speech it does worse, and the scores above say nothing about how much. It hears how something is said, not "
        "what a person feels. Do not use it to decide about people.",
    ]
    return "\n\n".join(sections) + "\n"


def _encoder(description: Description) -> list[str]:
    """The section on the pretrained encoder inside, and on what 8 bits cost, if there are such."""
    sections = []
    if found := description.get("encoder"):
        trained = ", its last layers trained further" if found["num_upper"] else ", frozen"
        text = (
            f"{plain(found['name'])} ({found['family']}{trained}), revision {found['revision'] or 'not known'}, "
            f"SHA-256 of its weights {found['sha256']}. Licence of its weights: "
            f"{plain(found['licence'] or 'not known')}."
        )
        if not may_be_passed_on(found["licence"]):
            text += " **Whether they may be passed on inside this model is not known here: ask who made them.**"
        sections += ["## The encoder inside", text]
    if found := description.get("int8"):
        sections += [
            "## 8 bits",
            f"Matrices have 8 bits. On valid ({found['num_utterances']} utterances) the main score is "
            f"{100 * found['after']:.2f} % where 32 bits have {100 * found['before']:.2f} %; "
            f"{100 * found['same_answer']:.1f} % of the answers are the same.",
        ]
    return sections


def _speakers(description: Description) -> list[str]:
    """The section on whom it can be told of, if that is known."""
    if (found := description.get("speakers")) is None:
        return []
    return [
        "## Known speakers",
        f"`speecheq enroll THIS_FOLDER --speaker NAME clips/` maps a speaker onto the {found['num_speakers']} of "
        f"training ({found['num_utterances']} utterances); how much of few clips is believed was chosen on valid. The "
        "scores above are of speakers whom the model does not know.",
    ]


def _origin(origin: Origin | None) -> list[str]:
    """The section on the model that this one was finetuned from, if it was."""
    if origin is None:
        return []
    text = (
        f"The model {code(origin['name'])} (corpus {plain(origin['corpus'])}, protocol {code(origin['protocol'])}, "
        f"SHA-256 of its model.json {origin['sha256']}), by `speecheq finetune`: it began with those weights."
    )
    if origin["new_emotions"]:
        text += f" New emotions, which that model did not have: {', '.join(origin['new_emotions'])}."
    return ["## What it was finetuned from", text]


def _caution(origin: Origin | None) -> str:
    if origin is None:
        return "One fold is one fold: the experiment's report has all of them, with intervals."
    return (
        "Whether speakers of test were in the training of the model that this one was finetuned from is not known "
        "here; if they were, the scores are too good. The report in the work folder has intervals."
    )


def _teachers(description: Description) -> str:
    """All corpora that the weights have learnt from, the first one first."""
    names = [description["corpus"]]
    origin = description.get("finetuned_from")
    while origin is not None:
        names.insert(0, origin["corpus"])
        origin = origin["finetuned_from"]
    return " and then ".join(names)


def _usage() -> str:
    return (
        "```\n"
        "speecheq predict THIS_FOLDER recording.wav\n"
        "```\n\n"
        "```python\n"
        "from seq import load\n\n"
        'print(load("THIS_FOLDER")(waveform, rate))\n'
        "```\n\n"
        "`model.onnx` takes `waveform` (N, S), 16 kHz mono in [-1, 1], zeros after each end, and `lengths` (N,) in "
        "samples (400 or more). It gives logits; `model.json` says what they stand for and holds the temperatures."
    )


def _score_table(scores: dict[str, ValidScores], origin: Origin | None) -> str:
    columns = {"valid": scores["valid"], "test": scores["test"]}
    if origin is not None:
        columns["test, before finetuning"] = origin["test"]
    lines = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for task in in_order({name for part in scores.values() for name in part}):
        for column in task.columns:
            values = [part.get(task.name, {}).get(column.metric) for part in columns.values()]
            cells = ["–" if value is None else column.format(value) for value in values]
            lines.append(f"| {task.name}, {column.metric} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _fitted_on(description: Description) -> str:
    found = description.get("fitted_on")
    if not found or not found["conditions"]:
        return CLEAN_ALONE + "."
    return (
        f"under {len(found['conditions'])} conditions ({', '.join(found['conditions'])}), of which each group counts "
        "once, among those that mark at most a quarter of the right answers on clean speech."
    )


def _risks(description: Description) -> list[str]:
    """What `speecheq predict --risk` gets."""
    found = description.get("fitted_on")
    if not found or not found["curve"]:
        return []
    points = [point_at(risk, found["curve"]) for risk in RISKS]
    cells = [f"{100 * point['coverage']:.0f} %" if point else "–" for point in points]
    return [
        f"`--risk` chooses another threshold. On the same {found['num_answers']} answers it gives:",
        "",
        f"| at most this share wrong | {' | '.join(f'{100 * risk:.0f} %' for risk in RISKS)} |",
        "|---" * (len(RISKS) + 1) + "|",
        f"| share of answers given | {' | '.join(cells)} |",
        "",
    ]


def _spelling(description: Description) -> list[str]:
    """What heads that spell are worth, and which ones are not in the folder."""
    lines, missing = [], description.get("left_out", {})
    for task in in_order(description.get("unseen", {})):
        found = description["unseen"][task.name]
        said = "not known" if found["errors"] is None else f"{100 * found['errors']:.1f} % ({plain(found['source'])})"
        line = f"{task.called}: {task.main.metric} on sentences that training never heard: {said}."
        lines.append(line + (" **Left out**: nothing could be read from its answers." if task.name in missing else ""))
    return ["## New sentences", "\n".join(f"- {line}" for line in lines)] if lines else []


def _heard(description: Description) -> str:
    found = description.get("heard")
    if not found:
        return "It is not known here: the audio of train was not at hand at export."
    named = {"narrow": "up to 4 kHz alone", "wide": "above 4 kHz, too"}
    text = f"Sound {' and sound '.join(named[band] for band in found['bands'])}"
    if found["conditions"]:
        text += f"; copies of utterances in {', '.join(found['conditions'])}"
    if strange := [named[band] for band in named if band not in found["bands"]]:
        text += f". An answer for sound {strange[0]} is marked `uncertain`"
    return f"{text}."


def _calibration(description: Description) -> str:
    main = description["main"]
    if main is None:
        return "The model names no category that an answer could be uncertain of."
    found = cast("Calibration", description["calibration"][main])
    lines = [
        f"Temperature {found['temperature']:.3f}, fitted on valid. An answer whose probability is below "
        f"{found['threshold']:.3f} is marked `uncertain`: that threshold separates right from wrong answers best on "
        f"valid, {_fitted_on(description)}",
        "",
        *_risks(description),
        f"| {main} | utterances | calibration error before | after | uncertain | accuracy | of the certain ones |",
        "|---|---|---|---|---|---|---|",
    ]
    for part in ("valid", "test"):
        if part in found:
            row = found[part]
            certain = "–" if row["accuracy_certain"] is None else f"{100 * row['accuracy_certain']:.1f} %"
            lines.append(
                f"| {part} | {row['num_utterances']} | {row['ece_before']:.3f} | {row['ece_after']:.3f} | "
                f"{100 * row['uncertain']:.1f} % | {100 * row['accuracy']:.1f} % | {certain} |"
            )
    return "\n".join(lines)
