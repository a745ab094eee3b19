"""An executor whose tasks are done by the workers of a Dask cluster, each again until it is done, whoever dies."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from tqdm import tqdm

from seq.errors import InputError

try:
    import distributed
    import distributed.comm
    from distributed.scheduler import KilledWorker
except ImportError as error:
    raise InputError(
        f"--cluster needs Dask ({error}): pip install distributed, here and where the workers are"
    ) from error

from seq.utils.cluster.worker import TOPIC, ProcessKilled, Session, work

LOCAL: Final = "local:"
CONNECT_SECONDS: Final = 10
ROOT: Final = Path(__file__).resolve().parents[3]


class ClusterExecutor(Executor):
    """Tasks on a cluster; what they print comes back to standard error."""

    def __init__(self, address: str, folder: Path) -> None:
        """Args:
            address: see `connect`.
            folder: where tasks write; all machines must see it.

        Raises:
            InputError: no scheduler answers.
        """
        self.address = address
        self._stack = ExitStack()
        self._client = self._stack.enter_context(connect(address))
        name = uuid.uuid4().hex
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        # A name that `remove_leftovers` knows, should we be killed.
        marker = folder / f".{os.getpid()}.tmp.cluster-{name}"
        marker.touch()
        self._stack.callback(marker.unlink, missing_ok=True)
        self._session = Session(name, os.getcwd(), str(marker), str(ROOT))
        # Dask forgets a task when nobody holds its future.
        self._tasks: dict[Future[Any], distributed.Future] = {}
        self._count = 0
        self._client.subscribe_topic(TOPIC, self._show)
        if not self._client.nthreads():
            _say(f"waiting for workers of {address}")

    def num_workers(self) -> int:
        """How many tasks are done side by side; at least 1."""
        return max(sum(self._client.nthreads().values()), 1)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As every executor; function, arguments and result are pickled."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        self._start(future, pickle.dumps(partial(fn, *args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster; processes that still work for us are stopped by their workers."""
        self._tasks.clear()
        self._stack.close()

    def _start(self, future: Future[Any], task: bytes) -> None:
        self._count += 1
        key = f"speecheq-{self._session.name}-{self._count}"
        found = self._client.submit(work, self._session, task, key=key, pure=False)
        self._tasks[future] = found
        found.add_done_callback(partial(self._finish, future, task))

    def _finish(self, future: Future[Any], task: bytes, found: distributed.Future) -> None:
        if future not in self._tasks:
            return
        try:
            is_done, value = pickle.loads(found.result())
        except (KilledWorker, ProcessKilled) as error:
            # Dask gives a task up when several workers died of it, but its run goes on from its last checkpoint.
            _say(f"warning: what worked on a task was killed ({_reason(error)}): it goes on elsewhere")
            self._start(future, task)
            return
        except (CancelledError, distributed.client.CancelledError):
            is_done, value = (
                False,
                InputError(f"the scheduler {self.address} is gone: start it, and run the same command again to go on"),
            )
        except Exception as error:
            is_done, value = False, error
        del self._tasks[future]
        if is_done:
            future.set_result(value)
        else:
            future.set_exception(value)

    def _show(self, event: tuple[float, dict[str, str]]) -> None:
        _, message = event
        if message["session"] == self._session.name:
            _say(message["line"])


@contextmanager
def connect(address: str) -> Iterator[distributed.Client]:
    """A client of the scheduler at `tcp://host:port` (`tls://...`) or in a scheduler file; `local:N` starts one.

    Raises:
        InputError: nobody answers there.
    """
    with ExitStack() as stack:
        try:
            scheduler = stack.enter_context(open_scheduler(address))
            if "://" not in scheduler:
                # Dask itself would wait for a file that is not there.
                scheduler = json.loads(Path(scheduler).read_text("utf-8"))["address"]
            asyncio.run(_knock(scheduler))
        # Dask says in each of these ways that an address, a certificate or a file is wrong.
        except (OSError, ValueError, LookupError, TypeError, RuntimeError) as error:
            raise InputError(f"--cluster {address}: no scheduler answers there ({error}): start one with dask "
                             "scheduler, and workers with dask worker") from error  # fmt: skip
        yield stack.enter_context(distributed.Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False))


async def _knock(address: str) -> None:
    """See whether somebody answers: a client that finds nobody would leave threads behind."""
    security = distributed.Security().get_connection_args("client")
    comm = await distributed.comm.connect(address, timeout=CONNECT_SECONDS, **security)
    await comm.close()


@contextmanager
def open_scheduler(address: str) -> Iterator[str]:
    """An address that several may use: of `local:N` that of a scheduler with N workers, which ends with the block."""
    if not address.startswith(LOCAL):
        yield address
        return
    number = address.removeprefix(LOCAL)
    if not number.isdecimal() or int(number) < 1:
        raise InputError(f"--cluster {address}: write local:N with a number of workers, such as local:2")
    with distributed.LocalCluster(
        n_workers=int(number), threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


def _reason(error: Exception) -> str:
    if isinstance(error, KilledWorker):
        return f"{error.allowed_failures + 1} workers died"
    return str(error)


def _say(line: str) -> None:
    # Above the progress bar, if there is one.
    tqdm.write(line, file=sys.stderr)
