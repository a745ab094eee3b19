"""Counting a corpus while it streams by, and comparing the counts with those of a complete copy."""

from __future__ import annotations

from collections import Counter

from seq.conf import CorpusConf
from seq.corpora.base import Utterance
from seq.errors import InputError
from seq.utils.disk_map import DiskMap
from seq.utils.names import wrong_characters, wrong_name, wrong_path


class CorpusCounts:
    """Utterances per speaker and per emotion, and the ids seen so far."""

    def __init__(self, conf: CorpusConf) -> None:
        self.conf = conf
        self.speakers: Counter[str] = Counter()
        self.emotions: Counter[str] = Counter()
        self._ids = DiskMap()

    @property
    def num_utterances(self) -> int:
        return len(self._ids)

    def add(self, utterance: Utterance, emotion: str | float | None) -> None:
        """Count one utterance with its canonical emotion.

        Raises:
            InputError: its id was seen before, or it has a name that manifests and files cannot have.
        """
        check_names(utterance)
        if not self._ids.add(utterance.id):
            raise InputError(
                f"corpus {self.conf.name} has the utterance id {utterance.id} twice, the second time in "
                f"{utterance.audio}: remove the copy"
            )
        self.speakers[utterance.speaker] += 1
        self.emotions[str(emotion or "unlabelled")] += 1

    def check(self, where: str, allow_partial: bool) -> bool:
        """Compare with the counts of the conf; returns whether the copy at `where` is partial.

        Raises:
            InputError: there are too few and `allow_partial` is off (it names who and what is short), too many,
                or none at all.
        """
        conf = self.conf
        if not self.num_utterances:
            raise InputError(
                f"{where} holds no utterance of {conf.name}: pass the folder of the corpus with --corpus-dir"
            )
        expected = {item.name: item.count for item in conf.emotion_counts}
        is_short = (
            self.num_utterances < (conf.num_utterances or conf.min_utterances or 0)
            or len(self.speakers) < (conf.num_speakers or 0)
            or any(self.emotions[name] < count for name, count in expected.items())
        )
        is_more = (
            self.num_utterances > (conf.num_utterances or self.num_utterances)
            or len(self.speakers) > (conf.num_speakers or len(self.speakers))
            or any(self.emotions[name] > count for name, count in expected.items())
        )
        if is_more:
            raise InputError(
                f"{where} has {self.comparison()}: remove what does not belong there, or correct the counts in the conf"
            )
        if is_short and not allow_partial:
            raise InputError(
                f"{where} has {self.comparison()}: complete it, or pass --allow-partial to go on with what is there"
            )
        return is_short

    def comparison(self) -> str:
        """What there is beside what a complete copy has, and who and what differs."""
        conf = self.conf
        expected = {item.name: item.count for item in conf.emotion_counts}
        differences = self._short_speakers() + _differences(expected, self.emotions)
        least = f"{conf.min_utterances} or more" if conf.min_utterances else "any number of"
        return (
            f"{self.num_utterances} utterances of {len(self.speakers)} speakers, but a complete {conf.name} has "
            f"{conf.num_utterances or least} of {conf.num_speakers or 'any number of'}"
            + (f" ({', '.join(differences)})" if differences else "")
        )

    def _short_speakers(self) -> list[str]:
        """Speakers that lack utterances, where every speaker should have equally many."""
        conf = self.conf
        if not conf.num_utterances or not conf.num_speakers or conf.num_utterances % conf.num_speakers:
            return []
        each = conf.num_utterances // conf.num_speakers
        return _differences(
            {f"speaker {name}": each for name in sorted(self.speakers)},
            {f"speaker {name}": count for name, count in self.speakers.items()},
        )

    def summary(self) -> str:
        """One line: utterances, speakers, utterances per emotion."""
        emotions = ", ".join(f"{name} {count}" for name, count in sorted(self.emotions.items()))
        return f"{self.num_utterances} utterances, {len(self.speakers)} speakers: {emotions}"


def check_names(utterance: Utterance) -> None:
    """Check the names of an utterance. Raises InputError for one that manifests and files cannot have."""
    audio = str(utterance.audio)
    if wrong := wrong_path(audio):
        raise InputError(f"the path {audio!r} {wrong}: rename the file or folder")
    if wrong := wrong_characters(utterance.speaker):
        raise InputError(f"{audio}: its speaker, {utterance.speaker!r}, {wrong}: correct the name")
    # Transcripts are lines of words, the first of which is the id.
    if wrong := wrong_name(utterance.id) or ("has blanks" if len(utterance.id.split()) > 1 else None):
        raise InputError(f"{audio}: its id, {utterance.id!r}, {wrong}: rename the file, or give it another id")


def _differences(expected: dict[str, int], found: dict[str, int] | Counter[str]) -> list[str]:
    return [
        f"{name} has {found.get(name, 0)} of {count}" for name, count in expected.items() if found.get(name, 0) != count
    ]
