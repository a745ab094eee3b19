"""Stage 1: utterances and the audio table to Lhotse cuts, streaming, without opening audio again."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lhotse import AudioSource, CutSet, MonoCut, Recording, SupervisionSegment
from lhotse.qa import validate
from lhotse.utils import compute_num_samples

from seq.audio.reading import SAMPLING_RATE
from seq.conf import Conf
from seq.corpora.base import Utterance, get_reader
from seq.corpora.counts import CorpusCounts
from seq.corpora.record import read_corpus_json
from seq.data.whole_recording import SEGMENT
from seq.errors import InputError
from seq.labels import EMOTION, VOTES, check_labels, map_labels, map_votes
from seq.utils.disk_map import DiskMap
from seq.utils.files import atomic_path, read_jsonl


def prepare_manifests(conf: Conf, corpus_json: Path, audio_table: Path, out: Path) -> None:
    """Write one cut per utterance to `out`, in the order of the reader.

    Raises:
        InputError: stage 0 has not run or the corpus has changed since, or a label is not mapped by the conf.
    """
    check_labels(conf.corpus)
    corpus = read_corpus_json(corpus_json)
    if corpus.get("corpus") != conf.corpus.name:
        raise InputError(
            f"{corpus_json} is of {corpus.get('corpus')}, the conf is of {conf.corpus.name}: run stage 0 first"
        )
    root = Path(corpus["root"])
    table = DiskMap()
    for row in read_jsonl(audio_table):
        table.add(os.path.normpath(root / row["path"]), row)
    counts = CorpusCounts(conf.corpus)
    seconds = 0.0
    unmapped = Counter[str]()
    with atomic_path(out) as temporary, CutSet.open_writer(temporary, overwrite=True) as writer:
        for utterance in _read(conf, root, corpus["options"]):
            labels = map_labels(utterance.id, utterance.raw, conf.corpus)
            counts.add(utterance, labels.get(EMOTION))
            audio = table.get(os.path.normpath(utterance.audio))
            if audio is None:
                raise InputError(
                    f"{utterance.audio} is not in {audio_table}: the corpus has changed, run stage 0 again"
                )
            votes = map_votes(utterance.votes, conf.corpus)
            unmapped.update(raw for raw in utterance.votes if raw not in conf.corpus.categories)
            cut = make_cut(utterance, audio, {**labels, **({VOTES: votes} if votes else {})})
            validate(cut)
            validate(cut.recording)
            writer.write(cut)
            seconds += cut.duration
        counts.check(str(root), allow_partial=corpus["partial"])
    for word, number in sorted(unmapped.items()):
        print(f"{out}: in {number} utterances an annotator said {word!r}, which has no category: skipped")
    print(f"{out}: {counts.summary()}; {seconds:.0f} s, on average {seconds / counts.num_utterances:.2f} s")


def _read(conf: Conf, root: Path, options: dict[str, str]) -> Iterator[Utterance]:
    if not root.is_dir():
        raise InputError(f"the corpus is no longer at {root}: run stage 0 again with --corpus-dir")
    return get_reader(conf.corpus.reader).read(root, options)


def make_cut(utterance: Utterance, row: dict[str, Any], labels: Mapping[str, object]) -> MonoCut:
    """A cut on the trimmed part of the audio of `utterance`, or on its segment where it has one.

    The recording keeps its true rate and channels; Lhotse resamples it to 16 kHz when it loads it. Our own
    loader, `seq.audio.reading.load_cut_audio`, reads the source file instead and averages channels.

    Args:
        row: what the audio table says about `utterance.audio`.
        labels: what the utterance's own labels become, by task; both are kept.
    """
    rate, num_samples = row["sampling_rate"], row["num_samples"]
    recording = Recording(
        id=utterance.id,
        sources=[AudioSource(type="file", channels=list(range(row["num_channels"])), source=str(utterance.audio))],
        sampling_rate=rate,
        num_samples=num_samples,
        duration=num_samples / rate,
    )
    if rate != SAMPLING_RATE:
        recording = recording.resample(SAMPLING_RATE)
    is_segment = bool(utterance.start) or utterance.duration is not None
    if is_segment:
        start = utterance.start
        end = recording.duration if utterance.duration is None else start + utterance.duration
    else:
        start, end = row["start"], row["end"]
    # On the grid of 16 kHz samples: otherwise rounding could put the end beyond the recording.
    first = compute_num_samples(start, SAMPLING_RATE)
    last = min(compute_num_samples(end, SAMPLING_RATE), recording.num_samples)
    if last <= first:
        raise InputError(f"utterance {utterance.id} starts at {start:.3f} s, after the end of {utterance.audio}")
    duration = (last - first) / SAMPLING_RATE
    custom = {
        **labels,
        **{f"raw_{task}": label for task, label in utterance.raw.items()},
        "sentence": utterance.sentence or utterance.text,
        "split": utterance.split,
        "fold": utterance.fold,
        SEGMENT: is_segment or None,
    }
    supervision = SupervisionSegment(
        id=utterance.id,
        recording_id=recording.id,
        start=0.0,
        duration=duration,
        channel=0,
        text=utterance.text,
        language=utterance.language,
        speaker=utterance.speaker,
        gender=utterance.gender,
        custom={key: value for key, value in custom.items() if value is not None},
    )
    return MonoCut(
        id=utterance.id,
        start=first / SAMPLING_RATE,
        duration=duration,
        channel=0,
        supervisions=[supervision],
        recording=recording,
    )
