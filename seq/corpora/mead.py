"""MEAD, the audio part: 48 actors, 8 emotions at three levels of intensity (Wang et al. 2020).

`M003/audio/angry/level_1/001.m4a`; M and W are men and women. Neutral has level_1 only. libsndfile does not read m4a,
so the files must have been converted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final

from seq.corpora.base import CorpusReader, ReaderOption, Utterance
from seq.corpora.tables import read_table
from seq.corpora.trees import audio_files, child, find_below, folders
from seq.errors import InputError

EMOTIONS: Final = ("angry", "contempt", "disgusted", "fear", "happy", "neutral", "sad", "surprised")
_LEVEL: Final = re.compile(r"level_[123]")


class Reader(CorpusReader):
    """Reads the wav (or flac) files that lie where the m4a files are; the raw intensity is the folder, level_1 ..."""

    name: ClassVar[str] = "mead"
    options: ClassVar[tuple[ReaderOption, ...]] = (
        ReaderOption(
            "transcripts", "UTF-8 file of id<TAB>text lines; the id is an utterance's, such as M003-angry-1-001"
        ),
    )
    obtain: ClassVar[str] = """\
MEAD (non-commercial) is at https://wywu.github.io/projects/MEAD/MEAD.html: download the audio part, unpack it, convert
it (the error message for m4a files says how), and pass the folder that holds M003, W009, ... with --corpus-dir; it must
look like M003/audio/angry/level_1/001.wav. The sentences are in the supplement of the paper: see --transcripts."""

    def find_root(self, corpus_dir: Path) -> Path:
        """The folder of the actors."""
        return find_below(corpus_dir, lambda f: bool(_actors(f)), "folders such as M003/audio of MEAD")

    def read(self, root: Path, options: dict[str, str]) -> Iterator[Utterance]:
        """Yield the utterances, sorted by actor, emotion, level and number.

        Raises:
            InputError: files that were not converted, an unknown folder, a transcript of nothing.
        """
        named = options.get("transcripts")
        texts = read_table(Path(named), required=True) if named else {}
        _check_converted(root)
        known = set()
        for actor in _actors(root):
            speaker = actor.name.upper()
            for path in audio_files(child(actor, "audio")):
                emotion, level = path.parts[-3].lower(), path.parts[-2].lower()
                if len(path.relative_to(actor).parts) != 4 or emotion not in EMOTIONS or not _LEVEL.fullmatch(level):
                    wanted = f"{actor.name}/audio/<emotion>/level_<1-3>/<number>{path.suffix}"
                    raise InputError(f"{path} is not at {wanted} with one of {', '.join(EMOTIONS)}: move or remove it")
                utterance_id = f"{speaker}-{emotion}-{level[-1]}-{path.stem}"
                known.add(utterance_id)
                yield Utterance(
                    id=utterance_id,
                    audio=path,
                    speaker=speaker,
                    gender="M" if speaker.startswith("M") else "F",
                    language="en",
                    text=texts.get(utterance_id),
                    sentence=None,
                    raw={"emotion": emotion, "intensity": level},
                )
        unknown = next((key for key in texts if key not in known), None)
        if unknown is not None:
            raise InputError(f"{named}: {unknown} is no utterance of the corpus; correct or remove that line")


def _actors(folder: Path) -> list[Path]:
    found = (path for path in folders(folder) if re.fullmatch(r"[MW]\d{3}", path.name, re.IGNORECASE))
    return [path for path in found if child(path, "audio").is_dir()]


def _check_converted(root: Path) -> None:
    """Every m4a file must have a wav or flac file beside it."""
    bare = [
        path
        for actor in _actors(root)
        for path in audio_files(child(actor, "audio"), (".m4a",))
        if not any(path.with_suffix(suffix).exists() for suffix in (".wav", ".flac"))
    ]
    if bare:
        raise InputError(
            f"{bare[0]} ({len(bare)} such) is AAC, which libsndfile does not read: convert all files with "
            f"find {root} -name '*.m4a' -exec sh -c 'ffmpeg -nostdin -n -i \"$1\" \"${{1%.m4a}}.wav\"' _ {{}} \\;"
        )
