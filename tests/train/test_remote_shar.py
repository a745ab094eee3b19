"""Training from Shar that a web server has: ranks' shards, corpora's balance, what is stopped, and what is cut off."""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from lhotse.utils import fastcopy
from rank_processes import assert_same_runs, start_ranks
from tiny_experiment import make_cuts, make_experiment, tiny_conf

from seq.data.balance import balanced_cuts
from seq.data.batches import shard_loader
from seq.data.epoch import Epoch
from seq.data.shar import export_shar, fetch_shar, open_cuts, read_cuts
from seq.errors import InputError
from seq.train.experiment import Experiment
from seq.train.loaders import plain_dataset
from seq.train.run import train_run
from seq.train.run_data import RunData
from seq.train.trainer import Trainer
from seq.utils.files import read_jsonl, write_jsonl
from seq.utils.run_folder import RunFolder

pytest.importorskip("smart_open")
SHARD_SIZE = 5


class Quiet(SimpleHTTPRequestHandler):
    asked: ClassVar[Counter[str]] = Counter()

    def do_GET(self) -> None:
        self.asked[self.path] += 1
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Of a server of the folder."""
    Quiet.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def open_remote(experiment: Experiment, folder: Path, url: str, exp: str = "remote") -> Experiment:
    """The experiment with its cuts in ten shards on the server, and only their manifests here."""
    if not (folder / "served").exists():
        assert export_shar(experiment.cuts, folder / "served", SHARD_SIZE) == 48
    fetch_shar(f"{url}/served", 10, folder / "fetched")
    assert sorted(path.suffix for path in (folder / "fetched").iterdir()) == [".gz"] * 10 + [".json"]
    return replace(experiment, cuts=folder / "fetched", exp_dir=folder / exp)


def test_ranks_see_shards_of_their_own_and_corpora_are_balanced(tmp_path: Path, url: str) -> None:
    experiment = open_remote(make_experiment(tmp_path, tiny_conf(batch_duration=3.0)), tmp_path, url)
    data = RunData(experiment, 1, 0)
    dataset = plain_dataset(experiment.conf, data, Trainer(experiment.conf, data, tmp_path / "run").model.front_end)
    shard_of = {
        cut["id"]: n for n, file in enumerate(sorted(experiment.cuts.glob("cuts*"))) for cut in read_jsonl(file)
    }
    # 24 utterances of train lie in the first five shards; ranks share the fifth one.
    orders = []
    for epoch in (1, 2):
        data.epoch.number = epoch
        found = []
        for rank in (0, 1):
            loader = shard_loader(data.sampled_cuts(rank, 2), data.train_labels(), dataset, 3.0, 0)
            loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
            found.append([id_ for batch in loader for id_ in batch.ids])
        assert sorted(found[0] + found[1]) == sorted(data.fold.train)
        shards = [{shard_of[id_] for id_ in ids} for ids in found]
        assert len(shards[0] & shards[1]) == 1 and shards[0] | shards[1] == set(range(5))
        orders.append(found)
    assert orders[0] != orders[1]
    # Who wants the test part asks for no others.
    Quiet.asked.clear()
    assert [cut.id for cut in open_cuts(experiment.cuts, data.fold.test)] == data.fold.test
    assert sorted(Quiet.asked) == [f"/served/features.{n:06d}.tar" for n in (7, 8, 9)]


def test_balance_of_corpora_in_shards(tmp_path: Path, url: str) -> None:
    def of_corpus(i: int) -> str:
        return "small" if i < 8 else "large"

    cuts = list(make_cuts(tmp_path))
    for i, cut in enumerate(cuts):
        found = cut.supervisions[0]
        cut.supervisions = [fastcopy(found, custom={**(found.custom or {}), "corpus": of_corpus(i)})]
    write_jsonl(tmp_path / "cuts.jsonl.gz", (cut.to_dict() for cut in cuts))
    export_shar(tmp_path / "cuts.jsonl.gz", tmp_path / "served", 8)
    fetch_shar(f"{url}/served", 6, tmp_path / "fetched")
    ids, epoch, drawn = [cut.id for cut in cuts], Epoch(0), Counter[str]()
    for number in range(1, 11):
        epoch.number = number
        ranks = [list(balanced_cuts(tmp_path / "fetched", ids, 1.0, epoch, rank, 2)) for rank in (0, 1)]
        assert not {cut.id for cut in ranks[0]} & {cut.id for cut in ranks[1]}
        drawn += Counter(cut.supervisions[0].custom["corpus"] for cut in ranks[0] + ranks[1])
    # As many of each: 24 an epoch.
    assert drawn["small"] == 240 and abs(drawn["large"] - 240) < 40


def test_training_that_was_stopped_goes_on(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = tiny_conf(num_epochs=2, save_every_batches=2, batch_duration=3.0)
    experiment = make_experiment(tmp_path, conf)
    one, two = (open_remote(experiment, tmp_path, url, name) for name in ("one", "two"))
    train_run(one, 1, 0)
    assert sum(Quiet.asked.values()) > 10
    done, trained = Trainer._save_batch, []

    def save(trainer: Trainer) -> None:
        done(trainer)
        trained.append(trainer.progress.batch_idx_train)
        if len(trained) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "_save_batch", save)
    with pytest.raises(KeyboardInterrupt):
        train_run(two, 1, 0)
    served = tmp_path / "served/features.000001.tar"
    content = served.read_bytes()
    for damaged in (content[: 512 * 9], b""):
        served.write_bytes(damaged)
        with pytest.raises(InputError, match=r"features.000001.tar (ends after|cannot be read).* run the same command"):
            train_run(two, 1, 0)
    served.write_bytes(content)
    train_run(two, 1, 0)
    assert_same_runs(one, two)


def test_ranks_of_unequal_shares_train_together(tmp_path: Path, url: str) -> None:
    conf = tiny_conf(num_epochs=1, batch_duration=3.0)
    experiment = make_experiment(tmp_path, conf)
    one = open_remote(experiment, tmp_path, url, "one")
    data = RunData(one, 1, 0)
    trainer = Trainer(conf, data, tmp_path / "alone", "cpu")
    data.epoch.number = 1
    numbers = []
    for rank in (0, 1):
        cuts = data.sampled_cuts(rank, 2)
        loader = shard_loader(cuts, data.train_labels(), plain_dataset(conf, data, trainer.model.front_end), 1.5, 0)
        loader.sampler.set_epoch(1)  # type: ignore[attr-defined]
        numbers.append(len(list(loader)))
    assert numbers[0] != numbers[1]
    assert start_ranks(one, "train").wait(timeout=600) == 0, (tmp_path / "log").read_text()
    assert [row["epoch"] for row in read_jsonl(RunFolder(one.run_dir(1, 0)).history)] == [1]


def test_what_cannot_be_fetched(tmp_path: Path, url: str) -> None:
    experiment = open_remote(make_experiment(tmp_path), tmp_path, url)
    with pytest.raises(InputError, match=r"cuts.000010.jsonl.gz cannot be read .*: correct --url or --shards"):
        fetch_shar(f"{url}/served", 11, experiment.cuts)
    with pytest.raises(InputError, match=rf"has 10 shards of {url}/served: name another folder"):
        fetch_shar(f"{url}/other", 10, experiment.cuts)
    with pytest.raises(InputError, match="is not empty"):
        export_shar(experiment.cuts, tmp_path / "served", 10)
    assert len(list(read_cuts(experiment.cuts))) == 48
