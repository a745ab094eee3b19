"""A tiny experiment on disk: random fbank of 4 speakers with labels in it, folds, a lang folder and a conf.

It begins where stage 4 ends, so that training and decoding can be tested in seconds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from lhotse import CutSet, Features, MonoCut, SupervisionSegment
from lhotse.features.io import NumpyFilesWriter

from seq.conf import AugmentConf, Conf, CorpusConf, ModelConf, ProtocolConf, RawName, RawValue, TrainConf
from seq.tasks.registry import default_names
from seq.train.experiment import Experiment
from seq.utils.files import write_json, write_text
from seq.utils.protocol_conf import FoldConf, Selection

EMOTIONS = ["neutral", "happy", "sad"]
INTENSITIES = {"neutral": 0.0, "happy": 1.0, "sad": 1 / 3}
PHONES = ["A", "B", "C"]
NUM_FILTERS = 20


def tiny_conf(**train: object) -> Conf:
    """A conf with a small network and, unless said otherwise, two epochs."""
    corpus = CorpusConf(
        name="tiny",
        reader="casia",
        emotions=[RawName(name, name) for name in EMOTIONS],
        intensities=[RawValue("weak", 1 / 3), RawValue("strong", 1.0)],
    )
    fold = FoldConf(test=Selection(speakers=["s3"]), valid=Selection(speakers=["s2"]))
    protocol = ProtocolConf("tiny", "tiny", list(EMOTIONS), folds=[fold])
    conf = Conf(corpus, [protocol])
    conf.features.num_filters = NUM_FILTERS
    # The default masks would hide a whole band of these few filters.
    conf.augment = AugmentConf(
        frequency_warp=0.02, gain_db=1.0, frequency_mask_bins=2, time_mask_frames=10, speed_prob=0.0
    )
    conf.model = ModelConf(stem_channels=4, channels=16, num_layers=2, kernel_size=3, feedforward=32, embedding_dim=16)
    settings = {"num_epochs": 2, "batch_duration": 6.0, "average_epochs": 2, "warmup_epochs": 1.0, **train}
    conf.train = TrainConf(**settings)  # type: ignore[arg-type]
    return conf


def make_cuts(folder: Path, per_class: int = 4, unlabelled: bool = True) -> CutSet:
    """Cuts with stored features: each emotion has its own band, each gender another."""
    rng = np.random.default_rng(0)
    writer = NumpyFilesWriter(folder / "storage")
    cuts = []
    for speaker in range(4):
        for emotion_id, emotion in enumerate(EMOTIONS):
            for i in range(per_class):
                name = f"s{speaker}-{emotion}-{i}"
                num_frames = int(rng.integers(60, 120))
                feature = rng.normal(size=(num_frames, NUM_FILTERS)).astype(np.float32)
                feature[:, emotion_id * 5 : emotion_id * 5 + 5] += 3.0
                feature[:, 15:] += 3.0 * (speaker % 2)
                custom = {"emotion": emotion, "raw_emotion": emotion, "sentence": str(i)}
                if not (unlabelled and i == 0):
                    custom["intensity"] = INTENSITIES[emotion]
                supervision = SupervisionSegment(
                    name, name, 0.0, num_frames / 100, speaker=f"s{speaker}", gender="FM"[speaker % 2], custom=custom
                )
                features = Features(
                    type="kaldi-fbank",
                    num_frames=num_frames,
                    num_features=NUM_FILTERS,
                    frame_shift=0.01,
                    sampling_rate=16000,
                    start=0,
                    duration=num_frames / 100,
                    channels=0,
                    recording_id=name,
                    storage_type=writer.name,
                    storage_path=str(writer.storage_path),
                    storage_key=writer.write(name, feature),
                )
                cuts.append(MonoCut(name, 0.0, num_frames / 100, 0, supervisions=[supervision], features=features))
    return CutSet.from_cuts(cuts)


def make_experiment(
    folder: Path, conf: Conf | None = None, tasks: list[str] | None = None, cuts: CutSet | None = None
) -> Experiment:
    """Everything that stages 0 to 4 would have written, below `folder`."""
    conf = conf or tiny_conf()
    cuts = make_cuts(folder) if cuts is None else cuts
    cuts.to_file(folder / "cuts.jsonl.gz")
    ids = {speaker: [cut.id for cut in cuts if cut.supervisions[0].speaker == speaker] for speaker in ("s2", "s3")}
    train = [cut.id for cut in cuts if cut.supervisions[0].speaker in ("s0", "s1")]
    fold = {
        "corpus": "tiny",
        "protocol": "tiny",
        "fold": 1,
        "speaker_disjoint": True,
        "valid_speaker_disjoint": True,
        "train": train,
        "valid": ids["s2"],
        "test": ids["s3"],
        "excluded": {},
    }
    write_json(folder / "folds" / "fold_1.json", fold)
    write_text(folder / "lang" / "tokens.txt", "<blk> 0\nA 1\nB 2\nC 3\n")
    # The sad ones have no text.
    lines = [f"{cut.id} {' '.join(PHONES)}\n" for cut in cuts if "sad" not in cut.id]
    write_text(folder / "lang" / "text", "".join(lines))
    return Experiment(
        conf,
        conf.protocols[0],
        tasks or default_names(),
        folder / "cuts.jsonl.gz",
        folder / "folds",
        folder / "lang",
        folder / "exp",
        device="cpu",
    )
