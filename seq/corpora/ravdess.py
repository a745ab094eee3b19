"""RAVDESS, the speech part: 24 actors, 8 emotions at two intensities, two sentences (Livingstone and Russo 2018).

A file is called modality-channel-emotion-intensity-statement-repetition-actor, two digits each.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from seq.corpora.base import AUDIO_SUFFIXES, CorpusReader, Utterance
from seq.corpora.trees import find_below, folders

SENTENCES = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
URL = "https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip?download=1"
# As published by Zenodo on the page of the record.
MD5 = "bc696df654c87fed845eb13823edef8a"
# Modality 03 is audio only, channel 01 is speech.
SPEECH_NAME = re.compile(r"03-01-(\d\d)-(\d\d)-(0[12])-\d\d-(\d\d)")


class Reader(CorpusReader):
    """Reads the original 48 kHz wav files (some stereo) or flac copies; skips songs and videos, with a count."""

    name: ClassVar[str] = "ravdess"
    obtain: ClassVar[str] = (
        f"Download {URL} (208 MB, md5 {MD5}, CC BY-NC-SA 4.0), unpack it and pass the folder with --corpus-dir; "
        "it must look like Actor_01/03-01-01-01-01-01-01.wav ... Actor_24/03-01-08-02-02-02-24.wav."
    )

    def find_root(self, corpus_dir: Path) -> Path:
        """The folder that holds Actor_01 ... with speech in them: songs and videos lie in a like tree of their own."""
        return find_below(corpus_dir, _has_speech, "folders Actor_01 ... Actor_24 with the speech of RAVDESS")

    def read(self, root: Path, options: dict[str, str]) -> Iterator[Utterance]:
        skipped = 0
        for actor_dir in _actor_dirs(root):
            for path in sorted(actor_dir.iterdir()):
                match = _match_speech(path)
                if match is None:
                    skipped += not path.name.startswith(".")
                    continue
                emotion, intensity, statement, actor = match.groups()
                yield Utterance(
                    id=path.stem,
                    audio=path,
                    speaker=actor,
                    gender="M" if int(actor) % 2 else "F",
                    language="en",
                    text=SENTENCES[statement],
                    sentence=statement,
                    raw={"emotion": emotion, "intensity": intensity},
                )
        if skipped:
            print(
                f"ravdess: skipped {skipped} files that are not audio-only speech (songs, videos, others)",
                file=sys.stderr,
            )

    def download(self, target: Path) -> Path:
        """Download and unpack the corpus below `target`; returns its root."""
        from seq.corpora.download import download_zip

        return self.find_root(download_zip(URL, MD5, target, self.obtain))


def _actor_dirs(folder: Path) -> list[Path]:
    return [path for path in folders(folder) if re.fullmatch(r"Actor_\d\d", path.name, re.IGNORECASE)]


def _has_speech(folder: Path) -> bool:
    return any(_match_speech(path) for actor_dir in _actor_dirs(folder) for path in actor_dir.iterdir())


def _match_speech(path: Path) -> re.Match[str] | None:
    return SPEECH_NAME.fullmatch(path.stem) if path.suffix.lower() in AUDIO_SUFFIXES else None
