"""The synthetic corpus on disk: what `seq.synth.speech` speaks, in CASIA's tree.

<speaker>/<emotion>/201.wav ...   16 kHz, 16 bit, mono
transcripts.txt                   sentence number<TAB>text
speakers.tsv                      speaker<TAB>F or M
intensities.tsv                   utterance id<TAB>weak, moderate or strong; neutral has none
synthesis.json                    the settings that it was made with
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from seq.errors import InputError
from seq.synth import speech as synthesis
from seq.utils.files import read_json, remove_leftovers, write_json, write_text
from seq.utils.pool import pool_map

_SETTINGS_FILE: Final = "synthesis.json"
_FIRST_NUMBER: Final = 201


@dataclass(frozen=True)
class Settings:
    """What decides every sample of a corpus."""

    seed: int = 1
    speakers: int = 4
    sentences: int = 24
    version: int = synthesis.VERSION


@dataclass(frozen=True)
class _Job:
    """One file to speak."""

    path: Path
    utterance_id: str
    voice: synthesis.Voice
    emotion: str
    intensity: str | None
    sentence: int
    seed: int


def make_corpus(target: Path, settings: Settings, num_processes: int = 2) -> None:
    """Make the corpus of `settings` in `target`; files that exist are kept, so an interrupted run goes on.

    Raises:
        InputError: a size is out of range, or `target` holds other files or a corpus of other settings.
    """
    from seq.utils.progress import progress_bar

    _check_sizes(settings)
    _claim(target, settings)
    jobs = list(_jobs(target, settings))
    remove_leftovers(target)
    missing = [job for job in jobs if not job.path.exists()]
    if missing:
        # Each file depends on its job alone, so the number of processes is free.
        finished = pool_map(_run, missing, num_processes, chunk_size=4)
        for _ in progress_bar(finished, total=len(missing), desc="synthesis", unit="utterance"):
            pass
    voices = synthesis.VOICES[: settings.speakers]
    texts = (sentence.replace(" ", "") for sentence in synthesis.SENTENCES[: settings.sentences])
    rated = (job for job in jobs if job.intensity is not None)
    write_text(target / "speakers.tsv", "".join(f"{voice.name}\t{voice.gender}\n" for voice in voices))
    write_text(target / "transcripts.txt", "".join(f"{_FIRST_NUMBER + i}\t{text}\n" for i, text in enumerate(texts)))
    write_text(target / "intensities.tsv", "".join(f"{job.utterance_id}\t{job.intensity}\n" for job in rated))


def _check_sizes(settings: Settings) -> None:
    for name, value, highest in (
        ("speakers", settings.speakers, len(synthesis.VOICES)),
        ("sentences", settings.sentences, len(synthesis.SENTENCES)),
    ):
        if not 1 <= value <= highest:
            raise InputError(f"--{name} {value}: choose a number from 1 to {highest}")
    if settings.seed < 0:
        raise InputError(f"--seed {settings.seed}: choose 0 or more")


def _claim(target: Path, settings: Settings) -> None:
    """Make `target` ours by writing the settings into it, or check that it is."""
    path = target / _SETTINGS_FILE
    wanted = asdict(settings)
    if path.exists():
        found = read_json(path)
        if found != wanted:
            raise InputError(
                f"{target} holds a synthetic corpus of other settings ({json.dumps(found)}): "
                "remove it or choose another folder"
            )
        return
    if target.exists() and (not target.is_dir() or any(not p.name.startswith(".") for p in target.iterdir())):
        raise InputError(f"{target} exists and is no synthetic corpus: remove it or choose another folder")
    write_json(path, wanted)


def _jobs(target: Path, settings: Settings) -> Iterator[_Job]:
    """One job per speaker, emotion and sentence, the intensities in equal numbers and in random order."""
    for i, voice in enumerate(synthesis.VOICES[: settings.speakers]):
        for j, emotion in enumerate(synthesis.EMOTIONS):
            order = np.random.default_rng([settings.seed, i, j]).permutation(settings.sentences)
            for sentence in range(settings.sentences):
                rated = emotion != "neutral"
                intensity = synthesis.INTENSITIES[order[sentence] % len(synthesis.INTENSITIES)] if rated else None
                number = str(_FIRST_NUMBER + sentence)
                path = target / voice.name / emotion / f"{number}.wav"
                yield _Job(path, f"{voice.name}-{emotion}-{number}", voice, emotion, intensity, sentence, settings.seed)


def _run(job: _Job) -> None:
    samples = synthesis.render(job.voice, job.emotion, job.intensity, job.sentence, job.seed)
    synthesis.write_wav(job.path, samples, synthesis.SAMPLING_RATE)
