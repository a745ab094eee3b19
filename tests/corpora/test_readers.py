"""Bad input to the readers of ESD, IEMOCAP, CREMA-D, EMO-DB, MEAD and SEQD's form: one sentence that names it."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest

from seq.conf import CorpusConf, load_conf
from seq.corpora.agreement import krippendorff_alpha, majority
from seq.corpora.base import Utterance, get_reader
from seq.corpora.texts import read_lines
from seq.errors import InputError
from seq.labels import map_labels
from seq.lang.g2p import is_speakable

EGS = Path(__file__).resolve().parents[2] / "egs"


def map_all(utterance: Utterance, conf: CorpusConf) -> dict[str, str | float]:
    return map_labels(utterance.id, utterance.raw, conf)


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def read(corpus: str, root: Path, **options: str) -> list[Utterance]:
    return list(get_reader(corpus).read(root, options))


def fails(corpus: str, root: Path, message: str, **options: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as error:
        read(corpus, root, **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("0001_000001\t你好\t中立\n".encode() + b"0001_000002\t\xff\xff\t\n", "line 2 is neither UTF-8 nor gb18030"),
        ("0001_000001\t你好\n".encode("utf-16") + b"\x00\xd8", "line 2 is not UTF-16"),
        ("0002_000001\t你好\t中立\n".encode(), "line 1: 0002_000001 is no utterance of speaker 0001"),
        ("0001_001751\t你好\t中立\n".encode(), "0001_001751 is no utterance of speaker 0001"),
    ],
)
def test_esd_transcripts(tmp_path: Path, content: bytes, message: str) -> None:
    touch(tmp_path, "0001/Neutral/0001_000001.wav")
    (tmp_path / "0001/0001.txt").write_bytes(content)
    fails("esd", tmp_path, message)


def test_a_pipe_where_a_file_should_be_is_not_waited_for(tmp_path: Path) -> None:
    touch(tmp_path, "0001/Neutral/0001_000001.wav", "AudioWAV/1001_TIE_SAD_XX.wav", "casia/f/angry/1.wav")
    for name in ("0001/0001.txt", "VideoDemographics.csv", "casia/transcripts.txt"):
        os.mkfifo(tmp_path / name)
    fails("esd", tmp_path, "0001.txt is not a file: copy it again")
    fails("cremad", tmp_path, "VideoDemographics.csv is not a file: copy it again")
    fails("casia", tmp_path / "casia", "transcripts.txt is not a file: copy it again")


def test_esd_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    touch(tmp_path, *(f"0001/Angry/0001_{n:06d}.wav" for n in range(351, 357)))
    lines = (
        "0001_000351\t你好，再见\t生气",
        "0001_000352\t你好\t快乐\t",
        "0001_000353 你好 生气",
        "0001_000354\t我有3个\t生气",
        "0001_000355",
        "nonsense",
        "0001_000356\t你好",
    )
    # One line in GB 18030 among lines in UTF-8.
    (tmp_path / "0001/0001.txt").write_bytes(
        b"\n".join(line.encode("gb18030" if line.endswith("你好") else "utf-8") for line in lines)
    )
    assert [u.text for u in read("esd", tmp_path)] == ["你好，再见", "你好", "你好", None, None, "你好"]
    error = capsys.readouterr().err
    assert "2 lines of transcript files are malformed" in error
    assert "1 transcripts name another emotion" in error and "1 texts have digits" in error


def test_esd_folders(tmp_path: Path) -> None:
    touch(tmp_path, "0001/Sad/0001_000001.wav")
    fails("esd", tmp_path, "is in the folder Sad, but has a number of Neutral")
    touch(tmp_path, "0001/Bored/0001_000001.wav")
    fails("esd", tmp_path, "0001/Bored: unknown emotion folder")


def iemocap(root: Path, rating: str, text: str) -> Path:
    session = root / "Session1"
    touch(session, "sentences/wav/Ses01F_impro01/Ses01F_impro01_M000.wav")
    for folder, line in (("EmoEvaluation", rating), ("transcriptions", text)):
        touch(session, f"dialog/{folder}/Ses01F_impro01.txt")
        (session / f"dialog/{folder}/Ses01F_impro01.txt").write_text(line + "\n")
    return root


def test_iemocap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rating = "[0.0 - 1.0]\tSes01F_impro01_M000\tneu\t[2.5, 2.5, nan]"
    root = iemocap(tmp_path, rating, "Ses01F_impro01_M000 [000.0-001.0]: It's 12 o'clock")
    assert [(u.speaker, u.text) for u in read("iemocap", root)] == [("Ses01M", None)]
    assert "1 texts are noises only, or have digits" in capsys.readouterr().err
    iemocap(tmp_path, rating, "Ses02F_impro01_M000 [000.0-001.0]: Hello")
    fails("iemocap", root, "line 1: Ses02F_impro01_M000 is no turn of Ses01F_impro01")
    iemocap(tmp_path, "C-E1:\tAnger;\t()", "")
    fails("iemocap", root, "Ses01F_impro01_M000.wav has no line in")
    iemocap(tmp_path, rating.replace("neu", "joy"), "")
    with pytest.raises(InputError, match=r"has the emotion 'joy', which corpus\.emotions"):
        map_all(read("iemocap", root)[0], load_conf(EGS / "iemocap/conf/default.yaml").corpus)


VOTES = "A,D,F,H,N,S,fileName,meanAngerResp,meanDisgustResp,meanFearResp,meanHappyResp,meanNeutralResp,meanSadResp\n"


def test_cremad(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    touch(tmp_path, "AudioWAV/1001_TIE_SAD_X.wav", "processedResults/x")
    people, summary = tmp_path / "VideoDemographics.csv", tmp_path / "processedResults/summaryTable.csv"
    fails("cremad", tmp_path, "VideoDemographics.csv cannot be read")
    people.write_text("ActorID,Sex\n1001,Male\n")
    fails("cremad", tmp_path, "tabulatedVotes.csv cannot be read")
    for table, message in (
        ("FileName,VoiceVote\n", "lacks the column VoiceLevel"),
        ("FileName,VoiceVote,VoiceLevel\n1001_TIE_SAD_XX,S\n", "line 2 has more or fewer fields"),
        ("FileName,VoiceVote,VoiceLevel\n", "has no line for 1001_TIE_SAD_XX"),
        ("FileName,VoiceVote,VoiceLevel\n1001_TIE_SAD_XX,S:A,50\n", "has the level '50' for the vote 'S:A'"),
        ("FileName,VoiceVote,VoiceLevel\n1001_TIE_SAD_XX,X,50\n", "has the level '50' for the vote 'X'"),
        ("FileName,VoiceVote,VoiceLevel\n1001_TIE_SAD_XX,S:A,10:150\n", "line 2: 1001_TIE_SAD_XX has the level '150'"),
        ("FileName,VoiceVote,VoiceLevel\n1001_TIE_SAD_XX,S,nan\n", "has the level 'nan', and levels go from 0 to 100"),
        ("FileName,VoiceVote,VoiceLevel\n1001_TIE_SAD_HI,S,1e400\n", "has the level '1e400', and levels go from 0"),
        (
            "FileName,VoiceVote,VoiceLevel\n1001_TIE_SAD_XX,S,50\n1001_TIE_SAD_XX,S,60\n",
            "lines 2 and 3: 1001_TIE_SAD_XX has the VoiceLevel '50' and '60': keep one",
        ),
    ):
        summary.write_text(table)
        fails("cremad", tmp_path, message)
    # Of a tie between sad and neutral, half of the raters heard no sadness. The same line twice contradicts nothing.
    capsys.readouterr()
    for vote, level, expected in (("S", "50", "50"), ("S:N", "50:60", "25"), ("N", "60", "0"), ("A", "60", None)):
        summary.write_text("FileName,VoiceVote,VoiceLevel\n" + 2 * f"1001_TIE_SAD_XX,{vote},{level}\n")
        (utterance,) = read("cremad", tmp_path)
        assert (utterance.id, utterance.gender, utterance.raw["intensity"]) == ("1001_TIE_SAD_XX", "M", expected)
    assert capsys.readouterr().err.count("tabulatedVotes.csv is not there") == 4
    votes = tmp_path / "processedResults/tabulatedVotes.csv"
    row = "1,0,0,0,2,3,1001_TIE_SAD_XX,40,-1,-1,-1,90,60\n"
    for header, table, message in (
        (VOTES, row, "line 2: its first field is not the number of a rating"),
        ("," + VOTES, f"200001,{row}", "tabulatedVotes.csv has no line for 1001_TIE_SAD_XX"),
        ("," + VOTES, f"100001,{row}200001,{row}100001,{row}", "lines 2 and 4 are both of 1001_TIE_SAD_XX's voice"),
        ("," + VOTES, "100001,-" + row, "line 2: 1001_TIE_SAD_XX has '-1' votes for A"),
        ("," + VOTES, "100001," + row.replace("60", "-1"), "1001_TIE_SAD_XX has the level '-1', and levels go from"),
    ):
        votes.write_text(header + table)
        fails("cremad", tmp_path, message)
    votes.write_text("," + VOTES + f"300001,{row.replace('60', '10')}100001,{row}")
    assert read("cremad", tmp_path)[0].raw["intensity"] == "36"
    people.write_text("ActorID,Sex\n1001,Male\n1002,Male\n1001,Female\n")
    fails("cremad", tmp_path, "lines 2 and 4: 1001 has the Sex 'Male' and 'Female': keep one")
    people.write_text("ActorID,Sex,Sex\n1001,Male,Female\n")
    fails("cremad", tmp_path, "VideoDemographics.csv has the column Sex twice: keep one")
    people.write_text("ActorID,Sex\n1001,Male\n")
    touch(tmp_path, "AudioWAV/1001_sad.wav")
    fails("cremad", tmp_path, "1001_sad.wav is not named as CREMA-D's files")
    people.write_text("ActorID,Sex\n1002,Male\n")
    fails("cremad", tmp_path, "has no Male or Female for actor 1001")


def test_nemo(tmp_path: Path) -> None:
    touch(tmp_path, "samples/EB0_anger_1.wav", "samples/KS0_fear_2.flac")
    head = "file_id\temotion\traw_text\tspeaker_id\tgender\n"
    good = "EB0_anger_1.wav\tanger\tLubię czytać przed snem.\t        EB0\tfemale\n"
    table = tmp_path / "data.tsv"
    for line, message in (
        ("", "data.tsv has no line for KS0_fear_2.flac"),
        ("KS0_fear_2.wav\tfear\tNie.\tKD0\tmale\n", "line 3: KS0_fear_2 has the speaker_id 'KD0'"),
        ("KS0_fear_2.wav\tanger\tNie.\tKS0\tmale\n", "line 3: KS0_fear_2 has the emotion 'anger'"),
        ("KS0_fear_2.wav\tfear\tNie.\tKS0\tm\n", "line 3: KS0_fear_2 has the gender 'm'"),
        (good.replace("female", "male"), "lines 2 and 3: EB0_anger_1.wav has the gender 'female' and 'male'"),
        ("KS0_fear_2.wav\tfear\tNie.\n", "line 3 has more or fewer fields"),
    ):
        table.write_text(head + good + line, encoding="utf-8")
        fails("nemo", tmp_path, message)
    table.write_text(head + good + "KS0_fear_2.wav\tfear\tNie.\tKS0\tmale\n", encoding="utf-8")
    found = [(u.id, u.speaker, u.gender, u.text, u.sentence) for u in read("nemo", tmp_path)]
    assert found == [
        ("EB0_anger_1", "EB0", "F", "Lubię czytać przed snem.", "1"),
        ("KS0_fear_2", "KS0", "M", "Nie.", "2"),
    ]
    (tmp_path / "samples/KS0_fear_2.flac").rename(tmp_path / "samples/KS0-fear-2.flac")
    fails("nemo", tmp_path, "KS0-fear-2.flac is not named as nEMO's files")


def test_emodb_and_mead(tmp_path: Path) -> None:
    touch(tmp_path, "emodb/wav/03a01Fa.wav", "emodb/wav/04a01Fa.wav", "mead/M003/audio/angry/level_1/001.m4a")
    fails("emodb", tmp_path / "emodb", "04a01Fa.wav is not named as EMO-DB's files")
    (tmp_path / "emodb/wav/04a01Fa.wav").rename(tmp_path / "emodb/wav/03a01Xa.wav")
    with pytest.raises(InputError, match=r"'X', which corpus\.emotions"):
        map_all(read("emodb", tmp_path / "emodb")[1], load_conf(EGS / "emodb/conf/default.yaml").corpus)

    mead = tmp_path / "mead"
    fails("mead", mead, "001.m4a (1 such) is AAC, which libsndfile does not read: convert all files with find")
    touch(mead, "M003/audio/angry/level_1/001.wav")
    texts = tmp_path / "texts.txt"
    texts.write_text("M003-angry-1-001\tHello\n")
    assert [(u.id, u.text, u.raw.get("intensity")) for u in read("mead", mead, transcripts=str(texts))] == [
        ("M003-angry-1-001", "Hello", "level_1")
    ]
    texts.write_text("M003-angry-1-002\tHello\n")
    fails("mead", mead, "M003-angry-1-002 is no utterance of the corpus", transcripts=str(texts))
    touch(mead, "M003/audio/bored/level_1/001.wav")
    fails("mead", mead, "with one of angry, contempt")


@pytest.mark.parametrize(
    ("corpus", "files", "ids"),
    [
        ("ravdess", {"ACTOR_01/03-01-01-01-01-01-01.WAV": ""}, ["03-01-01-01-01-01-01"]),
        ("esd", {"0001/neutral/0001_000001.wav": ""}, ["0001_000001"]),
        ("emodb", {"WAV/03a01Fa.wav": ""}, ["03a01Fa"]),
        ("mead", {"m003/Audio/Angry/Level_1/001.wav": ""}, ["M003-angry-1-001"]),
        ("seqd", {"Metadata.CSV": "path,speaker,emotion\na.wav,s,sad\n"}, ["a"]),
        ("iemocap", {
            "session1/Sentences/WAV/Ses01F_impro01/Ses01F_impro01_M000.wav": "",
            "session1/Dialog/emoevaluation/Ses01F_impro01.txt": "[0.0 - 1.0]\tSes01F_impro01_M000\tneu\t[2.5]\n",
            "session1/Dialog/Transcriptions/Ses01F_impro01.txt": "",
        }, ["Ses01F_impro01_M000"]),
        ("cremad", {
            "audiowav/1001_TIE_SAD_XX.wav": "",
            "videodemographics.csv": "ActorID,Sex\n1001,Male\n",
            "processedresults/SUMMARYTABLE.csv": "FileName,VoiceVote,VoiceLevel\n1001_TIE_SAD_XX,S,50\n",
        }, ["1001_TIE_SAD_XX"]),
    ],
)  # fmt: skip
def test_names_in_another_case_are_the_same_names(
    tmp_path: Path, corpus: str, files: dict[str, str], ids: list[str]
) -> None:
    touch(tmp_path, *files)
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    assert get_reader(corpus).find_root(tmp_path) == tmp_path
    assert [u.id for u in read(corpus, tmp_path)] == ids


def test_two_names_that_differ_in_case_only_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "AudioWAV/1001_TIE_SAD_XX.wav", "audiowav/1001_TIE_SAD_XX.wav")
    with pytest.raises(InputError, match="has AudioWAV and audiowav, which differ in case only: put them together"):
        get_reader("cremad").find_root(tmp_path)


HEADER = "id,path,text,speaker,gender,emotion,intensity,annotator\n"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("u,a.wav,hi,s,F,happy,1,a\nu,a.wav,hi,s,F,sad,1,a\n", "lines 2 and 3: u is there twice by the same annotator"),
        ("u,a.wav,hi,s,F,happy,1,a\nu,a.wav,ho,s,F,sad,1,b\n", "lines 2 and 3: u has the text 'hi' and 'ho'"),
        ("u,a.wav,hi,s,female,happy,1,a\n", "u has the gender 'female': write F, M"),
        ("u 1,a.wav,hi,s,F,happy,1,a\n", "its id has blanks"),
        ("u,a.wav,hi,s,F,happy,1,a\nu,a.wav,hi,s,F,happy,much,b\n", "u has the intensity 'much': write a number"),
        ("u,a.wav,hi,s,F\n", "line 2 has more or fewer fields"),
        ("u,a.wav,,s,F,sad,1,a\nv,./x/../a.wav,,s,F,sad,1,a\n", "lines 2 and 3: ./x/../a.wav is u and v: keep one"),
        ("u,a.wav,,s,F,sad,1,a\nv,a.wav,,t,F,sad,1,a\n", "lines 2 and 3: a.wav is u and v: keep one"),
        ("u,a.wav,,s,F,,,\nv,b.wav,,s,,,,\nw,c.wav,,s,M,,,\n", "lines 2 and 4: speaker s has the gender F and M"),
    ],
)
def test_seqd(tmp_path: Path, rows: str, message: str) -> None:
    (tmp_path / "metadata.csv").write_text(HEADER + rows)
    fails("seqd", tmp_path, message)


def test_seqd_needs_paths_speakers_and_emotions(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("emotion,path,speaker\nsad,my audio/a.wav,s\n,/b.wav,t\n,../c.wav,t\n")
    assert get_reader("seqd").find_root(tmp_path) == tmp_path
    first, second, third = read("seqd", tmp_path)
    assert (first.id, first.audio, first.raw.get("emotion")) == ("my_audio_a", tmp_path / "my audio/a.wav", "sad")
    assert (first.text, first.gender, first.raw.get("intensity")) == (None, None, None)
    assert (second.id, second.audio, second.raw.get("emotion")) == ("_b", Path("/b.wav"), None)
    assert third.id == "_c"
    (tmp_path / "metadata.csv").write_text("emotion,path,speaker\nsad,a/b.wav,s\nsad,a_b.wav,t\n")
    fails("seqd", tmp_path, "a_b has the path 'a/b.wav' and 'a_b.wav': keep one, or give each an id")


def test_a_table_that_cannot_be_read_is_not_called_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = get_reader("seqd").find_root
    with pytest.raises(InputError, match=r"has no metadata\.csv with the columns path, speaker, emotion"):
        find(tmp_path)
    (tmp_path / "metadata.csv").write_bytes("path,speaker,emotion,text\na.wav,s,sad,你好\n".encode("gb18030"))
    with pytest.raises(InputError, match=r"metadata\.csv is not UTF-8: save it as UTF-8"):
        find(tmp_path)

    def forbidden(path: Path) -> bytes:
        # Whatever permissions say, root reads it.
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    with pytest.raises(InputError, match=r"metadata\.csv cannot be read \(Permission denied\): change its permissions"):
        find(tmp_path)


def test_seqd_intensity_is_checked_rating_by_rating_and_averaged(tmp_path: Path) -> None:
    conf = load_conf(EGS / "seqd/conf/default.yaml").corpus
    row = "{0},a.wav,,s,,{1},{2},{3}\n"
    votes = [("u", "happy", 2, "a"), ("u", "happy", 3, "b"), ("u", "sad", "", "c")]
    (tmp_path / "metadata.csv").write_text(HEADER + "".join(row.format(*vote) for vote in votes))
    (utterance,) = read("seqd", tmp_path)
    assert (utterance.text, utterance.gender) == (None, None)
    assert map_all(utterance, conf) == {"emotion": "happy", "intensity": pytest.approx(2.5 / 3)}
    # The mean would be within the scale.
    (tmp_path / "metadata.csv").write_text(HEADER + row.format("u", "joy", 4, "a") + row.format("u", "joy", 0, "b"))
    (utterance,) = read("seqd", tmp_path)
    with pytest.raises(InputError, match=r"'joy', which corpus\.emotions"):
        map_all(utterance, conf)
    (tmp_path / "metadata.csv").write_text(HEADER + row.format("u", "sad", 4, "a") + row.format("u", "sad", 0, "b"))
    with pytest.raises(InputError, match="u has the intensity 4, outside the scale from 0 to 3"):
        map_all(read("seqd", tmp_path)[0], conf)
    # Neutral is 0 whatever was rated; what cannot have been rated is a mistake there, too.
    for rating in ("9", "-1", "nan", "1e400"):
        rows = "".join(row.format("u", "neutral", *vote) for vote in ((1, "a"), (rating, "b")))
        (tmp_path / "metadata.csv").write_text(HEADER + rows)
        with pytest.raises(InputError, match=f"u has the intensity {float(rating):g}, outside the scale from 0 to 3"):
            map_all(read("seqd", tmp_path)[0], conf)


def test_agreement() -> None:
    assert [majority(v) for v in (["a", "b", "a"], ["a", "b"], ["a"], [])] == ["a", None, "a", None]
    pytest.importorskip("nltk")
    # Krippendorff (2011), "Computing Krippendorff's alpha-reliability", examples with missing data: 0.743 and 0.849.
    ratings = [
        ("A", "1 2 3 3 2 1 4 1 2 . . ."),
        ("B", "1 2 3 3 2 2 4 1 2 5 . 3"),
        ("C", ". 3 3 3 2 3 4 2 2 5 1 ."),
        ("D", "1 2 3 3 2 4 4 1 2 5 1 ."),
    ]
    data = [(coder, str(i), value) for coder, row in ratings for i, value in enumerate(row.split()) if value != "."]
    assert krippendorff_alpha(data) == pytest.approx(0.743, abs=5e-4)
    assert krippendorff_alpha([(c, i, float(v)) for c, i, v in data]) == pytest.approx(0.849, abs=5e-4)
    assert krippendorff_alpha([("A", "1", "x"), ("B", "2", "x")]) is None
    assert krippendorff_alpha([("A", "1", "x"), ("B", "1", "x")]) == 1.0


def test_encodings(tmp_path: Path) -> None:
    path = tmp_path / "text"
    for data, language, expected in (
        ("你好\nabc".encode("utf-16-le"), "zh", ["你好", "abc"]),
        ("你好\nabc".encode("utf-16-be"), "zh", ["你好", "abc"]),
        ("\ufeff你好".encode(), "zh", ["你好"]),
        (b"caf\xe9 \x92s", "en", ["café ’s"]),
        (b"\x81\xe9", "en", ["\x81é"]),
    ):
        path.write_bytes(data)
        assert read_lines(path, language) == expected
    with pytest.raises(InputError, match="missing cannot be read"):
        read_lines(tmp_path / "missing", "zh")
    assert [is_speakable(t, "zh") for t in ("你好，", "A座", "3", "，")] == [True, False, False, False]
    assert [is_speakable(t, "en") for t in ("It’s café—no!", "at 5", "at 50", "a@b", "...")] == [
        True,
        True,
        False,
        False,
        False,
    ]
