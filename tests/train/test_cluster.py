"""Stages on a Dask cluster of real processes: what they write is what processes here write, whoever is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from corpus_builders import build_ravdess, ravdess_conf
from tiny_experiment import make_experiment, tiny_conf

from seq.conf import FeaturesConf
from seq.corpora.verify import prepare_corpus
from seq.data.features import prepare_features
from seq.data.manifests import prepare_manifests
from seq.decode.run import decode_experiment
from seq.errors import InputError
from seq.train.run import train_experiment
from seq.utils.files import read_json
from seq.utils.pool import pool_map
from tools.bench_cluster import DaskCluster, dask_cluster
from tools.kill_test import Step, digests

ROOT = Path(__file__).parents[2]
SEEDS = [0, 1]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    with dask_cluster(tmp_path_factory.mktemp("dask")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def address(cluster: DaskCluster) -> str:
    return read_json(cluster.scheduler_file)["address"]


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_cluster_maps_as_processes_do(
    cluster: DaskCluster,
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for scheduler in (address, str(cluster.scheduler_file)):
        assert list(pool_map(abs, range(-25, 0), scheduler, 3, folder=tmp_path)) == list(range(25, 0, -1))
    # They work in this folder, and say it here.
    monkeypatch.chdir(tmp_path)
    assert set(pool_map(os.path.realpath, ["a"] * 4, address)) == {str(tmp_path / "a")}
    list(pool_map(print, ["what is", "printed"], address))
    assert sorted(capfd.readouterr().err.splitlines()) == ["printed", "what is"]
    # What Dask sets for workers that should look small would halve the speed of training.
    assert list(pool_map(os.getenv, ["MALLOC_TRIM_THRESHOLD_"], address)) == [None]
    with pytest.raises(InputError, match=r"nothing\.json cannot be read .*: run the stage that writes it first"):
        list(pool_map(read_json, [tmp_path / "nothing.json"], address))
    assert not list(tmp_path.iterdir())


def test_dask_looks_after_itself_less_often_where_path_sh_was_read() -> None:
    code = "import dask, distributed; print(dask.config.get('distributed.admin.tick.interval'))"
    command = f'unset DASK_CONFIG; . {ROOT}/path.sh; exec "$0" -c "{code}"'
    found = subprocess.run(["bash", "-c", command, sys.executable], capture_output=True, text=True, check=True)
    assert found.stdout == "1s\n"


def test_a_disk_that_is_not_shared_is_one_sentence(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "touch", lambda _: None)
    with pytest.raises(InputError, match=rf"does not see {tmp_path} as it is where .* needs one file system that all"):
        list(pool_map(abs, [1], address, folder=tmp_path))


@pytest.mark.parametrize("wrong", ["tcp://127.0.0.1", "tls://127.0.0.1:8786", "no/such.json"])
def test_a_scheduler_that_is_not_there_is_one_sentence(wrong: str) -> None:
    with pytest.raises(
        InputError, match=f"--cluster {wrong}: no scheduler answers there .*: start one with dask sched"
    ):
        list(pool_map(abs, [1], wrong))


def test_corpus_and_features_equal_those_of_one_process(address: str, tmp_path: Path) -> None:
    corpus = build_ravdess(tmp_path / "corpus")
    found = []
    for name, workers in (("here", 1), ("there", address)):
        data = tmp_path / name
        prepare_corpus(ravdess_conf(), str(corpus), data, data / "corpus.json", data / "audio.jsonl", workers)
        prepare_manifests(ravdess_conf(), data / "corpus.json", data / "audio.jsonl", data / "cuts.jsonl.gz")
        prepare_features(FeaturesConf(), data / "cuts.jsonl.gz", data / "out.jsonl.gz", data / "storage", workers)
        results = [data / "corpus.json", data / "audio.jsonl", data / "storage"]
        found.append(list(digests(Step(name, [], [], results)).values()))
    assert found[0] == found[1] and len(found[0]) == 2 + 24


def test_whatever_is_killed_training_ends_with_the_same_weights(cluster: DaskCluster, tmp_path: Path) -> None:
    """Data loaders have processes of their own, which a Dask worker may not."""
    conf = tiny_conf(num_epochs=4, average_epochs=1, num_workers=1)
    here, there = make_experiment(tmp_path / "here", conf), make_experiment(tmp_path / "there", conf)
    train_experiment(here, [1], SEEDS)
    decode_experiment(here, [1], SEEDS)
    rng, killed = random.Random(13), []

    def kill() -> None:
        for victims in (cluster.workers, cluster.processes, cluster.workers):
            before = _epochs(there.exp_dir)
            wait_until(lambda: _epochs(there.exp_dir) > before and bool(victims()))  # noqa: B023
            time.sleep(rng.uniform(0, 1))
            if alive := victims():
                os.kill(rng.choice(alive), signal.SIGKILL)
                killed.append(victims.__name__)

    killer = threading.Thread(target=kill)
    killer.start()
    train_experiment(there, [1], SEEDS, str(cluster.scheduler_file))
    killer.join()
    decode_experiment(there, [1], SEEDS, str(cluster.scheduler_file))
    assert "workers" in killed
    for seed in SEEDS:
        runs = [experiment.run_dir(1, seed) for experiment in (here, there)]
        names = [
            path.name for path in runs[0].iterdir() if path.suffix in (".pt", ".jsonl") and "history" not in path.name
        ]
        one, two = (list(digests(Step("", [], [], [run / name for name in names])).values()) for run in runs)
        assert one == two and len(names) >= 4
        # It went on: no epoch but the one that was cut short was trained twice.
        lines = [line.split(":")[0] for line in (runs[1] / "train.log").read_text().splitlines()]
        assert len(lines) == len(set(lines)) <= 4


def _epochs(exp_dir: Path) -> int:
    """How many epochs all runs have trained."""
    return sum(int(last.read_text()) for last in exp_dir.glob("fold_*/seed_*/last"))


def test_nothing_works_for_a_client_that_was_killed(cluster: DaskCluster, address: str, tmp_path: Path) -> None:
    code = "import sys, time; from seq.utils.pool import pool_map; list(pool_map(time.sleep, [60, 60], sys.argv[1]))"
    command = [sys.executable, "-c", code, address]
    with subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}) as client:
        wait_until(lambda: len(list(tmp_path.iterdir())) == 1 and len(cluster.processes()) == 2)
        time.sleep(1)
        client.kill()
    wait_until(lambda: not cluster.processes())
