"""An experiment: one conf and protocol over folds and seeds, each a run folder `fold_<k>/seed_<s>`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from seq.conf import Conf, ProtocolConf
from seq.data.folds import Fold, load_fold
from seq.data.manifest_rows import manifest_rows
from seq.lang.tokens import TokenTable
from seq.lang.units import Lang, open_lang
from seq.tasks.base import Setting
from seq.train.start import Start
from seq.utils.run_folder import RunFolder


@dataclass(frozen=True)
class Experiment:
    """What all runs of an experiment share."""

    conf: Conf
    protocol: ProtocolConf
    tasks: list[str]
    cuts: Path
    folds_dir: Path
    lang_dir: Path
    exp_dir: Path
    device: str = "auto"
    command: str = ""
    # None: random weights.
    start: Start | None = None

    def run_dir(self, fold: int, seed: int) -> Path:
        """The folder of one run."""
        return RunFolder.of(self.exp_dir, fold, seed).path

    def load_fold(self, number: int) -> Fold:
        """A fold, its parts, speakers and sentences checked against the cuts. Raises InputError where they overlap."""
        speakers: dict[str, str] = {}
        sentences: dict[str, str | None] = {}
        for cut in manifest_rows(self.cuts):
            supervision = cut["supervisions"][0]
            speakers[cut["id"]] = supervision["speaker"]
            sentences[cut["id"]] = (supervision.get("custom") or {}).get("sentence")
        return load_fold(self.folds_dir, number, speakers, sentences)

    def open_lang(self, train_ids: list[str], run_dir: Path | None = None) -> Lang:
        """Tokens and transcripts of a fold (see `seq.lang.units.open_lang`); the tokens stay those of the start."""
        lang = open_lang(self.conf.lang, self.lang_dir, train_ids, run_dir)
        symbols = () if self.start is None else self.start.symbols()
        return replace(lang, tokens=TokenTable(symbols)) if symbols else lang

    def setting(self, lang: Lang) -> Setting:
        """What the labels of its utterances depend on."""
        return Setting(self.protocol, self.conf.corpus, lang.tokens.symbols, lang.transcripts)
