"""The model card of a model folder: what the model is, how well it does, what it must not be used for. Generated."""

from __future__ import annotations

from typing import Any

_SCORES = {
    "UA": "emotion, unweighted accuracy (mean recall)",
    "WA": "emotion, accuracy",
    "intensity_UA": "intensity level, unweighted accuracy",
    "gender": "gender, accuracy",
    "PER": "phones, error rate",
}


def model_card(description: dict[str, Any]) -> str:
    """The card, in Markdown, of what model.json holds."""
    protocol = description["protocol"]
    disjoint = "no speaker of train is in valid or test" if protocol["speaker_disjoint"] else (
        "**speakers of train are in test**: the scores do not hold for new speakers"
    )  # fmt: skip
    sections = [
        f"# SpeechEQ model: {description['corpus']}",
        f"One network of {description['num_parameters']:,} parameters that names, for an utterance: "
        f"{', '.join(description['tasks'])}. Written by `speecheq export` {description['version']}"
        f" (commit {description['commit'] or 'unknown'}).",
        _usage(),
        "## Outputs",
        f"- emotions: {', '.join(description['emotions'])}\n"
        f"- intensity: 0 to 1; levels of the training corpus: {_levels(description['intensity_levels'])}\n"
        f"- phones: {len(description['phones']) - 1} symbols, and the blank of CTC",
        "## How it was chosen and how well it does",
        f"Corpus {description['corpus']}, protocol `{protocol['name']}` ({protocol['description']}), fold "
        f"{protocol['fold']}, seed {protocol['seed']}, epoch {description['epoch']}; {disjoint}. Chosen on valid; "
        "test was decoded once, after. One fold is one fold: the experiment's report has all of them, with intervals.",
        *([f"**Incomplete corpus: {missing}.**"] if (missing := description.get("missing")) else []),
        _score_table(description["scores"]),
        "## Calibration",
        _calibration(description["calibration"]),
        "## Limits",
        f"It learnt from {description['corpus']} alone. On other languages, microphones, ages and spontaneous speech "
        "it does worse, and the scores above say nothing about how much. It hears how something is said, not what a "
        "person feels. Do not use it to decide about people.",
    ]
    return "\n\n".join(sections) + "\n"


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


def _levels(levels: list[float]) -> str:
    return ", ".join(f"{level:.3g}" for level in levels) or "none, it does not rate intensity"


def _score_table(scores: dict[str, dict[str, float]]) -> str:
    lines = ["| | valid | test |", "|---|---|---|"]
    for key, name in _SCORES.items():
        if any(key in part for part in scores.values()):
            cells = [f"{100 * scores[part][key]:.1f} %" if key in scores[part] else "–" for part in ("valid", "test")]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _calibration(calibration: dict[str, Any]) -> str:
    if "emotion" not in calibration:
        return "The model names no emotion."
    emotion = calibration["emotion"]
    lines = [
        f"Temperature {emotion['temperature']:.3f}, fitted on valid. An answer whose probability is below "
        f"{emotion['threshold']:.3f} is marked `uncertain`: that threshold separates right from wrong answers best on "
        "valid.",
        "",
        "| emotion | utterances | calibration error before | after | uncertain | accuracy | of the certain ones |",
        "|---|---|---|---|---|---|---|",
    ]
    for part in ("valid", "test"):
        if part in emotion:
            row = emotion[part]
            certain = "–" if row["accuracy_certain"] is None else f"{100 * row['accuracy_certain']:.1f} %"
            lines.append(
                f"| {part} | {row['num_utterances']} | {row['ece_before']:.3f} | {row['ece_after']:.3f} | "
                f"{100 * row['uncertain']:.1f} % | {100 * row['accuracy']:.1f} % | {certain} |"
            )
    return "\n".join(lines)
