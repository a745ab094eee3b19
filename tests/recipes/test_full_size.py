"""The true counts of the corpora on full-size listings (names without audio), and the folds of every protocol."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from corpus_builders import real_cremad

from seq.conf import Conf, load_conf
from seq.corpora import emodb, esd
from seq.corpora.base import Utterance, get_reader
from seq.corpora.counts import CorpusCounts
from seq.data.fold_checks import Folds
from seq.data.folds import make_folds
from seq.errors import InputError
from seq.labels import map_labels
from seq.tasks.predictions import ManifestRow

EGS = Path(__file__).resolve().parents[2] / "egs"


class Corpus:
    """A listing as its reader and its conf see it; the conf's counts hold."""

    def __init__(self, name: str, root: Path) -> None:
        self.conf: Conf = load_conf(EGS / name / "conf/default.yaml")
        reader = get_reader(self.conf.corpus.reader)
        self.utterances: list[Utterance] = list(reader.read(reader.find_root(root), {}))
        # What they become, by task.
        self.labels = [map_labels(u.id, u.raw, self.conf.corpus) for u in self.utterances]
        counts = CorpusCounts(self.conf.corpus)
        for utterance, labels in zip(self.utterances, self.labels, strict=True):
            counts.add(utterance, labels.get("emotion"))
        assert counts.check(str(root), allow_partial=False) is False

    def values(self, task: str) -> Counter[object]:
        return Counter(labels.get(task) for labels in self.labels)

    def genders(self) -> dict[str, set[str]]:
        return {g: {u.speaker for u in self.utterances if u.gender == g} for g in ("F", "M")}

    def folds(self, protocol: str) -> Folds:
        return make_folds(self._cuts(), self.conf.protocol(protocol))

    def _cuts(self) -> Iterator[ManifestRow]:
        for u, labels in zip(self.utterances, self.labels, strict=True):
            custom = {"emotion": labels.get("emotion"), "sentence": u.sentence}
            yield ManifestRow(u.id, u.speaker, u.gender, custom=custom, language=u.language)


@pytest.fixture
def listing(tmp_path: Path) -> Iterator[Path]:
    """A folder for tens of thousands of names, which do not stay as pytest's own folders do."""
    yield tmp_path
    shutil.rmtree(tmp_path)


def touch(root: Path, names: list[str]) -> Path:
    for folder in {os.path.dirname(name) for name in names}:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name in names:
        (root / name).touch()
    return root


def held_out(folds: Folds) -> list[set[str]]:
    """The test speakers of every fold; all utterances are tested once."""
    tested = Counter(id_ for fold in folds.folds for id_ in fold.test)
    assert set(tested) == set(folds.speakers) and set(tested.values()) == {1}
    return [{folds.speakers[id_] for id_ in fold.test} for fold in folds.folds]


def test_casia_1200(listing: Path) -> None:
    speakers = ("wangzhe", "ZhaoZuoxiang", "liuchanhg", "zhaoquanyin")
    emotions = ("angry", "fear", "happy", "neutral", "sad", "surprise")
    names = [f"{s}/{e}/{n}.wav" for s in speakers for e in emotions for n in range(201, 251)]
    corpus = Corpus("casia", touch(listing, names))
    assert len(corpus.utterances) == 1200
    assert corpus.genders() == {"F": {"liuchanhg", "zhaoquanyin"}, "M": {"wangzhe", "zhaozuoxiang"}}
    assert set(corpus.values("emotion").values()) == {200}
    assert set(corpus.values("intensity")) == {None}
    folds = corpus.folds("loso")
    assert held_out(folds) == [{"wangzhe"}, {"zhaozuoxiang"}, {"liuchanhg"}, {"zhaoquanyin"}]
    assert {(len(f.train), len(f.valid), len(f.test)) for f in folds.folds} == {(720, 180, 300)}
    assert {len(f.test) for f in corpus.folds("random10").folds} == {120}


def test_ravdess_1440(listing: Path) -> None:
    names = []
    for actor in range(1, 25):
        codes = [f"{e:02d}-{i:02d}" for e in range(1, 9) for i in (1, 2) if (e, i) != (1, 2)]
        names += [
            f"Actor_{actor:02d}/03-01-{c}-{s:02d}-{r:02d}-{actor:02d}.wav"
            for c in codes
            for s in (1, 2)
            for r in (1, 2)
        ]
    corpus = Corpus("ravdess", touch(listing, names))
    assert len(corpus.utterances) == 1440
    assert {gender: len(speakers) for gender, speakers in corpus.genders().items()} == {"F": 12, "M": 12}
    assert corpus.values("intensity") == {0.0: 96, 2 / 3: 672, 1.0: 672}
    assert [len(test) for test in held_out(corpus.folds("emobox"))] == [4] * 6
    # Test speakers say the sentence that training and the choice have not.
    folds = corpus.folds("sentences")
    assert len({id_ for fold in folds.folds for id_ in fold.test}) == 720
    for number, fold in enumerate(folds.folds, start=1):
        said = [{folds.sentences[id_] for id_ in ids} for ids in (fold.train, fold.valid, fold.test)]
        assert said == ([{"01"}, {"01"}, {"02"}] if number % 2 else [{"02"}, {"02"}, {"01"}])
        sizes = [len({folds.speakers[id_] for id_ in ids}) for ids in (fold.train, fold.valid, fold.test)]
        assert sizes == [18, 2, 4] and fold.speaker_disjoint and fold.valid_speaker_disjoint


def test_emodb_535(listing: Path) -> None:
    # The true numbers of utterances of each speaker and each emotion; how they combine does not matter here.
    of_speaker = {"03": 49, "08": 58, "09": 43, "10": 38, "11": 55, "12": 35, "13": 61, "14": 69, "15": 56, "16": 71}
    of_emotion = {"W": 127, "L": 81, "E": 46, "A": 69, "F": 71, "T": 62, "N": 79}
    letters = [letter for letter, count in of_emotion.items() for _ in range(count)]
    # A step that has no divisor in common with 535 mixes the emotions.
    letters = [letters[(i * 52) % 535] for i in range(535)]
    names, position = [], 0
    for speaker, count in of_speaker.items():
        seen: Counter[str] = Counter()
        for letter in letters[position : position + count]:
            code = sorted(emodb.SENTENCES)[seen[letter] % 10]
            names.append(f"wav/{speaker}{code}{letter}{'abcdef'[seen[letter] // 10]}.wav")
            seen[letter] += 1
        position += count
    corpus = Corpus("emodb", touch(listing, names))
    assert len(corpus.utterances) == len({u.id for u in corpus.utterances}) == 535
    assert corpus.genders() == {"F": {"08", "09", "13", "14", "16"}, "M": {"03", "10", "11", "12", "15"}}
    assert {u.text for u in corpus.utterances} == set(emodb.SENTENCES.values())
    folds = corpus.folds("loso")
    assert held_out(folds) == [{speaker} for speaker in sorted(of_speaker)]
    for fold in folds.folds:
        valid = {folds.speakers[id_] for id_ in fold.valid}
        assert sorted(speaker in emodb.MEN for speaker in valid) == [False, True]


def test_nemo_4481(listing: Path) -> None:
    # The true numbers of utterances of each speaker and each emotion; how they combine does not matter here.
    of_speaker = {"EB0": 539, "IC0": 540, "KD0": 540, "KS0": 540, "MK0": 450, "MP0": 256, "SM0": 538, "TP0": 539}
    of_speaker["WR0"] = 539
    of_emotion = {"anger": 749, "fear": 736, "happiness": 749, "neutral": 809, "sadness": 769, "surprised": 669}
    left = Counter(of_emotion)
    names = []
    for speaker, count in of_speaker.items():
        seen: Counter[str] = Counter()
        for _ in range(count):
            # The emotion of which most is left: none is said more than 90 times by a speaker.
            emotion = max((e for e in left if seen[e] < 90), key=lambda e: left[e])
            left[emotion] -= 1
            seen[emotion] += 1
            names.append(f"{speaker}_{emotion}_{seen[emotion]}")
    women = ("EB0", "IC0", "KD0", "MK0")
    rows = [f"{n}.wav\t{n.split('_')[1]}\tNie.\t {n[:3]}\t{'fe' * (n[:3] in women)}male" for n in names]
    table = "\n".join(["file_id\temotion\traw_text\tspeaker_id\tgender", *rows])
    root = touch(listing, [f"samples/{name}.wav" for name in names])
    (root / "data.tsv").write_text(table)
    corpus = Corpus("nemo", root)
    assert len(corpus.utterances) == 4481
    assert corpus.genders() == {"F": set(women), "M": {"KS0", "MP0", "SM0", "TP0", "WR0"}}
    assert held_out(corpus.folds("loso")) == [{speaker} for speaker in sorted(of_speaker)]
    for name in ("loso", "sentences"):
        folds = corpus.folds(name)
        assert [{folds.speakers[id_] for id_ in fold.test} for fold in folds.folds] == [{s} for s in sorted(of_speaker)]
        for fold in folds.folds:
            assert sorted(s in women for s in {folds.speakers[id_] for id_ in fold.valid}) == [False, True]
    sizes = [[len({folds.sentences[id_] for id_ in ids}) for ids in (f.train, f.valid, f.test)] for f in folds.folds]
    assert sizes == [[45, 15, 30]] * 9


# Turns of each session by label, as in the release; they add up to the published totals.
IEMOCAP = {
    1: {"neu": 384, "hap": 135, "exc": 143, "sad": 194, "ang": 229},
    2: {"neu": 362, "hap": 117, "exc": 210, "sad": 197, "ang": 137},
    3: {"neu": 320, "hap": 135, "exc": 151, "sad": 305, "ang": 240},
    4: {"neu": 258, "hap": 65, "exc": 238, "sad": 143, "ang": 327},
    5: {"neu": 384, "hap": 143, "exc": 299, "sad": 245, "ang": 170},
}
# Those that the 4-class protocol excludes, over all sessions.
IEMOCAP_OTHERS = {"fru": 1849, "sur": 107, "fea": 40, "dis": 2, "oth": 3, "xxx": 2507}


def write_iemocap(root: Path) -> Path:
    others = [label for label, count in IEMOCAP_OTHERS.items() for _ in range(count)]
    for number, counts in IEMOCAP.items():
        labels = [label for label, count in counts.items() for _ in range(count)] + others[number - 1 :: 5]
        for start in range(0, len(labels), 100):
            dialogue = f"Ses0{number}{'FM'[start // 100 % 2]}_impro{start // 100:02d}"
            names = [f"{dialogue}_{'FM'[i % 2]}{i:03d}" for i in range(len(labels[start : start + 100]))]
            session = root / f"Session{number}"
            touch(session / "sentences/wav", [f"{dialogue}/{name}.wav" for name in names])
            lines = [
                f"[0.0 - 1.0]\t{name}\t{label}\t[2.5, 2.5, 2.5]"
                for name, label in zip(names, labels[start:], strict=False)
            ]
            for folder, text in (("EmoEvaluation", "\n".join(lines)), ("transcriptions", "")):
                (session / "dialog" / folder).mkdir(parents=True, exist_ok=True)
                (session / "dialog" / folder / f"{dialogue}.txt").write_text(text)
    return root


def test_iemocap_10039_and_5531(listing: Path) -> None:
    corpus = Corpus("iemocap", write_iemocap(listing))
    assert len(corpus.utterances) == 10039
    assert corpus.genders() == {g: {f"Ses0{k}{g}" for k in range(1, 6)} for g in ("F", "M")}
    folds = corpus.folds("four")
    assert len(folds.speakers) == 5531
    assert held_out(folds) == [{f"Ses0{k}F", f"Ses0{k}M"} for k in range(1, 6)]
    assert [len(fold.test) for fold in folds.folds] == [1085, 1023, 1151, 1031, 1241]
    assert [len(fold.valid) for fold in folds.folds] == [1023, 1151, 1031, 1241, 1085]
    merged = corpus.values("emotion")
    merged["happy"] += merged.pop("excited")
    assert [merged[name] for name in ("angry", "happy", "sad", "neutral")] == [1103, 1636, 1084, 1708]
    assert folds.excluded.pop("no emotion label") == 2507
    assert sum(folds.excluded.values()) == 10039 - 5531 - 2507


def test_esd_35000(listing: Path) -> None:
    blocks = list(enumerate(esd.EMOTIONS))
    parts = ["evaluation"] * 20 + ["test"] * 30 + ["train"] * 300
    names = []
    for speaker in range(1, 21):
        for block, emotion in blocks:
            # Half of the speakers have nested folders.
            folders = parts if speaker % 2 else [""] * 350
            names += [
                f"{speaker:04d}/{emotion}/{part}/{speaker:04d}_{350 * block + i:06d}.wav".replace("//", "/")
                for i, part in enumerate(folders, start=1)
            ]
    corpus = Corpus("esd", touch(listing, names))
    assert len(corpus.utterances) == 35000
    men = {f"{n:04d}" for n in (4, 5, 6, 8, 10, 11, 12, 13, 14, 20)}
    assert corpus.genders() == {"F": {f"{n:04d}" for n in range(1, 21)} - men, "M": men}
    assert Counter(u.language for u in corpus.utterances) == {"zh": 17500, "en": 17500}
    published = [{5, 11, 16, 18}, {12, 14, 15, 19}, {3, 4, 6, 9}, {7, 8, 13, 20}, {1, 2, 10, 17}]
    tests = held_out(corpus.folds("emobox"))
    assert [{int(s) for s in test} for test in tests] == published
    mandarin = corpus.folds("zh")
    assert len(mandarin.speakers) == 17500 == mandarin.excluded["language en is outside the protocol"]
    assert [sorted(s in men for s in test) for test in held_out(mandarin)] == [[False, True]] * 5
    (official,) = corpus.folds("official").folds
    assert (len(official.train), len(official.valid), len(official.test)) == (30000, 2000, 3000)
    # The corpus's own folders say the same.
    of_folder = {"evaluation": official.valid, "test": official.test, "train": official.train}
    nested = {u.id: u.audio.parts[-2] for u in corpus.utterances if u.audio.parts[-2] in of_folder}
    assert len(nested) == 17500
    for part, ids in of_folder.items():
        assert {nested[id_] for id_ in ids if id_ in nested} == {part}


@pytest.mark.skipif(real_cremad() is None, reason="no list of CREMA-D: set SPEECHEQ_CREMAD to its folder")
def test_cremad_7442(listing: Path) -> None:
    tables = real_cremad()
    assert tables is not None
    touch(listing, (tables / "AudioWAV.list").read_text().split())
    for name in ("VideoDemographics.csv", "processedResults"):
        (listing / name).symlink_to(tables / name)
    corpus = Corpus("cremad", listing)
    assert len(corpus.utterances) == 7442
    assert {gender: len(speakers) for gender, speakers in corpus.genders().items()} == {"F": 43, "M": 48}
    assert len({u.text for u in corpus.utterances}) == 12
    raw = Counter(u.raw.get("intensity") for u in corpus.utterances)
    assert (raw["LO"], raw["MD"], raw["HI"]) == (455, 455, 455)
    by_id = dict(zip((u.id for u in corpus.utterances), corpus.labels, strict=True))
    assert by_id["1001_IEO_NEU_XX"] == {"emotion": "neutral", "intensity": 0.0}
    assert by_id["1001_IEO_HAP_LO"] == {"emotion": "happy", "intensity": pytest.approx(1 / 3)}
    # Three raters heard the anger that was acted, at 39, and three heard nothing; the others, disgust and fear.
    assert by_id["1001_ITH_ANG_XX"] == {"emotion": "angry", "intensity": pytest.approx(0.195)}
    assert by_id["1076_MTI_SAD_XX"] == {"emotion": "sad", "intensity": pytest.approx(3 / 8 * 0.386667)}
    assert all(0 <= intensity <= 1 for intensity in corpus.values("intensity") if isinstance(intensity, float))
    # Of 4990 utterances whose level was not asked, and which are not neutral, every rater heard another emotion in 22.
    assert corpus.values("intensity")[None] == 4990 - 4968
    folds = corpus.folds("groups")
    tests = held_out(folds)
    assert sorted(map(len, tests)) == [18, 18, 18, 18, 19] and len(set().union(*tests)) == 91
    women = corpus.genders()["F"]
    assert {len(test & women) for test in tests} == {8, 9}
    for index, fold in enumerate(folds.folds):
        assert {folds.speakers[id_] for id_ in fold.valid} == tests[(index + 1) % 5]


def test_a_partial_copy_says_what_is_missing(listing: Path) -> None:
    names = [f"0001/{e}/0001_{350 * b + i:06d}.wav" for b, e in enumerate(esd.EMOTIONS) for i in range(1, 351)]
    touch(listing, names[:-2])
    with pytest.raises(
        InputError, match=r"speaker 0001 has 1748 of 1750, .*surprised has 348 of 7000.*--allow-partial"
    ):
        Corpus("esd", listing)
